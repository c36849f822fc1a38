"""Exercises of lesson 13, train on many devices."""

import itertools

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, items, numbers, positions, same


@exercise(
    "A share of eight images speaks for eight, a share of four for four.",
    "Multiply each gradient by its count, add up, and divide by the sum of the counts.",
    right="a mean of means needs weights. `course_lib` puts them into DistributedDataParallel.",
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
    compare(found, expected, f"of 8 and 4 images, the gradient is not {found.round(3).tolist()}.")
    three = [*torch.tensor([[1.0], [2.0], [6.0]])]
    other = "two shares are right, three are not: take as many as there are."
    compare(call(answer, three, [1, 1, 2]), [3.75], other)


@exercise(
    "First cut the order into `steps` batches, then each batch into shares.",
    "Of a batch, `batch[rank::size]` is a share: every `size`-th photo, from `rank` on.",
    right="all photos once, even shares, and steps that do not depend on the number of processes.",
)
def shares(answer: object) -> None:
    """``answer(order, steps, rank, size)``: the photos of this process, a list per step."""
    for photos, steps in ((20, 4), (23, 5)):
        order = np.random.default_rng(photos).permutation(photos)
        alone = _batches(answer, order, steps, 1)
        if _batches(answer, np.arange(photos), steps, 1) == alone:
            raise Wrong("every `order` gives the same batches: cut `order`, not 0, 1, 2 and so on.")
        if max(map(len, alone)) - min(map(len, alone)) > 1:
            raise Wrong(f"batches of {[*map(len, alone)]} photos: they differ by more than one.")
        for size in (2, 3):
            for step, batch in enumerate(_batches(answer, order, steps, size)):
                if batch != alone[step]:
                    why = "cut the epoch into batches first, then each batch into shares."
                    raise Wrong(f"step {step} has other photos with {size} processes: {why}")


def _batches(answer: object, order: np.ndarray, steps: int, size: int) -> list[list[int]]:
    """The photos of each step, of all processes together; `Wrong` if shares are not even."""
    said = f"a list with the photos of each of {steps} steps"
    taken = [items(call(answer, order, steps, rank, size), said, steps) for rank in range(size)]
    found = []
    for step, parts in enumerate(zip(*taken, strict=True)):
        parts = [items(part, "the photos of a step") for part in parts]
        sizes = [len(part) for part in parts]
        if max(sizes) - min(sizes) > 1:
            raise Wrong(f"in step {step}, the shares of {size} processes have sizes {sizes}.")
        found.append([n for p in parts if p for n in positions(p, len(order)).tolist()])
    counts = np.bincount([*itertools.chain(*found)], minlength=len(order))
    for which, what in ((counts == 0, "by no process"), (counts > 1, "more than once")):
        if which.any():
            raise Wrong(f"with `size` {size}, photo {which.argmax()} is used {what}.")
    return [sorted(batch) for batch in found]
