"""JupyterLab as a student has it: a real server, a real browser, driven by clicks and keys."""

import contextlib
import json
import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

import psutil
from playwright.sync_api import BrowserContext, ElementHandle, Locator, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# For a root user, a machine without a graphics card, and a network that leads nowhere.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SERVER_OPTIONS = (
    *("--no-browser", "--allow-root", "--expose-app-in-browser"),
    *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.log_level=WARN"),
    "--ServerApp.root_dir=.",  # so that links to data/ lead somewhere
)
# Where JupyterLab keeps its files: folders of the same names, in the folder that it serves.
FOLDERS = (
    *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"),
    *("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"),
)
# What JupyterLab would otherwise ask a newcomer in a box over the page.
SETTINGS = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
PATIENCE = 120_000  # milliseconds for one thing on the page to happen, on a busy machine
LESSON_PATIENCE = 600_000  # for all cells of a lesson
WIDTH, HEIGHT, MOST = 1280, 900, 16000  # pixels of the window; of its longest picture

# In the page: the open notebook, and its code cells.
NOTEBOOK = "const notebook = jupyterapp.shell.currentWidget.content;"
CODE = f"{NOTEBOOK} const code = notebook.widgets.filter(w => w.model.type === 'code');"
CELLS = f"""() => {{ {NOTEBOOK} return notebook.widgets.map(w => ({{
    type: w.model.type,
    source: w.model.sharedModel.source,
    tags: w.model.getMetadata('tags') || [],
    count: w.model.executionCount ?? null,
    outputs: (w.model.outputs?.toJSON() || []).map(output => {{
        const {{'image/png': png, 'image/jpeg': jpeg, ...data}} = output.data || {{}};
        return {{...output, data, pictures: Number(!!png) + Number(!!jpeg)}}
    }}),
}})) }}"""
# The next notebook in a page gets this one's kernel, emptied: imports outlast many a quick run.
OPEN = """path => { barsSeen = 0; void jupyterapp.commands.execute(
    'docmanager:open', {path, kernel: window.emptied}) }"""
CLOSE = """async () => {
    const panel = jupyterapp.shell.currentWidget, {kernel} = panel.sessionContext.session;
    window.emptied = kernel.status === 'idle' ? {id: kernel.id} : undefined;
    await (window.emptied ? kernel.requestExecute({code: '%reset -f', silent: true}).done
        : panel.sessionContext.shutdown());
    panel.dispose();
    await new Promise(requestAnimationFrame)  // the console has heard now what ends with it
}"""
IS_CLEAR = f"() => {{ {CODE} return code.every(w => w.model.outputs.length === 0) }}"
IS_OPEN = "path => jupyterapp.shell.currentWidget?.context?.path === path"
IS_SEEN = """name => [...document.querySelectorAll('img')]
    .some(img => img.src.includes(name) && img.naturalWidth > 0)"""
IS_SAVED = "() => !jupyterapp.shell.currentWidget.context.model.dirty"
HAS_ENDED = f"""() => {{ {CODE}
    const failed = w => w.model.outputs.toJSON().some(o => o.output_type === 'error');
    return document.querySelector('.jp-Dialog') !== null
        || code.every(w => w.model.executionState !== 'running')
        && (code.every(w => w.model.executionCount !== null || w.model.sharedModel.source === '')
            || code.some(failed))
}}"""
IS_READY = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget;
    return panel?.context?.isReady && panel.sessionContext?.isReady
        && panel.sessionContext.session?.kernel?.status === 'idle'
        && document.querySelector('.jp-Spinner') === null
}"""
CELL_HAS_ENDED = f"""([index, before]) => {{ {NOTEBOOK}
    const model = notebook.widgets[index].model;
    return model.executionCount > before && model.executionState !== 'running'
}}"""
LENGTH = """() => {
    const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];
    const edges = cells.map(cell => cell.getBoundingClientRect());
    return Math.ceil(edges.at(-1).bottom - edges[0].top)
}"""
SCROLL_UP = "() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0 }"
# How often a bar has changed. Bars are text, such as "epochs:  33%|███▎      | 1/3 [00:02<…]".
BAR = r"\d+%\|"
COUNT_BARS = f"""
    window.barsSeen = 0;
    const isBar = node => node.textContent?.length < 300 && /{BAR}/.test(node.textContent);
    new MutationObserver(changes => changes.forEach(change => {{
        window.barsSeen += [...change.addedNodes].filter(isBar).length
    }})).observe(document, {{childList: true, subtree: true}})
"""


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def server(folder: Path, **settings: dict[str, Any]) -> Iterator[str]:
    """Serve a copy of the course; yield an address with its token.

    JupyterLab starts in ``folder`` with a notebook below it, as a student starts it, but keeps its
    files to itself. ``settings`` are of its extensions, by their names without ``@jupyterlab/``.
    At the end, and also if these tests are killed, every process that it started is gone.
    """
    ours = ("JUPYTER", "JPY", "COURSE_LIB", "PYTEST")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env |= {name: str(folder / "jupyter" / name) for name in FOLDERS}
    runtime = Path(env["JUPYTER_RUNTIME_DIR"])
    for name, values in (SETTINGS | settings).items():
        path = Path(env["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", f"{name}.jupyterlab-settings")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    first = min(folder.glob("notebooks/*.ipynb"))
    command = [sys.executable, str(Path(__file__).with_name("until_eof.py"))]
    command += [sys.executable, "-m", "jupyterlab", *SERVER_OPTIONS, str(first.relative_to(folder))]
    with (folder / "server.log").open("w") as log:
        how = {"stdin": PIPE, "stdout": log, "stderr": log, "start_new_session": True}
        process = Popen(command, cwd=folder, env=env, **how)
        try:
            yield address(process, runtime)
        finally:
            stop(process, runtime)


def address(process: Popen[bytes], runtime: Path) -> str:
    """Wait until the server listens where it has written down that it does, a while before."""
    while process.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            # The file is being written, or the socket is not bound yet.
            with contextlib.suppress(json.JSONDecodeError, ConnectionRefusedError):
                info = json.loads(path.read_text(encoding="utf-8"))
                socket.create_connection((info["hostname"], info["port"])).close()
                return f"{info['url']}lab?token={info['token']}"
        time.sleep(0.1)
    log = runtime.parents[1] / "server.log"
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


def started_by(runtime: Path) -> list[psutil.Process]:
    """Processes, dead parents or not, that inherited this folder from the server."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("JUPYTER_RUNTIME_DIR") == str(runtime):
                found.append(process)
    return found


def stop(process: Popen[bytes], runtime: Path) -> None:
    process.stdin.close()
    with contextlib.suppress(TimeoutExpired):
        process.wait(20)
    while left := started_by(runtime):
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, timeout=20)
    process.wait(20)


@contextlib.contextmanager
def browser() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        context = chrome.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        context.set_default_timeout(PATIENCE)
        context.add_init_script(COUNT_BARS)
        yield context
        chrome.close()


class Notebook:
    def __init__(self, page: Page, url: str, path: str) -> None:
        self.page, self.troubles = page, []
        home = url.partition("/lab?")[0]

        def on_console(message: Any) -> None:
            if message.type == "error":
                self.troubles.append(f"console: {message.text} at {message.location['url']}")

        def on_request(request: Any) -> None:
            if not request.url.startswith((home, "data:", "blob:")):
                self.troubles.append(f"request to {request.url}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: self.troubles.append(f"JavaScript: {error}"))
        page.on("request", on_request)
        if page.url.startswith(home):
            page.evaluate(OPEN, path)
        else:
            desk = f"/lab/workspaces/{uuid.uuid4()}/tree/"  # else it opens what was open before
            page.goto(url.replace("/lab?", f"{desk}{path}?"))
        self.wait_for_kernel()
        self.saved = self.cells()  # as the file has them

    def close(self) -> None:
        self.page.evaluate(CLOSE)

    def wait_for_kernel(self) -> None:
        self.page.wait_for_function(IS_READY)

    def menu(self, *names: str) -> None:
        for name in names:
            self.page.get_by_role("menuitem", name=name, exact=True).click()

    def clear(self) -> None:
        self.menu("Edit", "Clear Outputs of All Cells")
        self.page.wait_for_function(IS_CLEAR)

    def run_all(self) -> None:
        self.clear()
        self.menu("Run", "Run All Cells")
        self.wait_until_run()

    def wait_until_run(self) -> None:
        self.page.wait_for_function(HAS_ENDED, polling=200, timeout=LESSON_PATIENCE)

    def cells(self) -> list[dict[str, Any]]:
        return self.page.evaluate(CELLS)

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def type(self, index: int, code: str) -> None:
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(code)
        assert self.cells()[index]["source"] == code

    def run(self, index: int) -> str:
        before = max(cell["count"] or 0 for cell in self.cells())
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function(CELL_HAS_ENDED, arg=[index, before])
        return "".join(text_of(output) for output in self.cells()[index]["outputs"])

    def tab_to(self, selector: str, most: int = 10) -> ElementHandle:
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if found := self.page.locator(selector).element_handles():
                return found[0]
        raise AssertionError(f"{most} times Tab do not lead to {selector}")

    def screenshot(self, path: Path) -> None:
        height = self.page.evaluate(LENGTH)
        self.page.set_viewport_size({"width": WIDTH, "height": min(height + 200, MOST)})
        self.page.evaluate(SCROLL_UP)
        self.page.screenshot(path=path, type="jpeg", quality=70)
        self.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def text_of(output: dict[str, Any]) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return text if isinstance(text, str) else "".join(text)
