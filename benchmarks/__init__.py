"""Timings of the real pipeline. What belongs here: measuring. What does not: asserting how fast anything is."""
