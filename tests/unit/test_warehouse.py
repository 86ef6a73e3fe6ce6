"""How the build database is opened."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestration import warehouse
from orchestration.warehouse import HeldError, connect, ensure_tables

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


def test_what_is_written_anew_before_each_build_takes_the_columns_of_a_newer_version(tmp_path: Path) -> None:
    with connect(tmp_path / "build.duckdb") as connection:
        connection.execute("CREATE SCHEMA ops")
        connection.execute("CREATE TABLE ops.kpi_target (kpi_id VARCHAR)")
        connection.execute("CREATE TABLE ops.aged (source_id VARCHAR, load_seq BIGINT)")
        connection.execute("INSERT INTO ops.aged VALUES ('s', 1)")
        ensure_tables(connection)
        columns = [name for name, *_ in connection.execute("DESCRIBE ops.kpi_target").fetchall()]
        connection.execute("INSERT INTO ops.organisation (organisation_id) VALUES ('harbour')")
        ensure_tables(connection)
        assert {"kpi_id", "organisation_id", "target", "set_on"} <= set(columns)
        assert connection.execute("SELECT * FROM ops.aged").fetchall() == [("s", 1)]
        assert connection.execute("SELECT organisation_id FROM ops.organisation").fetchall() == [("harbour",)]
