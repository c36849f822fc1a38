"""Every check answers the shown solution, the untouched stub and plausible mistakes."""

from functools import cache
from pathlib import Path

import notebook_code
import pytest
from notebook_code import wrong_answers

from course_lib import checks

Capsys = pytest.CaptureFixture[str]
exercises, imports = cache(notebook_code.exercises), cache(notebook_code.imports)
HERE = Path(__file__).parent
NUMBERS = sorted(path.stem[-2:] for path in HERE.glob("answers_[0-9][0-9].py"))

CASES = [(number, name) for number in NUMBERS for name in wrong_answers(number)]
each_exercise = pytest.mark.parametrize(("number", "name"), CASES)


def said(number: str, code: str, capsys: Capsys) -> str:
    exec(code, dict(imports(number)))
    return capsys.readouterr().out


@pytest.mark.parametrize("number", NUMBERS)
def test_every_check_of_a_lesson_is_asked_and_tested(number: str) -> None:
    module = getattr(checks, f"lesson_{number}")
    defined = {name for name, value in vars(module).items() if isinstance(value, checks.Exercise)}
    assert len(defined) >= 2 and set(exercises(number)) == set(wrong_answers(number)) == defined


@each_exercise
def test_the_untouched_stub_is_no_attempt_and_the_solution_is_right(number, name, capsys) -> None:
    exercise = exercises(number)[name]
    out = said(number, exercise.stub, capsys)
    assert out == f"not attempted: {checks.ELLIPSIS}. Stuck? {name}.hint()\n"
    assert said(number, f"{exercise.solution}\n{exercise.call}", capsys).startswith("right: ")


@each_exercise
def test_mistakes_are_met_with_a_hint_and_there_are_enough_of_both(number, name, capsys) -> None:
    for code, hint in wrong_answers(number)[name]:
        out = said(number, f"{code}\n{exercises(number)[name].call}", capsys)
        assert out.startswith("wrong: "), code
        assert hint in out, code
        assert out.count("\n") == 1, code
    assert len({hint for _, hint in wrong_answers(number)[name]}) >= 2
    exercise = getattr(getattr(checks, f"lesson_{number}"), name)
    assert len(exercise.hints) >= 2
    exercise._next = 0  # whatever another test has asked before
    for turn in (1, 2):
        exercise.hint()
        assert capsys.readouterr().out.startswith(f"hint {turn} of {len(exercise.hints)}: ")


def test_an_unknown_lesson_is_an_error() -> None:
    for name in ("lesson_99", "lessons"):
        with pytest.raises(AttributeError, match=f"no checks named '{name}'"):
            getattr(checks, name)
