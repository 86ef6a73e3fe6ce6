"""The table of agreement: how rows are counted, merged and found stale, and that parallel workers report too."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.reference.agreement import Agreement, Row, difference, merged, parse, power_of_ten, render

ROW = Row("Kit | of a publisher", "rates", 1200, 1198, 1e-14, "relative 1e-9", "test_kit.py", {"a, b: typo": 2})
OTHER = Row("Other", "counts", 3, 3, 0.0, "exact", "test_other.py")


class Node:
    path = Path("tests/reference/test_kit.py")

    def __init__(self) -> None:
        self.user_properties: list[tuple[str, Any]] = []


def collected(*rows: Row) -> Agreement:
    return Agreement(cast(Any, Node()), {row.key: row for row in rows})


def test_a_table_survives_writing_and_reading_in_the_order_of_its_keys() -> None:
    assert list(parse(render([OTHER, ROW]))) == [ROW, OTHER]
    assert render(parse(render([OTHER, ROW]))) == render([ROW, OTHER])


def test_a_partial_run_replaces_its_own_rows() -> None:
    before = {row.key: row for row in (ROW, OTHER)}
    newer = replace(OTHER, compared=4, agreed=4)
    assert merged(before, [newer]) == [ROW, newer]


def test_rows_of_a_module_that_ran_whole_and_recorded_them_no_more_are_gone() -> None:
    before = {row.key: row for row in (ROW, OTHER)}
    assert merged(before, [OTHER], whole=["test_kit.py"]) == [OTHER]


def test_a_last_digit_that_moved_does_not_move_the_table() -> None:
    moved = replace(ROW, largest_difference=1e-15)
    assert merged({ROW.key: ROW}, [moved]) == [ROW]
    assert merged({ROW.key: ROW}, [replace(ROW, largest_difference=1e-11)]) != [ROW]


def test_differences_without_a_reason_fail() -> None:
    with pytest.raises(AssertionError, match="1 of 2 figures disagree, 0 with a reason"):
        collected().compare("Kit", "rates", {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.1}, relative=1e-9)
    collected().compare("Kit", "rates", {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.1}, relative=1e-9, known={"b": "typo"})


def test_nothing_compared_fails_and_so_do_other_figures() -> None:
    with pytest.raises(AssertionError, match="nothing was compared"):
        collected().compare("Kit", "rates", {}, {})
    with pytest.raises(AssertionError, match="other figures"):
        collected().compare("Kit", "rates", {"a": 1}, {"b": 1})


def test_a_row_that_is_new_or_says_something_else_is_stale() -> None:
    row = Row("Kit", "rates", 1, 1, 0.0, "exact", "test_kit.py")
    for before, is_stale in [((row,), False), ((), True), ((replace(row, compared=2, agreed=2),), True)]:
        found = collected(*before)
        found.compare("Kit", "rates", {"a": 1}, {"a": 1})
        assert bool(found.stale) is is_stale


@pytest.mark.parametrize(
    ("found", "published", "distance"),
    [(None, None, 0), (None, 1.0, math.inf), (0.0, None, math.inf), ("*", "*", 0), (3.0, "*", math.inf), (2, 1, 1)],
)
def test_null_and_text_agree_with_themselves_only(found: Any, published: Any, distance: float) -> None:
    assert difference(found, published) == distance


def test_differences_are_rounded_up() -> None:
    assert [power_of_ten(v) for v in (0, 3e-15, 1e-9, 0.02, 1e-30)] == [0, 1e-14, 1e-9, 0.1, 1e-16]


def test_workers_of_a_parallel_run_report_to_one_table(tmp_path: Path) -> None:
    """The first run finds the table stale, the second a row that nobody records any more, the third nothing."""
    root = Path(__file__).parents[2]
    copied = (root / "tests/reference/agreement.py").read_text(encoding="utf-8")
    (tmp_path / "agreement.py").write_text(copied, encoding="utf-8")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["agreement"]\n', encoding="utf-8")
    table = tmp_path / "reference_agreement.md"
    table.write_text(render([replace(OTHER, test="test_rates.py")]), encoding="utf-8")
    test = "def test_it(agreement):\n    agreement.compare('Kit', '{0}', {{1: 1}}, {{1: 1}})\n"
    for name in ("rates", "means"):
        (tmp_path / f"test_{name}.py").write_text(test.format(name), encoding="utf-8")
    namesake = tmp_path / "elsewhere/test_means.py"
    namesake.parent.mkdir()
    namesake.write_text("def test_it():\n    pass\n", encoding="utf-8")

    first = pytest_in(tmp_path, "-p", "xdist", "-n", "2")
    assert first.returncode == 1 and "was out of date" in first.stdout, first.stdout + first.stderr
    assert [row.what for row in parse(table.read_text(encoding="utf-8"))] == ["means", "rates", "counts"]
    second = pytest_in(tmp_path)
    assert second.returncode == 1 and "rows that no test records" in second.stdout, second.stdout
    assert [row.what for row in parse(table.read_text(encoding="utf-8"))] == ["means", "rates"]
    assert pytest_in(tmp_path).returncode == 0
    assert pytest_in(tmp_path, target="elsewhere").returncode == 0
    assert [row.what for row in parse(table.read_text(encoding="utf-8"))] == ["means", "rates"]


def pytest_in(folder: Path, *arguments: str, target: str = ".") -> subprocess.CompletedProcess[str]:
    """A run of its own, with no plugins but those it names."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        *arguments,
        target,
    ]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
