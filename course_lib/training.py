"""Training, evaluation and feature extraction: one loop for the whole course.

The loop is the article's, made right: it is seeded, steps the scheduler after the optimiser, keeps
gradients off during validation, and chooses the best epoch on validation images that are not the
test images.
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils.data import DataLoader

from course_lib import checkpoint as checkpoints
from course_lib import distributed, progress, require

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Metrics:
    """Mean cross-entropy in nats, and accuracy as a fraction in [0, 1]."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Predictions:
    """Logits, float32 of shape (N, num_classes), and true labels, int64 of shape (N,), on CPU."""

    logits: Tensor
    labels: Tensor

    @property
    def classes(self) -> Tensor:
        """Predicted labels, int64 of shape (N,)."""
        return self.logits.argmax(dim=1)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, float32 of shape (N, num_classes)."""
        return self.logits.softmax(dim=1)

    @property
    def metrics(self) -> Metrics:
        """Loss and accuracy over all examples."""
        loss = F.cross_entropy(self.logits, self.labels).item()
        return Metrics(loss, (self.classes == self.labels).double().mean().item())


@dataclass
class History:
    """What happened in each epoch; all lists have one entry an epoch.

    Attributes
    ----------
    train_loss, val_loss : list of float
        Mean cross-entropy, nats. The training loss is averaged while the weights still change.
    train_accuracy, val_accuracy : list of float
        Fractions in [0, 1].
    learning_rate : list of float
        Of the optimiser's last parameter group, at the start of the epoch.
    seconds : list of float
        Wall-clock time, validation included.
    best_epoch : int or None
        Epoch (from 0) whose weights the model holds after ``fit``; None before any epoch.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices)."""
    require.whole("seed", seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries still draw from the global generator
    torch.manual_seed(seed)


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device to compute on.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` takes CUDA, else MPS (Apple), else the CPU. Otherwise a torch device string such
        as ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

    Returns
    -------
    torch.device
        A device that is really there.

    Raises
    ------
    ValueError
        If the name is unknown or this machine has no such device.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    kind = str(device).split(":")[0]
    require.one_of("device", kind, ("auto", *there))
    if not there[kind]:
        here = ", ".join(name for name, present in there.items() if present)
        raise ValueError(f"device is {str(device)!r}: this machine has only {here}. Use 'auto'.")
    try:
        return torch.device(device)
    except RuntimeError:
        raise ValueError(f"device is {str(device)!r}: expected for example '{kind}:0'.") from None


def _move(images: Tensor, device: torch.device) -> Tensor:
    """Move a batch to the device, images in the memory layout that convolutions like best."""
    layout = torch.channels_last if images.ndim == 4 else torch.preserve_format
    return images.to(device, non_blocking=True, memory_format=layout)


def fit(
    model: nn.Module,
    train: DataLoader,
    val: DataLoader | None = None,
    *,
    epochs: int,
    optimizer: Optimizer,
    scheduler: LRScheduler | ReduceLROnPlateau | None = None,
    scheduler_step: Literal["epoch", "batch"] = "epoch",
    criterion: nn.Module | None = None,
    device: str | torch.device = "auto",
    seed: int = 0,
    checkpoint: str | Path | None = None,
) -> History:
    """Train a classifier and leave it with the weights of its best epoch.

    Parameters
    ----------
    model : nn.Module
        Maps a batch to logits of shape (B, num_classes). Moved to the device, changed in place.
        May be a replica from :func:`course_lib.distributed.replicate`, with loaders from there.
    train : DataLoader
        Yields (inputs, int64 labels of shape (B,)); the last batch may be smaller.
    val : DataLoader, optional
        Chooses the best epoch: the highest accuracy, among equals the lowest loss. Without it the
        last epoch is kept.
    epochs : int
        Passes over ``train``; 0 leaves the model as it is.
    optimizer : torch.optim.Optimizer
        Over (some of) the model's parameters.
    scheduler : optional
        Any scheduler of ``torch.optim.lr_scheduler``.
    scheduler_step : "epoch" or "batch"
        When the scheduler steps, always after the optimiser. ``ReduceLROnPlateau`` is given the
        validation loss (the training loss without ``val``).
    criterion : nn.Module, optional
        Training loss of (logits, labels); cross-entropy by default.
    device : str or torch.device
        See :func:`pick_device`.
    seed : int
        Seeds Python, NumPy, torch and the loader's shuffling, so that a second call with a fresh
        model and optimiser repeats the first.
    checkpoint : str or Path, optional
        File that holds the whole run after every epoch. If it is there already, the run goes on
        where it ended, and comes out as if it had never been interrupted (on a CPU bit by bit,
        with the same number of threads).

    Returns
    -------
    History
        One entry an epoch, and the best epoch.

    Raises
    ------
    ValueError
        If epochs is negative, a learning rate is not finite, the loader yields nothing, no
        parameter is trainable, or the labels do not fit the model's outputs.
    FloatingPointError
        If the loss becomes nan or infinite.
    CheckpointError
        If the checkpoint is damaged or belongs to another model, optimiser or seed.
    torch.OutOfMemoryError
        If a batch does not fit into memory; the message proposes a smaller one.
    """
    require.whole("epochs", epochs)
    require.one_of("scheduler_step", scheduler_step, ("epoch", "batch"))
    _check_optimizer(optimizer)
    device = pick_device(device)
    criterion = criterion or nn.CrossEntropyLoss()
    seed_everything(seed)
    generator = train.generator if isinstance(train, DataLoader) else None
    if generator is not None:
        generator.manual_seed(seed)
    model.to(device, memory_format=torch.channels_last)
    network = distributed.unwrap(model)

    history, best, best_weights = History(), (-1.0, 0.0), None
    if checkpoint is not None and Path(checkpoint).exists():
        state = _restore(checkpoint, network, optimizer, scheduler, seed, generator)
        history, best, best_weights = History(**state["history"]), state["best"], state["weights"]
    plateau = isinstance(scheduler, ReduceLROnPlateau)
    for epoch in progress.bar(range(len(history.seconds), epochs), "epochs"):
        start = time.perf_counter()
        history.learning_rate.append(optimizer.param_groups[-1]["lr"])
        each_batch = scheduler if scheduler_step == "batch" and not plateau else None
        trained = _train_one_epoch(model, train, criterion, optimizer, each_batch, device, epoch)
        history.train_loss.append(trained.loss)
        history.train_accuracy.append(trained.accuracy)
        judged = trained
        if val is not None:
            judged = evaluate(model, val, device)
            history.val_loss.append(judged.loss)
            history.val_accuracy.append(judged.accuracy)
        if plateau:
            scheduler.step(judged.loss)
        elif scheduler is not None and scheduler_step == "epoch":
            scheduler.step()
        score = (judged.accuracy, -judged.loss)
        if val is None or best_weights is None or score > best:
            best, history.best_epoch = score, epoch
            best_weights = copy.deepcopy(network.state_dict()) if val is not None else None
        history.seconds.append(time.perf_counter() - start)
        if checkpoint is not None:
            state = {
                "seed": seed,
                "model": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": None if scheduler is None else scheduler.state_dict(),
                "history": asdict(history),
                "best": best,
                "weights": best_weights,
                "random": distributed.from_each(checkpoints.random_state(generator)),
            }
            if distributed.rank() == 0:
                checkpoints.save(checkpoint, state)
    if best_weights is not None:
        network.load_state_dict(best_weights)
    return history


def _restore(
    checkpoint: str | Path,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | ReduceLROnPlateau | None,
    seed: int,
    generator: torch.Generator | None,
) -> dict[str, Any]:
    """Put a run back to where its checkpoint was written; see :func:`fit`."""
    state = checkpoints.load(checkpoint)
    try:
        checkpoints.check_fits(model, state["model"], checkpoint)
        if state["seed"] != seed:
            raise checkpoints.CheckpointError(
                f"{checkpoint} is of a run with seed {state['seed']}, not {seed}. Use that seed, "
                "or name another file."
            )
        if (state["scheduler"] is None) != (scheduler is None):
            raise checkpoints.CheckpointError(
                f"{checkpoint} is of a run {'without' if scheduler else 'with'} a scheduler. Use "
                "the same settings, or name another file."
            )
        optimizer.load_state_dict(state["optimizer"])
        model.load_state_dict(state["model"])
        if scheduler is not None:
            scheduler.load_state_dict(state["scheduler"])
    except (KeyError, ValueError) as error:
        if isinstance(error, checkpoints.CheckpointError):
            raise
        raise checkpoints.CheckpointError(
            f"{checkpoint} does not fit this optimiser or scheduler ({error}). Use the settings "
            "it was made with, or name another file."
        ) from None
    of_each = state["random"]  # process by process
    checkpoints.set_random_state(of_each[distributed.rank() % len(of_each)], generator)
    return state


def _check_optimizer(optimizer: Optimizer) -> None:
    for number, group in enumerate(optimizer.param_groups):
        require.number(f"learning rate of parameter group {number}", group["lr"], above=-1e-12)
    if not any(p.requires_grad for group in optimizer.param_groups for p in group["params"]):
        raise ValueError(
            "every parameter of the optimiser is frozen, so nothing can be learned: give it the "
            "parameters of the head, or unfreeze the backbone."
        )


def _train_one_epoch(
    model: nn.Module,
    loader: Iterable[Batch],
    criterion: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    device: torch.device,
    epoch: int,
) -> Metrics:
    """Train for one pass over a loader; see :func:`fit`. Metrics are weighted by sample."""
    model.train()
    losses: list[Tensor] = []
    sizes: list[int] = []
    correct = torch.zeros((), device=device)
    for inputs, labels in progress.bar(loader, f"epoch {epoch + 1}"):
        with _memory_advice(len(labels)):
            inputs, labels = _move(inputs, device), labels.to(device, non_blocking=True)
            optimizer.zero_grad()
            logits = model(inputs)
            _check_labels(logits, labels, sum(sizes))
            loss = criterion(logits, labels)
            losses.append(loss.detach())
            sizes.append(len(labels))
            if device.type == "cpu":  # elsewhere a look at the loss would wait for the device
                _check_finite(losses[-1], len(losses), optimizer, epoch)
            loss.backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
        correct += (logits.argmax(dim=1) == labels).sum()
    if not sizes:
        raise ValueError("the training loader yields no image: is the folder empty?")
    for number, loss in enumerate(torch.stack(losses).cpu(), start=1):
        _check_finite(loss, number, optimizer, epoch)
    weights = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
    mean_loss = torch.stack(losses).cpu().double() @ weights
    found = mean_loss.item(), correct.item() / sum(sizes)
    return Metrics(*(distributed.mean(value, sum(sizes)) for value in found))


def _check_finite(loss: Tensor, batch: int, optimizer: Optimizer, epoch: int) -> None:
    """Raise if the loss of a batch, counted from 1, is not a finite number."""
    if not math.isfinite(loss.item()):
        rate = optimizer.param_groups[-1]["lr"]
        raise FloatingPointError(
            f"the training loss became {loss.item()} in epoch {epoch + 1}, batch {batch}, at "
            f"learning rate {rate:g}: most often the learning rate is too high. Try a tenth of it. "
            "If it happens in the very first batch, look for nan in the images."
        )


@contextmanager
def _memory_advice(batch_size: int) -> Iterator[None]:
    """Say what to do when a batch does not fit into memory, on a GPU or on the CPU."""
    try:
        yield
    except RuntimeError as error:
        full = isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
        if not full:
            raise
        smaller = max(1, batch_size // 2)
        raise torch.OutOfMemoryError(
            f"a batch of {batch_size} images does not fit into memory. Try batch_size={smaller}, "
            "or a smaller image_size."
        ) from error


def _check_labels(logits: Tensor, labels: Tensor, seen: int) -> None:
    """Compare labels and outputs on the first batch, where torch's own error would be obscure."""
    if seen == 0 and int(labels.max()) >= logits.shape[1]:
        raise ValueError(
            f"a label is {int(labels.max())} but the model has {logits.shape[1]} outputs: build it "
            "with num_classes=len(loaders.classes)."
        )


def predict(
    model: nn.Module, loader: Iterable[Batch], device: str | torch.device = "auto"
) -> Predictions:
    """Logits of a model for every example of a loader, in the loader's order.

    Parameters
    ----------
    model : nn.Module
        Maps a batch to logits of shape (B, num_classes). Run in evaluation mode; afterwards it is
        in the mode it was in.
    loader : iterable of (inputs, labels)
        Labels are int64 of shape (B,). The last batch may be smaller.
    device : str or torch.device
        See :func:`pick_device`.

    Returns
    -------
    Predictions
        Logits and labels, on the CPU.

    Raises
    ------
    ValueError
        If the loader yields nothing.
    """
    device = pick_device(device)
    model = distributed.unwrap(model)  # processes with fewer images must not wait for the others
    was_training = model.training
    model.to(device, memory_format=torch.channels_last).eval()
    logits, labels = [], []
    with torch.inference_mode():  # not around .to(): parameters made here could never train
        for inputs, batch_labels in progress.bar(loader, "predicting"):
            logits.append(model(_move(inputs, device)).float().cpu())
            labels.append(batch_labels)
    model.train(was_training)
    if not logits:
        raise ValueError("the loader yields no image: is the folder empty?")
    found = torch.cat(logits), torch.cat(labels)
    return Predictions(*(distributed.put_together(loader, part) for part in found))


def evaluate(
    model: nn.Module, loader: Iterable[Batch], device: str | torch.device = "auto"
) -> Metrics:
    """Loss and accuracy of a classifier over a loader, weighted by sample.

    Parameters, modes and errors are those of :func:`predict`.

    Returns
    -------
    Metrics
        Mean cross-entropy (nats) and accuracy (fraction in [0, 1]).
    """
    return predict(model, loader, device).metrics


def extract_features(
    model: nn.Module, loader: Iterable[Batch], device: str | torch.device = "auto"
) -> tuple[Tensor, Tensor]:
    """Run a backbone over a loader once and keep what it says.

    Parameters
    ----------
    model : nn.Module
        A :class:`course_lib.models.Classifier`, whose backbone is used, or a backbone itself.
    loader : iterable of (images, labels)
        Give it images without augmentation, else the features are of one random draw.
    device : str or torch.device
        See :func:`pick_device`.

    Returns
    -------
    features : Tensor
        float32, shape (N, D), on the CPU, in the loader's order.
    labels : Tensor
        int64, shape (N,).

    Raises
    ------
    ValueError
        If the loader yields nothing.
    """
    found = predict(getattr(model, "backbone", model), loader, device)
    return found.logits, found.labels
