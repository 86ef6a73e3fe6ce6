"""Connectors for funders' publications: awards, transactions, targets, results."""
