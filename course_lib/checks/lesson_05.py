"""Exercises of lesson 05, model-based transfer."""

import math

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, items, numbers, same


@exercise(
    "`np.interp(level, accuracies, …)` looks a level up on the axis of accuracies. What should it "
    "return, before you take the exponential?",
    "Interpolate in the logarithm: `np.exp(np.interp(level, accuracies, np.log(counts)))`. Above "
    "the last accuracy, return `math.inf` first.",
    right="divided by the number that the other method needed, this is the factor of labels saved: "
    "a horizontal distance, where most papers print a vertical one.",
)
def labels_needed(answer: object) -> None:
    """``answer(counts, accuracies, level)``: labels that a method needs to reach a level."""
    counts, reached = [1, 10, 100], [0.5, 0.6, 0.9]
    found = numbers(call(answer, counts, reached, 0.75), (), "one number of labels")
    if same(found, 55):
        raise Wrong("that is linear in the count itself: interpolate in its logarithm.")
    if same(found, 1.5, 1e-3) or same(found, math.log(10**1.5), 1e-3):
        raise Wrong("that is a logarithm: turn it back into a number of labels.")
    middle = f"halfway from 10 to 100 labels on a log scale are 31.6, not {found:.3g}."
    compare(found, 10**1.5, middle, tolerance=1e-3)
    exact = "at an accuracy that was measured, it should return the count that reached it."
    for level, count in ((0.6, 10), (0.9, 100)):
        compare(call(answer, counts, reached, level), count, exact, nan=exact, tolerance=1e-6)
    if call(answer, counts, reached, 0.95) != math.inf:
        raise Wrong("0.95 was never reached: expected `math.inf`.")
    below = "below the first accuracy, the first count is enough."
    compare(call(answer, [2, 4], [0.5, 0.7], 0.3), 2, below, tolerance=1e-6)


@exercise(
    "A list can be cut in two at one position: `layers[:position]` and `layers[position:]`.",
    "The position is `len(layers) - depth`. Try depth 0 on paper.",
    right="and depth 0 is the case to try: there nothing but the head trains.",
)
def cut(answer: object) -> None:
    """``answer(layers, depth)``: the layers below, and the last ``depth``, which train."""
    layers = ["stem", "block 1", "block 2", "block 3", "conv_head"]
    parts = "two lists of layers: those that stay, and those that train"
    for depth in (2, 1, 5, 0):
        found = items(call(answer, layers, depth), parts, 2)
        below, top = (items(part, "two lists of layers") for part in found)
        if not all(isinstance(layer, str) for layer in below + top):
            raise Wrong(f"return {parts}.")
        if depth == 0 and top == layers:
            raise Wrong("depth 0 trains all: `layers[-0:]` is `layers[0:]`. Count from the front.")
        if top == layers[:depth] and depth not in (0, len(layers)):
            raise Wrong("these are the first layers. It is the last ones that train.")
        if [*below, *top] != layers and sorted([*below, *top]) == sorted(layers):
            raise Wrong("the layers that stay come first in the answer, those that train second.")
        if [*below, *top] != layers:
            raise Wrong(f"at depth {depth}, a layer is lost or in both parts.")
        if len(top) != depth:
            raise Wrong(f"at depth {depth}, {len(top)} layers train.")


@exercise(
    "How long is the gradient? `gradient.norm()`. Only a longer one than `limit` is changed.",
    "Multiply the whole gradient by limit / length: its direction must stay.",
    right="the direction is kept and the step is bounded. It does not make a bad rate good: it "
    "keeps one bad step from throwing everything away.",
)
def clipped(answer: object) -> None:
    """``answer(gradient, limit)`` shortens a gradient that is longer than ``limit``."""
    long, short = torch.tensor([3.0, -4.0, 0.0]), torch.tensor([0.3, -0.4, 0.0])
    found = numbers(call(answer, long, 1.0), (3,), "a gradient")
    if same(found, long):
        raise Wrong("a gradient of length 5 comes back as it was, with a limit of 1.")
    if same(found, long.clamp(-1, 1)):
        raise Wrong("that cuts each number by itself, which turns the direction. Scale them all.")
    if same(found, long / long.abs().sum()):
        raise Wrong("the length of a vector is the root of the sum of squares, not the sum.")
    length = np.linalg.norm(found)
    longer = f"a gradient of length 5 comes back with length {length:.2f}, not 1."
    compare(length, 1, longer, tolerance=1e-4)
    turned = "the length is right, but the direction has changed."
    compare(found, long / 5, turned, tolerance=1e-4)
    stays = "a gradient shorter than the limit must stay as it is, not be made longer."
    compare(call(answer, short, 1.0), short, stays, tolerance=1e-5)
    limit = "it works for a limit of 1 only: multiply by the limit."
    compare(call(answer, long, 2.5), long / 2, limit, tolerance=1e-4)
    zeros = "a gradient of zeros becomes nan: nothing needs to be shortened there."
    compare(call(answer, torch.zeros(2), 1.0), [0, 0], stays, nan=zeros)
