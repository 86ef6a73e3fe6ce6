"""Deliveries taken as far as the landing gate, each as a source of its own, and what the gate made of them.

What belongs here: landing and judging for the tests of dirty deliveries. What does not: what they expect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from orchestration.ledger import Ledger
from orchestration.pipeline import Pipeline
from orchestration.progress import Progress
from orchestration.region import Region, load_region
from orchestration.warehouse import connect, quoted, raw_name


@dataclass(frozen=True)
class Gated:
    """What became of a delivery."""

    status: str
    """loaded (without the records that are held back), paused for a person to look, or refused."""
    reasons: tuple[str, ...]
    rows: int
    """Rows landed in the table that the kind is about."""
    held: int
    """Records held back in all tables, unreadable ones counted."""
    held_for: frozenset[str]
    """Rules that hold them back."""
    warned: Mapping[str, int]
    """Rule → rows, for what is reported and held against nobody."""
    current: int
    """Rows of the table that count now."""


@dataclass(frozen=True)
class Delivery:
    """One delivery and the kind of source that sends it."""

    kind: str
    location: Path
    mapping: Mapping[str, Any] | None = None


MAIN_TABLE = {"hmis_csv": "client", "threesixtygiving": "grant", "odk": "response", "redcap": "response"}


def gate(folder: Path, deliveries: Mapping[str, Delivery]) -> Pipeline:
    """Land and load the deliveries, by name."""
    region = _region(folder, deliveries)
    pipeline = Pipeline(region, Progress(region.state_dir / "progress.jsonl"), as_of=date(2024, 12, 31))
    for source in region.sources:
        pipeline.land(source.id)
    load_all(pipeline)
    return pipeline


def load_all(pipeline: Pipeline) -> None:
    """Gate and load what waits."""
    for kind in sorted({source.kind for source in pipeline.region.sources}):
        pipeline.load(kind)
    pipeline.write_context()


def release_paused(pipeline: Pipeline) -> None:
    """Say of every paused delivery that it is as it should be, and load it."""
    ledger = Ledger(pipeline.region.state_dir)
    with connect(pipeline.region.warehouse_path, read_only=True) as connection:
        paused = connection.execute(
            "SELECT delivery_id FROM ops.delivery WHERE status = 'paused' ORDER BY 1"
        ).fetchall()
    for (delivery_id,) in paused:
        ledger.release(delivery_id, by="test", at="2024-01-01T00:00:00Z", reason="looked at")
    load_all(pipeline)


def outcomes(pipeline: Pipeline, deliveries: Mapping[str, Delivery]) -> dict[str, Gated]:
    """What became of each delivery, by name."""
    with connect(pipeline.region.warehouse_path, read_only=True) as connection:
        verdicts = connection.execute(
            "SELECT source_id, d.status, v.reasons, v.row_counts, v.held_back_count FROM ops.delivery AS d "
            "JOIN ops.verdict AS v USING (delivery_id, source_id)"
        ).fetchall()
        findings = connection.execute(
            "SELECT source_id, rule, severity, count(DISTINCT (table_name, file_name, row_number)) "
            "FROM ops.dq_finding GROUP BY ALL"
        ).fetchall()
        current = {
            kind: dict(
                connection.execute(
                    f"SELECT _source_id, count(*) FROM raw.{quoted(raw_name(kind, MAIN_TABLE[kind]))} "
                    "WHERE _status = 'current' GROUP BY ALL"
                ).fetchall()
            )
            for kind in {delivery.kind for delivery in deliveries.values()}
        }
    found = {}
    for (source_id, name), delivery in zip(_ids(deliveries).items(), deliveries.values(), strict=True):
        ((status, reasons, counts, held),) = (row[1:] for row in verdicts if row[0] == source_id)
        of_source = [row[1:] for row in findings if row[0] == source_id]
        found[name] = Gated(
            status=status,
            reasons=tuple(json.loads(reasons)),
            rows=json.loads(counts).get(MAIN_TABLE[delivery.kind], 0),
            held=held,
            held_for=frozenset(rule for rule, severity, _ in of_source if severity == "record"),
            warned={rule: rows for rule, severity, rows in sorted(of_source) if severity == "warning"},
            current=current[delivery.kind].get(source_id, 0),
        )
    return found


def _ids(deliveries: Mapping[str, Delivery]) -> dict[str, str]:
    return {f"case_{number:02d}": name for number, name in enumerate(deliveries)}


def _region(folder: Path, deliveries: Mapping[str, Delivery]) -> Region:
    ids = list(_ids(deliveries))
    content = {
        "region": {"id": "dirty", "name": "Dirty deliveries", "time_zone": "Europe/London"},
        "organisations": [{"id": source_id, "name": source_id} for source_id in ids],
        "sources": [
            {
                "id": source_id,
                "kind": delivery.kind,
                "organisation": source_id,
                "location": str(delivery.location),
                "mapping": dict(delivery.mapping or {}),
            }
            for source_id, delivery in zip(ids, deliveries.values(), strict=True)
        ],
    }
    (folder / "region.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_region(folder / "region.yml")
