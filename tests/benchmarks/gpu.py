"""Training on a GPU, measured in minutes: one table a network, and the time to an accuracy.

    python tests/benchmarks/gpu.py --minutes 6
    python tests/benchmarks/gpu.py --profile
    python tests/benchmarks/gpu.py --device cpu --quick

Every row is printed as soon as it is measured; parts for which no time is left are skipped, and
named. The data set is `insects`, or `hymenoptera` where HYMENOPTERA_DIR says where that is.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from benchmarks import article, growth, ours, peers, tasks, unit  # noqa: E402
from benchmarks.tasks import NAMES, Outcome, Stopwatch, Task  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from course_lib import devices, models  # noqa: E402

NETWORKS = ("resnet18", models.EMBEDDED)
COLUMNS = (
    *("contender", "precision", "batch", "seconds an epoch", "images/s", "GPU memory, MB"),
    *("share of the floor", "times as fast as (a)"),
)


def line(cells: Sequence[object]) -> None:
    """Print a row of a Markdown table, at once."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def heading(title: str, columns: Sequence[str]) -> None:
    """Begin a table."""
    print(f"\n{title}\n", flush=True)
    line(columns)
    print("|" + "---|" * len(columns))


class Bench:
    """What is common to all rows: settings, the time that is left, and what was measured."""

    def __init__(self, options: argparse.Namespace, dataset: str) -> None:
        self.options, self.dataset = options, dataset
        self.ends = time.monotonic() + 60 * options.minutes
        self.size, self.epochs, self.long = (32, 2, 2) if options.quick else (224, 5, 25)

    def task(self, network: str, contender: str, **others: object) -> Task:
        """A task for a contender; its first epoch is the warm-up."""
        settings = {
            "epochs": self.epochs + 1,
            "precision": "float32" if contender == "a" else "auto",
            "workers": article.WORKERS if contender in "abcd" else 0,
            "batch_size": 32 if contender in peers.NEEDS else None,
        }
        return Task(
            *("speed", contender, self.dataset, network, self.pretrained(network), self.size),
            **{"device": self.options.device, **settings, **others},
        )

    @staticmethod
    @cache
    def pretrained(network: str) -> bool:
        """Whether the published weights can be had."""
        try:
            models.build_model(network)
        except models.WeightsUnavailable:
            return False
        return True

    def measure(self, task: Task, guess: float) -> Outcome | str:
        """Run a task; where time is short, or it fails, say so instead."""
        if time.monotonic() + guess > self.ends:
            return "no time left"
        if task.contender in peers.NEEDS and not peers.installed(task.contender):
            return "not installed"
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            return unit.measure(task)
        except Exception as error:  # one contender's failure is a row, and not the end
            return f"failed: {type(error).__name__}: {error}".splitlines()[0][:150]

    def speed(self, network: str) -> dict[str, float]:
        """One table: seconds an epoch of every contender; returns those of (a) and (e)."""
        weights = "ImageNet weights" if self.pretrained(network) else "random weights"
        heading(f"{network}, {weights}, {self.size} px, {self.dataset_name()}", COLUMNS)
        floors: dict[tuple[str, int], float] = {}
        found: dict[str, float] = {}
        single = {"precision": "float32"}
        for contender, others in (
            *(("f", {}), ("f", single), ("f", {"batch_size": 128})),
            *(("a", {}), ("e", {}), ("e", single), ("e", {"batch_size": 128})),
            *((letter, {}) for letter in peers.NEEDS),
        ):
            if contender not in self.options.only:
                continue
            outcome = self.measure(self.task(network, contender, **others), 15)
            label = f"({contender}) {NAMES[contender]}"
            if isinstance(outcome, str):
                line([label, *["–"] * 2, outcome, *["–"] * (len(COLUMNS) - 4)])
                continue
            seconds = median(outcome.epoch_seconds[1:])
            key = (outcome.precision, outcome.batch_size)
            if contender == "f":
                floors.setdefault(key, seconds)
            found.setdefault(contender, seconds)
            floor = floors.get(key, floors.get((outcome.precision, ours.BATCH_SIZE)))
            memory = outcome.device_memory
            line(
                [
                    *(label, *key, f"{seconds:.4f}", f"{outcome.images / seconds:.0f}"),
                    f"{memory / 1e6:.0f}" if memory else "–",
                    f"{floor / seconds:.2f}" if floor else "–",
                    f"{found['a'] / seconds:.2f}" if "a" in found else "–",
                ]
            )
        return found

    def dataset_name(self) -> str:
        """The data set in words."""
        return "small copies of a few photos" if self.options.quick else self.dataset

    def accuracy(self, network: str, seconds: dict[str, float]) -> None:
        """Time to the article's best accuracy, and what as many epochs of either end with."""
        columns = ("seed", "way", "seconds in all", "last epoch", "best epoch", "(a)'s best after")
        heading(f"{network}: {self.long} epochs on {self.dataset_name()}", columns)
        slow = seconds.get("a", 3)
        for seed in range(self.options.seeds):
            goal = None
            for measure, contender, name, an_epoch in (
                ("speed", "a", "the article's loop", slow),
                ("speed", "e", "course_lib, fine-tuning", 0.5),
                ("accuracy", "e", "course_lib, head first, then everything", 0.5),
                ("frozen", "e", "course_lib, frozen features", 0.2),
                ("frozen", "a", "the article's loop, frozen", slow),
            ):
                if (measure, contender) == ("frozen", "a") and seed:
                    continue
                task = self.task(network, contender, epochs=self.long, seed=seed)
                outcome = self.measure(replace(task, measure=measure), 5 + self.long * an_epoch)
                if isinstance(outcome, str):
                    line([seed, name, outcome, "–", "–", "–"])
                    continue
                goal = goal or max(outcome.accuracy)
                until = outcome.seconds_to(goal)
                last, best = outcome.accuracy[-1], max(outcome.accuracy)
                reached = "not reached" if until is None else f"{until:.2f} s"
                line([seed, name, f"{outcome.seconds:.2f}", f"{last:.3f}", f"{best:.3f}", reached])

    def profile(self, network: str) -> None:
        """What limits us: the wall clock against the GPU's own kernels, for an epoch and its parts.

        Where kernels take much less time than the clock shows, the GPU waits for Python.
        """
        device = devices.pick_device(self.options.device)
        on_card = device.type == "cuda"
        activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_card]
        task = self.task(network, "e", epochs=self.epochs)
        outcome, model, parts = ours.begin(task)
        passes = ours.passes(task, model, parts)
        title = f"{network}, {outcome.precision}: an epoch, alone and in parts"
        heading(title, ("part", "seconds", "kernels, seconds", "GPU busy"))
        for name, action in (
            ("an epoch of course_lib", lambda: ours.train(task, model, parts, outcome)),
            ("passes alone", lambda: [passes() for _ in range(self.epochs)]),
            ("batches alone", lambda: [_ for _ in range(self.epochs) for p in parts for _b in p]),
        ):
            watch = Stopwatch(device)
            seconds = median([(action(), watch.read())[1] for _ in range(4)][1:]) / self.epochs
            with profile(activities=activities) as profiled:
                action()
                watch.read()
            events = profiled.key_averages()
            kernels = sum(e.self_device_time_total for e in events if "CUDA" in str(e.device_type))
            kernels /= 1e6 * self.epochs
            line([name, f"{seconds:.4f}", f"{kernels:.4f}", f"{kernels / seconds:.2f}"])
            whole = events if name.startswith("an epoch") else whole
        for key in ["self_cuda_time_total"] * on_card + ["self_cpu_time_total"]:
            print(f"\n{whole.table(sort_by=key, row_limit=14, max_name_column_width=50)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=6, help="in all (default: 6)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seeds", type=int, default=3, help="of the accuracies (default: 3)")
    parser.add_argument("--only", default="abcdef", help="letters of contenders (default: all)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--profile", action="store_true", help="show what limits us, instead")
    parser.add_argument("--quick", action="store_true", help="does it run? 60 small copies, 32 px")
    options = parser.parse_args(arguments)
    devices.pick_device(options.device)
    torch.manual_seed(0)
    print(f"{tasks.hardware()}; {date.today()}", flush=True)
    print(f"float32 convolutions in TF32: {torch.backends.cudnn.allow_tf32}", flush=True)
    with ExitStack() as stack:
        dataset = "hymenoptera" if os.environ.get("HYMENOPTERA_DIR") else "insects"
        if options.quick:
            options.seeds = 1
            dataset = str(stack.enter_context(growth.copies(dataset, 60)))
        bench = Bench(options, dataset)
        if options.profile:
            for network in options.networks:
                bench.profile(network)
            return
        seconds = {network: bench.speed(network) for network in options.networks}
        if options.seeds:
            bench.accuracy(options.networks[-1], seconds[options.networks[-1]])
    print(f"\n{60 * options.minutes - (bench.ends - time.monotonic()):.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
