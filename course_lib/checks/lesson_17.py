"""Exercises of lesson 17, adaptation while predicting."""

import numpy as np
import torch

from course_lib.checks import call, compare, exercise, numbers, same


def _judge(found: object, right: np.ndarray, mistakes: list[tuple[str, np.ndarray]]) -> None:
    found = numbers(found, right.shape, "the input, moved")
    said = [hint for hint, values in mistakes if same(found, values, 1e-4)]
    said += [f"the first number should be {right.flat[0]:.4f}."]
    compare(found, right, said[0], tolerance=1e-4)


@exercise(
    "Each channel has one mean and one variance: over pictures, rows and columns of its maps.",
    "`torch.var_mean(x, dim=(0, 2, 3), unbiased=False, keepdim=True)`, and scale[:, None, None].",
    right="scale and shift are learned. The statistics are not: any pictures can supply them.",
)
def batch_norm(answer: object) -> None:
    """``answer(x, scale, shift, eps)``: BatchNorm by the batch's own statistics."""
    told = [f"average over {what} as well." for what in ("pictures", "rows and columns")]
    told += ["one mean for all channels: keep them apart."]
    told += ["`var` divides by n - 1 unless `unbiased=False`.", *told]
    told += 2 * ["eps is missing under the root."] + ["the root is missing."]
    told += 2 * ["scale multiplies, shift is added last."]
    for size, eps in ((3, 0.1), (4, 0.5)):
        x, count = np.random.default_rng(0).normal(2, 3, (5, size, 2, 4)), np.arange(1.0, size + 1)
        ways = [(x.mean(at, keepdims=True), x.var(at, ddof=less, keepdims=True) + eps)
                for less in (0, 1) for at in ((0, 2, 3), (2, 3), 0, (0, 1, 2, 3))]  # fmt: skip
        m, v = ways[0][0], ways[0][1] - eps
        ways += [(m, w) for w in (v, (v**0.5 + eps) ** 2, (v + eps) ** 2)]
        normal = [(x - m) / v**0.5 for m, v in ways]
        scale, shift = count[:, None, None], 5 * count[:, None, None]
        right, *mistakes = (values * scale + shift for values in normal)
        mistakes += [normal[0] * shift + scale, (normal[0] + shift) * scale]
        found = call(answer, *map(torch.tensor, (x, count, count * 5)), eps)
        _judge(found, right, list(zip(told, mistakes, strict=True)))


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
        means = {"that looks at pictures to come.": mean[-1],
                 "that looks at pictures to come, and leaves out the day's mean.": z.mean(axis=0),
                 "the day's mean counts as `prior` pictures, yours as 0.": total / n,
                 "the day's mean counts as `prior` pictures, yours as 1.": (day + total) / (1 + n),
                 "a picture counts in its own mean.": (mean * (prior + n) - z) / (prior + n - 1),
                 "n begins with 1, not with 0.": mean * (prior + n) / (prior + n - 1),
                 "add the day's mean again: the head expects it.": mean + day}  # fmt: skip
        mistakes = [(hint, z - other + day) for hint, other in means.items()]
        _judge(call(answer, z, day, prior), z - mean + day, mistakes)
