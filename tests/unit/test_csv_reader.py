"""The CSV reader: the same rows as Python's csv module where a file is sound, a stated result where it is not."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sources import csv_reader
from sources.connector import Batch, Reject
from sources.csv_reader import read_csv, read_header
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.spec import Column, Table

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    rows: list[Row]
    rejects: list[Reject]

    def values(self, *names: str) -> list[tuple[str | None, ...]]:
        return [tuple(row[name] for name in names) for row in self.rows]

    @property
    def rules(self) -> list[tuple[int, int, str]]:
        return [(reject.row_number, reject.line, reject.rule) for reject in self.rejects]


def table_of(*names: str, required: tuple[str, ...] = ()) -> Table:
    return Table("thing", tuple(Column(name, required=name in required) for name in names), key=())


def read(content: bytes, table: Table | None = None, **options: Any) -> Outcome:
    found = list(read_csv(io.BytesIO(content), file="Thing.csv", table=table or table_of("a", "b", "c"), **options))
    rows = [row for item in found if isinstance(item, Batch) for row in item.rows.to_pylist()]
    return Outcome(
        sorted(rows, key=lambda row: row["_row_number"]),
        sorted((item for item in found if isinstance(item, Reject)), key=lambda reject: reject.row_number),
    )


def refusal(content: bytes, table: Table | None = None, **options: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read(content, table, **options)
    return caught.value


# --- sound files


def test_rows_carry_their_file_number_and_line() -> None:
    outcome = read(b"a,b,c\n1,2,3\n4,,6\n")
    assert outcome.rows == [
        {"a": "1", "b": "2", "c": "3", "_extra": [], "_file": "Thing.csv", "_row_number": 1, "_line": 2},
        {"a": "4", "b": None, "c": "6", "_extra": [], "_file": "Thing.csv", "_row_number": 2, "_line": 3},
    ]
    assert outcome.rejects == []


def test_the_schema_is_that_of_the_spec() -> None:
    (batch,) = read_csv(io.BytesIO(b"b,x\n1,2\n"), file="Thing.csv", table=table_of("a", "b"))
    assert isinstance(batch, Batch)
    assert batch.table == "thing"
    assert {name: str(batch.rows.schema.field(name).type) for name in batch.rows.column_names} == {
        "a": "string",
        "b": "string",
        "_extra": "map<string, string>",
        "_file": "string",
        "_row_number": "int64",
        "_line": "int64",
    }


def test_lines_are_true_behind_quoted_line_breaks_blank_lines_and_rejects() -> None:
    content = b'a,b,c\n"1\n1",2,3\n\n4,5\n"6","7","8\r\n8"\n9,9,9'
    outcome = read(content)
    assert [(row["a"], row["_row_number"], row["_line"]) for row in outcome.rows] == [
        ("1\n1", 1, 2),
        ("6", 3, 6),
        ("9", 4, 8),
    ]
    assert outcome.rules == [(2, 5, "wrong_field_count")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not-ended"])
def test_line_ends(end: bytes, last: bool) -> None:
    outcome = read(b"a,b,c" + end + b"1,2,3" + end + b'4,"5",6' + (end if last else b""))
    assert outcome.values("a", "b", "c") == [("1", "2", "3"), ("4", "5", "6")]
    assert [row["_line"] for row in outcome.rows] == [2, 3]


def test_mixed_line_ends() -> None:
    outcome = read(b"a,b,c\n1,2,3\r\n4,5,6\r7,8,9\n")
    assert [(row["a"], row["_line"]) for row in outcome.rows] == [("1", 2), ("4", 3), ("7", 4)]


def test_doubled_quotes_delimiters_and_breaks_in_quoted_values() -> None:
    outcome = read(b'a,b,c\n"say ""hi""","x,y","1\n2"\n"","""",""""""\n')
    assert outcome.values("a", "b", "c") == [('say "hi"', "x,y", "1\n2"), (None, '"', '""')]


def test_values_are_not_trimmed_except_tabs_and_returns_at_the_end() -> None:
    outcome = read(b'a,b,c\n x , y,\t2022-01-01\t\n"z\r",\t,"\t\t"\n')
    assert outcome.values("a", "b", "c") == [(" x ", " y", "\t2022-01-01"), ("z", None, None)]


def test_a_record_of_empty_values_is_a_record() -> None:
    assert read(b"a,b,c\n,,\n").values("a", "b", "c") == [(None, None, None)]


def test_no_type_inference() -> None:
    outcome = read(b"a,b,c\n007,NULL,1e5\nNA,true,2022-01-01\n")
    assert outcome.values("a", "b", "c") == [("007", "NULL", "1e5"), ("NA", "true", "2022-01-01")]


def test_other_delimiters() -> None:
    assert read(b"a\tb\tc\n1,1\t2\t\n", delimiter="\t").values("a", "b", "c") == [("1,1", "2", None)]
    assert read(b"a;b;c\n1,1;2;3\n", delimiter=";").values("a", "b", "c") == [("1,1", "2", "3")]
    with pytest.raises(ValueError, match="delimiter"):
        read(b"a,b,c\n", delimiter="::")


def test_a_header_alone_has_no_rows() -> None:
    assert read(b"a,b,c\n") == Outcome([], [])
    assert read(b"a,b,c") == Outcome([], [])


@pytest.mark.parametrize("row", [b"1,2,3,\n", b'1,2,3,""\n', b"1,2,3,", b"1,2,3,\r\n"])
def test_one_empty_field_too_many_is_no_harm(row: bytes) -> None:
    outcome = read(b"a,b,c\n9,9,9\n" + row)
    assert outcome.values("a", "b", "c") == [("9", "9", "9"), ("1", "2", "3")]
    assert outcome.rejects == []


def test_a_column_alone() -> None:
    outcome = read(b'a\n1\n""\n\n2,\n,\n', table_of("a"))
    assert [(row["a"], row["_line"]) for row in outcome.rows] == [("1", 2), (None, 3), ("2", 5), (None, 6)]


def test_a_header_that_ends_with_a_delimiter() -> None:
    outcome = read(b"a,b,\n1,2,\n3,4\n5,6,7\n", table_of("a", "b"))
    assert outcome.values("a", "b") == [("1", "2"), ("3", "4"), ("5", "6")]
    assert outcome.rows[2]["_extra"] == [("column_3", "7")]


# --- headers


def test_headers_match_whatever_their_case_blanks_and_marks() -> None:
    outcome = read('\ufeff\ufeff" A ",\u00a0b\ufeff,C\t\n1,2,3\n'.encode())
    assert outcome.values("a", "b", "c") == [("1", "2", "3")]


def test_aliases_and_columns_beyond_the_spec() -> None:
    aliases: Mapping[str, str] = {"First Letter": "a", "unused": "b", "elsewhere": "nowhere"}
    outcome = read(b"first letter,Elsewhere,x,\n1,2,,4\n,,5,\n,,,\n", aliases=aliases)
    assert outcome.values("a", "b", "c") == [("1", None, None), (None, None, None), (None, None, None)]
    assert [row["_extra"] for row in outcome.rows] == [[("Elsewhere", "2"), ("column_4", "4")], [("x", "5")], []]


def test_a_header_over_two_lines() -> None:
    outcome = read(b'\n"a\nfirst",b,c\n1,2,3\n', aliases={"a\nfirst": "a"})
    assert [(row["a"], row["_line"]) for row in outcome.rows] == [("1", 4)]


def test_read_header() -> None:
    assert read_header(io.BytesIO(b'\xef\xbb\xbf"a ", b,b,\n1,2,3,4\n')) == ["a", "b", "b", "column_4"]


def test_read_header_reads_the_start_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(csv_reader, "MIB", 11)
    stream = io.BytesIO(b"a,b\n" + "é".encode() * 100_000)
    assert read_header(stream) == ["a", "b"]
    assert stream.tell() == 111


@pytest.mark.parametrize("content", [b"", b"\n\r\n", b"\xef\xbb\xbf", b"  \n", "\ufeff".encode("utf-16-le")])
def test_empty_files_are_refused(content: bytes) -> None:
    assert refusal(content).rule == "empty_file"


@pytest.mark.parametrize(
    "header", [b'a,"b,c\n1,2,3\n', b'a,b"x,c\n1,2,3\n', b'"a"x,b,c\n', b",,\n1,2,3\n", b'a,b,"c'], ids=repr
)
def test_broken_headers_are_refused(header: bytes) -> None:
    error = refusal(header)
    assert (error.rule, error.file, error.line) == ("bad_header", "Thing.csv", 1)


@pytest.mark.parametrize("header", [b"a,b,a\n", b"a,b,A\n", b"a,x,X\n", b"a,other,c\n"], ids=repr)
def test_columns_of_the_same_name_are_refused(header: bytes) -> None:
    assert refusal(header + b"1,2,3\n", aliases={"other": "a"}).rule == "duplicate_column"


def test_missing_columns_are_refused_by_name() -> None:
    error = refusal(b"b\n1\n", table_of("a", "b", "c", required=("a", "b", "c")))
    assert error.rule == "missing_column"
    assert "columns a, c" in str(error)


# --- encodings


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("é,ü,€".encode(), ("é", "ü", "€")),
        ("é,ü,€".encode("cp1252"), ("é", "ü", "€")),
        (b"\x81,\x8d,caf\xe9", ("\x81", "\x8d", "café")),
        ("é,ü,日本".encode() + b"\n\xe9,x,y", ("é", "ü", "日本")),
    ],
    ids=["utf-8", "cp1252", "cp1252-undefined", "utf-8-with-one-cp1252-value"],
)
def test_encodings_are_told_apart(content: bytes, expected: tuple[str, ...]) -> None:
    assert read(b"a,b,c\n" + content + b"\n").values("a", "b", "c")[0] == expected


def test_a_few_cp1252_bytes_do_not_spoil_a_utf8_file() -> None:
    outcome = read("a,b,c\né,ü,ß\n".encode() + b"caf\xe9,\x93q\x94,x\n" + "ñññ,1,2\n".encode())
    assert [row["a"] for row in outcome.rows] == ["é", "café", "ñññ"]
    assert outcome.rows[1]["b"] == "“q”"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_with_mark(codec: str) -> None:
    outcome = read('\ufeffa,b,c\r\n"é\n",😀,3\r\n4,5\r\n'.encode(codec), block_bytes=3)
    assert outcome.values("a", "b", "c") == [("é\n", "😀", "3")]
    assert outcome.rules == [(2, 4, "wrong_field_count")]


def test_an_encoding_can_be_given() -> None:
    content = "a,b,c\né,2,3\n"
    assert read(content.encode("latin-1"), encoding="latin-1").rows[0]["a"] == "é"
    assert read(content.encode(), encoding="cp1252").rows[0]["a"] == "Ã©"
    assert refusal(content.encode("cp1252"), encoding="utf-8").rule == "bad_encoding"
    assert refusal(b"\xff\xfea\0b", encoding=None).rule == "bad_encoding"


def test_nul_is_refused_with_its_line() -> None:
    error = refusal(b"a,b,c\n1,2,3\n4,\0,6\n")
    assert (error.rule, error.line) == ("nul_byte", 3)
    assert refusal("a,b,c\n1,2,3\n".encode("utf-16-le")).rule == "nul_byte"
    assert refusal("\ufeffa,b\0,c\n1,2,3\n".encode("utf-16-le")).rule == "nul_byte"


def test_a_stream_that_can_not_be_rewound() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *arguments: Any) -> int:
            raise io.UnsupportedOperation

    found = list(read_csv(Pipe("a\né\n".encode("cp1252")), file="x", table=table_of("a")))
    assert [item.rows["a"].to_pylist() for item in found if isinstance(item, Batch)] == [["é"]]


# --- records that do not fit


def test_wrong_field_counts_are_rejected_with_both_counts() -> None:
    outcome = read(b"a,b,c\n1,2\n1,2,3,4\n1,2,3,,\n7,8,9\n")
    assert outcome.rules == [(1, 2, "wrong_field_count"), (2, 3, "wrong_field_count"), (3, 4, "wrong_field_count")]
    assert outcome.rejects[0].message == "The record has 2 fields, the header 3."
    assert outcome.rejects[1].raw == b"1,2,3,4"
    assert [(row["a"], row["_row_number"], row["_line"]) for row in outcome.rows] == [("7", 4, 5)]


@pytest.mark.parametrize(
    ("bad", "column"),
    [(b'1,5" pipe,3', "b"), (b'1,2,"x"y', "c"), (b'"1" ,2,3', "a"), (b' "1",2,3', "a"), (b'1,"a""b"",c', "b")],
    ids=["quote-in-a-plain-value", "text-behind", "blank-behind", "blank-before", "odd-number"],
)
def test_a_misplaced_quote_rejects_its_record_alone(bad: bytes, column: str) -> None:
    outcome = read(b"a,b,c\n0,0,0\n" + bad + b'\n"7",8,9\n"6","6",6\n')
    assert outcome.rules == [(2, 3, "bad_quoting")]
    assert (outcome.rejects[0].column or column, outcome.rejects[0].raw) == (column, bad)
    assert [row["_line"] for row in outcome.rows] == [2, 4, 5]


@pytest.mark.parametrize(
    "rest",
    [b"7,8,9\n6,6,6\n", b'7,"8",9\n6,6,6\n', b'7,8,"9"\n6,6,6\n', b'"7",8,9\n"6",6,6\n', b'7,"",9\n6,6,""\n'],
    ids=["no-quotes", "quoted-inside", "quoted-at-the-end", "quoted-at-the-start", "empty-quoted"],
)
def test_a_quote_never_closed_does_not_swallow_the_file(rest: bytes) -> None:
    outcome = read(b'a,b,c\n1,"2,3\n' + rest)
    assert outcome.rules == [(1, 2, "bad_quoting")]
    assert [(row["a"], row["_row_number"], row["_line"]) for row in outcome.rows] == [("7", 2, 3), ("6", 3, 4)]


def test_a_quote_closed_by_chance_later_is_noticed_by_the_rows_it_swallowed() -> None:
    outcome = read(b'a,b,c\n1,"2,3\n4,5,6\n7,8",9,9,9\n0,0,0\n')
    assert [row["a"] for row in outcome.rows] == ["4", "0"]
    assert outcome.rules == [(1, 2, "bad_quoting"), (3, 4, "bad_quoting")]


def test_a_long_value_with_breaks_in_a_ragged_record_is_rejected_once() -> None:
    outcome = read(b'a,b,c\n1,"note\nmore\nand more",3,4\n5,6,7\n')
    assert outcome.rules == [(1, 2, "wrong_field_count")]
    assert [(row["a"], row["_line"]) for row in outcome.rows] == [("5", 5)]


@pytest.mark.parametrize("block_bytes", [1, 7, 50, 1 << 20])
def test_overlong_records_are_rejected_and_passed_over(block_bytes: int) -> None:
    long = b"x" * 300
    content = b"a,b,c\n1,2,3\n" + long + b'\r\n4,5,6\n7,"' + long + b"\n8,8,8\n9,9,9"
    outcome = read(content, block_bytes=block_bytes, max_record_bytes=100)
    assert outcome.rules == [(2, 3, "record_too_long"), (4, 5, "bad_quoting")]
    assert [(row["a"], row["_row_number"], row["_line"]) for row in outcome.rows] == [
        ("1", 1, 2),
        ("4", 3, 4),
        ("8", 5, 6),
        ("9", 6, 7),
    ]


def test_a_reject_keeps_a_limited_part_of_the_record() -> None:
    (reject,) = read(b"a,b,c\n" + b"x" * 100_000 + b"\n").rejects
    assert len(reject.raw) == 64 << 10


def test_a_file_of_nothing_but_rejects_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "MAX_REJECTS", 10)
    assert len(read(b"a,b,c\n" + b"1\n" * 10).rejects) == 10
    assert refusal(b"a,b,c\n" + b"1,2,3\n" * 50 + b"1\n" * 11).rule == "too_many_rejects"


def test_a_file_of_mostly_rejects_is_refused_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "MAX_REJECTED_MAJORITY", 10)
    assert len(read(b"a,b,c\n" + b"1,2,3\n" * 20 + b"1\n" * 20).rejects) == 20
    assert refusal(b"a,b,c\n" + b"1,2,3\n" * 10 + b'1,"2\n' * 11).rule == "too_many_rejects"


def test_many_broken_records_cost_no_more_than_their_number() -> None:
    content = b"a,b,c\n" + b'1,"2\n3,4,5\n' * 2_000
    outcome = read(content)
    assert len(outcome.rows) + len(outcome.rejects) == 4_000
    assert {row["a"] for row in outcome.rows} == {"3"}


# --- properties

plain = st.text(st.characters(codec="utf-8", exclude_characters='\0",\r\n', exclude_categories=("Cs",)), max_size=6)
tricky = st.text(st.sampled_from(list('",\n\r\t a\ufeffé')), max_size=6)


def quoted(value: str, always: bool) -> str:
    return '"' + value.replace('"', '""') + '"' if always or set(value) & set('",\r\n') else value


@given(
    rows=st.lists(st.tuples(plain | tricky, plain | tricky, plain | tricky), max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    always=st.booleans(),
    block_bytes=st.integers(1, 64),
)
def test_sound_files_give_the_rows_of_the_csv_module(
    rows: list[tuple[str, str, str]], end: str, always: bool, block_bytes: int
) -> None:
    text = "".join(",".join(quoted(value, always) for value in row) + end for row in [("a", "b", "c"), *rows])
    expected = [[value.rstrip("\t\r") or None for value in row] for row in csv.reader(io.StringIO(text, newline=""))]
    outcome = read(text.encode(), block_bytes=block_bytes)
    assert outcome.rejects == []
    assert [list(row) for row in outcome.values("a", "b", "c")] == expected[1:]


noise = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r", b"\r\n", b"x", b"1,2,3\n", b'""', b'",', "é".encode(), b"\xe9"])
)


@given(content=noise.map(b"".join), blocks=st.tuples(st.integers(1, 40), st.integers(1, 40)), limit=st.integers(12, 60))
@example(content=b'1,"' + b"x" * 50 + b"\n2,2,2\r", blocks=(1, 40), limit=12)
@example(content=b'\r"\r\n",\r', blocks=(1, 2), limit=12)
def test_any_records_are_counted_once_whatever_the_blocks(content: bytes, blocks: tuple[int, int], limit: int) -> None:
    one, other = (read(b"a,b,c\n" + content, block_bytes=block_bytes, max_record_bytes=limit) for block_bytes in blocks)
    assert one == other
    numbers = sorted([row["_row_number"] for row in one.rows] + [reject.row_number for reject in one.rejects])
    assert numbers == list(range(1, len(numbers) + 1))
    placed = [(row["_row_number"], row["_line"]) for row in one.rows]
    placed += [(reject.row_number, reject.line) for reject in one.rejects]
    lines = [line for _, line in sorted(placed)]
    assert all(before < after for before, after in itertools.pairwise(lines))
    assert all(line <= 2 + content.count(b"\n") + content.count(b"\r") for line in lines)


@given(content=st.binary(max_size=80), block_bytes=st.integers(1, 90))
def test_any_bytes_give_rows_rejects_or_a_refusal(content: bytes, block_bytes: int) -> None:
    try:
        outcome = read(content, table_of("a"), block_bytes=block_bytes)
    except RefusedError as error:
        assert error.rule and error.fix and str(error)
        return
    assert all(isinstance(row["a"], str | None) for row in outcome.rows)


# --- real files


@pytest.mark.reference
@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        (
            "case/hud-lsa-fy2022/input/LSA HMIS CSV Export.zip",
            {"Client": 579, "Enrollment": 593, "Exit": 317, "Services": 5105},
        ),
        (
            "case/hud-lsa-fy2021-input/input/LSA HMIS CSV Export FY2022.zip",
            {"Client": 5113, "Enrollment": 6139, "Exit": 5698, "Disabilities": 71058},
        ),
    ],
    ids=["FY2022", "FY2021"],
)
def test_hmis_exports_have_the_known_numbers_of_rows(
    reference_data: Path, archive: str, expected: dict[str, int]
) -> None:
    with open_delivery(reference_data / archive) as delivery:
        for entity, count in expected.items():
            with delivery.open(f"{entity}.csv") as stream:
                columns = read_header(stream)
            with delivery.open(f"{entity}.csv") as stream:
                found = list(read_csv(stream, file=entity, table=table_of(*columns)))
            assert sum(batch.rows.num_rows for batch in found if isinstance(batch, Batch)) == count, entity
            assert not [item for item in found if isinstance(item, Reject)], entity


@pytest.mark.reference
def test_sport_england_has_the_known_number_of_awards(reference_data: Path) -> None:
    path = reference_data / "funder/sport-england-lottery/Sport-England_lottery-awards.csv"
    outcome = read(path.read_bytes(), table_of("Identifier"))
    assert (len(outcome.rows), outcome.rejects) == (11_140, [])
