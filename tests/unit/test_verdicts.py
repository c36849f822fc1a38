"""The table of answers on three data sets."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course_lib.datasets import course_root
from course_lib.tools import lessons, verdicts

NOTEBOOKS = course_root() / "notebooks"


def write_lesson(folder: Path, name: str, parameters: str, said: str) -> None:
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}, execution_count=1)]
    printed = new_output("stream", name="stdout", text=said)
    cells += [new_code_cell("…", execution_count=2, outputs=[printed])]
    nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Two lessons, of which one has photos; what was asked of the runner, which runs nothing."""
    asked = []

    def run(notebooks, output, *, overrides, only, folder=None, before=()):
        asked.append((output.name, dict(overrides)["dataset"], only, folder))
        answer = "holds: +0.2 ± 0.1 (3 seeds)" if output.name == "fresh" else "does not hold: -0.1"
        return output, [lessons.Result("01_a", "A", {}, "", verdicts={"Better?": answer})]

    monkeypatch.setattr(lessons, "run", run)
    monkeypatch.setattr(verdicts, "_rendered", lambda output: output / "drawn")
    write_lesson(tmp_path, "01_a", 'dataset = "insects"', "Better? holds: +0.1 ± 0.0 (3 seeds)\n")
    write_lesson(tmp_path, "02_b", "seeds = 3", "equal: True\nFaster? too close to call: +0.0\n")
    return asked


def test_each_question_has_its_answer_on_each_data_set(ran: list, tmp_path: Path) -> None:
    text = verdicts.collect(tmp_path, tmp_path / "runs")
    drawn = str(tmp_path / "runs" / "drawn")
    assert ran == [("fresh", drawn, ["01_a"], None), ("photos", "hymenoptera", ["01_a"], None)]
    rows = [
        ("01", "Better?", "holds: +0.1 ± 0.0 (3 seeds)", "holds: +0.2 ± 0.1 (3 seeds)"),
        ("02", "Faster?", "too close to call: +0.0", "–"),
    ]
    assert [row[:4] for row in verdicts.read(tmp_path)] == rows
    assert [row[4] for row in verdicts.read(tmp_path)] == ["does not hold: -0.1", "–"]
    counted = (
        "Of 1 questions that were asked of more than one data set, 0 have the same answer on all."
    )
    assert text.endswith(f"{counted}\n")


def test_rows_of_other_lessons_stay(ran: list, tmp_path: Path) -> None:
    verdicts.collect(tmp_path, tmp_path / "runs")
    write_lesson(tmp_path, "02_b", "seeds = 3", "Cheaper? holds: +1.0\n")
    verdicts.collect(tmp_path, tmp_path / "runs", only=["02"])
    assert [row[:2] for row in verdicts.read(tmp_path)] == [("01", "Better?"), ("02", "Cheaper?")]
    assert len(ran) == 2  # a lesson without photos is not run


def test_the_committed_table_is_that_of_the_lessons() -> None:
    saved = [
        (lesson.name[:2], *item)
        for lesson in lessons.find_lessons(NOTEBOOKS)
        for item in verdicts._saved(lesson).items()
    ]
    table = verdicts.read(NOTEBOOKS)
    assert table and [row[:3] for row in table] == saved
    questions = [question for _, question, _ in saved]
    assert len(set(questions)) == len(questions)
