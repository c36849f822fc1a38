"""The course's own way, with default arguments, and the floor below which no loop can get."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from benchmarks.tasks import Outcome, Stopwatch, Task, autocast, warm_up
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_lib import datasets, features, loaders, training
from course_lib.models import Classifier

BATCH_SIZE = 32
BODY_RATE, HEAD_RATE = 5e-4, 1e-2
PROBE_RATE = 1e-2


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


def photo_loaders(task: Task, model: Classifier) -> tuple[DataLoader, DataLoader]:
    """Return loaders of the whole ``train`` and the whole ``val`` folder, the article's split."""
    listing = datasets.scan(datasets.find(task.dataset))
    train = loaders.train_transform(model.preprocessing, task.image_size)
    val = loaders.eval_transform(model.preprocessing, task.image_size)
    generator = torch.Generator().manual_seed(task.seed)
    return (
        DataLoader(
            loaders.Photos(listing.files["train"], train),
            BATCH_SIZE,
            shuffle=True,
            generator=generator,
        ),
        DataLoader(loaders.Photos(listing.files["val"], val), BATCH_SIZE),
    )


def _fit(
    task: Task,
    model: Classifier,
    train: DataLoader,
    val: DataLoader,
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
    )
    _fit(task, model, train, val, outcome)
    return outcome


def frozen(task: Task) -> Outcome:
    """Features once, from a cold cache; then the head alone for the epochs of the task."""
    return probe(task)[0]


def probe(task: Task) -> tuple[Outcome, nn.Linear]:
    """Return what :func:`frozen` took and reached, and the trained head."""
    watch = Stopwatch(training.pick_device(task.device))
    options = {
        "backbone": task.backbone,
        "pretrained": task.pretrained,
        "image_size": task.image_size,
        "device": task.device,
    }
    train, val = (features.load(task.dataset, part, **options) for part in ("train", "val"))
    outcome = Outcome(
        setup_seconds=watch.read(), images=len(train) + len(val), batch_size=BATCH_SIZE
    )
    torch.manual_seed(task.seed)
    head = nn.Linear(train.x.shape[1], len(train.classes))
    batches = DataLoader(
        TensorDataset(torch.from_numpy(train.x), torch.from_numpy(train.y)),
        BATCH_SIZE,
        shuffle=True,
        generator=torch.Generator(),
    )
    watch.read()
    history = training.fit(
        head,
        batches,
        [(torch.from_numpy(val.x), torch.from_numpy(val.y))],
        epochs=task.epochs,
        optimizer=torch.optim.SGD(head.parameters(), lr=PROBE_RATE, momentum=0.9),
        device=task.device,
        seed=task.seed,
    )
    add(outcome, history, watch.read())
    return outcome, head


def probe_then_fine_tune(task: Task) -> Outcome:
    """Train the head on features, then everything, gently, from there: lesson 08's recipe.

    The clock counts all of it: features from a cold cache, every epoch of the head, the photos
    opened again, every epoch of fine-tuning.
    """
    outcome, head = probe(task)
    watch = Stopwatch(training.pick_device(task.device))
    model = task.model(head.out_features)
    model.head.load_state_dict(head.state_dict())
    train, val = photo_loaders(task, model)
    opened = watch.read()
    before = len(outcome.epoch_seconds)
    _fit(task, model, train, val, outcome, head_rate=BODY_RATE)
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
    mixed = autocast(task)
    outcome = Outcome(
        images=trained + judged,
        batch_size=BATCH_SIZE,
        precision="bfloat16" if mixed._enabled else "float32",
    )

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
