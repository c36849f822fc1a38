"""A small web server on this computer, and a small zip for it: helpers of the download tests."""

from __future__ import annotations

import hashlib
import io
import socket
import struct
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOP = "hymenoptera_data"
PATIENCE = 600  # seconds that a page, or who asks for it, waits for the other

# Two classes in two splits, as small as can be; the programs under test never decode an image.
FILES = {
    "train/ants/a1.jpg": b"ant one" * 100,
    "train/ants/a2.jpg": b"ant two" * 100,
    "train/bees/b1.jpg": b"bee one" * 100,
    "val/ants/a3.jpg": b"ant three" * 100,
    "val/bees/b2.jpg": b"bee two" * 100,
}
MANIFEST = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def zip_of(entries: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
    """Bytes of a zip with these entries."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return memory.getvalue()


def good_entries() -> dict[str | zipfile.ZipInfo, bytes]:
    """What a right zip holds, with the one file that the manifest leaves out."""
    entries: dict[str | zipfile.ZipInfo, bytes] = {f"{TOP}/": b"", f"{TOP}/train/": b""}
    entries |= {f"{TOP}/{name}": content for name, content in FILES.items()}
    return entries | {f"{TOP}/train/ants/imageNotFound.gif": b"GIF89a"}


def write_files(folder: Path, names: object = FILES) -> Path:
    """Write the small dataset, or files of other names, below a folder."""
    for name in names:  # type: ignore[attr-defined]
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(FILES.get(name, b"x"))
    return folder


def write_manifest(path: Path, manifest: dict[str, str] = MANIFEST, top: str = TOP) -> Path:
    """Write a manifest as sha256sum does."""
    path.write_text("".join(f"{digest}  {top}/{name}\n" for name, digest in manifest.items()))
    return path


class Handler(BaseHTTPRequestHandler):
    """Hands each request to what the test has put on that page."""

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        pages = self.server.pages[self.path]
        page = pages.pop(0) if len(pages) > 1 else pages[0]
        page(self)

    def log_message(self, *args: object) -> None:
        pass


class Site(ThreadingHTTPServer):
    """A server on 127.0.0.1; ``put`` says how a page answers, ``seen`` what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, list[Callable[[Handler], None]]] = {}
        self.seen: list[str] = []
        self.half_sent = threading.Event()  # a page has sent half of its body
        self.go_on = threading.Event()  # and waits for this before it ends
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def put(self, path: str, *answers: Callable[[Handler], None]) -> str:
        """Answer with each of these in turn, then with the last for ever; returns the address."""
        self.pages[path] = list(answers)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def stop(self) -> None:
        self.go_on.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, *args: object) -> None:
        pass  # a client that hangs up is what several tests are about


def answer(
    body: bytes = b"",
    *,
    status: int = 200,
    kind: str = "application/zip",
    length: int | None = -1,
    **headers: str,
) -> Callable[[Handler], None]:
    """A page with this body; ``length`` None announces none, and another number lies."""

    def page(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        if length is not None:
            handler.send_header("Content-Length", str(len(body) if length == -1 else length))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return page


def half_then_reset(body: bytes) -> Callable[[Handler], None]:
    """A page that sends half of its body, then breaks the connection off."""

    def page(handler: Handler) -> None:
        answer(body[: len(body) // 2], length=len(body))(handler)
        at_once = struct.pack("ii", 1, 0)  # close without the usual farewell: a reset
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        handler.connection.close()

    return page


def half_then_wait(body: bytes, *, announced: bool = True) -> Callable[[Handler], None]:
    """A page that sends half of its body, and the rest when the test says so."""

    def page(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/zip")
        if announced:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        half = len(body) // 2
        handler.wfile.write(body[:half])
        handler.wfile.flush()
        handler.server.half_sent.set()
        handler.server.go_on.wait(PATIENCE)
        handler.wfile.write(body[half:])

    return page
