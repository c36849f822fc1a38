"""Exercises of lesson 02, instance-based transfer."""

import numpy as np
from scipy.spatial.distance import cdist

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "The ratio again: share in the target over share in the source, for each of the two classes.",
    "`np.where(labels == 1, share / labels.mean(), (1 - share) / (1 - labels.mean()))`",
    right="that is an importance weight too, for a shift in P(Y): and its mean is 1 by itself.",
)
def class_weights(answer: object) -> None:
    """``answer(labels, share)``: weights with which class 1 has this share; mean 1."""
    labels = np.array([1] * 2 + [0] * 8)
    found = numbers(call(answer, labels, 0.6), labels.shape, "a weight for every example")
    if (found < 0).any() or not found.any():
        raise Wrong("weights are not negative, and not all zero.")
    got = found[labels == 1].sum() / found.sum()
    if same(got, 0.4):
        raise Wrong("the weights of the two classes have changed places.")
    if same(found, np.where(labels == 1, 0.6, 0.4)):
        raise Wrong("that forgets how frequent the classes are in the source: divide by that.")
    compare(got, 0.6, f"asked for a share of 0.6, class 1 gets {got:.2f} of the weight.")
    mean = found.mean()
    compare(mean, 1, f"the shares are right; the mean weight is {mean:.3g}, not 1.")
    compare(found, [3] * 2 + [0.5] * 8, "examples of the same class should weigh the same.")
    other = "it is right for a share of 0.6 only: use `share` and the labels."
    compare(call(answer, np.array([0, 1, 1, 1]), 0.3), [2.8, 0.4, 0.4, 0.4], other)


@exercise(
    "For one width: sum the bumps at the source and at the held-out examples. Divide both by the "
    "source's mean.",
    "`np.exp(-((cdist(x, target) / width) ** 2)).sum(axis=1)` is the sum of the bumps at x.",
    "The score of a width is `np.log(at_held_out / at_source.mean() + 1e-300).mean()`; return the "
    "width with the highest.",
    right="a width chosen without a single label. KLIEP does the same with bumps of unequal "
    "height.",
)
def choose_width(answer: object) -> None:
    """``answer(source, target, held_out, widths)``: the width of the highest likelihood."""
    cases = ([0.01, 0.3, 30.0], [20.0, 0.4, 0.02], [9.0, 2.0, 0.5], [0.2, 0.5, 9.0])
    for seed, widths in enumerate(cases):
        rng = np.random.default_rng(seed)
        source = rng.normal(0, 1.5, (60, 2))
        target, held_out = rng.normal(1, 0.4, (40, 2)), rng.normal(1, 0.4, (20, 2))
        said = call(answer, source, target, held_out, widths)
        found = float(numbers(said, (), "one of the widths"))
        if not any(same(found, width) for width in widths):
            if found in (0, 1, 2):
                raise Wrong("that is a position among the widths; return the width itself.")
            raise Wrong(f"expected one of the widths, {widths}, not {found:.3g}.")
        if same(found, max(widths)):
            raise Wrong("the widest bumps are high everywhere. Divide by the source's mean weight.")
        best = max(widths, key=lambda width: _likelihood(source, target, held_out, width))
        if same(found, min(widths)) and found != best:
            raise Wrong("that is the narrowest: the mean of logs, of `held_out`, not of `target`?")
        compare(found, best, f"expected {best}, not {found}.")


def _likelihood(source, target, held_out, width: float) -> float:
    at_source, at_held_out = (
        np.exp(-((cdist(x, target) / width) ** 2)).sum(axis=1) for x in (source, held_out)
    )
    return float(np.log(at_held_out / at_source.mean() + 1e-300).mean())
