"""Connectors: what turns a delivery of a sender's system into landing tables.

What belongs here: knowledge of file formats and systems, their specs, and the synthetic sample region in those
formats. What does not: meaning (``dbt_project``), what is acceptable (``expectations``), when and where things run
(``orchestration``).
"""
