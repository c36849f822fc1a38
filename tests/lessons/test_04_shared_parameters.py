"""Functions that lesson 04 writes out."""

from types import SimpleNamespace

import numpy as np
import pytest
from notebook_code import definitions
from sklearn.linear_model import Ridge

WIDTH = 30


@pytest.fixture(scope="module")
def lesson() -> SimpleNamespace:
    return definitions("04")


def related(seed: int, count: int, spread: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """A common model (WIDTH,) and ``count`` models that differ a little from it."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=WIDTH)
    return common, common + spread * rng.normal(size=(count, WIDTH))


def test_scaled_features_have_length_one_and_constant_columns_are_harmless(
    lesson: SimpleNamespace,
) -> None:
    x = np.random.default_rng(0).normal(5, 3, size=(200, 8))
    x[:, 3] = 7.0
    scaled = lesson.scaled(x, x)
    assert scaled.shape == (200, 9)
    assert np.all(scaled[:, 3] == 0)
    assert np.all(scaled[:, -1] == 1)
    assert np.mean(np.sum(scaled[:, :-1] ** 2, axis=1)) == pytest.approx(7 / 8)


def test_shrinking_by_hand(lesson: SimpleNamespace) -> None:
    # One feature, one answer: minimise (3 - 2w)² + 4 (w - 1)²; the derivative is 0 at w = 10 / 8.
    w = lesson.shrink(np.array([[2.0]]), np.array([3.0]), np.array([1.0]), 4.0)
    assert w == pytest.approx([1.25])


@pytest.mark.parametrize("rows", [3, 100])
def test_shrinking_to_zero_is_ridge_regression(lesson: SimpleNamespace, rows: int) -> None:
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, WIDTH)), rng.normal(size=rows)
    ridge = Ridge(alpha=2.0, fit_intercept=False).fit(x, y)
    np.testing.assert_allclose(lesson.shrink(x, y, np.zeros(WIDTH), 2.0), ridge.coef_, atol=1e-9)


@pytest.mark.parametrize("strength", [0.0, -1.0, np.nan])
def test_a_strength_that_is_no_strength(lesson: SimpleNamespace, strength: float) -> None:
    with pytest.raises(ValueError, match="expected a number above 0"):
        lesson.shrink(np.ones((2, 3)), np.ones(2), np.zeros(3), strength)


def test_a_related_source_and_few_labels_beat_either_alone(lesson: SimpleNamespace) -> None:
    errors = []
    for seed in range(10):
        source, (target,) = related(seed, 1, spread=0.4)
        rng = np.random.default_rng(100 + seed)
        x = rng.normal(size=(WIDTH // 2, WIDTH))
        y = x @ target + 0.1 * rng.normal(size=len(x))
        near = lesson.shrink(x, y, source, 1.0)
        zero = lesson.shrink(x, y, np.zeros(WIDTH), 1.0)
        errors.append([np.linalg.norm(w - target) for w in (near, zero, source)])
    near, zero, source = np.mean(errors, axis=0)
    assert near < 0.8 * source
    assert near < 0.6 * zero


def test_leave_one_out_leaves_each_one_out(lesson: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    x, y, centre = rng.normal(size=(8, WIDTH)), rng.normal(size=8), rng.normal(size=WIDTH)
    errors = []
    for i in range(8):
        rest = np.arange(8) != i
        errors.append(y[i] - x[i] @ lesson.shrink(x[rest], y[rest], centre, 0.5))
    assert lesson.leave_one_out(x, y, centre, 0.5) == pytest.approx(np.mean(np.square(errors)))
    with pytest.raises(ValueError, match="1 labelled images: leaving one out needs at least 2"):
        lesson.leave_one_out(x[:1], y[:1], centre, 0.5)


def test_leave_one_out_tells_a_good_source_from_an_opposite_one(lesson: SimpleNamespace) -> None:
    for seed in range(10):
        source, (target,) = related(seed, 1)
        x = np.random.default_rng(seed).normal(size=(10, WIDTH))
        centres = {"source": source, "zero": np.zeros(WIDTH), "opposite": -source}
        assert lesson.choose(x, x @ target, centres, [1.0])[0] == "source"
        del centres["source"]
        assert lesson.choose(x, x @ target, centres, [1.0])[0] == "zero"


def test_multi_task_is_the_least_of_its_penalty(lesson: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    x, y, task = rng.normal(size=(12, 5)), rng.normal(size=12), np.arange(12) % 3
    share, strength = 0.3, 0.7
    found = lesson.multi_task(x, y, task, share, strength)

    def least_penalty(weights: np.ndarray) -> float:
        # For given w_t, the common part that costs least is this weighted sum.
        common = weights.sum(axis=0) / (len(weights) + (1 - share) / share)
        own = weights - common
        penalty = np.sum(common**2) / share + np.sum(own**2) / (1 - share)
        return np.sum((y - np.sum(x * weights[task], axis=1)) ** 2) + strength * penalty

    best = least_penalty(found)
    for _ in range(100):
        assert least_penalty(found + 1e-3 * rng.normal(size=found.shape)) > best


def test_related_tasks_gain_from_sharing(lesson: SimpleNamespace) -> None:
    errors = {share: [] for share in (0.0, 0.8, 1.0)}
    for seed in range(5):
        _, truth = related(seed, 4, spread=0.5)
        rng = np.random.default_rng(seed)
        task = np.repeat(np.arange(4), 15)
        x = rng.normal(size=(60, WIDTH))
        y = np.sum(x * truth[task], axis=1)
        for share, of_share in errors.items():
            of_share.append(np.linalg.norm(lesson.multi_task(x, y, task, share, 0.1) - truth))
    independent, shared, pooled = (np.mean(of_share) for of_share in errors.values())
    assert shared < 0.9 * independent
    assert shared < 0.9 * pooled


def test_a_share_outside_its_range(lesson: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match=r"share is 1\.5: expected a number from 0 to 1"):
        lesson.multi_task(np.ones((2, 3)), np.ones(2), np.zeros(2, int), 1.5, 1.0)


def test_shrinking_to_a_prior_by_hand(lesson: SimpleNamespace) -> None:
    # Prior 1 ± 2, one measurement 4 ± 1: the mean weighted by precision, (1/4 + 4) / (1/4 + 1).
    found = lesson.shrink_to_prior(
        np.array([[1.0]]), np.array([4.0]), np.array([1.0]), np.array([[4.0]]), 1.0
    )
    assert found == pytest.approx([3.4])


def test_the_prior_is_learned_and_pays(lesson: SimpleNamespace) -> None:
    lines, head, body = lesson.simulate_colonies(30, seed=1)
    fit = lesson.learn_prior(head, body)
    np.testing.assert_allclose(fit.fe_params, lesson.TYPICAL, atol=0.25)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.cov_re)), lesson.VARIETY, rtol=0.3)
    assert np.sqrt(fit.scale) == pytest.approx(lesson.NOISE, rel=0.1)
    lines, head, body = lesson.simulate_colonies(5, seed=1)
    error = {name: lesson.rmse(w, lines) for name, w in lesson.fit_lines(head, body).items()}
    assert error["shared prior"] < 0.9 * error["own least squares"]
    assert error["shared prior"] < 0.9 * error["pooled"]


def test_only_the_odd_colony_is_odd(lesson: SimpleNamespace) -> None:
    usual, _, _ = lesson.simulate_colonies(4, seed=0)
    odd, _, _ = lesson.simulate_colonies(4, seed=0, odd=True)
    assert odd[0].tolist() == [lesson.TYPICAL[0], -lesson.TYPICAL[1]]
    np.testing.assert_array_equal(usual[1:], odd[1:])
