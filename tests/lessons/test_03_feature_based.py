"""Functions that lesson 03 writes out."""

from collections.abc import Callable

import numpy as np
import torch
from notebook_code import definitions
from skada import CORALAdapter  # by name: * is broken in version 0.6

Move = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, ...]]
lesson = definitions("03")


def classes_apart(seed: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, 2): the first coordinate tells the class, the second is noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    return np.stack([2.0 * y - 1, np.zeros(count)], 1) + rng.normal(0, [0.3, 1], (count, 2)), y


def gain(move: Move, change: Callable) -> tuple[float, float]:
    """Accuracy on changed points, without and with a mapping of the source and a changed pool."""
    (x, y), pool = classes_apart(0), change(classes_apart(1)[0])
    test, labels = change(classes_apart(2)[0]), classes_apart(2)[1]
    new_x, _, new_test = move(x, pool, test)
    plain, moved = lesson.classifier(x, y), lesson.classifier(new_x, y)
    return plain.score(test, labels), moved.score(new_test, labels)


def shifted(x: np.ndarray) -> np.ndarray:
    return x + np.array([3, 1])


def sheared(x: np.ndarray) -> np.ndarray:
    return 100 * x @ np.array([[2.6, 2.4], [2.4, 2.6]])


def test_mean_shift_and_transport_to_what_is_near_win_on_shifts_and_coral_on_shapes():
    for move in (lesson.mean_shift, lesson.transport):
        before, after = gain(move, shifted)
        assert before < 0.6 < 0.9 < after
    before, after = gain(lambda *three: lesson.coral(*three, 0.01), sheared)
    assert after > before + 0.08 and after > gain(lesson.mean_shift, sheared)[1] + 0.08
    rng = np.random.default_rng(0)
    pool = 10.0 * np.arange(5)[:, None] + np.zeros(3)
    source = pool[::-1] + rng.normal(0, 0.1, (5, 3))
    for entropy in (0, 0.01):
        moved = lesson.transport(source, pool, pool, entropy)[0]
        np.testing.assert_allclose(moved, pool[::-1], atol=0.02)
    blurred = lesson.transport(source, pool, pool, 5.0)[0]
    np.testing.assert_allclose(blurred, [pool.mean(axis=0)] * 5, atol=2)


def test_tca_drops_the_direction_between_domains_and_mean_shift_is_as_by_hand() -> None:
    (x, y), (test, labels) = classes_apart(0), classes_apart(1)
    x, test = x * [1, 3], test * [1, 3] + [0, 40]  # noise that tells the domain, not the class
    new = lesson.tca(x, test, test, count=1)
    assert [part.shape for part in new] == [(200, 1)] * 3
    assert abs(new[0].mean() - new[1].mean()) < 0.02 * np.ptp(new[0])
    assert lesson.classifier(100 * new[0], y).score(100 * new[2], labels) > 0.95
    source, pool = np.array([[0.0, 1], [2, 3]]), np.array([[5.0, 5], [7, 9]])
    moved, same, test = lesson.mean_shift(source, pool, pool[:1])
    assert moved.tolist() == [[5, 6], [7, 8]] and same is pool
    assert test.tolist() == [[5, 5]]
    found = lesson.measures(np.array([1.0, 2, 3, 4]), np.array([0, 1, 0, 1]), cut=2.5)
    assert found == {"accuracy": 0.5, "AUC": 0.75, "share called bees": 0.5}


def test_coral_gives_the_source_the_mean_and_covariance_of_the_pool() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4)) + 3
    pool = rng.normal(size=(250, 4)) @ rng.normal(size=(4, 4)) - 2
    moved = lesson.coral(source, pool, pool, 0.0)[0]
    np.testing.assert_allclose(moved.mean(axis=0), pool.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(pool.T) * 300 / 299 * 249 / 250, atol=1e-8)
    side = np.repeat([1, -1], [300, 250])
    theirs = CORALAdapter(reg=0.1).fit_transform(np.r_[source, pool], sample_domain=side)[side == 1]
    ours = lesson.coral(source, pool, pool, 0.1)[0] - pool.mean(axis=0)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_gradient_is_reversed_and_a_distance_tells_separate_domains() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    out = lesson.reverse(x, 0.25)
    assert torch.equal(out, x)
    (out**2).sum().backward()
    torch.testing.assert_close(x.grad, -0.25 * 2 * x.detach())
    rng = np.random.default_rng(0)
    x, pool = rng.normal(size=(100, 3)), rng.normal(size=(100, 3))
    assert lesson.a_distance(x, pool, pool) < 0.4
    assert lesson.a_distance(100 * x, 100 * pool + 900, pool) > 1.9


def test_reverse_validation_prefers_what_carries_over() -> None:
    (x, y), pool, (test, labels) = classes_apart(0), classes_apart(1)[0], classes_apart(2)
    good = lesson.judge((x, pool, test), y, labels, seed=0)
    assert good["accuracy"][0] > 0.95 and good["AUC"][1] > 0.95
    lost = lesson.judge((x, pool[:, ::-1], test[:, ::-1]), y, labels, seed=0)  # noise tells nothing
    assert lost["accuracy"][0] < 0.85
    away = lesson.judge((x, shifted(pool), shifted(test)), y, labels, 0, median=True)
    assert away["accuracy"][1] > 0.95
    # A pool that is called one class entirely has no round trip.
    assert lesson.judge((x, pool + np.array([99, 0]), test), y, labels, seed=0)["accuracy"][0] == 0
