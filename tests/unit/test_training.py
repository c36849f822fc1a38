from __future__ import annotations

import math
import random
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

from course_lib import loaders, models, training
from course_lib.checkpoint import CheckpointError


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
    model, start = linear(), time.perf_counter()
    history = training.fit(
        model, batches(), batches(seed=1), epochs=20, optimizer=SGD(model.parameters(), lr=0.1)
    )
    assert history.train_loss[-1] < history.train_loss[0] / 2
    assert training.evaluate(model, batches(seed=2)).accuracy >= 0.9
    lists = [v for v in vars(history).values() if isinstance(v, list)]
    assert [len(v) for v in lists] == [20] * 6
    assert min(history.seconds) > 0 and sum(history.seconds) <= time.perf_counter() - start


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


@pytest.mark.parametrize(("when", "steps"), [("batch", 3 * 5), ("epoch", 5)])
def test_a_scheduler_steps_as_often_as_it_was_told(when: str, steps: int) -> None:
    model = linear()
    optimizer = SGD(model.parameters(), lr=0.1)
    scheduler = StepLR(optimizer, 100)
    training.fit(
        *(model, batches()),
        epochs=5,
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_step=when,
    )
    assert scheduler.last_epoch == steps


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


@pytest.mark.parametrize("seed", [3, 2**32 + 3])
def test_every_generator_is_seeded(seed: int) -> None:
    def draws() -> tuple[float, ...]:
        training.seed_everything(seed)
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    first = draws()
    assert draws() == first
    training.seed_everything(seed + 1)
    others = random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002
    assert all(one != other for one, other in zip(first, others, strict=True))


@pytest.mark.parametrize("count", [1, 8, 9, 22])
def test_one_batch_and_ragged_batches(count: int) -> None:
    model = linear()
    history = training.fit(
        model, batches(count), epochs=1, optimizer=SGD(model.parameters(), lr=0.1)
    )
    assert len(history.train_loss) == 1 and history.best_epoch == 0


def test_metrics_weigh_every_sample_alike() -> None:
    model, data = linear(), points(22)
    training.fit(model, batches(), epochs=3, optimizer=SGD(model.parameters(), lr=0.1))
    whole = training.evaluate(model, DataLoader(data, 22))
    assert whole.accuracy > 0.7
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


@pytest.mark.parametrize(("place", "label"), [(0, 5), (11, 5), (0, 2)])
def test_more_classes_than_outputs_is_an_error(place: int, label: int) -> None:
    model = linear()
    labels = torch.zeros(12, dtype=torch.int64)
    labels[place] = label
    data = DataLoader(TensorDataset(torch.randn(12, 4), labels), 4)
    for run in (
        lambda: training.fit(model, data, epochs=1, optimizer=SGD(model.parameters(), lr=0.1)),
        lambda: training.evaluate(model, data),
    ):
        with pytest.raises(ValueError, match=f"a label is {label} but the model has 2 outputs"):
            run()


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
    with pytest.raises(torch.OutOfMemoryError, match=r"a batch of 8 images .* batch_size=4,"):
        training.evaluate(model, batches())
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


class Small(nn.Module):
    """A convolution and a linear layer; notes in which type of number each was computed."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.norm, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2)
        self.seen: list[tuple[bool, torch.dtype]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.is_contiguous(memory_format=torch.channels_last)
        maps = self.body(images)
        self.seen.append((self.training, maps.dtype))
        return self.head(self.norm(maps).relu().mean(dim=(2, 3)))


def pictures(count: int = 32, seed: int = 0) -> DataLoader:
    """Noise of two brightnesses."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randn(count, 3, 8, 8, generator=generator) + 0.3 * labels[:, None, None, None]
    data = TensorDataset(images, labels)
    return DataLoader(data, 8, shuffle=True, generator=torch.Generator())


@pytest.fixture
def fast_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with instructions for bfloat16, whatever this one has."""
    monkeypatch.setattr(training, "_has_bfloat16", lambda device: True)


def fit_small(precision: str, epochs: int = 3, **options: object) -> tuple:
    model = Small()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    options = {"optimizer": optimizer, "device": "cpu", "precision": precision, **options}
    val = DataLoader(pictures(seed=1).dataset, 8)
    return model, training.fit(model, pictures(), val, epochs=epochs, **options)


@pytest.mark.usefixtures("fast_bfloat16")
def test_auto_is_bfloat16_where_device_and_model_gain_by_it() -> None:
    assert training.pick_precision("auto", "cpu", Small()) == torch.bfloat16
    assert training.pick_precision("auto", "cpu") == torch.bfloat16
    assert training.pick_precision("auto", "cpu", linear()) == torch.float32
    assert training.pick_precision("float32", "cpu", Small()) == torch.float32
    assert training.pick_precision("bfloat16", "cpu", linear()) == torch.bfloat16


@pytest.mark.usefixtures("fast_bfloat16")
def test_only_training_on_a_cpu_loses_by_depthwise_convolutions() -> None:
    depthwise = nn.Conv2d(4, 4, 3, groups=4)
    assert training.pick_precision("auto", "cpu", depthwise) == torch.float32
    assert training.pick_precision("auto", "cpu", depthwise, backward=False) == torch.bfloat16
    assert training.pick_precision("bfloat16", "cpu", depthwise) == torch.bfloat16
    for layer in (nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(1, 4, 3)):
        assert training.pick_precision("auto", "cpu", layer) == torch.bfloat16
    assert training._gains_by_bfloat16(depthwise, torch.device("cuda"), backward=True)


def test_auto_is_float32_without_instructions_for_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert training.pick_precision("auto", "cpu", Small()) == torch.float32
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert training.pick_precision("auto", "cpu", Small()) == torch.bfloat16
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name)  # a torch that does not tell
    assert training.pick_precision("auto", "cpu", Small()) == torch.float32


def test_unknown_precision_is_named() -> None:
    with pytest.raises(ValueError, match="precision is 'float16': expected auto, bfloat16, float3"):
        fit_small("float16")
    with pytest.raises(ValueError, match="precision is 'half'"):
        training.predict(Small(), pictures(), "cpu", "half")


@pytest.mark.usefixtures("fast_bfloat16")
def test_fit_computes_in_bfloat16_and_keeps_weights_in_float32() -> None:
    model, _ = fit_small("auto")
    assert set(model.seen) == {(True, torch.bfloat16), (False, torch.bfloat16)}
    assert {p.dtype for p in model.state_dict().values()} == {torch.float32, torch.int64}
    model, _ = fit_small("float32")
    assert {dtype for _, dtype in model.seen} == {torch.float32}


@pytest.mark.usefixtures("fast_bfloat16")
def test_answers_are_in_float32_unless_speed_is_asked_for() -> None:
    model = Small()
    exact = training.predict(model, pictures(), "cpu")
    training.extract_features(model, pictures(), "cpu")
    assert set(model.seen) == {(False, torch.float32)}
    model.seen.clear()
    quick = training.predict(model, pictures(), "cpu", "auto")
    assert set(model.seen) == {(False, torch.bfloat16)}
    assert quick.logits.dtype == exact.logits.dtype == torch.float32
    assert not torch.equal(quick.logits, exact.logits)


@pytest.mark.usefixtures("fast_bfloat16")
def test_answers_gain_by_bfloat16_where_training_does_not() -> None:
    model = Small()
    model.norm = nn.Sequential(nn.Conv2d(8, 8, 1, groups=8), model.norm)
    training.predict(model, pictures(), "cpu", "auto")
    optimizer = SGD(model.parameters(), lr=0.1)
    training.fit(model, pictures(), epochs=1, optimizer=optimizer, device="cpu")
    assert set(model.seen) == {(False, torch.bfloat16), (True, torch.float32)}
    assert model.body.weight.is_contiguous(memory_format=torch.channels_last)
    exact, quick = (training.predict(linear(), batches(), "cpu", p) for p in ("float32", "auto"))
    assert torch.equal(exact.logits.sort().values, quick.logits.sort().values)  # no convolution


def test_both_precisions_reach_the_same_accuracy() -> None:
    """A task that one epoch does not solve: twelve epochs in each precision, over three seeds."""
    reached = {}
    for precision in ("float32", "bfloat16"):
        runs = [fit_small(precision, 12, seed=seed) for seed in range(3)]
        judged = [training.evaluate(model, pictures(200, seed=2)).accuracy for model, _ in runs]
        reached[precision] = sum(judged) / 3
        assert runs[0][1].val_accuracy[0] < 0.9 < reached[precision]
    assert abs(reached["float32"] - reached["bfloat16"]) < 0.03


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_in_two_parts_equals_a_run_in_one(precision: str, tmp_path) -> None:
    whole, expected = fit_small(precision, 4)
    fit_small(precision, 2, checkpoint=tmp_path / "run.ckpt")
    parts, found = fit_small(precision, 4, checkpoint=tmp_path / "run.ckpt")
    assert models.fingerprint(parts) == models.fingerprint(whole)
    assert found.train_loss == expected.train_loss and found.val_loss == expected.val_loss


def test_a_run_goes_on_in_the_precision_it_began_in(tmp_path) -> None:
    whole, _ = fit_small("bfloat16", 3)
    fit_small("bfloat16", 2, checkpoint=tmp_path / "run.ckpt")
    parts, _ = fit_small("auto", 3, checkpoint=tmp_path / "run.ckpt")  # whatever auto is here
    assert models.fingerprint(parts) == models.fingerprint(whole)
    with pytest.raises(CheckpointError, match="of a run in bfloat16, not float32"):
        fit_small("float32", 4, checkpoint=tmp_path / "run.ckpt")


def test_compile_trains_through_the_compiled_model(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def stand_in(model: nn.Module, **options: object) -> nn.Module:
        compiled.append((model, options))
        return model

    monkeypatch.setattr(torch, "compile", stand_in)
    plain, _ = fit_small("float32")
    assert compiled == []
    model, _ = fit_small("float32", compile=True)
    assert compiled == [(model, {"dynamic": False})]
    assert models.fingerprint(model) == models.fingerprint(plain)


def test_a_gpu_steps_in_one_kernel_unless_told_otherwise() -> None:
    def flags(optimizer: torch.optim.Optimizer, device: str) -> tuple:
        training._use_fused_kernels(optimizer, torch.device(device))
        return tuple(optimizer.param_groups[0].get(name) for name in ("fused", "foreach"))

    p = linear().parameters
    assert flags(SGD(p(), lr=0.1), "cuda") == (True, None)
    assert flags(AdamW(p(), lr=0.1), "cuda") == (True, None)
    assert flags(SGD(p(), lr=0.1, foreach=True), "cuda") == (None, True)
    assert flags(SGD(p(), lr=0.1, fused=False), "cuda") == (False, None)
    assert flags(SGD(p(), lr=0.1), "cpu") == (None, None)
    assert flags(torch.optim.RMSprop(p(), lr=0.1), "cuda") == (None, None)


def features(views: int = 1, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = points(count).tensors
    noise = torch.randn(views, count, 4, generator=torch.Generator().manual_seed(1))
    return x + 0.1 * noise, y


def fit_linear(train: tuple, val: tuple | None = None, seed: int = 0) -> tuple:
    head = linear()
    options = {"epochs": 10, "optimizer": SGD(head.parameters(), lr=0.1), "batch_size": 8}
    return head, training.fit_head(head, train, val, seed=seed, **options)


def test_batches_of_features_are_drawn_by_their_own_generator() -> None:
    drawn = []
    for around in (1, 2):
        torch.manual_seed(around)
        own = torch.Generator().manual_seed(0)
        x = torch.arange(12.0).reshape(2, 6, 1)
        batches = list(training.FeatureBatches(x, torch.arange(6), 1, own))
        assert len(batches) == 6
        drawn.append([(float(features), int(label)) for features, label in batches])
    assert drawn[0] == drawn[1]
    with pytest.raises(ValueError, match="batch_size is 0: expected a whole number of 1 or more"):
        training.FeatureBatches(x, torch.arange(6), 0)


def test_a_head_learns_from_features_as_from_a_data_loader() -> None:
    """The same weights: ``fit`` on the same features in the same order."""
    x, y = features()
    head, history = fit_linear((x[0], y), (x[0], y))
    order = training.FeatureBatches(x, y, 8, torch.Generator())
    same = linear()
    optimizer = SGD(same.parameters(), lr=0.1)
    expected = training.fit(same, order, [(x[0], y)], epochs=10, optimizer=optimizer, device="cpu")
    assert weights(head) == weights(same)
    assert history.val_accuracy == expected.val_accuracy and history.val_accuracy[-1] >= 0.9
    assert weights(fit_linear((x[0], y), seed=1)[0]) != weights(head)


def test_each_epoch_draws_one_view_of_every_image() -> None:
    x = torch.arange(5 * 7).reshape(5, 7, 1).float()
    made = training.FeatureBatches(x, torch.arange(7), 3, torch.Generator().manual_seed(0))
    views = []
    for _ in range(200):
        batches = list(made)
        assert len(batches) == len(made) == 3
        found, images = torch.cat([b for b, _ in batches])[:, 0], torch.cat([b for _, b in batches])
        assert images.sort().values.tolist() == list(range(7))
        assert torch.equal(found % 7, images.float())
        views += (found // 7).tolist()
    assert min(views.count(view) for view in range(5)) > 200 and len(set(views)) == 5
    still = training.FeatureBatches(x, torch.arange(7), 3)
    assert torch.cat([b for b, _ in still])[:, 0].tolist() == list(range(7))


def test_validation_looks_at_the_first_view() -> None:
    x, y = features(3)
    x[1:] = torch.nan  # would spoil the loss
    assert math.isfinite(fit_linear((x[0], y), (x, y))[1].val_loss[-1])


@pytest.mark.parametrize("shape", [(39, 4), (40,), (2, 41, 4), (1, 1, 40, 4)])
def test_features_that_do_not_fit_their_labels_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"features of shape .* for 40 labels: expected \(N, D\)"):
        fit_linear((torch.zeros(shape), torch.zeros(40, dtype=torch.int64)))


def test_a_head_in_its_model_is_trained_in_place() -> None:
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    model = models.Classifier(backbone, nn.Linear(5, 2), loaders.Preprocessing())
    before = models.fingerprint(model.backbone), models.fingerprint(model.head)
    x, y = torch.randn(8, 5), torch.arange(8) % 2
    optimizer = SGD(model.head.parameters(), lr=0.1)
    training.fit_head(model.head, (x, y), epochs=1, optimizer=optimizer)
    assert (
        models.fingerprint(model.backbone) == before[0]
        and models.fingerprint(model.head) != before[1]
    )
