"""Exercises of lesson 11, find out what is wrong with a training run."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.checks import Wrong, call, exercise, numbers, shown

# What is wrong with each run.
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
# What its curves or its photos show; of two letters, why it is not the fault of the second.
HINTS = {
    "A": "the loss of the *training* photos never moves. What leaves every weight where it was?",
    "AC": "then the first batches would learn something.",
    "AD": "wrong labels can be overfitted: training accuracy would rise.",
    "B": "the loss begins at guessing and climbs far above it. What throws weights too far?",
    "BH": "then the very first loss would be high. Here it begins at guessing, and climbs.",
    "C": "the first batches learn, the later ones hardly. What may run out within an epoch?",
    "CA": "then not even the first batches would learn.",
    "D": "training goes well, only slower, and what it learns is worth nothing on other photos. "
    "Read the labels in Figure 4.",
    "DF": "that changes nothing in training, and here it is slower than in the healthy run.",
    "E": "the curves leave it open, the pictures do not: look at E in Figure 4.",
    "F": "training is that of the healthy run, to the last digit. So the judging must be wrong.",
    "FD": "then training would be slower. Here it is that of the healthy run, to the last digit.",
    "FI": "then training would differ. Here it is that of the healthy run, to the last digit.",
    "G": "validation is better than training, and than in the healthy run. Who knew the answers?",
    "H": "the *first* loss is far above guessing, before any step. How many classes has the head?",
    "HB": "the first loss is high already, and no step was taken before it.",
    "I": "like E, what it learns does not carry over, but its pictures and its labels are right. "
    "What else may differ between the maps it learns from and those it is judged by?",
    "IE": "its curves are like E's, but its pictures in Figure 4 are as they should be.",
    "IF": "close: but then training itself would be that of the healthy run, to the last digit. "
    "Which part is not asked to `predict`?",
    "J": "the accuracy is good, but the loss stays above 0.31. Which loss has such a floor?",
    "K": "the curves say nothing; look at K in Figure 4.",
}


@exercise(
    "Begin with the clear ones: A never moves, G is too good, F trains like the healthy run.",
    "Figure 4 settles D, E and K. B and H both have a huge loss: which of them at the very first "
    "batch?",
    "What is left are C, I and J: one stops early, one does not carry over, one has a floor.",
    right="no error message led you there, only curves and pictures. Now see how each is fixed.",
)
def diagnosis(answer: object) -> None:
    """``answer`` maps the letters A to K to the faults in the list, each of which occurs once."""
    if not isinstance(answer, dict) or set(answer) != set(FAULTS):
        raise Wrong("keep the dictionary with the letters A to K.")
    given = {letter: fault for letter, fault in answer.items() if fault is not ...}
    letters = {fault.lower(): letter for letter, fault in FAULTS.items()}
    for letter, said in given.items():
        named = letters.get(str(said).strip().lower())
        if named is None:
            raise Wrong(f"{letter}: {shown(said)} is not in the list. Copy a line of it.")
        if named != letter:
            raise Wrong(f"{letter}: {HINTS.get(letter + named, HINTS[letter])}")
    if waiting := [letter for letter in FAULTS if letter not in given]:
        fits = f"only {len(given)} of {len(FAULTS)} so far, and every one of them fits"
        raise Wrong(f"not finished: {fits}. Still waiting: {', '.join(waiting)}.")


DOUBLES = {"L": {FAULTS["B"], FAULTS["C"]}, "M": {FAULTS["G"], FAULTS["I"]}}


@exercise(
    "With your three checks, `examine` fails two for each run. Which fault fails which check?",
    "L: with the schedule repaired, look at the losses. Which fault makes them explode?",
    right="two faults can hide each other, so one repair may make the number worse. Run all "
    "checks again after every repair.",
)
def doubles(answer: object) -> None:
    """``answer`` maps L and M to the two faults of each."""
    if not isinstance(answer, dict) or set(answer) != set(DOUBLES):
        raise Wrong("keep the dictionary with the letters L and M.")
    for letter, faults in DOUBLES.items():
        named = answer[letter] if isinstance(answer[letter], (tuple, list, set)) else []
        if len(named) != 2 or ... in named:
            raise Wrong(f"{letter}: expected two lines of the list, got {shown(answer[letter])}.")
        for said in named:
            if said not in FAULTS.values():
                raise Wrong(f"{letter}: {shown(said)} is not in the list. Copy a line of it.")
            if said not in faults:
                raise Wrong(f"{letter} does not have {said!r}: repair that, and nothing changes.")
        if set(named) != faults:
            raise Wrong(f"{letter}: one of the two is missing.")


def _judge(ask: Callable, *cases: tuple) -> None:
    """Ask a check about runs: what it is given, whether it is healthy, and what if it errs."""
    for given, healthy, hint in cases:
        found = numbers(ask(*given), (), "True or False")
        if found not in (0, 1):
            raise Wrong(f"expected True or False, got {found:g}.")
        if found != healthy:
            raise Wrong(hint)


@exercise(
    "Compare the bytes: what is the same for two photos only if every pixel is?",
    "`photo.numpy().tobytes()` can be put into a set.",
    right="now `examine` catches run G, the one fault that makes the number better.",
)
def share_no_photo(answer: object) -> None:
    """``answer(some, others)``: whether no photo of one stack is in the other."""
    photos = torch.randint(0, 256, (9, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    photos = photos.to(torch.uint8)
    nearly = torch.cat([photos[:1], photos[:1].flip(-1)])
    nearly[0, 0, 0, 0] ^= 1
    _judge(
        partial(call, answer),
        ((photos[:4], photos[4:]), True, "it fails two stacks that share nothing."),
        ((photos[:5], photos[4:]), False, "it misses a photo that is last in one, first in other."),
        ((photos[[7, 2]], photos[[1, 2, 3]]), False, "a shared photo may stand at another place."),
        ((nearly, photos), True, "a photo mirrored, or with one other pixel, is another photo."),
        ((photos[:0], photos), True, "an empty stack shares nothing."),
    )


@exercise(
    "Guessing gives each of K classes the probability 1/K. What is the cross-entropy of that?",
    "-log(1/K) = log(K), the natural logarithm.",
    right="run H kept a thousand classes and is caught at the first batch.",
)
def starts_by_guessing(answer: object) -> None:
    """``answer(first_loss, classes)``: whether a first loss is that of guessing, within 0.3."""
    _judge(
        partial(call, answer),
        ((math.log(2), 2), True, "it fails a network that guesses between two classes."),
        ((math.log(10) + 0.25, 10), True, "guessing among ten costs ln 10; 0.25 more is allowed."),
        ((math.log(10) + 0.35, 10), False, "it passes a loss 0.35 above that of guessing."),
        ((0.05, 2), False, "a first loss far *below* guessing has seen the answers."),
        ((math.log(2), 10), False, "it does not depend on the number of classes."),
        ((math.nan, 2), False, "it passes a loss of nan."),
    )


@exercise(
    "For each name: the norm of the difference, over the norm of what was there before.",
    "Skip tensors with fewer than two dimensions: `old.ndim > 1`. Then all must lie in between.",
    right="runs A and B are caught: weights that rest, and weights that fly away.",
)
def weights_move(answer: object) -> None:
    """``answer(before, after)``: whether every matrix has moved, and none out of reach."""
    a, b, one = torch.ones(3, 4), torch.full((2, 2), 5.0), torch.ones(2)
    old = {"a.weight": a, "b.weight": b, "norm.weight": one, "norm.steps": one[0].long()}

    def but(**factors: float) -> tuple:
        wanted = {"a": 1.1, "b": 1.1} | factors
        return old, {n: w * (wanted[n[0]] if w.ndim > 1 else 1) for n, w in old.items()}

    _judge(
        partial(call, answer),
        (but(), True, "it fails a run in which both matrices moved by a tenth; vectors may rest."),
        (but(a=1.0), False, "it passes a run in which one matrix rests."),
        (but(b=1.00001), False, "a hundred-thousandth is not a movement: one matrix hardly moved."),
        (but(a=20.0), False, "it passes a matrix that became twenty times as long."),
        (but(b=0.9), True, "weights may also shrink: take the norm of the difference."),
        (but(a=math.nan), False, "it passes weights that are nan."),
    )


def _program(clear: Callable[[nn.Sequential], object]) -> Callable[[nn.Sequential], None]:
    """Make the part of a training step before ``optimizer.step()``, with one way to clear."""
    rng = torch.Generator().manual_seed(0)
    maps, labels = torch.randn(6, 3, generator=rng), torch.arange(6) % 2

    def backward(network: nn.Sequential) -> None:
        clear(network)
        F.cross_entropy(network(maps), labels).backward()

    return backward


@exercise(
    "Call `backward(network)` twice. No weight moves in between: what should the gradients do?",
    "`weights.grad` is added to *in place*: keep a copy with `.clone()` before the second call.",
    "Compare every gradient, not only one, and skip weights that are frozen: theirs is None.",
    right="gradients that pile up are a momentum of 1: no old step is ever forgotten. Add your "
    "check to the nine, and run it before the first epoch.",
)
def starts_afresh(answer: object) -> None:
    """``answer(backward, network)``: whether each pass starts from cleared gradients."""
    healthy, never = _program(nn.Module.zero_grad), _program(lambda network: None)
    head, first = (_program(lambda network, at=at: network[at].zero_grad()) for at in (0, 2))
    zeros = _program(lambda network: network.zero_grad(False))

    def freeze(network: nn.Sequential) -> None:
        network[0].requires_grad_(False)

    def says(backward: Callable, prepare: Callable = lambda network: None) -> object:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
        prepare(network)
        return call(answer, backward, network, copies=False)  # a copy would have no gradients

    if says(never) and not says(healthy):
        raise Wrong("the wrong way round: True is for the program that clears its gradients.")
    _judge(
        says,
        ((never,), False, "it passes one that never clears: did you compare a tensor with itself?"),
        ((healthy,), True, "it fails a healthy program: the same photos and weights, cleared."),
        ((head,), False, "it passes a program that forgets the head. Compare every gradient."),
        ((first,), False, "it passes one that forgets the first layer. Compare every gradient."),
        ((zeros,), True, "writing zeros, `set_to_none=False`, clears as well: it fails that."),
        ((healthy, freeze), True, "it fails a healthy program whose first layer is frozen."),
        ((healthy, healthy), True, "it fails a healthy program, if it was trained before."),
    )
