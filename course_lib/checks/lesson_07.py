"""Exercises of lesson 07, augmentation preview."""

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, items, numbers, same


@exercise(
    "A picture was normalised as (x - mean) / std. Solve for x.",
    "`mean` and `std` have one number per channel, the picture has shape (3, H, W): give them two "
    "more axes, `torch.tensor(mean)[:, None, None]`.",
    right="and only the constants that went in bring the picture back. That is why they travel "
    "with the backbone.",
)
def undo(answer: object) -> None:
    """``answer(picture, mean, std)`` undoes a normalisation by channel."""
    rng = torch.Generator().manual_seed(0)
    for size, mean, std in (
        ((3, 5), (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)),
        ((4, 6), (0.1, 0.7, 0.6), (0.4, 0.3, 0.1)),
    ):
        before = torch.rand(3, *size, generator=rng)
        m, s = (torch.tensor(values)[:, None, None] for values in (mean, std))
        given = (before - m) / s
        what = "a picture like the one that came in"
        found = numbers(call(answer, given, mean, std), tuple(before.shape), what)
        if same(found, (given - m) / s, 1e-5):
            raise Wrong("that normalises once more. Which operation undoes a division?")
        if same(found, (given + m) * s, 1e-5):
            raise Wrong("right steps in the wrong order: what was done last is undone first.")
        if same(found, given * m + s, 1e-5):
            raise Wrong("mean and std have changed places.")
        hint = "the picture does not come back. Solve for x, with each channel's own constants."
        compare(found, before, hint, tolerance=1e-5)


@exercise(
    "`images.roll(1, dims=0)` puts each picture's predecessor in its place.",
    "Shares need room for every class: `torch.nn.functional.one_hot(labels, num_classes).float()`. "
    "Mix them as the pictures are mixed.",
    right="pictures and labels are mixed alike, so that the loss asks for what is in the picture.",
)
def mixup(answer: object) -> None:
    """``answer(images, labels, share, num_classes)``: mixed images, and their labels as shares."""
    rng = torch.Generator().manual_seed(0)
    for labels, share, classes in (([0, 1, 1], 0.7, 2), ([2, 0, 1, 0], 0.4, 4)):
        images, chosen = torch.rand(len(labels), 3, 4, 5, generator=rng), torch.tensor(labels)
        both = "two things, the mixed images and the labels as shares"
        parts = items(call(answer, images, chosen, share, classes), both, 2)
        found = numbers(parts[0], tuple(images.shape), "images like those that came in")
        before, after = images.roll(1, 0), images.roll(-1, 0)
        if same(found, images, 1e-5):
            raise Wrong("the images come back as they were.")
        if same(found, share * images + (1 - share) * after, 1e-5):
            raise Wrong("each picture is mixed with the one behind it; roll the other way.")
        if same(found, share * images + (1 - share) * images.flip(0), 1e-5):
            raise Wrong("`flip` reverses the batch, and a picture in the middle meets itself.")
        if same(found, (1 - share) * images + share * before, 1e-5):
            raise Wrong("`share` is what a picture keeps of itself, not what the other one adds.")
        mixed = share * images + (1 - share) * before
        compare(found, mixed, "the images are not mixed as asked.", tolerance=1e-5)
        one_hot = torch.eye(classes)[chosen]
        shape = (len(labels), classes)
        found = numbers(parts[1], shape, "labels as shares, a column per class")
        if same(found, one_hot, 1e-5):
            raise Wrong("the pictures are mixed and the labels are not: mix them alike.")
        hint = "the labels are not mixed as the images are."
        compare(found, share * one_hot + (1 - share) * one_hot.roll(1, 0), hint, tolerance=1e-5)


@exercise(
    "Visible of `b`: its pixels inside the box over all its pixels. Visible of `a`: what the box "
    "does not cover.",
    "Divide each by the sum of the two. First ask whether that sum is 0.",
    right="now a box of leaf adds nothing to the label.",
)
def visible_shares(answer: object) -> None:
    """``answer(mask_a, mask_b, top, left, height, width)``: shares of a and b in the label."""
    a, b = torch.zeros(2, 10, 12)
    a[2:6, 1:5], b[4:10, 3:7] = 1, 1  # 16 and 24 pixels
    cases = [((4, 3, 3, 3), (0.75, 9 / 24)), ((0, 8, 4, 4), (1, 0)), ((0, 0, 10, 12), (0, 1))]
    cases += [((2, 0, 4, 6), (0, 6 / 24)), ((1, 1, 6, 3), (0.25, 3 / 24))]
    nan = "that is no number: is a sum of nothing divided by?"
    for (top, left, height, width), (of_a, of_b) in cases:
        box, total, area = (top, left, height, width), of_a + of_b, height * width / a.numel()
        right, pixels = (of_a / total, of_b / total), (16 * of_a, 24 * of_b)
        found = numbers(call(answer, a, b, *box), (2,), "two shares, of a and of b", nan)
        if same(found, right, 1e-4):
            continue
        if same(found, (1 - area, area), 1e-4):
            raise Wrong("that is the area of the box, as in CutMix. Count the insect's pixels.")
        if same(found, (of_a, of_b), 1e-4):
            raise Wrong("the visible parts are right; divide them by their sum.")
        if same(found, right[::-1], 1e-4):
            raise Wrong("the two have changed places: the box shows b and covers a.")
        if same(found, np.divide(pixels, sum(pixels)), 1e-4):
            raise Wrong("you compare pixels. Take each insect's visible part of its own size.")
        hint = f"for the box {box} of the check the shares should be "
        raise Wrong(f"{hint}{right[0]:.2f} and {right[1]:.2f}.")
    none = "if the box covers a and shows nothing of b, both shares are 0."
    hidden = torch.zeros(10, 12)
    hidden[0, 0] = 1
    compare(call(answer, hidden, b, 0, 0, 2, 2), (0, 0), none, nan=none)
