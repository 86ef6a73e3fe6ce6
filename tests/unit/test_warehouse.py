"""How the build database is opened."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestration import warehouse
from orchestration.warehouse import HeldError, connect

_HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def held(tmp_path: Path) -> tuple[Path, subprocess.Popen[str]]:
    path = tmp_path / "build.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    return path, holder


def test_a_database_that_another_program_keeps_open_is_an_error_that_says_what_to_do(
    held: tuple[Path, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, holder = held
    monkeypatch.setattr(warehouse, "_PATIENCE", 0.2)
    with pytest.raises(HeldError, match=r"build\.duckdb open; close it and run again"), connect(path):
        pass
    holder.kill()
    holder.wait()


def test_a_database_that_is_let_go_in_time_is_waited_for(held: tuple[Path, subprocess.Popen[str]]) -> None:
    path, holder = held

    def let_go() -> None:
        time.sleep(0.5)
        holder.kill()

    threading.Thread(target=let_go).start()
    with connect(path) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    holder.wait()
