"""Exercises of lesson 11, find out what is wrong with a training run."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.checks import NOTHING, Wrong, call_in_place, exercise, numbers, shown

# What is wrong with each run, and what its curves or its photos show.
FAULTS = {
    "A": "optimiser of another network",
    "B": "rate a hundred times too high",
    "C": "scheduler stepped every batch",
    "D": "labels out of step with photos",
    "E": "pixels not scaled to 0…1",
    "F": "eval() forgotten",
    "G": "validation photos in training",
    "H": "ImageNet's head kept",
    "I": "body left in training mode",
    "J": "softmax before the loss",
    "K": "channels in the order BGR",
}
SYMPTOMS = {
    "A": "the loss of the *training* photos never moves, from the first batch to the last. What "
    "leaves every weight where it was?",
    "B": "the loss begins at guessing and climbs far above it. What throws weights too far?",
    "C": "the first batches learn, the later ones hardly. What may run out within an epoch?",
    "D": "training goes well, only slower, and what it learns is worth nothing on other photos. "
    "Read the labels in Figure 13.",
    "E": "the curves leave it open, the pictures do not: look at E in Figure 13.",
    "F": "loss and training accuracy are those of the healthy run, to the last digit. So whatever "
    "is wrong is wrong in the judging.",
    "G": "validation is better than in the healthy run, and better than training. Who knew the "
    "answers?",
    "H": "the *first* loss is far above guessing, before a single step was taken. How many classes "
    "would have to be guessed among for that?",
    "I": "like E, what it learns does not carry over, but its pictures and its labels are right. "
    "What else may differ between the maps it learns from and those it is judged by?",
    "J": "the accuracy is good, but the loss stays above 0.31 even so. Which loss has such a "
    "floor?",
    "K": "the curves say nothing; look at K in Figure 13.",
}
PATIENTS = {letter: (fault, SYMPTOMS[letter]) for letter, fault in FAULTS.items()}
# Why not, where one fault is easily taken for another.
CONFUSED = {
    ("A", "scheduler stepped every batch"): "then the first batches would learn something.",
    ("A", "labels out of step with photos"): "wrong labels can be overfitted: training "
    "accuracy would rise.",
    ("B", "ImageNet's head kept"): "then the very first loss would be high. Here it begins at "
    "guessing, and climbs.",
    ("C", "optimiser of another network"): "then not even the first batches would learn.",
    ("D", "eval() forgotten"): "that changes nothing in training, and here training is slower "
    "than in the healthy run.",
    ("F", "labels out of step with photos"): "then training would be slower. Here it is that of "
    "the healthy run, to the last digit.",
    ("F", "body left in training mode"): "then training would differ too. Here it is that of "
    "the healthy run, to the last digit.",
    ("H", "rate a hundred times too high"): "the first loss is high already, and no step was "
    "taken before it.",
    ("I", "pixels not scaled to 0…1"): "its curves are like E's, but its pictures in Figure 13 "
    "are as they should be.",
    ("I", "eval() forgotten"): "close: but then training itself would be that of the healthy run, "
    "to the last digit. Which part is not asked to `predict`?",
}


@exercise(
    "Begin with the clear ones: A never moves, G is too good, F trains like the healthy run.",
    "Figure 13 settles D, E and K. B and H both have a huge loss: which of them at the very first "
    "batch?",
    "What is left are C, I and J: one stops early, one does not carry over, one has a floor.",
    right="no error message led you there, only curves and pictures. Now see how each is fixed.",
)
def diagnosis(answer: object) -> None:
    """``answer`` maps the letters A to K to the faults in the list, each of which occurs once."""
    if not isinstance(answer, dict) or set(answer) != set(FAULTS):
        raise Wrong("keep the dictionary with the letters A to K.")
    given = {letter: fault for letter, fault in answer.items() if fault is not ...}
    plain = {fault.lower(): fault for fault in FAULTS.values()}
    for letter, said in given.items():
        named = plain.get(str(said).strip().lower())
        if named is None:
            raise Wrong(f"{letter}: {shown(said)} is not in the list. Copy a line of it.")
        if named != FAULTS[letter]:
            raise Wrong(f"{letter}: {CONFUSED.get((letter, named), SYMPTOMS[letter])}")
    if waiting := [letter for letter in FAULTS if letter not in given]:
        raise Wrong(
            f"not finished: only {len(given)} of {len(FAULTS)} so far, and every one of them "
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
def starts_afresh(answer: object) -> None:
    """``answer(backward, network)``: whether each pass starts from cleared gradients."""
    healthy = _program(nn.Module.zero_grad)
    forgetful = _program(lambda network: None)
    found, cheated = _says(answer, healthy), _says(answer, forgetful)
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
        if _says(answer, _program(lambda network, part=part: network[part].zero_grad())):
            raise Wrong(f"it passes a program that forgets the {name}. Compare every gradient.")
    if not _says(answer, _program(lambda network: network.zero_grad(False))):
        raise Wrong("a program may also clear by writing zeros, `set_to_none=False`: it fails one.")
    frozen = _network()
    frozen[0].requires_grad_(False)
    if not _says(answer, healthy, frozen):
        raise Wrong("it fails a healthy program whose first layer is frozen.")
    used = _network()
    healthy(used)
    if not _says(answer, healthy, used):
        raise Wrong("it fails a healthy program whose network has been trained before.")


def _says(answer: object, backward: Callable, network: nn.Module | None = None) -> bool:
    """What a check says of a program; its network is its own, since a copy has no gradients."""
    if (found := call_in_place(answer, backward, network or _network())) is None:
        raise Wrong(NOTHING)
    found = numbers(found, (), "True or False")
    if found not in (0, 1):
        raise Wrong(f"expected True or False, got {found:g}.")
    return bool(found)
