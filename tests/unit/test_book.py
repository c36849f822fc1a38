"""The book, tried on two tiny lessons; and what the real lessons need of it."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib import __main__ as cli
from course_lib import book, paths
from course_lib.report import RESULT_MIME
from course_lib.runner import RunnerError

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
ALT = 'One <grey> pixel, "alone" in the middle.'
REMOTE = re.compile(r"^(https?:)?//")
PROSE = """# 01 · Count the ants

You need lesson 02, see the [data card](../data/README.md) and the [front page](../README.md).
In `lesson 02` nothing is a link, and lesson 99 does not exist.

With $\\mathcal D = \\{x\\}$ we have

$$\\frac{1}{2}$$

<details><summary>Solution</summary>

```python
print("folded")
```
</details>
"""


def lesson(folder: Path, name: str, text: str, *outputs: nbformat.NotebookNode) -> None:
    cells = [new_markdown_cell(text), new_code_cell("count(ants)", outputs=list(outputs))]
    notebook = new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of two lessons."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "lessons").mkdir()
    figure = new_output("display_data", {"image/png": PIXEL, "text/plain": ALT})
    figure.metadata = {"image/png": {"alt": ALT}}
    table = "| result | value |\n|---|---|\n| ants | 7 |"
    numbers = {RESULT_MIME: {"ants": 7}, "text/markdown": table, "text/plain": table}
    outputs = (figure, new_output("display_data", numbers))
    lesson(folder / "lessons", "01_ants", PROSE, *outputs)
    lesson(folder / "lessons", "02_bees", "# 02 · Count the bees\n\nAs in lessons 01 and 02.")
    assert book.build(folder / "lessons", folder / "site") == []
    return folder / "site"


def all_pages(built: Path) -> list[Path]:
    return [file for file in built.rglob("*.html") if "_static" not in file.parts]


def page(built: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((built / name).read_text(encoding="utf-8"), "html.parser")


def test_the_contents_lead_to_every_lesson(built: Path) -> None:
    front = page(built, "index.html")
    links = {a["href"]: a.text.strip() for a in front.select("nav.bd-links a")}
    assert links == {
        "notebooks/01_ants.html": "01 · Count the ants",
        "notebooks/02_bees.html": "02 · Count the bees",
        "data/README.html": "The pictures of this course",
    }
    assert front.title.text.startswith("Transfer learning")
    for address in links:
        assert (built / address).is_file()


def test_the_search_knows_the_words_of_the_lessons(built: Path) -> None:
    text = (built / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    number = index["docnames"].index("notebooks/02_bees")
    hits = [index[table].get("bee", []) for table in ("terms", "titleterms")]
    assert number in hits or any(number in found for found in hits if isinstance(found, list))
    assert (built / "search.html").is_file()


def test_nothing_is_loaded_from_elsewhere(built: Path) -> None:
    for file in all_pages(built):
        soup = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        found = [
            tag.get("src") or tag.get("href")
            for tag in soup.select("[src], link[href]")
            if REMOTE.match(tag.get("src") or tag.get("href"))
        ]
        assert not found, f"{file.name} loads {found}"
    for file in built.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""(url\(|@import )\s*["']?(https?:)?//""", text), file.name
    scripts = [file.name.lower() for file in built.rglob("*.js")]
    assert not [name for name in scripts if "mathjax" in name or "require" in name]


def test_every_file_that_a_page_names_is_there(built: Path) -> None:
    for file in all_pages(built):
        soup = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        for tag in soup.select("[src], [href]"):
            address = (tag.get("src") or tag.get("href")).partition("#")[0].partition("?")[0]
            if address and not REMOTE.match(address) and not address.startswith("data:"):
                assert (file.parent / address).exists(), f"{file.name}: {address}"


def test_a_figure_keeps_the_text_that_describes_it(built: Path) -> None:
    (image,) = page(built, "notebooks/01_ants.html").select(".cell_output img")
    assert image["alt"] == ALT
    file = built / "notebooks" / image["src"]
    assert file.read_bytes() == base64.b64decode(PIXEL)
    assert file.stem == hashlib.sha256(file.read_bytes()).hexdigest()  # what the texts go by


def test_a_table_is_a_table(built: Path) -> None:
    soup = page(built, "notebooks/01_ants.html")
    (table,) = soup.select(".cell_output table")
    assert [cell.text.strip() for cell in table.select("td")] == ["ants", "7"]


def test_folds_formulas_and_copy_buttons(built: Path) -> None:
    soup = page(built, "notebooks/01_ants.html")
    (fold,) = soup.select("details")
    assert fold.summary.text == "Solution"
    assert fold.select(".highlight-python pre")
    inline, block = soup.select("math")
    assert (inline["display"], block["display"]) == ("inline", "block")
    assert "𝒟" in inline.text
    assert block.select("mfrac")
    assert any("copybutton" in tag["src"] for tag in soup.select("script[src]"))
    assert "data-mode" in str(soup.html)  # light, dark, or as the system is


def test_mentioned_lessons_and_pages_are_links(built: Path) -> None:
    first = page(built, "notebooks/01_ants.html").select_one("article")
    links = [(a.text, a["href"]) for a in first.select("p a")]
    assert links == [
        ("02", "02_bees.html"),
        ("data card", "../data/README.html"),
        ("front page", "../index.html"),
    ]
    second = page(built, "notebooks/02_bees.html").select_one("article")
    assert [(a.text, a["href"]) for a in second.select("p a")] == [("01", "01_ants.html")]


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    lesson(tmp_path, "01_ants", "# Ants\n\n[Lost](02_lost.ipynb)")
    (warning,) = book.build(tmp_path, tmp_path / "site")
    assert warning.startswith("notebooks/01_ants.ipynb:")
    assert "02_lost" in warning
    assert (tmp_path / "site" / "index.html").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"01_ants.ipynb", "site"}


def say(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run the command; its exit code and what it printed."""
    code = cli.main(["book", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for Sphinx where only files matter."""

    def write(source: Path, site: Path, described: dict[str, str]) -> list[str]:
        site.mkdir()
        (site / book.MARKER).touch()
        (site / "index.html").write_text(str(sorted(described.values())), encoding="utf-8")
        return ["page: something"] if (source / "notebooks" / "09_odd.ipynb").exists() else []

    monkeypatch.setattr(book, "_run_sphinx", write)


@pytest.mark.usefixtures("quick")
def test_the_command_replaces_an_earlier_book(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "new" / "site"
    lesson(tmp_path, "01_ants", "# Ants")
    arguments = ("--lessons", str(tmp_path), "--output", str(site))
    assert say(*arguments, capsys=capsys) == (0, f"book: {site / 'index.html'}\n", "")
    (site / "stale.html").touch()
    assert say(*arguments, capsys=capsys)[0] == 0
    assert sorted(path.name for path in site.iterdir()) == ["index.html", book.MARKER]
    lesson(tmp_path, "09_odd", "# Odd")
    code, _, told = say(*arguments, capsys=capsys)
    assert (code, told) == (1, "page: something\n")


@pytest.mark.usefixtures("quick")
def test_the_saved_lessons_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gathered = []
    monkeypatch.setattr(book, "_gather", lambda notebooks, source: gathered.extend(notebooks) or {})
    code, said, told = say("--output", str(tmp_path / "site"), capsys=capsys)
    assert (code, told) == (0, "")
    assert said.startswith("book: ")
    assert gathered == sorted(paths.notebooks_dir().glob("[0-9][0-9]_*.ipynb"))


def test_what_cannot_be_built_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(lessons: Path, output: Path) -> str:
        arguments = ("--lessons", str(lessons), "--output", str(output))
        code, said, error = say(*arguments, capsys=capsys)
        assert (code, said, error.count("\n")) == (2, "", 1)
        return error

    empty, full, broken = (tmp_path / name for name in ("empty", "full", "broken"))
    for folder in (empty, full, broken):
        folder.mkdir()
    (full / "thesis.txt").write_text("four years")
    lesson(full, "01_ants", "# Ants")
    (broken / "01_ants.ipynb").write_text('{"cells": [{"outputs": 3}]}')
    assert "no lesson in" in told(empty, tmp_path / "site")
    assert "holds other files than a book" in told(full, full)
    assert "is a file" in told(full, full / "thesis.txt")
    assert "cannot be read as a notebook" in told(broken, tmp_path / "site")
    assert (full / "thesis.txt").read_text() == "four years"
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "full", "broken"}


def test_a_missing_package_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "myst_nb" else there(name)
    )
    with pytest.raises(RunnerError, match=r"not installed: pip install myst-nb$"):
        book.build(paths.notebooks_dir(), tmp_path / "site")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(("text", "numbers"), [
    ("See lesson 08.", ["08"]),
    ("Lessons 02 to 06, and 09 are", ["02", "06", "09"]),
    ("lessons 01, 02 and 03", ["01", "02", "03"]),
    ("lesson 8, lesson 080, in 2019, 10 lessons 1", []),
])  # fmt: skip
def test_numbers_of_lessons_stand_alone(text: str, numbers: list[str]) -> None:
    pieces = book._numbers_apart(text)
    assert "".join(pieces) == text
    assert pieces[1::2] == numbers


@pytest.mark.parametrize("name", ["README.md", "data/README.md"])
def test_pages_of_the_course_keep_pictures_and_lose_links_to_code(
    name: str, tmp_path: Path
) -> None:
    text = book._readable(name, book.PAGES, tmp_path)
    for picture, target in re.findall(r"(!?)\[[^\]]*\]\(((?!https?:|#)[^)]*)\)", text):
        at = tmp_path / Path(name).parent / target
        assert at.is_file() if picture else target.partition("#")[0][1:] in book.PAGES.values()
    assert "contact_sheet.jpg" in text


@pytest.mark.parametrize(
    "path", sorted(paths.notebooks_dir().glob("*.ipynb")), ids=lambda p: p.stem
)
def test_links_of_a_lesson_lead_somewhere(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    plain = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    targets = {link[2].partition("#")[0] for link in book.LINK.finditer(plain)}
    assert not {target for target in targets if not (path.parent / target).exists()}
