"""A data set that grows: does time grow in proportion, and does memory stay where it is?

The photos are copies of the course's own, small, each with bytes of its own. ``course_lib`` may
keep ``BUDGET`` bytes of them decoded, which the smallest set fits into and the others do not.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from benchmarks import ours
from benchmarks.tasks import Outcome, Stopwatch, Task, peak_memory
from PIL import Image

from course_lib import datasets, features, loaders, training

SIDE = 64  # pixels of the copies
BUDGET = 16_000_000  # bytes: 1,302 copies


@contextmanager
def copies(dataset: str, images: int, side: int = SIDE) -> Iterator[Path]:
    """Make a folder of small copies of a data set's photos, four in five of them in ``train``.

    Parameters
    ----------
    dataset : str
        Where the photos come from.
    images : int
        How many copies; no two files have the same bytes.
    side : int
        Of the square copies, in pixels.
    """
    listing = datasets.scan(datasets.find(dataset))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = {"train": range(images // 5, images), "val": range(images // 5)}
        for split, wanted in numbers.items():
            small = [(_small(path, side), label) for path, label in listing.files[split]]
            order = np.random.default_rng(0).permutation(len(small))
            for label in listing.classes:
                (folder / split / label).mkdir(parents=True)
            for number in wanted:
                photo, label = small[order[number % len(order)]]
                place = folder / split / listing.classes[label] / f"{number:06d}.jpg"
                place.write_bytes(photo + number.to_bytes(4))  # readers stop at the JPEG's own end
        yield folder


def _small(path: Path, side: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as photo:
        photo.convert("RGB").resize((side, side)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def run(task: Task) -> Outcome:
    """Fine-tune for an epoch on as many copies as the task says, and make their features."""
    with (
        mock.patch.object(loaders, "MEMORY_BUDGET", BUDGET),
        copies(task.dataset, task.images) as folder,
        ours.cold_cache(),
    ):
        before = peak_memory()
        outcome = ours.fine_tune(replace(task, dataset=str(folder)))
        outcome.memory_before, outcome.memory_trained = before, peak_memory()
        watch = Stopwatch(training.pick_device(task.device))
        made = [
            features.load(
                folder,
                split,
                backbone=task.backbone,
                pretrained=task.pretrained,
                image_size=task.image_size,
                device=task.device,
            )
            for split in ("train", "val")
        ]
        outcome.features = sum(domain.x.nbytes for domain in made)
        outcome.parts = {
            "open": outcome.setup_seconds,
            "epoch": sum(outcome.epoch_seconds),
            "features": watch.read(),
        }
    return outcome
