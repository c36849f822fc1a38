"""Exercises of lesson 09, frozen features."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.checks import Wrong, call, compare, exercise, items, kind, numbers, same


@exercise(
    "A step from the old value towards the batch's: (1 - momentum) * old + momentum * new.",
    "In torch, momentum is the share of the *new*. The mean of a batch is `batch.mean(dim=0)`; its "
    "variance divides by n - 1, which `batch.var(dim=0)` does.",
    right="that is all that BatchNorm does to its buffers, and no gradient has a part in it. With "
    "momentum 0.1, ten batches later 35 % of the old value is left.",
)
def running_statistics(answer: object) -> None:
    """``answer(mean, variance, batch, momentum)``: running mean and variance after a batch."""
    for seed, count, momentum in ((0, 4, 0.1), (1, 7, 0.3)):
        dice = np.random.default_rng(seed)
        batch, mean, variance = dice.normal(2, 3, (count, 5)), dice.normal(size=5), np.full(5, 2.0)
        given = [torch.tensor(each, dtype=torch.float64) for each in (mean, variance, batch)]
        both = "two things, the new mean and the new variance"
        found = items(call(answer, *given, momentum), both, 2)
        found = [numbers(each, (5,), what="a value per channel") for each in found]
        new = batch.mean(0), batch.var(0, ddof=1)
        keep = 1 - momentum
        if same(found[0], keep * new[0] + momentum * mean):
            raise Wrong("torch counts the other way round: momentum is the share of the new batch.")
        if same(found[0], new[0]):
            raise Wrong("that is the batch alone; the running mean remembers the batches before.")
        compare(found[0], keep * mean + momentum * new[0], "the mean of the batches is off.")
        if same(found[1], keep * variance + momentum * batch.var(0)):
            raise Wrong("the running variance divides by n - 1, not by n: see `unbiased`.")
        if same(found[1], keep * variance + momentum * batch.std(0, ddof=1)):
            raise Wrong("that is the standard deviation of the batch; the buffer holds variances.")
        compare(found[1], keep * variance + momentum * new[1], "the mean is right, not the spread.")


def _toy(width: int, depth: int) -> nn.Module:
    """A backbone with BatchNorm and dropout, a part of it nested, and a head."""
    torch.manual_seed(width)
    inner = [nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3)] * depth
    model = nn.Module()
    model.backbone = nn.Sequential(
        nn.Linear(4, width), nn.BatchNorm1d(width, momentum=0.2), nn.Sequential(*inner)
    )
    model.head = nn.Sequential(nn.Dropout(0.0), nn.Linear(width, 2))
    return model


def _step(model: nn.Module, x: Tensor) -> None:
    """A step of training with an optimiser that holds whatever may train, as a lesson's loop."""
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, weight_decay=0.1)
    y = torch.arange(len(x)) % 2
    nn.functional.cross_entropy(model.head(model.backbone(x)), y).backward()
    optimizer.step()


@exercise(
    "Three things must stay: no gradient, no moving statistics, and the features themselves. "
    "Evaluation mode gives the last two.",
    "`model.train()` calls `train(True)` of every child, so the `train` of the backbone is to do "
    "nothing once it is frozen.",
    "`model.backbone.eval()`, and then `model.backbone.train = lambda mode=True: model.backbone`.",
    right="frozen, and no `model.train()` undoes it. `freeze_backbone` does the same: there it is "
    "the model's own `train` that puts the backbone back into evaluation mode.",
)
def freeze_for_good(answer: object) -> None:
    """``answer(model)`` freezes the backbone so that ``model.train()`` does not undo it."""
    for model in (_toy(6, 1), _toy(9, 2)):
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)) + 3
        healthy, head = copy.deepcopy(model.backbone).eval(), copy.deepcopy(model.head.state_dict())
        body, weights = model.backbone.state_dict(), dict(model.backbone.named_parameters())
        statistics = {n: v for n, v in healthy.state_dict().items() if "tracked" not in n}
        found = call(answer, model, copies=False, needed=False)
        model = model if found is None else found
        if not isinstance(model, nn.Module) or not {"backbone", "head"} <= model._modules.keys():
            raise Wrong(f"return the model, with its backbone and its head, not {kind(found)}.")
        if not any(p.requires_grad for p in model.head.parameters()):
            raise Wrong("the head is frozen too, so nothing learns.")
        for _ in range(2):
            _step(model, x)
        after = {**body, **model.backbone.state_dict()}  # in a wrapper it has other names
        moved = {name for name in statistics if not torch.equal(after[name], statistics[name])}
        if any(p.grad is not None for p in weights.values()) or moved & weights.keys():
            raise Wrong("the backbone's weights get gradients, or are not what they were.")
        if moved:
            raise Wrong("after `model.train()` and two steps the running statistics have drifted.")
        if not torch.allclose(model.backbone(x), healthy(x)):
            hint = "after `model.train()` the features are others, though nothing else has changed"
            raise Wrong(f"{hint}: normalised by the batch, or thinned by dropout.")
        learns, _ = model.head.training, model.eval()
        if not learns or model.head.training:
            raise Wrong("`model.train()` and `model.eval()` must still switch the head's own mode.")
        if all(torch.equal(head[name], now) for name, now in model.head.state_dict().items()):
            raise Wrong("the head did not learn in two steps.")
