"""Identifiers: what counts as valid, why something else does not, and that arrays say the same as single values."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.identifiers import (
    birth_date_status,
    birth_dates,
    name_key,
    name_keys,
    names,
    national_ids,
    nhs_number_status,
    normalise_name,
    normalise_postcode,
    postcode_keys,
    ssn_status,
)

# --- national ids


@pytest.mark.parametrize(
    "text", ["536225789", "536-22-5789", " 536 22 5789 ", "536.22.5789", "536–22–5789", "５３６22５７８９"]
)
def test_a_valid_ssn_is_nine_digits(text: str) -> None:
    assert ssn_status(text) == ("536225789", "valid")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (None, "missing"),
        ("", "missing"),
        (" - ", "missing"),
        ("xxx-xx-xxxx", "missing"),
        ("xxx-xx-1234", "partial"),
        ("123XX####", "partial"),
        ("5789", "not_nine_digits"),
        ("5362257890", "not_nine_digits"),
        ("53622578A", "not_nine_digits"),
        ("refused", "not_nine_digits"),
        ("000225789", "area_000_666_9xx"),
        ("666225789", "area_000_666_9xx"),
        ("900225789", "area_000_666_9xx"),
        ("536005789", "group_00"),
        ("536220000", "serial_0000"),
        ("000000000", "repeated_digit"),
        ("333-33-3333", "repeated_digit"),
        ("123456789", "known_dummy"),
        ("345678901", "known_dummy"),
        ("987654321", "known_dummy"),
        ("078-05-1120", "known_dummy"),
        ("219099999", "known_dummy"),
        ("457555462", "known_dummy"),
        ("a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3", "hashed"),
    ],
)
def test_an_ssn_that_is_none_has_a_reason(text: str | None, status: str) -> None:
    assert ssn_status(text) == (None, status)


@pytest.mark.parametrize("text", ["9434765919", "943 476 5919", "943-476-5870", "4010232137"])
def test_valid_nhs_numbers(text: str) -> None:
    digits = "".join(character for character in text if character.isdigit())
    assert nhs_number_status(text) == (digits, "valid")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (None, "missing"),
        ("943476591", "not_ten_digits"),
        ("9434765918", "wrong_check_digit"),
        ("1234567890", "wrong_check_digit"),
        ("9876543210", "known_dummy"),
        ("1111111111", "repeated_digit"),
        ("xxxxxx5919", "partial"),
    ],
)
def test_an_nhs_number_that_is_none_has_a_reason(text: str | None, status: str) -> None:
    assert nhs_number_status(text) == (None, status)


@given(st.text("0123456789", min_size=9, max_size=9))
def test_nine_digits_have_at_most_one_check_digit(start: str) -> None:
    weighted = sum(int(digit) * (10 - place) for place, digit in enumerate(start))
    check = 11 - weighted % 11
    fitting = [last for last in range(10) if nhs_number_status(f"{start}{last}")[1] != "wrong_check_digit"]
    special = {last for last in fitting if nhs_number_status(f"{start}{last}")[1] != "valid"}
    assert set(fitting) - special == ({check % 11} if check != 10 else set()) - special


# --- names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O’Brien-Løvås", "obrienlovas"),
        ("  van der  Berg ", "vanderberg"),
        ("JOSÉ", "jose"),
        ("Jose\u0301", "jose"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("Łukasz", "lukasz"),
        ("İpek", "ipek"),
        ("Œuvre", "oeuvre"),
        ("Ｊｏｈｎ", "john"),
        ("Мария", "мария"),
        ("Smith 2nd", "smithnd"),
        ("Unknown", None),
        ("Not Given", None),
        ("XXX", None),
        ("-", None),
        ("", None),
        (None, None),
        ("A665A45920422F9D417E4867EFDC4FB8", "a665a45920422f9d417e4867efdc4fb8"),
    ],
)
def test_names(text: str | None, expected: str | None) -> None:
    assert normalise_name(text) == expected


def test_a_name_key_needs_both_parts_and_keeps_them_apart() -> None:
    assert name_key("Ann", "Lee") == "lee ann"
    assert name_key("An", "Nlee") != name_key("Ann", "Lee")
    assert name_key("Ann", None) is None
    assert name_key("unknown", "Lee") is None


@given(st.text())
def test_normalising_a_name_twice_changes_nothing(text: str) -> None:
    once = normalise_name(text)
    assert once is None or normalise_name(once) == once


# --- birth dates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1990-01-31", ("1990-01-31", "valid")),
        ("1990-1-31", ("1990-01-31", "valid")),
        ("1990-01-31 00:00:00", ("1990-01-31", "valid")),
        ("1990-01-31T09:30:00.000Z", ("1990-01-31", "valid")),
        ("1/31/1990", ("1990-01-31", "valid")),
        (" 01/31/1990 12:00 AM ", ("1990-01-31", "valid")),
        ("2000-02-29", ("2000-02-29", "valid")),
        ("1915-01-01", ("1915-01-01", "valid")),
        ("1914-12-31", ("1914-12-31", "before_1915")),
        ("1900-01-01", ("1900-01-01", "sentinel")),
        ("12/30/1899", ("1899-12-30", "sentinel")),
        ("9999-12-31", ("9999-12-31", "sentinel")),
        ("2001-02-29", (None, "malformed")),
        ("31/1/1990", (None, "malformed")),
        ("1/31/90", (None, "malformed")),
        ("19900131", (None, "malformed")),
        ("0000-00-00", (None, "malformed")),
        ("1990-01-31 nonsense", (None, "malformed")),
        ("", (None, "missing")),
        ("  ", (None, "missing")),
        (None, (None, "missing")),
    ],
)
def test_birth_dates(text: str | None, expected: tuple[str | None, str]) -> None:
    assert birth_date_status(text) == expected


# --- postcodes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sw1a1aa", "SW1A 1AA"),
        (" M1  1AE ", "M1 1AE"),
        ("EC1A-1BB", "EC1A 1BB"),
        ("gir 0aa", "GIR 0AA"),
        ("02116", "02116"),
        ("02116-4023", "02116"),
        ("021164023", "02116"),
        ("SW1A", None),
        ("2116", None),
        ("ZZ99 3VZ", None),
        ("00000", None),
        ("99999", None),
        ("unknown", None),
        ("", None),
        (None, None),
    ],
)
def test_postcodes(text: str | None, expected: str | None) -> None:
    assert normalise_postcode(text) == expected


# --- arrays

texts = st.lists(
    st.none()
    | st.text(max_size=12)
    | st.text("0123456789-x", min_size=9, max_size=11)
    | st.sampled_from(["536225789", "9434765919", "1990-01-31", "1900-01-01", "Smith", "SW1A 1AA"]),
    max_size=20,
)


@given(texts)
def test_arrays_say_the_same_as_single_values(values: list[str | None]) -> None:
    array = pa.chunked_array([values[:3], values[3:]], pa.string())
    for scheme, function in (("ssn", ssn_status), ("nhs_number", nhs_number_status)):
        ids, statuses = national_ids(array, scheme)
        assert list(zip(ids.to_pylist(), statuses.to_pylist(), strict=True)) == [function(value) for value in values]
    births, statuses = birth_dates(array)
    assert list(zip(births.to_pylist(), statuses.to_pylist(), strict=True)) == [birth_date_status(v) for v in values]
    assert names(array).to_pylist() == [normalise_name(value) for value in values]
    assert postcode_keys(array).to_pylist() == [normalise_postcode(value) for value in values]
    backwards = pa.array(values[::-1], pa.string())
    expected = [name_key(first, last) for first, last in zip(values, values[::-1], strict=True)]
    assert name_keys(array.combine_chunks(), backwards).to_pylist() == expected


def test_an_unknown_scheme_is_an_error() -> None:
    with pytest.raises(ValueError, match="passport"):
        national_ids(pa.array(["1"]), "passport")
