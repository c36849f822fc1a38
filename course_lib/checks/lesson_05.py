"""Exercises of lesson 05, model-based transfer."""

from __future__ import annotations

from typing import Any

import torch

from course_lib.checks import Wrong, call, exercise


@exercise(
    "A list can be cut in two at one position: `layers[:position]` and `layers[position:]`.",
    "The position is `len(layers) - depth`. Try depth 0 on paper.",
    right="and depth 0 is the case to try: there nothing but the head trains.",
)
def cut(answer: Any) -> None:
    """``answer(layers, depth)``: the layers below, and the last ``depth``, which train."""
    layers = ["stem", "block 1", "block 2", "block 3", "conv_head"]
    for depth in (2, 1, 5, 0):
        found = call(answer, list(layers), depth)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Wrong("return two lists: the layers that stay, and those that train.")
        below, top = (list(part) for part in found)
        if depth == 0 and top == layers:
            raise Wrong(
                "at depth 0 it trains everything: `layers[-0:]` is `layers[0:]`. Count from the "
                "front."
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
def clipped(answer: Any) -> None:
    """``answer(gradient, limit)`` shortens a gradient that is longer than ``limit``."""
    long, short = torch.tensor([3.0, -4.0, 0.0]), torch.tensor([0.3, -0.4, 0.0])
    found = torch.as_tensor(call(answer, long.clone(), 1.0))
    if found.shape != long.shape:
        raise Wrong(f"expected a gradient of shape {tuple(long.shape)}, not {tuple(found.shape)}.")
    if torch.equal(found, long):
        raise Wrong("a gradient of length 5 comes back as it was, with a limit of 1.")
    if torch.allclose(found, long.clamp(-1, 1)):
        raise Wrong("that cuts each number by itself, which turns the direction. Scale them all.")
    if torch.allclose(found, long / long.abs().sum()):
        raise Wrong("the length of a vector is the root of the sum of squares, not the sum.")
    if abs(found.norm().item() - 1) > 1e-4:
        raise Wrong(f"a gradient of length 5 comes back with length {found.norm():.2f}, not 1.")
    if not torch.allclose(found, long / 5, atol=1e-4):
        raise Wrong("the length is right, but the direction has changed.")
    if not torch.allclose(torch.as_tensor(call(answer, short.clone(), 1.0)), short, atol=1e-5):
        raise Wrong("a gradient shorter than the limit must stay as it is, not be made longer.")
    if not torch.allclose(torch.as_tensor(call(answer, long.clone(), 2.5)), long / 2, atol=1e-4):
        raise Wrong("it works for a limit of 1 only: multiply by the limit.")
    if not torch.isfinite(torch.as_tensor(call(answer, torch.zeros(3), 1.0))).all():
        raise Wrong("a gradient of zeros becomes nan: nothing needs to be shortened there.")
