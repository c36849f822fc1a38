"""Exercises of lesson 12, your own images."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, numbers, positions, same


@exercise(
    "Take one class k after the other: `predicted[labels == k]` is what was said of its pictures.",
    "`np.unique(labels)` are the classes that occur. The recall of one is the mean of "
    "`predicted[labels == k] == k`; return the mean of the recalls.",
    right="and saying always the same class now scores one in the number of classes, however large "
    "that class is.",
)
def balanced_accuracy(answer: object) -> None:
    """``answer(labels, predicted)``: the mean recall over the classes that occur."""
    labels = np.array([0] * 8 + [1] * 2 + [3] * 2)
    predicted = np.array([0] * 6 + [1] * 2 + [1, 0] + [1, 1])
    nan = "nan: some class has no picture, and the mean over nothing is nan. Leave it out."
    found = numbers(call(answer, labels, predicted), (), "the mean recall", nan)
    recalls, precisions = (0.75 + 0.5 + 0) / 3, (6 / 7 + 1 / 5) / 2
    if same(found, 7 / 12):
        raise Wrong("this is plain accuracy: each picture counts the same, not each class.")
    if same(found, 1.25 / 4):
        raise Wrong("a class without any picture was counted as missed. Leave it out of the mean.")
    if same(found, 1.25 / 2) or same(found, precisions):
        recall = "Recall asks which share was found of those that *are* of a class"
        raise Wrong(f"this goes through what was predicted. {recall}.")
    hint = f"with recalls of 0.75, 0.5 and 0 the answer is {recalls:.3f}, not {found:.3f}."
    compare(found, recalls, hint)
    labels, predicted = np.array([1, 1, 1, 1, 4]), np.array([1, 2, 1, 1, 4])
    compare(call(answer, labels, predicted), 0.875, "a class that is only predicted has no recall.")


@exercise(
    "A rare class has a small share, whose logarithm is far below zero: subtract it, times the "
    "strength, from the column of its class.",
    "`logits - strength * np.log(counts / counts.sum())` has a row for each picture; "
    "`.argmax(axis=1)` names its class.",
    right="and with strength 0 nothing changes, so validation may also choose to leave it out.",
)
def adjusted_classes(answer: object) -> None:
    """``answer(logits, counts, strength)``: the class of each row after logit adjustment."""
    rng = np.random.default_rng(0)
    for counts, strength in ((np.array([80, 15, 5]), 1.0), (np.array([3, 90, 30, 9]), 2.0)):
        logits = rng.normal(0, 2, (60, len(counts)))
        found = numbers(call(answer, logits, counts, strength), None, "one class for each row")
        if np.shape(found) == logits.shape:
            raise Wrong("these are logits; return the class of each row, `.argmax(axis=1)`.")
        found = numbers(found, (60,), "one class for each row")
        shares = np.log(counts / counts.sum())
        told = {
            "this is the plain head: nothing was subtracted.": logits,
            "this adds, so the common classes gain: subtract.": logits + strength * shares,
            "the strength is left out.": logits - (strength != 1) * shares,
            "subtract the *logarithm* of the share.": logits - strength * counts / counts.sum(),
        }
        right = (logits - strength * shares).argmax(axis=1)
        for hint, other in told.items():
            wrong = other.argmax(axis=1)
            if same(found, wrong) and not same(wrong, right):
                raise Wrong(hint)
        compare(found, right, f"{np.sum(found != right)} of 60 pictures get another class.")


@exercise(
    "Draw among the groups, not among the photos: `np.unique(groups)` names them.",
    "`np.random.default_rng(seed).permutation(names)[:count]` are the groups for val; "
    "`np.flatnonzero(np.isin(groups, chosen))` are the positions of their photos.",
    right="no insect is on both sides now. Expect a lower score than from a split by photos, and a "
    "truer one.",
)
def split_by_group(answer: object) -> None:
    """``answer(groups, share, seed)``: positions of whole groups, drawn at random."""
    for count, share in ((20, 0.25), (10, 0.4)):
        numbered = np.repeat(np.arange(count), np.resize([1, 2, 3, 4], count))
        shuffled = np.random.default_rng(0).permutation(numbered)
        groups = np.array([f"insect {number:02d}" for number in shuffled])
        drawn = [_drawn(answer, groups, share, seed) for seed in (*range(6), 0)]
        if drawn[0] != drawn[-1]:
            raise Wrong("the same seed gives another split: use `np.random.default_rng(seed)`.")
        if len(set(drawn)) == 1:
            raise Wrong("another seed gives the same split: use the seed.")


def _drawn(answer: object, groups: np.ndarray, share: float, seed: int) -> tuple[int, ...]:
    names = "these are names of groups; return the positions of their photos."
    found = positions(call(answer, groups, share, seed), len(groups), names)
    chosen, rest = set(groups[found]), set(np.delete(groups, found))
    if torn := sorted(chosen & rest):
        raise Wrong(f"{str(torn[0])!r} has photos on both sides: draw groups, not photos.")
    count, many = len(set(groups)), round(share * len(set(groups)))
    if len(chosen) != many:
        raise Wrong(f"{len(chosen)} of {count} groups are in val; {share:.0%} would be {many}.")
    return tuple(sorted(found.tolist()))
