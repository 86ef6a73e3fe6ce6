"""How far the project's figures agree with what others published: one row a comparison, in a committed table.

What belongs here: collecting what reference tests compared (also from the workers of a parallel run), and the table
``reference_agreement.md``. A run replaces its own rows only, and a test fails whose committed row says something else.
What does not: any comparison, or what a tolerance should be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

TABLE = Path(__file__).parent / "reference_agreement.md"
PROPERTY = "agreement"
"""Under this name a test's rows travel with its report."""

HEAD = """# Agreement with published figures

Written by the reference tests (`pytest tests/reference`): each run replaces the rows of the tests that it ran, and a
test fails when the committed row says something else. The largest difference is rounded up to a power of ten.

| Source | Figures | Compared | Agreed | Largest difference | Tolerance | Known disagreements | Test |
| --- | --- | ---: | ---: | ---: | --- | --- | --- |
"""


@dataclass(frozen=True)
class Row:
    """One comparison."""

    source: str
    """Who published the figures."""
    what: str
    """Which of them."""
    compared: int
    agreed: int
    largest_difference: float
    """Among all that were compared, in the measure of the tolerance; a power of ten, or 0."""
    tolerance: str
    """As a reader should see it: "relative 1e-9", "exact", "0.05 percentage points"."""
    test: str
    """Module of the test."""
    disagreements: Mapping[str, int] = field(default_factory=dict)
    """Why figures disagree that should → how many."""

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.what

    def says_the_same(self, other: Row) -> bool:
        """Whether both tell a reader the same. The largest difference may move by one digit from machine to machine."""
        mine, others = asdict(self), asdict(other)
        near = _are_near(mine.pop("largest_difference"), others.pop("largest_difference"))
        return near and mine == others


class Agreement:
    """What one test compares. Tests get it as the fixture ``agreement``."""

    def __init__(self, node: pytest.Item, committed: Mapping[tuple[str, str], Row]) -> None:
        self._node = node
        self._committed = committed
        self.stale: list[str] = []

    def record(
        self,
        source: str,
        what: str,
        *,
        compared: int,
        agreed: int,
        tolerance: str,
        largest_difference: float = 0.0,
        disagreements: Mapping[str, int] | None = None,
    ) -> None:
        """Put a comparison into the table. Every figure that does not agree needs a known reason."""
        known = dict(sorted((disagreements or {}).items()))
        row = Row(
            *(_plain(source), _plain(what), compared, agreed, power_of_ten(largest_difference), _plain(tolerance)),
            test=Path(self._node.path).name,
            disagreements={_plain(reason): count for reason, count in known.items()},
        )
        self._node.user_properties.append((PROPERTY, asdict(row)))
        before = self._committed.get(row.key)
        if before is None or not row.says_the_same(before):
            self.stale.append(f"{row.source}: {row.what}")
        assert compared > 0, f"{source}, {what}: nothing was compared"
        assert compared - agreed == sum(known.values()), (
            f"{source}, {what}: {compared - agreed} of {compared} figures disagree, {sum(known.values())} with a reason"
        )

    def compare(
        self,
        source: str,
        what: str,
        found: Mapping[Any, Any],
        published: Mapping[Any, Any],
        *,
        relative: float = 0.0,
        absolute: float = 0.0,
        known: Mapping[Hashable, str] | None = None,
    ) -> None:
        """Compare figures by key, NULL with NULL and text with text, and record it. Without a tolerance: exact."""
        assert set(found) == set(published), f"{source}, {what}: other figures than the published ones"
        differences = {key: difference(found[key], published[key], is_relative=relative > 0) for key in published}
        wrong = [key for key, value in differences.items() if not value <= max(relative, absolute)]
        reasons = [known[key] if known and key in known else None for key in wrong]
        self.record(
            *(source, what),
            compared=len(published),
            agreed=len(published) - len(wrong),
            tolerance=_tolerance(relative, absolute),
            largest_difference=max(differences.values(), default=0.0),
            disagreements={reason: reasons.count(reason) for reason in reasons if reason},
        )

    def check(self) -> None:
        """Fail if the committed table says something else."""
        if self.stale:
            pytest.fail(f"{TABLE.name} was out of date; this run wrote it anew, commit it: " + "; ".join(self.stale))


def difference(found: Any, published: Any, *, is_relative: bool = False) -> float:
    """Distance of two figures: infinite between NULL or text and anything else."""
    if found is None or published is None or isinstance(published, str) or isinstance(found, str):
        return 0.0 if found == published else math.inf
    distance = abs(float(found) - float(published))
    if math.isnan(distance):
        return math.inf
    return distance / abs(float(published)) if is_relative and published else distance


def power_of_ten(value: float) -> float:
    """Rounded up; what is smaller than the last digit of a DOUBLE counts as that digit, or as 0 if it is 0."""
    if not value or math.isinf(value):
        return value
    return float(f"1e{max(-16, math.ceil(math.log10(value) - 1e-9))}")


def render(rows: Iterable[Row]) -> str:
    """The table, in the order of its keys."""
    return HEAD + "".join(_line(row) for row in sorted(rows, key=lambda row: row.key))


def parse(text: str) -> Iterator[Row]:
    """The rows of a table."""
    for line in text.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 8 or not re.fullmatch(r"[\d,]+", cells[2]):
            continue
        source, what, compared, agreed, largest, tolerance, reasons, test = cells
        counted = [part.split(": ", 1) for part in reasons.split("<br>") if part]
        yield Row(
            *(source, what, _number(compared), _number(agreed), float(largest), tolerance),
            test=test.strip("`"),
            disagreements={reason: _number(count) for count, reason in counted},
        )


def committed(path: Path = TABLE) -> dict[tuple[str, str], Row]:
    """The table as it stands, by key."""
    return {row.key: row for row in parse(path.read_text(encoding="utf-8"))} if path.is_file() else {}


def merged(before: Mapping[tuple[str, str], Row], new: Sequence[Row], whole: Iterable[str] = ()) -> list[Row]:
    """The rows after a run. Modules in ``whole`` ran to their end: rows of theirs that nobody recorded are gone."""
    after = dict(before)
    for row in new:
        if row.key not in before or not row.says_the_same(before[row.key]):
            after[row.key] = row
    mine = {row.key for row in new}
    return [row for key, row in after.items() if key in mine or row.test not in set(whole)]


class Collector:
    """The pytest plugin: takes rows from reports (those of workers arrive here too) and writes the table at the end."""

    def __init__(self, config: pytest.Config, path: Path = TABLE) -> None:
        self._config = config
        self._path = path
        self._before = committed(path)
        self._rows: list[Row] = []
        self._modules: set[str] = set()
        self._broken: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        module = self._config.rootpath / report.nodeid.split("::")[0]
        if module.parent.resolve() == self._path.parent.resolve():
            (self._modules if report.passed else self._broken).add(module.name)
        if report.when == "teardown":
            self._rows += [Row(**value) for name, value in report.user_properties if name == PROPERTY]  # type: ignore[arg-type]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workerinput"):
            return
        rows = merged(self._before, self._rows, self._whole_modules())
        gone = sorted(set(self._before) - {row.key for row in rows})
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if gone and reporter:
            listed = "; ".join(": ".join(key) for key in gone)
            reporter.write_line(
                f"\n{self._path.name} had rows that no test records; they are gone, commit it: {listed}"
            )
        if gone and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        text = render(rows)
        if (self._rows or gone) and text != _text(self._path):
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._path)

    def _whole_modules(self) -> set[str]:
        is_partial = any("::" in str(argument) for argument in self._config.args)
        if is_partial or self._config.option.keyword or self._config.option.markexpr:
            return set()
        return self._modules - self._broken


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Collector(config), "trigpoint-agreement")


@pytest.fixture
def agreement(request: pytest.FixtureRequest) -> Iterator[Agreement]:
    """Where a reference test reports what it compared; fails the test if the committed table says something else."""
    found = Agreement(request.node, committed())
    yield found
    found.check()


def _tolerance(relative: float, absolute: float) -> str:
    if relative:
        return f"relative {_digit(relative)}"
    return f"absolute {_digit(absolute)}" if absolute else "exact"


def _line(row: Row) -> str:
    reasons = "<br>".join(f"{count:,}: {reason}" for reason, count in row.disagreements.items())
    numbers = [f"{row.compared:,}", f"{row.agreed:,}", _digit(row.largest_difference)]
    cells = [row.source, row.what, *numbers, row.tolerance, reasons, f"`{row.test}`"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _digit(value: float) -> str:
    return re.sub(r"e([+-])0", r"e\1", f"{value:g}")


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _plain(text: str) -> str:
    """On one line."""
    return " ".join(text.split())


def _are_near(one: float, other: float) -> bool:
    if math.isinf(one) or math.isinf(other):
        return one == other
    return abs(math.log10(max(one, 1e-16)) - math.log10(max(other, 1e-16))) < 1.5


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
