import copy
import json
from pathlib import Path

import nbformat
import pytest
from chinese import HAN, lesson_faults, read_glossary
from nbformat import NotebookNode

from course_lib import checks
from course_lib.tools import translate

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
GLOSSARY = read_glossary(NOTEBOOKS / "zh" / "glossary.csv")


def pair(path: Path) -> tuple[NotebookNode, NotebookNode]:
    chinese = path.parent / "zh" / path.name
    return nbformat.read(path, nbformat.NO_CONVERT), nbformat.read(chinese, nbformat.NO_CONVERT)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_says_the_same_in_chinese(path: Path) -> None:
    assert lesson_faults(*pair(path), GLOSSARY) == []


FAULTS = {  # what is done to the two notebooks, and the fault that is found
    "English sentence": (0, lambda en, zh: en.update(source=en.source + " More."), "stale"),
    "number": (0, lambda en, zh: zh.update(source=zh.source.replace("15", "16")), "numbers added"),
    "paragraph": (0, lambda en, zh: zh.update(source=en.source), "not translated"),
    "term": (0, lambda en, zh: zh.update(source=zh.source.replace("预训练", "训练")), "pretrained"),
    "emphasis": (0, lambda en, zh: zh.update(source=zh.source.replace("**", "")), "bold missing"),
    "code": (1, lambda en, zh: zh.update(source=zh.source + "\n1"), "code or output"),
    "output": (2, lambda en, zh: zh.update(outputs=[]), "code or output"),
}


@pytest.mark.parametrize(("place", "change", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_difference_is_found(place, change, expected) -> None:
    english, chinese = copy.deepcopy(pair(LESSONS[0]))
    change(english.cells[place], chinese.cells[place])
    found = lesson_faults(english, chinese, GLOSSARY)
    assert found and expected in "\n".join(found)


def test_no_lesson_is_left_over_and_a_missing_cell_and_another_order_are_found() -> None:
    english, chinese = pair(LESSONS[0])
    last = chinese.cells.pop()
    assert lesson_faults(english, chinese, GLOSSARY) == [f"other cells: {[last.id]}"]
    chinese.cells.insert(1, last)
    assert "another order" in lesson_faults(english, chinese, GLOSSARY)[0]
    assert {p.name for p in (NOTEBOOKS / "zh").glob("*.ipynb")} == {p.name for p in LESSONS}


def test_translate_copies_code_keeps_prose_and_lists_what_changed(tmp_path: Path) -> None:
    source = tmp_path / LESSONS[0].name
    english = nbformat.read(LESSONS[0], nbformat.NO_CONVERT)
    nbformat.write(english, source)
    todo = translate.translate(tmp_path)
    prose = [cell for cell in english.cells if cell.cell_type == "markdown"]
    assert len(todo) == len(prose) and all("is not translated" in line for line in todo)
    target = tmp_path / "zh" / source.name
    target.write_bytes((NOTEBOOKS / "zh" / source.name).read_bytes())
    assert translate.translate(tmp_path) == []
    english.cells[0].source += " More."
    english.cells[1].source = "seeds = 4"
    nbformat.write(english, source)
    assert translate.translate(tmp_path) == [f"{source.name}: cell {prose[0].id} is stale, "
                                             "its English has changed"]  # fmt: skip
    cells = nbformat.read(target, nbformat.NO_CONVERT).cells
    assert cells[1].source == "seeds = 4" and HAN.search(cells[0].source)
    assert translate.translate(tmp_path, accept=True) == translate.translate(tmp_path) == []


def test_replies_are_chinese_in_a_chinese_folder(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "zh").mkdir()
    monkeypatch.chdir(tmp_path / "zh")
    for answer, start in ((..., "尚未作答"), (0.5, "错：")):
        checks.lesson_00.majority_share(answer)
        assert capsys.readouterr().out.startswith(start)
    checks.lesson_00.majority_share.hint()
    assert HAN.search(capsys.readouterr().out)
    path = Path(checks.__file__).with_name("zh.json")
    for english, chinese in json.loads(path.read_text(encoding="utf-8")).items():
        assert english.count("{}") in (0, chinese.count("{")), english
