"""What is prepared once for all regions: the parsed dbt project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration import transform


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(transform, "SHARED_TARGET", tmp_path / "shared")
    return transform.no_region(tmp_path)


def parsed_of(region: Any) -> Path:
    folder = transform.target_dir(region)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / transform.MANIFEST).write_text("{}", encoding="utf-8")
    return folder / transform.PARSED


def test_what_was_parsed_before_does_not_make_a_sound_project_fail(
    region: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = parsed_of(region)
    parsed.write_bytes(b"of a project in which a test has moved since")

    def trips_over_it(*_: Any) -> list[Any]:
        if parsed.exists():
            raise transform.BuildError([("dbt", "found two unit_tests with the same name")])
        parsed.write_bytes(b"anew")
        return []

    monkeypatch.setattr(transform, "_invoke", trips_over_it)
    transform.prepare(region)
    assert parsed.read_bytes() == b"anew"


def test_a_project_that_fails_by_itself_is_told_once(region: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed_of(region)
    calls: list[Any] = []

    def fails(*arguments: Any) -> list[Any]:
        calls.append(arguments)
        raise transform.BuildError([("dbt", "no such column")])

    monkeypatch.setattr(transform, "_invoke", fails)
    with pytest.raises(transform.BuildError, match="no such column"):
        transform.prepare(region)
    assert len(calls) == 1
