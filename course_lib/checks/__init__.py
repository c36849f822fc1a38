"""Exercises that answer: *not attempted*, *wrong* with a hint about that very mistake, or *right*.

In a lesson, ``checks.lesson_04.more_centres(answer)`` judges an answer and prints one line.
``checks.lesson_04.more_centres.hint()`` prints the next hint. Each lesson's exercises stand in a
module of their own, which is loaded when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

ELLIPSIS = "replace the dots by your answer and run the cell again"


class Wrong(Exception):
    """The answer is wrong; the message is a hint about the mistake."""


class NotAttempted(Exception):
    """There is no answer yet."""


class Exercise:
    """An exercise of a lesson, called with an answer.

    Parameters
    ----------
    judge : callable
        Takes the answer and raises :class:`Wrong` if it is wrong. It must not depend on a data
        set or on anything a notebook computed.
    hints : sequence of str
        From a nudge to nearly everything.
    right : str
        What it means to have found the answer.
    """

    def __init__(self, judge: Callable[[Any], None], hints: Sequence[str], right: str) -> None:
        self.judge, self.hints, self.right = judge, tuple(hints), right
        self.name = judge.__name__
        self.__doc__ = judge.__doc__
        self._next = 0

    def __call__(self, answer: Any = ...) -> None:
        """Print a verdict on an answer, in one line; never raises for what a student wrote."""
        try:
            if answer is ... or answer is None:
                raise NotAttempted
            self.judge(answer)
        except NotAttempted:
            print(f"not attempted: {ELLIPSIS}. Stuck? {self.name}.hint()")
        except Wrong as mistake:
            print(f"wrong: {mistake}")
        else:
            print(f"right: {self.right}")

    def hint(self) -> None:
        """Print the next hint; after the last one, begin again."""
        print(f"hint {self._next + 1} of {len(self.hints)}: {self.hints[self._next]}")
        self._next = (self._next + 1) % len(self.hints)


def exercise(*hints: str, right: str) -> Callable[[Callable[[Any], None]], Exercise]:
    """Make an :class:`Exercise` of the function that judges it."""
    return lambda judge: Exercise(judge, hints, right)


def call(function: Any, *arguments: Any) -> Any:
    """Call a student's function.

    Parameters
    ----------
    function : Any
        What the student handed in.
    *arguments
        What to call it with.

    Returns
    -------
    Any
        What it returned.

    Raises
    ------
    Wrong
        If it is no function, or stops with an error.
    """
    if not callable(function):
        raise Wrong(f"hand in the function itself, not {function!r} (no brackets behind its name).")
    try:
        found = function(*arguments)
    except Exception as error:
        raise Wrong(f"your function stops with {type(error).__name__}: {error}") from None
    if found is ... or found is None:
        raise NotAttempted
    return found


def __getattr__(name: str) -> ModuleType:
    """Load the exercises of a lesson when they are asked for."""
    if name.startswith("lesson_"):
        try:
            return importlib.import_module(f"course_lib.checks.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"course_lib.checks.{name}":
                raise
    raise AttributeError(f"there are no checks named {name!r}: expected for example lesson_04.")
