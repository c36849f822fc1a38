"""Every lesson keeps to every rule."""

import functools
import tomllib
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from rules import RULES, Rule, preset_faults

from course_lib.tools.lessons import find_lessons

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))


@functools.cache
def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def test_there_are_lessons_and_presets_fit_them() -> None:
    assert LESSONS, "no notebook was found, so nothing was checked"
    presets = tomllib.loads((NOTEBOOKS / "presets.toml").read_text(encoding="utf-8"))
    lessons = {lesson.name: lesson.parameters for lesson in find_lessons(NOTEBOOKS)}
    assert {"default", "smoke", "article"} <= set(presets) and presets["default"] == {}
    assert preset_faults(presets, lessons) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_lesson_keeps_to(rule: Rule, path: Path) -> None:
    faults = rule(read(path), path)
    assert not faults, f"{rule.__doc__}\n" + "\n".join(faults)
