"""Exercises of lesson 09, frozen features."""

import copy

import torch
from torch import nn

from course_lib.checks import Wrong, call, call_in_place, exercise, items, kind, shown


def _toy(width: int = 6) -> nn.Module:
    """A backbone with BatchNorm and dropout, and a head; a part of each is nested."""
    torch.manual_seed(0)
    model = nn.Module()
    inner = nn.Sequential(nn.Linear(width, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    model.backbone = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), inner)
    model.head = nn.Linear(6, 2)
    return model


@exercise(
    "`network.modules()` goes through all modules, the nested ones too.",
    "`module.buffers(recurse=False)` gives a module's own buffers, without its children's. "
    "`type(module).__name__` is the name of its kind.",
    right="so in a network like this one it is BatchNorm that moves without any gradient.",
)
def owners_of_buffers(answer: object) -> None:
    """``answer(network)``: the set of names of the types of modules that own a buffer."""
    found = items(call(answer, _toy().backbone), "a set of names")
    if not all(isinstance(name, str) for name in found):
        raise Wrong("these are modules or types; their names were asked: `type(m).__name__`.")
    if "Sequential" in found:
        raise Wrong("a Sequential has no buffer of its own, only its children. See `recurse`.")
    if "Linear" in found:
        raise Wrong("a linear layer has parameters, which need gradients to move. Ask for buffers.")
    if set(found) != {"BatchNorm1d"}:
        said = f"the answer is not {shown(set(found))}"
        raise Wrong(f"in a network with BatchNorm1d, ReLU and Dropout {said}.")
    other = nn.Sequential(nn.BatchNorm2d(4), nn.InstanceNorm1d(4, track_running_stats=True))
    found = items(call(answer, nn.Sequential(other, nn.PReLU())), "a set of names")
    if set(found) != {"BatchNorm2d", "InstanceNorm1d"}:
        raise Wrong("it is right for one network only: go through the modules of `network`.")


@exercise(
    "Two things must not move: the backbone's parameters and its running statistics.",
    "`model.train()` puts every part into training mode, so call `model.backbone.eval()` after it.",
    right="no gradients, and evaluation mode: it takes both. `freeze_backbone` makes sure of the "
    "second even if somebody calls `model.train()` later.",
)
def only_the_head(answer: object) -> None:
    """``answer(model)`` readies a model for a step of training that changes only the head."""
    for model in (_toy(), _toy(width=9)):
        before = copy.deepcopy(model.state_dict())
        found = call_in_place(answer, model)
        model = model if found is None else found
        if not isinstance(model, nn.Module) or not {"backbone", "head"} <= model._modules.keys():
            raise Wrong(f"return the model, with its backbone and its head, not {kind(found)}.")
        if not any(p.requires_grad for p in model.head.parameters()):
            raise Wrong("the head is frozen too, so nothing learns.")
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)) + 3
        loss = nn.functional.cross_entropy(model.head(model.backbone(x)), torch.arange(8) % 2)
        loss.backward()
        optimizer.step()
        after = model.state_dict()
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        statistics = {name for name in moved if "running" in name or "tracked" in name}
        weights = {name for name in moved - statistics if name.startswith("backbone")}
        if weights and not any(p.requires_grad for p in model.backbone.parameters()):
            raise Wrong("the backbone has other weights than before.")
        if weights and statistics:
            raise Wrong("the backbone's weights learn, and its statistics drift.")
        if weights:
            raise Wrong("the statistics stay, but the weights learn: switch their gradients off.")
        if statistics:
            raise Wrong("the running statistics drift: some BatchNorm is still in training mode.")
        if not model.head.training:
            raise Wrong("the head is in evaluation mode; a dropout in it would be off. Train it.")
