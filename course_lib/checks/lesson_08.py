"""Exercises of lesson 08, full fine-tuning."""

from __future__ import annotations

from typing import Any

import torch

from course_lib.checks import Wrong, call, exercise


@exercise(
    "`first != labels` marks the mistakes of the first seed, `&` asks for both.",
    "Divide the number of shared mistakes by the number of mistakes of the first.",
    right="mistakes that stay with every seed are the photos' fault, the others are the seed's.",
)
def shared_mistakes(answer: Any) -> None:
    """``answer(first, second, labels)``: share of the first one's mistakes the second shares."""
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    first = torch.tensor([1, 1, 1, 0, 0, 1, 1, 1, 1, 1])  # four mistakes
    second = torch.tensor([1, 0, 0, 1, 1, 0, 0, 1, 1, 1])  # four, one of them shared
    found = float(call(answer, first, second, labels))
    if found == 1:
        raise Wrong("one photo is wrong in both, but a share was asked: of how many?")
    if abs(found - 0.4) < 1e-6:
        raise Wrong("that is how often the two agree. Ask where both are *wrong*.")
    if abs(found - 0.1) < 1e-6:
        raise Wrong("that is a share of all photos. Divide by the mistakes of the first seed.")
    if abs(found - 1 / 7) < 1e-6:
        raise Wrong("you divided by the photos that either gets wrong. Divide by the first's.")
    if abs(found - 0.25) > 1e-6:
        raise Wrong(f"the first makes 4 mistakes, the second shares 1 of them, not {found:.2f}.")
    if float(call(answer, second, second, labels)) != 1:
        raise Wrong("a model shares all mistakes with itself: expected 1.")


@exercise(
    "How often has the rate been cut by the beginning of this epoch? Count whole steps.",
    "`epoch // step_size` cuts; each multiplies by gamma. Epochs are counted from 0.",
    right="so the article's `StepLR(7, 0.1)` gives 7 epochs to each of three rates and 4 to the "
    "last, if it is stepped after the optimiser.",
)
def rate_in_epoch(answer: Any) -> None:
    """``answer(epoch, learning_rate, step_size, gamma)``: the rate that StepLR uses."""
    found = [float(call(answer, epoch, 0.1, 3, 0.5)) for epoch in range(9)]
    right = [0.1 * 0.5 ** (epoch // 3) for epoch in range(9)]

    def close(other: list[float]) -> bool:
        return all(abs(a - b) < 1e-9 for a, b in zip(found, other, strict=True))

    if close([0.1 * 0.5 ** ((epoch + 1) // 3) for epoch in range(9)]):
        raise Wrong("that is the article's order: the first step comes one epoch early.")
    if close([0.1 * 0.5 ** (epoch / 3) for epoch in range(9)]):
        raise Wrong("the rate stays level between two cuts: divide without a remainder.")
    if close([0.1 * 0.5**epoch for epoch in range(9)]):
        raise Wrong("that cuts in every epoch. `step_size` epochs lie between two cuts.")
    if close([0.1 * 0.5 ** (epoch % 3) for epoch in range(9)]):
        raise Wrong("the remainder begins anew after each step. How many whole steps are past?")
    if not close(right):
        shown = ", ".join(f"{rate:g}" for rate in right)
        raise Wrong(f"for rate 0.1, step 3, gamma 0.5, epochs 0 to 8 should use {shown}.")
