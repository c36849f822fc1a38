"""Functions that lesson 10 writes out."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from notebook_code import definitions
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.contingency_tables import mcnemar
from torch import nn

from course_lib.training import Predictions


@pytest.fixture(scope="module")
def lesson() -> SimpleNamespace:
    there = {"where": torch.device("cpu"), "classes": ("ants", "bees"), "dataset": "made up"}
    return definitions("10", labels={"train": torch.tensor([0] * 30 + [1] * 20)}, **there)


def clouds(classes: int, count: int = 60, width: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (count, width) of some classes, and their classes."""
    y = torch.arange(count) % classes
    noise = torch.randn(count, width, generator=torch.Generator().manual_seed(classes))
    return noise + 2.0 * torch.eye(classes, width)[y], y


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_is_logistic_regression_as_a_layer(lesson: SimpleNamespace, classes: int) -> None:
    x, y = clouds(classes)
    layer = lesson.probe(x, y, strength=2.0)
    assert layer.weight.shape == (classes, 5)
    scale = x.numpy().std()
    reference = LogisticRegression(C=0.5, max_iter=3000).fit(x.numpy() / scale, y.numpy())
    with torch.no_grad():
        found = layer(x).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, reference.predict_proba(x.numpy() / scale), atol=1e-5)


def test_training_learns_and_repeats_itself_and_leaves_the_mode(lesson: SimpleNamespace) -> None:
    x, y = clouds(2)
    start = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 2)).eval()
    first, again, other = (
        lesson.train(copy.deepcopy(start), x, y, 0.1, 30, seed) for seed in (0, 0, 1)
    )
    assert (first(x).argmax(dim=1) == y).float().mean() > 0.9
    assert torch.equal(first[1].weight, again[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)
    assert not first.training
    assert first[0].num_batches_tracked == 0
    untouched = lesson.train(copy.deepcopy(start), x, y, 0.1, 0, 0)
    assert torch.equal(untouched[1].weight, start[1].weight)


def test_each_photo_is_seen_once_before_any_is_seen_twice(lesson: SimpleNamespace) -> None:
    seen: list[float] = []

    class Witness(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen.extend(inputs[:, 0].tolist())
            return super().forward(inputs)

    x = torch.arange(40.0)[:, None] / 40
    lesson.train(Witness(1, 2), x, torch.arange(40) % 2, 0.001, 80 // lesson.batch_size, 0)
    assert len(seen) == 80
    assert sorted(seen[:40]) == sorted(seen[40:]) == sorted(x[:, 0].tolist())


def test_fewer_photos_than_a_batch_fill_it_all_the_same(lesson: SimpleNamespace) -> None:
    sizes: list[int] = []

    class Witness(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            sizes.append(len(inputs))
            return super().forward(inputs)

    lesson.train(Witness(1, 2), torch.ones(3, 1), torch.tensor([0, 1, 1]), 0.001, 4, seed=0)
    assert sizes == [lesson.batch_size] * 4


def test_a_draw_is_balanced_mirrored_and_apart_from_validation(lesson: SimpleNamespace) -> None:
    chosen, val = lesson.draw(seed=3, n=4)
    photos, mirrored = chosen[:8], chosen[8:]
    assert np.array_equal(mirrored, photos + 50)
    labels = lesson.labels["train"].numpy()
    assert np.bincount(labels[photos]).tolist() == [4, 4]
    assert np.bincount(labels[val]).tolist() == [6, 4]
    assert not set(photos) & set(val)
    assert not np.array_equal(photos, lesson.draw(seed=4, n=4)[0][:8])


def test_memory_of_a_step_by_hand(lesson: SimpleNamespace) -> None:
    inputs, targets = torch.randn(7, 10), torch.zeros(7, dtype=torch.long)
    network = nn.Linear(10, 2)
    # 22 weights three times over; set aside: inputs, log-softmax, labels, and a scalar's worth.
    found = lesson.training_memory(network, inputs, targets)
    assert 3 * 88 + 280 + 56 + 56 <= found <= 3 * 88 + 280 + 56 + 56 + 16
    # A second layer puts its own weights aside too: they are there already, and count once.
    below = nn.Sequential(nn.Linear(10, 100, bias=False), nn.Linear(100, 2, bias=False))
    more = lesson.training_memory(below, inputs, targets)
    assert 3 * 4800 + 280 + 2800 + 112 <= more <= 3 * 4800 + 280 + 2800 + 112 + 16
    frozen = network.requires_grad_(False)
    assert lesson.training_memory(frozen, inputs, targets) == 88


def test_memory_grows_with_the_batch_and_shrinks_with_freezing(lesson: SimpleNamespace) -> None:
    network = nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 2))
    x, y = torch.randn(64, 100), torch.zeros(64, dtype=torch.long)
    whole, half = (lesson.training_memory(network, x[:n], y[:n]) for n in (64, 32))
    assert whole > half
    network[0].requires_grad_(False)
    assert lesson.training_memory(network, x, y) < whole


def test_the_bootstrap_agrees_with_the_formula(lesson: SimpleNamespace) -> None:
    values = np.arange(400) < 360  # 0.9, standard error 0.015
    low, high = lesson.bootstrap(values, draws=4000)
    assert low == pytest.approx(0.9 - 1.96 * 0.015, abs=0.004)
    assert high == pytest.approx(0.9 + 1.96 * 0.015, abs=0.004)
    assert lesson.bootstrap(np.ones(10)).tolist() == [1, 1]


@pytest.mark.parametrize(("only_first", "only_second"), [(9, 2), (1, 7), (4, 4), (0, 3)])
def test_mcnemar_is_that_of_the_library(
    lesson: SimpleNamespace, only_first: int, only_second: int
) -> None:
    first = np.array([True] * (20 + only_first) + [False] * (5 + only_second))
    second = np.array([True] * 20 + [False] * only_first + [False] * 5 + [True] * only_second)
    found = lesson.mcnemar(first, second)
    table = [[20, only_first], [only_second, 5]]
    assert found[:2] == (only_first, only_second)
    assert found[2] == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_two_that_never_differ(lesson: SimpleNamespace) -> None:
    assert lesson.mcnemar(np.ones(5, bool), np.ones(5, bool)) == (0, 0, 1.0)


def test_more_test_photos_notice_more(lesson: SimpleNamespace) -> None:
    few, many = lesson.play(100, times=500), lesson.play(3000, times=500)
    assert few[0] > 0.1 > many[0]
    assert few[1] < 0.3
    assert many[1] > 0.95


def test_the_right_quarter_is_covered(lesson: SimpleNamespace) -> None:
    images = torch.ones(2, 3, 4, 4)
    hot = torch.arange(16.0).view(1, 1, 4, 4).repeat(2, 1, 1, 1)
    covered = lesson.cover(images, hot)
    assert torch.all(covered[:, :, 3] == 0)
    assert torch.all(covered[:, :, :3] == 1)
    assert torch.all(lesson.cover(images, hot, hottest=False)[:, :, 0] == 0)
    assert lesson.cover(images, hot, share=0.5).sum() == 2 * 3 * 8


def predictions(probability: list[float], right: list[bool]) -> Predictions:
    """Two classes; the answer is always class 1, with the probability given."""
    p = torch.tensor(probability)
    return Predictions(torch.stack([1 - p, p], dim=1).log(), torch.tensor(right).long())


def test_calibration_error_by_hand(lesson: SimpleNamespace) -> None:
    given = predictions([0.92, 0.98, 0.71, 0.79], [True, True, True, False])
    np.testing.assert_allclose(
        lesson.reliability(given), [[2, 0.75, 0.5], [2, 0.95, 1.0]], atol=1e-6
    )
    assert lesson.ece(given) == pytest.approx((2 * 0.25 + 2 * 0.05) / 4)
    together = predictions([1.0, 0.94], [True, True])  # the last bin is closed above
    np.testing.assert_allclose(lesson.reliability(together), [[2, 0.97, 1.0]], atol=1e-6)
    sure = predictions([1.0, 1.0], [True, False])
    assert lesson.ece(sure) == pytest.approx(0.5)


def test_the_temperature_undoes_what_was_done_to_the_logits(lesson: SimpleNamespace) -> None:
    rng = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 3, generator=rng)
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=rng).flatten()
    for factor in (0.25, 1.0, 4.0):
        blown_up = Predictions(honest * factor, labels)
        found = lesson.temperature(blown_up)
        assert found == pytest.approx(factor, rel=0.05)
        cooled = lesson.cooled(blown_up, found)
        assert torch.equal(cooled.classes, blown_up.classes)
        assert lesson.ece(cooled) < 0.01


def test_luck_alone_shrinks_with_the_number_of_photos(lesson: SimpleNamespace) -> None:
    logits = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(2000, dtype=torch.long)
    few, many = (lesson.luck(Predictions(logits[:n], labels[:n]), times=20) for n in (50, 2000))
    assert 0 < many < 0.03 < 0.06 < few


def test_what_is_removed_is_gone_and_nothing_else(lesson: SimpleNamespace) -> None:
    rng = torch.Generator().manual_seed(0)
    x, directions = torch.randn(8, 30, generator=rng), torch.randn(3, 30, generator=rng)
    left = lesson.without(x, directions)
    torch.testing.assert_close(left @ directions.T, torch.zeros(8, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(lesson.without(left, directions), left, atol=1e-5, rtol=0)
    assert torch.linalg.matrix_rank(x - left) == 3
