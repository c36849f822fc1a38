"""Training, evaluation and feature extraction: one loop for the whole course.

The loop is the article's, made right: it is seeded, steps the scheduler after the optimiser, keeps
gradients off during validation, and chooses the best epoch on validation images that are not the
test images.
"""

from __future__ import annotations

import copy
import ctypes
import math
import platform
import random
import sys
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
from torch.optim import SGD, Adam, AdamW, Optimizer
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


PRECISIONS = ("auto", "float32", "bfloat16")


def pick_precision(
    precision: str = "auto",
    device: str | torch.device = "auto",
    model: nn.Module | None = None,
    *,
    backward: bool = True,
) -> torch.dtype:
    """Return the type of number that matrices are multiplied in.

    Parameters
    ----------
    precision : "auto", "float32" or "bfloat16"
        ``"auto"`` takes bfloat16 where the device has instructions for it (CPUs with AVX-512 BF16
        or AMX, CUDA from Ampere on) and the model has convolutions to gain by it, else float32.
    device : str or torch.device
        See :func:`pick_device`.
    model : nn.Module, optional
        The model in question; without it only the device decides.
    backward : bool
        Whether the model is to train. On CPUs the backward pass of depthwise convolutions is slower
        in bfloat16, the forward pass is not: an epoch of ``efficientnet_lite0`` takes a fifth more
        time, one of ``resnet18`` a third less (AMD EPYC with AVX-512 BF16, torch 2.14.1).

    Returns
    -------
    torch.dtype
        ``torch.float32`` or ``torch.bfloat16``.

    Raises
    ------
    ValueError
        If the precision is unknown.

    Notes
    -----
    bfloat16 has the range of float32 and 8 significant bits. Used through `autocast
    <https://docs.pytorch.org/docs/stable/amp.html>`_: weights, their gradients and the loss stay
    float32, so that no scaling of the loss is needed (Kalamkar et al. 2019, arXiv:1905.12322).
    """
    require.one_of("precision", precision, PRECISIONS)
    if precision != "auto":
        return getattr(torch, precision)
    device = pick_device(device)
    gains = model is None or _gains_by_bfloat16(model, device, backward)
    return torch.bfloat16 if gains and _has_bfloat16(device) else torch.float32


def _gains_by_bfloat16(model: nn.Module, device: torch.device, backward: bool) -> bool:
    found = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if backward and device.type == "cpu" and any(_is_depthwise(layer) for layer in found):
        return False
    return bool(found)


def _is_depthwise(layer: nn.Conv2d) -> bool:
    return layer.groups == layer.in_channels > 1


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; without them it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in asked)


def _autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)


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
    precision: str = "auto",
    compile: bool = False,
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
    precision : "auto", "float32" or "bfloat16"
        See :func:`pick_precision`; validation too. ``"auto"`` leaves a checkpoint what it is.
    compile : bool
        Train through `torch.compile <https://docs.pytorch.org/docs/stable/generated/torch.compile.html>`_:
        minutes at the start for faster steps, which pays in long runs. Needs a C++ compiler.

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
        If the checkpoint is damaged or belongs to another model, optimiser, seed or precision.
    torch.OutOfMemoryError
        If a batch does not fit into memory; the message proposes a smaller one.
    """
    require.whole("epochs", epochs)
    require.one_of("scheduler_step", scheduler_step, ("epoch", "batch"))
    _check_optimizer(optimizer)
    device = pick_device(device)
    criterion = criterion or nn.CrossEntropyLoss()
    seed_everything(seed)
    generator = getattr(train, "generator", None)
    if generator is not None:
        generator.manual_seed(seed)
    model.to(device, memory_format=torch.channels_last)
    network = distributed.unwrap(model)
    dtype = pick_precision(precision, device, model)
    _use_fused_kernels(optimizer, device)
    if device.type == "cpu":
        _keep_freed_memory()

    history, best, best_weights = History(), (-1.0, 0.0), None
    if checkpoint is not None and Path(checkpoint).exists():
        state = _restore(checkpoint, network, optimizer, scheduler, seed, generator)
        history, best, best_weights = History(**state["history"]), state["best"], state["weights"]
        dtype = _precision_of(state, precision, dtype, checkpoint)
    learner = torch.compile(model, dynamic=False) if compile else model
    plateau = isinstance(scheduler, ReduceLROnPlateau)
    for epoch in progress.bar(range(len(history.seconds), epochs), "epochs"):
        start = time.perf_counter()
        history.learning_rate.append(optimizer.param_groups[-1]["lr"])
        each_batch = scheduler if scheduler_step == "batch" and not plateau else None
        trained = _train_one_epoch(
            learner, train, criterion, optimizer, each_batch, device, dtype, epoch
        )
        history.train_loss.append(trained.loss)
        history.train_accuracy.append(trained.accuracy)
        judged = trained
        if val is not None:
            judged = evaluate(model, val, device, _NAMES[dtype])
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
                "precision": _NAMES[dtype],
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


_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


def _precision_of(
    state: dict[str, Any], asked: str, picked: torch.dtype, checkpoint: str | Path
) -> torch.dtype:
    """Return the precision in which a checkpoint's run goes on: the one it began with."""
    began = state.get("precision", "float32")
    if asked != "auto" and began != _NAMES[picked]:
        raise checkpoints.CheckpointError(
            f"{checkpoint} is of a run in {began}, not {asked}. Use that precision, or name "
            "another file."
        )
    return getattr(torch, began)


def _use_fused_kernels(optimizer: Optimizer, device: torch.device) -> None:
    """Let a GPU do a step of the optimiser in one kernel, unless its user chose otherwise."""
    if device.type == "cuda" and isinstance(optimizer, (SGD, Adam, AdamW)):
        for group in optimizer.param_groups:
            if group["fused"] is None and group["foreach"] is None:
                group["fused"] = True


def _keep_freed_memory() -> None:
    """Let this process reuse large blocks of memory from batch to batch.

    glibc hands blocks of 32 MB and more back to Linux when they are freed, and Linux clears every
    page of the next one; large activations lose a tenth of the time of a training step to that,
    and up to half of the time of a forward pass. `mallopt
    <https://man7.org/linux/man-pages/man3/mallopt.3.html>`_ tells it to keep them.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            libc.mallopt(option, 2**31 - 1)


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
    dtype: torch.dtype,
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
            with _autocast(device, dtype):
                logits = model(inputs)
            logits = logits.float()
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
    """Compare labels and outputs, where torch's own error would be obscure; on a GPU only once."""
    if seen and labels.device.type != "cpu":
        return
    if int(labels.max()) >= logits.shape[1]:
        raise ValueError(
            f"a label is {int(labels.max())} but the model has {logits.shape[1]} outputs: build it "
            "with num_classes=len(loaders.classes)."
        )


def predict(
    model: nn.Module,
    loader: Iterable[Batch],
    device: str | torch.device = "auto",
    precision: str = "float32",
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
    precision : "auto", "float32" or "bfloat16"
        See :func:`pick_precision`. Answers are for comparing, so they are exact unless speed is
        asked for.

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
    dtype = pick_precision(precision, device, model, backward=False)
    if device.type == "cpu":
        _keep_freed_memory()
    model = distributed.unwrap(model)  # processes with fewer images must not wait for the others
    was_training = model.training
    model.to(device, memory_format=torch.channels_last).eval()
    logits, labels = [], []
    # Not around .to(): parameters made in inference mode could never train.
    with torch.inference_mode(), _autocast(device, dtype):
        for inputs, batch_labels in progress.bar(loader, "predicting"):
            with _memory_advice(len(batch_labels)):
                logits.append(model(_move(inputs, device)).float())
            labels.append(batch_labels)
    model.train(was_training)
    if not logits:
        raise ValueError("the loader yields no image: is the folder empty?")
    found = torch.cat(logits).cpu(), torch.cat(labels).cpu()
    return Predictions(*(distributed.put_together(loader, part) for part in found))


def evaluate(
    model: nn.Module,
    loader: Iterable[Batch],
    device: str | torch.device = "auto",
    precision: str = "float32",
) -> Metrics:
    """Loss and accuracy of a classifier over a loader, weighted by sample.

    Parameters, modes and errors are those of :func:`predict`.

    Returns
    -------
    Metrics
        Mean cross-entropy (nats) and accuracy (fraction in [0, 1]).
    """
    found = predict(model, loader, device, precision)
    _check_labels(found.logits, found.labels, 0)
    return found.metrics


def extract_features(
    model: nn.Module,
    loader: Iterable[Batch],
    device: str | torch.device = "auto",
    precision: str = "float32",
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
    precision : "auto", "float32" or "bfloat16"
        See :func:`pick_precision`.

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
    found = predict(getattr(model, "backbone", model), loader, device, precision)
    return found.logits, found.labels


class FeatureBatches:
    """Batches of features in memory, for every image one of its views; iterates like a DataLoader.

    Parameters
    ----------
    features : Tensor
        float32, shape (K, N, D): K views of N images.
    labels : Tensor
        int64, shape (N,).
    batch_size : int
        Images in a batch, 1 or more; the last may be smaller.
    generator : torch.Generator, optional
        Draws order and views afresh in each pass. Without it the first view is given, in order.
    """

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        batch_size: int,
        generator: torch.Generator | None = None,
    ) -> None:
        self.features, self.labels = features, labels
        self.batch_size, self.generator = require.whole("batch_size", batch_size, 1), generator

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        views, count = self.features.shape[:2]
        order, view = torch.arange(count), torch.zeros(count, dtype=torch.int64)
        if self.generator is not None:
            order = torch.randperm(count, generator=self.generator)
            view = torch.randint(views, (count,), generator=self.generator)
        for chosen in order.split(self.batch_size):
            yield self.features[view[chosen], chosen], self.labels[chosen]


def fit_head(
    head: nn.Module,
    train: tuple[Tensor, Tensor],
    val: tuple[Tensor, Tensor] | None = None,
    *,
    epochs: int,
    optimizer: Optimizer,
    batch_size: int = 32,
    **options: Any,
) -> History:
    """Train a head on features of a frozen backbone: what :func:`fit` does, without the backbone.

    Parameters
    ----------
    head : nn.Module
        Maps features of shape (B, D) to logits of shape (B, num_classes); ``model.head`` is changed
        in place, and ``model`` with it.
    train : (features, labels)
        float32 of shape (N, D), or of shape (K, N, D) with K views of every image, one of which is
        drawn in each epoch; int64 of shape (N,). See :func:`course_lib.features.views`.
    val : (features, labels), optional
        Chooses the best epoch; of K views the first one counts.
    epochs : int
        Passes over the images; each takes milliseconds.
    optimizer : torch.optim.Optimizer
        Over the head's parameters.
    batch_size : int
        Images in a batch, 1 or more; the last may be smaller.
    **options
        ``scheduler``, ``scheduler_step``, ``criterion``, ``seed``, ``checkpoint`` of :func:`fit`.

    Returns
    -------
    History
        As :func:`fit`. On the CPU, in float32: for so little, a GPU would be slower.

    Raises
    ------
    ValueError, FloatingPointError, CheckpointError
        As :func:`fit`; and if features and labels do not belong together.
    """

    def batches(pair: tuple[Tensor, Tensor], generator: torch.Generator | None) -> FeatureBatches:
        features, labels = pair
        if features.ndim not in (2, 3) or features.shape[-2] != len(labels):
            raise ValueError(
                f"features of shape {tuple(features.shape)} for {len(labels)} labels: expected "
                "(N, D) or (K, N, D) for N labels."
            )
        views = features if features.ndim == 3 else features[None]
        return FeatureBatches(views, labels, batch_size, generator)

    judged = None if val is None else batches(val, None)
    options = {"epochs": epochs, "optimizer": optimizer, "device": "cpu", **options}
    return fit(head, batches(train, torch.Generator()), judged, precision="float32", **options)
