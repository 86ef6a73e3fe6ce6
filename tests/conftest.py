"""What several test modules share: where the reference data lie, how hypothesis runs, and where reference tests report
what they compared (a plugin of this conftest: the process that leads a parallel run reads no other).

What belongs here: what more than one folder of tests needs. What does not: data of a single test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.reference.agreement"]

ROOT = Path(__file__).resolve().parent.parent

# The same examples in every run, and no deadline: the machine may be busy. HYPOTHESIS_PROFILE=explore tries new ones.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, database=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of real data and official results; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("TRIGPOINT_REFERENCE_DATA") or ROOT / "../shared/data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set TRIGPOINT_REFERENCE_DATA")
    return folder
