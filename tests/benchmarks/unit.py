"""One run of one contender: ``unit.py TASK`` in a process of its own, both task and answer JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from benchmarks import article, growth, ours, peers  # noqa: E402
from benchmarks.tasks import Outcome, Task, peak_memory  # noqa: E402

from course_lib import devices  # noqa: E402


def measure(task: Task) -> Outcome:
    """Let a contender do a task."""
    if task.measure == "growth":
        outcome = growth.run(task)
    elif task.contender in peers.NEEDS:
        outcome = peers.run(task)
    else:
        outcome = {"a": article.run, "e": ours.run, "f": ours.floor}[task.contender](task)
    outcome.memory = peak_memory()
    if (device := devices.pick_device(task.device)).type == "cuda":
        outcome.device_memory = torch.cuda.max_memory_allocated(device)
    return outcome


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Task(**json.loads(sys.argv[1]))))))
