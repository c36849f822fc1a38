"""Runs of the speed benchmark: kept in a file as they come, and made into tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.tasks import NAMES, Outcome, Task
from matplotlib.figure import Figure

from course_lib import plots, report

Run = tuple[Task, Outcome]
Row = dict[str, object]
NOTHING = "–"


class OtherMachine(ValueError):
    """The folder holds measurements of another machine."""


class Results:
    """Measurements of one machine, in ``results.json`` of a folder.

    Parameters
    ----------
    folder : Path
        Made where it is missing; what is in it is gone on from.
    hardware : str
        Of this machine, in words.

    Raises
    ------
    OtherMachine
        If the file there was begun on another machine, or with other versions or threads.
    ValueError
        If the file there is no such file.
    """

    def __init__(self, folder: Path, hardware: str) -> None:
        self.path = folder / "results.json"
        self.hardware = hardware
        self.runs: list[Run] = []
        if not self.path.exists():
            return
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            self.runs = [(Task(**r["task"]), Outcome(**r["outcome"])) for r in stored["runs"]]
            found = stored["hardware"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path} holds no measurements ({error}). Delete it, or name another folder."
            ) from None
        if found != hardware:
            raise OtherMachine(
                f"{self.path} was measured on: {found}. This is: {hardware}. Seconds of the two "
                "cannot be compared: name another folder."
            )

    def find(self, task: Task) -> Outcome | None:
        """What a task came to; None if it was not run."""
        return next((outcome for done, outcome in self.runs if done == task), None)

    def add(self, task: Task, outcome: Outcome) -> None:
        """Add a run, and write the file as a whole."""
        self.runs.append((task, outcome))
        runs = [{"task": asdict(t), "outcome": asdict(o)} for t, o in self.runs]
        text = json.dumps({"hardware": self.hardware, "runs": runs}, indent=1)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self.path)

    def of(self, measure: str) -> list[Run]:
        """Runs of one measure."""
        return [run for run in self.runs if run[0].measure == measure]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range: ``"21.3 (21.0–21.9)"``; of one value, that."""
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def seconds_text(values: Sequence[float]) -> str:
    """Return the spread with as many decimals as the size asks for."""
    return spread(values, 1 if median(values) >= 10 else 2 if median(values) >= 1 else 4)


def megabytes(peaks: Sequence[int | None]) -> str:
    """Largest of several peaks, in MB."""
    known = [peak for peak in peaks if peak is not None]
    return f"{max(known) / 1e6:,.0f}" if known else NOTHING


def grouped(runs: Sequence[Run]) -> dict[tuple[str, str, int | None], list[Run]]:
    """Runs by contender, precision asked for and batch size asked for, in the order of letters."""
    found: dict[tuple[str, str, int | None], list[Run]] = {}
    for task, outcome in sorted(runs, key=lambda run: run[0].contender):
        key = (task.contender, task.precision, task.batch_size)
        found.setdefault(key, []).append((task, outcome))
    return found


def best_batch_size(runs: Sequence[Run], contender: str) -> int | None:
    """Batch size with which a contender's median epoch is shortest; None if it was not run."""
    tried = {
        size: median(outcome.seconds_an_epoch for _, outcome in group)
        for (letter, _, size), group in grouped(runs).items()
        if letter == contender
    }
    return min(tried, key=tried.__getitem__) if tried else None


def at_best_batch_size(runs: Sequence[Run]) -> list[Run]:
    """Runs without those of a contender at any but its best batch size."""
    best = {letter: best_batch_size(runs, letter) for letter in {t.contender for t, _ in runs}}
    return [run for run in runs if run[0].batch_size == best[run[0].contender]]


def _label(group: Sequence[Run]) -> str:
    task, outcome = group[0]
    alone = task.contender not in "ef" or task.precision == "auto"
    return f"({task.contender}) {NAMES[task.contender]}" + (
        "" if alone else f", {outcome.precision}"
    )


def _absent(missing: Mapping[str, str], columns: Sequence[str]) -> list[Row]:
    rows = []
    for letter, reason in missing.items():
        cells = [f"({letter}) {NAMES[letter]}", reason, *[NOTHING] * (len(columns) - 2)]
        rows.append(dict(zip(columns, cells, strict=True)))
    return rows


def _by_letter(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: str(row["contender"]))


def speed_rows(runs: Sequence[Run], missing: Mapping[str, str]) -> list[Row]:
    """One row a contender: seconds an epoch, how that compares, and what else it was.

    Parameters
    ----------
    runs : sequence of (Task, Outcome)
        Of the measure ``"speed"``.
    missing : mapping of str to str
        Letter of a contender that did not run, and why.
    """
    groups = list(grouped(at_best_batch_size(runs)).values())
    middle = {
        (group[0][0].contender, group[0][1].precision): median(
            outcome.seconds_an_epoch for _, outcome in group
        )
        for group in groups
    }
    article = middle.get(("a", "float32"))
    whole = {group[0][0].contender: median(o.seconds for _, o in group) for group in groups}
    rows = []
    for group in groups:
        outcome = group[0][1]
        seconds = [outcome.seconds_an_epoch for _, outcome in group]
        floor = middle.get(("f", outcome.precision))
        accuracy = [outcome.accuracy[-1] for _, outcome in group if outcome.accuracy]
        row = {
            "contender": _label(group),
            "seconds an epoch": seconds_text(seconds),
            "times as fast as (a)": _ratio(article, median(seconds)),
            "set-up included": _ratio(whole.get("a"), median(o.seconds for _, o in group)),
            "times the floor": NOTHING if floor is None else f"{median(seconds) / floor:.2f}",
            "images/s": f"{outcome.images / median(seconds):.1f}",
            "batch": outcome.batch_size,
            "precision": outcome.precision,
            "accuracy": report.mean_std(accuracy) if accuracy else NOTHING,
            "set-up, s": spread([outcome.setup_seconds for _, outcome in group], 2),
            "memory, MB": megabytes([outcome.memory for _, outcome in group]),
            "runs": len(group),
        }
        if any(outcome.device_memory for _, outcome in group):
            row["card, MB"] = megabytes([outcome.device_memory for _, outcome in group])
        rows.append(row)
    columns = list(rows[0]) if rows else ["contender", "seconds an epoch"]
    return _by_letter(rows + _absent(missing, columns))


def _ratio(reference: float | None, seconds: float) -> str:
    return NOTHING if reference is None else f"{reference / seconds:.2f}"


def frozen_rows(runs: Sequence[Run], missing: Mapping[str, str]) -> list[Row]:
    """One row a contender: seconds of all epochs from a cold start, and the accuracy reached."""
    groups = list(grouped(at_best_batch_size(runs)).values())
    whole = {
        group[0][0].contender: median(outcome.seconds for _, outcome in group) for group in groups
    }
    rows = []
    for group in groups:
        task, outcome = group[0]
        rows.append(
            {
                "contender": _label(group),
                f"{task.epochs} epochs, s": seconds_text([o.seconds for _, o in group]),
                "times as fast as (a)": _ratio(whole.get("a"), whole[task.contender]),
                "before the first epoch, s": spread([o.setup_seconds for _, o in group], 2),
                "an epoch, s": seconds_text([o.seconds_an_epoch for _, o in group]),
                "accuracy, last epoch": report.mean_std([o.accuracy[-1] for _, o in group]),
                "best epoch": report.mean_std([max(o.accuracy) for _, o in group]),
                "batch": outcome.batch_size,
                "precision": outcome.precision,
                "runs": len(group),
            }
        )
    columns = list(rows[0]) if rows else ["contender", "seconds"]
    return _by_letter(rows + _absent(missing, columns))


def accuracy_rows(runs: Sequence[Run], missing: Mapping[str, str]) -> list[Row]:
    """One row a seed: what the article's loop reaches, and when each of the two reaches it."""
    by = {letter: {t.seed: (t, o) for t, o in runs if t.contender == letter} for letter in "ae"}
    rows = []
    for seed in sorted(by["a"].keys() & by["e"].keys()):
        (task, article), (_, own) = by["a"][seed], by["e"][seed]
        goal = max(article.accuracy)
        theirs, mine = article.seconds_to(goal), own.seconds_to(goal)
        unreached = f"not in {len(own.accuracy)} epochs (best {max(own.accuracy):.3f})"
        rows.append(
            {
                "seed": seed,
                f"(a): best of {task.epochs} epochs": f"{goal:.3f}",
                "(a): seconds until then": f"{theirs:.1f}",
                f"(a): seconds of {task.epochs} epochs": f"{article.seconds:.1f}",
                "(e): seconds to the same": unreached if mine is None else f"{mine:.2f}",
                "times as fast": NOTHING if mine is None else f"{theirs / mine:.1f}",
                f"of {task.epochs} epochs": NOTHING
                if mine is None
                else f"{article.seconds / mine:.1f}",
            }
        )
    return rows


def growth_rows(runs: Sequence[Run], missing: Mapping[str, str]) -> list[Row]:
    """One row a size: seconds of every part, in all and per thousand images; peaks of memory."""
    rows = []
    for task, outcome in sorted(runs, key=lambda run: run[0].images):
        whole = sum(outcome.parts.values())
        rows.append(
            {
                "images": f"{task.images:,}",
                "open, s": outcome.parts["open"],
                "epoch, s": outcome.parts["epoch"],
                "features, s": outcome.parts["features"],
                "all, s": f"{whole:.1f}",
                "s per 1,000 images": f"{1000 * whole / task.images:.2f}",
                "memory before the photos, MB": megabytes([outcome.memory_before]),
                "peak in training, MB": megabytes([outcome.memory_trained]),
                "peak with all features, MB": megabytes([outcome.memory]),
                "features alone, MB": megabytes([outcome.features]),
            }
        )
    return rows


def growth_figure(runs: Sequence[Run], budget: int) -> Figure:
    """Seconds and peak memory over the number of images.

    Parameters
    ----------
    runs : sequence of (Task, Outcome)
        Of the measure ``"growth"``.
    budget : int
        Bytes of decoded photos that were allowed.
    """
    runs = sorted(runs, key=lambda run: run[0].images)
    images = [task.images for task, _ in runs]
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    look = zip(runs[0][1].parts, plots.PALETTE, plots.MARKERS, strict=False)
    for part, color, marker in look:
        seconds = [outcome.parts[part] for _, outcome in runs]
        left.plot(images, seconds, marker=marker, color=color, label=part)
        straight = [seconds[-1] * count / images[-1] for count in images]
        left.plot(images, straight, ":", color=color, linewidth=1)
    left.plot([], [], ":", color=plots.GREY, label="in proportion")
    left.set(xscale="log", yscale="log", xlabel="images", ylabel="seconds")
    left.set_title("Time", fontsize=11)
    left.legend(fontsize=8)
    with_features = [(outcome.memory or 0) / 1e6 for _, outcome in runs]
    trained = [(outcome.memory_trained or 0) / 1e6 for _, outcome in runs]
    before = [(outcome.memory_before or 0) / 1e6 for _, outcome in runs]
    right.plot(images, with_features, "D:", color=plots.GREEN, label="peak with all features")
    right.plot(images, trained, "o-", color=plots.BLUE, label="peak in training")
    right.plot(images, before, "s--", color=plots.GREY, label="before the photos were opened")
    right.set(xscale="log", xlabel="images", ylabel="MB", ylim=(0, 1.25 * max(*with_features, 1)))
    right.set_title(f"Memory, at most {budget / 1e6:.0f} MB of decoded photos kept", fontsize=11)
    right.legend(fontsize=8, loc="lower left")
    for axis in (left, right):
        axis.set_xticks(images, [f"{count:,}" for count in images])
        axis.minorticks_off()
    return figure


def markdown(
    results: Results, missing: Mapping[tuple[str, str], str], command: str, figure: str | None
) -> str:
    """Everything measured so far as one page.

    Parameters
    ----------
    results : Results
    missing : mapping of (str, str) to str
        Measures and letters of the contenders that could not run, and why.
    command : str
        What was typed.
    figure : str, optional
        File name of the figure of growth.
    """
    lines = ["# Speed of the course's training", "", results.hardware + ".", ""]
    lines += [f"{datetime.now(UTC):%Y-%m-%d}, `{command}`", ""]
    for measure, (title, rows_of, explained) in SECTIONS.items():
        runs = results.of(measure)
        why = {letter: reason for (m, letter), reason in missing.items() if m == measure}
        if not runs or not (rows := rows_of(runs, why)):
            continue
        task = runs[0][0]
        weights = "ImageNet's weights" if task.pretrained else "random weights"
        about = f"{task.backbone} with {weights}, {task.image_size} px, {task.device}"
        about += f", photos: {task.dataset}" if measure != "growth" else ", small copies"
        lines += [f"## {title}", "", about + ". " + explained, ""]
        lines += [report.table(rows).data, ""]
        if measure == "growth" and figure is not None:
            lines += [f"![Seconds and peak memory over the number of images]({figure})", ""]
    return "\n".join(lines)


SECTIONS: dict[str, tuple[str, Callable[[Sequence[Run], Mapping[str, str]], list[Row]], str]] = {
    "speed": (
        "Fine-tuning every layer",
        speed_rows,
        "An epoch is one pass over `train` and one over `val`; median and range of runs that took "
        "turns. The floor is the forward and backward passes alone, on one batch in memory, at the "
        "same precision. Accuracy is that of the last epoch, on `val`. Peers are shown at the best "
        "batch size tried.",
    ),
    "frozen": (
        "Training the head",
        frozen_rows,
        "From the first photo opened to the last epoch; nothing cached before.",
    ),
    "accuracy": (
        "Time to accuracy",
        accuracy_rows,
        "Seconds until the accuracy on `val` first is what the article's loop has in its best "
        "epoch. Ours trains the head on features from a cold cache, then everything.",
    ),
    "growth": (
        "A data set that grows",
        growth_rows,
        "Seconds to open the photos, to fine-tune for one epoch and to make their features. "
        "Features of all images are in memory at once.",
    ),
}
