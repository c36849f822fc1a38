"""How fast is the course's training? Beside the article's loop, three libraries, and the floor.

    python -m course_lib bench --quick
    python -m course_lib bench --only a,e,f --repeats 5
    python -m course_lib bench --device cuda

Contenders: (a) the article's loop, (b) fast.ai, (c) PyTorch Lightning, (d) Hugging Face Trainer,
(e) course_lib, (f) the floor: forward and backward passes on a batch in memory. Every run has a
process of its own, and contenders take turns. Results are added to results.json in the output
folder, run by run: stop whenever you like, and give the same command to go on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks import article, growth, hardware, peers, results  # noqa: E402
from benchmarks.tasks import NAMES, Outcome, Task, precision  # noqa: E402

from course_lib import datasets, models, training  # noqa: E402

MEASURES = ("speed", "frozen", "accuracy", "growth")
QUICK = {
    "image_size": 64,
    "epochs": 2,
    "repeats": 1,
    "seeds": 1,
    "batch_sizes": [32],
    "sizes": [100, 400],
}
# In a data set that grows: a network that is quick, and the pixels it sees of each copy.
GROWN_NETWORK, GROWN_SIZE = "mobilenet_v3_small", 32


class RunFailed(RuntimeError):
    """A contender did not come to an end; the message is its last word."""


def listed(text: str) -> list[str]:
    """Split at commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def numbers(text: str) -> list[int]:
    """Read whole numbers above zero, with commas between."""
    return [whole(part) for part in listed(text)]


def whole(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="does it run? a few minutes, 64 px")
    parser.add_argument(
        "--measure",
        type=listed,
        metavar="NAMES",
        help="speed (fine-tuning), frozen (the head alone), accuracy (time to the article's), "
        "growth (larger data sets); default: all, and speed with --device cuda",
    )
    parser.add_argument("--only", type=listed, metavar="a,e,f", help="these contenders")
    parser.add_argument("--dataset", default="insects", help="name or folder (default: insects)")
    parser.add_argument("--image-size", type=whole, default=224, help="pixels (default: 224)")
    parser.add_argument(
        "--backbone",
        help=f"default: resnet18 for speed, {models.EMBEDDED} where accuracy counts, a small one "
        "for growth, where it is the photos that count",
    )
    parser.add_argument(
        "--weights",
        choices=("pretrained", "random"),
        help="default: pretrained, but random for a resnet18 whose speed alone counts",
    )
    parser.add_argument(
        "--epochs", type=whole, help="of each run (default: 25; 1 for speed on a CPU)"
    )
    parser.add_argument("--repeats", type=whole, default=5, help="of speed (default: 5)")
    parser.add_argument("--seeds", type=whole, default=3, help="of the others (default: 3)")
    parser.add_argument(
        "--batch-sizes",
        type=numbers,
        default=list(peers.BATCH_SIZES),
        help="for (b) to (d) to choose from (default: 16,32,64)",
    )
    parser.add_argument(
        "--sizes",
        type=numbers,
        default=[400, 4_000, 40_000],
        help="of the data set that grows (default: 400,4000,40000)",
    )
    parser.add_argument("--workers", type=int, default=2, help="of (b) to (d) (default: 2)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "bench", metavar="FOLDER")
    return parser


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; what was left open depends on --quick and on the device."""
    parser = build_parser()
    if parser.parse_known_args(arguments)[0].quick:
        parser.set_defaults(**QUICK)
    options = parser.parse_args(arguments)
    try:
        device = training.pick_device(options.device)
        datasets.find(options.dataset)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    on_card = device.type == "cuda"
    options.device = device.type
    options.measure = options.measure or (["speed"] if on_card else list(MEASURES))
    options.only = options.only or list(NAMES)
    options.speed_epochs = options.epochs or (25 if on_card else 1)
    options.epochs = options.epochs or 25
    for name, given, known in (
        ("--measure", options.measure, MEASURES),
        ("--only", options.only, tuple(NAMES)),
    ):
        if unknown := [part for part in given if part not in known]:
            parser.error(f"{name}: {unknown[0]!r} is none of {', '.join(known)}")
    return options


def task_of(options: argparse.Namespace, measure: str, contender: str, **others: object) -> Task:
    """Return the task of a measure for a contender."""
    counts = measure in ("frozen", "accuracy")
    backbone = options.backbone or (models.EMBEDDED if counts else "resnet18")
    without = backbone == "resnet18" and not counts
    weights = options.weights or ("random" if without else "pretrained")
    settings = {
        "dataset": options.dataset,
        "backbone": backbone,
        "pretrained": weights == "pretrained",
        "image_size": options.image_size,
        "epochs": options.speed_epochs if measure == "speed" else options.epochs,
        "device": options.device,
        "workers": article.WORKERS if contender == "a" else options.workers,
        "precision": "float32" if contender == "a" else "auto",
    }
    if measure == "growth":
        small = {"backbone": options.backbone or GROWN_NETWORK, "image_size": GROWN_SIZE}
        settings |= {**small, "pretrained": False, "epochs": 1}
    return Task(measure, contender, **{**settings, **others})


def gains_by_bfloat16(options: argparse.Namespace) -> bool:
    """Whether the course fine-tunes the network that is measured for speed in bfloat16."""
    task = task_of(options, "speed", "e")
    return precision(task, models.build_model(task.backbone, pretrained=False)) == "bfloat16"


def plan(options: argparse.Namespace, done: results.Results, here: list[str]) -> Iterator[Task]:
    """Tasks in the order in which they are to be run.

    Contenders take turns, each repeat beginning with another one. Peers try every batch size in the
    first repeat, and go on with the one that was best.
    """
    for measure in options.measure:
        if measure == "growth":
            if "e" in here:
                for images in options.sizes:
                    yield task_of(options, measure, "e", images=images)
            continue
        taking_part = {"speed": here, "frozen": [c for c in here if c != "f"]}.get(
            measure, [c for c in here if c in "ae"]
        )
        both = measure == "speed" and gains_by_bfloat16(options)
        for seed in range(options.repeats if measure == "speed" else options.seeds):
            turn = seed % max(1, len(taking_part))
            for contender in taking_part[turn:] + taking_part[:turn]:
                if contender in peers.NEEDS:
                    best = results.best_batch_size(done.of(measure), contender)
                    for size in options.batch_sizes if seed == 0 else [best]:
                        yield task_of(options, measure, contender, seed=seed, batch_size=size)
                    continue
                task = task_of(options, measure, contender, seed=seed)
                yield task
                if both and contender in "ef":
                    yield replace(task, precision="float32")


def in_child(task: Task, folder: Path) -> Outcome:
    """Run a task in a process of its own.

    Raises
    ------
    RunFailed
        If it ends with an error.
    """
    text = json.dumps(asdict(task))
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    written = folder / "unfinished" / f"{name}.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(Path(__file__).with_name("unit.py")), text, str(written)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RunFailed(lines[-1])
    outcome = Outcome(**json.loads(written.read_text(encoding="utf-8")))
    written.unlink()
    written.with_suffix(".pt").unlink(missing_ok=True)
    return outcome


def told(task: Task, outcome: Outcome) -> str:
    """One line about a run."""
    which = f"{task.images:,} images" if task.images else f"run {task.seed + 1}"
    batch = f", batch {task.batch_size}" if task.batch_size else ""
    reached = f", accuracy {outcome.accuracy[-1]:.3f}" if outcome.accuracy else ""
    return (
        f"{task.measure}, {NAMES[task.contender]}{batch}, {which}: "
        f"{outcome.seconds_an_epoch:.3g} s an epoch{reached}"
    )


def main(
    arguments: Sequence[str] | None = None, measure: Callable[[Task, Path], Outcome] = in_child
) -> int:
    """Measure what is not measured yet and print the page; 1 if a contender failed.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line's by default.
    measure : callable
        Runs a task; given the output folder too.
    """
    options = parse(arguments)
    try:
        done = results.Results(options.output, hardware.describe())
    except ValueError as error:
        print(f"course_lib: {error}", file=sys.stderr)
        return 2
    absent = {
        contender: f"not installed: {hint}"
        for contender in options.only
        if contender in peers.NEEDS and (hint := peers.missing(contender))
    }
    here = [contender for contender in options.only if contender not in absent]
    missing = {(m, c): why for m in ("speed", "frozen") for c, why in absent.items()}
    failed = {}
    for task in plan(options, done, here):
        if done.find(task) is not None or (task.measure, task.contender) in failed:
            continue
        try:
            outcome = measure(task, options.output)
        except RunFailed as error:
            failed[task.measure, task.contender] = f"failed: {error}"
            print(f"{NAMES[task.contender]} failed: {error}", file=sys.stderr)
            continue
        done.add(task, outcome)
        print(told(task, outcome), flush=True)

    options.output.mkdir(parents=True, exist_ok=True)
    figure = None
    if grown := done.of("growth"):
        figure = "growth.png"
        results.growth_figure(grown, growth.BUDGET).savefig(options.output / figure, dpi=110)
    typed = sys.argv[1:] if arguments is None else arguments
    command = " ".join(["python -m course_lib bench", *typed])
    page = results.markdown(done, missing | failed, command, figure)
    (options.output / "report.md").write_text(page, encoding="utf-8")
    print(f"\n{page}")
    print(f"page: {options.output / 'report.md'}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
