"""Exercises of lesson 04, shared parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_lib.checks import Wrong, call, exercise


@exercise(
    "A centre is an array of weights like any other, and `-source` is one too.",
    "Return a dictionary with four names: source, zero, half and minus.",
    right="a source that is reliably wrong is as informative as one that is reliably right: "
    "`minus` turns it round. Only a source that says nothing cannot be repaired.",
)
def more_centres(answer: Any) -> None:
    """``answer(source)`` returns four centres by name."""
    source = np.array([2.0, -1.0, 0.5])
    found = call(answer, source)
    if not isinstance(found, dict):
        raise Wrong(
            f"`choose` takes a dictionary of names and weights, not a {type(found).__name__}."
        )
    expected = {"source": source, "zero": 0 * source, "half": source / 2, "minus": -source}
    if missing := [name for name in expected if name not in found]:
        raise Wrong(f"the centre {missing[0]!r} is missing: without it the jury cannot choose it.")
    for name, centre in expected.items():
        weights = np.asarray(found[name], dtype=float)
        if weights.shape != source.shape:
            raise Wrong(
                f"{name!r} has shape {weights.shape}, but a centre has a weight for every feature: "
                f"{source.shape}."
            )
        if name == "minus" and np.allclose(weights, 1 - source):
            raise Wrong("`1 - source` turns probabilities round. Weights are turned by their sign.")
        if not np.allclose(weights, centre):
            raise Wrong(f"for the source {source.tolist()}, {name!r} is not {weights.tolist()}.")


@exercise(
    "`np.flatnonzero(y < 0)` finds the ants; a slice with a step takes every fifth of them.",
    "Join both with `np.concatenate` or `np.r_`: `ants[::5]` and all bees.",
    right="put it into a copy of `transfer`: both ways suffer from the archive's prejudice for "
    "bees, but in a pool the few balanced labels are outvoted, while the shrunk model is corrected "
    "by them sooner.",
)
def every_fifth_ant(answer: Any) -> None:
    """``answer(y)`` returns the positions of every fifth ant (-1) and of all bees (+1)."""
    y = np.where(np.arange(40) % 2 == 0, -1.0, 1.0)
    found = np.asarray(call(answer, y))
    if found.dtype == bool:
        raise Wrong("these are yes and no; return positions, as `np.flatnonzero` gives them.")
    if len(found) == len(y) and set(np.unique(found)) <= {-1.0, 1.0}:
        raise Wrong("these are labels; return their positions.")
    if found.size and (found.min() < 0 or found.max() >= len(y)):
        raise Wrong(f"some positions lie outside 0 to {len(y) - 1}.")
    kept = y[found.astype(int)]
    if (kept > 0).sum() < 20:
        raise Wrong("some bees are lost: ants are -1 and bees are +1, and only ants become rare.")
    if (kept < 0).sum() != 4:
        raise Wrong(f"of 20 ants, {(kept < 0).sum()} are kept: every fifth would be 4.")
    if len(set(found.tolist())) != len(found):
        raise Wrong("an image is in the list twice.")
