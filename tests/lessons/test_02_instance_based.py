"""Functions that lesson 02 writes out."""

from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from notebook_code import definitions

NAMES = ("nearest neighbour", "KMM", "KLIEP", "classifier")
Boosted = namedtuple("Boosted", "models votes weights")
PARAMETERS = {"neighbours": 5, "fraction": 0.4, "dimensions": 20}
RESULTS = {"drawers": None, "by_noise": None}  # of experiments that these tests do not look at
lesson: SimpleNamespace = definitions("02", **PARAMETERS, **RESULTS, Boosted=Boosted)


def two_bells(
    seed: int, count: int = 300, spread: float = 0.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source N(0, 1), target N(1, spread²) and the known ratio at the source examples."""
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 1, (count, 1)), rng.normal(1, spread, (count, 1))
    ratio = np.exp(source**2 / 2 - ((source - 1) / spread) ** 2 / 2) / spread
    return source, target, ratio[:, 0]


# Effective sample size


@pytest.mark.parametrize(
    ("weights", "size"),
    [([1, 1, 1, 1], 4), ([0, 0, 5], 1), ([1, 1, 0, 0], 2), ([1, 3], 1.6), ([7], 1)],
)
def test_effective_size_by_hand(weights: list[float], size: float) -> None:
    assert lesson.effective_size(weights) == pytest.approx(size)
    assert lesson.effective_size(1e-9 * np.array(weights)) == pytest.approx(size)


@pytest.mark.parametrize("weights", [[0, 0], [1, -1e-3], [1, np.nan], [1, np.inf]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="not negative and not all zero"):
        lesson.effective_size(weights)


def test_true_weights_are_the_ratio_of_the_densities() -> None:
    x = np.array([[18.0], [25.0]])
    spring = np.exp(-((x - 18) ** 2) / 32) / 4
    summer = np.exp(-((x - 25) ** 2) / 12.5) / 2.5
    ratio = (summer / spring)[:, 0]
    assert lesson.true_weights(x) == pytest.approx(ratio / ratio.mean())


# The four estimators


def test_nearest_neighbour_votes_by_hand() -> None:
    source, target = np.array([[0.0], [1.0], [5.0]]), np.array([[0.1], [0.2], [0.9], [1.1]])
    votes = lesson.nearest_weights(source, target, neighbours=1, smoothing=0.0)
    assert votes == pytest.approx(np.array([2, 2, 0]) * 3 / 4)
    votes = lesson.nearest_weights(source, target, neighbours=1)
    assert votes == pytest.approx(np.array([3, 3, 1]) * 3 / 7)
    votes = lesson.nearest_weights(source, target, neighbours=2, smoothing=0.0)
    assert votes == pytest.approx(np.array([2, 2, 0]) * 3 / 4)


def test_kmm_solves_its_quadratic_programme() -> None:
    source, target, _ = two_bells(0, 60)
    width = lesson.typical_distance(source, target)
    k = lesson.kernel(source, source, width)
    kappa = 60 * lesson.kernel(source, target, width).mean(axis=1)
    weights = lesson.kmm_weights(source, target)
    scale = (weights @ kappa) / (weights @ k @ weights)  # undo the scaling to mean 1
    slope = scale * (k @ weights) - kappa
    assert (slope > -0.05 * kappa.max()).all()  # Karush, Kuhn & Tucker
    assert np.abs(slope[weights > 0.01]).max() < 0.05 * kappa.max()


def test_kmm_keeps_to_its_bound() -> None:
    source, target, _ = two_bells(0, 60)
    free, bounded = (lesson.kmm_weights(source, target, bound=b) for b in (1000.0, 0.5))
    assert lesson.effective_size(bounded) > 1.5 * lesson.effective_size(free)


def test_kliep_raises_the_likelihood_of_the_target() -> None:
    source, target, _ = two_bells(0, 100)

    def likelihood(steps: int) -> float:
        width = 0.3 * lesson.typical_distance(source, target)
        means = lesson.kernel(source, target, width).mean(axis=0)
        at_target = lesson.kernel(target, target, width) / means
        shares = np.full(len(target), 1 / len(target))
        for _ in range(steps):
            shares *= np.mean(at_target / (at_target @ shares)[:, None], axis=0)
        assert shares.sum() == pytest.approx(1)
        expected = lesson.kernel(source, target, width) / means @ shares
        assert expected.mean() == pytest.approx(1)  # the constraint holds by construction
        assert lesson.kliep_weights(source, target, steps=steps) == pytest.approx(expected)
        return float(np.mean(np.log(at_target @ shares)))

    values = [likelihood(steps) for steps in (0, 1, 10, 200)]
    assert values == sorted(values) and values[-1] > values[0] + 0.01


@pytest.mark.parametrize("name", NAMES)
def test_weights_follow_a_known_ratio(name: str) -> None:
    found = []
    for seed in range(3):
        # Of these ratios, a classifier with straight scores can follow only exp(x - 1/2).
        source, target, ratio = two_bells(seed, spread=1.0 if name == "classifier" else 0.7)
        weights = lesson.METHODS[name](source, target)
        assert weights.shape == (300,) and weights.min() >= 0
        assert weights.mean() == pytest.approx(1)
        found.append(np.corrcoef(weights, ratio)[0, 1])
    assert np.mean(found) > 0.75


@pytest.mark.parametrize("name", NAMES)
def test_weights_bring_the_mean_to_the_target(name: str) -> None:
    """Fails were the weights all 1."""
    source, target, _ = two_bells(1)
    weights = lesson.METHODS[name](source, target)
    before = abs(source.mean() - target.mean())
    assert abs(np.average(source[:, 0], weights=weights) - target.mean()) < 0.7 * before


@pytest.mark.parametrize("name", NAMES)
def test_weights_rescue_from_a_misleading_part(name: str) -> None:
    """Half of the archive lies elsewhere and says the opposite; fails were the weights all 1."""
    rng = np.random.default_rng(0)
    like = np.arange(200) < 80
    x = rng.normal(size=(200, 5)) + np.where(like, 0, 4)[:, None] * np.eye(5)[4]
    x[:, 4] /= 2
    y = ((x[:, 0] > 0) == like).astype(int)
    target = rng.normal(size=(200, 5)) / np.array([1, 1, 1, 1, 2])
    truth = (target[:, 0] > 0).astype(int)

    def score(weights: np.ndarray) -> float:
        return lesson.classifier(x, y, weights).score(target, truth)

    weights = lesson.METHODS[name](x, target)
    assert score(weights) > score(np.ones(200)) + 0.2
    assert weights[like].mean() > weights[~like].mean()


def test_a_line_needs_weights_and_a_parabola_does_not() -> None:
    errors = [lesson.spring_to_summer(0, degree) for degree in (1, 2)]
    line, parabola = errors
    assert line["source, true weights"] < 0.7 * line["source, equal weights"]
    assert parabola["source, equal weights"] < 0.7 * line["source, equal weights"]


@pytest.mark.parametrize("name", NAMES)
def test_estimators_bear_odd_shapes(name: str) -> None:
    method: Callable[..., np.ndarray] = lesson.METHODS[name]
    rng = np.random.default_rng(0)
    source = rng.normal(size=(20, 3))
    one = method(source, source[[7]] + 0.01)  # one target image
    assert one[7] == one.max() if name != "classifier" else one[7] > 1
    wide = method(rng.normal(size=(12, 500)), rng.normal(size=(9, 500)) + 0.1)  # more D than N
    assert wide.shape == (12,) and np.isfinite(wide).all()
    flat = np.column_stack([source, np.full(20, 3.0)])  # a constant feature changes nothing
    assert method(flat, flat[:6]) == pytest.approx(method(source, source[:6]), abs=1e-4)
    same = method(source, source)  # no shift: no weight is far from 1
    assert lesson.effective_size(same) > 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.ones((20, 2)), np.ones((3, 2)), "every feature is constant.*add features"),
        (np.eye(20), np.empty((0, 20)), "20 source and 0 target examples.*one or more of each"),
        (np.empty((0, 3)), np.eye(3), "0 source and 3 target examples"),
        (np.eye(20), np.eye(3), r"\(20, 20\) and target \(3, 3\): expected"),
        (np.arange(20.0), np.eye(3), "expected.*examples, features"),
        (np.full((20, 2), np.nan), np.eye(2), "not finite"),
    ],
)
def test_estimators_refuse_clearly(
    name: str, source: np.ndarray, target: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lesson.METHODS[name](source, target)


def test_too_many_neighbours_and_too_narrow_kernels_are_named() -> None:
    x = np.arange(4.0)[:, None]
    for neighbours in (0, 5):
        with pytest.raises(ValueError, match="expected 1 to 4"):
            lesson.nearest_weights(x, x, neighbours=neighbours)
    with pytest.raises(ValueError, match="larger width"):
        lesson.kliep_weights(x, x + 0.5, width=1e-3)
    with pytest.raises(ValueError, match="kernel's width"):
        lesson.kmm_weights(x, x + 0.5, width=1e-3)


# Features and classifier


def test_projection_keeps_distances_and_bears_constant_features() -> None:
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(30, 6)), rng.normal(size=(20, 6))
    both = np.concatenate([x, target])
    standard = (x - both.mean(axis=0)) / both.std(axis=0)
    found, _, again = lesson.project(x, target, x)
    assert found == pytest.approx(again)
    assert found @ found.T == pytest.approx(standard @ standard.T / standard.std() ** 2, rel=0.02)
    constant = np.column_stack([x, np.full(30, 3)]), np.column_stack([target, np.full(20, 3)])
    kept = lesson.project(*constant)[0]
    assert kept @ kept.T == pytest.approx(found @ found.T)
    with pytest.raises(ValueError, match="every feature of the archive is constant"):
        lesson.project(np.ones((30, 6)), np.ones((20, 6)))


def test_projection_keeps_no_more_than_the_asked_directions() -> None:
    rng = np.random.default_rng(0)
    found = lesson.project(rng.normal(size=(30, 100)), rng.normal(size=(1, 100)))
    assert [part.shape for part in found] == [(30, 20), (1, 20)]


def test_the_classifier_heeds_weights_and_refuses_one_class() -> None:
    x, y = np.array([[-1.0], [1.0], [-1.0], [1.0]]), np.array([0, 1, 1, 0])
    model = lesson.classifier(x, y, [1, 1, 0, 0])
    assert (model.predict(x[:2]) == [0, 1]).all()
    model = lesson.classifier(x, y, [0, 0, 1, 1])
    assert (model.predict(x[:2]) == [1, 0]).all()
    with pytest.raises(ValueError, match="all of one class"):
        lesson.classifier(x, np.ones(4), np.ones(4))


# TrAdaBoost


def hasty(seed: int) -> tuple[np.ndarray, ...]:
    """An archive of 120 with 40 % wrong labels, 10 right ones, and a test set."""
    rng = np.random.default_rng(seed)
    y = np.arange(530) % 2
    x = rng.normal(size=(530, 20)) + 2.5 * (2 * y[:, None] - 1) * np.eye(20)[0]
    wrong = rng.permutation(120) < 48
    given = np.where(wrong, 1 - y[:120], y[:120])
    return x[:120], given, x[120:130], y[120:130], wrong, x[130:], y[130:]


def test_tradaboost_takes_weight_from_wrong_labels_and_beats_the_pool() -> None:
    """Fails were the weights never changed."""
    gains = []
    for seed in range(4):
        x, y, x_few, y_few, wrong, x_test, y_test = hasty(seed)
        boosted = lesson.tradaboost(x, y, x_few, y_few, 20)
        first, last = boosted.weights[0][:120], boosted.weights[-1][:120]
        assert last[wrong].sum() / last.sum() < 0.6 * first[wrong].sum() / first.sum()
        all_x, all_y = np.concatenate([x, x_few]), np.concatenate([y, y_few])
        pool = lesson.classifier(all_x, all_y, np.ones(130)).score(x_test, y_test)
        gains.append(np.mean(lesson.vote(boosted, x_test) == y_test) - pool)
    assert np.mean(gains) > 0.05


def test_one_round_of_tradaboost_by_hand() -> None:
    x, y = np.array([[-10], [-9], [10], [9], [-9.5]]), np.array([0, 0, 1, 1, 1])  # the last is odd
    boosted = lesson.tradaboost(x, y, x, y, 2)
    first, second = boosted.weights
    assert first == pytest.approx(np.full(10, 1 / 10))
    assert (boosted.models[0].predict(x) != y).tolist() == [False] * 4 + [True]
    down, up = 1 / (1 + np.sqrt(np.log(5))), 0.8 / 0.2  # one in five target weights is wrong
    expected = np.array([1, 1, 1, 1, down, 1, 1, 1, 1, up])
    assert second == pytest.approx(expected / expected.sum())
    assert boosted.votes[0] == pytest.approx(np.log(up))


def test_only_the_second_half_of_the_rounds_votes() -> None:
    class Says:
        def __init__(self, label: int) -> None:
            self.label = label

        def predict(self, x: np.ndarray) -> np.ndarray:
            return np.full(len(x), self.label)

    models = [Says(1), Says(1), Says(0), Says(1)]
    for votes, label in (([9, 9, 2, 1], 0), ([0, 0, 1, 2], 1)):
        assert lesson.vote(Boosted(models, votes, []), np.ones((3, 1))).tolist() == [label] * 3


def test_tradaboost_at_its_edges() -> None:
    x, y, x_few, y_few, _, x_test, _ = hasty(0)
    one = lesson.tradaboost(x, y, x_few[:1], y_few[:1], 5)  # one target image
    assert set(lesson.vote(one, x_test)) <= {0, 1} and np.isfinite(one.votes).all()
    one_class = y_few == 1  # target images of one class only
    assert len(lesson.tradaboost(x, y, x_few[one_class], y_few[one_class], 3).models) == 3
    constant = lesson.tradaboost(0 * x, y, 0 * x_few, y_few, 3)  # nothing to learn from
    assert len(set(lesson.vote(constant, 0 * x_test))) == 1
    rng = np.random.default_rng(0)
    wide = lesson.tradaboost(rng.normal(size=(10, 99)), y[:10], rng.normal(size=(4, 99)), y[:4], 4)
    assert np.isfinite(wide.weights).all()
    for source, few, rounds in ((120, 0, 5), (0, 4, 5), (120, 4, 0)):
        with pytest.raises(ValueError, match=rf"{source} source and {few} target labels"):
            lesson.tradaboost(x[:source], y[:source], x_few[:few], y_few[:few], rounds)
    with pytest.raises(ValueError, match="all of one class"):
        lesson.tradaboost(x, 0 * y, x_few, 0 * y_few, 3)
