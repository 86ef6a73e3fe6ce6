"""Outcome instruments: from definitions that people write to the seeds that the models score by.

``python -m orchestration.instruments`` writes the seeds; a test fails when they are behind the definitions.
"""

from orchestration.instruments.definition import Instrument, Programme, Vector, memberships
from orchestration.instruments.reading import (
    DEFINITIONS,
    PROGRAMMES,
    InstrumentError,
    latest,
    read_instrument,
    read_instruments,
    read_programmes,
)
from orchestration.instruments.seeds import COLUMNS, SEEDS, as_csv, compiled, seed_rows

__all__ = [
    "COLUMNS",
    "DEFINITIONS",
    "PROGRAMMES",
    "SEEDS",
    "Instrument",
    "InstrumentError",
    "Programme",
    "Vector",
    "as_csv",
    "compiled",
    "latest",
    "memberships",
    "read_instrument",
    "read_instruments",
    "read_programmes",
    "seed_rows",
]
