"""Exercises of lesson 05, model-based transfer."""

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, items, numbers, same


@exercise(
    "A list can be cut in two at one position: `layers[:position]` and `layers[position:]`.",
    "The position is `len(layers) - depth`. Try depth 0 on paper.",
    right="and depth 0 is the case to try: there nothing but the head trains.",
)
def cut(answer: object) -> None:
    """``answer(layers, depth)``: the layers below, and the last ``depth``, which train."""
    layers = ["stem", "block 1", "block 2", "block 3", "conv_head"]
    parts = "return two lists of layers: those that stay, and those that train."
    for depth in (2, 1, 5, 0):
        found = call(answer, layers, depth)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Wrong(parts)
        below, top = (items(part, "two lists of layers") for part in found)
        if not all(isinstance(layer, str) for layer in below + top):
            raise Wrong(parts)
        if depth == 0 and top == layers:
            raise Wrong(
                "at depth 0 all train: `layers[-0:]` is `layers[0:]`. Count from the front."
            )
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
