"""One run of one contender, in a process of its own: ``unit.py TASK OUTCOME``, both JSON.

``TASK`` is a task as text, ``OUTCOME`` the file to write; beside it lies what an interrupted run of
the article's loop goes on from.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from benchmarks import article, growth, ours, peers  # noqa: E402
from benchmarks.tasks import NAMES, Outcome, Task, peak_memory  # noqa: E402

from course_lib import training  # noqa: E402


def measure(task: Task, kept: Path | None = None) -> Outcome:
    """Let a contender do a task; ``kept`` is a file for what an interrupted run goes on from."""
    device = training.pick_device(task.device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if task.measure == "growth":
        outcome = growth.run(task)
    elif task.contender == "a":
        outcome = article.run(task, kept, lambda line: print(f"{NAMES['a']}, {line}", flush=True))
    elif task.contender in peers.NEEDS:
        outcome = peers.run(task)
    elif task.contender == "e":
        outcome = ours.run(task)
    else:
        outcome = ours.floor(task)
    outcome.memory = peak_memory()
    if device.type == "cuda":
        outcome.device_memory = torch.cuda.max_memory_allocated(device)
    return outcome


if __name__ == "__main__":
    written = Path(sys.argv[2])
    found = measure(Task(**json.loads(sys.argv[1])), written.with_suffix(".pt"))
    written.write_text(json.dumps(asdict(found)), encoding="utf-8")
