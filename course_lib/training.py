"""One training loop for the whole course, the article's made right, and what it leads to.

Seeded; no gradients in validation, which alone chooses the epoch; the scheduler steps last.
"""

import copy
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from course_lib import devices, progress
from course_lib.datasets import whole
from course_lib.devices import Device

Batches = Iterable[tuple[Tensor, Tensor]]  # inputs, (B, …), and int64 labels, (B,)


@dataclass(frozen=True)
class Metrics:
    """Mean cross-entropy in nats, and accuracy from 0 to 1."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Predictions:
    """Logits, float32 (N, classes), and true labels, (N,), of a whole split, on the CPU."""

    logits: Tensor
    labels: Tensor

    @property
    def classes(self) -> Tensor:
        """The predicted label of each example, (N,)."""
        return self.logits.argmax(dim=1)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, (N, classes)."""
        return self.logits.softmax(dim=1)

    @property
    def metrics(self) -> Metrics:
        """Loss and accuracy over all examples, each counted once."""
        loss = F.cross_entropy(self.logits, self.labels).item()
        return Metrics(loss, (self.classes == self.labels).double().mean().item())


@dataclass
class History:
    """One entry per epoch; ``best_epoch`` (from 0) is the one whose weights the model holds."""

    train_loss: list[float] = field(default_factory=list)  # while the weights still change
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)  # of the last parameter group
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None


@dataclass
class Run:
    """A training between two epochs: with the weights, the optimiser and the dice, all there is."""

    history: History = field(default_factory=History)
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy and minus the loss
    best_weights: dict[str, Tensor] | None = None


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, on every device."""
    whole("seed", seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries still draw from the global generator
    torch.manual_seed(seed)


def fit(
    model: nn.Module,
    train: Batches,
    val: Batches | None = None,
    *,
    epochs: int,
    optimizer: Optimizer,
    scheduler: LRScheduler | None = None,
    scheduler_step: str = "epoch",  # or "batch"
    device: Device = "auto",
    precision: str = "auto",
    seed: int = 0,
    run: Run | None = None,
    after_epoch: Callable[[Run], None] | None = None,
) -> History:
    """Train a classifier in place, and leave it with the weights of its best epoch.

    The best epoch has the highest validation accuracy, among equals the lowest loss; without
    ``val`` the last one counts. ``after_epoch`` is handed the run when an epoch is over; given that
    ``run``, and all else as it was then, ``fit`` goes on as if it had never stopped.
    """
    whole("epochs", epochs)
    if not any(p.requires_grad for group in optimizer.param_groups for p in group["params"]):
        raise ValueError("every parameter of the optimiser is frozen: nothing can be learned.")
    device = devices.pick_device(device)
    model.to(device, memory_format=torch.channels_last)
    dtype = devices.pick_precision(precision, device, model)
    if run is None:
        run = Run()
        seed_everything(seed)
        if generator := getattr(train, "generator", None):
            generator.manual_seed(seed)
    history = run.history
    for epoch in progress.bar(range(len(history.seconds), epochs), "epochs"):
        start = time.perf_counter()
        history.learning_rate.append(optimizer.param_groups[-1]["lr"])
        each_batch = scheduler if scheduler_step == "batch" else None
        trained = _train_one_epoch(model, train, optimizer, each_batch, device, dtype)
        history.train_loss.append(trained.loss)
        history.train_accuracy.append(trained.accuracy)
        if val is not None:
            judged = evaluate(model, val, device, str(dtype).removeprefix("torch."))
            history.val_loss.append(judged.loss)
            history.val_accuracy.append(judged.accuracy)
        if scheduler is not None and scheduler_step == "epoch":
            scheduler.step()
        if val is None:
            history.best_epoch = epoch
        elif (score := (judged.accuracy, -judged.loss)) > run.best:
            run.best, history.best_epoch = score, epoch
            run.best_weights = copy.deepcopy(model.state_dict())
        history.seconds.append(time.perf_counter() - start)
        if after_epoch is not None:
            after_epoch(run)
    if run.best_weights is not None:
        model.load_state_dict(run.best_weights)
    return history


def _train_one_epoch(model, loader, optimizer, scheduler, device, dtype) -> Metrics:
    """Train for one pass over a loader; a loss that is no longer finite is an error."""
    model.train()
    losses, sizes, correct = [], [], 0
    for inputs, labels in progress.bar(loader, "training"):
        inputs, labels = devices.to_device(inputs, device), labels.to(device, non_blocking=True)
        optimizer.zero_grad()
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = model(inputs).float()
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        losses.append(loss.detach())  # no .item(): it would wait for a GPU
        sizes.append(len(labels))
        correct += (logits.argmax(dim=1) == labels).sum()
    share = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
    mean_loss = (torch.stack(losses).cpu().double() @ share).item()
    if not np.isfinite(mean_loss):
        what = f"the training loss became {mean_loss} at learning rate"
        rate = optimizer.param_groups[-1]["lr"]
        raise FloatingPointError(f"{what} {rate:g}: most often it is too high; try a tenth of it.")
    return Metrics(mean_loss, int(correct) / sum(sizes))


def predict(
    model: nn.Module, loader: Batches, device: Device = "auto", precision: str = "float32"
) -> Predictions:
    """Answers of a model, in evaluation mode, to every example of a loader, in its order."""
    device, was_training = devices.pick_device(device), model.training
    dtype = devices.pick_precision(precision, device, model, backward=False)
    devices.reuse_memory()
    model.to(device, memory_format=torch.channels_last).eval()  # not below: it could never train
    logits, labels = [], []
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for inputs, truth in progress.bar(loader, "predicting"):
            logits.append(model(devices.to_device(inputs, device)).float())
            labels.append(truth)
    model.train(was_training)
    return Predictions(torch.cat(logits).cpu(), torch.cat(labels).cpu())


def evaluate(
    model: nn.Module, loader: Batches, device: Device = "auto", precision: str = "float32"
) -> Metrics:
    """Loss and accuracy of a classifier over a loader, every example counted once."""
    return predict(model, loader, device, precision).metrics


def extract_features(
    model: nn.Module, loader: Batches, device: Device = "auto", precision: str = "float32"
) -> tuple[Tensor, Tensor]:
    """Run a backbone over a loader once: its features, (N, D), and the labels, (N,), on the CPU."""
    found = predict(getattr(model, "backbone", model), loader, device, precision)
    return found.logits, found.labels
