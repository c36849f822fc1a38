"""Runs of the speed benchmark: kept in a file as they come, and made into tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.tasks import NAMES, Outcome, Task

Run = tuple[Task, Outcome]
Row = dict[str, str]
NOTHING = "–"


class Results:
    """Measurements of this machine, a line each, in ``results.jsonl`` of a folder.

    Lines of other machines, versions or numbers of threads are left where they are.
    """

    def __init__(self, folder: Path, hardware: str) -> None:
        self.path, self.hardware = folder / "results.jsonl", hardware
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        stored = [entry for entry in map(json.loads, lines) if entry["hardware"] == hardware]
        self.runs = [(Task(**entry["task"]), Outcome(**entry["outcome"])) for entry in stored]

    def find(self, task: Task) -> Outcome | None:
        return next((outcome for done, outcome in self.runs if done == task), None)

    def add(self, task: Task, outcome: Outcome) -> None:
        self.runs.append((task, outcome))
        entry = {"hardware": self.hardware, "task": asdict(task), "outcome": asdict(outcome)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def of(self, measure: str) -> list[Run]:
        return [run for run in self.runs if run[0].measure == measure]


def seconds_of(runs: Sequence[Run]) -> float:
    """Median of the seconds an epoch took."""
    return median(outcome.seconds_an_epoch for _, outcome in runs)


def by_batch_size(runs: Sequence[Run], contender: str) -> list[list[Run]]:
    """Runs of a contender, those with the same batch size together, the fastest size first."""
    sizes: dict[int | None, list[Run]] = {}
    for run in runs:
        if run[0].contender == contender:
            sizes.setdefault(run[0].batch_size, []).append(run)
    return sorted(sizes.values(), key=seconds_of)


def spread(values: Sequence[float]) -> str:
    """Median and range: ``"21.3 (21.0–21.9)"``; of one value, that."""
    digits = 1 if median(values) >= 10 else 2 if median(values) >= 1 else 4
    middle, least, most = (f"{f(values):.{digits}f}" for f in (median, min, max))
    return middle if len(values) == 1 else f"{middle} ({least}–{most})"


def megabytes(peaks: Sequence[int | None]) -> str:
    """The largest of several peaks, in MB."""
    known = [peak for peak in peaks if peak]
    return f"{max(known) / 1e6:,.0f}" if known else NOTHING


def row(runs: Sequence[Run], article: Sequence[Run] = (), floor: Sequence[Run] = ()) -> Row:
    """One contender's seconds, and how they compare with the article's loop and the floor."""
    task, outcomes, seconds = runs[0][0], [outcome for _, outcome in runs], seconds_of(runs)
    first, ends = outcomes[0], [o.accuracy[-1] for o in outcomes if o.accuracy]
    whole, theirs = (median([o.seconds for _, o in part] or [0]) for part in (runs, article))
    return {
        "contender": f"({task.contender}) {NAMES[task.contender]}",
        "precision": first.precision,
        "batch": str(first.batch_size),
        "seconds an epoch": spread([outcome.seconds_an_epoch for outcome in outcomes]),
        "times as fast as (a)": f"{seconds_of(article) / seconds:.2f}" if article else NOTHING,
        "times the floor": f"{seconds / seconds_of(floor):.2f}" if floor else NOTHING,
        "images/s": f"{first.images / seconds:.0f}",
        "all epochs and set-up, s": spread([outcome.seconds for outcome in outcomes]),
        "times as fast in all": f"{theirs / whole:.2f}" if article else NOTHING,
        "accuracy": spread(ends) if ends else NOTHING,
        "memory, MB": megabytes([outcome.memory for outcome in outcomes]),
        "GPU memory, MB": megabytes([outcome.device_memory for outcome in outcomes]),
        "runs": str(len(outcomes)),
    }


def speed_rows(runs: Sequence[Run]) -> list[Row]:
    """One row per contender and precision, libraries at their best batch size."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for letter in sorted({task.contender for task, _ in runs}):
        for run in by_batch_size(runs, letter)[0]:
            groups.setdefault((letter, run[1].precision), []).append(run)
    article = groups.get(("a", "float32"), [])
    return [row(found, article, groups.get(("f", key[1]), [])) for key, found in groups.items()]


def accuracy_rows(runs: Sequence[Run]) -> list[Row]:
    """One row per seed: what the article's loop reaches, and when each of the two reaches it."""
    by = {letter: {t.seed: o for t, o in runs if t.contender == letter} for letter in "ae"}
    rows = []
    for seed in sorted(by["a"].keys() & by["e"].keys()):
        article, own = by["a"][seed], by["e"][seed]
        theirs, mine = (o.seconds_to(max(article.accuracy)) for o in (article, own))
        reached = f"not reached (best {max(own.accuracy):.3f})" if mine is None else f"{mine:.2f}"
        rows.append(
            {
                "seed": str(seed),
                "best of (a)": f"{max(article.accuracy):.3f}",
                "(a): seconds until then": f"{theirs:.1f}",
                "(a): seconds of all epochs": f"{article.seconds:.1f}",
                "(e): seconds to the same": reached,
                "times as fast": f"{theirs / mine:.1f}" if mine else NOTHING,
            }
        )
    return rows


def growth_rows(runs: Sequence[Run]) -> list[Row]:
    """One row per size: seconds of every part, and peaks of memory."""
    return [
        {"images": f"{task.images:,}", **{part: f"{n:,.1f}" for part, n in outcome.parts.items()}}
        for task, outcome in sorted(runs, key=lambda run: run[0].images)
    ]


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows with the same keys as a table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(found.values() for found in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def page(results: Results, about: str) -> str:
    """All tables, with what they were measured on and what was typed."""
    parts = ["# Speed of the course's training", f"{results.hardware}.", about]
    for measure, title, rows_of in (
        ("speed", "Fine-tuning every layer", speed_rows),
        ("frozen", "Training the head, from a cold cache", speed_rows),
        ("accuracy", "Time to the article's best accuracy", accuracy_rows),
        ("growth", "A data set that grows", growth_rows),
    ):
        if (runs := results.of(measure)) and (rows := rows_of(runs)):
            task = runs[0][0]
            weights = "ImageNet weights" if task.pretrained else "random weights"
            photos = f"{task.image_size} px, {task.device}, {task.dataset}"
            parts += [f"## {title}", f"{task.backbone}, {weights}, {photos}", markdown(rows)]
    return "\n\n".join(parts) + "\n"
