"""Training on a GPU, measured in minutes: a table per network, and the time to an accuracy.

    python tests/benchmarks/gpu.py --minutes 6
    python tests/benchmarks/gpu.py --profile
    python tests/benchmarks/gpu.py --device cpu --quick

Rows are printed as they are measured; for some there may be no time left. The photos are `insects`,
or `hymenoptera` where HYMENOPTERA_DIR says where they are.
"""

import argparse
import gc
import os
import sys
import time
import timeit
from argparse import Namespace
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from benchmarks import article, growth, ours, peers, speed, tasks  # noqa: E402
from benchmarks.tasks import NAMES, Outcome, Task  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from course_lib import models  # noqa: E402

SINGLE, LARGE = {"precision": "float32"}, {"batch_size": 128}
CONTENDERS = (
    *(("f", {}), ("f", SINGLE), ("f", LARGE), ("a", {}), ("e", {}), ("e", SINGLE), ("e", LARGE)),
    *((letter, {}) for letter in peers.NEEDS),
)
WAYS = (  # to an accuracy: measure, contender
    ("the article's loop", "speed", "a"),
    ("course_lib", "speed", "e"),
    ("course_lib, head first, then everything", "accuracy", "e"),
    ("course_lib, frozen features", "frozen", "e"),
    ("the article's loop, frozen", "frozen", "a"),
)


def show(*cells: object) -> None:
    print(speed.line(cells), flush=True)


def heading(title: str, columns: Iterable[str]) -> None:
    print(f"\n{title}\n\n{speed.line(columns)}\n{speed.line('---' for _ in columns)}", flush=True)


def task_of(options: Namespace, contender: str, **others: object) -> Task:
    """A task for a contender; its first epoch is the warm-up."""
    settings = {
        "epochs": options.epochs + 1,
        "precision": "float32" if contender == "a" else "auto",
        "workers": article.WORKERS,
        "batch_size": 32 if contender in peers.NEEDS else None,
    }
    fixed = (options.dataset, options.network, options.pretrained, options.size, 0, options.device)
    return replace(Task("speed", contender, *fixed), **settings | others)


def measure(options: Namespace, task: Task, guess: float) -> Outcome | str:
    """Run a task; where time is short, or it fails, say so instead."""
    if time.monotonic() + guess > options.ends:
        return "no time left"
    if task.contender in peers.NEEDS and not peers.installed(task.contender):
        return "not installed"
    gc.collect()
    try:
        return speed.measure(task)
    except Exception as error:  # one contender's failure is a row, and not the end
        return f"failed: {type(error).__name__}: {error}".splitlines()[0][:150]


def speed_table(options: Namespace) -> float:
    """Seconds an epoch of every contender; returns those of the article's loop."""
    found: dict[tuple, list[speed.Run]] = {}
    slow = ("a", "float32", article.BATCH_SIZE)
    weights = "ImageNet weights" if options.pretrained else "random weights"
    columns = speed.row([(task_of(options, "f"), Outcome(epoch_seconds=[1.0]))])
    heading(f"{options.network}, {weights}, {options.size} px, {options.photos}", columns)
    for contender, others in (pair for pair in CONTENDERS if pair[0] in options.only):
        task = task_of(options, contender, **others)
        outcome = measure(options, task, 15)
        if isinstance(outcome, str):
            show(f"({contender}) {NAMES[contender]}", outcome)
            continue
        precision, size = outcome.precision, outcome.batch_size
        found[contender, precision, size] = runs = [(task, outcome)]
        floor = found.get(("f", precision, size), found.get(("f", precision, ours.BATCH_SIZE), []))
        show(*speed.row(runs, found.get(slow, []), floor).values())
    return speed.seconds_of(found[slow]) if slow in found else 3.0


def accuracy_table(options: Namespace, slow: float) -> None:
    """Time to the article's best accuracy, and what as many epochs end with."""
    title = f"{options.network}: {options.long} epochs, {options.photos}"
    heading(title, ("seed", "way", "seconds", "last epoch", "best epoch", "(a)'s best after, s"))
    for seed in range(options.seeds):
        goal = None
        for name, way, contender in WAYS[: -1 if seed else None]:  # the last is slow: once
            task = task_of(options, contender, epochs=options.long, seed=seed)
            guess = 5 + options.long * (slow if contender == "a" else 0.5)
            outcome = measure(options, replace(task, measure=way), guess)
            if isinstance(outcome, str):
                show(seed, name, outcome)
                continue
            goal = goal or max(outcome.accuracy)
            until = outcome.seconds_to(goal) or float("inf")
            last, best = outcome.accuracy[-1], max(outcome.accuracy)
            show(seed, name, f"{outcome.seconds:.2f}", f"{last:.3f}", f"{best:.3f}", f"{until:.2f}")


def profile_table(options: Namespace) -> None:
    """What limits us: if kernels take much less time than the clock, the GPU waits for Python."""
    epochs, on_card = range(options.epochs), options.device == "cuda"
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_card]
    task = task_of(options, "e", epochs=options.epochs)
    model, parts, clock = ours.begin(task)
    passes, shown = ours.passes(task, model, parts), None
    title = f"{options.network}, {clock.outcome.precision}: an epoch, alone and in parts"
    heading(title, ("part", "seconds", "kernels, seconds", "GPU busy"))
    for name, action in (
        ("an epoch of course_lib", lambda: ours.train(task, model, parts, clock)),
        ("passes alone", lambda: [passes() for _ in epochs]),
        ("batches alone", lambda: [None for _ in epochs for part in parts for _batch in part]),
    ):
        both = lambda action=action: (action(), clock.read())  # noqa: E731 - waits for the GPU
        seconds = median(timeit.repeat(both, number=1, repeat=4)[1:]) / len(epochs)
        with profile(activities=activities) as profiled:
            both()
        events = profiled.key_averages()
        on_gpu = [e for e in events if "CUDA" in str(e.device_type) and not e.is_user_annotation]
        kernels = sum(e.self_device_time_total for e in on_gpu) / 1e6 / len(epochs)
        show(name, f"{seconds:.4f}", f"{kernels:.4f}", f"{kernels / seconds:.2f}")
        shown = shown or events
    for key in ["self_cuda_time_total"] * on_card + ["self_cpu_time_total"]:
        print(f"\n{shown.table(sort_by=key, row_limit=14, max_name_column_width=50)}")


def pretrained(network: str) -> bool:
    """Whether the published weights can be had."""
    try:
        return bool(models.build_model(network))
    except models.WeightsUnavailable:
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--minutes", type=float, default=6, help="in all (default: 6)")
    add("--device", default="cuda")
    add("--only", default="abcdef", help="letters of contenders (default: abcdef)")
    add("--seeds", type=int, default=3, help="of the accuracies (default: 3; 0 leaves them out)")
    add("--networks", nargs="+", default=["resnet18", models.EMBEDDED])
    add("--profile", action="store_true", help="show what limits us, instead")
    add("--quick", action="store_true", help="does it run? 60 small copies, 32 px")
    options, began = parser.parse_args(arguments), time.monotonic()
    options.ends = began + 60 * options.minutes
    options.size, options.epochs, options.long = (32, 2, 2) if options.quick else (224, 5, 25)
    options.seeds = 1 if options.quick else options.seeds
    dataset = "hymenoptera" if os.environ.get("HYMENOPTERA_DIR") else "insects"
    options.photos = dataset + ", 60 small copies" * options.quick
    print(tasks.hardware(), date.today(), f"TF32: {torch.backends.cudnn.allow_tf32}", flush=True)
    with growth.copies(dataset, 60) if options.quick else nullcontext(dataset) as options.dataset:
        for network in options.networks:
            options.network, options.pretrained = network, pretrained(network)
            slow = profile_table(options) if options.profile else speed_table(options)
        if slow and options.seeds:
            accuracy_table(options, slow)
    print(f"\n{time.monotonic() - began:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
