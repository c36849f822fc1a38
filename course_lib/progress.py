"""Progress bars where somebody watches; saved outputs are compared, and have none.

The environment variable ``COURSE_LIB_PROGRESS`` (1, 0) decides instead, where it is set.
"""

import io
import os
import sys
from collections.abc import Iterable, Iterator

from tqdm import tqdm

# Set for kernels that a person opened; papermill and nbval start kernels without them.
WATCHED_KERNEL = ("JPY_SESSION_NAME", "VSCODE_PID", "VSCODE_CWD")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def is_watched() -> bool:
    """Whether a person sees this process's output as it appears."""
    if (asked := os.environ.get("COURSE_LIB_PROGRESS")) is not None:
        return asked == "1"
    if in_notebook():
        return any(name in os.environ for name in WATCHED_KERNEL)
    return sys.stderr.isatty()


class NotebookBar(tqdm):
    """A bar in a cell's outputs, one output per level: JupyterLab hides all beyond fifty."""

    cell = -1
    outputs: list = []  # noqa: RUF012  (of the cell that runs; shared by all bars)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the bar, or ``msg`` in its place, ``pos`` levels below the outermost bar."""
        from IPython import get_ipython
        from IPython.display import display

        shared, level = NotebookBar, abs(self.pos) if pos is None else pos
        if shared.cell != (count := get_ipython().execution_count):
            if msg == "":  # a cell was interrupted, and the bar closes while another cell runs
                return
            shared.cell, shared.outputs = count, []
        text = str(self) if msg is None else msg
        bundle = {"text/plain": text} if text else {"text/html": "", "text/plain": ""}
        while len(shared.outputs) <= level:
            shared.outputs.append(display({"text/plain": ""}, raw=True, display_id=True))
        shared.outputs[level].update(bundle, raw=True)


def bar(items: Iterable, description: str, total: int | None = None) -> Iterator:
    """Iterate over items, behind a bar of `tqdm <https://tqdm.github.io>`_ that then disappears."""
    if not is_watched():
        return iter(items)
    # Not tqdm.auto: it calls iter() twice, which would change the order of a DataLoader's batches.
    if in_notebook():
        return iter(NotebookBar(items, description, total, leave=False, file=io.StringIO()))
    return iter(tqdm(items, description, total, leave=False))
