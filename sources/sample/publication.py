"""A yearbook of published figures: recovery and improvement by year, for the nation, its regions and their providers.

What belongs here: the yearbook's counts, how it rounds and hides them, and its mapping. What does not: own figures.

The yearbook does what real ones do: counts below the nation are rounded to five, counts under five are a mark and so
are percentages made of them, one provider has no figure of one year, and a later edition revises one year.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from sources.sample.draws import Draws
from sources.sample.hmis_defects import QUARANTINED
from sources.sample.planted import Defect, DeliveryFact, Ledger

PUBLISHER = "brightwell"
PUBLISHER_NAME = "Brightwell Statistics"
SOURCE = "wellbeing_yearbook"
KIND = "indicator_table"

_YEARS = ("2022-23", "2023-24", "2024-25")
_REGIONS = ("Aldermere", "Brackwater", "Corran", "Dunvale", "Eskwith", "Farrow")
_PER_REGION = 4
_MEASURES = ("recovery", "reliable improvement")
_HEADER = "year,level,code,name,measure,statistic,figure"
_NO_FIGURE = ("P0203", "2023-24")
"""A provider that did not report that year."""
_REVISED = "2024-25"


@dataclass(frozen=True)
class _Counts:
    """True counts of one organisation in one year."""

    level: str
    code: str
    name: str
    finished: int
    recovered: int
    improved: int


def write_publication(root: Path, ledger: Ledger) -> None:
    """Write both editions of the yearbook."""
    for edition in (1, 2):
        path = f"deliveries/{SOURCE}/yearbook_edition_{edition}.csv.gz"
        years = _YEARS if edition == 1 else (_REVISED,)
        lines = [line for year in years for line in _year(ledger.seed, year, edition)]
        unreadable = _plant(lines, path, ledger) if edition == 2 else None
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_packed(("\n".join([_HEADER, *lines]) + "\n").encode()))
        fact = DeliveryFact(SOURCE, KIND, PUBLISHER, path, None, "loaded", None, None)
        name = target.name.removesuffix(".gz")
        ledger.deliveries.append(replace(fact, rows={name: len(lines)}, landed={"cell": len(lines)}))
        if unreadable:
            ledger.defects.append(unreadable)


def mapping_of() -> list[str]:
    """The yearbook's mapping, as lines of the region file."""
    return [f"    {line}" if line else "" for line in _MAPPING.strip("\n").split("\n")]


def _year(seed: int, year: str, edition: int) -> list[str]:
    providers = [
        _provider(seed, year, region, number) for region in range(len(_REGIONS)) for number in range(_PER_REGION)
    ]
    regions = [
        _sum("region", f"R{at + 1:02d}", name, providers[at * _PER_REGION : (at + 1) * _PER_REGION])
        for at, name in enumerate(_REGIONS)
    ]
    rows = [_sum("nation", "N1", "Whole nation", regions), *regions, *providers]
    lines: list[str] = []
    for row in rows:
        is_absent = (row.code, year) == _NO_FIGURE
        # The second edition found more people who had finished, with one of the big providers.
        shown = replace(row, finished=row.finished + 15) if edition == 2 and row.code == "P0101" else row
        lines += _lines(shown, year, is_absent=is_absent)
    return lines


def _provider(seed: int, year: str, region: int, number: int) -> _Counts:
    draws = Draws(seed, "yearbook", year, region, number)
    size, recovery, improvement = draws.below(1000, 3).tolist()
    finished = 3 + size // 100 if number == _PER_REGION - 1 else 120 + size
    recovered = finished * (380 + recovery // 6) // 1000
    improved = max(recovered, finished * (560 + improvement // 8) // 1000)
    code = f"P{region + 1:02d}{number + 1:02d}"
    return _Counts("provider", code, f"{_REGIONS[region]} Talking Service {number + 1}", finished, recovered, improved)


def _sum(level: str, code: str, name: str, parts: list[_Counts]) -> _Counts:
    return _Counts(
        *(level, code, name),
        *(sum(getattr(part, key) for part in parts) for key in ("finished", "recovered", "improved")),
    )


def _lines(row: _Counts, year: str, *, is_absent: bool) -> list[str]:
    start = f"{year},{row.level},{row.code},{row.name}"
    is_national = row.level == "nation"
    lines = [f"{start},finished,count,{_count(row.finished, is_national, is_absent)}"]
    for measure, count in zip(_MEASURES, (row.recovered, row.improved), strict=True):
        lines.append(f"{start},{measure},count,{_count(count, is_national, is_absent)}")
        lines.append(f"{start},{measure},percentage,{_percentage(count, row.finished, is_national, is_absent)}")
    return lines


def _count(count: int, is_national: bool, is_absent: bool) -> str:
    if is_absent:
        return ":"
    if is_national:
        return str(count)
    return "*" if count < 5 else str((count + 2) // 5 * 5)


def _percentage(count: int, of: int, is_national: bool, is_absent: bool) -> str:
    if is_absent:
        return ":"
    if not is_national and (count < 5 or of < 5):
        return "*"
    permille = (2000 * count + of) // (2 * of)
    return f"{permille // 10}.{permille % 10}" if is_national else str((200 * count + of) // (2 * of))


def _plant(lines: list[str], path: str, ledger: Ledger) -> Defect:
    """One figure with a mark that the yearbook's own notes do not mention."""
    at = next(i for i, line in enumerate(lines) if ",P0302," in line and "improvement,count" in line)
    head, _, _ = lines[at].rpartition(",")
    lines[at] = f"{head},n/a"
    return Defect(
        id=ledger.defect_id(SOURCE, "not_a_number"),
        source=SOURCE,
        delivery=path,
        rule="not_a_number",
        severity="record",
        must=QUARANTINED,
        file=Path(path).name.removesuffix(".gz"),
        table="cell",
        record="P0302",
        column="figure",
        value="n/a",
        line=at + 2,
        row_number=at + 1,
    )


def _packed(content: bytes) -> bytes:
    """Gzipped without compression and without a time: libraries differ in both (RFC 1951 §3.2.4, RFC 1952)."""
    most = 0xFFFF
    blocks = [content[at : at + most] for at in range(0, len(content), most)] or [b""]
    packed = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for number, block in enumerate(blocks, start=1):
        packed += [struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ most), block]
    return b"".join([*packed, struct.pack("<II", zlib.crc32(content), len(content))])


_MAPPING = """
mapping:
  publication:
    code: wellbeing_yearbook
    name: Wellbeing yearbook
    method_version: "2023"
    comparability: similar
    source: Brightwell Statistics, a made-up publisher
    licence: CC0 1.0
  layout: {type: tidy_by_statistic, measure: measure, statistic: statistic, value: figure}
  organisation:
    code: code
    name: name
    level: {column: level, codes: {nation: national, region: region, provider: provider}}
  period: {type: financial_year, label: year, year_starts_in: 4}
  marks:
    "*": {status: suppressed, from: 0, to: 4}
    ":": not_published
  rounding:
    counts: {default: 5, national: 1}
    values: {default: 1, national: 0.1}
  measures:
    recovery:
      name: Recovery
      direction: 1
      unit: percent
      statistic: proportion
      value: recovery | percentage
      numerator: recovery | count
      denominator: finished | count
      kpi_id: OC-05
    reliable_improvement:
      name: Reliable improvement
      direction: 1
      unit: percent
      statistic: proportion
      value: reliable improvement | percentage
      numerator: reliable improvement | count
      denominator: finished | count
      kpi_id: OC-03
"""
