"""Connectors for case-management systems: people, services, episodes and what happens in them."""
