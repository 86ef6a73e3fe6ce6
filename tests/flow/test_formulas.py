"""The unit tests that the dbt project has for its formulas."""

from __future__ import annotations

import pytest

from orchestration.transform import unit_test
from tests.flow.conftest import Run

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]


def test_every_unit_test_of_a_formula_passes(undisturbed: Run) -> None:
    results = unit_test(undisturbed.region)
    assert len(results) > 20
    assert [(r.unique_id, r.message) for r in results if r.status != "pass"] == []
