"""How input is refused as a whole. A single bad record is a :class:`sources.connector.Reject` instead."""

from __future__ import annotations


class RefusedError(Exception):
    """The delivery as a whole can't be used; the last good one stays in force.

    ``rule`` is a stable snake_case id, ``message`` says what is wrong and where, ``fix`` what the sender should do.
    """

    def __init__(self, rule: str, message: str, fix: str, *, file: str | None = None, line: int | None = None):
        super().__init__(message)
        self.rule, self.message, self.fix, self.file, self.line = rule, message, fix, file, line
