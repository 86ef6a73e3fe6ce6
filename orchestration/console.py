"""What a person sees while a run goes.

What belongs here: turning progress events into one changing line. What does not: the events (``progress``).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.status import Status

_WORDS = {
    "prepare": "preparing the models",
    "land": "landing {source}",
    "load": "checking and loading {kind}",
    "build": "building models",
    "publish": "final gate and release",
}


class RunDisplay:
    """A spinner with the current stage; a line for each stage that took noticeable time."""

    def __init__(self, console: Console, quiet_below: float = 0.5):
        self._console = console
        self._quiet_below = quiet_below
        self._status: Status | None = Status("starting", console=console) if console.is_terminal else None
        self._nodes = 0

    def __enter__(self) -> RunDisplay:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the spinner away."""
        if self._status:
            self._status.stop()

    def on_event(self, event: dict[str, Any]) -> None:
        """Show an event of the run."""
        name = event["event"]
        if name == "stage_started" and self._status:
            self._status.update(self._words(event))
        elif name == "node" and self._status:
            self._nodes += 1
            self._status.update(f"building models ({self._nodes}: {event['node'].rpartition('.')[2]})")
        elif name == "stage_finished" and event["seconds"] >= self._quiet_below:
            self._console.print(f"[green]✓[/green] {self._words(event):<44} {event['seconds']:6.1f} s")
        elif name == "stage_failed":
            self._console.print(f"[red]✗[/red] {self._words(event)}")

    def _words(self, event: dict[str, Any]) -> str:
        return _WORDS.get(event["stage"], event["stage"]).format_map(event)
