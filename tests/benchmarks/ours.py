"""The course's own way, with default arguments, and the floor below which no loop can get."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from benchmarks.tasks import Outcome, Stopwatch, Task, autocast, precision, warm_up
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_lib import datasets, features, loaders, training
from course_lib.models import Classifier

BATCH_SIZE = inspect.signature(loaders.make_loaders).parameters["batch_size"].default
BODY_RATE, HEAD_RATE = 5e-4, 1e-2
FINE_TUNED = 5  # epochs at most after the head has been trained


def run(task: Task) -> Outcome:
    """Fine-tune everything, train the head on cached features, or do the one and then the other."""
    way = {"speed": fine_tune, "frozen": frozen, "accuracy": probe_then_fine_tune}[task.measure]
    with cold_cache():
        return way(task)


@contextmanager
def cold_cache() -> Iterator[None]:
    """Let features be computed afresh and forgotten afterwards."""
    before = os.environ.get(features.CACHE_DIR)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[features.CACHE_DIR] = folder
        try:
            yield
        finally:
            os.environ.pop(features.CACHE_DIR)
            if before is not None:
                os.environ[features.CACHE_DIR] = before


Batches = DataLoader | loaders.Resident


def photo_loaders(task: Task, model: Classifier, augment: bool = True) -> tuple[Batches, Batches]:
    """Return loaders of the whole ``train`` and the whole ``val`` folder, the article's split.

    ``make_loaders`` would set validation photos aside; all else is as there.
    """
    listing = datasets.scan(datasets.find(task.dataset))
    plain = loaders.eval_transform(model.preprocessing, task.image_size)
    train = loaders.train_transform(model.preprocessing, task.image_size) if augment else plain
    device = training.pick_device(task.device)
    photos = {"train": loaders.Photos(listing.files["train"], train)}
    photos["val"] = loaders.Photos(listing.files["val"], plain)
    made = []
    for split, part in photos.items():
        loader = DataLoader(
            part,
            BATCH_SIZE,
            shuffle=augment and split == "train",
            generator=torch.Generator().manual_seed(task.seed),
        )
        on_card = device.type == "cuda" and part.in_memory
        made.append(loaders.Resident(loader, device) if on_card else loader)
    return made[0], made[1]


def _fit(
    task: Task,
    model: Classifier,
    train: Batches,
    val: Batches,
    outcome: Outcome,
    head_rate: float = HEAD_RATE,
) -> None:
    """Fine-tune as lesson 08 does, and add the epochs to an outcome."""
    body = {"params": model.backbone.parameters(), "lr": BODY_RATE}
    head = {"params": model.head.parameters(), "lr": head_rate}
    optimizer = torch.optim.AdamW([body, head])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [BODY_RATE, head_rate], total_steps=task.epochs * len(train)
    )
    watch = Stopwatch(training.pick_device(task.device))
    history = training.fit(
        model,
        train,
        val,
        epochs=task.epochs,
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_step="batch",
        device=task.device,
        precision=task.precision,
        seed=task.seed,
    )
    add(outcome, history, watch.read())


def add(outcome: Outcome, history: training.History, seconds: float) -> None:
    """Add the epochs of one call of ``fit``; what it took around them counts with the first."""
    around = seconds - sum(history.seconds)
    outcome.epoch_seconds += [history.seconds[0] + around, *history.seconds[1:]]
    outcome.accuracy += history.val_accuracy


def fine_tune(task: Task) -> Outcome:
    """``training.fit`` on every layer."""
    watch = Stopwatch(training.pick_device(task.device))
    classes = datasets.scan(datasets.find(task.dataset)).classes
    model = task.model(len(classes))
    warm_up(model, task, BATCH_SIZE)
    watch.read()
    train, val = photo_loaders(task, model)
    outcome = Outcome(
        setup_seconds=watch.read(),
        images=len(train.dataset) + len(val.dataset),
        batch_size=BATCH_SIZE,
        precision=precision(task, model),
    )
    _fit(task, model, train, val, outcome)
    return outcome


def frozen(task: Task) -> Outcome:
    """Features once, from a cold cache; then the head alone for the epochs of the task."""
    return probe(task)[0]


def probe(task: Task) -> tuple[Outcome, Classifier]:
    """Return what :func:`frozen` took and reached, and the network with the trained head."""
    model = task.model(len(datasets.scan(datasets.find(task.dataset)).classes))
    warm_up(model, task, BATCH_SIZE)
    watch = Stopwatch(training.pick_device(task.device))
    parts = photo_loaders(task, model, augment=False)
    train, val = (features.views(model, part, device=task.device) for part in parts)
    outcome = Outcome(
        setup_seconds=watch.read(),
        images=sum(len(part.dataset) for part in parts),
        batch_size=BATCH_SIZE,
        precision=precision(task, model),
    )
    history = training.fit_head(
        model.head,
        train,
        val,
        epochs=task.epochs,
        optimizer=torch.optim.AdamW(model.head.parameters(), lr=HEAD_RATE),
        seed=task.seed,
    )
    add(outcome, history, watch.read())
    return outcome, model


def probe_then_fine_tune(task: Task) -> Outcome:
    """Train the head on features, then everything, gently, from there: lesson 08's recipe.

    The clock counts all of it: features from a cold cache, every epoch of the head, the photos
    opened again, every epoch of fine-tuning.
    """
    outcome, model = probe(task)
    watch = Stopwatch(training.pick_device(task.device))
    train, val = photo_loaders(task, model)
    opened = watch.read()
    before = len(outcome.epoch_seconds)
    gentle = replace(task, epochs=min(task.epochs, FINE_TUNED))
    _fit(gentle, model, train, val, outcome, head_rate=BODY_RATE)
    outcome.epoch_seconds[before] += opened
    return outcome


def floor(task: Task) -> Outcome:
    """Forward and backward passes of as many batches as an epoch of ours has, on one in memory."""
    device = training.pick_device(task.device)
    listing = datasets.scan(datasets.find(task.dataset))
    trained, judged = (len(listing.files[part]) for part in ("train", "val"))
    model = task.model(len(listing.classes)).to(device, memory_format=torch.channels_last)
    warm_up(model, task, BATCH_SIZE)
    images = torch.rand(BATCH_SIZE, 3, task.image_size, task.image_size, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.zeros(BATCH_SIZE, dtype=torch.int64, device=device)
    outcome = Outcome(
        images=trained + judged, batch_size=BATCH_SIZE, precision=precision(task, model)
    )
    # No epochs: sets the process up as ours does, so that the floor has all of its advantages.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    training.fit(model, [], epochs=0, optimizer=optimizer, device=device)

    mixed = autocast(task, model)

    def logits(count: int) -> Tensor:
        with mixed:
            return model(images[:count]).float()

    watch = Stopwatch(device)
    for _ in range(task.epochs):
        model.train()
        for size in batch_sizes(trained):
            F.cross_entropy(logits(size), labels[:size]).backward()
            model.zero_grad()
        model.eval()
        with torch.inference_mode():
            for size in batch_sizes(judged):
                logits(size)
        outcome.epoch_seconds.append(watch.read())
    return outcome


def batch_sizes(images: int) -> list[int]:
    """Sizes of the batches of an epoch: ``[32, 32, 6]`` for 70 images."""
    whole, rest = divmod(images, BATCH_SIZE)
    return [BATCH_SIZE] * whole + [rest] * (rest > 0)
