"""Exercises of submitted notebooks, each run in a process of its own: practice, not an exam.

Students can read a check, and so satisfy it without an answer. Submitted notebooks are programs:
run those of people you trust, or in a container.
"""

import ast
import asyncio
import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import nbformat
import pandas as pd
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from course_lib import datasets
from course_lib.tools import lessons

CHECK = re.compile(r"^checks\.(lesson_\d\d)\.(\w+)\((?!\))", re.MULTILINE)
SAID = re.compile(r"^(right|wrong|not attempted): (.*)$", re.MULTILINE)
COLUMNS = ("name", "lesson", "exercise", "state", "reply")
IMPORTS = 600  # seconds for what stands before an exercise
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def grade(folder: Path, output: Path, notebooks: Path, seconds: float = 30) -> list[dict[str, str]]:
    """Judge every exercise of every notebook below a folder, write a CSV, and return its rows.

    ``name`` is the notebook's path without its ending. ``state`` is *right*, *wrong*, *not
    attempted*, *missing*, *too slow* (``seconds``, without imports), *stopped* or *unreadable*.
    """
    found = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not found:
        raise ValueError(f"{folder} holds no notebook: expected one .ipynb per student and lesson.")
    asked = {lesson.name[:2]: _checks(lesson.path) for lesson in lessons.find_lessons(notebooks)}
    tasks, jobs = [t for path in found for t in _tasks(path, folder, asked)], joblib.cpu_count()
    with lessons.kernel_environment(jobs), ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(lambda task: _judged(*task, seconds), tasks))
    table = pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False, lineterminator="\n")
    lessons.write(output, "\ufeff" + table)  # Excel wants a byte order mark
    return rows


def _checks(path: Path) -> dict[tuple[str, str], int]:
    """Exercises of a notebook, by lesson and name, with the number of the cell that asks last."""
    cells = enumerate(nbformat.read(path, as_version=4).cells)
    code = ((n, cell.source) for n, cell in cells if cell.cell_type == "code")
    return {match.groups(): n for n, source in code for match in CHECK.finditer(source)}


def _tasks(path: Path, folder: Path, asked: dict) -> list[tuple[Path, dict[str, str], int]]:
    row = {"name": path.relative_to(folder).with_suffix("").as_posix(), "state": "unreadable"}
    try:
        there = _checks(path)
    except Exception as error:  # half a file, another format, no rights
        return [(path, row | {"reply": repr(error)[:200]}, -1)]
    wanted = {key: -1 for number in {key[0][-2:] for key in there} for key in asked.get(number, ())}
    if not wanted:
        return [(path, row | {"reply": "no exercise of this course is in it"}, -1)]
    row["state"], every = "missing", wanted | there
    return [(path, row | {"lesson": x[-2:], "exercise": y}, n) for (x, y), n in every.items()]


def _judged(path: Path, row: dict[str, str], number: int, seconds: float) -> dict[str, str]:
    if number < 0:
        return row
    cells = nbformat.read(path, as_version=4).cells
    before, asked = list(_definitions(cells[:number])), new_code_cell(cells[number].source)
    how = {"timeout_func": lambda cell: seconds if cell is asked else IMPORTS}
    how |= {"shutdown_kernel": "immediate", "kernel_name": "python3"}
    how |= {"resources": {"metadata": {"path": datasets.course_root()}}}
    how["extra_arguments"] = lessons.QUIET
    stopped = "it says neither right nor wrong"
    try:
        asyncio.run(NotebookClient(new_notebook(cells=[*before, asked]), **how).async_execute())
    except CellTimeoutError:
        began = asked.execution_count is not None
        why = f"no answer within {seconds:g} seconds" if began else "what is before it does not end"
        return row | {"state": "too slow", "reply": why}
    except (CellExecutionError, DeadKernelError, ValueError) as error:  # half an emoji
        stopped = (str(error).strip() or repr(error)).splitlines()[-1][:200]
    printed = "".join(output.get("text", "") for output in asked.outputs)
    state, reply = [("stopped", stopped), *SAID.findall(printed)][-1]
    return row | {"state": state, "reply": reply}


def _definitions(cells: list) -> Iterator[nbformat.NotebookNode]:
    """Yield imports, parameters and definitions, each as a cell that may fail."""
    for cell in (cell for cell in cells if cell.cell_type == "code"):
        body, tags = [], cell.metadata.get("tags", ())
        with contextlib.suppress(Exception):  # of the parser, or Python's compiler
            body = ast.parse(TransformerManager().transform_cell(cell.source)).body
        for node in (node for node in body if "parameters" in tags or isinstance(node, KEPT)):
            yield new_code_cell(ast.unparse(node), metadata={"tags": ["raises-exception"]})
