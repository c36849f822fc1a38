"""How fast is the course's training? Beside the article's loop, three libraries, and the floor.

    python -m course_lib bench --quick
    python -m course_lib bench --only a,e,f --repeats 5
    python -m course_lib bench --device cuda

Contenders: (a) the article's loop, (b) fast.ai, (c) PyTorch Lightning, (d) Hugging Face Trainer,
(e) course_lib, (f) the floor: forward and backward passes on a batch in memory. Every run has a
process of its own, and contenders take turns. Results are added to results.jsonl in the output
folder, run by run: stop whenever you like, and give the same command to go on. A table on a GPU
within minutes: gpu.py beside this file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from benchmarks import article, growth, ours, peers, results, tasks  # noqa: E402
from benchmarks.tasks import NAMES, Outcome, Task  # noqa: E402

from course_lib import datasets, devices, models  # noqa: E402

MEASURES = ("speed", "frozen", "accuracy", "growth")
QUICK = {"image_size": 64, "epochs": 2, "repeats": 1, "seeds": 1, "batch_sizes": [32]}
# In a data set that grows: a network that is quick, and the pixels it sees of each copy.
GROWN = {"backbone": "mobilenetv3_small_100", "image_size": 32, "pretrained": False, "epochs": 1}


def some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """An argument that names some of what is known, with commas between."""

    def read(text: str) -> list[str]:
        if unknown := [part for part in text.split(",") if part not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return text.split(",")

    return read


def numbers(text: str) -> list[int]:
    return [datasets.whole("number", int(part), 1) for part in text.split(",")]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; what was left open depends on --quick and on the device."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="does it run? a few minutes, 64 px")
    add("--measure", type=some_of(MEASURES), help="some of speed,frozen,accuracy,growth")
    add("--only", type=some_of(tuple(NAMES)), default=list(NAMES), help="contenders, as a,e,f")
    add("--dataset", default="insects", help="name or folder (default: insects)")
    add("--image-size", type=int, default=224, help="pixels (default: 224)")
    add("--backbone", help=f"default: resnet18 for speed, {models.EMBEDDED} for accuracies")
    add("--weights", choices=("pretrained", "random"), help="default: random for resnet18's speed")
    add("--epochs", type=int, help="of each run (default: 25; 1 for speed on a CPU)")
    add("--repeats", type=int, default=5, help="of speed (default: 5)")
    add("--seeds", type=int, default=3, help="of the others (default: 3)")
    add("--batch-sizes", type=numbers, default=list(peers.BATCH_SIZES), help="for the libraries")
    add("--sizes", type=numbers, default=[400, 4_000, 40_000], help="of the set that grows")
    add("--workers", type=int, default=2, help="loader processes of the libraries (default: 2)")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--output", type=Path, default=ROOT / "runs" / "bench", metavar="FOLDER")
    if parser.parse_known_args(arguments)[0].quick:
        parser.set_defaults(**QUICK, sizes=[100, 400])
    options = parser.parse_args(arguments)
    try:
        options.device = devices.pick_device(options.device).type
        datasets.find(options.dataset)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    on_card = options.device == "cuda"
    options.measure = options.measure or (["speed"] if on_card else list(MEASURES))
    options.speed_epochs = options.epochs or (25 if on_card else 1)
    options.epochs = options.epochs or 25
    return options


def task_of(options: argparse.Namespace, measure: str, contender: str, **others: object) -> Task:
    """The task of a measure for a contender."""
    counts = measure in ("frozen", "accuracy")
    backbone = options.backbone or (models.EMBEDDED if counts else "resnet18")
    without = backbone == "resnet18" and not counts
    settings = {
        "dataset": options.dataset,
        "backbone": backbone,
        "pretrained": (options.weights or ("random" if without else "")) != "random",
        "image_size": options.image_size,
        "epochs": options.speed_epochs if measure == "speed" else options.epochs,
        "device": options.device,
        "workers": article.WORKERS if contender == "a" else options.workers,
        "precision": "float32" if contender == "a" else "auto",
    }
    grown = GROWN if measure == "growth" else {}
    return Task(measure, contender, **{**settings, **grown, **others})


def plan(options: argparse.Namespace, done: results.Results, here: list[str]) -> Iterator[Task]:
    """Tasks in the order in which they are to be run.

    Contenders take turns, each repeat beginning with another one. Libraries try every batch size in
    the first repeat, and go on with the one that was best. Where the course would compute in
    bfloat16, it and the floor run in float32 as well.
    """
    fast = task_of(options, "speed", "e")
    untrained = models.build_model(fast.backbone, pretrained=False)
    both = tasks.precision(fast, untrained) != torch.float32
    for measure in options.measure:
        if measure == "growth":
            for images in options.sizes:
                yield task_of(options, measure, "e", images=images)
            continue
        able = {"speed": "abcdef", "frozen": "abcde", "accuracy": "ae"}[measure]
        part = [contender for contender in here if contender in able]
        for seed in range(options.repeats if measure == "speed" else options.seeds):
            turn = seed % max(1, len(part))
            for contender in part[turn:] + part[:turn]:
                task = task_of(options, measure, contender, seed=seed)
                if contender in peers.NEEDS:
                    tried = results.by_batch_size(done.of(measure), contender)
                    best = [tried[0][0][0].batch_size] if tried else []
                    for size in best if seed else options.batch_sizes:
                        yield replace(task, batch_size=size)
                    continue
                yield task
                if both and measure == "speed" and contender in "ef":
                    yield replace(task, precision="float32")


def measure(task: Task) -> Outcome:
    """Let a contender do a task, in this process."""
    if task.measure == "growth":
        outcome = growth.run(task)
    elif task.contender in peers.NEEDS:
        outcome = peers.run(task)
    else:
        outcome = {"a": article.run, "e": ours.run, "f": ours.floor}[task.contender](task)
    outcome.memory = tasks.peak_memory()
    if task.device == "cuda":
        outcome.device_memory = torch.cuda.max_memory_allocated()
    return outcome


def in_child(task: Task) -> Outcome:
    """Let a contender do a task, in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, task).result()


def main(
    arguments: Sequence[str] | None = None, measure: Callable[[Task], Outcome] = in_child
) -> int:
    """Measure what is not measured yet and print the page; 1 if a contender failed."""
    options = parse(arguments)
    done = results.Results(options.output, tasks.hardware())
    absent = [c for c in options.only if c in peers.NEEDS and not peers.installed(c)]
    failed = {}
    for task in plan(options, done, [c for c in options.only if c not in absent]):
        if done.find(task) is not None or (task.measure, task.contender) in failed:
            continue
        name = f"{task.measure}, ({task.contender}) {NAMES[task.contender]}, run {task.seed + 1}"
        try:
            outcome = measure(task)
        except Exception as error:  # the others go on
            failed[task.measure, task.contender] = f"{name} failed: {error}"
            print(failed[task.measure, task.contender], file=sys.stderr)
            continue
        done.add(task, outcome)
        print(f"{name}: {outcome.seconds_an_epoch:.3g} s an epoch", flush=True)
    typed = " ".join(sys.argv[1:] if arguments is None else arguments)
    about = [f"{date.today()}, `python -m course_lib bench {typed}`", *failed.values()]
    if absent:
        names = ", ".join(NAMES[c] for c in absent)
        about.append(f'Not installed: {names} (`pip install -e ".[bench]"`).')
    text = results.page(done, "\n\n".join(about))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "report.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\npage: {options.output / 'report.md'}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
