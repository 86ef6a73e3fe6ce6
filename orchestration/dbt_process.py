"""dbt in a process of its own.

What belongs here: dbt's invocation, and what comes of its nodes. What does not: which arguments, and what follows from
the results (``transform``).

dbt takes seconds to start and its Python keeps an interpreter busy all through a build. In a process of its own it
starts while deliveries are still being landed, and gives back memory and the warehouse when it is done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.helper_process import HelperError, HelperProcess, Tell

_PROCESS = HelperProcess()


class DbtError(Exception):
    """dbt itself failed, not one of its nodes."""


@dataclass(frozen=True)
class NodeResult:
    """What came of one node of an invocation."""

    unique_id: str
    resource_type: str
    status: str
    seconds: float
    failures: int
    message: str
    compiled: str = ""
    """SQL of the node; of an analysis only."""


@dataclass(frozen=True)
class Invocation:
    """What dbt is asked to do, and where."""

    arguments: Sequence[str]
    directory: str
    environment: Mapping[str, str]


def warm_up(parsing: Invocation) -> None:
    """Start dbt and have it parse the project for an invocation with the same places. Does not wait."""
    _PROCESS.start(_parse, parsing)


def invoke(
    invocation: Invocation, on_node: Callable[[str, str], None] = lambda _node, _status: None
) -> list[NodeResult]:
    """Run dbt. ``on_node`` hears of every node as it is done, with its unique id and status.

    Raises :class:`DbtError`.
    """
    try:
        results: list[NodeResult] = _PROCESS.call(_invoke, invocation, listener=on_node)
    except HelperError as error:
        raise DbtError(str(error)) from error
    return results


def call_macro(parsing: Invocation, name: str) -> Any:
    """What a macro of the project returns, as JSON would hold it, after parsing. Raises :class:`DbtError`."""
    try:
        return json.loads(_PROCESS.call(_call_macro, parsing, name))
    except HelperError as error:
        raise DbtError(str(error)) from error


# In that process ----------------------------------------------------------------------------------------------------

_parsed: list[Any] = []
"""The project as :func:`_parse` left it; good for one invocation, which changes it."""


_reasons: list[str] = []
"""Why dbt's own check of metrics refuses the project: its exception says only that it does."""


def _note(event: Any) -> None:
    if event.info.name == "SemanticValidationFailure":
        _reasons.append(str(event.data.msg))


def _refusal(exception: Any) -> str:
    text = "\n".join([str(exception), *_reasons])
    _reasons.clear()
    return text


def _parse(tell: Tell, invocation: Invocation) -> None:
    outcome = _run(tell, invocation, None)
    if outcome.success:
        _parsed[:] = [outcome.result]


def _invoke(tell: Tell, invocation: Invocation) -> list[NodeResult]:
    outcome = _run(tell, invocation, _parsed.pop() if _parsed else None)
    if outcome.exception is not None:
        raise DbtError(_refusal(outcome.exception))
    results = getattr(outcome.result, "results", None) or []
    return [_result(result) for result in results if result.node.resource_type != "operation"]


def _call_macro(tell: Tell, parsing: Invocation, name: str) -> str:
    from dbt.adapters.factory import get_adapter_by_type, reset_adapters
    from dbt.cli.main import dbtRunner

    os.chdir(parsing.directory)
    os.environ.update(parsing.environment)
    try:
        outcome = dbtRunner(callbacks=[_note]).invoke(list(parsing.arguments))
        if not outcome.success:
            raise DbtError(_refusal(outcome.exception))
        manifest: Any = outcome.result
        manifest.build_flat_graph()
        found = get_adapter_by_type("duckdb").execute_macro(name, macro_resolver=manifest)
        return json.dumps(found, default=str)
    except DbtError:
        raise
    except Exception as error:
        # dbt's own exceptions do not survive the way between processes.
        raise DbtError(str(error)) from None
    finally:
        reset_adapters()


def _run(tell: Tell, invocation: Invocation, parsed: Any) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters
    from dbt.cli.main import dbtRunner

    def heard(event: Any) -> None:
        _note(event)
        if event.info.name == "NodeFinished":
            tell(event.data.node_info.unique_id, event.data.node_info.node_status)

    os.chdir(invocation.directory)
    os.environ.update(invocation.environment)
    try:
        return dbtRunner(manifest=parsed, callbacks=[heard]).invoke(list(invocation.arguments))
    finally:
        # dbt-duckdb keeps the database open for the process; the next step must be able to open it.
        if DuckDBConnectionManager._ENV is not None:
            DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager.close_all_connections()
        reset_adapters()


def _result(result: Any) -> NodeResult:
    resource_type = str(result.node.resource_type)
    return NodeResult(
        unique_id=result.node.unique_id,
        resource_type=resource_type,
        status=str(result.status),
        seconds=round(float(result.execution_time), 3),
        failures=int(result.failures or 0),
        message=str(result.message or "").strip(),
        compiled=str(result.node.compiled_code or "") if resource_type == "analysis" else "",
    )
