"""Exercises of lesson 12, your own images."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_lib.checks import Wrong, call, exercise


@exercise(
    "Take one class k after the other: `predicted[labels == k]` is what was said of its pictures.",
    "`np.unique(labels)` are the classes that occur. The recall of one is the mean of "
    "`predicted[labels == k] == k`; return the mean of the recalls.",
    right="and saying always the same class now scores one in the number of classes, however large "
    "that class is.",
)
def balanced_accuracy(answer: Any) -> None:
    """``answer(labels, predicted)``: the mean recall over the classes that occur."""
    labels = np.array([0] * 8 + [1] * 2 + [3] * 2)
    predicted = np.array([0] * 6 + [1] * 2 + [1, 0] + [0, 1])
    try:
        found = float(call(answer, labels, predicted))
    except (TypeError, ValueError):
        raise Wrong("return one number between 0 and 1.") from None
    recalls, precisions = (0.75 + 0.5 + 0) / 3, (6 / 8 + 1 / 4) / 2
    if np.isnan(found):
        raise Wrong(
            "nan: some class has no picture, and the mean over nothing is nan. Leave it out."
        )
    if np.isclose(found, 7 / 12):
        raise Wrong("this is plain accuracy: each picture counts the same, not each class.")
    if np.isclose(found, 1.25 / 4):
        raise Wrong("a class without any picture was counted as missed. Leave it out of the mean.")
    if np.isclose(found, 1.25 / 2) or np.isclose(found, precisions):
        raise Wrong(
            "this goes through what was predicted. Recall asks: of the pictures that *are* of a "
            "class, which share was found? Also of a class that nobody was said to be."
        )
    if not np.isclose(found, recalls):
        raise Wrong(
            f"with recalls of 0.75, 0.5 and 0 the answer is {recalls:.3f}, not {found:.3f}."
        )


@exercise(
    "Draw among the groups, not among the photos: `np.unique(groups)` names them.",
    "`np.random.default_rng(seed).permutation(names)[:count]` are the groups for val; "
    "`np.flatnonzero(np.isin(groups, chosen))` are the positions of their photos.",
    right="no insect is on both sides now. Expect a lower score than from a split by photos, and a "
    "truer one.",
)
def split_by_group(answer: Any) -> None:
    """``answer(groups, share, seed)``: positions of whole groups, drawn by chance."""
    names = np.repeat(np.arange(20), np.tile([1, 2, 3, 4], 5))
    groups = np.array([f"insect {n:02d}" for n in np.random.default_rng(0).permutation(names)])
    drawn = []
    for seed in (*range(6), 0):
        found = np.asarray(call(answer, groups, 0.25, seed))
        if found.ndim != 1 or not found.size:
            raise Wrong("return the positions of the photos for val, at least one.")
        if found.dtype == bool:
            raise Wrong("these are yes and no; return positions, as `np.flatnonzero` gives them.")
        if not np.issubdtype(found.dtype, np.integer):
            raise Wrong("these are names of groups; return the positions of their photos.")
        if found.min() < 0 or found.max() >= len(groups):
            raise Wrong(f"some positions lie outside 0 to {len(groups) - 1}.")
        if len(set(found.tolist())) < len(found):
            raise Wrong("a photo is in the list twice.")
        drawn.append(sorted(found.tolist()))
        rest = np.setdiff1d(np.arange(len(groups)), found)
        if torn := sorted(set(groups[found]) & set(groups[rest])):
            raise Wrong(f"{torn[0]!r} has photos on both sides: draw groups, not photos.")
        if len(set(groups[found])) != 5:
            raise Wrong(
                f"{len(set(groups[found]))} of 20 groups are in val; a share of 0.25 would be 5."
            )
    if drawn[0] != drawn[-1]:
        raise Wrong("the same seed gives another split: draw from `np.random.default_rng(seed)`.")
    if drawn[0] == drawn[1]:
        raise Wrong("another seed gives the same split: use the seed.")
