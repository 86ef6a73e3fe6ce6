"""The one place that knows Great Expectations: expectations in, pass, fail or error out.

What belongs here: the session on a DuckDB connection, the compilation of checks to Great Expectations objects, the
repairs that its 1.24 needs for DuckDB, and telling a failed check from one that could not be run. What does not:
what is checked (``suites``), on what (``landing``, ``warehouse``), and what follows from it.

Importing Great Expectations takes seconds: it is imported when the first session opens, not with this module.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from expectations.suites import Check


class IncompatibleVersionError(Exception):
    """This version of Great Expectations is not the one that the adapter was written for."""


@dataclass(frozen=True)
class Answer:
    """What Great Expectations said of one check on one batch."""

    success: bool
    error: str | None = None
    """Set where the check could not be run; ``success`` is then False and means nothing."""
    failed: dict[str, int] = field(default_factory=dict)
    """Failing rows by group (the delivery, or ``''``); of a ``rows`` check only."""
    is_complete: bool = True
    """False: more groups fail than Great Expectations hands back (200)."""


class Session:
    """Great Expectations on one DuckDB connection; see :func:`session`."""

    def __init__(self, context: Any, datasource: Any):
        self._context, self._datasource = context, datasource
        self._batches = 0

    def validate(self, select: str, checks: Sequence[Check], group: str | None = None) -> dict[str, Answer]:
        """Run checks on the rows of a query, in one validation. Answers by check id.

        ``group``: SQL expression by which the failing rows of ``rows`` checks are counted.
        """
        import great_expectations as gx

        self._batches += 1
        name = f"batch_{self._batches}"
        asset = self._datasource.add_query_asset(name=name, query=f"SELECT * FROM ({select}) AS batch_rows")
        suite = self._context.suites.add(
            gx.ExpectationSuite(name=name, expectations=[_compiled(check, group) for check in checks])
        )
        batch = asset.add_batch_definition_whole_table(name)
        validation = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        answers = {
            result.expectation_config.meta["check_id"]: _answer(result)
            for result in validation.run(result_format="COMPLETE").results
        }
        missing = [check.check_id for check in checks if check.check_id not in answers]
        return {**answers, **{check: Answer(False, "Great Expectations returned no result") for check in missing}}


@contextmanager
def session(connection: duckdb.DuckDBPyConnection) -> Iterator[Session]:
    """Open Great Expectations on a cursor of ``connection``; it sees what the connection sees, temporary objects
    excepted, and needs no lock of its own."""
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    datasource = context.data_sources.add_sql(
        name="duckdb",
        connection_string="duckdb:///:memory:",  # never opened: `creator` gives the connection
        create_temp_table=False,
        kwargs={"creator": _creator(connection)},
    )
    try:
        yield Session(context, datasource)
    finally:
        engine = datasource.get_execution_engine()
        engine.close()


def _creator(connection: duckdb.DuckDBPyConnection) -> Callable[[], Any]:
    from duckdb_engine import ConnectionWrapper

    class Autocommit(ConnectionWrapper):
        """A cursor without transactions: in DuckDB one failing query would abort all later ones of a transaction."""

        def begin(self) -> None: ...
        def commit(self) -> None: ...
        def rollback(self) -> None: ...

    return lambda: Autocommit(connection.cursor())


def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    keep_connection_open()
    return gx


class _Dialect(str):
    """Looks like a member of Great Expectations' dialect enumeration."""

    @property
    def value(self) -> str:
        return str(self)


def keep_connection_open() -> None:
    """Make Great Expectations keep the connection to DuckDB open while it fetches results.

    Without it every metric fails with IndexError: results are fetched after the connection was closed.
    """
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    dialects = getattr(engine, "_PERSISTED_CONNECTION_DIALECTS", None)
    if not isinstance(dialects, tuple):
        raise IncompatibleVersionError(
            "Great Expectations no longer has _PERSISTED_CONNECTION_DIALECTS: see whether it fetches results before "
            "it closes a DuckDB connection, and adapt expectations/adapter.py"
        )
    if "duckdb" not in dialects:
        engine._PERSISTED_CONNECTION_DIALECTS = (*dialects, _Dialect("duckdb"))


def failing(check: Check) -> str:
    """SQL: the row fails. NULL is failing, so a predicate that can't be decided never passes."""
    return f"NOT coalesce(({check.holds}), false)"


def _compiled(check: Check, group: str | None) -> Any:
    import great_expectations.expectations as gxe

    meta = {"check_id": check.check_id}
    if check.holds is None:
        name = "".join(part.capitalize() for part in check.rule.expectation.split("_"))
        expectation = getattr(gxe, name, None)
        if expectation is None:
            raise IncompatibleVersionError(f"{check.check_id}: Great Expectations has no {check.rule.expectation}")
        target = {"column": check.column} if check.column else {}
        return expectation(**target, **check.rule.arguments, meta=meta)
    by = group or "''"
    query = (
        f"SELECT {_escaped(by)} AS failing_group, count(*) AS failed FROM {{batch}} "
        f"WHERE {_escaped(failing(check))} GROUP BY 1"
    )
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, meta=meta)


def _escaped(sql: str) -> str:
    """SQL that survives ``str.format`` and SQLAlchemy's bind parameters unchanged."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql.replace("{", "{{").replace("}", "}}"))


def _answer(result: Any) -> Answer:
    error = _exception(result.exception_info)
    if error is not None:
        return Answer(False, error)
    details = (result.result or {}).get("details") or {}
    rows = details.get("unexpected_rows") or []
    failed = {str(row["failing_group"]): int(row["failed"]) for row in rows}
    if not result.success and not failed:
        # An expectation of Great Expectations' own: it counts elements, and knows no groups.
        failed = {"": int((result.result or {}).get("unexpected_count") or 1)}
    observed = (result.result or {}).get("observed_value")
    return Answer(bool(result.success), failed=failed, is_complete=not rows or observed == len(rows))


def _exception(info: Any) -> str | None:
    """The message of an exception inside Great Expectations, which reports it as a mere failure.

    ``exception_info`` is one exception, or one per metric.
    """
    found = [info] if "raised_exception" in info else list(info.values())
    raised = [entry for entry in found if entry and entry.get("raised_exception")]
    if not raised:
        return None
    return without_values(str(raised[0].get("exception_message") or "unknown error"))


def without_values(message: str) -> str:
    """An engine's message without what it quotes from the data: results are published in aggregate."""
    first = next((line.strip() for line in message.splitlines() if line.strip()), "unknown error")
    return re.sub(r"'[^']*'", "'…'", first)[:300]
