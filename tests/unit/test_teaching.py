import csv
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from notebook_code import write_notebook

from course_lib.tools import grade, slides

IMPORTS = "%matplotlib inline\nimport os\nfrom course_lib import checks\nprint('right: no')"
SHARE = "def share(labels):\n    {}\n\nchecks.lesson_00.majority_share(share)"
RIGHT = "return labels.bincount().max() / len(labels)"
REST = "checks.lesson_00.zero_shot_answers(print)"


@pytest.fixture
def judged(tmp_path: Path):
    """Judges what is below students/, and reads the table: name and exercise to state, reply."""
    write_notebook(tmp_path / "course" / "00_start.ipynb", SHARE.format("..."), REST)

    def run(seconds: float) -> dict[tuple[str, str], tuple[str, str]]:
        file = tmp_path / "table" / "grades.csv"
        rows = grade.grade(tmp_path / "students", file, tmp_path / "course", seconds)
        table = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
        assert [row["state"] for row in rows] == [row["state"] for row in table]
        return {(x["name"], x["exercise"]): (x["state"], x["reply"]) for x in table}

    return run


def test_every_answer_gets_its_state(tmp_path: Path, judged) -> None:
    students = tmp_path / "students"
    with pytest.raises(ValueError, match="students holds no notebook"):
        judged(60)
    answers = {"ann": RIGHT, "bob": "return 1 / 3", "cid": "...", "dee": "os._exit(1)"}
    answers["hal"] = "return 1  # half"  # an emoji
    for name, answer in answers.items():
        write_notebook(students / name / "00.ipynb", IMPORTS, "1 / 0", SHARE.format(answer))
    (path := students / "hal" / "00.ipynb").write_text(path.read_text().replace("half", r"\ud83d"))
    write_notebook(students / "eve.ipynb", IMPORTS, "raise ValueError('never run')")
    (students / "fay.ipynb").write_text("{")
    write_notebook(students / "ann" / ".ipynb_checkpoints" / "00.ipynb", SHARE)
    found = judged(60)
    missing = [found.pop((f"{name}/00", "zero_shot_answers")) for name in answers]
    assert missing == [("missing", "")] * 5
    states = {name.removesuffix("/00"): state for (name, _), (state, _) in found.items()}
    expected = {"ann": "right", "bob": "wrong", "cid": "not attempted", "dee": "stopped"}
    assert states == expected | {"eve": "unreadable", "fay": "unreadable", "hal": "stopped"}
    assert "guessing at random" in found["bob/00", "majority_share"][1]
    assert found["eve", ""][1] == "no exercise of this course is in it"


def test_an_endless_answer_is_too_slow(tmp_path: Path, judged) -> None:
    write_notebook(tmp_path / "students" / "gus.ipynb", IMPORTS, SHARE.format("while True: ..."))
    assert judged(0.05)["gus", "majority_share"] == ("too slow", "no answer within 0.05 seconds")


def test_a_slide_has_a_heading_figures_with_their_texts_and_answers(tmp_path: Path) -> None:
    alt = {"image/png": {"alt": 'Two "<ants>"'}}
    shown = new_output("display_data", {"image/png": "AAAA"}, metadata=alt)
    said = new_output("stream", text="noise\nIs a < b? holds: +0.1 ± 0.0 (3 seeds)\n")
    opening = "# Learn <i>it</i> & more\n\nAfter *this*.\n\n**You need** nothing."
    before = f"{opening}\n\n## Plain\n\nFirst **words**.\n\nOthers.\n\n## Shown\n\nUntold."
    after = "**Figure 1.** It is *so*.\n\n## Exercises\n\nNo slide."
    cells = [new_markdown_cell(before), new_code_cell("", outputs=[shown, said])]
    write_notebook(tmp_path / "01_a.ipynb", *cells, new_markdown_cell(after))
    (page,) = slides.build(tmp_path, tmp_path / "out")
    page = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    first, plain, figure = page.select("section")
    assert page.title.text == first.h1.text == "Learn <i>it</i> & more"
    assert first.select_one(".about").text.strip() == "After this." and first.em
    assert plain.h2.text == "Plain" and plain.select_one(".about").text.strip() == "First words."
    assert (figure.img["alt"], figure.img["src"]) == ('Two "<ants>"', "data:image/png;base64,AAAA")
    assert figure.figcaption.text.strip() == "Figure 1. It is so." and figure.figcaption.em
    answer = figure.dt.text, figure.dd.text, figure.select(".about")
    assert answer == ("Is a < b?", "holds: +0.1 ± 0.0 (3 seeds)", [])
