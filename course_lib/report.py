"""Numbers for people: means with their spread, verdicts, tables, key numbers of a lesson."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from IPython.display import Markdown, display

RESULT_MIME = "application/vnd.course.result+json"


def mean_std(values: Sequence[float], digits: int = 3) -> str:
    """Mean and sample standard deviation as text.

    Parameters
    ----------
    values : sequence of float
        One value a seed.
    digits : int
        Decimals shown.

    Returns
    -------
    str
        ``"0.913 ± 0.012"``; of a single value, which has no spread, ``"0.913"``.

    Raises
    ------
    ValueError
        If there is no value.
    """
    if not values:
        raise ValueError("no values to average: run at least one seed.")
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def verdict(claim: str, holds: bool) -> None:
    """Print a claim and whether the numbers bear it out, e.g. ``frozen beats scratch: True``."""
    print(f"{claim}: {bool(holds)}")


def table(rows: Sequence[Mapping[str, object]]) -> Markdown:
    """Show rows as a table.

    Parameters
    ----------
    rows : sequence of mappings
        All with the same keys, which become the column heads; floats are shown with 3 decimals.

    Returns
    -------
    IPython.display.Markdown
        Rendered by JupyterLab and in web pages, readable as text elsewhere.

    Raises
    ------
    ValueError
        If there is no row, or the rows differ in their keys.
    """
    if not rows or any(list(row) != list(rows[0]) for row in rows):
        raise ValueError("a table needs at least one row, and the same columns in every row.")

    def line(cells: Sequence[object]) -> str:
        shown = [f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells]
        return "| " + " | ".join(shown) + " |"

    heads = list(rows[0])
    ruler = "|" + "---|" * len(heads)
    return Markdown("\n".join([line(heads), ruler, *(line(list(row.values())) for row in rows)]))


def key_numbers(numbers: Mapping[str, float | int | str]) -> None:
    """Show the numbers a lesson is remembered by, and hand them to the runner's summary.

    Parameters
    ----------
    numbers : mapping of str to number or str
        For example ``{"frozen": 0.92, "scratch": 0.61}``.
    """
    rows = [{"result": name, "value": value} for name, value in numbers.items()]
    shown = table(rows).data
    bundle = {RESULT_MIME: dict(numbers), "text/markdown": shown, "text/plain": shown}
    display(bundle, raw=True)
