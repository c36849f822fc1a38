"""Exercises of lesson 04, shared parameters."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, kind, numbers, positions, same, shown


@exercise(
    "A centre is an array of weights like any other, and `-source` is one too.",
    "Return a dictionary with four names: source, zero, half and minus.",
    right="a source that is reliably wrong is as informative as one that is reliably right: "
    "`minus` turns it round. Only a source that says nothing cannot be repaired.",
)
def more_centres(answer: object) -> None:
    """``answer(source)`` returns four centres by name."""
    for source in (np.array([2.0, -1.0, 0.5]), np.array([-0.3, 0.0, 4.0, 1.0])):
        found = call(answer, source)
        if not isinstance(found, dict):
            raise Wrong(f"`choose` takes a dictionary of names and weights, not {kind(found)}.")
        expected = {"source": source, "zero": 0 * source, "half": source / 2, "minus": -source}
        if missing := [name for name in expected if name not in found]:
            raise Wrong(f"the centre {missing[0]!r} is missing: the jury cannot choose it.")
        for name, centre in expected.items():
            weights = numbers(found[name], source.shape, f"a weight for every feature in {name!r}")
            if name == "minus" and same(weights, 1 - source):
                raise Wrong("`1 - source` turns probabilities round. Turn weights by their sign.")
            otherwise = f"for the source {source.tolist()}, {name!r} is not {shown(found[name])}."
            compare(weights, centre, otherwise)


@exercise(
    "`np.flatnonzero(y < 0)` finds the ants; a slice with a step takes every fifth of them.",
    "Join both with `np.concatenate` or `np.r_`: `ants[::5]` and all bees.",
    right="put it into a copy of `transfer`: both ways suffer from the archive's prejudice for "
    "bees, but in a pool the few balanced labels are outvoted, while the shrunk model is corrected "
    "by them sooner.",
)
def every_fifth_ant(answer: object) -> None:
    """``answer(y)`` returns the positions of every fifth ant (-1) and of all bees (+1)."""
    ants_first = np.where(np.arange(40) % 2 == 0, -1.0, 1.0)
    mixed = np.random.default_rng(0).permutation([-1.0] * 15 + [1.0] * 22)
    for y in (ants_first, mixed):
        found = call(answer, y)
        values = numbers(found, None, "positions")
        if values.size == y.size and (abs(values) == 1).all():
            raise Wrong("these are labels; return their positions.")
        found = positions(found, len(y))
        ants, kept = np.flatnonzero(y < 0), np.sort(found[y[found] < 0])
        if len(found) - len(kept) < (y > 0).sum():
            raise Wrong("some bees are lost: ants are -1 and bees are +1, only ants become rare.")
        if len(kept) != (few := len(ants) // 5):
            raise Wrong(f"of {len(ants)} ants, {len(kept)} are kept: every fifth would be {few}.")
        if not any(same(kept, ants[first::5]) for first in range(5)):
            raise Wrong("so many ants are kept, but not every fifth: a slice with a step does it.")
