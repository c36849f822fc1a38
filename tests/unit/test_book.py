"""The book, made of two tiny lessons; and what the real lessons need of it."""

import base64
import hashlib
import json
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from docutils.utils.math.latex2mathml import tex2mathml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.datasets import course_root
from course_lib.tools import book, cli

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
ALT = 'One <black> pixel, "alone" in the middle.'
PROSE = """# 01 · Count the ants

You need lessons 01, and 02, the [data card](../data/README.md) and the [front page](../README.md).
In `lesson 02` nothing is a link; lesson 99 does not exist, nor lesson 2, lesson 020 or **02** ants.

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
    """The site of two lessons, in the second of which a link leads nowhere."""
    folder = tmp_path_factory.mktemp("course")
    figure = new_output("display_data", {"image/png": PNG, "text/plain": ALT})
    figure.metadata = {"image/png": {"alt": ALT}}
    table = "| result | value |\n|---|---|\n| ants | 7 |"
    numbers = {"text/markdown": table, "text/plain": table}
    lesson(folder, "01_ants", PROSE, figure, new_output("display_data", numbers))
    lesson(folder, "02_bees", "# 02 · Count the bees\n\nAs in lessons 01 to 02.\n\n[Lost](lost.md)")
    (folder / "zh").mkdir()
    lesson(folder / "zh", "01_ants", "# 01 · 数蚂蚁\n\n见第 01 和 02 课。")
    lesson(folder / "zh", "02_bees", "# 02 · 数蜜蜂\n\n[数据](../../data/README.md)")
    (warning,) = book.build(folder, folder / "site")
    assert warning.startswith("notebooks/02_bees.ipynb:") and "lost.md" in warning
    there = {path.name for path in folder.iterdir()}
    assert there == {"01_ants.ipynb", "02_bees.ipynb", "site", "zh"}
    return folder / "site"


def page(file: Path) -> BeautifulSoup:
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


def test_the_contents_lead_to_every_lesson_and_the_search_knows_its_words(built: Path) -> None:
    front = page(built / "index.html")
    assert {a["href"]: a.text.strip() for a in front.select("nav.bd-links a")} == {
        "notebooks/01_ants.html": "01 · Count the ants",
        "notebooks/02_bees.html": "02 · Count the bees",
        "data/README.html": "The pictures of this course",
    }
    assert front.title.text.startswith("Transfer learning")
    text = (built / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    number = index["docnames"].index("notebooks/02_bees")
    hits = [index[table].get("bee", []) for table in ("terms", "titleterms")]
    assert number in hits or any(number in found for found in hits if isinstance(found, list))
    assert (built / "search.html").is_file()


def test_every_page_leads_to_the_same_page_in_the_other_language(built: Path) -> None:
    for file in (*built.glob("*/*.html"), *built.glob("zh/*/*.html"), built / "zh" / "index.html"):
        if "_static" not in file.parts and file.name not in ("search.html", "genindex.html"):
            (link,) = page(file).select("article p.language a")
            other = (file.parent / link["href"]).resolve()
            assert other.name == file.name and other.exists()
            assert page(other).html["lang"][:2] == link["hreflang"]
    chinese = page(built / "zh" / "notebooks" / "01_ants.html")
    assert [a["href"] for a in chinese.select("article p a")][1:] == ["02_bees.html"]
    assert chinese.title.text.endswith("动手学迁移学习")
    index = (built / "zh" / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
    assert {"蚂蚁", "数蜜"} <= (index["terms"] | index["titleterms"]).keys()
    assert "splitQuery" in (built / "zh" / "_static" / "language_data.js").read_text()


def test_pages_load_nothing_from_elsewhere_and_name_only_files_that_are_there(built: Path) -> None:
    for file in (file for file in built.rglob("*.html") if "_static" not in file.parts):
        for tag in page(file).select("[src], [href]"):
            address = (tag.get("src") or tag["href"]).partition("#")[0].partition("?")[0]
            if re.match(r"(https?:)?//", address):
                assert tag.name == "a", f"{file.name} loads {address}"
            elif address and not address.startswith("data:"):
                assert (file.parent / address).exists(), f"{file.name}: {address}"
    for file in built.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""(url\(|@import )\s*["']?(https?:)?//""", text), file.name
    scripts = [file.name.lower() for file in built.rglob("*.js")]
    assert not [name for name in scripts if "mathjax" in name or "require" in name]


def test_a_page_shows_figures_tables_folds_formulas_links_and_copy_buttons(built: Path) -> None:
    soup = page(built / "notebooks" / "01_ants.html")
    (image,), (table,), (fold,) = map(soup.select, (".cell_output img", "table", "details"))
    assert image["alt"] == ALT
    file = built / "notebooks" / image["src"]
    assert file.read_bytes() == base64.b64decode(PNG)
    assert file.stem == hashlib.sha256(file.read_bytes()).hexdigest()  # what the texts go by
    assert [cell.text.strip() for cell in table.select("td")] == ["ants", "7"]
    assert fold.summary.text == "Solution" and fold.select(".highlight-python pre")
    inline, block = soup.select("math")
    assert (inline["display"], block["display"]) == ("inline", "block")
    assert "𝒟" in inline.text and block.select("mfrac")
    assert all(map(soup.select, ("[href*='book.css']", "[src*='book.js']", "[src*='copybutton']")))
    assert "data-mode" in str(soup.html)  # light, dark, or as the system is
    links = [(a.text, a["href"]) for a in soup.select("article p a")]
    assert links[:2] == [("中文", "../zh/notebooks/01_ants.html"), ("02", "02_bees.html")]
    assert links[2:] == [("data card", "../data/README.html"), ("front page", "../index.html")]
    back = page(built / "notebooks" / "02_bees.html").select("article p a")[1]
    assert (back.text, back["href"]) == ("01", "01_ants.html")


def test_the_command_replaces_an_earlier_book(tmp_path: Path, monkeypatch, capsys) -> None:
    def write(source: Path, site: Path, *_: object) -> list[str]:
        site.mkdir()
        (site / book.MARKER).write_text(str(len(list(source.glob("notebooks/*.ipynb")))))
        return ["page: something"] if (source / "notebooks" / "09_odd.ipynb").exists() else []

    monkeypatch.setattr(book, "_run_sphinx", write)  # only files matter here
    site, saved = tmp_path / "new" / "site", sorted(course_root().glob("notebooks/*.ipynb"))
    command = ["book", "--output", str(site)]
    assert cli.main(command) == 0
    assert capsys.readouterr() == (f"book: {site / 'index.html'}\n", "")
    assert (site / book.MARKER).read_text() == str(len(saved))  # the saved lessons are the default
    (site / "stale.html").touch()
    lesson(tmp_path, "09_odd", "# Odd")
    assert cli.main([*command, "--lessons", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "page: something\n"
    assert [path.name for path in site.iterdir()] == [book.MARKER]  # of one language


def test_what_cannot_be_built_is_said_in_one_line(tmp_path: Path, capsys) -> None:
    empty, full, broken = (tmp_path / name for name in ("empty", "full", "broken"))
    for folder in (empty, full, broken):
        folder.mkdir()
    (full / "thesis.txt").write_text("four years")
    lesson(full, "01_ants", "# Ants")
    (broken / "01_ants.ipynb").write_text('{"cells": [{"outputs": 3}]}')
    for lessons, output, message in (
        (empty, tmp_path / "site", "no lesson in"),
        (full, full, "holds other files than a book"),
        (full, full / "thesis.txt", "is a file"),
        (broken, tmp_path / "site", "cannot be read as a notebook"),
    ):
        assert cli.main(["book", "--lessons", str(lessons), "--output", str(output)]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1) and message in said.err
    assert (full / "thesis.txt").read_text() == "four years"
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "full", "broken"}


@pytest.mark.parametrize("name", ["README.md", "data/README.md"])
def test_pages_of_the_course_keep_pictures_and_lose_links_to_code(name: str, tmp_path) -> None:
    text, pages = (course_root() / name).read_text(encoding="utf-8"), book.PAGES["en"]
    text = book._readable(text, name, pages, tmp_path)
    for picture, target in re.findall(r"(!?)\[[^\]]*\]\(((?!https?:|#)[^)]*)\)", text):
        there = target.partition("#")[0][1:]
        assert (tmp_path / there).is_file() or (not picture and there in pages.values())
    assert re.search(r"!\[.+\]\(/", text)


@pytest.mark.parametrize("path", sorted(course_root().glob("notebooks/*.ipynb")), ids=str)
def test_links_of_a_lesson_lead_somewhere_and_its_formulas_can_be_shown(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    plain = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    targets = {link[2].partition("#")[0] for link in book.LINK.finditer(plain)}
    assert not {target for target in targets if not (path.parent / target).exists()}
    for block, inline in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", plain, flags=re.DOTALL):
        assert tex2mathml(block or inline).startswith("<math")
