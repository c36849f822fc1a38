"""Functions that lesson 03 writes out."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from notebook_code import definitions


@pytest.fixture(scope="module")
def lesson() -> SimpleNamespace:
    settings = {"source_style": "sketch", "target_style": "edges", "rounds": 150}
    return definitions("03", dimensions=20, transport_strength=0.05, **settings)


def classes_apart(seed: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, 2): the first coordinate tells the class, the second is noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    return np.stack([2.0 * y - 1, np.zeros(count)], 1) + rng.normal(0, [0.3, 1], (count, 2)), y


def gain(
    lesson: SimpleNamespace,
    move: Callable[[np.ndarray, np.ndarray], np.ndarray],
    change: Callable[[np.ndarray], np.ndarray],
) -> tuple[float, float]:
    """Accuracy on changed points, without and with the source moved onto a changed pool."""
    x, y = classes_apart(0)
    pool, test = change(classes_apart(1)[0]), change(classes_apart(2)[0])
    labels = classes_apart(2)[1]
    return (lesson.accuracy(x, y, test, labels), lesson.accuracy(move(x, pool), y, test, labels))


def shifted(x: np.ndarray) -> np.ndarray:
    return x + np.array([3, 1])


def sheared(x: np.ndarray) -> np.ndarray:
    return 100 * x @ np.array([[2.6, 2.4], [2.4, 2.6]])


def turned(x: np.ndarray) -> np.ndarray:
    angle = np.radians(80)
    turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return (x * [1, 0.5]) @ np.array(turn)


def test_mean_shift_wins_where_the_domains_are_shifted(lesson: SimpleNamespace) -> None:
    before, after = gain(lesson, lesson.mean_shift, shifted)
    assert before < 0.6
    assert after > 0.95


def test_coral_wins_where_the_shape_differs(lesson: SimpleNamespace) -> None:
    before, after = gain(lesson, lambda x, pool: lesson.coral(x, pool, 0.01), sheared)
    assert after > before + 0.08
    assert after > gain(lesson, lesson.mean_shift, sheared)[1] + 0.08


def test_subspace_alignment_wins_where_the_subspace_is_turned(lesson: SimpleNamespace) -> None:
    before, after = gain(lesson, lambda x, p: lesson.subspace_alignment(x, p, 1), turned)
    assert before < 0.75
    assert after > 0.95


def test_optimal_transport_wins_where_the_domains_are_shifted(lesson: SimpleNamespace) -> None:
    before, after = gain(lesson, lambda x, pool: lesson.transport(x, pool, 0.02), shifted)
    assert before < 0.6
    assert after > 0.9


def test_dann_wins_where_the_domains_are_shifted(lesson: SimpleNamespace) -> None:
    y = np.arange(120) % 2
    away = np.repeat([1.5, 0], 20)  # half of the features betray the domain
    scores = {}
    for strength in (0.0, 1.0):
        of_seeds = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            draws = [0.6 * (2 * y[:, None] - 1) + rng.normal(0, 1, (120, 40)) for _ in range(3)]
            source, pool, test = draws[0], draws[1] - away, draws[2] - away
            predict = lesson.dann(source, y, pool, strength, seed, steps=200)
            assert np.mean(predict(source) == y) > 0.95
            of_seeds.append(np.mean(predict(test) == y))
        scores[strength] = np.mean(of_seeds)
    assert scores[1.0] > scores[0.0] + 0.15


def test_mean_shift_by_hand(lesson: SimpleNamespace) -> None:
    source, pool = np.array([[0.0, 1], [2, 3]]), np.array([[5.0, 5], [7, 9]])
    assert lesson.mean_shift(source, pool).tolist() == [[5, 6], [7, 8]]


def test_coral_gives_the_source_the_mean_and_covariance_of_the_pool(
    lesson: SimpleNamespace,
) -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4)) + 3
    pool = rng.normal(size=(250, 4)) @ rng.normal(size=(4, 4)) - 2
    moved = lesson.coral(source, pool, 0.0)
    np.testing.assert_allclose(moved.mean(axis=0), pool.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(pool.T) * 300 / 299 * 249 / 250, atol=1e-8)


def test_subspace_alignment_ends_in_the_subspace_of_the_pool(lesson: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    source, pool = rng.normal(size=(50, 6)), rng.normal(size=(40, 6))
    moved = lesson.subspace_alignment(source, pool, 2) - pool.mean(axis=0)
    theirs = np.linalg.svd(pool - pool.mean(axis=0), full_matrices=False)[2][:2]
    np.testing.assert_allclose(moved @ theirs.T @ theirs, moved, atol=1e-9)
    assert np.linalg.matrix_rank(moved) == 2


def test_a_transport_plan_moves_all_mass_and_prefers_what_is_near(lesson: SimpleNamespace) -> None:
    cost = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    plan = lesson.sinkhorn(cost, 0.05)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 3)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 3)
    assert np.trace(plan) > 0.99
    with pytest.raises(ValueError, match=r"strength 0\.0001 is too small for these costs"):
        lesson.sinkhorn(cost + 1, 0.0001)


def test_the_gradient_is_reversed_once(lesson: SimpleNamespace) -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    out = lesson.Reverse.apply(x, 0.25)
    assert torch.equal(out, x)
    (out**2).sum().backward()
    torch.testing.assert_close(x.grad, -0.25 * 2 * x.detach())


def test_the_adversarial_loss_helps_the_critic_and_hinders_the_body(
    lesson: SimpleNamespace,
) -> None:
    torch.manual_seed(0)
    body, head, critic = torch.nn.Linear(2, 3), torch.nn.Linear(3, 2), torch.nn.Linear(3, 1)
    source, pool = torch.randn(8, 2), torch.randn(8, 2) + 2
    y = torch.arange(8) % 2

    def gradients(strength: float) -> dict[str, torch.Tensor]:
        for part in (body, head, critic):
            part.zero_grad()
        lesson.dann_loss(body, head, critic, source, y, pool, strength).backward()
        return {"body": body.weight.grad.clone(), "critic": critic.weight.grad.clone()}

    without, weak, strong = gradients(0.0), gradients(1.0), gradients(2.0)
    torch.testing.assert_close(strong["critic"], without["critic"])  # trains as well as it can
    torch.testing.assert_close(
        strong["body"] - without["body"], 2 * (weak["body"] - without["body"])
    )
    assert not torch.equal(weak["body"], without["body"])


def test_feature_shift_by_hand(lesson: SimpleNamespace) -> None:
    source = np.array([[0.0, 5, 1], [2, 5, 1]])
    pool = np.array([[3.0, 5, 2], [5, 5, 2]])
    # Spread 1, means 3 apart; constant and equal; constant and different.
    assert lesson.feature_shift(source, pool).tolist() == [3, 0, np.inf]


def test_least_shifted_features_carry_over_and_shifted_ones_do_not(lesson: SimpleNamespace) -> None:
    (x, y), (test, labels) = classes_apart(0), classes_apart(1)
    away = np.array([0, 0, 4, 4])
    source, target = np.hstack([x, x]), np.hstack([test, test]) - away
    order = np.argsort(lesson.feature_shift(source, target), kind="stable")
    assert set(order[:2]) == {0, 1}
    least, most = order[:2], order[2:]
    assert lesson.accuracy(source[:, least], y, target[:, least], labels) > 0.95
    assert lesson.accuracy(source[:, most], y, target[:, most], labels) < 0.6


def test_halves_share_no_image_and_split_each_class(lesson: SimpleNamespace) -> None:
    labels = np.array([0] * 10 + [1] * 7)
    first, second = lesson.halves(labels, seed=0)
    assert sorted([*first, *second]) == list(range(17))
    assert np.bincount(labels[first]).tolist() == [5, 3]
    assert not np.array_equal(first, lesson.halves(labels, seed=1)[0])


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_pool_has_the_share_that_was_asked(lesson: SimpleNamespace, share: float) -> None:
    labels = np.array([0] * 60 + [1] * 62)
    chosen = lesson.pool_with_share(labels, share, np.random.default_rng(0))
    assert len(set(chosen)) == 60
    assert np.mean(labels[chosen] == 0) == pytest.approx(share)


def test_common_directions_keep_all_distances(lesson: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    source, pool = rng.normal(size=(5, 50)), rng.normal(size=(7, 50))
    ours, theirs = lesson.common_directions(source, pool)
    assert ours.shape == (5, 12)
    before, after = np.linalg.norm(source[0] - pool[0]), np.linalg.norm(ours[0] - theirs[0])
    assert after == pytest.approx(before)


def test_one_scale_keeps_the_proportions(lesson: SimpleNamespace) -> None:
    x = np.random.default_rng(0).normal([1, 2], [1, 10], (500, 2))
    (scaled,) = lesson.one_scale(x)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)
    assert scaled.var(axis=0).mean() == pytest.approx(1)
    assert scaled[:, 1].std() / scaled[:, 0].std() == pytest.approx(10, rel=0.1)


def test_constant_features_are_refused_or_left_alone(lesson: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="every source feature is constant"):
        lesson.one_scale(np.ones((4, 3)))
    scaled, other = lesson.own_scales(np.ones((4, 3)), np.zeros((2, 3)))
    assert np.isfinite(scaled).all()
    assert np.isfinite(other).all()
    x = np.random.default_rng(0).normal(size=(6, 3)) * [1, 1, 0]
    for move in (lesson.mean_shift, lesson.coral, lesson.subspace_alignment, lesson.transport):
        assert np.isfinite(move(x, x + 1)).all()


def test_no_target_image_and_one(lesson: SimpleNamespace) -> None:
    x = np.random.default_rng(0).normal(size=(6, 3))
    for move in (lesson.mean_shift, lesson.coral, lesson.subspace_alignment, lesson.transport):
        with pytest.raises(ValueError, match="there are 0 images, but this needs"):
            move(x, x[:0])
    for move in (lesson.coral, lesson.subspace_alignment):
        with pytest.raises(ValueError, match="there are 1 images, but this needs 2 or more"):
            move(x, x[:1])
    np.testing.assert_allclose(lesson.transport(x, x[:1]), np.repeat(x[:1], 6, axis=0))
    np.testing.assert_allclose(lesson.mean_shift(x, x[:1]).mean(axis=0), x[0])


def test_more_dimensions_than_images(lesson: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    source, pool = rng.normal(size=(6, 40)), rng.normal(size=(5, 40)) + 1
    for move in (lesson.mean_shift, lesson.coral, lesson.subspace_alignment, lesson.transport):
        moved = move(source, pool)
        assert moved.shape == source.shape
        assert np.isfinite(moved).all()


def test_labels_of_one_class_are_refused(lesson: SimpleNamespace) -> None:
    x = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(ValueError, match="all of one class"):
        lesson.classifier(x, np.zeros(6, int))
    with pytest.raises(ValueError, match="all of one class"):
        lesson.dann(x, np.zeros(6, int), x, 1.0, seed=0)
