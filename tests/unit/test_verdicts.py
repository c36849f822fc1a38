from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from notebook_code import write_notebook

from course_lib.datasets import course_root
from course_lib.tools import lessons, verdicts


def write_lesson(folder: Path, name: str, parameters: str, said: str) -> None:
    how = {"metadata": {"tags": ["parameters"]}, "outputs": [new_output("stream", text=said)]}
    write_notebook(folder / f"{name}.ipynb", new_code_cell(parameters, **how))


def test_each_question_has_its_answers_and_rows_of_others_stay(tmp_path, monkeypatch) -> None:
    asked, failing = [], ""

    def run(notebooks, output, *, overrides, only, folder=None, before=()):
        asked.append((output.name, dict(overrides)["dataset"], only, folder))
        answer = "holds: +0.2 ± 0.1 (3 seeds)" if output.name == "fresh" else "does not hold: -0.1"
        said = {"Better?": answer, "Same?": "holds: +1.0"}
        return output, [lessons.Result("01_a", "A", {}, "", verdicts=said, error=failing)]

    monkeypatch.setattr(lessons, "run", run)
    monkeypatch.setattr(verdicts, "_rendered", lambda output: output / "drawn")
    better = ("holds: +0.1 ± 0.0 (3 seeds)", "holds: +0.2 ± 0.1 (3 seeds)", "does not hold: -0.1")
    write_lesson(tmp_path, "01_a", 'dataset = ""', f"Better? {better[0]}\nSame? holds: +1.0\n")
    write_lesson(tmp_path, "02_b", "seeds = 3", "equal: True\nFaster? too close to call: +0.0\n")
    text = verdicts.collect(tmp_path, tmp_path / "runs")
    drawn = str(tmp_path / "runs" / "drawn")
    assert asked == [("fresh", drawn, ["01_a"], None), ("photos", "hymenoptera", ["01_a"], None)]
    faster = ("too close to call: +0.0", "–", "–")
    rows = [("01", "Better?", *better), ("01", "Same?", *["holds: +1.0"] * 3)]
    assert verdicts.read(tmp_path) == [*rows, ("02", "Faster?", *faster)]
    assert "\nOf 1 questions that depend on the data set, 0 have the same answer on all." in text
    write_lesson(tmp_path, "02_b", "seeds = 3", "Cheaper? holds: +1.0\n")
    verdicts.collect(tmp_path, tmp_path / "runs", only=["02"])
    assert [row[1] for row in verdicts.read(tmp_path)] == ["Better?", "Same?", "Cheaper?"]
    assert len(asked) == 2  # a lesson without photos is not run
    before, failing = (tmp_path / verdicts.TABLE).read_bytes(), "ValueError: no ants"
    with pytest.raises(RuntimeError, match=r"\['01_a'\] failed: see .*fresh; VERDICTS.md is as it"):
        verdicts.collect(tmp_path, tmp_path / "runs")
    assert (tmp_path / verdicts.TABLE).read_bytes() == before


def test_the_committed_table_is_that_of_the_lessons() -> None:
    notebooks = course_root() / "notebooks"
    found, table = lessons.find_lessons(notebooks), verdicts.read(notebooks)
    said = [(x.name[:2], lessons.verdicts(nbformat.read(x.path, as_version=4))) for x in found]
    saved = [(number, *item) for number, answers in said for item in answers.items()]
    assert table and [row[:3] for row in table] == saved
    assert len({question for _, question, _ in saved}) == len(saved)
