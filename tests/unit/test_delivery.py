"""Deliveries: what is opened, under which names and identity, and what is refused as unsafe or unusable."""

from __future__ import annotations

import gzip
import io
import os
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.delivery import Delivery, Limits, Member, open_delivery
from sources.errors import RefusedError

CONTENT = {"Client.csv": b"a,b\n1,2\n", "Export.csv": b"x\n1\n"}


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make_folder(path: Path, members: dict[str, bytes]) -> Path:
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def contents(delivery: Delivery) -> dict[str, bytes]:
    found = {}
    for member in delivery.members:
        with delivery.open(member.name) as stream:
            found[member.name] = stream.read()
    return found


def refusal(path: Path, limits: Limits = Limits()) -> RefusedError:
    """Why a delivery is refused, be it when it is opened or when it is read."""
    with pytest.raises(RefusedError) as caught, open_delivery(path, limits) as delivery:
        assert delivery.delivery_id
    assert str(caught.value) and caught.value.fix
    return caught.value


# --- what is opened


def test_zip_folder_and_file_have_the_same_members(tmp_path: Path) -> None:
    for path in (make_zip(tmp_path / "d.ZIP", CONTENT), make_folder(tmp_path / "d", CONTENT)):
        with open_delivery(path) as delivery:
            assert delivery.name == path.name
            assert delivery.members == (Member("Client.csv", 8), Member("Export.csv", 4))
            assert contents(delivery) == CONTENT
    with open_delivery(tmp_path / "d/Client.csv") as delivery:
        assert contents(delivery) == {"Client.csv": CONTENT["Client.csv"]}


def test_the_identity_is_that_of_names_and_content(tmp_path: Path) -> None:
    inner = {f"export/files/{name}": content for name, content in CONTENT.items()}
    same = [
        make_zip(tmp_path / "one.zip", CONTENT),
        make_zip(tmp_path / "two.zip", dict(reversed(inner.items())), zipfile.ZIP_STORED),
        make_folder(tmp_path / "three", {**inner, ".DS_Store": b"x"}),
    ]
    other = [
        make_zip(tmp_path / "four.zip", {**CONTENT, "Client.csv": b"a,b\n1,3\n"}),
        make_zip(tmp_path / "five.zip", {"client.csv": CONTENT["Client.csv"], "Export.csv": CONTENT["Export.csv"]}),
        make_zip(tmp_path / "six.zip", {**CONTENT, "Exit.csv": b""}),
    ]
    ids = []
    for path in same + other:
        with open_delivery(path) as delivery:
            ids.append(delivery.delivery_id)
    assert len(set(ids[:3])) == 1
    assert len(set(ids)) == 4
    assert all(len(found) == 32 and int(found, 16) for found in ids)


def test_the_digest_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    with open_delivery(make_zip(tmp_path / "d.zip", {"abc.txt": b"abc"})) as delivery:
        assert delivery.digests == {"abc.txt": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}


def test_the_folder_that_all_members_share_is_taken_off(tmp_path: Path) -> None:
    with open_delivery(make_zip(tmp_path / "d.zip", {"./top/a/x.csv": b"1", "top/b/x.csv": b"2"})) as delivery:
        assert [member.name for member in delivery.members] == ["a/x.csv", "b/x.csv"]
    with open_delivery(make_zip(tmp_path / "e.zip", {"top/a.csv": b"1", "top2/b.csv": b"2"})) as delivery:
        assert [member.name for member in delivery.members] == ["top/a.csv", "top2/b.csv"]


def test_backslashes_of_windows_zips_separate_folders(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", {"top\\a.csv": b"1", "top\\sub\\b.csv": b"2"})
    with open_delivery(path) as delivery:
        assert contents(delivery) == {"a.csv": b"1", "sub/b.csv": b"2"}


def test_litter_and_inner_archives_are_left_out(tmp_path: Path) -> None:
    litter = {
        "__MACOSX/._Client.csv": b"x",
        ".DS_Store": b"x",
        "sub/Thumbs.db": b"x",
        "~$book.xlsx": b"x",
        ".git/x": b"x",
    }
    members = {**CONTENT, **litter, "old.zip": b"PK"}
    for path in (make_zip(tmp_path / "d.zip", members), make_folder(tmp_path / "d", members)):
        with open_delivery(path) as delivery:
            assert contents(delivery) == CONTENT
            reasons = {ignored.reason for ignored in delivery.ignored}
            assert reasons == {"hidden or system file", "archive inside the delivery"}


def test_an_office_file_is_a_member(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "grants.xlsx", {"xl/workbook.xml": b"<x/>"})
    with open_delivery(path) as delivery:
        assert [member.name for member in delivery.members] == ["grants.xlsx"]


def test_find_goes_by_base_name_whatever_the_case(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", {"a/CLIENT.CSV": b"1", "a/x.csv": b"2", "b/x.csv": b"3"})
    with open_delivery(path) as delivery:
        assert delivery.find("client.csv") == Member("a/CLIENT.CSV", 1)
        assert delivery.find("Exit.csv") is None
        with pytest.raises(RefusedError) as caught:
            delivery.find("X.csv")
    assert caught.value.rule == "ambiguous_member"


def test_read_bytes_has_a_limit(tmp_path: Path) -> None:
    with open_delivery(make_zip(tmp_path / "d.zip", {"a.xlsx": b"12345"})) as delivery:
        assert delivery.read_bytes("a.xlsx", 5) == b"12345"
        with pytest.raises(RefusedError) as caught:
            delivery.read_bytes("a.xlsx", 4)
    assert (caught.value.rule, caught.value.file) == ("file_too_large", "a.xlsx")


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_streams_can_be_rewound(tmp_path: Path, kind: str) -> None:
    content = random.Random(1).randbytes(3_000_000)
    members = {"a.bin": content}
    path = make_zip(tmp_path / "d.zip", members) if kind == "zip" else make_folder(tmp_path / "d", members)
    with open_delivery(path) as delivery, delivery.open("a.bin") as stream:
        assert stream.read(2_000_000) == content[:2_000_000]
        assert stream.seek(10) == 10
        assert stream.read(20) == content[10:30]
        assert stream.seek(0, os.SEEK_END) == len(content)
        stream.seek(0)
        assert stream.read() == content


def test_members_can_be_read_side_by_side(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", CONTENT)
    with open_delivery(path) as delivery, delivery.open("Client.csv") as one, delivery.open("Export.csv") as other:
        assert (one.read(1), other.read(1), one.read(), other.read()) == (b"a", b"x", b",b\n1,2\n", b"\n1\n")


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}\.csv", fullmatch=True), st.binary(max_size=20), min_size=1
    )
)
def test_any_zip_gives_back_what_was_put_in(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]
) -> None:
    path = make_zip(tmp_path_factory.mktemp("zip") / "d.zip", members)
    with open_delivery(path) as delivery:
        found = contents(delivery)
        assert sorted(found.values()) == sorted(members.values())
        assert all(any(name.endswith(short) for name in members) for short in found)


# --- what is not there, or nothing


def test_missing_and_empty_deliveries_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "empty.xlsx").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "nowhere.zip").rule == "not_readable"
    assert refusal(tmp_path / "empty.zip").rule == "empty_file"
    assert refusal(tmp_path / "empty.xlsx").rule == "empty_file"
    assert refusal(tmp_path / "folder").rule == "empty_delivery"
    assert refusal(make_zip(tmp_path / "none.zip", {})).rule == "empty_delivery"
    assert refusal(make_zip(tmp_path / "litter.zip", {"__MACOSX/x": b"1", "folder/": b""})).rule == "empty_delivery"


def test_an_empty_member_is_left_to_its_reader(tmp_path: Path) -> None:
    with open_delivery(make_zip(tmp_path / "d.zip", {"a.csv": b"", "b.csv": b"1"})) as delivery:
        assert contents(delivery) == {"a.csv": b"", "b.csv": b"1"}


def test_archives_of_archives_are_refused(tmp_path: Path) -> None:
    assert refusal(make_zip(tmp_path / "d.zip", {"inner.zip": b"PK", "inner.7z": b"7z"})).rule == "nested_archive"
    (tmp_path / "x.tar.gz").write_bytes(b"x")
    assert refusal(tmp_path / "x.tar.gz").rule == "unsupported_archive"


def test_a_gzipped_file_is_the_file_that_it_was(tmp_path: Path) -> None:
    make_folder(tmp_path / "plain", {"figures.csv": CONTENT["Client.csv"]})
    make_folder(tmp_path / "packed", {"figures.csv.gz": gzip.compress(CONTENT["Client.csv"])})
    with open_delivery(tmp_path / "plain") as plain, open_delivery(tmp_path / "packed" / "figures.csv.gz") as packed:
        assert contents(packed) == contents(plain) == {"figures.csv": CONTENT["Client.csv"]}
        assert packed.delivery_id == plain.delivery_id
    with open_delivery(tmp_path / "packed") as folder:
        assert contents(folder) == {"figures.csv": CONTENT["Client.csv"]}


def test_gzipped_files_that_do_harm_are_refused(tmp_path: Path) -> None:
    whole = gzip.compress(bytes(64 << 20))
    (tmp_path / "bomb.csv.gz").write_bytes(whole)
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(random.Random(1).randbytes(5000))[:-20])
    (tmp_path / "none.csv.gz").write_bytes(b"a,b\n1,2\n")
    assert refusal(tmp_path / "bomb.csv.gz").rule == "zip_bomb"
    assert (
        refusal(tmp_path / "bomb.csv.gz", Limits(max_ratio=10_000, max_member_bytes=1 << 20)).rule == "file_too_large"
    )
    assert refusal(tmp_path / "cut.csv.gz").rule == "corrupt_gzip"
    assert refusal(tmp_path / "none.csv.gz").rule == "corrupt_gzip"


# --- names


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "a/../../evil.csv", "/etc/evil.csv", "..\\evil.csv", "C:\\evil.csv", "C:evil.csv", "\\\\host\\x"],
)
def test_names_that_point_out_of_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    error = refusal(make_zip(tmp_path / "d.zip", {"a.csv": b"1", name: b"2"}))
    assert error.rule == "path_traversal"
    assert not (tmp_path.parent / "evil.csv").exists()


def test_names_with_control_characters_are_refused(tmp_path: Path) -> None:
    assert refusal(make_zip(tmp_path / "d.zip", {"a\n.csv": b"1"})).rule == "unsafe_name"
    assert refusal(make_zip(tmp_path / "d.zip", {"a" * 2000: b"1"})).rule == "name_too_long"


def test_members_of_the_same_name_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a.csv", b"1")
        archive.writestr("a.csv", b"2")
    assert refusal(tmp_path / "d.zip").rule == "duplicate_member"
    assert refusal(make_zip(tmp_path / "e.zip", {"a.csv": b"1", "A.csv": b"2"})).rule == "name_collision"
    composed, decomposed = "caf\u00e9.csv", "cafe\u0301.csv"
    assert refusal(make_zip(tmp_path / "f.zip", {composed: b"1", decomposed: b"2"})).rule == "duplicate_member"


# --- links and things that are no files


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        link = zipfile.ZipInfo("passwords.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, b"/etc/passwd")
    assert refusal(tmp_path / "d.zip").rule == "symlink"


def test_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_bytes(b"x")
    for number, target in enumerate((tmp_path / "secret.csv", tmp_path)):
        folder = make_folder(tmp_path / f"d{number}", CONTENT)
        (folder / "link").symlink_to(target)
        assert refusal(folder).rule == "symlink"
    (tmp_path / "linked.csv").symlink_to(tmp_path / "secret.csv")
    assert refusal(tmp_path / "linked.csv").rule == "symlink"


def test_a_file_that_becomes_a_link_is_refused_when_read(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "d", CONTENT)
    (tmp_path / "secret.csv").write_bytes(b"x")
    with open_delivery(folder) as delivery:
        (folder / "Client.csv").unlink()
        (folder / "Client.csv").symlink_to(tmp_path / "secret.csv")
        with pytest.raises(RefusedError):
            delivery.open("Client.csv")


def test_pipes_are_refused_without_waiting_for_them(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "d", CONTENT)
    os.mkfifo(folder / "pipe.csv")
    assert refusal(folder).rule == "special_file"
    assert refusal(folder / "pipe.csv").rule == "special_file"


def test_a_file_that_is_still_being_written_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "d", CONTENT)
    for change in (b"a,b\n1,2\nmore\n", b"a"):
        with open_delivery(folder) as delivery:
            (folder / "Client.csv").write_bytes(change)
            with pytest.raises(RefusedError) as caught:
                assert delivery.delivery_id
        assert (caught.value.rule, caught.value.file) == ("file_changed", "Client.csv")
        make_folder(folder, CONTENT)


# --- damaged and hostile zips


def test_damaged_zips_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", {"a.csv": random.Random(1).randbytes(5000)}, zipfile.ZIP_STORED)
    whole = path.read_bytes()
    damages = {
        "no-zip": b"no archive at all",
        "cut-short": whole[:-50],
        "flipped-byte": whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:],
        "start-missing": whole[200:],
    }
    for name, content in damages.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        assert refusal(tmp_path / f"{name}.zip").rule == "corrupt_zip", name


@given(place=st.integers(0, 400), value=st.integers(0, 255))
def test_no_changed_byte_gets_through_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = make_zip(tmp_path_factory.mktemp("zip") / "d.zip", {**CONTENT, "long.csv": b"1,2,3\n" * 50})
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(bytes(content))
    try:
        with open_delivery(path) as delivery:
            assert delivery.delivery_id
    except RefusedError as error:
        assert error.rule


def _patched_directory(path: Path, offset: int, value: int) -> Path:
    """Change a 4-byte field of the first entry in the zip's directory."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<L", content, content.index(b"PK\1\2") + offset, value)
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("stated", [100, 1_000_000])
def test_a_directory_that_lies_about_sizes_is_refused(tmp_path: Path, stated: int) -> None:
    path = make_zip(tmp_path / "d.zip", {"a.csv": b"1,2,3\n" * 1000})
    assert refusal(_patched_directory(path, 24, stated)).rule == "corrupt_zip"


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", {"a.csv": bytes(20 << 20)})
    error = refusal(path)
    assert (error.rule, error.file) == ("zip_bomb", "a.csv")
    assert open_delivery(path, Limits(max_ratio=2000)).delivery_id


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", {"a.csv": b"1", "b.csv": b"2"}, zipfile.ZIP_STORED)
    assert refusal(_patched_directory(path, 20, 40)).rule == "zip_bomb"


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        (Limits(max_members=2), "too_many_files"),
        (Limits(max_member_bytes=9), "file_too_large"),
        (Limits(max_total_bytes=25), "delivery_too_large"),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, rule: str) -> None:
    members = {f"{number}.csv": b"0123456789" for number in range(3)}
    assert refusal(make_zip(tmp_path / "d.zip", members), limits).rule == rule
    assert refusal(make_folder(tmp_path / "d", members), limits).rule == rule


def test_a_directory_too_large_for_memory_is_refused_unread(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", {f"{number:05}.csv": b"" for number in range(500)})
    assert refusal(path, Limits(max_members=20)).rule == "too_many_files"


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "d.zip", {"a.csv": b"1"})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(bytes(content))
    assert refusal(path).rule == "encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_can_not_be_unpacked_in_steps_are_refused(tmp_path: Path, method: int) -> None:
    assert refusal(make_zip(tmp_path / "d.zip", {"a.csv": b"1"}, method)).rule == "unsupported_compression"


# --- real deliveries


@pytest.mark.reference
def test_hmis_zips_open(reference_data: Path) -> None:
    paths = sorted((reference_data / "case").rglob("*.zip"))
    assert paths
    for path in paths:
        with open_delivery(path) as delivery:
            assert delivery.members
            assert sum(len(content) for content in contents(delivery).values()) == sum(m.size for m in delivery.members)
            assert io.BytesIO(delivery.read_bytes(delivery.members[0].name, 1 << 24)).read(1)
