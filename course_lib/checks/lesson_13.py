"""Exercises of lesson 13, beyond one GPU and beyond this course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from course_lib.checks import Wrong, call, exercise


@exercise(
    "A share of eight images speaks for eight, a share of four for four.",
    "Multiply each gradient by its count, add up, and divide by the sum of the counts.",
    right="a mean of means needs weights. `course_lib.distributed` puts them into the averaging of "
    "DistributedDataParallel, so that the last, smaller batch does no harm.",
)
def combine(answer: Any) -> None:
    """``answer(gradients, counts)``: the gradient of the mean loss over all images."""
    gradients = [torch.tensor([1.0, 0.0, -2.0]), torch.tensor([4.0, 3.0, 1.0])]
    counts = [8, 4]
    found = call(answer, [g.clone() for g in gradients], list(counts))
    found = _as_numbers(found)
    expected = np.array([2.0, 1.0, -1.0])
    if found.shape != expected.shape:
        raise Wrong(f"a gradient has as many numbers as it had, here 3; yours is {found.shape}.")
    if np.allclose(found, [2.5, 1.5, -0.5]):
        raise Wrong("that is the plain mean: an image of the small share counts twice as much.")
    if np.allclose(found, 12 * expected):
        raise Wrong("that is the sum over all images; the loss is their mean.")
    if np.allclose(found, 6 * expected):
        raise Wrong("divide by the number of images, not by the number of shares.")
    if np.allclose(found, [3.0, 2.0, 0.0]):
        raise Wrong("the weights are exchanged: the larger share must weigh more.")
    if not np.allclose(found, expected):
        raise Wrong(f"of shares of 8 and 4 images the gradient is not {found.round(3).tolist()}.")
    three = [torch.full((2,), value) for value in (1.0, 2.0, 6.0)]
    if not np.allclose(_as_numbers(call(answer, three, [1, 1, 2])), 3.75):
        raise Wrong("two shares are right, three are not: take as many as there are.")


def _as_numbers(found: Any) -> np.ndarray:
    try:
        return np.asarray(found, dtype=float)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"expected one gradient, not a {type(found).__name__}.") from None


@exercise(
    "Go class by class: `np.flatnonzero(labels == name)` has the positions of one of them.",
    "`rng.permutation(there)[:kept]` draws some of them without repeating any.",
    right="a few images of every old class, drawn at random: that is all that replay needs. Which "
    "few are best is a question of its own (iCaRL, below, takes those nearest the class mean).",
)
def memory(answer: Any) -> None:
    """``answer(labels, old, kept, rng)``: positions of ``kept`` images of each old class."""
    labels = np.repeat(np.array([7, 1, 3, 0, 9]), 12)
    for old in ([1, 9], [0, 3, 7]):
        _check_memory(call(answer, labels, list(old), 4, np.random.default_rng(0)), labels, old)
    again = [call(answer, labels, [1, 9], 4, np.random.default_rng(seed)) for seed in range(5)]
    if len({tuple(sorted(np.asarray(found).tolist())) for found in again}) == 1:
        raise Wrong("the same images whatever `rng` says: draw them, the first are not typical.")


def _check_memory(found: Any, labels: np.ndarray, old: Sequence[int]) -> None:
    found = np.asarray(found)
    if found.dtype == bool:
        raise Wrong("these are yes and no; return positions, as `np.flatnonzero` gives them.")
    if found.ndim != 1 or found.size == 0 or not np.issubdtype(found.dtype, np.integer):
        raise Wrong(f"expected one flat array of positions, not one of shape {found.shape}.")
    if found.min() < 0 or found.max() >= len(labels):
        raise Wrong(f"some positions lie outside 0 to {len(labels) - 1}.")
    if len(set(found.tolist())) < len(found):
        raise Wrong("an image is in the memory twice: draw without replacement.")
    classes, counts = np.unique(labels[found], return_counts=True)
    if not set(classes) <= set(old):
        strange = sorted(set(classes.tolist()) - set(old))
        raise Wrong(f"class {strange[0]} is in the memory, but not among the old ones.")
    if set(classes) != set(old) or set(counts.tolist()) != {4}:
        shown = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        raise Wrong(f"4 images of each of {list(old)} were asked for; yours are {shown}.")
