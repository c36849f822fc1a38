"""Exercises of lesson 03, feature-based transfer."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_lib.checks import Wrong, call, exercise


@exercise(
    "The same step as in mean shift, backwards: from the pool's mean to the source's.",
    "The step must not depend on the test images: they come one by one, some day.",
    right="the accuracy is that of mean shift: both clouds are moved by the same step, and the "
    "intercept of a classifier takes up the difference.",
)
def onto_the_source(answer: Any) -> None:
    """``answer(test, source, pool)`` moves test images by the step from pool to source."""
    rng = np.random.default_rng(0)
    source, pool, test = (
        rng.normal(size=(9, 3)),
        rng.normal(size=(7, 3)) + 4,
        rng.normal(size=(5, 3)),
    )
    step = source.mean(axis=0) - pool.mean(axis=0)
    found = np.asarray(call(answer, test.copy(), source.copy(), pool.copy()), dtype=float)
    if found.shape == source.shape:
        raise Wrong("you return as many images as the source has. It is the test images that move.")
    if found.shape != test.shape:
        raise Wrong(f"expected the test images, moved: shape {test.shape}, not {found.shape}.")
    if np.allclose(found, test - test.mean(axis=0) + source.mean(axis=0)):
        raise Wrong(
            "that uses the mean of the test images. They must not help: take the pool's mean."
        )
    if np.allclose(found, test - step):
        raise Wrong("the wrong way round: that moves them even further from the source.")
    if np.allclose(found, test + source.mean() - pool.mean()):
        raise Wrong("one number for all features: take the mean of each, `axis=0`.")
    if not np.allclose(found, test + step):
        raise Wrong("every test image should move by `source.mean(axis=0) - pool.mean(axis=0)`.")


@exercise(
    "Which mean would the source have, if class 0 had that share in it?",
    "`share * source[y == 0].mean(axis=0) + (1 - share) * source[y == 1].mean(axis=0)`",
    right="compare like with like. Weights on source examples repair what a mapping alone cannot: "
    "the families of lessons 02 and 03 work together.",
)
def informed_shift(answer: Any) -> None:
    """``answer(source, y, pool, share)``: mean shift, if class 0 has this share in the pool."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    means = np.array([[0.0, 0.0], [4.0, 0.0]])
    source = means[y] + 0.1 * rng.normal(size=(400, 2))
    away = np.array([1.0, 5.0])
    in_pool = (rng.permutation(400) >= 40).astype(int)  # one in ten is of class 0
    pool = means[in_pool] + away + 0.1 * rng.normal(size=(400, 2))
    found = np.asarray(call(answer, source.copy(), y, pool.copy(), 0.1), dtype=float)
    if found.shape != source.shape:
        raise Wrong(f"expected the source, moved: shape {source.shape}, not {found.shape}.")
    moved = found - source
    if np.ptp(moved, axis=0).max() > 1e-6:
        raise Wrong("some examples move further than others. A shift is one step for all.")
    if np.allclose(moved[0], pool.mean(axis=0) - source.mean(axis=0)):
        raise Wrong("that is plain mean shift: it takes the rare class for a change of style.")
    swapped = 0.9 * source[y == 0].mean(axis=0) + 0.1 * source[y == 1].mean(axis=0)
    if np.allclose(moved[0], pool.mean(axis=0) - swapped):
        raise Wrong("the shares have changed places: `share` belongs to class 0.")
    if np.allclose(moved[0], -away, atol=0.2):
        raise Wrong("the wrong way round: the source is to go to the pool.")
    if not np.allclose(moved[0], away, atol=0.2):
        raise Wrong(
            f"the two styles are {away.tolist()} apart here, and your step is "
            f"{np.round(moved[0], 1).tolist()}."
        )
