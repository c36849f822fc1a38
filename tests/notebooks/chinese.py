"""What a Chinese cell must share with the English cell that it translates."""

import csv
import re
from collections import Counter
from pathlib import Path

from nbformat import NotebookNode

from course_lib.tools import translate

HAN = re.compile(r"[\u4e00-\u9fff]")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
KEPT = {
    "code": re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL),
    "formulas": re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL),
    "links": re.compile(r"\]\(([^)\s]+)\)|<(https?://[^>]+)>|<a [^>]*href=\"([^\"]+)\""),
    "images": re.compile(r"<img|!\["),
    "folded answers": re.compile(r"<details>|</details>|<summary>|</summary>"),
    "headings": re.compile(r"^#+ ", re.MULTILINE),
    "table rows": re.compile(r"^\|.*\|\s*$", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*"),
    "numbers": re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?"),
}
BIG = {"million": 10**6, "thousand": 10**3, "百万": 10**6, "万": 10**4, "亿": 10**8}
UNIT = re.compile(rf"(\d[\d.]*)\s*({'|'.join(BIG)})")
REFERENCE = re.compile(r"^- .*\(\d{4}\).*\*.+\*", re.MULTILINE)  # its title stays as it is


def read_glossary(path: Path) -> dict[str, list[str]]:
    """English terms, lower case, and the Chinese ones that may stand for each."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["english"]: row["chinese"].split("|") for row in csv.DictReader(file)}


def cell_faults(english: str, chinese: str, glossary: dict[str, list[str]]) -> list[str]:
    """How a translated text differs in what no language changes; terms not the course's."""
    faults = []
    for name, pattern in KEPT.items():
        both = english, chinese
        if name == "numbers":
            both = [UNIT.sub(lambda m: f"{float(m[1]) * BIG[m[2]]:.0f}", _without(t)) for t in both]
        ours, theirs = (Counter(_found(name, pattern, text)) for text in both)
        for what, difference in (("missing", ours - theirs), ("added", theirs - ours)):
            if difference:
                faults.append(f"{name} {what}: {', '.join(sorted(difference.elements()))}")
    faults += [f"not translated: {block[:60]}" for block in _english_blocks(chinese)]
    plain = _without(REFERENCE.sub("", english)).lower()
    for term, words in glossary.items():
        if re.search(rf"\b{re.escape(term)}\b", plain):
            plain = re.sub(rf"\b{re.escape(term)}\b", " ", plain)
            if not any(word in chinese for word in words):
                faults.append(f"{term!r} is not {' or '.join(words)}")
    return faults


def lesson_faults(english: NotebookNode, chinese: NotebookNode, glossary: dict) -> list[str]:
    """All faults of a lesson: cells, code and outputs, stale prose, and each cell's own."""
    ours, theirs = ([cell.id for cell in book.cells] for book in (english, chinese))
    if ours != theirs:
        return [f"other cells: {sorted(set(ours) ^ set(theirs)) or 'in another order'}"]
    faults = []
    for cell, translated in zip(english.cells, chinese.cells, strict=True):
        if cell.cell_type == "markdown":
            if translated.metadata.get("english") != translate.fingerprint(cell.source):
                faults.append(f"{cell.id}: stale")
            found = cell_faults(cell.source, translated.source, glossary)
            faults += [f"{cell.id}: {fault}" for fault in found]
        elif cell != translated:
            faults.append(f"{cell.id}: code or output is not that of the English lesson")
    return faults


def _found(name: str, pattern: re.Pattern, text: str) -> list[str]:
    if name in ("headings", "table rows", "bold", "images"):
        return [name for _ in pattern.finditer(text)]
    found = ["".join(filter(None, m.groups())) or m.group() for m in pattern.finditer(text)]
    return [re.sub(r"^(\.\./)+", "", item).replace(",", "").replace("−", "-") for item in found]


def _without(text: str) -> str:
    for name in ("code", "formulas", "links"):  # taken out before numbers are counted
        text = KEPT[name].sub(" ", text)
    return text


def _english_blocks(text: str) -> list[str]:
    """Paragraphs, rows and items of eight English words or more with hardly a Chinese character."""
    blocks = re.split(r"\n\s*\n|\n(?=[-|*>\d])", _without(FENCED.sub("", text)))
    words = [(block, len(re.findall(r"[A-Za-z]{2,}", block))) for block in blocks]
    words = [pair for pair in words if not REFERENCE.match(pair[0].strip())]
    return [block for block, count in words if count >= 8 and len(HAN.findall(block)) < count / 2]
