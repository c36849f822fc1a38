"""Exercises of lesson 10, which strategy when."""

import math

import torch

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "Set 1.96 √(p(1−p)/N) equal to `reach`, and solve for N.",
    "N = 1.96² · p(1−p) / reach², and the next whole number: `math.ceil`.",
    right="half the reach costs four times the photos. Ask this before you collect them.",
)
def photos_needed(answer: object) -> None:
    """``answer(accuracy, reach)`` returns how many test photos the interval needs."""
    accuracy, reach = 0.9, 0.02
    spread = accuracy * (1 - accuracy)
    exact = 1.96**2 * spread / reach**2
    found = numbers(call(answer, accuracy, reach), (), "how many photos")
    if same(found, spread / reach**2, 1):
        raise Wrong("that is for one standard error to either side. The interval reaches 1.96.")
    if same(found, 1.96 * spread / reach**2, 1):
        raise Wrong("1.96 stands before the root: when you square to get N out, square it too.")
    if same(found, 4 * exact, 1):
        raise Wrong("`reach` is to one side; the whole interval is twice as long.")
    if same(found, 1.96**2 * accuracy / reach**2, 1):
        raise Wrong("the spread of right and wrong is p(1−p), not p: with p = 1 there is none.")
    if same(found, 1.96 * math.sqrt(spread) / reach, 1):
        raise Wrong("N stands under the root: square both sides.")
    if same(found, 1.96**2 / 4 / reach**2, 1):
        raise Wrong("that is the worst case, p = 0.5. Use the accuracy given.")
    if found == math.floor(exact):
        raise Wrong(f"{found:.0f} photos reach a little further than {reach}: round up.")
    if same(found, exact, 1) and found % 1:
        raise Wrong(f"there are no {found:.2f} photos: round up to a whole number.")
    hint = f"for accuracy {accuracy} and reach {reach}, {found:.0f} photos is not it."
    compare(found, math.ceil(exact), hint)
    both = "it is right for accuracy 0.9 and reach 0.02 only: use both arguments."
    compare(call(answer, 0.7, 0.05), 323, both)


@exercise(
    "`F.one_hot(labels, K)` has a 1 at the true class and 0 elsewhere.",
    "Squares of `probabilities` minus that, summed over classes, averaged over photos.",
    right="0 is certain and right, 2 certain and wrong. It has no bins, and whoever states the "
    "true probabilities gets the least.",
)
def brier(answer: object) -> None:
    """``answer(probabilities, labels)`` returns the Brier score."""
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.0, 1.0, 0.0]])
    labels = torch.tensor([0, 1, 1])
    truth = torch.eye(3)[labels]
    gap = probabilities - truth
    found = numbers(call(answer, probabilities, labels), (), "the mean over photos")
    certainty, said = probabilities.max(dim=1)
    if same(found, gap.square().mean(), 1e-4):
        raise Wrong("that averages over classes too. Add them up, then average over photos.")
    if same(found, gap.square().sum(), 1e-4):
        raise Wrong("that is the sum over photos: take their mean.")
    if same(found, gap.abs().sum(dim=1).mean(), 1e-4):
        raise Wrong("the differences are to be squared, not made positive.")
    if same(found, gap.norm(dim=1).mean(), 1e-4):
        raise Wrong("no root: the score is the squared length itself.")
    if same(found, gap[range(3), labels].square().mean(), 1e-4):
        raise Wrong("the classes that are not true count as well.")
    if same(found, (1 - certainty).square().mean(), 1e-4):
        raise Wrong("that never looks at `labels`: it would call every sure answer good.")
    if same(found, (torch.eye(3)[said] - truth).square().sum(dim=1).mean(), 1e-4):
        raise Wrong("that judges the answers only, 0 or 2. Judge the probabilities.")
    score = gap.square().sum(dim=1).mean()
    hint = f"for three photos that score {score:.3f} it says {found:.3f}."
    compare(found, score, hint, tolerance=1e-4)
    two = torch.tensor([[0.9, 0.1], [0.3, 0.7]]), torch.tensor([0, 0])
    compare(call(answer, *two), 0.5, "for two photos that score 0.5 it is wrong.", tolerance=1e-4)
