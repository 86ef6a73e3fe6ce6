"""``python -m orchestration.instruments``: write the seeds, and enter new definitions in the ledger of released ones.

What belongs here: the effects. What does not: what is written.
"""

from __future__ import annotations

import sys

from orchestration.instruments.ledger import LEDGER, as_text, broken_promises, fingerprints, read_ledger
from orchestration.instruments.reading import DEFINITIONS, InstrumentError, read_instruments
from orchestration.instruments.seeds import SEEDS, compiled
from orchestration.project import DBT_PROJECT


def main() -> int:
    """Write the seeds and the ledger. Returns the exit code: 1 if definitions can't be used or broke a promise."""
    try:
        texts = compiled()
        now = fingerprints(read_instruments())
    except InstrumentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    released = read_ledger()
    broken = broken_promises(released, now)
    if broken:
        sys.stderr.write("".join(f"{problem}\n" for problem in broken))
        return 1
    for name, text in texts.items():
        (SEEDS / name).write_text(text, encoding="utf-8")
    (DEFINITIONS / LEDGER).write_text(as_text(now), encoding="utf-8")
    added = len(now) - len(released)
    sys.stdout.write(f"wrote {len(texts)} seeds to {SEEDS.relative_to(DBT_PROJECT.parent)}; {added} new in {LEDGER}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
