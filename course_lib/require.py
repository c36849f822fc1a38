"""Checks of the values people type, so that a slip is named at once and not an hour later.

papermill only warns about a misspelt parameter, and torch accepts a learning rate of ``nan``. Each
function here returns the value when it is good and otherwise raises one ``ValueError`` that says
what was wrong, what was expected and what to do.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection
from typing import Any


def whole(name: str, value: Any, at_least: int = 0) -> int:
    """Check an integer such as a number of epochs.

    Parameters
    ----------
    name : str
        What the value is called, for the message.
    value : Any
        The value to check; bool and float are refused even where they are whole.
    at_least : int
        Smallest value allowed.

    Returns
    -------
    int
        ``value`` itself.

    Raises
    ------
    ValueError
        If it is not an ``int`` or is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ValueError(f"{name} is {value!r}: expected a whole number of {at_least} or more.")
    return value


def number(name: str, value: Any, above: float = -math.inf, at_most: float = math.inf) -> float:
    """Check a finite number such as a learning rate.

    Parameters
    ----------
    name : str
        What the value is called, for the message.
    value : Any
        The value to check: an ``int`` or ``float``, finite.
    above, at_most : float
        Allowed range ``above < value <= at_most``.

    Returns
    -------
    float
        ``value`` itself.

    Raises
    ------
    ValueError
        If it is no finite number or out of range.
    """
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not above < value <= at_most:
        limits = [f"above {above:g}"] if above > -math.inf else []
        limits += [f"at most {at_most:g}"] if at_most < math.inf else []
        wanted = " and ".join(limits)
        raise ValueError(f"{name} is {value!r}: expected a finite number {wanted}".rstrip() + ".")
    return value


def one_of(name: str, value: Any, choices: Collection[str], otherwise: str = "") -> str:
    """Check a name against the names there are.

    Parameters
    ----------
    name : str
        What the value is called, for the message.
    value : Any
        The value to check.
    choices : collection of str
        The names allowed.
    otherwise : str
        What else would have been possible, added to the message.

    Returns
    -------
    str
        ``value`` itself.

    Raises
    ------
    ValueError
        If it is none of the choices; the message offers the closest.
    """
    if value in choices:
        return value
    close = difflib.get_close_matches(str(value), choices, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(sorted(choices)) if len(choices) <= 12 else f"one of {len(choices)} names"
    raise ValueError(f"{name} is {value!r}: expected {listed}{otherwise}.{hint}")


_RULES = {
    "image_size": lambda name, value: whole(name, value, 8),
    "batch_size": lambda name, value: whole(name, value, 1),
    "epochs": lambda name, value: whole(name, value, 0),
    "draws": lambda name, value: whole(name, value, 1),
    "photo": lambda name, value: whole(name, value, 0),
    "seeds": lambda name, value: whole(name, value, 1),
    "seed": lambda name, value: whole(name, value, 0),
    "learning_rate": lambda name, value: number(name, value, above=0.0),
    "momentum": lambda name, value: number(name, value, above=-1e-9, at_most=1.0),
    "step_size": lambda name, value: whole(name, value, 1),
    "steps": lambda name, value: whole(name, value, 1),
    "per_class": lambda name, value: whole(name, value, 1),
    "rounds": lambda name, value: whole(name, value, 1),
    "processes": lambda name, value: whole(name, value, 1),
    "dimensions": lambda name, value: whole(name, value, 1),
    "neighbours": lambda name, value: whole(name, value, 1),
    "outbreaks": lambda name, value: whole(name, value, 1),
    "computers": lambda name, value: whole(name, value, 100),
    "strength": lambda name, value: number(name, value, above=0.0),
    "fraction": lambda name, value: number(name, value, above=-1e-9, at_most=1.0),
    "gamma": lambda name, value: number(name, value, above=0.0, at_most=1.0),
}


def parameters(**values: Any) -> None:
    """Check the parameters of a lesson, all at once, before anything slow begins.

    Parameters
    ----------
    **values
        Parameters by name. A name ending in ``_epochs`` is checked like ``epochs``, and so on.
        Names of data sets, backbones and devices are checked by the functions that take them.

    Raises
    ------
    ValueError
        One error that lists every bad value.
    """
    problems = []
    for name, value in values.items():
        matching = [rule for key, rule in _RULES.items() if f"_{name}".endswith(f"_{key}")]
        if not matching:
            raise TypeError(f"require.parameters knows no rule for {name!r}.")
        try:
            matching[0](name, value)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError(" ".join(problems))
