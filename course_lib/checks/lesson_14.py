"""Exercises of lesson 14, look inside one model."""

import numpy as np
import torch

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "Do it answer by answer: `(said == label).nonzero().flatten()` are the photos with one answer.",
    "Within these, shift the maps by one place: `torch.roll` does that. Then every map is used "
    "once, and no photo has its own.",
    right="these maps have the shape and the habits of the real ones, for the same answer, and "
    "know nothing of the photo they are laid on.",
)
def someone_elses(answer: object) -> None:
    """``answer(maps, said)``: for each photo the map of another photo with the same answer."""
    for labels in ([0, 1, 0, 0, 1], [2, 0, 0, 2, 1, 2, 1, 0]):
        count, said = len(labels), np.array(labels)
        maps = torch.arange(count * 4.0).view(count, 1, 2, 2)
        found = numbers(call(answer, maps, torch.tensor(labels)), (count, 1, 2, 2), "maps")
        if same(found, maps):
            raise Wrong("every photo has its own map still.")
        owners = [[k for k in range(count) if same(each, maps[k])] for each in found]
        if not all(owners):
            raise Wrong("these are other maps. Keep each as it is; only its place changes.")
        owners = [owner[0] for owner in owners]
        if len(set(owners)) < count:
            raise Wrong("a map is used twice and another not at all.")
        if kept := sum(owner == place for place, owner in enumerate(owners)):
            raise Wrong(f"of {count} photos, {kept} kept their own map: a random order does that.")
        if other := int((said != said[owners]).sum()):
            raise Wrong(f"of {count} maps, {other} now lie on a photo with another answer.")


def _by_count(gap: np.ndarray, bins: int) -> float:
    """Calibration error of photos sorted by certainty; ``gap`` is certainty minus right."""
    return sum(abs(part.sum()) for part in np.array_split(gap, bins)) / len(gap)


@exercise(
    "Sort the photos by certainty (`argsort`), and cut the sorted list into `bins` parts of equal "
    "size: `np.array_split`.",
    "In each part: |mean certainty − share of right answers|. Average these gaps, weighted by the "
    "number of photos.",
    right="every bin holds equally many photos, so none hangs on two of them.",
)
def ece_by_count(answer: object) -> None:
    """``answer(certainty, right, bins)`` returns the calibration error with bins of equal count."""
    certainty = np.array([0.55, 0.99, 0.60, 0.93, 0.80, 0.97, 0.90, 0.95])
    right = np.array([1, 1, 1, 1, 1, 0, 0, 0])
    gap, order = certainty - right, np.argsort(certainty)
    found = numbers(call(answer, certainty, right, 2), (), "the calibration error")
    if same(found, _by_count(gap, 2), 1e-4):
        raise Wrong("these bins hold photos as they come. Sort by certainty first.")
    if same(found, abs(gap.mean()), 1e-4):
        raise Wrong("that is one bin for all photos: too high and too low cancel in it.")
    low = certainty < 0.75
    if same(found, (abs(gap[low].sum()) + abs(gap[~low].sum())) / 8, 1e-4):
        raise Wrong("these bins have equal width; they are to hold equally many photos.")
    if same(found, np.abs(gap).mean(), 1e-4):
        raise Wrong("average within a bin first: a single photo is right or wrong, never 0.9.")
    expected = _by_count(gap[order], 2)
    hint = f"for eight photos in two bins it is {expected:.4f}, not {found:.4f}."
    compare(found, expected, hint, tolerance=1e-4)
    more = np.linspace(0.5, 0.99, 7), np.ones(7)  # alike, wherever the larger bin lies
    uneven = "seven photos in three bins do not come out even: weight each gap by its photos."
    compare(call(answer, *more, 3), _by_count(more[0] - more[1], 3), uneven, tolerance=1e-4)


@exercise(
    "`F.one_hot(labels, K)` has a 1 at the true class and 0 elsewhere.",
    "Squares of `probabilities` minus that, summed over classes, averaged over photos.",
    right="0 is certain and right, 2 certain and wrong. It has no bins, and whoever states the "
    "true probabilities gets the least.",
)
def brier(answer: object) -> None:
    """``answer(probabilities, labels)`` returns the Brier score."""
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.0, 1.0, 0.0]])
    labels = torch.tensor([0, 1, 1])
    truth = torch.eye(3)[labels]
    gap = probabilities - truth
    found = numbers(call(answer, probabilities, labels), (), "the mean over photos")
    certainty, said = probabilities.max(dim=1)
    if same(found, gap.square().mean(), 1e-4):
        raise Wrong("that averages over classes too. Add them up, then average over photos.")
    if same(found, gap.square().sum(), 1e-4):
        raise Wrong("that is the sum over photos: take their mean.")
    if same(found, gap.abs().sum(dim=1).mean(), 1e-4):
        raise Wrong("the differences are to be squared, not made positive.")
    if same(found, gap.norm(dim=1).mean(), 1e-4):
        raise Wrong("no root: the score is the squared length itself.")
    if same(found, gap[range(3), labels].square().mean(), 1e-4):
        raise Wrong("the classes that are not true count as well.")
    if same(found, (1 - certainty).square().mean(), 1e-4):
        raise Wrong("that never looks at `labels`: it would call every sure answer good.")
    if same(found, (torch.eye(3)[said] - truth).square().sum(dim=1).mean(), 1e-4):
        raise Wrong("that judges the answers only, 0 or 2. Judge the probabilities.")
    score = gap.square().sum(dim=1).mean()
    hint = f"for three photos that score {score:.3f} it says {found:.3f}."
    compare(found, score, hint, tolerance=1e-4)
    two = torch.tensor([[0.9, 0.1], [0.3, 0.7]]), torch.tensor([0, 0])
    compare(call(answer, *two), 0.5, "for two photos that score 0.5 it is wrong.", tolerance=1e-4)
