"""A data set that grows: does time grow in proportion, and does memory stay where it is?

The photos are small copies of the course's own, each with bytes of its own. They are read afresh in
every epoch, as those of a folder that is larger than memory.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks import ours
from benchmarks.tasks import Outcome, Stopwatch, Task
from PIL import Image

from course_lib import datasets, devices, features


@contextmanager
def copies(dataset: str, images: int, side: int = 64) -> Iterator[Path]:
    """A folder of small square copies of a data set's photos, four in five of them in ``train``."""
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


def peak_memory() -> float:
    """Largest memory this process ever held, in MB; not on Windows."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def run(task: Task) -> Outcome:
    """Fine-tune for an epoch on as many copies as the task says, and make their features."""
    with copies(task.dataset, task.images) as folder, ours.cold_cache():
        before = peak_memory()
        outcome = ours.fine_tune(replace(task, dataset=str(folder)), in_memory=False)
        trained = peak_memory()
        watch = Stopwatch(devices.pick_device(task.device))
        options = {"pretrained": task.pretrained, "image_size": task.image_size}
        for split in ("train", "val"):
            features.load(folder, split, backbone=task.backbone, device=task.device, **options)
        outcome.parts = {
            "open, s": outcome.setup_seconds,
            "epoch, s": sum(outcome.epoch_seconds),
            "features, s": watch.read(),
            "MB before": before,
            "MB at most, training": trained,
            "MB at most, features": peak_memory(),
        }
    return outcome
