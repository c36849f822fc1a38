"""Exercises of lesson 08, full fine-tuning."""

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "`first != labels` marks the mistakes of the first seed, `&` asks for both.",
    "Divide the number of shared mistakes by the number of mistakes of the first.",
    right="mistakes that stay with every seed are the photos' fault, the others are the seed's.",
)
def shared_mistakes(answer: object) -> None:
    """``answer(first, second, labels)``: share of the first one's mistakes the second shares."""
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    first = torch.tensor([1, 1, 1, 0, 0, 1, 1, 1, 1, 1])  # four mistakes
    second = torch.tensor([1, 0, 0, 1, 1, 0, 0, 1, 1, 1])  # four, one of them shared
    found = numbers(call(answer, first, second, labels), ())
    if same(found, 1):
        raise Wrong("one photo is wrong in both, but a share was asked: of how many?")
    if same(found, 0.4):
        raise Wrong("that is how often the two agree. Ask where both are *wrong*.")
    if same(found, 0.1):
        raise Wrong("that is a share of all photos. Divide by the mistakes of the first seed.")
    if same(found, 1 / 7):
        raise Wrong("you divided by the photos that either gets wrong. Divide by the first's.")
    one = f"the first makes 4 mistakes, the second shares 1 of them, not {found:.2f}."
    compare(found, 0.25, one)
    itself = "a model shares all mistakes with itself: expected 1."
    compare(call(answer, second, second, labels), 1, itself)


@exercise(
    "How often has the rate been cut by the beginning of this epoch? Count whole steps.",
    "`epoch // step_size` cuts; each multiplies by gamma. Epochs are counted from 0.",
    right="so the article's `StepLR(7, 0.1)` gives 7 epochs to each of three rates and 4 to the "
    "last, if it is stepped after the optimiser.",
)
def rate_in_epoch(answer: object) -> None:
    """``answer(epoch, learning_rate, step_size, gamma)``: the rate that StepLR uses."""
    epochs = np.arange(9)
    for rate, step, gamma in ((0.1, 3, 0.5), (0.4, 2, 0.2)):
        found = [numbers(call(answer, each, rate, step, gamma), ()) for each in range(9)]
        if same(found, rate * gamma ** ((epochs + 1) // step), 0):
            raise Wrong("that is the article's order: the first step comes one epoch early.")
        if same(found, rate * gamma ** (epochs / step), 0):
            raise Wrong("the rate stays level between two cuts: divide without a remainder.")
        if same(found, rate * gamma**epochs, 0):
            raise Wrong("that cuts in every epoch. `step_size` epochs lie between two cuts.")
        if same(found, rate * gamma ** (epochs % step), 0):
            raise Wrong("the remainder begins anew after each step. How many steps are past?")
        right = rate * gamma ** (epochs // step)
        text = ", ".join(f"{each:g}" for each in right)
        setting = f"rate {rate}, step {step}, gamma {gamma}"
        compare(found, right, f"for {setting}, epochs 0 to 8 should use {text}.", tolerance=0)
