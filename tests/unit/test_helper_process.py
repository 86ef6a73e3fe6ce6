"""Work in a process of its own: answers, listeners, and that it never outlives the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.helper_process import HelperError, HelperProcess
from tests.conftest import ROOT
from tests.helper_calls import die, double, fail, process_id, tell_from_threads


@pytest.fixture
def helper() -> Iterator[HelperProcess]:
    process = HelperProcess()
    yield process
    process.close()


def test_a_call_runs_elsewhere_and_returns_what_the_function_returns(helper: HelperProcess) -> None:
    told: list[tuple[int, str]] = []
    assert helper.call(double, 21, listener=lambda *said: told.append(said)) == 42
    assert told == [(21, "doubled")]
    assert helper.call(process_id) != os.getpid()


def test_what_the_function_raises_is_raised_and_the_process_goes_on(helper: HelperProcess) -> None:
    first = helper.call(process_id)
    with pytest.raises(ValueError, match="no such thing"):
        helper.call(fail, "no such thing")
    assert helper.call(process_id) == first


def test_what_was_started_answers_nobody(helper: HelperProcess) -> None:
    helper.start(fail, "nobody hears this")
    helper.start(double, 1)
    told: list[int] = []
    assert helper.call(double, 4, listener=lambda number, _: told.append(number)) == 8
    assert told == [4]


def test_a_process_that_ends_is_an_error_and_the_next_call_has_a_new_one(helper: HelperProcess) -> None:
    with pytest.raises(HelperError, match=r"die: its process ended \(exit code 7\)"):
        helper.call(die)
    assert helper.call(double, 3) == 6


def nowhere_else(_tell: object) -> None:
    """pytest imports this module under a name that another process does not know."""


def test_a_function_that_the_process_cannot_find_is_an_error(helper: HelperProcess) -> None:
    with pytest.raises(ImportError):
        helper.call(nowhere_else)
    assert helper.call(double, 3) == 6


def test_threads_take_turns(helper: HelperProcess) -> None:
    found: dict[int, int] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: helper.call(double, n)})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: 2 * n for n in range(8)}


def test_what_several_threads_tell_arrives_whole(helper: HelperProcess) -> None:
    told: list[str] = []
    helper.call(tell_from_threads, 4, 50, 70_000, listener=told.append)
    assert sorted(told) == [letter * 70_000 for letter in "abcd" for _ in range(50)]


def test_a_killed_parent_takes_a_busy_helper_along() -> None:
    program = (
        "from orchestration.helper_process import HelperProcess\n"
        "from tests.helper_calls import process_id, sleep_for_a_minute\n"
        "helper = HelperProcess()\n"
        "print(helper.call(process_id), flush=True)\n"
        "helper.call(sleep_for_a_minute)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while _is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(child)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
        return state.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
