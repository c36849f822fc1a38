"""Numbers for people: repeated runs as tidy tables, means with their spread, verdicts."""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from IPython.display import Markdown, display
from threadpoolctl import threadpool_limits

from course_lib import progress
from course_lib.datasets import whole

RESULT_MIME = "application/vnd.course.result+json"


def trials(run: Callable[..., Mapping[str, float]], seeds: int, **grid: Sequence) -> pd.DataFrame:
    """Run an experiment for every seed, 0, 1, …, and every combination of settings.

    ``run(seed=0, setting=value, …)`` returns a score for each method it compared. Methods compared
    in one call see the same draw of data, so their difference is paired. The table is `tidy
    <https://doi.org/10.18637/jss.v059.i10>`_: a column per setting, then seed, method and score.
    """
    whole("seeds", seeds, 1)
    combined = itertools.product(*grid.values())
    settings, rows = [dict(zip(grid, values, strict=True)) for values in combined], []
    # One thread: more are no faster on matrices this small, and ten times slower as soon as
    # something else wants a core, since each waits for the others in a busy loop.
    with threadpool_limits(1, "blas"):
        for setting, seed in progress.bar([*itertools.product(settings, range(seeds))], "trials"):
            scores = run(seed=seed, **setting)
            rows += [{**setting, "seed": seed, "method": m, "score": s} for m, s in scores.items()]
    return pd.DataFrame(rows)


def summary(
    frame: pd.DataFrame,
    columns: str | None = None,
    digits: int = 3,
    baseline: tuple[str, float] | None = None,
) -> Markdown:
    """Table of mean ± standard deviation over seeds: a row per method, ``columns`` of a setting.

    The name and score of a trivial answer, the ``baseline``, become the last row.
    """
    rows = []
    for method, of_method in frame.groupby("method", sort=False):
        cells = {"mean ± std": of_method} if columns is None else {}
        for value in [] if columns is None else frame[columns].unique():
            name = f"{columns.replace('_', ' ')} {value}"
            cells[name] = of_method[of_method[columns] == value]
        means = {n: mean_std(list(c["score"]), digits) if len(c) else "–" for n, c in cells.items()}
        rows.append({"method": method, **means})
    if baseline is not None:
        name, score = baseline
        headings = [heading for heading in rows[0] if heading != "method"]
        rows.append({"method": name, **dict.fromkeys(headings, f"{score:.{digits}f}")})
    return table(rows)


def mean(frame: pd.DataFrame, method: str, **setting: object) -> float:
    """Mean score of a method over seeds, and over all settings that are not named."""
    chosen = frame[frame["method"] == method]
    for name, value in setting.items():
        chosen = chosen[chosen[name] == value]
    if chosen.empty:
        asked = ", ".join([repr(method), *(f"{k}={v!r}" for k, v in setting.items())])
        raise ValueError(f"no run of {asked}: there are {', '.join(frame['method'].unique())}.")
    return float(chosen["score"].mean())


def mean_std(values: Sequence[float], digits: int = 3) -> str:
    """Mean and sample standard deviation, ``"0.913 ± 0.012"``; one value alone has no spread."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def verdict(claim: str, holds: bool) -> None:
    """Print a claim and whether the numbers bear it out, e.g. ``frozen beats scratch: True``."""
    print(f"{claim}: {bool(holds)}")


def table(rows: Sequence[Mapping[str, object]]) -> Markdown:
    """Show rows with the same keys, which become the column heads; floats have 3 decimals."""
    if not rows or any(list(row) != list(rows[0]) for row in rows):
        raise ValueError("a table needs at least one row, and the same columns in every row.")

    def line(cells: Sequence[object]) -> str:
        shown = [f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells]
        return "| " + " | ".join(shown) + " |"

    heads = list(rows[0])
    ruler = "|" + "---|" * len(heads)
    return Markdown("\n".join([line(heads), ruler, *(line(list(row.values())) for row in rows)]))


def key_numbers(numbers: Mapping[str, float | int | str]) -> None:
    """Show the numbers a lesson is remembered by, and hand them to the runner's summary."""
    rows = [{"result": name, "value": value} for name, value in numbers.items()]
    shown = table(rows).data
    bundle = {RESULT_MIME: dict(numbers), "text/markdown": shown, "text/plain": shown}
    display(bundle, raw=True)
