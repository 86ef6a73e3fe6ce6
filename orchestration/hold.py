"""One process at a time works on a region: the lock that says so.

What belongs here: holding a region, and asking whether somebody does. What does not: the work (``pipeline``).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from orchestration.region import Region


class BusyError(Exception):
    """Another process is working on this region."""


@contextmanager
def held(region: Region) -> Iterator[None]:
    """Hold the region. Raises :class:`BusyError` if another process does."""
    region.state_dir.mkdir(parents=True, exist_ok=True)
    with (region.state_dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"another run is working on {region.path.name}; wait for it to end") from None
        yield


def is_held(region: Region) -> bool:
    """Whether some process holds the region now."""
    if not (region.state_dir / "lock").exists():
        return False
    try:
        with held(region):
            return False
    except BusyError:
        return True
