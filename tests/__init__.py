"""Tests: unit (fast), flow (the real job on a tiny region), reference (numbers that others published)."""
