"""Functions that lesson 02 writes out."""

import numpy as np
import pytest
from notebook_code import definitions

NAMES = ("nearest neighbour", "KMM", "KLIEP", "classifier")
lesson = definitions("02")


def two_bells(seed: int, count: int = 200, spread: float = 0.7) -> tuple[np.ndarray, ...]:
    """Source N(0, 1), target N(1, spread²) and the known ratio at the source examples."""
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 1, (count, 1)), rng.normal(1, spread, (count, 1))
    ratio = np.exp(source**2 / 2 - ((source - 1) / spread) ** 2 / 2) / spread
    return source, target, ratio[:, 0]


def test_effective_size_by_hand() -> None:
    for weights, size in (([1] * 4, 4), ([0, 0, 5], 1), ([1, 1, 0, 0], 2), ([1, 3], 1.6)):
        assert lesson.effective_size(weights) == pytest.approx(size)
    assert lesson.effective_size(1e-9 * np.array(weights)) == pytest.approx(size)


def test_true_weights_and_nearest_neighbour_votes_by_hand() -> None:
    x = np.array([[18.0], [25.0]])
    spring = np.exp(-((x - 18) ** 2) / 32) / 4
    summer = np.exp(-((x - 25) ** 2) / 12.5) / 2.5
    assert lesson.true_weights(x) == pytest.approx((summer / spring)[:, 0])
    source, target = np.array([[0.0], [1.0], [5.0]]), np.array([[0.1], [0.2], [0.9], [1.1]])
    assert lesson.nearest_weights(source, target).tolist() == [3, 3, 1]


def test_kmm_solves_its_programme_and_kliep_raises_the_likelihood_of_a_middle_width() -> None:
    source, target, _ = two_bells(0, 60)
    width = np.median(np.abs(source - target.T))
    k, weights = lesson.kernel(source, source, width), lesson.kmm_weights(source, target)
    kappa = 60 * lesson.kernel(source, target, width).mean(axis=1)
    slope = k @ weights - kappa
    assert (slope > -0.05 * kappa.max()).all()  # Karush, Kuhn & Tucker
    assert np.abs(slope[weights > 0.01]).max() < 0.05 * kappa.max()
    source, target, _ = two_bells(0, 100)
    weights = [lesson.kliep(source, target, 0.3, steps) for steps in (0, 1, 10, 100)]
    values = [np.log(weight(target)).mean() for weight in weights]
    assert values == sorted(values) and values[-1] > values[0] + 0.01
    assert [w(source).mean() for w in weights] == pytest.approx([1] * 4)
    source, target, _ = two_bells(0)
    by_width = {width: lesson.likelihood(source, target, width) for width in (0.001, 0.3, 30)}
    assert max(by_width, key=by_width.get) == 0.3


@pytest.mark.parametrize("name", NAMES)
def test_weights_follow_a_known_ratio_and_bear_more_features_than_examples(name: str) -> None:
    """Fails were the weights all 1."""
    found = []
    for seed in range(2):
        # Of these ratios, a classifier with straight scores can follow only exp(x - 1/2).
        source, target, ratio = two_bells(seed, spread=1.0 if name == "classifier" else 0.7)
        weights = lesson.METHODS[name](source, target)
        assert weights.shape == (200,) and weights.min() >= 0
        before = abs(source.mean() - target.mean())
        assert abs(np.average(source[:, 0], weights=weights) - target.mean()) < 0.7 * before
        found.append(np.corrcoef(weights, ratio)[0, 1])
    assert np.mean(found) > 0.5
    rng = np.random.default_rng(0)
    wide = lesson.METHODS[name](rng.normal(size=(12, 500)), rng.normal(size=(9, 500)) + 0.1)
    assert wide.shape == (12,) and np.isfinite(wide).all()


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
    scale = np.square(found).sum() / np.square(kept).sum()
    assert kept @ kept.T * scale == pytest.approx(found @ found.T, rel=1e-3, abs=1e-6)
    wide = lesson.project(rng.normal(size=(30, 100)), rng.normal(size=(1, 100)))
    assert [part.shape for part in wide] == [(30, 20), (1, 20)]


def test_the_classifier_heeds_weights_and_tradaboost_bears_one_target_label() -> None:
    x, y = np.array([[-1.0], [1.0], [-1.0], [1.0]]), np.array([0, 1, 1, 0])
    assert (lesson.classifier(x, y, np.array([1, 1, 0, 0])).predict(x[:2]) == [0, 1]).all()
    assert (lesson.classifier(x, y, np.array([0, 0, 1, 1])).predict(x[:2]) == [1, 0]).all()
    x, y, x_few, y_few, x_test, _ = hasty(0)
    assert set(lesson.tradaboost(x, y, x_few[:1], y_few[:1])(x_test)) <= {False, True}


def hasty(seed: int) -> tuple[np.ndarray, ...]:
    """An archive of 120 with 40 % wrong labels, 10 right ones, and a test set."""
    rng = np.random.default_rng(seed)
    y = np.arange(530) % 2
    x = rng.normal(size=(530, 20)) + 2.5 * (2 * y[:, None] - 1) * np.eye(20)[0]
    wrong = rng.permutation(120) < 48
    given = np.where(wrong, 1 - y[:120], y[:120])
    return x[:120], given, x[120:130], y[120:130], x[130:], y[130:]


@pytest.mark.parametrize("name", ["tradaboost", "drop_and_refit"])
def test_wrong_labels_lose_their_say(name: str) -> None:
    """Fails were the archive believed as it is."""
    gains = []
    for seed in range(4):
        *data, x_test, y_test = hasty(seed)
        found = getattr(lesson, name)(*data)
        found = found(x_test) if name == "tradaboost" else found.predict(x_test)
        x, y = np.concatenate([data[0], data[2]]), np.concatenate([data[1], data[3]])
        pool = lesson.classifier(x, y, np.ones(130)).score(x_test, y_test)
        gains.append(np.mean(found == y_test) - pool)
    assert np.mean(gains) > 0.05
