"""Exercises of submitted notebooks, each run in a process of its own: practice, not an exam.

A check is code that a student can read, and so can be satisfied without being answered. Submitted
notebooks are programs: run those of people you trust, or in a container.
"""

import ast
import contextlib
import csv
import faulthandler
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from course_lib import datasets
from course_lib.tools import lessons

CHECK = re.compile(r"^checks\.(lesson_\d\d)\.(\w+)\((?!\))", re.MULTILINE)
COLUMNS = ("name", "lesson", "exercise", "state", "reply")
STATES = ("right", "wrong", "not attempted")
IMPORTS = 600  # seconds for what stands before an exercise
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def grade(folder: Path, output: Path, notebooks: Path, seconds: float = 30) -> list[dict[str, str]]:
    """Judge every exercise of every notebook below a folder, write a CSV, and return its rows.

    ``name`` is the notebook's path without its ending. Beside *right*, *wrong* and *not attempted*,
    ``state`` may be *missing*, *too slow* (for ``seconds``, without what it imports), *stopped* or
    *unreadable*.
    """
    found = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not found:
        raise ValueError(f"{folder} holds no notebook: expected one .ipynb per student and lesson.")
    asked = {lesson.name[:2]: _checks(lesson.path) for lesson in lessons.find_lessons(notebooks)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = [task for path in found for task in _tasks(path, folder, asked)]
        rows = list(pool.map(lambda task: _judged(*task, seconds), tasks))
    with (
        datasets.written_whole(output) as unfinished,
        unfinished.open("w", encoding="utf-8-sig", newline="") as file,  # as Excel reads it
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _checks(path: Path) -> dict[tuple[str, str], int]:
    """Exercises of a notebook, by lesson and name, with the number of the cell that asks last."""
    cells = nbformat.read(path, as_version=4).cells
    code = ((n, cell.source) for n, cell in enumerate(cells) if cell.cell_type == "code")
    return {match.groups(): n for n, source in code for match in CHECK.finditer(source)}


def _tasks(path: Path, folder: Path, asked: dict) -> Iterator[tuple[Path, dict[str, str], int]]:
    row = {"name": path.relative_to(folder).with_suffix("").as_posix()}
    try:
        there = _checks(path)
    except Exception as error:  # half a file, another format, no rights
        yield path, row | {"state": "unreadable", "reply": repr(error)[:200]}, -1
        return
    wanted = {key: -1 for number in {key[0][-2:] for key in there} for key in asked.get(number, ())}
    if not wanted:
        row |= {"state": "unreadable", "reply": "no exercise of this course is in it"}
        yield path, row, -1
    for (lesson, exercise), cell in (wanted | there).items():
        state = {"state": "missing"} if cell < 0 else {}
        yield path, row | {"lesson": lesson[-2:], "exercise": exercise} | state, cell


def _judged(path: Path, row: dict[str, str], cell: int, seconds: float) -> dict[str, str]:
    if cell < 0:
        return row
    command = [sys.executable, "-m", "course_lib.tools.grade", str(path.absolute()), str(cell)]
    command += [str(seconds)]
    one = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"}
    try:
        run = subprocess.run(
            command, cwd=datasets.course_root(), env=os.environ | one, timeout=seconds + IMPORTS,
            capture_output=True, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return row | {"state": "too slow", "reply": "what stands before it does not end"}
    if run.stderr.startswith("Timeout ("):  # by faulthandler
        return row | {"state": "too slow", "reply": f"no answer within {seconds:g} seconds"}
    for line in reversed(run.stdout.splitlines()):
        state, colon, reply = line.partition(": ")
        if colon and state in STATES:
            return row | {"state": state, "reply": reply}
    return row | {"state": "stopped", "reply": (run.stderr.splitlines() or [""])[-1][:200]}


def _run(path: Path, number: int, seconds: float) -> None:
    """Run the cell of an exercise after the imports, parameters and definitions before it."""
    cells = nbformat.read(path, as_version=4).cells[: number + 1]
    transform, namespace = TransformerManager().transform_cell, {"__name__": "__main__"}
    for cell in cells[:-1]:
        if cell.cell_type == "code":
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                body = ast.parse(transform(cell.source)).body
                whole = "parameters" in cell.metadata.get("tags", ())
                for node in (node for node in body if whole or isinstance(node, KEPT)):
                    with contextlib.suppress(Exception):  # such as a default that is a result
                        exec(compile(ast.Module([node], []), str(path), "exec"), namespace)
    faulthandler.dump_traceback_later(seconds, exit=True)
    exec(compile(transform(cells[-1].source), str(path), "exec"), namespace)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    _run(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
