"""The course's own way, with default arguments, and the floor below which no loop can get."""

import os
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from unittest import mock

import torch
from benchmarks import tasks
from benchmarks.tasks import Clock, Outcome, Task
from torch import Tensor
from torch.nn import functional as F

from course_lib import devices, features, loaders, training
from course_lib.models import Classifier

BATCH_SIZE = 32  # what make_loaders takes by default
BODY_RATE, HEAD_RATE = 5e-4, 1e-2
FINE_TUNED = 5  # epochs at most after the head has been trained


def run(task: Task) -> Outcome:
    """Fine-tune everything, train the head on cached features, or do the one and then the other."""
    if task.measure == "speed":
        return fine_tune(task)
    with TemporaryDirectory() as cold, mock.patch.dict(os.environ, {features.CACHE_DIR: cold}):
        return probe(task)[0] if task.measure == "frozen" else probe_then_fine_tune(task)


def photo_loaders(task: Task, model: Classifier, **options: object) -> tuple:
    """``make_loaders``, but its training photos are all of ``train``, as the article's are."""

    def everything(labels: list[int], *_: object) -> tuple[list[int], list[int]]:
        return list(range(len(labels))), [0]

    settings = (task.dataset, model.preprocessing, task.image_size, task.batch_size or BATCH_SIZE)
    with mock.patch.object(loaders, "split", everything):
        made = loaders.make_loaders(*settings, seed=task.seed, device=task.device, **options)
    return made.train, made.test


def begin(task: Task, **options: object) -> tuple[Classifier, tuple, Clock]:
    """Build the network, then open the photos with the clock running."""
    model, outcome, clock = tasks.begin(task, task.batch_size or BATCH_SIZE)
    parts = photo_loaders(task, model, **options)
    outcome.images = sum(len(part.dataset) for part in parts)
    clock.opened()
    return model, parts, clock


def fine_tune(task: Task, **options: object) -> Outcome:
    """``training.fit`` on every layer, as lesson 08 does."""
    model, parts, clock = begin(task, **options)
    train(task, model, parts, clock)
    return clock.outcome


def train(task: Task, model: Classifier, parts: tuple, clock: Clock, head_rate=HEAD_RATE) -> None:
    settings = {"device": task.device, "precision": task.precision, "seed": task.seed}
    rates = (BODY_RATE, head_rate)
    one_cycle(model, parts, rates, task.epochs, after_epoch=clock.after_epoch, **settings)


def one_cycle(model: Classifier, parts: tuple, rates: tuple, epochs: int, **settings) -> None:
    """Train backbone and head at rates of their own, with AdamW and a one-cycle schedule."""
    groups = zip((model.backbone, model.head), rates, strict=True)
    weights = [{"params": part.parameters(), "lr": rate} for part, rate in groups]
    fused = settings.get("device") == "cuda"  # one kernel a step: it is launches that take the time
    optimizer = torch.optim.AdamW(weights, fused=fused)
    steps = epochs * len(parts[0])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps)
    settings |= {"optimizer": optimizer, "scheduler": scheduler, "scheduler_step": "batch"}
    training.fit(model, *parts, epochs=epochs, **settings)


def probe(task: Task) -> tuple[Outcome, Classifier]:
    """Features once, from a cold cache; then the head alone for the epochs of the task."""
    model, parts, clock = begin(task, augment=False)
    train, val = (features.views(model, part, device=task.device) for part in parts)
    clock.opened()
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=HEAD_RATE)
    settings = {"epochs": task.epochs, "optimizer": optimizer, "seed": task.seed}
    features.fit_head(model.head, train, val, after_epoch=clock.after_epoch, **settings)
    return clock.outcome, model


def probe_then_fine_tune(task: Task) -> Outcome:
    """Train the head on features, then everything, gently, from there; the clock counts it all."""
    outcome, model = probe(task)
    clock = Clock(devices.pick_device(task.device), outcome)
    parts = photo_loaders(task, model)
    gentle = replace(task, epochs=min(task.epochs, FINE_TUNED))
    train(gentle, model, parts, clock, head_rate=BODY_RATE)
    return outcome


def floor(task: Task) -> Outcome:
    """Forward and backward passes of as many batches as an epoch of ours has, on one in memory."""
    model, parts, clock = begin(task)
    an_epoch = passes(task, model, parts)
    clock.read()
    for _ in range(task.epochs):
        an_epoch()
        clock.lap()
    return clock.outcome


def passes(task: Task, model: Classifier, parts: tuple) -> Callable[[], None]:
    """An epoch with the batch sizes of ``parts`` that opens and crops no photo, nor learns."""
    device, dtype = devices.pick_device(task.device), tasks.precision(task, model)
    trained, judged = ([len(labels) for _, labels in part] for part in parts)
    shape = (max(trained + judged), 3, task.image_size, task.image_size)
    images = torch.rand(shape, device=device).to(memory_format=torch.channels_last)
    labels = torch.zeros(len(images), dtype=torch.int64, device=device)
    model.to(device, memory_format=torch.channels_last)
    devices.reuse_memory()  # the floor has all of our advantages

    def logits(count: int) -> Tensor:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
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
