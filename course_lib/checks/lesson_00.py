"""Exercises of lesson 00, start here."""

from __future__ import annotations

from typing import Any

import torch

from course_lib.checks import Wrong, call, exercise


@exercise(
    "How many labels are there of each class? `labels.bincount()` counts them.",
    "The largest count, divided by the number of labels.",
    right="this is the number to beat. A classifier below it would do better not to look.",
)
def majority_share(answer: Any) -> None:
    """``answer(labels)`` returns the accuracy of always answering with the larger class."""
    labels = torch.tensor([2] * 6 + [0] * 3 + [1])
    found = float(call(answer, labels))
    if found == 2:
        raise Wrong("that is the larger class itself. How often is it right?")
    if found == 6:
        raise Wrong("that is how many photos it gets right. Of how many?")
    if abs(found - labels.float().mean().item()) < 1e-6:
        raise Wrong("the mean of the labels is a share only if the classes are 0 and 1.")
    if abs(found - 1 / 3) < 1e-6:
        raise Wrong("that is guessing by lot. Always answering with the larger class does better.")
    if abs(found - 0.6) > 1e-6:
        raise Wrong(f"for {labels.tolist()} it should be 0.6, not {found:.3f}.")


@exercise(
    "`logits[:, columns]` has one column for each of our classes, in the order of `columns`.",
    "Then `.argmax(dim=1)` along the classes.",
    right="so a network of 1000 classes answers a question about two of them, with no training.",
)
def zero_shot_answers(answer: Any) -> None:
    """``answer(logits, columns)`` returns, for each photo, 0 or 1: which column is larger."""
    logits = torch.zeros(3, 10)
    logits[:, 9] = 5.0  # the favourite among all classes is none of the two
    logits[0, 7], logits[1, 4], logits[2, 7] = 1.0, 1.0, 2.0
    found = torch.as_tensor(call(answer, logits, [7, 4]))
    if found.shape != (3,):
        raise Wrong(f"the shape is {tuple(found.shape)}: expected one answer a photo, {(3,)}.")
    if (found == 9).any():
        raise Wrong("that is the favourite among all classes. Look at the two columns only.")
    if found.tolist() == [7, 4, 7]:
        raise Wrong("these are numbers of ImageNet. Our own labels are positions in `columns`.")
    if found.tolist() == [1, 0, 1]:
        raise Wrong("just the other way round: argmin, or the columns in another order?")
    if found.tolist() != [0, 1, 0]:
        raise Wrong(f"expected [0, 1, 0] for three photos, not {found.tolist()}.")
