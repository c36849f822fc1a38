"""No answer makes a check raise; none that is strange, constant or nothing at all is right."""

import copy
import itertools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from test_checks import CASES, exercises, imports

from course_lib import checks

FUNCTIONS = [case for case in CASES if case[1] not in ("what_changed", "diagnosis", "doubles")]


class Hostile:
    def __eq__(self, *arguments: object) -> bool:
        raise RuntimeError("\ud800")

    __hash__ = None
    __getattr__ = __repr__ = __str__ = __iter__ = __len__ = __bool__ = __array__ = __eq__


def raising(error: BaseException) -> Callable[..., object]:
    def function(*arguments: object) -> object:
        raise error

    return function


Silent = type("Silent", (Exception,), {"__str__": None})
LOOP: list[object] = [0.5]
LOOP.append(LOOP)
NONSENSE = [
    True, 0, 1, 0.6, -1.5, np.nan, np.inf, 10**400, 1j, Fraction(1, 3), "", "text", "0.6", "0",
    b"0.6", [], [[]], {}, set(), (), [1], [1, [2, 3]], [None], ["1", "2"], [0.6, ...], [np.nan] * 3,
    {"a": 1}, {"source": 1, "zero": "text", "half": None, "minus": [[]]}, dict.fromkeys("abcd", 0),
    dict.fromkeys("ABCDEFGHIJK", Hostile()), {"text", 1}, range(10**5), list(range(10**5)), LOOP,
    object(), slice(3), Hostile(), Silent(), int, Hostile, len, Image, itertools.count(),
    np.zeros((0, 3)), np.zeros((2, 3)), np.full(3, np.nan), np.array(["a", "b"]), np.array(0.6),
    np.array([None, "1"], dtype=object), np.array([1j, 2]), np.array("2020-01-01", dtype="M8"),
    np.zeros(3, dtype=[("x", int)]), np.zeros(10, dtype=bool), np.float64("nan"), np.array(5),
    torch.zeros(2, 3, requires_grad=True), torch.tensor([np.nan] * 3), torch.ones(3).to_sparse(),
    torch.zeros(3, dtype=torch.bfloat16), torch.zeros(3, device="meta"), torch.tensor(0.6),
    torch.nn.Linear(4, 2), torch.nn.ModuleDict({"backbone": torch.nn.Linear(4, 2)}),
    Image.new("L", (3, 3)), Image.new("RGBA", (64, 64)), Image.new("RGB", (64, 64)),
]  # fmt: skip
STRANGE = [
    *(lambda *arguments, value=value: value for value in NONSENSE),
    *map(raising, (Silent(), SystemExit(), ValueError("two\nlines"), BaseException())),
    *(lambda *arguments, i=i: arguments[i] for i in range(4)),
    lambda *arguments: arguments,
    lambda one, two, three, four, five: 0,
    lambda *arguments: lambda picture: picture,
    lambda *arguments: lambda picture: 0.6,
]

TYPES: list[Callable[[np.ndarray], object]] = [
    np.ndarray.tolist,
    lambda found: tuple(found.tolist()) if found.ndim else found.tolist(),
    lambda found: np.array(found, dtype=object if found.ndim else None),
    lambda found: torch.tensor(found) if found.ndim else torch.tensor([found.item()]),
    lambda found: torch.tensor(found.astype("float32"), requires_grad=True),
]
BODIES = [
    *("...", "pass", '"""Doc."""', "return", "return ...", "return [..., ...]", "a = b = ..."),
    *("found = ...\n    return found", "one, two = ..., ..."),
]


@dataclass
class Task:
    number: str
    name: str
    capsys: pytest.CaptureFixture[str]

    def says(self, answer: object) -> str:
        """Warnings are no errors, as in a notebook; random numbers of the lesson are left alone."""
        state = torch.random.get_rng_state()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(getattr(checks, f"lesson_{self.number}"), self.name)(answer)
        assert torch.equal(state, torch.random.get_rng_state())
        return self.capsys.readouterr().out

    def solution(self, old: str = "", new: str = "") -> Callable[..., object]:
        namespace = dict(imports(self.number))
        exec(exercises(self.number)[self.name].solution.replace(old, new), namespace)
        return namespace[self.name]


@pytest.fixture(params=FUNCTIONS, ids=" ".join)
def task(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Task:
    return Task(*request.param, capsys)


@pytest.mark.parametrize("task", CASES, indirect=True, ids=" ".join)
def test_nonsense_is_wrong_and_no_error(task: Task) -> None:
    for answer in NONSENSE + STRANGE:
        out = task.says(answer)
        assert re.fullmatch(r"wrong: .{5,400}\n", out), out


def test_an_answer_to_one_input_only_is_wrong_and_spoilt_arguments_spoil_nothing(task) -> None:
    first = cache(lambda: task.solution()(*given))
    given, drawn = [], []

    def constant(*arguments: object) -> object:
        given[:] = given or arguments
        return transform if callable(first()) else first()

    def transform(picture: object) -> object:
        drawn[:] = drawn or [first()(picture)]
        return drawn[0]

    assert task.says(constant).startswith("wrong: ")

    def spoiling(*arguments: object) -> object:
        found = task.solution()(*arguments)
        found = found if task.name in ("only_the_head", "two_groups") else copy.deepcopy(found)
        for argument in arguments:
            if isinstance(argument, (np.ndarray, torch.Tensor)):
                argument[...] = 0
            elif isinstance(argument, (list, dict)):
                argument.clear()
            elif isinstance(argument, Image.Image):
                argument.paste(0, (0, 0, *argument.size))
        return found

    assert task.says(spoiling).startswith("right: ")


def as_type(found: object, convert: Callable) -> object:
    if isinstance(found, dict):
        return {name: as_type(value, convert) for name, value in found.items()}
    is_number = isinstance(found, (bool, int, float, np.ndarray, np.generic, torch.Tensor))
    return convert(np.asarray(found)) if is_number else found


def test_nan_and_infinity_are_named_and_an_answer_may_be_of_any_type(task: Task) -> None:
    for odd in (np.float64("nan"), np.float64("inf")):
        out = task.says(lambda *given, odd=odd: as_type(task.solution()(*given), odd.__add__))
        assert ("nan" in out or "inf is not a number" in out) != out.startswith("right: ")
    for each in TYPES:
        out = task.says(lambda *given, each=each: as_type(task.solution()(*given), each))
        assert out.startswith("right: ")


def test_a_forgotten_return_is_recognised_and_dots_are_no_attempt(task: Task) -> None:
    in_place = task.name in ("only_the_head", "freeze_for_good")
    expected = "right: " if in_place else "wrong: your function returns nothing"
    assert task.says(task.solution("return ", "answer = ")).startswith(expected)
    for body in BODIES:
        code = exercises(task.number)[task.name].stub.replace("    ...\n", f"    {body}\n")
        exec(code, dict(imports(task.number)))
        assert task.capsys.readouterr().out.startswith("not attempted: ")


def test_part_of_a_dictionary_or_two_answers_are_not_judged(capsys: pytest.CaptureFixture) -> None:
    checks.lesson_01.what_changed({"a": "P(X)", "b": "nonsense", "c": ..., "d": ...})
    assert capsys.readouterr().out.startswith("not attempted: ")
    checks.lesson_00.majority_share(0.5, 0.6)
    assert capsys.readouterr().out == "wrong: hand in one answer, not 2.\n"


@pytest.mark.parametrize("place", ["function", "judge"])
def test_an_endless_answer_can_be_interrupted(place: str) -> None:
    interrupted = raising(KeyboardInterrupt())
    judge = checks.Exercise(interrupted, [], "") if place == "judge" else None
    with pytest.raises(KeyboardInterrupt):
        (judge or checks.lesson_00.majority_share)(interrupted)
