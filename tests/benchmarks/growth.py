"""A data set that grows: does time grow in proportion, and does memory stay where it is?"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from benchmarks import ours
from benchmarks.tasks import Outcome, Task

from course_lib import datasets, loaders


@contextmanager
def copies(dataset: str, images: int, side: int = 64) -> Iterator[str]:
    """A folder of small copies, no two files the same, four in five of them in ``train``."""
    listing = datasets.scan(datasets.find(dataset))
    numbers = {"train": range(images // 5, images), "val": range(images // 5)}
    with tempfile.TemporaryDirectory() as folder:
        for split, wanted in numbers.items():
            files = listing.files[split]
            order = np.random.default_rng(0).permutation(len(files))[: len(wanted)]
            small = []
            for path, label in (files[i] for i in order):
                photo = loaders.open_photo(path).resize((side, side))
                photo.save(buffer := BytesIO(), "JPEG", quality=85)
                place = Path(folder, split, listing.classes[label])
                place.mkdir(parents=True, exist_ok=True)
                small.append((place, buffer.getvalue()))
            for number in wanted:  # readers stop at the JPEG's own end
                place, photo = small[number % len(small)]
                (place / f"{number:06d}.jpg").write_bytes(photo + number.to_bytes(4))
        yield folder


def peak_memory() -> float:
    """Largest memory this process ever held, in MB; not on Windows."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def run(task: Task) -> Outcome:
    """Fine-tune on as many copies as the task says, read again in every epoch."""
    with copies(task.dataset, task.images) as folder:
        before = peak_memory()
        outcome = ours.fine_tune(replace(task, dataset=folder), in_memory=False)
    outcome.memory = f"{peak_memory():,.0f} ({before:,.0f} before)"
    return outcome
