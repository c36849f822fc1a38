"""The course's own way, with default arguments, and the floor below which no loop can get."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import torch
from benchmarks.tasks import Outcome, Stopwatch, Task, precision, warm_up
from torch import Tensor
from torch.nn import functional as F

from course_lib import devices, features, loaders, training
from course_lib.models import Classifier

BATCH_SIZE = 32  # what make_loaders takes by default
BODY_RATE, HEAD_RATE = 5e-4, 1e-2
FINE_TUNED = 5  # epochs at most after the head has been trained


def run(task: Task) -> Outcome:
    """Fine-tune everything, train the head on cached features, or do the one and then the other."""
    with cold_cache():
        if task.measure == "speed":
            return fine_tune(task)
        return probe(task)[0] if task.measure == "frozen" else probe_then_fine_tune(task)


@contextmanager
def cold_cache() -> Iterator[None]:
    """Let features be computed afresh and forgotten afterwards."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, {features.CACHE_DIR: folder}),
    ):
        yield


def photo_loaders(task: Task, model: Classifier, **options: object) -> tuple:
    """``make_loaders``, but its training photos are all of ``train``, as the article's are."""

    def everything(labels: list[int], *_: object) -> tuple[list[int], list[int]]:
        return list(range(len(labels))), [0]

    size = task.batch_size or BATCH_SIZE
    options |= {"seed": task.seed, "device": task.device}
    with mock.patch.object(loaders, "split", everything):
        made = loaders.make_loaders(
            task.dataset, model.preprocessing, task.image_size, size, **options
        )
    return made.train, made.test


def begin(task: Task, **options: object) -> tuple[Outcome, Classifier, tuple]:
    """Build the network, then open the photos with the clock running."""
    model = task.model()
    batch_size = task.batch_size or BATCH_SIZE
    used = warm_up(model, task, batch_size)
    watch = Stopwatch(devices.pick_device(task.device))
    parts = photo_loaders(task, model, **options)
    images = sum(len(part.dataset) for part in parts)
    outcome = Outcome(watch.read(), images=images, batch_size=batch_size, precision=used)
    return outcome, model, parts


def fine_tune(task: Task, **options: object) -> Outcome:
    """``training.fit`` on every layer, as lesson 08 does."""
    outcome, model, parts = begin(task, **options)
    train(task, model, parts, outcome)
    return outcome


def train(
    task: Task, model: Classifier, parts: tuple, outcome: Outcome, head_rate: float = HEAD_RATE
) -> None:
    body = {"params": model.backbone.parameters(), "lr": BODY_RATE}
    optimizer = torch.optim.AdamW([body, {"params": model.head.parameters(), "lr": head_rate}])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [BODY_RATE, head_rate], total_steps=task.epochs * len(parts[0])
    )
    watch = Stopwatch(devices.pick_device(task.device))
    history = training.fit(
        model,
        *parts,
        epochs=task.epochs,
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_step="batch",
        device=task.device,
        precision=task.precision,
        seed=task.seed,
    )
    _add(outcome, history, watch.read())


def _add(outcome: Outcome, history: training.History, seconds: float) -> None:
    """Add the epochs of one call of ``fit``; what it took around them counts with the first."""
    around = seconds - sum(history.seconds)
    outcome.epoch_seconds += [history.seconds[0] + around, *history.seconds[1:]]
    outcome.accuracy += history.val_accuracy


def probe(task: Task) -> tuple[Outcome, Classifier]:
    """Features once, from a cold cache; then the head alone for the epochs of the task."""
    outcome, model, parts = begin(task, augment=False)
    watch = Stopwatch(devices.pick_device(task.device))
    train, val = (features.views(model, part, device=task.device) for part in parts)
    outcome.setup_seconds += watch.read()
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=HEAD_RATE)
    history = features.fit_head(
        model.head, train, val, epochs=task.epochs, optimizer=optimizer, seed=task.seed
    )
    _add(outcome, history, watch.read())
    return outcome, model


def probe_then_fine_tune(task: Task) -> Outcome:
    """Train the head on features, then everything, gently, from there: lesson 08's recipe.

    The clock counts all of it: features from a cold cache, every epoch of the head, the photos
    opened again, every epoch of fine-tuning.
    """
    outcome, model = probe(task)
    watch = Stopwatch(devices.pick_device(task.device))
    parts = photo_loaders(task, model)
    opened, before = watch.read(), len(outcome.epoch_seconds)
    gentle = replace(task, epochs=min(task.epochs, FINE_TUNED))
    train(gentle, model, parts, outcome, head_rate=BODY_RATE)
    outcome.epoch_seconds[before] += opened
    return outcome


def floor(task: Task) -> Outcome:
    """Forward and backward passes of as many batches as an epoch of ours has, on one in memory."""
    outcome, model, parts = begin(task)
    watch, an_epoch = Stopwatch(devices.pick_device(task.device)), passes(task, model, parts)
    watch.read()
    for _ in range(task.epochs):
        an_epoch()
        outcome.epoch_seconds.append(watch.read())
    return outcome


def passes(task: Task, model: Classifier, parts: tuple) -> Callable[[], None]:
    """An epoch with the batch sizes of ``parts`` that opens and crops no photo, nor learns."""
    device, dtype = devices.pick_device(task.device), precision(task, model)
    trained, judged = ([len(labels) for _, labels in part] for part in parts)
    batch_size = max(trained + judged)
    model.to(device, memory_format=torch.channels_last)
    images = torch.rand(batch_size, 3, task.image_size, task.image_size, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.zeros(batch_size, dtype=torch.int64, device=device)
    devices.reuse_memory()  # the floor has all of our advantages

    def logits(count: int) -> Tensor:
        with devices.autocast(device, dtype):
            return model(images[:count]).float()

    def an_epoch() -> None:
        model.train()
        for size in trained:
            F.cross_entropy(logits(size), labels[:size]).backward()
            model.zero_grad()
        model.eval()
        with torch.inference_mode():
            for size in judged:
                logits(size)

    return an_epoch
