"""Functions that lesson 04 writes out."""

import numpy as np
import pytest
import torch
from notebook_code import definitions
from sklearn.linear_model import Ridge

WIDTH = 30
lesson = definitions("04")


def related(seed: int, spread: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=WIDTH)
    return common, common + spread * rng.normal(size=WIDTH)


def test_features_are_standardised_and_shrinking_to_a_centre_or_a_prior_is_as_by_hand() -> None:
    x = np.random.default_rng(0).normal(5, [1, 10, 0], size=(200, 3))
    scaled = lesson.scaled(x[:50], x)
    assert scaled.shape == (50, 4) and np.all(scaled[:, -1] == 1)
    whole = lesson.scaled(x, x)[:, :-1]
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(whole.std(axis=0), np.array([1, 1, 0]) / 3**0.5, atol=1e-12)
    np.testing.assert_allclose(scaled[:, :-1], whole[:50])
    # One feature, one answer: minimise (3 - 2w)² + 4 (w - 1)²; the derivative is 0 at w = 10 / 8.
    w = lesson.shrink(np.array([[2.0]]), np.array([3.0]), np.array([1.0]), 4.0)
    assert w == pytest.approx([1.25])
    # Prior 1 ± 2, one measurement 4 ± 1: the mean weighted by precision, (1/4 + 4) / (1/4 + 1).
    found = lesson.shrink_to_prior(np.eye(1), np.array([4.0]), np.ones(1), 4 * np.eye(1), 1.0)
    assert found == pytest.approx([3.4])
    rng = np.random.default_rng(0)
    x, y, mean = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)
    found = lesson.shrink_to_prior(x, y, mean, np.eye(3), 0.7)
    np.testing.assert_allclose(found, lesson.shrink(x, y, mean, 0.7))


@pytest.mark.parametrize("rows", [3, 100])
def test_shrinking_is_ridge_on_what_the_centre_leaves(rows: int) -> None:
    rng = np.random.default_rng(rows)
    x, y, centre = rng.normal(size=(rows, WIDTH)), rng.normal(size=rows), rng.normal(size=WIDTH)
    ridge = Ridge(alpha=2.0, fit_intercept=False).fit(x, y - x @ centre)
    np.testing.assert_allclose(lesson.shrink(x, y, centre, 2.0), centre + ridge.coef_, atol=1e-9)
    np.testing.assert_allclose(lesson.shrink(x, y, centre, 1e12), centre, atol=1e-6)
    np.testing.assert_array_equal(lesson.shrink(x[:0], y[:0], centre, 1.0), centre)


def test_a_related_source_and_few_labels_beat_either_and_leave_one_out_tells_a_good_source():
    errors = []
    for seed in range(10):
        source, target = related(seed, spread=0.4)
        rng = np.random.default_rng(100 + seed)
        x = rng.normal(size=(WIDTH // 2, WIDTH))
        y = x @ target + 0.1 * rng.normal(size=len(x))
        near, zero = (lesson.shrink(x, y, centre, 1.0) for centre in (source, np.zeros(WIDTH)))
        errors.append([np.linalg.norm(w - target) for w in (near, zero, source)])
    near, zero, source = np.mean(errors, axis=0)
    assert near < 0.8 * source and near < 0.6 * zero
    rng = np.random.default_rng(0)
    x, y, centre = rng.normal(size=(8, WIDTH)), rng.normal(size=8), rng.normal(size=WIDTH)
    others = [(i, np.arange(8) != i) for i in range(8)]
    errors = [y[i] - x[i] @ lesson.shrink(x[rest], y[rest], centre, 0.5) for i, rest in others]
    assert lesson.leave_one_out(x, y, centre, 0.5) == pytest.approx(np.mean(np.square(errors)))
    for seed in range(10):
        source, target = related(seed)
        x = np.random.default_rng(seed).normal(size=(10, WIDTH))
        centres = {"source": source, "zero": np.zeros(WIDTH), "opposite": -source}
        assert lesson.choose(x, x @ target, centres, [1.0])[0] == "source"
        del centres["source"]
        assert lesson.choose(x, x @ target, centres, [1.0])[0] == "zero"


def test_a_pull_is_a_squared_distance_and_holds_a_network() -> None:
    torch.manual_seed(0)
    x, y = np.random.default_rng(0).normal(size=(20, 5)), np.repeat([-1.0, 1.0], 10)
    net = lesson.network(5, hidden=8)
    here = [parameter.detach().clone() for parameter in net.parameters()]
    assert lesson.pull_to(net, here, 2.0)().item() == 0
    squares = sum((parameter**2).sum() for parameter in here)
    assert lesson.pull_to(net, [0 * w for w in here], 2.0)().item() == pytest.approx(2 * squares)
    lesson.train([net], [], lesson.pull_to(net, [0] * 4, 0.05), steps=1)
    torch.testing.assert_close(net[0].weight, 0.98 * here[0])  # decays by 1 - 0.2 * 2 * 0.05
    lesson.train([net], [(net, x, y)], lesson.pull_to(net, here, 1.0))
    held = lesson.pull_to(net, here, 1.0)().item()
    lesson.train([net], [(net, x, y)], steps=200)
    assert held < 0.1 * lesson.pull_to(net, here, 1.0)().item() and lesson.score(net, x, y) > 0.9


def test_the_prior_is_that_of_statsmodels_and_pays_where_a_colony_has_few_workers() -> None:
    lines, head, body = lesson.simulate_colonies(30, seed=1)
    assert lines[0].tolist() == [lesson.TYPICAL[0], -lesson.TYPICAL[1]]
    fit = lesson.learn_prior(head, body)
    np.testing.assert_allclose(fit.fe_params, lesson.TYPICAL, atol=0.25)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.cov_re)), lesson.VARIETY, rtol=0.35)
    assert np.sqrt(fit.scale) == pytest.approx(lesson.NOISE, rel=0.1)
    effects = np.array([fit.random_effects[colony] for colony in range(lesson.COLONIES)])
    shared = lesson.fit_lines(head, body)["shared prior"]
    np.testing.assert_allclose(shared, fit.fe_params.to_numpy() + effects, atol=1e-6)
    error = lesson.colonies(seed=1, size=5)
    assert error["shared prior"] < 0.9 * min(error["own least squares"], error["pooled"])
