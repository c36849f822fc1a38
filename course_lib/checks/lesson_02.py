"""Exercises of lesson 02, instance-based transfer."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_lib.checks import Wrong, call, exercise


@exercise(
    "The ratio again: share in the target over share in the source, for each of the two classes.",
    "`np.where(labels == 1, share / labels.mean(), (1 - share) / (1 - labels.mean()))`",
    right="that is an importance weight too, for a shift in P(Y): and its mean is 1 by itself.",
)
def class_weights(answer: Any) -> None:
    """``answer(labels, share)``: weights with which class 1 has this share; mean 1."""
    labels = np.array([1] * 2 + [0] * 8)
    found = np.asarray(call(answer, labels, 0.6), dtype=float)
    if found.shape != labels.shape:
        raise Wrong(f"expected a weight for every example, {labels.shape}, not {found.shape}.")
    if (found < 0).any() or not found.sum() > 0:
        raise Wrong("weights are not negative, and not all zero.")
    got = found[labels == 1].sum() / found.sum()
    if abs(got - 0.4) < 1e-9:
        raise Wrong("the weights of the two classes have changed places.")
    if np.allclose(found, np.where(labels == 1, 0.6, 0.4)):
        raise Wrong(
            "that forgets how frequent the classes are in the source: divide by their share there."
        )
    if abs(got - 0.6) > 1e-9:
        raise Wrong(f"asked for a share of 0.6, class 1 gets {got:.2f} of the weight.")
    if abs(found.mean() - 1) > 1e-9:
        raise Wrong(f"the shares are right; the mean weight is {found.mean():.3g}, not 1.")


@exercise(
    "Multiply the weights where `wrong` is True by `down`, which is smaller than 1.",
    "Then divide all weights by their sum.",
    right="the others gain though nothing was done to them: what is taken from the doubtful goes "
    "to the rest.",
)
def distrust(answer: Any) -> None:
    """``answer(weights, wrong, down)``: weights of the archive after a round, summing to 1."""
    weights, wrong = np.full(4, 0.25), np.array([True, False, False, False])
    found = np.asarray(call(answer, weights.copy(), wrong, 0.5), dtype=float)
    if found.shape != weights.shape:
        raise Wrong(f"expected {len(weights)} weights, not shape {found.shape}.")
    if found[0] > found[1]:
        raise Wrong(
            "the doubtful example has gained. That is AdaBoost's rule, for *target* examples: an "
            "archive example that is contradicted loses."
        )
    if found[0] == 0:
        raise Wrong("do not throw it out at once: the model may be wrong. Multiply by `down`.")
    if abs(found.sum() - 1) > 1e-9:
        raise Wrong(f"the weights sum to {found.sum():.3g}: divide them by their sum.")
    if not np.allclose(found, np.array([1, 2, 2, 2]) / 7):
        raise Wrong("the doubtful example should weigh half as much as each of the others.")
    again = np.asarray(call(answer, found.copy(), wrong, 0.5), dtype=float)
    if not np.allclose(again, np.array([1, 4, 4, 4]) / 13):
        raise Wrong("the first round is right, the second not: start from the weights given.")
