"""`trigpoint instrument list` and `show`: everything that a definition says is there to be read."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from orchestration.cli import app, out
from orchestration.instruments import read_instruments

PLAIN = {"NO_COLOR": "1"}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wrapped."""
    monkeypatch.setattr(out, "width", 400)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["instrument", *arguments], env=PLAIN)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_instrument_is_listed() -> None:
    lines = shown("list").splitlines()
    assert [line.split()[0] for line in lines[1:] if line[1] != " "] == [i.code for i in read_instruments()]


@pytest.mark.parametrize("code", [i.code for i in read_instruments()])
def test_a_page_names_source_licence_marks_and_vectors(code: str) -> None:
    instrument = next(i for i in read_instruments() if i.code == code)
    page = shown("show", code)
    told = [
        *(instrument.source, instrument.licence.holder, instrument.licence.terms),
        *(scale.code for scale in instrument.scales),
        *(band.code for band in instrument.bands),
        *(rule.source for rule in instrument.rules),
        *(f"{key}  " for key in instrument.unverified),
        *instrument.unverified.values(),
        *(vector.name for vector in instrument.vectors),
    ]
    assert [text for text in told if text not in page] == []


def test_what_is_not_verified_is_marked() -> None:
    page = shown("show", "core_10")
    assert "general knowledge of Barkham and others 2013 [unverified]" in page
    assert "rule of general" in page
    assert "unverified" not in shown("show", "eq5d3l")


def test_what_an_instrument_is_made_for_is_told() -> None:
    assert "anxiety, rank 1; made for social_anxiety" in shown("show", "spin")
    assert "made for depression, gad, mixed, none" in shown("show", "gad7")


def test_any_scale_is_told() -> None:
    assert "whether any of 10 got better, and any worse" in shown("show", "outcomes_star_homelessness")
    assert "any scale" not in shown("show", "phq9")


def test_a_version_by_name() -> None:
    assert "Personal Outcome Measures" in shown("show", "pom", "--version", "2017")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "no instrument 'nope'; there are ascot_sct4, "),
        (["phq9", "--version", "9"], "no version '9' of phq9; there are 1"),
    ],
)
def test_what_is_not_there_is_a_sentence(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["instrument", "show", *arguments], env=PLAIN)
    assert result.exit_code == 2
    assert words in result.output


def test_only_the_items_that_call_for_safeguarding_say_so() -> None:
    lines = [line for line in shown("show", "phq9").splitlines() if "as answered" in line]
    assert [(line.split()[0], "safeguarding" in line) for line in lines] == [("1–8", False), ("9", True)]
