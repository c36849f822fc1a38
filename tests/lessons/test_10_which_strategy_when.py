"""Functions that lesson 10 writes out."""

import copy
import math

import numpy as np
import pytest
import torch
from notebook_code import definitions
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.contingency_tables import mcnemar
from torch import nn

there = {"where": torch.device("cpu"), "classes": ("ants", "bees"), "own": 50}
lesson = definitions("10", labels={"train": torch.tensor([0] * 30 + [1] * 20)}, **there)


def clouds(classes: int, count: int = 60, width: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(count) % classes
    noise = torch.randn(count, width, generator=torch.Generator().manual_seed(classes))
    return noise + 2.0 * torch.eye(classes, width)[y], y


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_is_logistic_regression_as_a_layer(classes: int) -> None:
    x, y = clouds(classes)
    layer = lesson.probe(x, y, 0.5)
    assert layer.weight.shape == (classes, 5)
    scale = x.std().item()
    reference = LogisticRegression(C=0.5, max_iter=3000).fit(x.numpy() / scale, y.numpy())
    with torch.no_grad():
        found = layer(x).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, reference.predict_proba(x.numpy() / scale), atol=1e-5)


def test_training_repeats_itself_shows_each_photo_once_an_epoch_and_draws_are_balanced() -> None:
    x, y = clouds(2)
    start = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 2)).eval()
    first, again, other, untouched = (
        lesson.train(copy.deepcopy(start), x, y, 0.1, steps, seed)
        for steps, seed in [(30, 0), (30, 0), (30, 1), (0, 0)]
    )
    assert (first(x).argmax(dim=1) == y).float().mean() > 0.9
    assert torch.equal(first[1].weight, again[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight) and not first.training
    assert first[0].num_batches_tracked == 0 and torch.equal(untouched[1].weight, start[1].weight)
    seen: list[float] = []

    class Witness(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen.extend(inputs[:, 0].tolist())
            return super().forward(inputs)

    x = torch.arange(40.0)[:, None] / 40
    lesson.train(Witness(1, 2), x, torch.arange(40) % 2, 0.001, 80 // lesson.batch_size, 0)
    assert len(seen) == 80 and sorted(seen[:40]) == sorted(seen[40:]) == sorted(x[:, 0].tolist())
    chosen, val = lesson.draw(seed=3, n=4)
    labels = lesson.labels["train"].numpy()
    assert np.bincount(labels[chosen]).tolist() == [4, 4]
    assert np.bincount(labels[val]).tolist() == [6, 4]
    assert sorted([*lesson.draw(seed=3, n=50)[0], *val]) == list(range(50))
    assert not np.array_equal(chosen, lesson.draw(seed=4, n=4)[0])


def test_memory_of_a_step_by_hand_grows_with_the_batch_and_shrinks_with_freezing() -> None:
    inputs, targets = torch.randn(70, 10)[:7], torch.zeros(70, dtype=torch.long)[:7]  # as slices
    network = nn.Linear(10, 2)
    # 22 weights three times over; set aside: inputs, log-softmax, labels, and a scalar's worth.
    found = lesson.training_memory(network, inputs, targets)
    assert 3 * 88 + 280 + 56 + 56 <= found <= 3 * 88 + 280 + 56 + 56 + 16
    # A second layer puts its own weights aside too: they are there already, and count once.
    below = nn.Sequential(nn.Linear(10, 100, bias=False), nn.Linear(100, 2, bias=False))
    more = lesson.training_memory(below, inputs, targets)
    assert 3 * 4800 + 280 + 2800 + 112 <= more <= 3 * 4800 + 280 + 2800 + 112 + 16
    assert lesson.training_memory(network.requires_grad_(False), inputs, targets) == 88
    network = nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 2))
    x, y = torch.randn(64, 100), torch.zeros(64, dtype=torch.long)
    whole, half = (lesson.training_memory(network, x[:n], y[:n]) for n in (64, 32))
    network[0].requires_grad_(False)
    assert max(half, lesson.training_memory(network, x, y)) < whole


def test_the_bootstrap_and_power_are_those_of_formulas_and_equal_models_never_differ() -> None:
    values = np.arange(400) < 360  # 0.9, standard error 0.015
    expected = [0.9 - 1.96 * 0.015, 0.9 + 1.96 * 0.015]
    assert lesson.bootstrap(values, draws=4000) == pytest.approx(expected, abs=0.004)
    assert lesson.bootstrap(np.ones(10)).tolist() == [1, 1]
    assert lesson.mcnemar(np.ones(5, bool), np.ones(5, bool)) == (0, 0, 1.0)
    enough = math.ceil(2.8**2 * (0.2 - 0.1**2) / 0.1**2)
    pairs = lesson.play(enough, 0.1, disagree=0.2)
    by_mcnemar = lesson.seen_by_mcnemar(pairs)
    by_bootstrap = lesson.seen_by_bootstrap(pairs, enough)
    assert 0.7 < by_mcnemar.mean() <= by_bootstrap.mean() < 0.87
    assert (by_mcnemar == by_bootstrap).mean() > 0.9
    assert lesson.seen_by_mcnemar(lesson.play(60, 0.0)).mean() < 0.06
    few = np.array([[9, 2], [1, 7], [12, 2]])
    p = [mcnemar([[20, b], [c, 5]], exact=True).pvalue for b, c in few]
    assert lesson.seen_by_mcnemar(few).tolist() == [value < 0.05 for value in p]


@pytest.mark.parametrize(("only_first", "only_second"), [(9, 2), (1, 7), (4, 4), (0, 3)])
def test_mcnemar_is_that_of_the_library(only_first: int, only_second: int) -> None:
    first = np.array([True] * (20 + only_first) + [False] * (5 + only_second))
    second = np.array([True] * 20 + [False] * only_first + [False] * 5 + [True] * only_second)
    found = lesson.mcnemar(first, second)
    table = [[20, only_first], [only_second, 5]]
    assert found[:2] == (only_first, only_second)
    assert found[2] == pytest.approx(mcnemar(table, exact=True).pvalue)
