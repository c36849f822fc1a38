"""One loop, against a plain one; what it keeps, where it stops, and how it goes on."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import OneCycleLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from course_lib import devices, loaders, models, training


def points(count: int = 22, seed: int = 0, shape: tuple = (4,), apart: float = 3) -> TensorDataset:
    """Two clouds of noise, so far apart in every dimension."""
    noise = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(count) % 2
    return TensorDataset(noise + apart * labels.view(-1, *[1] * len(shape)), labels)


def batches() -> DataLoader:
    return DataLoader(points(), 8, shuffle=True, generator=torch.Generator())


def linear(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 2))


def sgd(model: nn.Module, lr: float = 0.1) -> SGD:
    return SGD(model.parameters(), lr=lr, momentum=0.9)


def fit(model: nn.Module, *data: object, epochs: int = 3, **options: object) -> training.History:
    options = {"optimizer": sgd(model), "device": "cpu", **options}
    return training.fit(model, *(data or (batches(),)), epochs=epochs, **options)


def same(one: nn.Module, other: nn.Module) -> bool:
    return models.fingerprint(one) == models.fingerprint(other)


@pytest.mark.parametrize("when", ["epoch", "batch"])
def test_the_loop_is_the_plain_one(when):
    """The article's loop in its order, written out; weights and history are equal bit for bit."""
    model, plain, val = linear().eval(), linear(), [*DataLoader(points(20, 1), 8)]
    optimizer, other = (AdamW(m.parameters(), lr=0.05) for m in (model, plain))
    scheduler = {"batch": (OneCycleLR, 0.05, 12), "epoch": (StepLR, 2)}[when]
    scheduled = [scheduler[0](o, *scheduler[1:]) for o in (optimizer, other)]
    options = {"optimizer": optimizer, "scheduler": scheduled[0], "scheduler_step": when}
    history = fit(model, batches(), val, epochs=4, seed=5, **options)

    torch.manual_seed(5)
    train, rows, best = batches(), [], (-1.0, 0.0)
    train.generator.manual_seed(5)
    for epoch in range(4):
        plain.train()
        rate, total, right = other.param_groups[0]["lr"], 0, 0
        for x, y in train:
            logits = plain(x)
            loss = nn.functional.cross_entropy(logits, y)
            other.zero_grad()
            loss.backward()
            other.step()
            if when == "batch":
                scheduled[1].step()
            total, right = total + loss.item() * len(y), right + int((logits.argmax(1) == y).sum())
        if when == "epoch":
            scheduled[1].step()
        with torch.no_grad():
            logits, y = plain.eval()(torch.cat([x for x, _ in val])), torch.cat([y for _, y in val])
        loss = nn.functional.cross_entropy(logits, y).item()
        accuracy = int((logits.argmax(1) == y).sum()) / 20
        rows.append((total / 22, loss, rate, right / 22, accuracy))
        if (accuracy, -loss) > best:
            best, best_epoch, weights = (accuracy, -loss), epoch, copy.deepcopy(plain.state_dict())
    plain.load_state_dict(weights)
    assert same(model, plain) and history.best_epoch == best_epoch
    names = ("train_loss", "val_loss", "learning_rate", "train_accuracy", "val_accuracy")
    for name, expected in zip(names, zip(*rows, strict=True), strict=True):
        assert getattr(history, name) == pytest.approx(expected, rel=1e-5), name  # of 4 epochs
    assert len(history.seconds) == 4 and min(history.seconds) > 0


@pytest.mark.parametrize(("judged", "best"), [
    ([(1, 0.3), (1, 0.2), (0, 0.1), (1, 0.3)], 1),  # the lowest loss of the right ones
    ([(0, 2.0), (0, 3.0), (0, 1.0)], 2),
    ([(1, 0.2), (1, 0.2)], 0),  # among equals the first
    ([], 1),  # without validation the last
])  # fmt: skip
def test_the_best_epoch_is_kept(judged, best, monkeypatch):
    answers = iter([training.Metrics(loss, accuracy) for accuracy, loss in judged])
    steps = nn.Linear(1, 2)
    nn.init.zeros_(steps.weight)
    monkeypatch.setattr(training, "evaluate", lambda *_: next(answers))
    options = {"epochs": len(judged) or 2, "optimizer": sgd(steps)}
    monkeypatch.setattr(options["optimizer"], "step", lambda: steps.weight.data.add_(1))
    data = [(torch.ones(4, 1), torch.zeros(4, dtype=torch.int64))]
    history = fit(steps, data, data if judged else None, **options)
    assert history.best_epoch == best and steps.weight[0].item() == best + 1
    assert [*zip(history.val_accuracy, history.val_loss, strict=True)] == judged


def test_a_seed_decides_whatever_ran_before():
    def run(before: int, **seed: int) -> tuple:
        torch.rand(before)
        model = linear()
        fit(model, batches(), epochs=2, **seed)
        return models.fingerprint(model), random.random(), np.random.rand()  # noqa: NPY002

    assert run(1) == run(2, seed=0)
    assert all(one != other for one, other in zip(run(1), run(1, seed=2**32 - 1), strict=True))


@pytest.mark.parametrize("with_val", [True, False])
def test_a_run_goes_on_as_if_it_had_never_stopped(with_val):
    """After every epoch, from copies of all there is: weights and history, bit for bit."""
    kept: list[tuple] = []
    val = (DataLoader(points(seed=1), 8),) if with_val else ()

    def start() -> tuple:
        model = linear()
        optimizer = sgd(model)
        return model, optimizer, StepLR(optimizer, 2), batches()

    model, optimizer, scheduler, train = start()

    def keep(run: training.Run) -> None:
        assert scheduler.last_epoch == len(kept) + 1 == len(run.history.seconds)
        states = [part.state_dict() for part in (model, optimizer, scheduler)]
        dice = torch.get_rng_state(), train.generator.get_state()
        kept.append(copy.deepcopy((states, dice, run)))

    options = {"optimizer": optimizer, "scheduler": scheduler, "after_epoch": keep}
    whole = fit(model, train, *val, epochs=5, **options)
    assert len(kept) == 5
    for states, (dice, order), run in kept:
        again, optimizer, other_scheduler, loader = start()
        for part, state in zip((again, optimizer, other_scheduler), states, strict=True):
            part.load_state_dict(state)
        loader.generator.set_state(order)
        torch.set_rng_state(dice)
        options = {"optimizer": optimizer, "scheduler": other_scheduler, "run": run}
        parts = fit(again, loader, *val, epochs=5, seed=99, **options)
        assert same(again, model) and parts is run.history
        assert vars(parts) | {"seconds": 0} == vars(whole) | {"seconds": 0}


def test_every_example_counts_alike_predicting_is_exact_and_features_can_be_trained_on():
    model, data = linear().eval(), points(22)
    fit(model)
    whole, ragged = (training.evaluate(model, DataLoader(data, n), "cpu") for n in (22, 21))
    assert ragged.loss == pytest.approx(whole.loss, rel=1e-5)
    assert ragged.accuracy == whole.accuracy > 0.7
    found = training.Predictions(torch.tensor([[0.0, np.log(3)]] * 4), torch.tensor([1, 1, 0, 1]))
    assert found.probabilities.tolist() == [pytest.approx([0.25, 0.75])] * 4
    assert found.classes.tolist() == [1] * 4 and found.metrics.accuracy == 0.75
    assert found.metrics.loss == pytest.approx((3 * np.log(4 / 3) + np.log(4)) / 4)
    model, data, seen = nn.Linear(4, 2).train(), points(10), []
    model.register_forward_hook(lambda m, _, out: seen.append((m.training, out.is_inference())))
    found = training.predict(model, DataLoader(data, 4))
    assert model.training and set(seen) == {(False, True)}
    assert found.labels.tolist() == [0, 1] * 5 and found.logits.dtype == torch.float32
    assert torch.allclose(found.logits, model(data.tensors[0]), atol=1e-6)
    training.evaluate(model.eval(), DataLoader(data, 4))
    assert not model.training
    backbone = nn.Sequential(nn.Conv2d(3, 5, 2), nn.Flatten())
    model = models.Classifier(backbone, nn.Linear(5, 2), loaders.Preprocessing())
    data = DataLoader(TensorDataset(torch.randn(6, 3, 2, 2), torch.arange(6) % 2), 4)
    x, y = training.extract_features(model, data, "cpu")
    assert torch.allclose(x, backbone(data.dataset.tensors[0]), atol=1e-6) and x.shape == (6, 5)
    assert y.tolist() == [0, 1] * 3
    assert torch.equal(training.extract_features(backbone, data, "cpu")[0], x)
    fit(model, data)  # after parameters and inputs went through inference mode
    fit(nn.Linear(5, 2), [(x, y)])


def test_what_cannot_learn_is_an_error():
    model = linear()
    assert fit(model, batches(), batches(), epochs=0) == training.History()
    assert same(model, linear())
    with pytest.raises(ValueError, match="epochs is -1: expected a whole number of 0 or more"):
        fit(model, epochs=-1)
    with pytest.raises(ValueError, match="every parameter of the optimiser is frozen"):
        fit(model.requires_grad_(False))
    model[0].requires_grad_(True)
    fit(model)
    model, x = nn.Linear(4, 2), torch.ones(20, 4)
    x[17] = torch.inf
    data = DataLoader(TensorDataset(x, torch.zeros(20, dtype=torch.int64)), 4)
    message = r"loss became nan at learning rate 0\.003: .* tenth of it"
    with pytest.raises(FloatingPointError, match=message):
        fit(model, data, optimizer=sgd(model, 0.003))


@pytest.mark.parametrize("here", [["cpu"], ["mps", "cpu"], ["cuda", "mps", "cpu"]])
def test_a_device_that_is_not_here_is_named(here, monkeypatch):
    for name in ("cuda", "mps"):
        there = name in here
        monkeypatch.setattr(getattr(torch, name), "is_available", lambda there=there: there)
        if there:
            assert devices.pick_device(f"{name}:1") == torch.device(f"{name}:1")
    assert devices.pick_device() == torch.device(here[0])
    assert devices.pick_device("cpu") == devices.pick_device(torch.device("cpu"))
    for name in ("cuda", "mps:0", "gpu", ""):
        if name.split(":")[0] not in here:
            message = f"device is '{name}': this machine has {' and '.join(here)}"
            with pytest.raises(ValueError, match=message):
                training.predict(linear(), batches(), name)


class Small(nn.Module):
    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Conv2d(4, 8, 3, groups=groups), nn.Linear(8, 2)
        self.seen: list[tuple[bool, torch.dtype]] = []

    def forward(self, images: Tensor) -> Tensor:
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert self.body.weight.is_contiguous(memory_format=torch.channels_last)
        maps = self.body(images)
        self.seen.append((self.training, maps.dtype))
        return self.head(maps.relu().mean(dim=(2, 3)))


def pictures(seed: int = 0) -> DataLoader:
    return DataLoader(points(32, seed, (4, 8, 8), 0.6), 8)


def test_bfloat16_is_taken_where_device_and_model_gain_by_it(monkeypatch):
    cpu, cuda, half, full = *map(torch.device, ("cpu", "cuda")), torch.bfloat16, torch.float32
    depthwise, plain = nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(1, 4, 3)
    pick, ask = devices.pick_precision, devices._has_bfloat16.__wrapped__
    monkeypatch.setattr(devices, "_has_bfloat16", lambda kind: True)
    assert [pick("auto", cpu, m) for m in (plain, Small(2), linear())] == [half, half, full]
    assert pick("auto", cpu, depthwise) == full and pick("auto", cuda, depthwise) == half
    assert pick("auto", cpu, depthwise, backward=False) == half
    assert (pick("float32", cpu, plain), pick("bfloat16", cpu, linear())) == (full, half)
    monkeypatch.setattr(devices, "_has_bfloat16", lambda kind: False)
    assert pick("auto", cpu, plain) == full and pick("bfloat16", cpu, plain) == half
    monkeypatch.undo()
    for answers in ((False, False), (True, False), (False, True)):
        for name, answer in zip(("avx512_bf16", "amx_tile"), answers, strict=True):
            monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda a=answer: a)
        assert ask("cpu") is any(answers) and not ask("mps")
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported")  # a torch that does not tell
    for native in (True, False):  # what is emulated is slow
        said = lambda including_emulation=True, native=native: native or including_emulation  # noqa: E731
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", said)
        assert ask("cuda") is native and not ask("cpu")


def test_training_may_be_in_bfloat16_and_answers_are_exact(monkeypatch):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda kind: True)
    model, half, full = Small(), torch.bfloat16, torch.float32
    history = fit(model, pictures(), pictures(1), epochs=12)
    assert set(model.seen) == {(True, half), (False, half)} and history.val_accuracy[-1] > 0.9
    assert {value.dtype for value in model.state_dict().values()} == {full}
    exact = training.predict(model, pictures(), "cpu")
    model.seen.clear()
    training.extract_features(model, pictures(), "cpu")
    assert training.evaluate(model, pictures(), "cpu").loss == pytest.approx(exact.metrics.loss)
    assert set(model.seen) == {(False, full)}
    quick = training.predict(model, pictures(), "cpu", "auto")
    training.predict(deep := Small(4), pictures(), "cpu", "auto")  # only training is slow
    assert deep.seen[-1] == model.seen[-1] == (False, half) and quick.logits.dtype == full
    assert not torch.equal(quick.logits, exact.logits)
    fit(model, pictures(), precision="float32")
    assert model.seen[-1] == (True, full)


def test_the_whole_path_on_photos(folder):
    devices.reuse_memory.cache_clear()
    model = models.build_model("test_resnet", pretrained=False)
    splits = loaders.make_loaders(folder, model.preprocessing, 32, 8)
    fit(model, splits.train, splits.val, epochs=9, optimizer=AdamW(model.parameters(), lr=0.01))
    assert training.evaluate(model, splits.test).accuracy == 1.0
    assert devices.reuse_memory.cache_info().misses == 1  # whoever has photos has it
