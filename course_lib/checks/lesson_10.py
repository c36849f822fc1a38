"""Exercises of lesson 10, which strategy when."""

from __future__ import annotations

import math
from typing import Any

import torch

from course_lib.checks import Wrong, call, exercise


@exercise(
    "Set 1.96 √(p(1−p)/N) equal to `reach`, and solve for N.",
    "N = 1.96² · p(1−p) / reach², and the next whole number: `math.ceil`.",
    right="half the reach costs four times the photos. Ask this before you collect them.",
)
def photos_needed(answer: Any) -> None:
    """``answer(accuracy, reach)`` returns how many test photos the interval needs."""
    accuracy, reach = 0.9, 0.02
    spread = accuracy * (1 - accuracy)
    found = call(answer, accuracy, reach)
    try:
        found = float(found)
    except (TypeError, ValueError):
        raise Wrong(f"return one number of photos, not {found!r}.") from None
    exact = 1.96**2 * spread / reach**2

    def near(value: float) -> bool:
        return abs(found - value) <= 1.0

    if near(spread / reach**2):
        raise Wrong("that is for one standard error to either side. The interval reaches 1.96.")
    if near(1.96 * spread / reach**2):
        raise Wrong("1.96 stands before the root: when you square to get N out, square it too.")
    if near(4 * exact):
        raise Wrong("`reach` is to one side; the whole interval is twice as long.")
    if near(1.96**2 * accuracy / reach**2):
        raise Wrong("the spread of right and wrong is p(1−p), not p: with p = 1 there is none.")
    if near(1.96 * math.sqrt(spread) / reach):
        raise Wrong("N stands under the root: square both sides.")
    if near(1.96**2 * 0.25 / reach**2):
        raise Wrong("that is the worst case, p = 0.5. Use the accuracy given.")
    if found == math.floor(exact) or found == round(exact):
        raise Wrong(f"{found:.0f} photos reach a little further than {reach}: round up.")
    if found != math.ceil(exact):
        if near(exact):
            raise Wrong(f"there are no {found:.2f} photos: round up to a whole number.")
        raise Wrong(f"for accuracy {accuracy} and reach {reach}, {found:.0f} photos is not it.")
    if float(call(answer, 0.7, 0.05)) != 323:
        raise Wrong("it is right for accuracy 0.9 and reach 0.02 only: use both arguments.")


@exercise(
    "`F.one_hot(labels, K)` has a 1 at the true class and 0 elsewhere.",
    "Squares of `probabilities` minus that, summed over classes, averaged over photos.",
    right="0 is certain and right, 2 certain and wrong. It has no bins, and whoever states the "
    "true probabilities gets the least.",
)
def brier(answer: Any) -> None:
    """``answer(probabilities, labels)`` returns the Brier score."""
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.0, 1.0, 0.0]])
    labels = torch.tensor([0, 1, 1])
    truth = torch.eye(3)[labels]
    gap = probabilities - truth
    found = torch.as_tensor(call(answer, probabilities.clone(), labels.clone()), dtype=torch.float)
    if found.numel() != 1:
        raise Wrong(f"return one number, the mean over photos, not {tuple(found.shape)} of them.")
    found = found.item()

    def is_(value: torch.Tensor) -> bool:
        return abs(found - value.item()) < 1e-4

    certainty, said = probabilities.max(dim=1)
    if is_(gap.square().mean()):
        raise Wrong("that averages over classes too. Add the classes up, then average over photos.")
    if is_(gap.square().sum()):
        raise Wrong("that is the sum over photos: take their mean.")
    if is_(gap.abs().sum(dim=1).mean()):
        raise Wrong("the differences are to be squared, not made positive.")
    if is_(gap.square().sum(dim=1).sqrt().mean()):
        raise Wrong("no root: the score is the squared length itself.")
    if is_(gap[range(3), labels].square().mean()):
        raise Wrong("the classes that are not true count as well.")
    if is_((1 - certainty).square().mean()):
        raise Wrong("that never looks at `labels`: it would call every sure answer good.")
    if is_((torch.eye(3)[said] - truth).square().sum(dim=1).mean()):
        raise Wrong("that judges the answers only, 0 or 2. Judge the probabilities.")
    expected = gap.square().sum(dim=1).mean().item()
    if abs(found - expected) > 1e-4:
        raise Wrong(f"for three photos that score {expected:.3f} it says {found:.3f}.")
