"""Stands for dbt's ``adapter`` where sqlfluff renders the models: a dispatched macro shows as a function call.

What belongs here: what sqlfluff's own emulation of dbt lacks. What does not: anything that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def dispatch(name: str, *_: Any) -> Callable[..., str]:
    """A macro that an engine spells in its own way, as a call of its name."""
    return lambda *arguments: f"{name}({', '.join(str(argument) for argument in arguments)})"


def get_relation(**_: Any) -> str:
    """A relation that may exist, as the name of one that does."""
    return "relation_before"
