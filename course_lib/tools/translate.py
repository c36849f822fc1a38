"""The lessons in another language: code and outputs of the English ones, prose by a translator.

Cells have the ids of the English ones. A prose cell keeps in its metadata, as ``english``, the hash
of the text that it translates; where the English has changed since, the cell is *stale*.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import nbformat

from course_lib.tools import lessons


def translate(notebooks: Path, language="zh", only: Sequence[str] = (), accept=False) -> list[str]:
    """Bring the lessons of a language up to date, and say which cells want a translator.

    New prose is taken over in English. With ``accept`` all other prose counts as up to date.
    """
    wanted = []
    for lesson in lessons.find_lessons(notebooks, only):
        path = notebooks / language / lesson.path.name
        english = nbformat.read(lesson.path, as_version=4)
        old = nbformat.read(path, as_version=4).cells if path.exists() else []
        cells = {cell.id: cell for cell in old}
        for cell in (cell for cell in english.cells if cell.cell_type == "markdown"):
            known, now = cells.get(cell.id, cell), fingerprint(cell.source)
            if known.source == cell.source:
                wanted.append(f"{path.name}: cell {cell.id} is not translated")
                continue
            if accept:
                known.metadata["english"] = now
            if known.metadata.get("english") != now:
                wanted.append(f"{path.name}: cell {cell.id} is stale, its English has changed")
            cell.source, cell.metadata = known.source, known.metadata
        lessons.write(path, nbformat.writes(english) + "\n")
    return wanted


def fingerprint(text: str) -> str:
    """Hash of a prose cell, as the cell that translates it keeps it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
