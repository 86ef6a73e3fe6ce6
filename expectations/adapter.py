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

from expectations.suites import Check, literal


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

    def __init__(self, datasource: Any):
        self._asset = datasource.add_query_asset(name="batch", query="SELECT 1 AS one")
        self._batch_definition = self._asset.add_batch_definition_whole_table("batch")

    def validate(self, select: str, checks: Sequence[Check], group: str | None = None) -> dict[str, Answer]:
        """Run checks on the rows of a query, in one validation. Answers by check id.

        ``group``: SQL expression by which the failing rows of ``rows`` checks are counted.
        """
        # One asset, its query exchanged: Great Expectations writes out its whole configuration for each new one.
        self._asset.query = f"SELECT * FROM ({select}) AS batch_rows"
        batch = self._batch_definition.get_batch()
        answers: dict[str, Answer] = {}
        bundles = _bundles(checks)
        for bundle, result in zip(bundles, _validate(batch, bundles, group), strict=True):
            found = _answers(bundle, result)
            if len(bundle) > 1 and any(answer.error for answer in found.values()):
                # One of them could not be run: tell which.
                alone = [[check] for check in bundle]
                for (check,), single in zip(alone, _validate(batch, alone, group), strict=True):
                    found.update(_answers([check], single))
            answers.update(found)
        return answers


def _validate(batch: Any, bundles: Sequence[Sequence[Check]], group: str | None) -> list[Any]:
    """Great Expectations' results, in the order of the bundles."""
    import great_expectations as gx

    expectations = [_compiled(bundle, group, place) for place, bundle in enumerate(bundles)]
    suite = gx.ExpectationSuite(name="checks", expectations=expectations)
    results = {
        result.expectation_config.meta["place"]: result
        for result in batch.validate(suite, result_format="COMPLETE").results
    }
    if len(results) != len(bundles):
        raise IncompatibleVersionError("Great Expectations returned fewer results than it was given expectations")
    return [results[place] for place in range(len(bundles))]


def _bundles(checks: Sequence[Check]) -> list[list[Check]]:
    """Checks by expectation: one rule on the columns of one table is one scan and one verdict with a count each."""
    found: dict[tuple[str, ...], list[Check]] = {}
    for check in checks:
        own = (check.check_id,) if check.holds is None else ()
        found.setdefault((check.rule.rule, check.rule.severity, *own), []).append(check)
    return list(found.values())


@contextmanager
def session(connection: duckdb.DuckDBPyConnection) -> Iterator[Session]:
    """Open Great Expectations on a cursor of ``connection``; it sees what the connection sees, temporary objects
    excepted, and needs no lock of its own."""
    gx = import_library()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    datasource = context.data_sources.add_sql(
        name="duckdb",
        connection_string="duckdb:///:memory:",  # never opened: `creator` gives the connection
        create_temp_table=False,
        kwargs={"creator": _creator(connection)},
    )
    try:
        yield Session(datasource)
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


def import_library() -> Any:
    """Import Great Expectations, which takes seconds, and make it fit to work. Returns the module."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    # This one sets a level of its own, and tells of every temporary folder.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.ERROR)
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


def _compiled(bundle: Sequence[Check], group: str | None, place: int) -> Any:
    import great_expectations.expectations as gxe

    meta = {"place": place, "checks": [check.check_id for check in bundle]}
    first = bundle[0]
    if first.holds is None:
        name = "".join(part.capitalize() for part in first.rule.expectation.split("_"))
        expectation = getattr(gxe, name, None)
        if expectation is None:
            raise IncompatibleVersionError(f"{first.check_id}: Great Expectations has no {first.rule.expectation}")
        target = {"column": first.column} if first.column else {}
        return expectation(**target, **first.rule.arguments, meta=meta)
    counts = ", ".join(
        f"count(*) FILTER (WHERE {_escaped(failing(check))}) AS failed_{number}" for number, check in enumerate(bundle)
    )
    any_failed = " OR ".join(f"failed_{number} > 0" for number in range(len(bundle)))
    query = (
        f"SELECT * FROM (SELECT {_escaped(group or literal(''))} AS failing_group, {counts} FROM {{batch}} "
        f"GROUP BY 1) AS counted WHERE {any_failed}"
    )
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, meta=meta)


def _escaped(sql: str) -> str:
    """SQL that survives ``str.format`` and SQLAlchemy's bind parameters unchanged."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql.replace("{", "{{").replace("}", "}}"))


def _answers(bundle: Sequence[Check], result: Any) -> dict[str, Answer]:
    error = _exception(result.exception_info)
    if error is not None:
        return {check.check_id: Answer(False, error) for check in bundle}
    found = result.result or {}
    if bundle[0].holds is None:
        failed = {} if result.success else {"": int(found.get("unexpected_count") or 1)}
        return {bundle[0].check_id: Answer(bool(result.success), failed=failed)}
    rows = (found.get("details") or {}).get("unexpected_rows") or []
    is_complete = len(rows) == found["observed_value"]
    answers = {}
    for number, check in enumerate(bundle):
        counts = {str(row["failing_group"]): int(row[f"failed_{number}"]) for row in rows}
        counts = {name: count for name, count in counts.items() if count}
        answers[check.check_id] = Answer(is_complete and not counts, failed=counts, is_complete=is_complete)
    return answers


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
