"""Exercises of lesson 07, augmentation preview."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from course_lib.checks import Wrong, call, exercise


@exercise(
    "`v2.RandomErasing` wants a tensor: `v2.ToImage()` before it, `v2.ToPILImage()` after it.",
    "`v2.Compose([...])` of the three. Which argument makes every draw show the box?",
    right="the box imitates something in front of the insect: a blade of grass, a petal.",
)
def with_erasing(answer: Any) -> None:
    """``answer()`` returns a transform that erases a box of every picture."""
    transform = call(answer)
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype("uint8"))
    torch.manual_seed(0)
    draws = [call(transform, picture) for _ in range(20)]
    if not all(isinstance(draw, Image.Image) for draw in draws):
        raise Wrong(
            f"your transform gives a picture back as {type(draws[0]).__name__}, but Figure 2 "
            "shows pictures: end with `v2.ToPILImage()`."
        )
    changed = [np.any(np.asarray(draw) != np.asarray(picture)) for draw in draws]
    if not any(changed):
        raise Wrong("nothing is erased.")
    if not all(changed):
        raise Wrong(
            f"only {sum(changed)} of 20 draws have a box. It erases with probability `p`, 0.5 by "
            "default."
        )
    kept = np.mean([np.asarray(draw) == np.asarray(picture) for draw in draws])
    if kept < 0.3:
        raise Wrong("more than the box has changed. Leave the other transforms out.")


@exercise(
    "A picture was normalised as (x - mean) / std. Solve for x.",
    "`mean` and `std` have one number a channel, the picture has shape (3, H, W): give them two "
    "more axes, `torch.tensor(mean)[:, None, None]`.",
    right="and only the constants that went in bring the picture back. That is why they travel "
    "with the backbone.",
)
def undo(answer: Any) -> None:
    """``answer(picture, mean, std)`` undoes a normalisation by channel."""
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
    before = torch.rand(3, 3, 5, generator=torch.Generator().manual_seed(0))
    m, s = (torch.tensor(values)[:, None, None] for values in (mean, std))
    found = call(answer, (before - m) / s, mean, std)
    if not isinstance(found, torch.Tensor) or found.shape != before.shape:
        raise Wrong(f"expected a tensor of shape {tuple(before.shape)}, like the one that came in.")
    if torch.allclose(found, ((before - m) / s - m) / s):
        raise Wrong("that normalises once more. Which operation undoes a division?")
    if torch.allclose(found, ((before - m) / s + m) * s):
        raise Wrong("both steps are right, in the wrong order: what was done last is undone first.")
    if torch.allclose(found, (before - m) / s * m + s):
        raise Wrong("mean and std have changed places.")
    if not torch.allclose(found, before, atol=1e-5):
        raise Wrong("the picture does not come back. Does each channel get its own constants?")
