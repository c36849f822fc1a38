from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

from course_lib import loaders, models, training


def points(count: int = 22, seed: int = 0) -> TensorDataset:
    """Two well separated clouds in four dimensions."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    return TensorDataset(torch.randn(count, 4, generator=generator) + 3 * labels[:, None], labels)


def batches(count: int = 22, batch_size: int = 8, seed: int = 0) -> DataLoader:
    return DataLoader(points(count, seed), batch_size, shuffle=True, generator=torch.Generator())


def linear(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(4, 2)


def weights(model: nn.Module) -> list[float]:
    return torch.cat([p.flatten() for p in model.parameters()]).tolist()


def test_fit_learns_and_reports() -> None:
    model = linear()
    history = training.fit(
        model, batches(), batches(seed=1), epochs=20, optimizer=SGD(model.parameters(), lr=0.1)
    )
    assert history.train_loss[-1] < history.train_loss[0] / 2
    assert training.evaluate(model, batches(seed=2)).accuracy >= 0.9
    lists = [v for v in vars(history).values() if isinstance(v, list)]
    assert [len(v) for v in lists] == [20] * 6


@pytest.mark.parametrize("scheduled", [StepLR, OneCycleLR, ReduceLROnPlateau])
@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_any_optimiser_and_scheduler(kind: type, scheduled: type) -> None:
    model = linear()
    optimizer = kind(model.parameters(), lr=0.1)
    arguments = {
        StepLR: {"step_size": 2},
        OneCycleLR: {"max_lr": 0.1, "total_steps": 9},
        ReduceLROnPlateau: {"patience": 0},
    }[scheduled]
    history = training.fit(
        model,
        batches(),
        batches(seed=1),
        epochs=3,
        optimizer=optimizer,
        scheduler=scheduled(optimizer, **arguments),
        scheduler_step="batch" if scheduled is OneCycleLR else "epoch",
    )
    assert len(history.val_accuracy) == 3


def test_scheduler_steps_after_the_epoch() -> None:
    model = linear()
    optimizer = SGD(model.parameters(), lr=1.0)
    history = training.fit(
        model, batches(), epochs=5, optimizer=optimizer, scheduler=StepLR(optimizer, 2, 0.1)
    )
    assert history.learning_rate == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01])


def test_plateau_is_given_the_validation_loss() -> None:
    seen = []

    class Spy(ReduceLROnPlateau):
        def step(self, metrics: float, epoch: int | None = None) -> None:
            seen.append(metrics)

    model = linear()
    optimizer = SGD(model.parameters(), lr=0.1)
    history = training.fit(
        *(model, batches(), batches(seed=1)),
        epochs=3,
        optimizer=optimizer,
        scheduler=Spy(optimizer),
    )
    assert seen == history.val_loss


def test_best_weights_are_kept() -> None:
    """A learning rate that ruins the model after a good first epoch."""
    model = linear()
    optimizer = SGD(model.parameters(), lr=0.3)
    ruin = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: (-1.0) ** epoch * 9**epoch)
    val = batches(seed=1)
    history = training.fit(
        model, batches(), val, epochs=4, optimizer=optimizer, scheduler=ruin, seed=0
    )
    assert history.val_accuracy[-1] < max(history.val_accuracy)
    assert history.best_epoch == history.val_accuracy.index(max(history.val_accuracy))
    assert training.evaluate(model, val).accuracy == max(history.val_accuracy)


def test_among_equal_accuracies_the_lower_loss_wins() -> None:
    model = linear()
    history = training.fit(
        model, batches(), batches(), epochs=30, optimizer=SGD(model.parameters(), lr=0.1)
    )
    top = max(history.val_accuracy)
    losses = [v for v, a in zip(history.val_loss, history.val_accuracy, strict=True) if a == top]
    assert history.val_accuracy.count(top) > 1
    assert history.val_loss[history.best_epoch] == min(losses)


def test_same_seed_same_weights_whatever_ran_before() -> None:
    def run(seed: int) -> list[float]:
        model = linear()
        torch.rand(seed + 5), random.random(), np.random.rand()  # noqa: NPY002
        training.fit(
            model, batches(), epochs=2, optimizer=SGD(model.parameters(), lr=0.1), seed=seed
        )
        return weights(model)

    assert run(3) == run(3) != run(4)


@pytest.mark.parametrize("count", [1, 8, 9, 22])
def test_one_batch_and_ragged_batches(count: int) -> None:
    model = linear()
    history = training.fit(
        model, batches(count), epochs=1, optimizer=SGD(model.parameters(), lr=0.1)
    )
    assert len(history.train_loss) == 1 and history.best_epoch == 0


def test_metrics_weigh_every_sample_alike() -> None:
    model, data = linear(), points(22)
    whole = training.evaluate(model, DataLoader(data, 22))
    ragged = training.evaluate(model, DataLoader(data, 21))
    assert ragged.loss == pytest.approx(whole.loss, rel=1e-5)
    assert ragged.accuracy == whole.accuracy
    still = SGD(model.parameters(), lr=0.0)
    history = training.fit(model, DataLoader(data, 21), epochs=1, optimizer=still)
    assert history.train_loss == pytest.approx([whole.loss], rel=1e-5)
    assert history.train_accuracy == pytest.approx([whole.accuracy])


def test_zero_epochs_change_nothing() -> None:
    model = linear()
    before = weights(model)
    history = training.fit(
        model, batches(), batches(), epochs=0, optimizer=SGD(model.parameters(), lr=0.1)
    )
    assert weights(model) == before
    assert history == training.History()


def test_evaluation_is_in_evaluation_mode_without_gradients_and_restores_the_mode() -> None:
    seen = []

    class Spy(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen.append((self.training, torch.is_inference_mode_enabled()))
            return super().forward(inputs)

    model = Spy(4, 2).train()
    training.evaluate(model, batches())
    assert set(seen) == {(False, True)} and model.training
    training.evaluate(model.eval(), batches())
    assert not model.training


def test_predictions_keep_the_order() -> None:
    found = training.predict(linear(), DataLoader(points(10), 4))
    assert found.labels.tolist() == [0, 1] * 5
    assert found.logits.shape == (10, 2) and found.logits.dtype == torch.float32
    assert torch.allclose(found.probabilities.sum(dim=1), torch.ones(10))
    assert torch.equal(found.classes, found.logits.argmax(dim=1))


def test_a_model_can_train_after_it_was_evaluated_and_its_features_can_too() -> None:
    model = models.build_model("resnet10t", 2, pretrained=False)
    data = TensorDataset(torch.randn(4, 3, 32, 32), torch.arange(4) % 2)
    training.evaluate(model, DataLoader(data, 4))
    features, labels = training.extract_features(model, DataLoader(data, 4))
    training.fit(model, DataLoader(data, 4), epochs=1, optimizer=SGD(model.parameters(), lr=0.1))
    head = nn.Linear(512, 2)
    cached = DataLoader(TensorDataset(features, labels), 2)
    training.fit(head, cached, epochs=1, optimizer=SGD(head.parameters(), lr=0.1))


def test_extract_features_uses_the_backbone() -> None:
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    model = models.Classifier(backbone, nn.Linear(5, 2), loaders.Preprocessing())
    data = TensorDataset(torch.randn(6, 3, 2, 2), torch.arange(6))
    features, labels = training.extract_features(model, DataLoader(data, 4))
    assert features.shape == (6, 5) and labels.tolist() == list(range(6))
    with torch.inference_mode():
        assert torch.allclose(features, backbone(data.tensors[0]), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -1}, "epochs is -1: expected a whole number of 0 or more"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"scheduler_step": "step"}, "scheduler_step is 'step'"),
        ({"device": "gpu"}, "device is 'gpu': expected auto, cpu, cuda, mps"),
        ({"device": "cpu:x"}, "device is 'cpu:x'"),
    ],
)
def test_bad_values_are_named(changes: dict, message: str) -> None:
    model = linear()
    arguments = {"epochs": 1, "optimizer": SGD(model.parameters(), lr=0.1), **changes}
    with pytest.raises(ValueError, match=message):
        training.fit(model, batches(), **arguments)


@pytest.mark.parametrize("rate", [math.nan, math.inf, -0.1])
def test_bad_learning_rates_are_named(rate: float) -> None:
    model = linear()
    optimizer = SGD(model.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = rate
    with pytest.raises(ValueError, match="learning rate of parameter group 0 is"):
        training.fit(model, batches(), epochs=1, optimizer=optimizer)


def test_missing_device_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ValueError, match="this machine has only cpu"):
        training.pick_device("cuda")


def test_nothing_trainable_is_an_error() -> None:
    model = linear().requires_grad_(False)
    with pytest.raises(ValueError, match="every parameter of the optimiser is frozen"):
        training.fit(model, batches(), epochs=1, optimizer=SGD(model.parameters(), lr=0.1))


def test_empty_loaders_are_an_error() -> None:
    model = linear()
    with pytest.raises(ValueError, match="yields no image"):
        training.fit(model, [], epochs=1, optimizer=SGD(model.parameters(), lr=0.1))
    with pytest.raises(ValueError, match="yields no image"):
        training.evaluate(model, [])


def test_more_classes_than_outputs_is_an_error() -> None:
    model = linear()
    data = TensorDataset(torch.randn(4, 4), torch.tensor([0, 1, 2, 5]))
    with pytest.raises(ValueError, match="a label is 5 but the model has 2 outputs"):
        training.fit(
            model, DataLoader(data, 4), epochs=1, optimizer=SGD(model.parameters(), lr=0.1)
        )


def test_a_loss_that_explodes_is_an_error() -> None:
    model = linear()
    with pytest.raises(FloatingPointError, match="at learning rate 1e\\+38"):
        training.fit(model, batches(), epochs=9, optimizer=SGD(model.parameters(), lr=1e38))


@pytest.mark.parametrize("first", [0, 3])
def test_the_first_batch_without_a_number_is_named(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.ones(20, 4)
    x[4 * first] = torch.nan
    data = DataLoader(TensorDataset(x, torch.zeros(20, dtype=torch.int64)), 4)
    model = linear()
    with pytest.raises(FloatingPointError, match=f"became nan in epoch 1, batch {first + 1}, at"):
        training.fit(model, data, epochs=1, optimizer=SGD(model.parameters(), lr=0.1))
    assert first == 0 or torch.isfinite(model.weight).all()  # stopped before the damage


class Hungry(nn.Module):
    """A model for which a batch of more than two images is too much."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self.head, self.message = nn.Linear(4, 2), message

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 2:
            raise RuntimeError(self.message)
        return self.head(x)


def test_a_batch_that_does_not_fit_into_memory_is_answered_with_a_smaller_one() -> None:
    model = Hungry("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    with pytest.raises(torch.OutOfMemoryError, match=r"a batch of 8 images .* batch_size=4,"):
        training.fit(model, batches(), epochs=1, optimizer=SGD(model.parameters(), lr=0.1))
    other = Hungry("shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        training.fit(other, batches(), epochs=1, optimizer=SGD(other.parameters(), lr=0.1))


def test_the_whole_path_on_photos(folder) -> None:
    """Real files, a real network with random weights, one epoch: dark ants and bright bees."""
    model = models.build_model("resnet10t", 2, pretrained=False)
    splits = loaders.make_loaders(folder, model.preprocessing, 32, 4)
    optimizer = AdamW(model.parameters(), lr=1e-3)
    training.fit(model, splits.train, splits.val, epochs=3, optimizer=optimizer)
    assert training.evaluate(model, splits.test).accuracy == 1.0
