"""JSON lists as streams of records: what comes out does not depend on how the bytes arrive, and damage is named."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import json_reader
from sources.errors import RefusedError
from sources.json_reader import read_records


class Trickle(io.BytesIO):
    """Gives one byte at a time, whatever is asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(1)


def values(content: str | bytes, key: str = "value") -> list[Any]:
    data = content.encode() if isinstance(content, str) else content
    return [record.value for record in read_records(io.BytesIO(data), file="f.json", key=key)]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20).map(str) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 1]), VALUES)
def test_every_element_comes_out_as_json_has_it(elements: list[Any], indent: int | None, other: Any) -> None:
    text = json.dumps({"before": other, "value": elements, "after": [other]}, indent=indent)
    assert values(text) == elements
    assert [r.value for r in read_records(Trickle(text.encode()), file="f", key="value")] == elements
    assert values(json.dumps(elements, indent=indent)) == elements


def test_numbers_keep_their_spelling_and_records_their_line() -> None:
    records = list(
        read_records(io.BytesIO(b'{"value": [\n{"a": 1.50},\n\n{"b":\n12345678901234567890}]}'), file="f", key="value")
    )
    assert [(r.value, r.line) for r in records] == [({"a": "1.50"}, 2), ({"b": "12345678901234567890"}, 4)]


def test_a_number_cut_by_the_end_of_a_block_is_read_whole() -> None:
    assert [r.value for r in read_records(Trickle(b"[12345, 6]"), file="f", key="value")] == ["12345", "6"]


def test_a_byte_order_mark_is_no_content() -> None:
    assert values(b"\xef\xbb\xbf[1]") == ["1"]


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (b"", "empty_file", None),
        (b" \n ", "empty_file", None),
        (b"value", "malformed_json", 1),
        (b'{"value": [1, 2', "malformed_json", 1),
        (b'{"value": [1,\n]}', "malformed_json", 2),
        (b'{"value": [1 2]}', "malformed_json", 1),
        (b'{"value": [1],}', "malformed_json", 1),
        (b'{1: 2, "value": []}', "malformed_json", 1),
        (b'{"value": []} {}', "malformed_json", 1),
        (b'{"value": [NaN]}', "malformed_json", 1),
        (b'{"values": []}', "missing_list", None),
        (b'{"value": {}}', "missing_list", None),
        (b'["\xff"]', "bad_encoding", None),
        (b"[" * 100_000, "malformed_json", 1),
    ],
)
def test_damage_is_refused_with_its_line(content: bytes, rule: str, line: int | None) -> None:
    with pytest.raises(RefusedError) as refused:
        values(content)
    assert (refused.value.rule, refused.value.line) == (rule, line)


@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
def test_damage_is_named_with_its_column(stream: type[io.BytesIO]) -> None:
    with pytest.raises(RefusedError) as refused:
        list(read_records(stream(b'{"value": [\n  1, 2,\n  {"a" 3}]}'), file="f", key="value"))
    assert "line 3, column 8" in str(refused.value)


def test_nesting_has_a_limit() -> None:
    deepest = json_reader.MAX_DEPTH
    assert len(values("[" + "[" * deepest + "]" * deepest + "]")) == 1
    assert len(values(json.dumps([[[]] * 1000]))) == 1
    with pytest.raises(RefusedError, match="nested too deeply"):
        values("[" + '{"a":' * (deepest + 1) + "1" + "}" * (deepest + 1) + "]")


def test_escapes_that_are_no_text_are_replaced() -> None:
    text = r'[{"a\ud800": ["x\u0000y", "\ud83d\ude00", "\u00e9"]}]'
    assert values(text) == [{"a\ufffd": ["x\ufffdy", "😀", "é"]}]


def test_a_value_without_end_is_not_read_into_memory_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "MAX_RECORD_CHARACTERS", 4 << 20)
    stream = io.BytesIO(b'["' + b"x" * (64 << 20))
    with pytest.raises(RefusedError):
        list(read_records(stream, file="f", key="value"))
    assert stream.tell() < 32 << 20
