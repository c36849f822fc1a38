"""Experiments repeated over seeds, as tidy tables: one row a seed, setting and method."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from IPython.display import Markdown
from threadpoolctl import threadpool_limits

from course_lib import progress, report, require


def trials(run: Callable[..., Mapping[str, float]], seeds: int, **grid: Sequence) -> pd.DataFrame:
    """Run an experiment for every seed and every combination of settings.

    Parameters
    ----------
    run : callable
        Called as ``run(seed=0, setting=value, …)``; returns a score for each method it compared.
        Methods compared in one call see the same draw of data, so their difference is paired.
    seeds : int
        Number of repetitions, 1 or more; seeds are 0, 1, ….
    **grid
        Values to try for each setting.

    Returns
    -------
    pandas.DataFrame
        `Tidy <https://doi.org/10.18637/jss.v059.i10>`_: a column for each setting, then ``seed``,
        ``method`` and ``score``; in the order in which the runs were made.

    Raises
    ------
    ValueError
        If there is no seed, a setting without a value, or no score.

    Notes
    -----
    NumPy's and SciPy's linear algebra runs on one thread meanwhile. More are no faster on matrices
    this small, and ten times slower as soon as something else wants a core, since each waits for
    the others in a busy loop.
    """
    require.whole("seeds", seeds, 1)
    if empty := [name for name, values in grid.items() if not len(values)]:
        raise ValueError(f"{empty[0]} has no value to try: give at least one.")
    settings = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    rows = []
    with threadpool_limits(1, "blas"):
        for setting, seed in progress.bar([*itertools.product(settings, range(seeds))], "trials"):
            scores = run(seed=seed, **setting)
            rows += [{**setting, "seed": seed, "method": m, "score": s} for m, s in scores.items()]
    if not rows:
        raise ValueError("the experiment returned no score: return {'name of method': score}.")
    return pd.DataFrame(rows)


def summary(
    frame: pd.DataFrame,
    columns: str | None = None,
    digits: int = 3,
    baseline: tuple[str, float] | None = None,
) -> Markdown:
    """Mean ± standard deviation over seeds, as a table with one row a method.

    Parameters
    ----------
    frame : pandas.DataFrame
        From :func:`trials`.
    columns : str, optional
        Setting whose values become the columns of the table.
    digits : int
        Decimals shown.
    baseline : (str, float), optional
        Name and score of a trivial answer, which becomes the last row.

    Returns
    -------
    IPython.display.Markdown
        Methods and settings in the order in which they were run.

    Raises
    ------
    ValueError
        If the frame has no row.
    """
    if frame.empty:
        raise ValueError("there is no run to sum up: check what the frame was narrowed down to.")
    rows = []
    for method, of_method in frame.groupby("method", sort=False):
        row: dict[str, object] = {"method": method}
        if columns is None:
            row["mean ± std"] = report.mean_std(list(of_method["score"]), digits)
        else:
            for value in frame[columns].unique():
                scores = list(of_method.loc[of_method[columns] == value, "score"])
                shown = report.mean_std(scores, digits) if scores else "–"
                row[f"{columns.replace('_', ' ')} {value}"] = shown
        rows.append(row)
    if baseline is not None:
        name, score = baseline
        headings = [heading for heading in rows[0] if heading != "method"]
        rows.append({"method": name, **dict.fromkeys(headings, f"{score:.{digits}f}")})
    return report.table(rows)


def mean(frame: pd.DataFrame, method: str, **setting: object) -> float:
    """Mean score of a method over seeds, under some settings.

    Parameters
    ----------
    frame : pandas.DataFrame
        From :func:`trials`.
    method : str
        One of its methods.
    **setting
        Values of its columns; settings not named are averaged over.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If no run matches.
    """
    chosen = frame[frame["method"] == method]
    for name, value in setting.items():
        chosen = chosen[chosen[name] == value]
    if chosen.empty:
        asked = ", ".join([repr(method), *(f"{k}={v!r}" for k, v in setting.items())])
        raise ValueError(f"no run of {asked}: there are {', '.join(frame['method'].unique())}.")
    return float(chosen["score"].mean())
