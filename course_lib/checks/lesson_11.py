"""Exercises of lesson 11, find out what is wrong with a training run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.checks import NotAttempted, Wrong, call, exercise

# Each patient's fault, and what its curves or its pictures say to somebody who guesses another.
PATIENTS = {
    "A": (
        "optimiser of another network",
        "the loss of the *training* photos never moves, from the first batch to the last. What "
        "leaves every weight where it was?",
    ),
    "B": (
        "rate a hundred times too high",
        "the loss begins at guessing and climbs far above it. What throws weights too far?",
    ),
    "C": (
        "scheduler stepped every batch",
        "the first batches learn, the later ones hardly. What may run out within an epoch?",
    ),
    "D": (
        "labels out of step with photos",
        "training goes well, only slower, and what it learns is worth nothing on other photos. "
        "Read the labels in Figure 13.",
    ),
    "E": (
        "pixels not scaled to 0…1",
        "the curves leave it open, the pictures do not: look at E in Figure 13.",
    ),
    "F": (
        "eval() forgotten",
        "loss and training accuracy are those of health to the last digit. So whatever is wrong "
        "is wrong in the judging.",
    ),
    "G": (
        "validation photos in training",
        "validation is better than in health, and better than training. Who knew the answers?",
    ),
    "H": (
        "ImageNet's head kept",
        "the *first* loss is far above guessing, before a single step was taken. How many classes "
        "would have to be guessed among for that?",
    ),
    "I": (
        "body left in training mode",
        "like E, what it learns does not carry over, but its pictures and its labels are right. "
        "What else may differ between the maps it learns from and those it is judged by?",
    ),
    "J": (
        "softmax before the loss",
        "the accuracy is good, but the loss stays above 0.31 even so. Which loss has such a floor?",
    ),
    "K": (
        "channels in the order BGR",
        "the curves say nothing; look at K in Figure 13.",
    ),
}
# Why not, where one fault is easily taken for another.
CONFUSED = {
    ("A", "scheduler stepped every batch"): "then the first batches would learn something.",
    ("A", "labels out of step with photos"): "wrong labels can be learned by heart: training "
    "accuracy would rise.",
    ("B", "ImageNet's head kept"): "then the very first loss would be high. Here it begins at "
    "guessing, and climbs.",
    ("C", "optimiser of another network"): "then not even the first batches would learn.",
    ("D", "eval() forgotten"): "that changes nothing in training, and here training is slower "
    "than in health.",
    ("F", "labels out of step with photos"): "then training would be slower. Here it is that of "
    "health, to the last digit.",
    ("F", "body left in training mode"): "then training would differ too. Here it is that of "
    "health, to the last digit.",
    ("H", "rate a hundred times too high"): "the first loss is high already, and no step was "
    "taken before it.",
    ("I", "pixels not scaled to 0…1"): "its curves are like E's, but its pictures in Figure 13 "
    "are as they should be.",
    ("I", "eval() forgotten"): "close: but then training itself would be that of health, to the "
    "last digit. Which part is not asked to `predict`?",
}


@exercise(
    "Begin with the clear ones: A never moves, G is too good, F trains exactly like health.",
    "Figure 13 settles D, E and K. B and H both have a huge loss: which of them at the very first "
    "batch?",
    "What is left are C, I and J: one stops early, one does not carry over, one has a floor.",
    right="no error message led you there, only curves and pictures. Now see how each is mended.",
)
def diagnosis(answer: Any) -> None:
    """``answer`` maps the letters A to K to the faults in the list, each of which occurs once."""
    if not isinstance(answer, dict) or set(answer) != set(PATIENTS):
        raise Wrong("keep the dictionary with the letters A to K.")
    given = {letter: fault for letter, fault in answer.items() if fault is not ...}
    if not given:
        raise NotAttempted
    plain = {fault.lower(): fault for fault, _ in PATIENTS.values()}
    for letter, said in given.items():
        fault, symptom = PATIENTS[letter]
        named = plain.get(str(said).strip().lower())
        if named is None:
            raise Wrong(f"{letter}: {said!r} is not in the list. Copy a line of it.")
        if named != fault:
            raise Wrong(f"{letter}: {CONFUSED.get((letter, named), symptom)}")
    if waiting := [letter for letter in PATIENTS if letter not in given]:
        raise Wrong(
            f"not finished: only {len(given)} of {len(PATIENTS)} so far, and every one of them "
            f"fits. Still waiting: {', '.join(waiting)}."
        )


def _program(clear: Callable[[nn.Sequential], object]) -> Callable[[nn.Sequential], None]:
    """Make the part of a training step before ``optimizer.step()``, with one way to clear."""
    rng = torch.Generator().manual_seed(0)
    maps, labels = torch.randn(6, 3, generator=rng), torch.arange(6) % 2

    def backward(network: nn.Sequential) -> None:
        clear(network)
        F.cross_entropy(network(maps), labels).backward()

    return backward


def _network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


@exercise(
    "Call `backward(network)` twice. No weight moves in between: what should the gradients do?",
    "`weights.grad` is added to *in place*: keep a copy with `.clone()` before the second call.",
    "Compare every gradient, not only one, and skip weights that are frozen: theirs is None.",
    right="gradients that pile up are a momentum of 1: no old step is ever forgotten. Add your "
    "check to the nine, and run it before the first epoch.",
)
def starts_afresh(answer: Any) -> None:
    """``answer(backward, network)``: whether each pass starts from cleared gradients."""
    healthy = _program(nn.Module.zero_grad)
    forgetful = _program(lambda network: None)
    found, cheated = call(answer, healthy, _network()), call(answer, forgetful, _network())
    if not found and cheated:
        raise Wrong("the wrong way round: True is for the program that clears its gradients.")
    if cheated:
        raise Wrong(
            "it passes a program that never clears. Gradients are added in place: did you compare "
            "a tensor with itself?"
        )
    if not found:
        raise Wrong("it fails a healthy program: the same photos, the same weights, cleared twice.")
    for part, name in ((0, "head"), (2, "first layer")):
        if call(answer, _program(lambda network, part=part: network[part].zero_grad()), _network()):
            raise Wrong(f"it passes a program that forgets the {name}. Compare every gradient.")
    if not call(answer, _program(lambda network: network.zero_grad(False)), _network()):
        raise Wrong("a program may also clear by writing zeros, `set_to_none=False`: it fails one.")
    frozen = _network()
    frozen[0].requires_grad_(False)
    if not call(answer, healthy, frozen):
        raise Wrong("it fails a healthy program whose first layer is frozen.")
    used = _network()
    healthy(used)
    if not call(answer, healthy, used):
        raise Wrong("it fails a healthy program whose network has been trained before.")
