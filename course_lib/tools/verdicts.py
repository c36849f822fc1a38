"""Every answer of every lesson, as saved, on insects rendered anew, and on the article's photos."""

import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import nbformat

from course_lib import datasets
from course_lib.tools import lessons

TABLE = "VERDICTS.md"
SEED = 101  # of the new renderings; the committed ones have 0
ROW = re.compile(r"^\| (\d\d) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def collect(notebooks: Path, output: Path, only: Sequence[str] = ()) -> str:
    """Run lessons on the other data sets, or go on with that; write the table, and return it."""
    found = lessons.find_lessons(notebooks, only)
    asked = [lesson.name for lesson in found if "dataset" in lesson.parameters]
    columns = [{x.name: lessons.verdicts(nbformat.read(x.path, as_version=4)) for x in found}]
    for name, dataset in (("fresh", _rendered(output)), ("photos", "hymenoptera")):
        request = {"overrides": [("dataset", str(dataset))], "only": asked}
        with suppress(ValueError):  # where there is no run to go on with
            request = {**lessons.asked_before(output / name, None), **request}
        results = lessons.run(notebooks, output / name, **request)[1] if asked else []
        if failed := [result.lesson for result in results if result.error]:
            raise RuntimeError(f"{failed} failed: see {output / name}; {TABLE} is as it was")
        columns.append({result.lesson: result.verdicts for result in results})
    rows = [row for row in read(notebooks) if only and row[0] not in {x.name[:2] for x in found}]
    for lesson in found:
        for question in columns[0][lesson.name]:
            answers = [column.get(lesson.name, {}).get(question, "–") for column in columns]
            rows.append((lesson.name[:2], question, *answers))
    rows.sort(key=lambda row: row[0])
    several = [given for row in rows if len(given := {*row[2:]} - {"–"}) > 1]  # data play a part
    agree = sum(len({answer.partition(":")[0] for answer in row}) == 1 for row in several)
    text = lessons.render("verdicts.md", rows=rows, several=several, agree=agree)
    lessons.write(notebooks / TABLE, text)
    return text


def read(notebooks: Path) -> list[tuple[str, ...]]:
    """Rows of the table as it is: lesson, question, and its three answers."""
    path = notebooks / TABLE
    return ROW.findall(path.read_text(encoding="utf-8")) if path.exists() else []


def _rendered(output: Path) -> Path:
    folder = (output / f"insects-{SEED}").absolute()
    if not folder.exists():
        with datasets.written_whole(folder) as unfinished:
            what = ["--domain", "field", "--seed", str(SEED), "--out", unfinished]
            command = [sys.executable, "-m", "data.insects.renderer", *what]
            subprocess.run(command, cwd=datasets.course_root(), check=True)
    return folder
