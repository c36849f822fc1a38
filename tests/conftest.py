"""How the tests share the cores, and small made-up data sets that the unit tests share."""

import os
from pathlib import Path

import joblib
import pytest
from hypothesis import settings
from random_photos import save_photo

# The same examples in every run and on every computer, and no clock.
settings.register_profile("course", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("course")

# Two workers, each with its share of the cores. What a test starts inherits the share.
WORKERS = min(2, joblib.cpu_count())
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, joblib.cpu_count() // workers)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return WORKERS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that both workers end at about the same time."""
    longest = ("test_lessons.py", "test_saved_outputs.py")
    items.sort(key=lambda item: -(item.path.name in longest) - (item.path.name == longest[0]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten training and five test photos of each of two classes, 40 x 32 pixels."""
    for split, count in (("train", 10), ("val", 5)):
        for number, name in enumerate(("ants", "bees")):
            for i in range(count):
                seed = 1000 * (split == "val") + 100 * number + i
                save_photo(tmp_path / split / name / f"{i:02d}.png", seed)
    return tmp_path
