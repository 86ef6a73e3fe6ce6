"""What a run tells while it goes: progress events, as JSON lines for programs and through a callback for people.

What belongs here: the event log and its clock. What does not: deciding anything by it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Listener = Callable[[dict[str, Any]], None]


class Progress:
    """Writes ``state/progress.jsonl``, one line an event, flushed at once, and calls the listeners."""

    def __init__(self, path: Path, *listeners: Listener):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._listeners = listeners

    def event(self, name: str, **fields: Any) -> None:
        """Tell that something happened. Fields hold counts, ids and stages, never row content."""
        record = {"event": name, "pid": os.getpid(), "at": round(time.time(), 3), **fields}
        self._file.write(json.dumps(record, default=str) + "\n")
        self._file.flush()
        for listener in self._listeners:
            listener(record)

    @contextmanager
    def stage(self, stage: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """Tell when a stage starts, and when it ends or fails. What the body puts in the dict goes with the end."""
        started = time.monotonic()
        self.event("stage_started", stage=stage, **fields)
        outcome: dict[str, Any] = {}
        try:
            yield outcome
        except BaseException as error:
            self.event("stage_failed", stage=stage, error=type(error).__name__, **fields)
            raise
        self.event("stage_finished", stage=stage, seconds=round(time.monotonic() - started, 3), **fields, **outcome)

    def close(self) -> None:
        """Close the event log."""
        self._file.close()
