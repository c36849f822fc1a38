"""Exercises of lesson 02, instance-based transfer."""

import numpy as np

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
    "Multiply the weights where `wrong` is True by `down`, which is smaller than 1.",
    "Then divide all weights by their sum.",
    right="the others gain though nothing was done to them: what is taken from the doubtful goes "
    "to the rest.",
)
def distrust(answer: object) -> None:
    """``answer(weights, wrong, down)``: weights of the archive after a round, summing to 1."""
    weights, wrong = np.full(4, 0.25), np.array([True, False, False, False])
    found = numbers(call(answer, weights, wrong, 0.5), weights.shape)
    if found[0] > found[1]:
        raise Wrong(
            "the doubtful example has gained. That is AdaBoost's rule, for *target* examples: an "
            "archive example that is contradicted loses."
        )
    if found[0] == 0:
        raise Wrong("do not throw it out at once: the model may be wrong. Multiply by `down`.")
    if not same(found.sum(), 1):
        raise Wrong(f"the weights sum to {found.sum():.3g}: divide them by their sum.")
    half = "the doubtful example should weigh half as much as each of the others."
    compare(found, np.array([1, 2, 2, 2]) / 7, half)
    second = "the first round is right, the second not: start from the weights given."
    compare(call(answer, found, wrong, 0.5), np.array([1, 4, 4, 4]) / 13, second)
    other = "it is right for a `down` of 0.5 only."
    compare(call(answer, weights, ~wrong, 0.2), np.array([5, 1, 1, 1]) / 8, other)
