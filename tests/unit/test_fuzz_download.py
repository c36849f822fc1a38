"""The unpacker and the reader of manifests, fed with whatever Hypothesis thinks of."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from local_site import MANIFEST, TOP, good_entries, write_manifest, zip_of

from course_lib.download import DownloadError, read_manifest, unpack, verify_folder

GOOD = zip_of(good_entries())
HEX = "0123456789abcdefABCDEF"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that each example uses anew."""
    return tmp_path_factory.mktemp("fuzz")


def all_or_nothing(place: Path, content: bytes) -> bool:
    """Unpack some bytes: every file verified, or a DownloadError and nothing. Was it all?"""
    zip_path, folder = place / "x.zip", place / "in" / "photos"
    shutil.rmtree(place / "in", ignore_errors=True)
    zip_path.write_bytes(content)
    try:
        unpack(zip_path, folder, MANIFEST, largest_total=10**6)
        return verify_folder(folder, MANIFEST) == []
    except DownloadError as error:
        assert str(zip_path) in str(error)
        left = [path for path in place.rglob("*") if path.is_file() and path.suffix != ".lock"]
        assert left == [zip_path]
        assert not folder.exists()
        return False


def test_the_good_zip_is_unpacked(place: Path) -> None:
    assert all_or_nothing(place, GOOD)


@given(
    st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, 30), st.binary(max_size=6)
)
def test_a_damaged_zip_is_unpacked_whole_or_refused(
    place: Path, start: int, flip: int, cut: int, put_in: bytes
) -> None:
    changed = bytes([GOOD[start] ^ flip])
    all_or_nothing(place, GOOD[:start] + changed + put_in + GOOD[start + 1 + cut :])
    all_or_nothing(place, GOOD[:start] + changed + GOOD[start + 1 :])


@given(st.binary(max_size=400))
@example(b"PK\x05\x06" + bytes(18))
def test_bytes_that_are_no_zip_are_refused(place: Path, content: bytes) -> None:
    assert not all_or_nothing(place, content)


@given(
    st.lists(
        st.sampled_from(["..", ".", "", "a", "C:", "\\", TOP, "train", "CON", "\0", "é", "~"]),
        min_size=1,
        max_size=5,
    )
)
def test_no_name_leads_out_of_the_folder(place: Path, parts: list[str]) -> None:
    entry = zipfile.ZipInfo("x")
    entry.filename = "/".join(parts)
    all_or_nothing(place, zip_of(good_entries() | {entry: b"evil"}))
    assert {path.name for path in place.iterdir()} <= {"in", "x.zip", "x.sha256"}


names = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.lists(st.tuples(st.text(HEX, min_size=62, max_size=66), names), max_size=4))
@example([("0" * 64, "a"), ("0" * 64, "a/../../b")])
@example([("0" * 64, "a\x85b")])
def test_a_manifest_names_files_inside_or_is_refused(
    place: Path, lines: list[tuple[str, str]]
) -> None:
    path = place / "x.sha256"
    text = "".join(f"{digest}  {name}\n" for digest, name in lines)
    path.write_bytes(text.encode())
    try:
        found = read_manifest(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    for name, digest in found.items():
        assert (place / name).resolve().is_relative_to(place.resolve())
        assert len(digest) == 64 and digest == digest.lower()
    assert write_manifest(path, found, top="x") and read_manifest(path, top="x") == found


@given(st.binary(max_size=200))
def test_bytes_that_are_no_manifest_are_refused(place: Path, content: bytes) -> None:
    path = place / "x.sha256"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.sha256"):
        read_manifest(path)
