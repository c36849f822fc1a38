"""No answer makes a check raise; none that is strange, constant or nothing at all is right."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image
from test_checks import CASES, exercises, imports

from course_lib import checks

FUNCTIONS = [case for case in CASES if case[1] not in ("what_changed", "diagnosis")]


class Hostile:
    """Whatever is asked of it, it raises."""

    def __getattr__(self, name: str) -> object:
        raise SystemExit(name)

    def __eq__(self, other: object = None) -> bool:
        raise RuntimeError("\ud800")

    __hash__ = None
    __repr__ = __str__ = __iter__ = __len__ = __bool__ = __array__ = __float__ = __eq__


class Silent(Exception):
    def __str__(self) -> str:
        raise self


def endless() -> Iterator[int]:
    while True:
        yield 0


def raising(error: BaseException) -> Callable[..., object]:
    def function(*arguments: object) -> object:
        raise error

    return function


LOOP: list[object] = [0.5]
LOOP.append(LOOP)
NONSENSE = [
    True, 0, 1, 0.6, -1.5, np.nan, np.inf, 10**400, 1j, Fraction(1, 3), "", "text", "0.6", "0",
    b"0.6", [], [[]], {}, set(), (), [1], [1, [2, 3]], [None], ["1", "2"], [0.6, ...], [np.nan] * 3,
    {"a": 1}, {"source": 1, "zero": "text", "half": None, "minus": [[]]}, dict.fromkeys("abcd", 0),
    dict.fromkeys("ABCDEFGHIJK", Hostile()), {"text", 1}, range(10**5), list(range(10**5)), LOOP,
    object(), Hostile(), [Hostile()], Silent(), int, Hostile, len, Image, slice(3), endless(),
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


def said(number: str, name: str, answer: object, capsys: pytest.CaptureFixture[str]) -> str:
    """What a check says, where warnings are no errors, as in a notebook."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(getattr(checks, f"lesson_{number}"), name)(answer)
    return capsys.readouterr().out


def solution(number: str, name: str) -> Callable[..., object]:
    namespace = dict(imports(number))
    exec(exercises(number)[name].solution, namespace)
    return namespace[name]


def spoil(argument: object) -> None:
    if isinstance(argument, (np.ndarray, torch.Tensor)):
        argument[...] = 0
    elif isinstance(argument, (list, dict)):
        argument.clear()
    elif isinstance(argument, Image.Image):
        argument.paste(0, (0, 0, *argument.size))


def as_type(convert: Callable[[np.ndarray], object], found: object) -> object:
    """The same answer in another type, if it consists of numbers."""
    if isinstance(found, dict):
        return {name: as_type(convert, value) for name, value in found.items()}
    if isinstance(found, (bool, int, float, np.ndarray, np.generic, torch.Tensor)):
        return convert(np.asarray(found))
    return found


@pytest.mark.parametrize(("number", "name"), CASES)
def test_nonsense_is_wrong_and_no_error(
    number: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in NONSENSE + STRANGE:
        out = said(number, name, answer, capsys)
        assert re.fullmatch(r"wrong: .{5,400}\n", out), out


@pytest.mark.parametrize(("number", "name"), FUNCTIONS)
def test_an_answer_that_fits_one_input_only_is_wrong(
    number: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    solve, first = solution(number, name), []

    def constant(*arguments: object) -> object:
        first.append(solve(*arguments))
        return (lambda picture: cached(first[0], picture)) if callable(first[0]) else first[0]

    def cached(transform: Callable[[object], object], picture: object) -> object:
        first.append(transform(picture))
        return first[1]

    assert said(number, name, constant, capsys).startswith("wrong: ")


@pytest.mark.parametrize(("number", "name"), FUNCTIONS)
def test_spoilt_arguments_do_not_spoil_the_judging(
    number: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    solve = solution(number, name)

    def spoiling(*arguments: object) -> object:
        found = solve(*arguments)
        found = found if name == "only_the_head" else copy.deepcopy(found)
        for argument in arguments:
            spoil(argument)
        return found

    assert said(number, name, spoiling, capsys).startswith("right: ")


@pytest.mark.parametrize(("number", "name"), FUNCTIONS)
def test_an_answer_may_be_of_any_type(
    number: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    solve = solution(number, name)
    for convert in TYPES:

        def converted(*arguments: object, convert: Callable = convert) -> object:
            return as_type(convert, solve(*arguments))

        assert said(number, name, converted, capsys).startswith("right: ")


@pytest.mark.parametrize(("number", "name"), FUNCTIONS)
def test_a_forgotten_return_is_recognised(
    number: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace = dict(imports(number))
    exec(exercises(number)[name].solution.replace("return ", "answer = "), namespace)
    out = said(number, name, namespace[name], capsys)
    expected = "right: " if name == "only_the_head" else "wrong: your function returns nothing"
    assert out.startswith(expected)


@pytest.mark.parametrize(("number", "name"), FUNCTIONS)
def test_dots_are_no_attempt(number: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for body in BODIES:
        code = exercises(number)[name].stub.replace("    ...\n", f"    {body}\n")
        exec(code, dict(imports(number)))
        assert capsys.readouterr().out.startswith("not attempted: ")


def test_two_answers_are_not_one(capsys: pytest.CaptureFixture[str]) -> None:
    checks.lesson_00.majority_share(0.5, 0.6)
    assert capsys.readouterr().out == "wrong: hand in one answer, not 2.\n"


@pytest.mark.parametrize("place", ["function", "judge"])
def test_an_endless_answer_can_be_interrupted(place: str) -> None:
    interrupted = raising(KeyboardInterrupt())
    judge = checks.Exercise(interrupted, [], "") if place == "judge" else None
    with pytest.raises(KeyboardInterrupt):
        (judge or checks.lesson_00.majority_share)(interrupted)


def test_a_check_leaves_the_random_numbers_of_the_lesson_alone() -> None:
    state = torch.random.get_rng_state()
    checks.lesson_09.only_the_head(solution("09", "only_the_head"))
    assert torch.equal(state, torch.random.get_rng_state())
