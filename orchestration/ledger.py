"""The ledger of receipts: which deliveries arrived, in which order, and what people decided about them.

What belongs here: append-only records of receipts and of releases of paused deliveries, each one JSON line. What does
not: reading a delivery's content. A line once written is never changed; a line cut short by a crash is ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Receipt:
    """A delivery was seen at a path. The same content, seen again after other content or elsewhere, is a new one."""

    sequence: int
    """1-based, per region; the order of receipt."""
    source_id: str
    path: str
    """Relative to the region file where possible."""
    fingerprint: str
    """Sizes and modification times: unchanged means the content need not be read again."""
    delivery_id: str


@dataclass(frozen=True)
class Decision:
    """A person released a paused delivery."""

    delivery_id: str
    decision: str
    by: str
    at: str
    reason: str


class JsonLines:
    """An append-only file of JSON objects, synced to disk line by line."""

    def __init__(self, path: Path):
        self.path = path

    def read(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)

    def append(self, record: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut_short = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size
        with self.path.open("r+b" if cut_short else "ab") as file:
            if cut_short:
                whole = self.path.read_bytes().rpartition(b"\n")
                file.truncate(len(whole[0]) + len(whole[1]))
                file.seek(0, os.SEEK_END)
            file.write(json.dumps(record, sort_keys=True, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


class Ledger:
    """Receipts and decisions of a region, in ``state/``."""

    def __init__(self, state_dir: Path):
        self._receipts = JsonLines(state_dir / "receipts.jsonl")
        self._decisions = JsonLines(state_dir / "decisions.jsonl")
        self.receipts = [Receipt(**record) for record in self._receipts.read()]
        self.decisions = [Decision(**record) for record in self._decisions.read()]

    def latest_at(self, source_id: str, path: str) -> Receipt | None:
        """The last receipt of a source at a path."""
        for receipt in reversed(self.receipts):
            if receipt.source_id == source_id and receipt.path == path:
                return receipt
        return None

    def receive(self, source_id: str, path: str, fingerprint: str, delivery_id: str) -> Receipt:
        """Record a receipt."""
        receipt = Receipt(len(self.receipts) + 1, source_id, path, fingerprint, delivery_id)
        self._receipts.append(asdict(receipt))
        self.receipts.append(receipt)
        return receipt

    def last_sequence(self) -> dict[tuple[str, str], int]:
        """(source, delivery) → sequence of its last receipt."""
        return {(receipt.source_id, receipt.delivery_id): receipt.sequence for receipt in self.receipts}

    def paths(self) -> dict[str, str]:
        """delivery id → the path at which it was last seen."""
        return {receipt.delivery_id: receipt.path for receipt in self.receipts}

    def release(self, delivery_id: str, *, by: str, at: str, reason: str) -> None:
        """Record that a person released a paused delivery."""
        decision = Decision(delivery_id, "released", by, at, reason)
        self._decisions.append(asdict(decision))
        self.decisions.append(decision)

    @property
    def released(self) -> frozenset[str]:
        """Deliveries that a person has released."""
        return frozenset(d.delivery_id for d in self.decisions if d.decision == "released")
