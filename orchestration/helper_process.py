"""Work in a process of its own, for libraries that take seconds to import and keep an interpreter busy.

What belongs here: the process, how calls and answers go to and fro, and that it never outlives the one that started
it. What does not: what it works on (``dbt_process``, ``gate``).

Not ``multiprocessing``: its workers stay behind when their parent is killed.
"""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

Tell = Callable[..., None]
"""Calls a listener at the other end, with these arguments."""


def collect_less() -> None:
    """Look for garbage less often: large libraries make millions of objects that stay, and looking through them all
    takes a sixth of the time that importing them takes."""
    gc.set_threshold(100_000, 50, 50)


class HelperError(Exception):
    """The process ended without an answer."""


class HelperProcess:
    """A process that runs one function after the other; it starts with the first. Safe to use from several threads."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._unanswered = 0
        atexit.register(self.close)

    def start(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have a function called, such as one that imports what later calls need. Does not wait; what it raises is
        lost."""
        with self._lock:
            self._send((function, arguments))
            self._unanswered += 1

    def call(self, function: Callable[..., Any], *arguments: Any, listener: Tell = lambda *_: None) -> Any:
        """Call a function of a module. Returns what it returns, raises what it raises.

        Its first argument is a :data:`Tell` for ``listener``; all else that goes to and fro is pickled. Raises
        :class:`HelperError` if the process ends.
        """
        with self._lock:
            process = self._send((function, arguments))
            try:
                while True:
                    kind, content = pickle.loads(pickle.load(process.stdout))  # type: ignore[arg-type]  # noqa: S301  our own process
                    if kind == "told":
                        if not self._unanswered:
                            listener(*content)
                    elif self._unanswered:
                        self._unanswered -= 1
                    elif kind == "raised":
                        raise content
                    else:
                        return content
            except EOFError:
                self._process, self._unanswered = None, 0
                raise HelperError(f"{function.__name__}: its process ended (exit code {process.wait()})") from None

    def close(self) -> None:
        """End the process, after what it is doing."""
        with self._lock:
            if self._process is not None:
                assert self._process.stdin is not None  # noqa: S101  it is piped
                self._process.stdin.close()
                self._process.wait()
                self._process, self._unanswered = None, 0

    def _send(self, request: Any) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert self._process.stdin is not None  # noqa: S101  it is piped
        # Pickled twice, as answers are: whatever is inside, the other end finds where the next one begins.
        pickle.dump(pickle.dumps(request), self._process.stdin)
        self._process.stdin.flush()
        return self._process


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    busy, ended = threading.Event(), threading.Event()
    answering = threading.Lock()

    def read() -> None:
        try:
            while True:
                waiting.put(pickle.load(requests))  # noqa: S301  from the process that started this one
        except EOFError:
            ended.set()
            waiting.put(b"")
        if busy.is_set():
            # Nobody is left to work for, and what went on would keep its files from the next run.
            os._exit(1)

    def say(kind: str, content: Any) -> None:
        answer = pickle.dumps((kind, content))
        # What a function tells may come from several threads of it.
        with answering:
            pickle.dump(answer, answers)
            answers.flush()

    threading.Thread(target=read, daemon=True).start()
    while True:
        busy.clear()
        request = waiting.get()
        busy.set()
        # Asked only now: whichever of the two threads comes second sees that the other was there.
        if ended.is_set():
            return
        try:
            function, arguments = pickle.loads(request)  # noqa: S301  as above
            answer = ("returned", function(lambda *told: say("told", told), *arguments))
        except Exception as error:
            answer = ("raised", error)
        say(*answer)


if __name__ == "__main__":
    collect_less()
    # What libraries print must not come between the answers: not through Python, nor past it by the file descriptor.
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    serve(sys.stdin.buffer, own)
