"""The eyes of the other tests, tested: each fault, planted in a small notebook, is seen."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import lab
import psutil
import pytest
from faults import all_of, in_outputs, in_pictures, on_page
from lab import Notebook
from nbformat.v4 import new_markdown_cell
from notebook_code import write_notebook
from playwright.sync_api import BrowserContext

PICTURE = """import base64, io
from IPython.display import HTML, Latex
from PIL import Image
def show(width=200, **metadata):
    buffer = io.BytesIO()
    Image.new("RGB", (width, 100), "teal").save(buffer, "PNG")
    bundle = {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": "Teal."}
    display(bundle, metadata={"image/png": metadata}, raw=True)
show()"""
VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET = {"version_major": 2, "version_minor": 0, "model_id": "none"}
FOREIGN = "http://127.0.0.2:9/"  # an address of this computer that nobody listens to

# Code of a cell, the function that sees what is wrong with it, and words of what it says.
IN_CELLS = [
    ("1 / 0", in_outputs, "ZeroDivisionError"),
    ("import warnings; warnings.warn('old')", in_outputs, "UserWarning: old"),
    ("display({'image/png': 'bm9uZQ=='}, raw=True)", in_pictures, "cannot be shown"),
    ("show(3000, unconfined=True)", in_pictures, "larger than its cell"),
    ("show(5)", in_pictures, "a picture of"),
    ("HTML('<table>' + '<td>Formica</td>' * 60 + '</table>')", on_page, "table cut off"),
    ("for i in range(60): display(i)", on_page, "hidden: Show more outputs"),
    ("Latex(r'$\\frac$')", on_page, "formula"),
    (f"display({{{VIEW!r}: {WIDGET}}}, raw=True)", all_of, "widget: Error displaying widget"),
]
# Script that the page runs, and words of the trouble it makes.
IN_PAGE = [
    ("console.error('no such ant')", "console: no such ant"),
    ("setTimeout(() => { throw new Error('no such bee') })", "JavaScript: no such bee"),
    (f"fetch('{FOREIGN}').catch(() => 0)", f"request to {FOREIGN}"),
    ("fetch('/files/no/such/file').catch(() => 0)", "404"),
]

Look = Callable[[Notebook], list[str]]


def write(folder: Path, *sources: str) -> None:
    write_notebook(folder / "notebooks" / "ants.ipynb", new_markdown_cell("# Ants"), *sources)


@pytest.fixture(scope="module")
def ants(browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A picture in cell 1, cell 2 to plant faults in, cell 3 after it; open in JupyterLab."""
    folder = tmp_path_factory.mktemp("ants and bees 蚂蚁")
    write(folder, PICTURE, "2 + 2", "3 + 3")
    with lab.server(folder) as url:
        notebook = Notebook(browser.new_page(), url, "notebooks/ants.ipynb")
        notebook.run_all()
        yield notebook
        notebook.close()


@pytest.fixture
def clean(ants: Notebook) -> Iterator[Notebook]:
    assert all_of(ants) == []
    yield ants
    ants.type(2, "2 + 2")
    assert ants.run(2) == "4"
    ants.troubles.clear()


def assert_seen(look: Look, words: str, notebook: Notebook) -> None:
    """Wait until the fault is reported; JupyterLab typesets and the browser reports at leisure."""
    until = time.monotonic() + 60
    while words not in (seen := "\n".join(look(notebook))) and time.monotonic() < until:
        notebook.page.wait_for_timeout(50)
    assert words in seen


@pytest.mark.parametrize(("code", "look", "words"), IN_CELLS, ids=[words for *_, words in IN_CELLS])
def test_a_fault_in_a_cell_is_seen(code: str, look: Look, words: str, clean: Notebook) -> None:
    clean.type(2, code)
    clean.run(2)
    assert_seen(look, words, clean)
    if words.startswith("widget"):
        assert_seen(look, "console: ", clean)  # what it says there comes late


@pytest.mark.parametrize(("script", "words"), IN_PAGE, ids=[words for _, words in IN_PAGE])
def test_a_fault_in_the_page_is_seen(script: str, words: str, clean: Notebook) -> None:
    clean.page.evaluate(f"() => {{ {script} }}")
    assert_seen(attrgetter("troubles"), words, clean)
    if FOREIGN in words:
        assert_seen(attrgetter("troubles"), "console: ", clean)  # that nobody answered


def test_a_vanished_figure_a_cell_that_is_not_run_and_a_kernel_that_dies_are_seen(clean) -> None:
    clean.cell(1).locator("img").evaluate("img => img.remove()")
    assert in_pictures(clean) == ["cell 1: 0 of 1 pictures are on the page"]
    clean.cell(1).locator(".cm-content").click()
    clean.run(1)
    assert all_of(clean) == []
    clean.type(2, "1 / 0")
    clean.clear()
    clean.cell(3).locator(".cm-content").click()
    # Not all: on a slow page the kernel forgets the failed cell before it is sent the next one.
    clean.menu("Run", "Run All Above Selected Cell")
    clean.wait_until_run()
    assert in_outputs(clean) == ["cell 2: ZeroDivisionError: division by zero", "cell 3: not run"]
    clean.type(2, "2 + 2")
    clean.run_all()
    assert all_of(clean) == []
    clean.type(2, "import os; os._exit(1)")
    clean.menu("Run", "Run All Cells")
    clean.page.wait_for_selector(".jp-Dialog")
    assert "dialog" in "\n".join(on_page(clean))
    clean.page.keyboard.press("Enter")
    clean.wait_for_kernel()
    clean.type(2, "2 + 2")
    clean.run_all()


def start_kernel(url: str) -> None:
    base, _, token = url.partition("lab?token=")
    headers = {"Authorization": f"token {token}"}
    urllib.request.urlopen(urllib.request.Request(f"{base}api/kernels", b"{}", headers)).close()


@pytest.mark.parametrize("crash", [False, True], ids=["a test fails", "the server dies too"])
def test_no_process_is_left(crash: bool, tmp_path: Path) -> None:
    write(tmp_path, "1")
    runtime = tmp_path / "jupyter" / "JUPYTER_RUNTIME_DIR"
    with pytest.raises(ZeroDivisionError), lab.server(tmp_path) as url:
        start_kernel(url)
        started = lab.started_by(runtime)
        assert len(started) >= 3
        if crash:
            for process in [p for p in started if "ipykernel_launcher" not in p.cmdline()]:
                with suppress(psutil.NoSuchProcess):  # the death of one may be that of the next
                    process.kill()
        raise ZeroDivisionError
    assert lab.started_by(runtime) == []


def test_no_process_is_left_when_the_tests_are_killed(tmp_path: Path) -> None:
    write(tmp_path, "1")
    runtime = tmp_path / "jupyter" / "JUPYTER_RUNTIME_DIR"
    program = (
        "import pathlib, sys, time\nsys.path.append('..')\nimport lab, test_faults\n"
        f"with lab.server(pathlib.Path({str(tmp_path)!r})) as url:\n"
        "    test_faults.start_kernel(url)\n"
        "    print('started', flush=True)\n    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE) as tests:
        assert tests.stdout.readline() == b"started\n"
        started = lab.started_by(runtime)
        assert len(started) >= 3
        tests.kill()
    _, alive = psutil.wait_procs(started, timeout=60)
    assert alive == []


def test_a_late_server_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        place = dict(zip(("hostname", "port"), late.getsockname(), strict=True))
        info = {**place, "url": "http://127.0.0.1/", "token": "t"}
        (tmp_path / "jpserver-1.json").write_text(json.dumps(info))
        monkeypatch.setattr(lab.time, "sleep", lambda seconds: late.listen())
        running = SimpleNamespace(poll=lambda: None)
        assert lab.address(running, tmp_path) == "http://127.0.0.1/lab?token=t"
        socket.create_connection(late.getsockname()).close()


def test_a_server_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "1")
    monkeypatch.setattr(lab, "SERVER_OPTIONS", ("--no-browser", "--ServerApp.port=nowhere"))
    with pytest.raises(RuntimeError, match="nowhere"), lab.server(tmp_path):
        pass
