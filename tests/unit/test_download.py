"""Downloads from a server on this computer, right and wrong in all the ways we know of."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from ssl import SSLCertVerificationError
from urllib.error import URLError

import psutil
import pytest
from local_site import (
    FILES,
    MANIFEST,
    PATIENCE,
    TOP,
    Handler,
    Site,
    answer,
    good_entries,
    half_then_reset,
    half_then_wait,
    write_files,
    write_manifest,
    zip_of,
)

from course_lib import download
from course_lib.download import DownloadError, fetch, locked, read_manifest, unpack, verify_folder

BODY = bytes(range(256)) * 4000  # 1 MB, several reads
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_LIB_PROGRESS", "0")
    monkeypatch.delenv("HYMENOPTERA_DIR", raising=False)


def left_in(folder: Path) -> list[str]:
    """Everything below a folder but lock files and .cache itself, which stay by design."""
    stays = [p for p in folder.rglob("*") if p.suffix == ".lock" or p.name == ".cache"]
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p not in stays)


def refused(site_url: str, target: Path, **options: object) -> str:
    """Message of the DownloadError; nothing may be left behind."""
    with pytest.raises(DownloadError) as caught:
        fetch(site_url, target, delay=0, **options)  # type: ignore[arg-type]
    assert left_in(target.parent) == []
    return str(caught.value)


# ------------------------------------------------------------------------------------- fetch


def test_fetch_writes_the_whole_file(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(BODY))
    target = tmp_path / "new" / "file.zip"
    assert fetch(url, target, sha256=SHA256, size=len(BODY)) == target
    assert target.read_bytes() == BODY
    assert left_in(target.parent) == ["file.zip"]
    assert site.seen == ["/file.zip"]


def test_fetch_returns_an_absolute_path(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = site.put("/file.zip", answer(BODY))
    assert fetch(url, "file.zip") == tmp_path / "file.zip"


def test_fetch_keeps_a_file_that_is_right_already(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "file.zip"
    target.write_bytes(BODY)
    fetch(site.put("/file.zip", answer(BODY)), target, sha256=SHA256.upper())
    assert site.seen == []


def test_fetch_replaces_a_file_that_is_wrong(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "file.zip"
    target.write_bytes(b"old")
    fetch(site.put("/file.zip", answer(BODY)), target, sha256=SHA256)
    assert target.read_bytes() == BODY


def test_fetch_without_announced_length(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(BODY, length=None))
    assert fetch(url, tmp_path / "file.zip", size=len(BODY)).read_bytes() == BODY


def test_fetch_takes_no_proxy_to_this_computer(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    url = site.put("/file.zip", answer(BODY))
    assert fetch(url, tmp_path / "file.zip", retries=0).read_bytes() == BODY


def test_wrong_hash_keeps_the_older_file(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "file.zip"
    target.write_bytes(b"old")
    with pytest.raises(DownloadError, match=f"SHA-256 {SHA256}, expected {'0' * 64}"):
        fetch(site.put("/file.zip", answer(BODY)), target, sha256="0" * 64)
    assert target.read_bytes() == b"old"
    assert left_in(tmp_path) == ["file.zip"]
    assert len(site.seen) == 1, "another try cannot mend other content"


def test_truncated_body_is_tried_again_then_refused(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(BODY[:1000], length=len(BODY)))
    message = refused(url, tmp_path / "file.zip", retries=2)
    assert f"sent 1000 bytes, expected {len(BODY)} (tried 3 times)" in message
    assert len(site.seen) == 3


def test_truncated_body_of_unknown_length(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(BODY[:1000], length=None))
    message = refused(url, tmp_path / "file.zip", size=len(BODY), retries=0)
    assert f"sent 1000 bytes, expected {len(BODY)}" in message


def test_more_than_expected_is_not_read_to_its_end(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", half_then_wait(BODY, announced=False))
    message = refused(url, tmp_path / "file.zip", size=1000, retries=0, timeout=60)
    assert "sent more than 1000 bytes" in message


def test_other_announced_length_is_refused_unread(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(BODY))
    message = refused(url, tmp_path / "file.zip", size=17)
    assert f"offers {len(BODY)} bytes, expected 17" in message
    assert len(site.seen) == 1


def test_web_page_instead_of_a_file(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(b"<html>Log in</html>", kind="text/html; charset=utf-8"))
    message = refused(url, tmp_path / "file.zip")
    assert "sent a web page" in message
    assert "Open the address in a browser" in message


@pytest.mark.parametrize("status", ["404 (Not Found)", "403 (Forbidden)", "410 (Gone)"])
def test_a_refusal_is_not_tried_again(status: str, site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(b"nothing", status=int(status[:3])))
    message = refused(url, tmp_path / "file.zip")
    assert f"answered with status {status}. Check the address" in message
    assert len(site.seen) == 1


@pytest.mark.parametrize("status", [408, 429])
def test_a_server_that_asks_for_patience_is_asked_again(
    status: int, site: Site, tmp_path: Path
) -> None:
    url = site.put("/file.zip", answer(status=status), answer(BODY))
    assert fetch(url, tmp_path / "file.zip", delay=0).read_bytes() == BODY


def test_status_500_is_tried_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    busy = answer(b"busy", status=500)
    url = site.put("/file.zip", busy, answer(status=503), busy, answer(BODY))
    assert fetch(url, tmp_path / "file.zip").read_bytes() == BODY
    assert pauses == [1, 2, 4]
    assert left_in(tmp_path) == ["file.zip"]


def test_status_500_for_ever(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(status=500))
    message = refused(url, tmp_path / "file.zip", retries=1)
    assert "status 500 (Internal Server Error) (tried 2 times)" in message
    assert len(site.seen) == 2


def test_nobody_listens(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip")
    site.stop()
    message = refused(url, tmp_path / "file.zip", retries=1)
    assert "cannot be reached" in message
    assert "tried 2 times" in message


def test_connection_closed_without_an_answer(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", lambda handler: None, answer(BODY))
    assert fetch(url, tmp_path / "file.zip", delay=0).read_bytes() == BODY
    assert len(site.seen) == 2


def test_connection_broken_off(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", half_then_reset(BODY), answer(BODY))
    assert fetch(url, tmp_path / "file.zip", delay=0).read_bytes() == BODY
    assert len(site.seen) == 2


def test_timeout(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", half_then_wait(BODY))
    message = refused(url, tmp_path / "file.zip", timeout=0.2, retries=0)
    assert "no answer within 0.2 seconds" in message


def test_untrusted_certificate_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def untrusted(self: object, url: str, timeout: float) -> None:
        tries.append(url)
        raise URLError(SSLCertVerificationError("self-signed certificate"))

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", untrusted)
    message = refused("https://example.org/file.zip", tmp_path / "file.zip")
    assert "certificate cannot be trusted" in message
    assert len(tries) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/file.zip",
        "http://localhost.example.org/file.zip",
        "http://localhost@example.org/file.zip",
        "ftp://127.0.0.1/file.zip",
        "file:///etc/hostname",
        "data:,hello",
        "https:///file.zip",
        "file.zip",
    ],
)
def test_unsafe_address_is_refused_before_any_connection(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **options: object) -> None:
        pytest.fail("a connection was tried")

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", never)
    message = refused(url, tmp_path / "file.zip")
    assert f"refused to download from {url}: expected an address" in message


@pytest.mark.parametrize("goal", ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://[fe80::1]/"])
def test_redirect_to_an_unsafe_address_is_refused(goal: str, site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(status=302, Location=goal))
    message = refused(url, tmp_path / "file.zip")
    assert goal in message
    assert "refused" in message or "not allowed" in message
    assert len(site.seen) == 1


def test_redirect_on_this_computer_is_followed(site: Site, tmp_path: Path) -> None:
    url = site.put("/file.zip", answer(status=302, Location="/there.zip"))
    site.put("/there.zip", answer(BODY))
    assert fetch(url, tmp_path / "file.zip").read_bytes() == BODY


def test_redirect_from_outside_to_this_computer_is_refused() -> None:
    follow = download._CheckedRedirects().redirect_request
    request = urllib.request.Request("https://example.org/a")
    body, headers = io.BytesIO(), Message()
    assert follow(request, body, 302, "Found", headers, "https://example.org/b") is not None
    assert not body.closed
    with pytest.raises(DownloadError, match=r"https://example\.org/a points there"):
        follow(request, body, 302, "Found", headers, "http://127.0.0.1:80/")
    assert body.closed


def test_interrupted_fetch_leaves_nothing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(url: str, part: Path, *args: object, **options: object) -> None:
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(site.put("/file.zip"), tmp_path / "file.zip")
    assert left_in(tmp_path) == []


def test_killed_fetch_leaves_no_file_and_does_not_stop_the_next(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "file.zip"
    url = site.put("/file.zip", half_then_wait(BODY), answer(BODY))
    code = "import sys; from course_lib.download import fetch; fetch(*sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", code, url, str(target)]) as child:
        assert site.half_sent.wait(PATIENCE)
        child.kill()
    assert not target.exists()
    fetch(url, target, sha256=SHA256)
    assert left_in(tmp_path) == ["file.zip"]


full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@full_disk
def test_a_full_disk_is_not_taken_for_a_bad_connection(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".file.zip.part").symlink_to("/dev/full")  # every write to it fails
    url = site.put("/file.zip", answer(BODY))
    message = refused(url, tmp_path / "file.zip")
    assert "file.zip.part cannot be written: No space left on device. Free some space" in message
    assert len(site.seen) == 1


def test_a_folder_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match=r"cache cannot be written: .* may write in, then"):
        fetch(site.put("/file.zip", answer(BODY)), tmp_path / "cache" / "file.zip")
    assert site.seen == []


# ------------------------------------------------------------------------------------ resume

TAG = '"version one"'


def part_of(body: bytes, **headers: str) -> Callable[[Handler], None]:
    """A page that answers a request for the rest of the body with the rest."""

    def page(handler: Handler) -> None:
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        assert not handler.headers["If-Range"].startswith("W/")  # a weak name: any likeness will do
        span = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}", **headers}
        answer(body[start:], status=206, **span)(handler)

    return page


def cut(body: bytes, **headers: str) -> Callable[[Handler], None]:
    """A page that promises the whole body, sends the first 1000 bytes and hangs up."""
    return answer(body[:1000], length=len(body), **headers)


@pytest.mark.parametrize(
    "version", [{"ETag": TAG}, {"ETag": "W/x", "Last-Modified": "Tue, 24 Nov 2026 10:00:00 GMT"}]
)
def test_a_cut_download_is_taken_up_where_it_broke(
    version: dict[str, str], site: Site, tmp_path: Path
) -> None:
    asked: list[str | None] = []

    def noted(page: Callable[[Handler], None]) -> Callable[[Handler], None]:
        def then(handler: Handler) -> None:
            asked.append(handler.headers["Range"])
            page(handler)

        return then

    pages = [cut(BODY, **version), part_of(BODY, **version)]
    url = site.put("/file.zip", *map(noted, pages))
    fetch(url, tmp_path / "file.zip", sha256=SHA256, size=len(BODY), delay=0)
    assert asked == [None, "bytes=1000-"]
    assert left_in(tmp_path) == ["file.zip"]


def test_a_file_that_changed_meanwhile_is_fetched_afresh(site: Site, tmp_path: Path) -> None:
    pages = [cut(b"old" * 1000, ETag='"old"'), answer(BODY, ETag=TAG)]
    fetch(site.put("/file.zip", *pages), tmp_path / "file.zip", sha256=SHA256, delay=0)
    assert (tmp_path / "file.zip").read_bytes() == BODY


@pytest.mark.parametrize(
    "second",
    [
        answer(b"wrong part", status=206, **{"Content-Range": "bytes 7-16/17"}),
        answer(b"no range", status=206),
        answer(status=416),
        answer(BODY, status=206, length=None, **{"Content-Range": "bytes 1000-"}),
    ],
    ids=["another part", "part unsaid", "416", "too much"],
)
def test_a_wrong_rest_is_not_joined(
    second: Callable[[Handler], None], site: Site, tmp_path: Path
) -> None:
    def whole(handler: Handler) -> None:
        assert handler.headers["Range"] is None
        answer(BODY)(handler)

    url = site.put("/file.zip", cut(BODY, ETag=TAG), second, whole)
    fetch(url, tmp_path / "file.zip", size=len(BODY), delay=0)
    assert (tmp_path / "file.zip").read_bytes() == BODY
    assert len(site.seen) == 3


def test_without_a_version_nothing_is_joined(site: Site, tmp_path: Path) -> None:
    def whole(handler: Handler) -> None:
        assert handler.headers["Range"] is None
        answer(BODY)(handler)

    fetch(site.put("/file.zip", cut(b"x" * 9999), whole), tmp_path / "file.zip", delay=0)
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_bar_is_drawn_for_a_person(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = site.put("/file.zip", answer(BODY))
    fetch(url, tmp_path / "a.zip")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("COURSE_LIB_PROGRESS", "1")
    fetch(url, tmp_path / "b.zip")
    assert "file.zip" in capsys.readouterr().err


# -------------------------------------------------------------------------------------- lock


def test_lock_keeps_another_process_out(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "x.lock"
    code = (
        "import sys; from pathlib import Path; from course_lib.download import locked\n"
        "with locked(Path(sys.argv[1]), timeout=0.05): print('entered')"
    )
    command = [sys.executable, "-c", code, str(lock)]
    with locked(lock), locked(lock):  # the same thread may enter twice
        outside = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outside.returncode != 0
    assert "DownloadError: another process has held" in outside.stderr
    after = subprocess.run(command, capture_output=True, text=True, check=True)
    assert after.stdout == "entered\n"


def is_held(lock: Path) -> bool:
    """Whether another process finds this lock taken."""
    code = (
        "import sys; from filelock import FileLock, Timeout\n"
        "try:\n"
        "    with FileLock(sys.argv[1], timeout=0): print('free')\n"
        "except Timeout: print('held')"
    )
    command = [sys.executable, "-c", code, str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout == "held\n"


def test_fetch_and_unpack_hold_a_lock_while_they_work(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive, refuse, held = download._receive, download._refuse_dangerous, []

    def watched_receive(*args: object, **options: object) -> str:
        held.append(is_held(tmp_path / ".x.zip.lock"))
        return receive(*args, **options)  # type: ignore[arg-type]

    def watched_refuse(*args: object) -> None:
        held.append(is_held(tmp_path / ".cache" / "photos.lock"))
        refuse(*args)  # type: ignore[arg-type]

    (tmp_path / ".cache").mkdir()
    monkeypatch.setattr(download, "_receive", watched_receive)
    monkeypatch.setattr(download, "_refuse_dangerous", watched_refuse)
    zip_path = fetch(site.put("/x.zip", answer(zip_of(good_entries()))), tmp_path / "x.zip")
    unpack(zip_path, tmp_path / "photos", MANIFEST)
    assert held == [True, True]
    assert not is_held(tmp_path / ".x.zip.lock")
    assert not is_held(tmp_path / ".cache" / "photos.lock")


# ---------------------------------------------------------------------------------- manifest


def test_manifest_is_read(tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "x.sha256")
    assert read_manifest(path, top=TOP) == MANIFEST
    assert read_manifest(path) == {f"{TOP}/{name}": digest for name, digest in MANIFEST.items()}


def test_manifest_binary_mark_capitals_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.sha256"
    path.write_bytes(b"AB" * 32 + b" *train/ants/F.pergan.28(f).jpg\r\n")
    assert read_manifest(path) == {"train/ants/F.pergan.28(f).jpg": "ab" * 32}


GOOD = "0" * 64 + "  top/a.jpg\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0" * 63 + "  top/b.jpg", "expected 64 hexadecimal digits"),
        ("0" * 64 + " top/b.jpg", "expected 64 hexadecimal digits"),
        ("g" * 64 + "  top/b.jpg", "expected 64 hexadecimal digits"),
        ("0" * 64 + "  ", "expected 64 hexadecimal digits"),
        ("", "expected 64 hexadecimal digits"),
        ("0" * 64 + "  /top/b.jpg", "absolute or leads out"),
        ("0" * 64 + "  top/../../b.jpg", "absolute or leads out"),
        ("0" * 64 + "  top\\..\\b.jpg", "absolute or leads out"),
        ("0" * 64 + "  C:/b.jpg", "absolute or leads out"),
        ("0" * 64 + "  topper/b.jpg", "begins with top/"),
        ("1" * 64 + "  top/a.jpg", "named before"),
    ],
)
def test_malformed_line_of_a_manifest(line: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.sha256"
    path.write_text(f"{GOOD}{line}\n")
    with pytest.raises(ValueError, match=problem) as caught:
        read_manifest(path, top="top")
    assert f"{path}, line 2: {line!r}" in str(caught.value)


def test_empty_manifest_would_verify_anything(tmp_path: Path) -> None:
    path = tmp_path / "x.sha256"
    path.write_text("")
    with pytest.raises(ValueError, match="names no file"):
        read_manifest(path)


# ------------------------------------------------------------------------------------ verify


def test_verify_right_folder(tmp_path: Path) -> None:
    folder = write_files(tmp_path)
    (folder / "train" / "ants" / "imageNotFound.gif").write_bytes(b"not named")
    assert verify_folder(folder, MANIFEST) == []


def test_verify_names_what_is_wrong(tmp_path: Path) -> None:
    folder = write_files(tmp_path)
    (folder / "val/bees/b2.jpg").unlink()
    (folder / "train/ants/a1.jpg").write_bytes(FILES["train/ants/a1.jpg"] + b"!")
    assert verify_folder(str(folder), MANIFEST) == [
        "train/ants/a1.jpg has other content than expected",
        "val/bees/b2.jpg is missing",
    ]


def test_verify_folder_that_is_not_there(tmp_path: Path) -> None:
    assert len(verify_folder(tmp_path / "none", MANIFEST)) == len(MANIFEST)


# ------------------------------------------------------------------------------------ unpack


def test_a_manifest_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="MANIFEST is no text"):
        download.read_manifest(tmp_path / "MANIFEST")


def unpack_refused(tmp_path: Path, content: bytes, **options: object) -> str:
    """Message of the DownloadError; nothing may be left behind or written elsewhere."""
    zip_path = tmp_path / "x.zip"
    zip_path.write_bytes(content)
    with pytest.raises(DownloadError) as caught:
        unpack(zip_path, tmp_path / "in" / "photos", MANIFEST, **options)  # type: ignore[arg-type]
    assert left_in(tmp_path) == ["in", "x.zip"]
    return str(caught.value)


def test_unpack_only_what_the_manifest_names(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zip_of(good_entries()))
    folder = unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST)
    assert folder == tmp_path / "photos"
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == set(FILES)
    assert verify_folder(folder, MANIFEST) == []
    assert not any((tmp_path / ".cache").rglob("*.jpg"))


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_disk_that_is_full_when_unpacking_begins_or_ends_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "x.zip").write_bytes(zip_of(good_entries()))
    monkeypatch.setattr(Path, step, full)
    with pytest.raises(DownloadError, match=r"photos.* cannot be written: .* Free some") as refused:
        unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST)
    assert left_in(tmp_path) == ["x.zip"]
    # As long as the exception lives, so does all that the program did not close.
    held = {Path(file.path).name for file in psutil.Process().open_files()}
    assert "x.zip" not in held, refused


def test_unpack_a_zip_without_a_folder_inside(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zip_of(FILES))
    folder = unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST, top="")
    assert verify_folder(folder, MANIFEST) == []


def test_unpack_clears_what_a_killed_process_left(tmp_path: Path) -> None:
    left = tmp_path / ".cache" / "photos.part" / "train" / "stale.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"stale")
    (tmp_path / "x.zip").write_bytes(zip_of(good_entries()))
    folder = unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST)
    assert not (folder / "train" / "stale.jpg").exists()


def test_unpack_does_not_touch_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zip_of(good_entries()))
    (tmp_path / "photos").mkdir()
    with pytest.raises(DownloadError, match="is there already"):
        unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST)
    assert list((tmp_path / "photos").iterdir()) == []


def test_folder_appears_only_when_every_file_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.zip").write_bytes(zip_of(good_entries()))
    extract, there = download._extract, []

    def watched(archive: zipfile.ZipFile, entry: str, target: Path) -> str:
        there.append((tmp_path / "photos").exists())
        return extract(archive, entry, target)

    monkeypatch.setattr(download, "_extract", watched)
    unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST)
    assert there == [False] * len(MANIFEST)


def test_interrupted_unpack_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.zip").write_bytes(zip_of(good_entries()))
    extract = download._extract

    def interrupted(archive: zipfile.ZipFile, entry: str, target: Path) -> str:
        extract(archive, entry, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_extract", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST)
    assert left_in(tmp_path) == ["x.zip"]


def test_unpack_wrong_content(tmp_path: Path) -> None:
    entries = good_entries() | {f"{TOP}/val/bees/b2.jpg": b"another bee"}
    message = unpack_refused(tmp_path, zip_of(entries))
    assert "val/bees/b2.jpg in" in message
    assert f"expected {MANIFEST['val/bees/b2.jpg']}" in message


def test_unpack_missing_file(tmp_path: Path) -> None:
    entries = good_entries()
    del entries[f"{TOP}/val/bees/b2.jpg"]
    assert f"does not hold {TOP}/val/bees/b2.jpg" in unpack_refused(tmp_path, zip_of(entries))


@pytest.mark.parametrize(
    "name", ["../evil.jpg", f"{TOP}/../../evil.jpg", "/evil.jpg", "..\\evil.jpg", "C:/evil.jpg"]
)
def test_unpack_refuses_a_name_that_leads_out(name: str, tmp_path: Path) -> None:
    message = unpack_refused(tmp_path, zip_of(good_entries() | {name: b"evil"}))
    assert f"entry {name!r}: its name is absolute or leads out of the folder" in message


def test_unpack_refuses_a_link(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(f"{TOP}/train/ants/link.jpg")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    message = unpack_refused(tmp_path, zip_of(good_entries() | {link: b"/etc/hostname"}))
    assert "link.jpg': it is a link to another file" in message


def test_unpack_refuses_an_encrypted_entry(tmp_path: Path) -> None:
    content = bytearray(zip_of(good_entries()))
    content[content.index(b"PK\x01\x02") + 8] |= 0x1  # flag in the central directory
    assert "it is encrypted" in unpack_refused(tmp_path, bytes(content))


def test_unpack_refuses_a_huge_file(tmp_path: Path) -> None:
    entries = good_entries() | {f"{TOP}/huge.jpg": bytes(100_000)}
    message = unpack_refused(tmp_path, zip_of(entries), largest_file=99_999)
    assert "huge.jpg': it unpacks to 100000 bytes, expected at most 99999" in message


def test_unpack_refuses_too_much_in_all(tmp_path: Path) -> None:
    total = sum(len(content) for content in good_entries().values())
    message = unpack_refused(tmp_path, zip_of(good_entries()), largest_total=total - 1)
    assert f"with it the zip unpacks to more than {total - 1} bytes" in message
    unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST, largest_total=total)


def test_unpack_reads_no_more_than_the_announced_size(tmp_path: Path) -> None:
    """A zip that announces a small size for a large file gets no further than that size."""
    name = f"{TOP}/train/ants/a1.jpg"
    content = bytearray(zip_of(good_entries() | {name: bytes(100_000)}))
    position = content.rindex(name.encode()) - 46  # this entry in the central directory
    assert content[position : position + 4] == b"PK\x01\x02"
    content[position + 24 : position + 28] = (700).to_bytes(4, "little")
    message = unpack_refused(tmp_path, bytes(content), largest_file=900)
    assert "is not a sound zip file" in message


@pytest.mark.parametrize(
    "content", [b"<html>Log in to the network</html>", b"", zip_of(good_entries())[:-100]]
)
def test_unpack_what_is_no_zip(content: bytes, tmp_path: Path) -> None:
    message = unpack_refused(tmp_path, content)
    assert "is not a sound zip file" in message
    assert repr(content[:40]) in message


def test_unpack_a_zip_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.zip"):
        unpack(tmp_path / "x.zip", tmp_path / "photos", MANIFEST)


@pytest.mark.parametrize("place", [0, 3])
def test_unpack_a_zip_with_a_damaged_byte(place: int, tmp_path: Path) -> None:
    content = bytearray(zip_of(good_entries()))
    start = content.index(b"train/ants/a1.jpg") + len("train/ants/a1.jpg")
    content[start + place] ^= 0xFC  # the first byte says how the rest is packed
    assert "is not a sound zip file" in unpack_refused(tmp_path, bytes(content))


# ------------------------------------------------------------------------- the article's photos

OWN_COPY = os.environ.get("HYMENOPTERA_DIR")


@pytest.mark.skipif(not OWN_COPY, reason="HYMENOPTERA_DIR is not set: no copy of the photos here")
def test_real_photos_are_as_the_manifest_says() -> None:
    from course_lib.paths import data_dir

    manifest = read_manifest(data_dir() / "hymenoptera.sha256", top=TOP)
    assert len(manifest) == 397
    assert verify_folder(str(OWN_COPY), manifest) == []
