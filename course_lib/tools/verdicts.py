"""Every answer of every lesson on three data sets, in one table beside the lessons.

The first column is what the lessons have saved; the second is from insects that were rendered anew
with another seed, the third from the article's photos, of which only numbers are kept.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from course_lib import datasets
from course_lib.tools import lessons

TABLE = "VERDICTS.md"
SEED = 101  # of the new renderings; the committed ones have 0
ROW = re.compile(r"^\| (\d\d) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
HEAD = """# Verdicts

Each lesson asks about three questions and answers them with a paired difference ± its standard
error, over seeds that both ways share. Here is every answer on the insects of the course, on
insects rendered anew with another seed, and on the article's photos. `holds` and `does not hold`
say that the 95 % interval lies on one side of the margin, which is 0 unless stated.
`python -m course_lib verdicts` makes this table; a dash stands where a lesson has not been run, or
has no pictures.

"""


def collect(notebooks: Path, output: Path, only: Sequence[str] = ()) -> str:
    """Run the lessons on the other data sets, write the table, and return it.

    Runs go into ``output`` and go on where they were interrupted. With ``only``, the rows of other
    lessons stay as they are.
    """
    found = lessons.find_lessons(notebooks, only)
    asked = [lesson for lesson in found if "dataset" in lesson.parameters]
    columns = [{lesson.name: _saved(lesson) for lesson in found}]
    for name, dataset in (("fresh", _rendered(output)), ("photos", "hymenoptera")):
        results = _results(notebooks, output / name, dataset, [lesson.name for lesson in asked])
        columns.append({result.lesson: result.verdicts for result in results})
    rows = [row for row in read(notebooks) if only and row[0] not in {x.name[:2] for x in found}]
    for lesson in found:
        for question in columns[0][lesson.name]:
            answers = [column.get(lesson.name, {}).get(question, "–") for column in columns]
            rows.append((lesson.name[:2], question, *answers))
    text = HEAD + _table(sorted(rows, key=lambda row: row[0]))
    with datasets.written_whole(notebooks / TABLE) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return text


def read(notebooks: Path) -> list[tuple[str, ...]]:
    """Rows of the table as it is: lesson, question, and its three answers."""
    path = notebooks / TABLE
    return ROW.findall(path.read_text(encoding="utf-8")) if path.exists() else []


def _saved(lesson: lessons.Lesson) -> dict[str, str]:
    return lessons.verdicts(nbformat.read(lesson.path, as_version=4))


def _rendered(output: Path) -> Path:
    folder = (output / f"insects-{SEED}").absolute()
    if not folder.exists():
        with datasets.written_whole(folder) as unfinished:
            command = [sys.executable, "-m", "data.insects.renderer", "--domain", "field"]
            command += ["--seed", str(SEED), "--out", str(unfinished)]
            subprocess.run(command, cwd=datasets.course_root(), check=True)
    return folder


def _results(notebooks, output: Path, dataset: str | Path, only: Sequence[str]) -> list:
    try:
        begun = lessons.asked_before(output, None)
        again = {"folder": begun["folder"], "before": begun["before"]}
    except ValueError:
        again = {}
    asked = {"overrides": [("dataset", str(dataset))], "only": only}
    return lessons.run(notebooks, output, **asked, **again)[1] if only else []


def _table(rows: Sequence[Sequence[str]]) -> str:
    asked = [[answer.partition(":")[0] for answer in row[2:] if answer != "–"] for row in rows]
    several = [answers for answers in asked if len(answers) > 1]
    heads = ("lesson", "question", "insects", "rendered anew", "photos")
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * 5, *rows)]
    agree = sum(len(set(answers)) == 1 for answers in several)
    count = f"{len(several)} questions that were asked of more than one data set"
    return "\n".join(lines) + f"\n\nOf {count}, {agree} have the same answer on all.\n"
