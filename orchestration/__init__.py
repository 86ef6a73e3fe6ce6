"""Dagster, the command line, and everything about when and where: region, landing zone, vault, warehouse, releases.

No business SQL belongs here: what a number means is stated in ``dbt_project``.
"""
