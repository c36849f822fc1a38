"""Exercises of lesson 13, beyond one GPU and beyond this course."""

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, numbers, positions, same


@exercise(
    "A share of eight images speaks for eight, a share of four for four.",
    "Multiply each gradient by its count, add up, and divide by the sum of the counts.",
    right="a mean of means needs weights. `course_lib.tools.finetune` puts them into the averaging "
    "of DistributedDataParallel, so that the last, smaller batch does no harm.",
)
def combine(answer: object) -> None:
    """``answer(gradients, counts)``: the gradient of the mean loss over all images."""
    gradients = [torch.tensor([1.0, 0.0, -2.0]), torch.tensor([4.0, 3.0, 1.0])]
    expected = np.array([2.0, 1.0, -1.0])
    found = numbers(call(answer, gradients, [8, 4]), (3,), "one gradient, as long as each of them")
    if same(found, [2.5, 1.5, -0.5]):
        raise Wrong("that is the plain mean: an image of the small share counts twice as much.")
    if same(found, 12 * expected):
        raise Wrong("that is the sum over all images; the loss is their mean.")
    if same(found, 6 * expected):
        raise Wrong("divide by the number of images, not by the number of shares.")
    if same(found, [3.0, 2.0, 0.0]):
        raise Wrong("the weights are exchanged: the larger share must weigh more.")
    hint = f"of shares of 8 and 4 images the gradient is not {found.round(3).tolist()}."
    compare(found, expected, hint)
    three = [torch.full((2,), value) for value in (1.0, 2.0, 6.0)]
    other = "two shares are right, three are not: take as many as there are."
    compare(call(answer, three, [1, 1, 2]), [3.75, 3.75], other)


@exercise(
    "Go class by class: `np.flatnonzero(labels == name)` has the positions of one of them.",
    "`rng.permutation(there)[:kept]` draws some of them without repeating any.",
    right="a few images of every old class, drawn at random: that is all that replay needs. Which "
    "few are best is a question of its own (iCaRL, below, takes those nearest the class mean).",
)
def memory(answer: object) -> None:
    """``answer(labels, old, kept, rng)``: positions of ``kept`` images of each old class."""
    labels = np.repeat(np.array([7, 1, 3, 0, 9]), 12)
    _remembered(answer, labels, [1, 9], 4, 0)
    _remembered(answer, labels[::-1], [0, 3, 7], 2, 0)
    again = {_remembered(answer, labels, [1, 9], 4, seed) for seed in range(5)}
    if len(again) == 1:
        raise Wrong("the same images whatever `rng` says: draw them, the first are not typical.")


def _remembered(answer: object, labels: np.ndarray, old: list, kept: int, seed: int) -> tuple:
    found = call(answer, labels, old, kept, np.random.default_rng(seed))
    found = positions(found, len(labels))
    classes, counts = np.unique(labels[found], return_counts=True)
    if strange := sorted(set(classes.tolist()) - set(old)):
        raise Wrong(f"class {strange[0]} is in the memory, but not among the old ones.")
    if set(classes) != set(old) or set(counts) != {kept}:
        each = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        raise Wrong(f"{kept} images of each of {old} were asked for; yours are {each}.")
    return tuple(sorted(found.tolist()))
