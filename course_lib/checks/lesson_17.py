"""Exercises of lesson 17, adaptation while predicting."""

import itertools

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


def _judge(found: object, right: np.ndarray, mistakes: dict[str, np.ndarray]) -> None:
    found = numbers(found, right.shape, "the input, moved")
    for hint, values in mistakes.items():
        if same(found, values, 1e-4):
            raise Wrong(hint)
    compare(found, right, f"the first number should be {right.flat[0]:.4f}.", tolerance=1e-4)


@exercise(
    "Each channel has one mean and one variance: over pictures, rows and columns of its maps.",
    "`torch.var_mean(x, dim=(0, 2, 3), unbiased=False, keepdim=True)`, and scale[:, None, None].",
    right="scale and shift are learned. The statistics are not: any pictures can supply them.",
)
def batch_norm(answer: object) -> None:
    """``answer(x, scale, shift, eps)``: BatchNorm by the batch's own statistics."""
    told = [f"average over {what} as well." for what in ("pictures", "rows and columns")]
    told += ["one mean for all channels: keep them apart.", "eps is missing under the root."]
    told += ["eps is outside the root: add it to the variance.", "the root is missing."]
    told += ["`var` divides by n - 1 unless told `unbiased=False`."]
    for size, eps in ((3, 0.1), (4, 0.5)):
        x, count = np.random.default_rng(0).normal(2, 3, (5, size, 2, 4)), np.arange(1.0, size + 1)
        places = ((0, 2, 3), (2, 3), 0, (0, 1, 2, 3))
        means, variances = ([f(x, at, keepdims=True) for at in places] for f in (np.mean, np.var))
        var = variances[0]
        by = [np.sqrt(each + eps) for each in variances] + [np.sqrt(var), np.sqrt(var) + eps]
        by += [var + eps, np.sqrt(var * 40 / 39 + eps)]
        pairs = itertools.zip_longest(means, by, fillvalue=means[0])
        right, *mistakes = (((x - mean) / root + 5) * count[:, None, None] for mean, root in pairs)
        found = call(answer, *map(torch.tensor, (x, count, count * 5)), eps)
        _judge(found, right, dict(zip(told, mistakes, strict=True)))


@exercise(
    "After n features the mean is (prior · day + their sum) / (prior + n).",
    "`np.cumsum(z, axis=0)` and `np.arange(1, len(z) + 1)[:, None]` need no loop.",
    right="a stream of single pictures can adapt. The first answers lean on the day's mean.",
)
def one_by_one(answer: object) -> None:
    """``answer(z, day, prior)``: each feature less the mean of those so far, plus the day's."""
    for size, prior in ((6, 4), (9, 16)):
        z, day = np.random.default_rng(0).normal(3, 1, (size, 3)), np.arange(3) / 7
        n, total = np.arange(1, size + 1)[:, None], np.cumsum(z, axis=0)
        mean = (prior * day + total) / (prior + n)
        mistakes = {"that looks at pictures to come.": z - mean[-1] + day,
                    "add the day's mean again: the head expects it.": z - mean,
                    "a picture counts in its own mean, too.":
                    z - (prior * day + total - z) / (prior + n - 1) + day,
                    "n begins with 1: `np.arange(1, len(z) + 1)`.":
                    z - (prior * day + total) / (prior + n - 1) + day}  # fmt: skip
        for p in (0, 1):
            as_p = f"the day's mean counts as `prior` pictures, yours as {p}."
            mistakes[as_p] = z - (p * day + total) / (p + n) + day
        _judge(call(answer, z, day, prior), z - mean + day, mistakes)
