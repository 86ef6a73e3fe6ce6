"""The ledger of receipts: order, repetition, and a line cut short by a crash."""

from __future__ import annotations

from pathlib import Path

from orchestration.ledger import JsonLines, Ledger


def test_receipts_keep_their_order_across_openings(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.receive("s", "a.zip", "f1", "A")
    Ledger(tmp_path).receive("s", "b.zip", "f2", "B")
    assert [(r.sequence, r.delivery_id) for r in Ledger(tmp_path).receipts] == [(1, "A"), (2, "B")]


def test_a_b_a_ends_on_a(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for fingerprint, delivery in (("f1", "A"), ("f2", "B"), ("f3", "A")):
        ledger.receive("s", "current.csv", fingerprint, delivery)
    last = Ledger(tmp_path).last_sequence()
    assert last["s", "A"] == 3 > last["s", "B"] == 2


def test_a_line_cut_short_is_ignored_and_overwritten(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "log.jsonl")
    lines.append({"n": 1})
    with lines.path.open("a") as file:
        file.write('{"n": 2')
    assert list(lines.read()) == [{"n": 1}]
    lines.append({"n": 3})
    assert list(lines.read()) == [{"n": 1}, {"n": 3}]


def test_a_released_delivery_is_remembered_with_who_and_why(tmp_path: Path) -> None:
    Ledger(tmp_path).release("A", by="ada", at="2026-01-02T03:04:05+00:00", reason="a service closed")
    ledger = Ledger(tmp_path)
    assert ledger.released == {"A"}
    assert ledger.decisions[0].reason == "a service closed"
