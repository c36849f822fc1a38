"""How fast is the course's training? Beside the article's loop, three libraries, and the floor.

    python -m course_lib bench --quick
    python -m course_lib bench --only a e f --repeats 5
    python -m course_lib bench --measure growth

Contenders: (a) the article's loop, (b) fast.ai, (c) PyTorch Lightning, (d) Hugging Face Trainer,
(e) course_lib, (f) the floor: forward and backward passes on a batch in memory. Every run has a
process of its own, and contenders take turns. For a GPU, and the time to an accuracy: gpu.py.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from benchmarks import article, growth, ours, peers, tasks  # noqa: E402
from benchmarks.tasks import NAMES, Outcome, Task  # noqa: E402

from course_lib import datasets, devices  # noqa: E402

MEASURES = {"speed": "Fine-tuning every layer", "growth": "A data set that grows"}
# In a data set that grows: a network that is quick, and the pixels it sees of each copy.
GROWN = {"backbone": "mobilenetv3_small_100", "image_size": 32, "epochs": 1}
Run = tuple[Task, Outcome]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("course_lib bench", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--quick", action="store_true", help="does it run? a few minutes, 64 px")
    add("--measure", nargs="+", choices=MEASURES, default=list(MEASURES))
    add("--only", nargs="+", choices=NAMES, default=list(NAMES), help="contenders, as a e f")
    add("--dataset", default="insects", help="name or folder (default: insects)")
    add("--backbone", default="resnet18", help="with random weights (default: resnet18)")
    add("--image-size", type=int, default=224, help="pixels (default: 224)")
    add("--epochs", type=int, default=1, help="of each run (default: 1)")
    add("--repeats", type=int, default=5, help="runs of each contender (default: 5)")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.set_defaults(batch_sizes=peers.BATCH_SIZES, sizes=(400, 4_000, 40_000))
    if parser.parse_known_args(arguments)[0].quick:
        parser.set_defaults(image_size=64, repeats=1, batch_sizes=(32,), sizes=(100, 400))
    options = parser.parse_args(arguments)
    try:
        options.device = devices.pick_device(options.device).type
        datasets.find(options.dataset)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return options


def plan(options: argparse.Namespace, done: list[Run], here: Sequence[str]) -> Iterator[Task]:
    """Tasks in their order: contenders take turns, each repeat beginning with another one.

    Libraries try every batch size in the first repeat, and go on with the one that was best. Where
    the course would compute in bfloat16, it and the floor run in float32 as well.
    """
    settings = (options.dataset, options.backbone, False, options.image_size, options.epochs)
    own = Task("speed", "e", *settings, options.device)
    both = tasks.precision(own, own.model()) != torch.float32
    for seed in range(options.repeats if "speed" in options.measure else 0):
        turn = seed % max(1, len(here))
        for contender in (*here[turn:], *here[:turn]):
            task = replace(own, contender=contender, seed=seed)
            if contender == "a":
                yield replace(task, precision="float32", workers=article.WORKERS)
            elif contender in peers.NEEDS:
                best = fastest_size(done, contender) if seed else []
                for size in {task.batch_size for task, _ in best} or options.batch_sizes:
                    yield replace(task, batch_size=size, workers=peers.WORKERS)
            else:
                yield task
                if both:
                    yield replace(task, precision="float32")
    for images in options.sizes if "growth" in options.measure else ():
        yield replace(own, measure="growth", images=images, **GROWN)


def measure(task: Task) -> Outcome:
    if task.measure == "growth":
        outcome = growth.run(task)
    elif task.contender in peers.NEEDS:
        outcome = peers.run(task)
    else:
        outcome = {"a": article.run, "e": ours.run, "f": ours.floor}[task.contender](task)
    if task.device == "cuda":
        outcome.device_memory = torch.cuda.max_memory_allocated()
    return outcome


def in_child(task: Task) -> Outcome:
    usual = "import multiprocessing as m; m.set_start_method(None, force=True)"  # of its loaders
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=exec, initargs=[usual]) as pool:
        return pool.submit(measure, task).result()


def seconds_of(runs: Sequence[Run]) -> float:
    return median(outcome.seconds_an_epoch for _, outcome in runs)


def fastest_size(runs: Sequence[Run], contender: str) -> list[Run]:
    """A contender's runs of the batch size with which it was fastest."""
    sizes: dict[int | None, list[Run]] = {}
    for task, outcome in runs:
        if (task.measure, task.contender) == ("speed", contender):
            sizes.setdefault(task.batch_size, []).append((task, outcome))
    return min(sizes.values(), key=seconds_of, default=[])


def spread(values: Sequence[float]) -> str:
    """Median and range: ``"21.3 (21.0–21.9)"``; of one value, that."""
    digits = 1 if median(values) >= 10 else 2 if median(values) >= 1 else 4
    middle, least, most = (f"{of(values):.{digits}f}" for of in (median, min, max))
    return middle if len(values) == 1 else f"{middle} ({least}–{most})"


def row(runs: Sequence[Run], article: Sequence[Run] = (), floor: Sequence[Run] = ()) -> dict:
    """One contender's seconds, and how they compare with the article's loop and the floor."""
    outcomes, seconds = [outcome for _, outcome in runs], seconds_of(runs)
    letter, first = runs[0][0].contender, outcomes[0]
    return {
        "contender": f"({letter}) {NAMES[letter]}",
        "precision": first.precision,
        "batch": str(first.batch_size),
        "images": f"{first.images:,}",
        "seconds an epoch": spread([outcome.seconds_an_epoch for outcome in outcomes]),
        "times as fast as (a)": f"{seconds_of(article) / seconds:.2f}" if article else "–",
        "times the floor": f"{seconds / seconds_of(floor):.2f}" if floor else "–",
        "images/s": f"{first.images / seconds:.0f}",
        "set-up, s": spread([outcome.setup_seconds for outcome in outcomes]),
        "memory, MB": first.memory,
        "GPU memory, MB": f"{max(outcome.device_memory for outcome in outcomes) / 1e6:,.0f}",
        "runs": str(len(outcomes)),
    }


def speed_rows(runs: Sequence[Run]) -> list[dict]:
    """One row per contender and precision, libraries at their best batch size."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for letter in NAMES:
        for run in fastest_size(runs, letter):
            groups.setdefault((letter, run[1].precision), []).append(run)
    article = groups.get(("a", "float32"), [])
    return [row(found, article, groups.get(("f", key[1]), [])) for key, found in groups.items()]


def line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def main(arguments: Sequence[str] | None = None, measure: Callable = in_child) -> int:
    options = parse(arguments)
    absent = [c for c in options.only if c in peers.NEEDS and not peers.installed(c)]
    failed, runs = {}, []
    for task in plan(options, runs, [c for c in options.only if c not in absent]):
        name = f"{task.measure}, ({task.contender}) {NAMES[task.contender]}"
        if name in failed:
            continue
        try:
            runs.append((task, measure(task)))
            print(f"{name}: {runs[-1][1].seconds_an_epoch:.3g} s an epoch", flush=True)
        except Exception as error:  # the others go on
            failed[name] = f"{name} failed: {error}"
            print(failed[name], file=sys.stderr)
    parts = ["# Speed of the course's training", f"{tasks.hardware()}; {date.today()}."]
    parts.append(f"{options.backbone}, {options.image_size} px, {options.dataset}.")
    parts += [*failed.values(), *(f"{NAMES[c]} is not installed." for c in absent)]
    grown = [row([run]) for run in runs if run[0].measure == "growth"]
    for title, rows in zip(MEASURES.values(), (speed_rows(runs), grown), strict=True):
        if rows:
            head = [line(rows[0]), line("---" for _ in rows[0])]
            parts += [f"## {title}", "\n".join([*head, *map(line, map(dict.values, rows))])]
    print("\n" + "\n\n".join(parts))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
