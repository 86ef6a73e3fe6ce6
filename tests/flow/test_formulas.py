"""The unit tests that the dbt project has for its formulas, and what `trigpoint kpi test` says of a region."""

from __future__ import annotations

import pytest

from orchestration.kpi_check import check
from orchestration.transform import unit_test
from tests.flow.conftest import Run

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]


def test_every_unit_test_of_a_formula_passes(undisturbed: Run) -> None:
    results = unit_test(undisturbed.region)
    assert len(results) > 20
    assert [(r.unique_id, r.message) for r in results if r.status != "pass"] == []


def test_every_kpi_of_a_region_passes_its_own_checks(undisturbed: Run) -> None:
    """Withdrawn versions, too: they are held against the ledger and have no figures."""
    verdicts = check(undisturbed.region, formulas=False, tell=lambda _: None)
    assert [(v.kpi["kpi_id"], v.kpi["version"], v.problems) for v in verdicts if v.problems] == []
    withdrawn = [v.figures for v in verdicts if v.kpi["withdrawn_because"]]
    assert withdrawn and set(withdrawn) == {0}
    assert sum(v.figures for v in verdicts) > 100_000
