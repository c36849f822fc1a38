"""The article's photos come whole, from a server on this computer, or not at all."""

import gc
import hashlib
import itertools
import os
import shutil
import signal
import socket
import struct
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from course_lib import datasets
from course_lib.tools import download

FILES = {f"{split}/{name}/1.jpg": split + name for split in ("train", "val") for name in "ab"}
FAILURES = {"reset": "reset by peer", "404": "404", "garbled": "garbled"}
FAILURES |= dict.fromkeys(["cut", "page"], "invalid hash value")


class Page(BaseHTTPRequestHandler):
    """Answers in the ways that ``server.ways`` names, one after another, the last for ever."""

    def do_GET(self) -> None:
        way = self.server.ways.pop(0) if len(self.server.ways) > 1 else self.server.ways[0]
        self.server.seen.append(way)
        if way == "garbled":
            self.wfile.write(b"garbled")
            return
        body = b"<html>Log in</html>" if way == "page" else self.server.body
        self.send_response(404 if way == "404" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if way in ("cut", "reset") else body)
        if way == "reset":  # close without the usual farewell
            at_once = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)


class Site(ThreadingHTTPServer):
    shutdown_request = ThreadingHTTPServer.close_request


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site with a small archive, which a course without photos takes for the published one."""
    monkeypatch.delenv("HYMENOPTERA_DIR", raising=False)
    for name, content in FILES.items():
        file = tmp_path / "made" / "hymenoptera_data" / name
        file.parent.mkdir(parents=True)
        file.write_text(content)
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path / "made"))
    site = Site(("127.0.0.1", 0), Page)
    site.body, site.ways, site.seen = archive.read_bytes(), ["good"], []
    site.url = f"http://127.0.0.1:{site.server_port}/photos.zip"
    monkeypatch.setattr(download, "SHA256", hashlib.sha256(site.body).hexdigest())
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(datasets, "data_dir", lambda: tmp_path / "data")
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.shutdown()
    thread.join()
    site.server_close()
    with warnings.catch_warnings(action="ignore"):
        gc.collect()  # urllib's answer to a 404 holds its connection until now


def there(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_the_photos_are_fetched_once_in_up_to_three_tries(site, tmp_path):
    site.ways = ["reset", "cut", "good"]
    (tmp_path / "data" / "hymenoptera").mkdir()  # empty, of somebody who began by hand
    folder = download.download("hymenoptera", site.url)
    assert folder == datasets.find("hymenoptera") == tmp_path / "data" / "hymenoptera"
    assert there(folder) == FILES and [*folder.parent.iterdir()] == [folder]
    assert folder.stat().st_mode == (tmp_path / "made").stat().st_mode
    assert download.download("hymenoptera", site.url) == folder and len(site.seen) == 3


@pytest.mark.parametrize(("way", "reason"), FAILURES.items())
def test_a_failure_leaves_nothing_and_names_the_way_without_a_network(way, reason, site, tmp_path):
    site.ways = [way]
    with pytest.raises(RuntimeError, match=reason) as caught:
        download.download("hymenoptera", site.url)
    assert f"{site.url} could not be fetched" in str(caught.value)
    assert "set HYMENOPTERA_DIR to the folder" in str(caught.value)
    assert [*(tmp_path / "data").iterdir()] == [] and len(site.seen) == 3


def test_what_is_there_is_not_fetched(site, tmp_path, monkeypatch):
    for name in ("insects", "flowers"):
        with pytest.raises(ValueError, match=f"'{name}' cannot be downloaded: only 'hymenoptera'"):
            download.download(name, site.url)
    own = tmp_path / "made" / "hymenoptera_data"
    monkeypatch.setenv("HYMENOPTERA_DIR", str(own))
    assert download.download("hymenoptera", site.url) == own
    shutil.rmtree(own / "val")
    with pytest.raises(FileNotFoundError, match="HYMENOPTERA_DIR says so"):
        download.download("hymenoptera", site.url)
    assert site.seen == []


def test_a_second_process_that_was_faster_is_welcome(site, monkeypatch):
    fetch, slow = download._fetch, iter([True])

    def fetched(url: str, archive: Path) -> None:
        if next(slow, False):
            download.download("hymenoptera", url)  # all of another process's work
        fetch(url, archive)

    monkeypatch.setattr(download, "_fetch", fetched)
    folder = download.download("hymenoptera", site.url)
    assert there(folder) == FILES and [*folder.parent.iterdir()] == [folder]
    assert len(site.seen) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_download_killed_anywhere_leaves_all_or_nothing(site, tmp_path):
    """Each process kills itself some lines later, in this module, shutil, zipfile or torch.hub."""
    traced = {sys.modules[name].__file__ for name in ("shutil", "zipfile", "torch.hub")}
    traced.add(download.__file__)
    left, url, data = 0, (tmp_path / "photos.zip").as_uri(), tmp_path / "data"

    def trace(frame: object, event: str, _: object) -> object:
        nonlocal left
        left -= event == "line"
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace if frame.f_code.co_filename in traced else None

    for lines in itertools.count(40, 40):
        left = lines
        if (child := os.fork()) == 0:
            try:
                sys.settrace(trace)
                download.download("hymenoptera", url)
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        visible = [path for path in data.iterdir() if not path.name.startswith(".hymenoptera-")]
        assert visible in ([], [data / "hymenoptera"])
        assert not visible or there(data / "hymenoptera") == FILES
        if code == 0:
            break
        shutil.rmtree(data / "hymenoptera", ignore_errors=True)
    assert lines >= 600 and download.download("hymenoptera", site.url) == data / "hymenoptera"
