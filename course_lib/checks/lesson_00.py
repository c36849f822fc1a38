"""Exercises of lesson 00, start here."""

import torch

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "How many labels are there of each class? `labels.bincount()` counts them.",
    "The largest count, divided by the number of labels.",
    right="this is the number to beat. A classifier below it would do better not to look.",
)
def majority_share(answer: object) -> None:
    """``answer(labels)`` returns the accuracy of always answering with the larger class."""
    labels = torch.tensor([2] * 6 + [0] * 3 + [1])
    found = numbers(call(answer, labels), ())
    if same(found, 2):
        raise Wrong("that is the larger class itself. How often is it right?")
    if same(found, 6):
        raise Wrong("that is how many photos it gets right. Of how many?")
    if same(found, labels.float().mean()):
        raise Wrong("the mean of the labels is a share only if the classes are 0 and 1.")
    if same(found, 1 / 3):
        raise Wrong("that is guessing at random. Always answering with the larger class is better.")
    compare(found, 0.6, f"for {labels.tolist()} it should be 0.6, not {found:.3f}.")
    for several, share in (([0, 1, 1, 0, 1, 1, 1, 1], 0.75), ([3, 0, 1, 0, 2], 0.4)):
        compare(call(answer, torch.tensor(several)), share, f"for {several} it should be {share}.")


@exercise(
    "`logits[:, columns]` has one column for each of our classes, in the order of `columns`.",
    "Then `.argmax(dim=1)` along the classes.",
    right="so a network of 1000 classes answers a question about a few of them, with no training.",
)
def zero_shot_answers(answer: object) -> None:
    """``answer(logits, columns)`` returns, for each photo, which of the columns is the largest."""
    logits = torch.zeros(3, 10)
    logits[:, 9] = 5.0  # the favourite among all classes is none of the two
    logits[0, 7], logits[1, 4], logits[2, 7] = 1.0, 1.0, 2.0
    found = numbers(call(answer, logits, [7, 4]), (3,), "one answer per photo")
    if (found == 9).any():
        raise Wrong("that is the favourite among all classes. Look at the two columns only.")
    if same(found, [7, 4, 7]):
        raise Wrong("these are numbers of ImageNet. Our own labels are positions in `columns`.")
    if same(found, [1, 0, 1]):
        raise Wrong("just the other way round: argmin, or the columns in another order?")
    compare(found, [0, 1, 0], f"expected [0, 1, 0] for three photos, not {found.tolist()}.")
    logits = torch.tensor([[-3.0, -1.0, -9.0, -2.0], [-2.0, -1.0, -9.0, -4.0]])
    other = "right for two columns, but not for three columns of negative logits."
    compare(call(answer, logits, [0, 2, 3]), [2, 0], other, what="one answer per photo")
