"""Exercises of lesson 03, feature-based transfer."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, items, numbers, same


@exercise(
    "The score of a moved image is to be what it was: which intercept makes up for the step?",
    "The step is `pool.mean(axis=0) - source.mean(axis=0)`; its score is `weights @ step`.",
    right="mean shift is a new threshold and nothing else, so it cannot change the ranking.",
)
def shifted_intercept(answer: object) -> None:
    """``answer(weights, intercept, source, pool)``: the intercept after mean shift."""
    rng = np.random.default_rng(0)
    for size, intercept in ((3, 0.5), (5, -2.0)):
        weights, source, pool = (rng.normal(1, 1, n) for n in (size, (9, size), (7, size)))
        step = weights @ (pool.mean(axis=0) - source.mean(axis=0))
        found = numbers(call(answer, weights, intercept, source, pool), (), "the intercept")
        if same(found, -step):
            raise Wrong("that is the change of the intercept. Add the intercept it had.")
        if same(found, intercept + step):
            raise Wrong("the wrong way round: a moved image would count its step twice.")
        if same(found, intercept - weights.sum() * (pool.mean() - source.mean())):
            raise Wrong("one number for all features: take the mean of each, `axis=0`.")
        compare(found, intercept - step, "w · (x + step) + new should equal w · x + old.")


@exercise(
    "With a unit vector `gap`, the part of the rows of `x` along it is `np.outer(x @ gap, gap)`.",
    "Centre all images together first. `np.linalg.svd(both, full_matrices=False)[2][:count]` holds "
    "the directions of largest variance.",
    right="no linear classifier can use the means to tell the domains apart any more. If the gap "
    "held something about the classes, that is gone too.",
)
def joint_space(answer: object) -> None:
    """``answer(source, pool, count)``: both without the gap of the means, in new coordinates."""
    rng = np.random.default_rng(0)
    for sizes, width, count in (((12, 9), 6, 2), ((8, 15), 5, 3)):
        source, pool = (rng.normal(size=(n, width)) * np.arange(1, width + 1) for n in sizes)
        pool += rng.normal(size=width) * 3
        found = items(call(answer, source, pool, count), "two arrays, of source and pool", 2)
        ours, theirs = (numbers(found[i], (sizes[i], count), "new coordinates") for i in (0, 1))
        if not same(ours.mean(axis=0), theirs.mean(axis=0)):
            raise Wrong("the two means differ in your space: something of the gap is left.")
        gap = source.mean(axis=0) - pool.mean(axis=0)
        gap /= np.linalg.norm(gap)
        new = np.concatenate([ours, theirs]) - ours.mean(axis=0)  # coordinates from any origin
        each = np.concatenate([source - source.mean(axis=0), pool - pool.mean(axis=0)])
        if _same_up_to_turns(new, _main(each, count)):
            raise Wrong("each domain moved by its own mean: that is mean shift. Project instead.")
        both = np.concatenate([source, pool])
        both = both - both.mean(axis=0)
        both = both - np.outer(both @ gap, gap)
        if not _same_up_to_turns(new, _main(both, count)):
            raise Wrong("centre all, take off the part along the gap, keep the main directions.")


def _main(x: np.ndarray, count: int) -> np.ndarray:
    return x @ np.linalg.svd(x, full_matrices=False)[2][:count].T


def _same_up_to_turns(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two clouds are the same but for a rotation or reflection of their axes."""
    return same(x @ x.T, y @ y.T, 1e-6 * abs(y).max() ** 2)


@exercise(
    "Which mean would the source have, if class 0 had that share in it?",
    "`share * source[y == 0].mean(axis=0) + (1 - share) * source[y == 1].mean(axis=0)`",
    right="compare like with like. Weights on source examples complete what a mapping leaves out: "
    "the families of lessons 02 and 03 work together.",
)
def informed_shift(answer: object) -> None:
    """``answer(source, y, pool, share)``: mean shift, if class 0 has this share in the pool."""
    rng, y = np.random.default_rng(0), np.arange(400) % 4 // 3  # three of four are of class 0
    means = np.array([[0.0, 0.0], [4.0, 0.0]])
    for share, away in ((0.1, np.array([1.0, 5.0])), (0.7, np.array([-2.0, 3.0]))):
        source = means[y] + 0.1 * rng.normal(size=(400, 2))
        in_pool = (rng.permutation(400) >= 400 * share).astype(int)
        pool = means[in_pool] + away + 0.1 * rng.normal(size=(400, 2))
        found = numbers(call(answer, source, y, pool, share), source.shape, "the source, moved")
        moved = found - source
        if np.ptp(moved, axis=0).max() > 1e-4:
            raise Wrong("some examples move further than others. A shift is one step for all.")
        swapped = (1 - share) * source[y == 0].mean(axis=0) + share * source[y == 1].mean(axis=0)
        if same(moved[0], pool.mean(axis=0) - source.mean(axis=0)):
            raise Wrong("that is plain mean shift: it takes the rare class for a change of style.")
        if same(moved[0], pool.mean(axis=0) - swapped):
            raise Wrong("the shares have changed places: `share` belongs to class 0.")
        if same(moved[0], pool.mean(axis=0) - np.average(source, 0, np.where(y, 1 - share, share))):
            raise Wrong("those weights come on top of the source's own shares: divide by them.")
        if same(moved[0], -away, 0.2):
            raise Wrong("the wrong way round: the source is to go to the pool.")
        step = np.round(moved[0], 1).tolist()
        apart = f"the two styles are {away.tolist()} apart here, and your step is {step}."
        compare(moved[0], away, apart, tolerance=0.2)
