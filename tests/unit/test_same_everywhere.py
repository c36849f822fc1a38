"""Training comes out the same from any folder, in a second process, with workers and threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("trained_apart.py")
TOLERANCE = 1e-4  # of the loss, nats: sums in another order, over 2 batches


def train(photos: Path, where: Path, *, threads: int = 1, workers: int = 0) -> dict:
    """What a training run in a new process, started in ``where``, comes to."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, str(PROGRAM), str(photos), str(threads), str(workers)]
    done = subprocess.run(command, cwd=where, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def first(folder: Path) -> dict:
    return train(folder, ROOT)


def test_another_folder_spawned_workers_and_another_thread(
    folder: Path, first: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "另 一个 folder"
    elsewhere.mkdir()
    assert train(folder, elsewhere) == first  # bit by bit: a second run, from another folder
    spawned = train(folder, elsewhere, workers=1)
    assert spawned["start_method"] == "spawn"
    assert spawned["test_images"] == first["test_images"]
    assert spawned["weights"] == first["weights"]
    threaded = train(folder, elsewhere, threads=2)
    apart = max(abs(a - b) for a, b in zip(threaded["loss"], first["loss"], strict=True))
    with capsys.disabled():
        print(f" [1 and 2 threads: losses {apart:.1e} apart, tolerance {TOLERANCE:.0e}]", end="")
    assert apart <= TOLERANCE
    assert threaded["test_images"] == first["test_images"]
