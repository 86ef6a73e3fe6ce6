"""dbt in a process of its own.

What belongs here: starting that process, the lines that go to and fro, and dbt's own invocation at the other end. What
does not: which arguments, and what follows from the results (``transform``).

dbt takes seconds to start and its Python keeps an interpreter busy all through a build. In a process of its own it
starts while deliveries are still being landed, and gives back memory and the warehouse when it is done.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import IO, Any


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


class DbtProcess:
    """A process that runs dbt, one invocation after the other. It ends with this one, however this one ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def warm_up(self, arguments: Sequence[str], directory: str, environment: Mapping[str, str]) -> None:
        """Start, and parse the project ahead of an invocation with the same places; does not wait."""
        with self._lock:
            if self._process is None:
                self._send({"warm_up": True, **_request(arguments, directory, environment)})

    def invoke(
        self,
        arguments: Sequence[str],
        directory: str,
        environment: Mapping[str, str],
        on_node: Callable[[str, str], None] = lambda _node, _status: None,
    ) -> list[NodeResult]:
        """Run dbt in ``directory``, with these variables beside its environment.

        ``on_node`` hears of every node as it is done, with its unique id and status. Raises :class:`DbtError`.
        """
        with self._lock:
            process = self._send(_request(arguments, directory, environment))
            assert process.stdout is not None  # noqa: S101  it is piped
            for line in process.stdout:
                answer = json.loads(line)
                if "node" in answer:
                    on_node(answer["node"], answer["status"])
                elif answer["error"] is not None:
                    raise DbtError(answer["error"])
                else:
                    return [NodeResult(**result) for result in answer["results"]]
            self._process = None
            raise DbtError(f"dbt's process ended without an answer (exit code {process.wait()})")

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                assert self._process.stdin is not None  # noqa: S101  it is piped
                self._process.stdin.close()
                self._process.wait()
                self._process = None

    def _send(self, request: Mapping[str, Any]) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._process.stdin is not None  # noqa: S101  it is piped
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._process


@cache
def dbt_process() -> DbtProcess:
    """The one of this process."""
    process = DbtProcess()
    atexit.register(process.close)
    return process


def _request(arguments: Sequence[str], directory: str, environment: Mapping[str, str]) -> dict[str, Any]:
    return {"arguments": list(arguments), "directory": directory, "environment": dict(environment)}


# The other end ------------------------------------------------------------------------------------------------------


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests, a line each, until there are no more."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    idle = threading.Event()

    def read() -> None:
        for line in requests:
            waiting.put(line)
        waiting.put(None)
        if not idle.is_set():
            # Nobody is left to work for, and a build that went on would keep the warehouse from the next run.
            os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    server = _Server(answers)
    idle.set()
    while (line := waiting.get()) is not None:
        idle.clear()
        server.answer(json.loads(line))
        idle.set()


class _Server:
    def __init__(self, answers: IO[str]):
        self._answers = answers
        self._parsed: Any = None
        """The project as a warm-up parsed it; good for one invocation, which changes it."""

    def answer(self, request: Mapping[str, Any]) -> None:
        os.chdir(request["directory"])
        os.environ.update(request["environment"])
        outcome = self._run(request["arguments"])
        if request.get("warm_up"):
            self._parsed = outcome.result if outcome.success else None
            return
        error = None if outcome.exception is None else str(outcome.exception)
        results = [_result(result) for result in getattr(outcome.result, "results", None) or []]
        self._say(error=error, results=[asdict(result) for result in results])

    def _run(self, arguments: Sequence[str]) -> Any:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.adapters.factory import reset_adapters
        from dbt.cli.main import dbtRunner

        parsed, self._parsed = self._parsed, None
        try:
            return dbtRunner(manifest=parsed, callbacks=[self._heard]).invoke(list(arguments))
        finally:
            # dbt-duckdb keeps the database open for the process; the next step must be able to open it.
            if DuckDBConnectionManager._ENV is not None:
                DuckDBConnectionManager._ENV.close()
            DuckDBConnectionManager.close_all_connections()
            reset_adapters()

    def _heard(self, event: Any) -> None:
        if event.info.name == "NodeFinished":
            self._say(node=event.data.node_info.unique_id, status=event.data.node_info.node_status)

    def _say(self, **answer: Any) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


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


if __name__ == "__main__":
    # What libraries print must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    serve(sys.stdin, answers)
