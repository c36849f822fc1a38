"""Exercises of lesson 09, frozen features."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from course_lib.checks import Wrong, call, exercise


def _toy() -> nn.Module:
    """A backbone with BatchNorm and dropout, and a head; a part of each is nested."""
    torch.manual_seed(0)
    model = nn.Module()
    inner = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    model.backbone = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), inner)
    model.head = nn.Linear(6, 2)
    return model


@exercise(
    "`network.modules()` goes through all modules, the nested ones too.",
    "`module.buffers(recurse=False)` gives a module's own buffers, without its children's. "
    "`type(module).__name__` is the name of its kind.",
    right="so in a network like this one it is BatchNorm that moves without any gradient.",
)
def owners_of_buffers(answer: Any) -> None:
    """``answer(network)``: the set of names of the types of modules that own a buffer."""
    found = call(answer, _toy().backbone)
    try:
        found = set(found)
    except TypeError:
        raise Wrong(f"expected a set of names, not {found!r}.") from None
    if not all(isinstance(name, str) for name in found):
        raise Wrong("these are modules or types; their names were asked: `type(m).__name__`.")
    if "Sequential" in found:
        raise Wrong(
            "a Sequential has no buffer of its own, only its children have. See `recurse=False`."
        )
    if "Linear" in found:
        raise Wrong("a linear layer has parameters, which need gradients to move. Ask for buffers.")
    if found != {"BatchNorm1d"}:
        raise Wrong(f"in a network with BatchNorm1d, ReLU and Dropout the answer is not {found}.")


@exercise(
    "Two things must not move: the backbone's parameters and its running statistics.",
    "`model.train()` puts every part into training mode, so call `model.backbone.eval()` after it.",
    right="no gradients, and evaluation mode: it takes both. `freeze_backbone` makes sure of the "
    "second even if somebody calls `model.train()` later.",
)
def only_the_head(answer: Any) -> None:
    """``answer(model)`` readies a model for a step of training that changes only the head."""
    model = _toy()
    before = copy.deepcopy(model.state_dict())
    call(answer, model)
    if not any(p.requires_grad for p in model.head.parameters()):
        raise Wrong("the head is frozen too, so nothing learns.")
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=0.1)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)) + 3
    loss = nn.functional.cross_entropy(model.head(model.backbone(x)), torch.arange(8) % 2)
    loss.backward()
    optimizer.step()
    after = model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    if any(name.startswith("backbone") and "running" not in name for name in moved):
        if not any("running" in name or "tracked" in name for name in moved):
            raise Wrong("the statistics stay, but the weights learn: switch their gradients off.")
        if any(p.requires_grad for p in model.backbone.parameters()):
            raise Wrong("the backbone's weights learn, and its statistics drift.")
    if any("running" in name for name in moved):
        raise Wrong(
            "the weights stay, but the running statistics drift: some BatchNorm layer is still in "
            "training mode."
        )
    if not model.head.training:
        raise Wrong("the head is in evaluation mode; a dropout in it would be off. Train it.")
