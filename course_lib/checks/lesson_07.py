"""Exercises of lesson 07, augmentation preview."""

import numpy as np
import torch
from PIL import Image

from course_lib.checks import Wrong, call, compare, exercise, kind, numbers, same


@exercise(
    "`v2.RandomErasing` wants a tensor: `v2.ToImage()` before it, `v2.ToPILImage()` after it.",
    "`v2.Compose([...])` of the three. Which argument makes every draw show the box?",
    right="the box imitates something in front of the insect: a blade of grass, a petal.",
)
def with_erasing(answer: object) -> None:
    """``answer()`` returns a transform that erases a box of every picture."""
    transform = call(answer)
    if not callable(transform):
        raise Wrong(f"return a transform, such as `v2.Compose([...])`, not {kind(transform)}.")
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    for size in ((64, 64), (48, 80)):
        before = rng.integers(0, 256, (*size, 3)).astype("uint8")
        draws = [call(transform, Image.fromarray(before)) for _ in range(20)]
        for draw in draws:
            if not isinstance(draw, Image.Image):
                raise Wrong(
                    f"your transform gives a picture back as {type(draw).__name__}, but Figure 2 "
                    "shows pictures: end with `v2.ToPILImage()`."
                )
            numbers(np.asarray(draw), before.shape, "a picture in colour as large as before")
        changed = [np.any(np.asarray(draw) != before) for draw in draws]
        if not any(changed):
            raise Wrong("nothing is erased.")
        if not all(changed):
            raise Wrong(f"only {sum(changed)} of 20 draws have a box. `p` is 0.5 by default.")
        if np.mean([np.asarray(draw) == before for draw in draws]) < 0.3:
            raise Wrong("more than the box has changed. Leave the other transforms out.")


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
        hint = "the picture does not come back. Does each channel get its own constants?"
        compare(found, before, hint, tolerance=1e-5)
