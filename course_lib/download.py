"""Fetch a file, check it, unpack it: all of it arrives, or none of it.

A download goes wrong in many ways: the connection drops, a login page comes instead of the file, a
disk damages a byte. Each step here works on a temporary file or folder, checks it, and moves it to
its final name last. So what carries the final name is always whole and always what was expected.

A connection that breaks is taken up where it broke
(`RFC 9110, section 14 <https://www.rfc-editor.org/rfc/rfc9110#section-14>`_), if the server can do
that and vouches that the file is still the same.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import re
import shutil
import ssl
import stat
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from course_lib import progress

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # this computer, where http is as good as https
CHUNK = 1 << 18  # bytes read at a time
CONNECTION_ERRORS = (
    urllib.error.URLError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
    http.client.HTTPException,
)
MANIFEST_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")  # what the tool sha256sum writes


class DownloadError(RuntimeError):
    """What was wanted did not arrive as expected; the message says what to do."""


class _PassingError(DownloadError):
    """A failure that may be over in a moment, so another try is worth while."""


@contextmanager
def locked(lock_file: Path, timeout: float = 600.0) -> Iterator[None]:
    """Hold a file lock, so that two processes do not work on the same target at once.

    The same thread may take a lock that it holds already.

    Parameters
    ----------
    lock_file : Path
        File to lock; it is made if need be, and stays.
    timeout : float
        Seconds to wait for another process.

    Raises
    ------
    DownloadError
        If another process still holds the lock after ``timeout`` seconds.
    """
    try:
        with disk_advice(lock_file.parent):
            lock_file.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(lock_file, is_singleton=True).acquire(timeout=timeout)
    except Timeout as error:
        raise DownloadError(
            f"another process has held {lock_file} for {timeout:.0f} seconds. Let it finish, or "
            "stop it, then try again."
        ) from error
    with lock:
        yield


@contextmanager
def disk_advice(place: Path) -> Iterator[None]:
    """Turn what the disk refuses into a ``DownloadError`` that says what to do.

    Parameters
    ----------
    place : Path
        File or folder that is written, for the message.
    """
    try:
        yield
    except Timeout:  # an OSError, but not the disk's
        raise
    except OSError as error:
        advice = (
            "Free some space"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "Make that folder one you may write in"
        )
        raise DownloadError(
            f"{place} cannot be written: {error.strerror or error}. {advice}, then try again."
        ) from error


# ---------------------------------------------------------------------------------------------
# Fetching


def fetch(
    url: str,
    target: str | Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    timeout: float = 30.0,
    retries: int = 3,
    delay: float = 1.0,
) -> Path:
    """Download one file over HTTPS. An older file of the same name is replaced.

    Parameters
    ----------
    url : str
        Address; ``http`` is accepted for this computer only (``127.0.0.1``, ``localhost``).
    target : str or Path
        File to write.
    sha256 : str, optional
        SHA-256 that the file must have, 64 hexadecimal digits. A target that has it already is
        kept, and nothing is downloaded.
    size : int, optional
        Bytes that the file must have.
    timeout : float
        Seconds to wait for the server, at each step.
    retries : int
        Further tries after a dropped connection, a timeout or a server error (status 5xx). They
        ask for the rest of the file only, where the server can send that.
    delay : float
        Seconds before the first further try; doubled before each one after it.

    Returns
    -------
    Path
        Absolute path of the file.

    Raises
    ------
    DownloadError
        If the address is refused, or the file does not arrive as expected. ``target`` is then as
        it was before.
    """
    _refuse_unsafe(url)
    target = Path(target).absolute()
    part = target.with_name(f".{target.name}.part")
    with locked(target.with_name(f".{target.name}.lock")):
        if sha256 and target.is_file() and _sha256_of(target) == sha256.lower():
            return target
        arrived = _Arrived()
        try:
            for attempt in range(retries + 1):
                try:
                    _receive(url, part, arrived, timeout=timeout, size=size)
                    break
                except _PassingError as error:
                    if attempt == retries:
                        raise DownloadError(
                            f"{error} (tried {attempt + 1} times). Check your connection, wait a "
                            "little, then try again."
                        ) from error
                time.sleep(delay * 2**attempt)
            found = arrived.digest.hexdigest()
            if sha256 and found != sha256.lower():
                raise DownloadError(
                    f"{url} sent a file with other content than expected: SHA-256 {found}, "
                    f"expected {sha256.lower()}. It was thrown away. Try again; if it stays so, "
                    "the file behind the address has changed and must not be trusted."
                )
            with disk_advice(target):
                part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target


@dataclass
class _Arrived:
    """What has arrived of a file: its bytes so far, and the name the server gives this version."""

    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    version: str | None = None  # without one, a later try cannot know that the file is the same


def _request(url: str, arrived: _Arrived) -> urllib.request.Request:
    """Ask for the rest of a file, or for all of it if the server has another version by now."""
    request = urllib.request.Request(url)
    if arrived.count and arrived.version:
        request.add_header("Range", f"bytes={arrived.count}-")
        request.add_header("If-Range", arrived.version)
    return request


def _version(headers: http.client.HTTPMessage) -> str | None:
    """Name of this version of a file, good enough to join two halves of it."""
    tag = headers.get("ETag", "W/")
    return headers.get("Last-Modified") if tag.startswith("W/") else tag


def _receive(url: str, part: Path, arrived: _Arrived, *, timeout: float, size: int | None) -> None:
    """Write to ``part`` what ``url`` sends beyond what has arrived; one try."""
    from tqdm.auto import tqdm

    handlers: list[urllib.request.BaseHandler] = [_CheckedRedirects()]
    if urlsplit(url).hostname in LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))  # no proxy leads to this computer
    opener, request = urllib.request.build_opener(*handlers), _request(url, arrived)
    try:
        with opener.open(request, timeout=timeout) as response:
            if response.headers.get_content_type() == "text/html":
                raise DownloadError(
                    f"{url} sent a web page (text/html) where a file was expected: often the login "
                    "page of a wireless network or a company's proxy. Open the address in a "
                    "browser, deal with what the page asks, then try again."
                )
            place = f"bytes {arrived.count}-"
            if response.status != 206:  # the whole file, from its beginning
                arrived.count, arrived.digest = 0, hashlib.sha256()
                arrived.version = _version(response.headers)
            elif not response.headers.get("Content-Range", "").startswith(place):
                arrived.version = None
                raise _PassingError(f"{url} sent another part of the file than the one asked for")
            announced = response.headers.get("Content-Length", "")
            expected = arrived.count + int(announced) if announced.isdecimal() else size
            if size is not None and expected != size:
                raise DownloadError(
                    f"{url} offers {expected} bytes, expected {size}: it is another file. "
                    "Check the address."
                )
            bar = tqdm(
                desc=urlsplit(url).path.rsplit("/", 1)[-1],
                total=expected,
                initial=arrived.count,
                unit="B",
                unit_scale=True,
                leave=False,
                disable=not progress.is_watched(),
            )
            with disk_advice(part):
                file = part.open("ab" if arrived.count else "wb", buffering=0)
            with file, bar:
                while chunk := response.read(CHUNK):
                    with disk_advice(part):
                        _write_all(file, chunk)
                    arrived.digest.update(chunk)
                    arrived.count += len(chunk)
                    bar.update(len(chunk))
                    if expected is not None and arrived.count > expected:
                        break
    except urllib.error.HTTPError as error:
        error.close()
        message = f"{url} answered with status {error.code} ({error.reason})"
        if error.code == 416:  # there is no such rest: begin again
            arrived.version = None
        if error.code >= 500 or error.code in (408, 416, 429):
            raise _PassingError(message) from error
        raise DownloadError(f"{message}. Check the address; the file may have moved.") from error
    except CONNECTION_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"{url}: the server's certificate cannot be trusted ({reason}). Check this "
                "computer's clock, and whether a company's proxy stands in between."
            ) from error
        if isinstance(reason, TimeoutError):
            reason = f"no answer within {timeout:g} seconds"
        raise _PassingError(f"{url} cannot be reached: {reason}") from error
    if expected is not None and arrived.count != expected:
        count = str(arrived.count)
        if arrived.count > expected:
            count, arrived.version = f"more than {expected}", None
        raise _PassingError(f"{url} sent {count} bytes, expected {expected}")


def _write_all(file: IO[bytes], chunk: bytes) -> None:
    """Write a chunk to a file without a buffer, so that a full disk is noticed here."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _refuse_unsafe(url: str, came_from: str | None = None) -> None:
    """Raise ``DownloadError`` unless ``url`` is https, or http from this computer to itself."""
    parts = urlsplit(url)
    at_home = parts.hostname in LOOPBACK
    if came_from is not None:
        at_home = at_home and urlsplit(came_from).hostname in LOOPBACK
    if not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and at_home))):
        sender = f" ({came_from} points there)" if came_from else ""
        raise DownloadError(
            f"refused to download from {url}{sender}: expected an address that begins with "
            "https://, since what comes any other way can be changed on its way."
        )


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only to where ``fetch`` itself would go."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _refuse_unsafe(newurl, came_from=req.full_url)
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


# ---------------------------------------------------------------------------------------------
# Checking and unpacking


def read_manifest(path: str | Path, top: str = "") -> dict[str, str]:
    """Read a list of files with their SHA-256, as the tool ``sha256sum`` writes it.

    Parameters
    ----------
    path : str or Path
        Text file with lines ``<64 hexadecimal digits>  <name>``.
    top : str
        Folder that every name begins with; it is taken off.

    Returns
    -------
    dict of str to str
        Name, with ``/`` between its parts, to SHA-256 in small letters.

    Raises
    ------
    ValueError
        If a line is malformed, or names a file twice, outside the folder or not below ``top``;
        or if there is no line at all.
    """
    manifest: dict[str, str] = {}
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: {error}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"{path}, line {number}: {line!r}"
        match = MANIFEST_LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{where}: expected 64 hexadecimal digits, two spaces, a file name")
        digest, name = match.groups()
        if not _stays_inside(name):
            raise ValueError(f"{where}: the name is absolute or leads out of the folder")
        if top and not name.startswith(f"{top}/"):
            raise ValueError(f"{where}: expected a name that begins with {top}/")
        name = name.removeprefix(f"{top}/") if top else name
        if name in manifest:
            raise ValueError(f"{where}: this file was named before")
        manifest[name] = digest.lower()
    if not manifest:
        raise ValueError(f"{path} names no file")
    return manifest


def verify_folder(folder: str | Path, manifest: Mapping[str, str]) -> list[str]:
    """Compare the files of a folder with a manifest; other files in it are not looked at.

    Parameters
    ----------
    folder : str or Path
        Folder that the manifest's names start from.
    manifest : mapping of str to str
        Name to SHA-256, see `read_manifest`.

    Returns
    -------
    list of str
        One sentence for each missing or different file; empty when all is right.
    """
    problems = []
    for name, expected in progress.bar(manifest.items(), "checking", total=len(manifest)):
        file = Path(folder, name)
        if not file.is_file():
            problems.append(f"{name} is missing")
        elif _sha256_of(file) != expected:
            problems.append(f"{name} has other content than expected")
    return problems


def unpack(
    zip_path: str | Path,
    folder: str | Path,
    manifest: Mapping[str, str],
    top: str = "hymenoptera_data",
    *,
    largest_file: int = 50_000_000,
    largest_total: int = 500_000_000,
) -> Path:
    """Unpack from a zip the files that a manifest names, each checked, into a new folder.

    The work is done in ``.cache/`` beside ``folder``, which gets its name when all is right.

    Parameters
    ----------
    zip_path : str or Path
        Zip archive.
    folder : str or Path
        Folder to make; it must not be there yet.
    manifest : mapping of str to str
        Name below ``folder`` to SHA-256. What else the zip holds is left out.
    top : str
        Folder inside the zip that the manifest's names start from.
    largest_file, largest_total : int
        Bytes, unpacked, that one file and all files of the zip may have.

    Returns
    -------
    Path
        Absolute path of the folder.

    Raises
    ------
    DownloadError
        If ``folder`` is there already; if the zip is damaged, dangerous or too large; or if a
        file is missing or has other content than expected. No folder is made then.
    """
    folder = Path(folder).absolute()
    cache = folder.parent / ".cache"
    part = cache / f"{folder.name}.part"
    with locked(cache / f"{folder.name}.lock"):
        if folder.exists():
            raise DownloadError(f"{folder} is there already. Delete it, then try again.")
        shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
        try:
            with zipfile.ZipFile(zip_path) as archive:
                _refuse_dangerous(archive, largest_file, largest_total)
                for name, expected in progress.bar(manifest.items(), "unpacking", len(manifest)):
                    found = _extract(archive, f"{top}/{name}" if top else name, part / name)
                    if found != expected:
                        raise DownloadError(
                            f"{name} in {zip_path} has other content than expected: SHA-256 "
                            f"{found}, expected {expected}. Download the zip again."
                        )
            with disk_advice(folder):
                part.replace(folder)
        except DownloadError:
            raise
        except Exception as error:  # zipfile raises nearly everything on bytes that make no sense
            if not Path(zip_path).is_file():
                raise
            raise DownloadError(
                f"{zip_path} is not a sound zip file ({error}); it begins with "
                f"{_first_bytes(zip_path)!r}. Download it again."
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _refuse_dangerous(archive: zipfile.ZipFile, largest_file: int, largest_total: int) -> None:
    """Raise ``DownloadError`` if the archive holds what no honest archive of images holds."""
    total = 0
    for entry in archive.infolist():
        total += entry.file_size
        if not _stays_inside(entry.filename):
            problem = "its name is absolute or leads out of the folder"
        elif stat.S_ISLNK(entry.external_attr >> 16):
            problem = "it is a link to another file"
        elif entry.flag_bits & 0x1:
            problem = "it is encrypted"
        elif entry.file_size > largest_file:
            problem = f"it unpacks to {entry.file_size} bytes, expected at most {largest_file}"
        elif total > largest_total:
            problem = f"with it the zip unpacks to more than {largest_total} bytes"
        else:
            continue
        raise DownloadError(
            f"refused to unpack {archive.filename}: entry {entry.filename!r}: {problem}. "
            "Do not use this file; download it again from its original address."
        )


def _extract(archive: zipfile.ZipFile, entry: str, target: Path) -> str:
    """Write one entry to ``target`` and return its SHA-256."""
    digest = hashlib.sha256()
    try:
        source = archive.open(entry)
    except KeyError:
        raise DownloadError(
            f"{archive.filename} does not hold {entry}. Check that it is the right zip."
        ) from None
    with source:
        with disk_advice(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            file = target.open("wb", buffering=0)
        with file:
            while chunk := source.read(CHUNK):  # never more than the size announced and checked
                digest.update(chunk)
                with disk_advice(target):
                    _write_all(file, chunk)
    return digest.hexdigest()


def _stays_inside(name: str) -> bool:
    """Whether a relative name, on any system, stays inside the folder it starts from."""
    path = PurePosixPath(name)
    return bool(path.parts) and not (
        path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
    )


def _sha256_of(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _first_bytes(file: str | Path) -> bytes:
    with Path(file).open("rb") as handle:
        return handle.read(40)
