"""Exercises of lesson 03, feature-based transfer."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "The same step as in mean shift, backwards: from the pool's mean to the source's.",
    "The step must not depend on the test images: they come one by one, some day.",
    right="the accuracy is that of mean shift: both clouds are moved by the same step, and the "
    "intercept of a classifier takes up the difference.",
)
def onto_the_source(answer: object) -> None:
    """``answer(test, source, pool)`` moves test images by the step from pool to source."""
    rng = np.random.default_rng(0)
    source, pool, test = (rng.normal(size=(count, 3)) for count in (9, 7, 5))
    pool += 4
    step = source.mean(axis=0) - pool.mean(axis=0)
    found = numbers(call(answer, test, source, pool), None, "the test images, moved")
    if found.shape == source.shape:
        raise Wrong("you return as many images as the source has. It is the test images that move.")
    found = numbers(found, test.shape, "the test images, moved")
    if same(found, test - test.mean(axis=0) + source.mean(axis=0)):
        raise Wrong("that uses the mean of the test images. They must not help: take the pool's.")
    if same(found, test - step):
        raise Wrong("the wrong way round: that moves them even further from the source.")
    if same(found, test + source.mean() - pool.mean()):
        raise Wrong("one number for all features: take the mean of each, `axis=0`.")
    move = "every test image should move by `source.mean(axis=0) - pool.mean(axis=0)`."
    compare(found, test + step, move)
    compare(call(answer, test[:2], pool, source), test[:2] - step, move)


@exercise(
    "Which mean would the source have, if class 0 had that share in it?",
    "`share * source[y == 0].mean(axis=0) + (1 - share) * source[y == 1].mean(axis=0)`",
    right="compare like with like. Weights on source examples repair what a mapping alone cannot: "
    "the families of lessons 02 and 03 work together.",
)
def informed_shift(answer: object) -> None:
    """``answer(source, y, pool, share)``: mean shift, if class 0 has this share in the pool."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
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
        if same(moved[0], -away, 0.2):
            raise Wrong("the wrong way round: the source is to go to the pool.")
        step = np.round(moved[0], 1).tolist()
        apart = f"the two styles are {away.tolist()} apart here, and your step is {step}."
        compare(moved[0], away, apart, tolerance=0.2)
