"""Progress bars that are there for people and absent from saved notebooks.

Saved outputs are compared, so a bar is drawn only where somebody watches: in JupyterLab, VS Code or
a terminal. The environment variable ``COURSE_LIB_PROGRESS`` decides instead where it is set (1, 0).
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
    asked = os.environ.get("COURSE_LIB_PROGRESS")
    if asked is not None:
        return asked == "1"
    if in_notebook():
        return any(name in os.environ for name in WATCHED_KERNEL)
    return sys.stderr.isatty()


class NotebookBar(tqdm):
    """A bar among the outputs of a cell: all bars of a cell share one output per level of nesting.

    With an output for each bar JupyterLab would hide all beyond fifty, and the results with them;
    and widgets would be dead, and say so, in a notebook that is opened again.
    """

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
    # Not tqdm.auto: it calls iter() twice, and a second iterator of a DataLoader draws from its
    # generator, so that the bar would change the order of the batches.
    if in_notebook():
        return iter(NotebookBar(items, description, total, leave=False, file=io.StringIO()))
    return iter(tqdm(items, description, total, leave=False))
