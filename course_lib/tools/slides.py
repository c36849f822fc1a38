"""Slides of the lessons: their questions, figures and answers, one HTML file each, offline."""

import re
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.filters import markdown2html

from course_lib.tools import lessons

SECTION = re.compile(r"^##? (.+)$", re.MULTILINE)
CAPTION = re.compile(r"^\*\*(?:Figure|图) \d+[.。]\*\*.+$", re.MULTILINE)
NEEDS = re.compile(r"^\*\*(?:You need|你需要)", re.MULTILINE)
ENDS = ("Quick quiz", "Exercises", "Recap", "Going further", "小测验", "练习", "回顾", "延伸阅读")


def build(notebooks: Path, output: Path) -> list[Path]:
    """Write ``NN_name.html`` into ``output`` for every executed lesson; return the paths.

    A slide is a section: its heading, figures, captions and the answers of `report.verdict`; where
    there are none, its first paragraph. The first slide says what is to be learned.
    """
    written = []
    for lesson in lessons.find_lessons(notebooks):
        slides = _slides(nbformat.read(lesson.path, as_version=4))
        written.append(output / f"{lesson.name}.html")
        lessons.write(written[-1], lessons.render("slides.html", slides=slides))
    return written


def _slides(notebook: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            captions = CAPTION.findall(cell.source)
            if found and captions and found[-1]["figures"]:
                found[-1]["figures"][-1]["caption"] = markdown2html(captions[0])
            parts = SECTION.split(cell.source)
            for title, text in zip(parts[1::2], parts[2::2], strict=True):
                about = text.strip().split("\n\n")[0] if found else NEEDS.split(text)[0]
                slide = {"title": title, "about": markdown2html(about)}
                found.append(slide | {"figures": [], "answers": []})
        for out in cell.get("outputs", []):
            for kind in {"image/png", "image/jpeg"} & out.get("data", {}).keys():
                uri = f"data:{kind};base64,{out.data[kind].strip()}"
                figure = {"uri": uri, "alt": out.metadata.get(kind, {}).get("alt", "")}
                found[-1]["figures"].append(figure)
            found[-1]["answers"] += lessons.VERDICT.findall(out.get("text", ""))
    return [slide for slide in found if not slide["title"].startswith(ENDS)]
