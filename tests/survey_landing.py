"""Reading survey deliveries in tests.

What belongs here: what the tests of both survey connectors need. What does not: anything that checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sources.connector import Batch, Connector, Reject
from sources.delivery import open_delivery
from sources.spec import DeliveryFacts

FIXTURES = Path(__file__).resolve().parent / "fixtures"

PHQ9_MAPPING: dict[str, Any] = {
    "instrument": "phq9",
    "items": {f"phq9_{number}": number for number in range(1, 10)},
    "total": "phq9_total",
    "person": {"field": "client_ref", "scheme": "harbour_hmis"},
    "free_text": ["comment"],
}


@dataclass
class Landed:
    """What a connector made of a delivery."""

    facts: DeliveryFacts
    rows: dict[str, list[dict[str, Any]]]
    rejects: list[Reject]

    def table(self, name: str) -> list[dict[str, Any]]:
        return self.rows.get(name, [])

    def answers(self, response_code: str) -> dict[str, str]:
        """Question path (with its repeat) → what was answered, wherever it is kept."""
        return {
            (f"{row['repeat_path']} " if row.get("repeat_path", "/") != "/" else "") + row["question_path"]: (
                row["value"] if row["value"] is not None else f"vault: {row['free_text']}"
            )
            for row in self.table("answer")
            if row["response_code"] == response_code
        }


def land(connector: Connector, path: Path, mapping: Mapping[str, Any] | None = None) -> Landed:
    """Read a delivery whole. Every batch must have the columns of its table, and row numbers that find one row."""
    rows: dict[str, list[dict[str, Any]]] = {}
    rejects: list[Reject] = []
    with open_delivery(path) as delivery:
        facts = connector.inspect(delivery, mapping or {})
        for item in connector.read(delivery, facts, mapping or {}):
            if isinstance(item, Batch):
                expected = [*connector.tables[item.table].column_names, "_extra", "_file", "_row_number", "_line"]
                assert item.rows.column_names == expected
                rows.setdefault(item.table, []).extend(item.rows.to_pylist())
            else:
                rejects.append(item)
    for name, landed in rows.items():
        places = [(row["_file"], row["_row_number"]) for row in landed]
        places += [(reject.file, reject.row_number) for reject in rejects if reject.table == name]
        assert len(set(places)) == len(places)
    return Landed(facts, rows, rejects)
