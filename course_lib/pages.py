"""What is left of a run: results, a page for each lesson, an index, a table for the terminal."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Value = bool | int | float | str

# The page of a lesson: Jupyter's own, with the text that describes each figure put to use.
FIGURE = """{% block BLOCK scoped %}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:MIME;base64,{{ output.data['MIME'] | escape_html }}"
alt="{{ (output | get_metadata('alt', 'MIME') or 'figure without description') | e }}">
</div>{% endblock %}"""
PAGE_TEMPLATE = "{% extends 'lab/index.html.j2' %}" + "".join(
    FIGURE.replace("BLOCK", block).replace("MIME", mime)
    for block, mime in (("data_png", "image/png"), ("data_jpg", "image/jpeg"))
)


@dataclass
class Result:
    """What became of one lesson in a run."""

    lesson: str
    title: str
    parameters: dict[str, Value]
    status: str = "ok"
    seconds: float = 0.0
    numbers: dict[str, Any] = field(default_factory=dict)
    cell: int | None = None  # the failed cell, counted among the code cells of the saved lesson
    source: str = ""  # its first line
    error: str = ""
    sha256: str = ""  # of the lesson's file as it was run


def lesson_page(executed: Any, title: str) -> str:
    """Turn an executed lesson into a page that needs nothing beside it."""
    from nbconvert import HTMLExporter

    from course_lib.report import RESULT_MIME

    for cell in executed.cells:  # what is for the runner alone has no place on a page
        if "outputs" in cell:
            shown = [
                output for output in cell.outputs if set(output.get("data", "?")) != {RESULT_MIME}
            ]
            cell.outputs = shown
    exporter = HTMLExporter(template_name="lab", raw_template=PAGE_TEMPLATE)
    return exporter.from_notebook_node(executed, {"metadata": {"name": title}})[0]


def summary(results: Sequence[Result]) -> str:
    """Table of the results for the terminal, followed by the failures."""
    table = [("lesson", "seconds", "status", "key numbers")]
    table += [(r.lesson, f"{r.seconds:.1f}", r.status, _shown(r.numbers)) for r in results]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {seconds:>{widths[1]}}  {status:<{widths[2]}}  {numbers}".rstrip()
        for name, seconds, status, numbers in table
    ]
    return "\n".join(lines + [_failure(r) for r in results if r.error])


def _failure(result: Result) -> str:
    place = f", cell {result.cell} ({result.source})" if result.cell else ""
    return f"failed: {result.lesson}{place}: {result.error}"


def _shown(numbers: Mapping[str, Any]) -> str:
    texts = {n: f"{v:.4g}" if isinstance(v, float) else str(v) for n, v in numbers.items()}
    return ", ".join(f"{name} = {text}" for name, text in texts.items())


def index_page(folder: Path, results: Sequence[Result]) -> str:
    """Page that leads to every lesson of a run."""
    rows = []
    for r in results:
        title, page = html.escape(r.title), f"{r.lesson}.html"
        link = f'<a href="{html.escape(page)}">{title}</a>' if (folder / page).exists() else title
        status = html.escape(_failure(r) if r.error else r.status)
        numbers = html.escape(_shown(r.numbers))
        rows.append(
            f'<tr><th scope="row">{link}</th><td>{r.seconds:.1f}</td>'
            f"<td>{status}</td><td>{numbers}</td></tr>"
        )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lessons run on {html.escape(folder.name)}</title>
<style>
body {{ font: 1rem/1.5 sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #767676; padding: .4rem .8rem; text-align: left; }}
</style>
</head>
<body>
<main>
<h1>Lessons run on {html.escape(folder.name)}</h1>
<table>
<caption>Each lesson as it was executed</caption>
<thead><tr><th scope="col">Lesson</th><th scope="col">Seconds</th>
<th scope="col">Status</th><th scope="col">Key numbers</th></tr></thead>
<tbody>
{chr(10).join(rows)}
</tbody>
</table>
</main>
</body>
</html>
"""
