"""Exercises that answer: *not attempted*, *wrong* with a hint about that very mistake, or *right*.

In a lesson, ``checks.lesson_04.more_centres(answer)`` judges an answer and prints one line.
``checks.lesson_04.more_centres.hint()`` prints the next hint. Each lesson's exercises stand in a
module of their own, which is loaded when it is asked for. A judge calls the student's function
with `call`, on two inputs at least, and reads what comes back with `numbers` and its relatives, so
that no answer, however strange, ends in an error or is taken for a right one.
"""

import copy
import dis
import functools
import importlib
import inspect
import itertools
import json
import re
import reprlib
import textwrap
import traceback
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

ELLIPSIS = "replace the dots by your answer and run the cell again"
KINDS = {str: "a text", complex: "a complex number", type(None): "nothing (None)", set: "a set"}
KINDS |= {list: "a list", tuple: "a tuple", dict: "a dictionary", type(...): "dots"}
IDLE = ("LOAD_CONST", "LOAD_FAST", "STORE_FAST", "RETURN", "RESUME", "NOP", "COPY", "UNPACK_SEQ")


class Wrong(Exception):
    """The answer is wrong; the message is a hint about the mistake."""


class NotAttempted(Exception):
    """There is no answer yet."""


class Exercise:
    """An exercise: a judge, which raises `Wrong`, and hints, from a nudge to nearly everything."""

    def __init__(self, judge: Callable[[Any], None], hints: Sequence[str], right: str) -> None:
        self.judge, self.hints, self.right = judge, tuple(hints), right
        self.name = judge.__name__
        self.__doc__ = judge.__doc__
        self._next = 0

    def __call__(self, answer: Any = ..., *more: Any) -> None:
        """Print a verdict on an answer, in one line; never raises for what a student wrote."""
        try:
            if more:
                raise Wrong(f"hand in one answer, not {1 + len(more)}.")
            if answer is None or _is_dots(answer):
                raise NotAttempted
            with torch.random.fork_rng(devices=[]):  # a judge may seed; the lesson stays as it was
                self.judge(answer)
        except NotAttempted:
            say(f"not attempted: {ELLIPSIS}. Stuck? {self.name}.hint()")
        except Wrong as mistake:
            say(f"wrong: {mistake}")
        except KeyboardInterrupt:  # the way out of an endless loop
            raise
        except BaseException as error:
            say(f"wrong: this answer cannot be judged: {shown(error)}")
        else:
            say(f"right: {self.right}")

    def hint(self) -> None:
        """Print the next hint; after the last one, begin again."""
        say(f"hint {self._next + 1} of {len(self.hints)}: {self.hints[self._next]}")
        self._next = (self._next + 1) % len(self.hints)


def say(text: str) -> None:
    """Print a reply; in the language of a folder of lessons such as ``zh/``, if it is run there."""
    print(translated(text, Path.cwd().name))


def translated(text: str, language: str) -> str:
    """A reply by the patterns of ``checks/zh.json``, where ``{}`` stands for any other text."""
    if text in (known := catalogue(language)):
        return known[text]
    for pattern, other in known.items():
        if "{" in other and (match := re.fullmatch(_pattern(pattern), text, re.DOTALL)):
            return other.format(*(translated(part, language) for part in match.groups()))
    return text


@functools.cache
def catalogue(language: str) -> dict[str, str]:
    """Replies of a language by their English, the most particular first; none for English."""
    path = Path(__file__).with_name(f"{language}.json")
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return dict(sorted(known.items(), key=lambda pair: -len(pair[0])))


@functools.cache
def _pattern(text: str) -> str:
    return "(.*)".join(map(re.escape, text.split("{}")))


def exercise(*hints: str, right: str) -> Callable[[Callable[[Any], None]], Exercise]:
    """Make an `Exercise` of the function that judges it."""
    return lambda judge: Exercise(judge, hints, right)


def call(function: Any, *arguments: Any, copies: bool = True, needed: bool = True) -> Any:
    """What a student's function returns, for copies of the arguments; if nothing, `Wrong`."""
    given = copy.deepcopy(arguments) if copies else arguments
    if not callable(function):
        raise Wrong(f"hand in the function itself, not {shown(function)} (no brackets behind it).")
    try:
        found = function(*given)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Wrong(f"your function stops with {shown(error)}") from None
    if _is_dots(found) or (found is None and _is_stub(function)):
        raise NotAttempted
    if found is None and needed:
        raise Wrong("your function returns nothing (None): did you forget `return`?")
    return found


def same(found: Any, expected: Any, tolerance: float = 1e-6) -> bool:
    """Whether two arrays of numbers have one shape and the same values, none of them nan."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    return found.shape == expected.shape and np.allclose(found, expected, atol=tolerance)


def compare(found: Any, expected: Any, hint: str, *, tolerance: float = 1e-6, **said: str) -> None:
    """Raise `Wrong` with this hint unless the answer is what is expected, by `numbers`."""
    if not same(numbers(found, np.shape(expected), **said), expected, tolerance):
        raise Wrong(hint)


def numbers(
    found: Any, shape: tuple[int, ...] | None = None, what: str = "", nan: str = ""
) -> np.ndarray:
    """The answer, of NumPy, of torch or of plain Python, as finite floats of a shape.

    ``what`` says in a hint what the numbers are, ``nan`` is the hint if they are not finite.
    """
    form = "numbers" if shape is None else kind(np.empty(shape))
    wanted = f"{what}: {form}" if what else form
    array = _array(found, wanted).astype(float)
    if shape == () and array.size == 1:  # an array of one will do
        array = array.reshape(())
    if shape is not None and array.shape != shape:
        raise Wrong(f"expected {wanted}, got {kind(array)}.")
    for odd in array[~np.isfinite(array)]:
        raise Wrong(nan or f"{odd} is not a number: a division by 0, or a mean of nothing?")
    return array[()]


def positions(found: Any, count: int, texts: str = "") -> np.ndarray:
    """The answer as positions among ``count``; ``texts`` is the hint if it is an array of those."""
    array = _array(found, "positions in one flat array", texts)
    if array.dtype == bool:
        raise Wrong("these are yes and no; return positions, as `np.flatnonzero` gives them.")
    array = numbers(array)
    if array.ndim != 1 or not array.size:
        raise Wrong(f"expected positions in one flat array, got {kind(array)}.")
    if (array % 1).any() or array.min() < 0 or array.max() >= count:
        raise Wrong(f"positions are whole numbers from 0 to {count - 1}; some of yours are not.")
    if len(set(array.tolist())) < len(array):
        raise Wrong("a position is there twice. If you draw, draw without replacement.")
    return array.astype(int)


def items(found: Any, what: str, count: int | None = None) -> list[Any]:
    """The answer as a list, from any collection or iterator (of which the first thousand)."""
    if isinstance(found, (str, bytes, dict)) or not hasattr(type(found), "__iter__"):
        raise Wrong(f"expected {what}, got {kind(found)}.")
    found = list(itertools.islice(found, 1000))
    if count not in (None, len(found)):
        raise Wrong(f"return {what}, not {len(found)}.")
    return found


def kind(value: Any) -> str:
    """What an answer is, in the words of a hint: "a text", "3 numbers", "a function"."""
    if isinstance(value, (Real, np.ndarray, np.generic, torch.Tensor)):
        shape = tuple(np.shape(value))
        flat = f"{shape[0]} numbers" if shape else "one number"
        return f"an array of shape {shape}" if len(shape) > 1 else flat
    if callable(value):
        return "a class" if isinstance(value, type) else "a function"
    return KINDS.get(type(value), f"an object of type {type(value).__name__}")


def shown(value: Any) -> str:
    """An answer or an error as it stands in a hint: in one line, and cut if it is long."""
    is_error = isinstance(value, BaseException)
    text = "".join(traceback.format_exception_only(value)) if is_error else reprlib.repr(value)
    return textwrap.shorten(text.encode("utf-8", "replace").decode(), 200, placeholder=" …")


def _array(found: Any, wanted: str, texts: str = "") -> np.ndarray:
    """An array of booleans, whole numbers or floats; `Wrong` if the answer is something else."""
    try:
        array = np.asarray(_plain(found))
        if array.dtype == object and all(isinstance(each, (Real, Decimal)) for each in array.flat):
            array = array.astype(float)
    except Exception:
        raise Wrong(f"expected {wanted}, got {kind(found)} that holds other things.") from None
    if array.dtype.kind not in "biuf":
        other = {"U": "texts", "c": "complex numbers"}.get(array.dtype.kind, "objects")
        if texts and other == "texts":
            raise Wrong(texts)
        alone = array.ndim == 0 and not isinstance(found, (np.ndarray, np.generic))
        got = kind(found) if alone else f"{KINDS.get(type(found), 'an array')} of {other}"
        raise Wrong(f"expected {wanted}, got {got}.")
    return array


def _plain(found: Any) -> Any:
    """The answer with NumPy arrays in place of tensors, also inside lists."""
    if isinstance(found, torch.Tensor):
        found = found.detach().cpu()
        return (found.double() if found.is_floating_point() else found).numpy()
    return [_plain(each) for each in found] if isinstance(found, (list, tuple)) else found


def _is_dots(value: Any) -> bool:
    """Whether an answer is the dots of the exercise still, or a collection of nothing but them."""
    parts = value.values() if isinstance(value, dict) else value
    inside = isinstance(value, (list, tuple, dict)) and bool(value)
    return value is ... or (inside and all(map(_is_dots, parts)))


def _is_stub(function: Any) -> bool:
    """Whether there is nothing in a function but dots, and names for them."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and all(
        step.opname.startswith(IDLE)
        and (step.argval is None or "CONST" not in step.opname or _is_dots(step.argval))
        for step in dis.get_instructions(code)
    )


def __getattr__(name: str) -> ModuleType:
    """Load the exercises of a lesson when they are asked for."""
    if name.startswith("lesson_"):
        try:
            return importlib.import_module(f"course_lib.checks.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"course_lib.checks.{name}":
                raise
    raise AttributeError(f"there are no checks named {name!r}: expected for example lesson_04.")
