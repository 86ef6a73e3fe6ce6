"""Connectors for survey systems: forms, responses, answers."""
