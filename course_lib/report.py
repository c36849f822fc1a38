"""Numbers for people: repeated runs as tidy tables, means with their spread, verdicts."""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from IPython.display import Markdown
from threadpoolctl import threadpool_limits

from course_lib import progress
from course_lib.datasets import whole


def trials(run: Callable[..., Mapping[str, float]], seeds: int, **grid: Sequence) -> pd.DataFrame:
    """Run an experiment for every seed, 0, 1, …, and every combination of settings; a tidy table.

    ``run(seed=0, setting=value, …)`` returns a score for each method it compared; or two, of which
    the first, on validation photos, is for `tuned`. Methods of one call are paired.
    """
    whole("seeds", seeds, 1)
    combined = itertools.product(*grid.values())
    settings, rows = [dict(zip(grid, values, strict=True)) for values in combined], []
    # More threads are no faster on small matrices, and far slower if another wants a core.
    with threadpool_limits(1, "blas"):
        for setting, seed in progress.bar([*itertools.product(settings, range(seeds))], "trials"):
            scores = run(seed=seed, **setting)
            for method, score in scores.items():
                both = {"val": score[0], "score": score[1]} if isinstance(score, tuple) else {}
                rows.append({**setting, "seed": seed, "method": method, "score": score, **both})
    return pd.DataFrame(rows)


def tuned(frame: pd.DataFrame, *settings: str) -> pd.DataFrame:
    """For each method and seed, the run whose ``settings`` were best, or first, on validation."""
    same = [column for column in frame if column not in (*settings, "val", "score")]
    return frame.loc[frame.groupby(same, sort=False, dropna=False)["val"].idxmax()]


@dataclass(frozen=True)
class Comparison:
    """Mean and standard error, over ``seeds``, of a difference that is asked to pass ``margin``."""

    difference: float
    error: float
    seeds: int
    margin: float = 0.0

    @property
    def answer(self) -> str:
        """``"holds"`` if the 95 % interval (Student's t) lies above the margin, and so on."""
        from scipy.stats import t

        reach = float(t.ppf(0.975, self.seeds - 1)) * self.error
        if self.difference - reach > self.margin:
            return "holds"
        return "does not hold" if self.difference + reach < self.margin else "too close to call"


def compare(frame: pd.DataFrame, a: str, b: str, margin: float = 0.0) -> Comparison:
    """Paired difference of two methods of `trials`, ``a`` minus ``b``; settings are averaged."""
    scores = frame.pivot_table(index="seed", columns="method", values="score", dropna=False)
    difference = (scores[a] - scores[b]).to_numpy()  # nan, and no answer, where one is missing
    error = pd.Series(difference).sem(skipna=False)
    return Comparison(float(difference.mean()), float(error), len(difference), margin)


def summary(
    frame: pd.DataFrame,
    columns: str | None = None,
    digits: int = 3,
    baseline: tuple[str, float] | None = None,
) -> Markdown:
    """Table of mean ± standard deviation over seeds: a row per method, ``columns`` of a setting."""
    groups = [("mean ± std", frame)]
    if columns is not None:
        parts = frame.groupby(columns, sort=False, dropna=False)
        groups = [(f"{columns.replace('_', ' ')} {value}", part) for value, part in parts]
    rows = []
    for method in frame["method"].unique():
        runs = {name: list(part["score"][part["method"] == method]) for name, part in groups}
        means = {name: mean_std(run, digits) if run else "–" for name, run in runs.items()}
        rows.append({"method": method, **means})
    if baseline is not None:
        shown = f"{baseline[1]:.{digits}f}"
        rows.append({"method": baseline[0], **{name: shown for name, _ in groups}})
    return table(rows)


def mean(frame: pd.DataFrame, method: str, **setting: object) -> float:
    """Mean score of a method over seeds, and over all settings that are not named."""
    chosen = frame[(frame[["method", *setting]] == [method, *setting.values()]).all(axis=1)]
    if chosen.empty:
        raise ValueError(f"no run of {method!r} with {setting}, only {sorted({*frame['method']})}.")
    return float(chosen["score"].mean())


def mean_std(values: Sequence[float], digits: int = 3) -> str:
    """Mean and sample standard deviation, ``"0.913 ± 0.012"``; one value alone has no spread."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def verdict(question: str, answer: bool | Comparison) -> None:
    """Print a question, or an exact claim, and what the numbers say to it.

    ``Does freezing win? holds: +0.042 ± 0.013 (5 seeds)`` or ``the weights are equal: True``.
    """
    if isinstance(answer, Comparison):
        sure = f" ± {answer.error:.3f} ({answer.seeds} seeds)" if answer.seeds > 1 else " (1 seed)"
        beyond = f", margin {answer.margin:+.3f}" if answer.margin else ""
        print(f"{question} {answer.answer}: {answer.difference:+.3f}{sure}{beyond}")
    else:
        print(f"{question}: {bool(answer)}")


def table(rows: Sequence[Mapping[str, object]]) -> Markdown:
    """Show rows with the same keys, which become the column heads; floats have 3 decimals."""
    if not rows or any(list(row) != list(rows[0]) for row in rows):
        raise ValueError("a table needs at least one row, and the same columns in every row.")

    plain = str.maketrans({"|": "&#124;", "<": "&lt;", "$": "<span>&#36;</span>"})  # no markup

    def line(cells: Sequence[object]) -> str:
        shown = [f"{c:.3f}" if isinstance(c, float) else str(c).translate(plain) for c in cells]
        return "| " + " | ".join(shown) + " |"

    head = [line(list(rows[0])), "|" + "---|" * len(rows[0])]
    return Markdown("\n".join([*head, *(line(list(row.values())) for row in rows)]))
