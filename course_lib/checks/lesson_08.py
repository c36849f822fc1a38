"""Exercises of lesson 08, full fine-tuning."""

import torch
from torch import nn

from course_lib.checks import Wrong, call, compare, exercise, items, kind, numbers

SCRIPTS = ([0.5, 0.9, 0.7, 0.9, 0.6], [0.8, 0.3, 0.4], [0.0, 0.0])


@exercise(
    "Rounded down, a share below 1 is 0. When is it not?",
    "Only an epoch with as many right answers as photos has accuracy 1, and only the first such "
    "epoch is better than the best so far. Without one, the weights are those of epoch 0.",
    right="the article's program would throw its training away, unless an epoch made no mistake.",
)
def kept_epoch(answer: object) -> None:
    """``answer(running_corrects, dataset_size)``: the epoch kept when quotients are rounded."""
    cases = (([3, 7, 6], 10, 0), ([9, 10, 8, 10], 10, 2), ([0, 4, 5], 5, 3), ([1, 2], 4, 0))
    found = [numbers(call(answer, right, size), ()) for right, size, _ in cases]
    if found[0] == 2 or found[3] == 2:
        raise Wrong("7 of 10, rounded down, is 0: that is not better than 0, so nothing is kept.")
    if found[1] == 4:
        raise Wrong("a later epoch that is as good does not take the place: it asks for >, not >=.")
    if found[1] == 1 or found[2] == 2:
        raise Wrong("epochs count from 1; 0 stands for the weights before training.")
    for got, (right, size, expected) in zip(found, cases, strict=True):
        compare(got, expected, f"for {right} of {size} it is epoch {expected}, not {got:g}.")


@exercise(
    "Compare each accuracy with the best so far; where it is higher, keep a copy of the weights.",
    "`model.state_dict()` changes when the model does: `copy.deepcopy` it. Load it at the end.",
    right="this is the loop of the program, without its photos.",
)
def keep_best(answer: object) -> None:
    """``answer(model, train_epoch, validate, epochs)``: accuracies; the model is the best one."""
    for script in SCRIPTS:
        model, calls = nn.BatchNorm1d(2), {"train": 0, "validate": 0}
        nn.init.zeros_(model.weight)

        def train_epoch(model: nn.Module, calls: dict = calls) -> None:
            calls["train"] += 1
            with torch.no_grad():
                model.weight.fill_(calls["train"])
                model.running_mean.fill_(calls["train"])

        def validate(model: nn.Module, calls: dict = calls, script: list[float] = script) -> float:
            calls["validate"] += 1
            return script[(calls["validate"] - 1) % len(script)]

        told = call(answer, model, train_epoch, validate, len(script), copies=False)
        if calls["train"] != len(script):
            raise Wrong(f"train for {len(script)} epochs; yours trained for {calls['train']}.")
        if calls["validate"] != len(script):
            raise Wrong("validate once per epoch: it costs time, and a second look may differ.")
        compare(items(told, "a list of accuracies"), script, "return the accuracies in order.")
        kept, right = model.weight[0].item(), script.index(max(script)) + 1
        if kept == 0:
            raise Wrong("these are the weights from before training: begin with a best below 0.")
        if kept != right and script[int(kept) - 1] == max(script):
            raise Wrong("among equals the first is kept: ask whether it is higher.")
        if kept == len(script) != right:
            raise Wrong("the model has its last weights. Copy the best (deepcopy), load them back.")
        if kept != right:
            raise Wrong(f"with accuracies {script} the weights of epoch {right} are the best.")
        if model.running_mean[0].item() != right:
            raise Wrong("BatchNorm's statistics are of another epoch: keep the whole state_dict.")


@exercise(
    "A group is a dictionary: `{'params': [...], 'lr': ...}`.",
    "The body is every parameter of the model that is not one of the head's. Compare with `is`: "
    "`==` compares numbers.",
    right="an optimiser takes this list in place of `model.parameters()`.",
)
def two_groups(answer: object) -> None:
    """``answer(model, rate)``: groups for an optimiser, the head at ten times the rate."""
    for width, rate in ((3, 0.01), (5, 0.002)):
        model = nn.Module()
        model.backbone = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width))
        model.head = nn.Linear(width, 2)
        found = items(call(answer, model, rate, copies=False), "a list of two groups")
        if not all(isinstance(each, dict) and {"params", "lr"} <= each.keys() for each in found):
            raise Wrong("every group is a dictionary with 'params' and 'lr'.")
        rates: dict[str, list[float]] = {}  # by name
        for group in found:
            one = isinstance(group["params"], torch.Tensor)
            for parameter in [group["params"]] if one else items(group["params"], "parameters"):
                if not isinstance(parameter, nn.Parameter):
                    raise Wrong(f"'params' holds {kind(parameter)}: give the parameters.")
                for name, own in model.named_parameters():
                    if own is parameter and own.requires_grad:
                        rates.setdefault(name, []).append(float(numbers(group["lr"], ())))
        if any(len(each) > 1 for each in rates.values()):
            raise Wrong("some parameters are in two groups: the head's are in model.parameters().")
        for name in dict(model.named_parameters()):
            part = name.partition(".")[0].replace("backbone", "body")
            due = rate * 10 if part == "head" else rate
            if name not in rates:
                raise Wrong(f"a parameter of the {part} is in no group: it would never learn.")
            hint = f"at rate {rate:g} the {part} should learn at {due:g}."
            compare(rates[name][0] / rate, due / rate, hint)
