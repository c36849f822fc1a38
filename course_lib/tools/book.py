"""A book of the lessons: a site with contents, search and a dark mode that needs no network.

`Sphinx <https://www.sphinx-doc.org>`_ makes the pages, `MyST-NB <https://myst-nb.readthedocs.io>`_
reads the notebooks as they were executed. Ours are the texts of figures, formulas that need no
script from elsewhere, links where one lesson names another, and a search in Chinese.
"""

import importlib
import io
import json
import re
import shutil
import warnings
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.search import SearchLanguage
from sphinx.util.console import strip_escape_sequences
from sphinx.util.docutils import docutils_namespace, patch_docutils

from course_lib import datasets
from course_lib.tools.lessons import LESSON_PATTERN, TEMPLATES

PACKAGES = ("sphinx_book_theme", "myst_nb", "sphinx_copybutton")  # what templates/conf.py names
FRONT = {"en": "README.md", "zh": "notebooks/zh/README.md"}
PAGES = {n: {page: "index.md", "data/README.md": "data/README.md"} for n, page in FRONT.items()}
NAMES = {"en": "English", "zh": "中文"}
TITLES = {"en": "Transfer learning, hands on", "zh": "动手学迁移学习"}
WORDS = {"en": ("Lessons", "Data"), "zh": ("课程", "数据")}
MARKER = "searchindex.js"  # what every book holds
LINK = re.compile(r"!?\[([^\[\]]*)\]\((?!https?:|mailto:|#)([^()\s]+)\)")
MENTION = re.compile(
    r"(\b[Ll]essons? \d\d(?:(?:, and |, | and | or | to )\d\d)*\b"
    r"|第 \d\d(?:(?:、| 和 | 至 )\d\d)* 课)"
)


def build(lessons: Path, output: Path, language: str = "en") -> list[str]:
    """Make a site of executed lessons, in place of an earlier one; return Sphinx's warnings.

    Of the saved lessons, both languages: ``language`` in front, the other in a folder of its name,
    and a switch between them on every page.
    """
    for package in PACKAGES:
        importlib.import_module(package)
    folders = {"en": lessons, "zh": lessons / "zh"} if (lessons / "zh").exists() else {}
    order = sorted(folders, key=language.__ne__) or [language]
    notebooks = {name: sorted(folders.get(name, lessons).glob(LESSON_PATTERN)) for name in order}
    if not all(notebooks.values()):
        raise ValueError(f"no lesson in {lessons}: expected files such as 08_my_lesson.ipynb.")
    output = output.resolve()
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file: give a folder for the book.")
    if output.exists() and any(output.iterdir()) and not (output / MARKER).exists():
        raise ValueError(f"{output} holds other files than a book: give another folder.")
    with datasets.written_whole(output) as site:
        complaints = []
        for name in order:
            source = site.with_name(f"{site.name}-source-{name}")
            _gather(notebooks[name], source, name)
            there = site if name == order[0] else site / name
            complaints += _run_sphinx(source, there, name, order)
        if output.exists():
            shutil.rmtree(output)
    return complaints


def _gather(notebooks: list[Path], source: Path, language: str) -> None:
    """Copy what becomes a page, in the layout of the course, and tell MyST-NB the alt texts."""
    for folder in ("notebooks", "data"):
        (source / folder).mkdir(parents=True)
    home = "notebooks/" if language == "en" else f"notebooks/{language}/"
    names = {f"{home}{p.name}": f"notebooks/{p.name}" for p in notebooks} | PAGES[language]
    for path in notebooks:
        try:
            notebook = json.loads(path.read_text(encoding="utf-8"))
            for cell in notebook["cells"]:
                if cell["cell_type"] == "markdown":
                    text = "".join(cell["source"])
                    cell["source"] = _readable(text, f"{home}{path.name}", names, source)
                shown = [output.get("metadata", {}) for output in cell.get("outputs", [])]
                about = [mime for metadata in shown for mime in metadata.values()]
                if texts := [mime["alt"] for mime in about if "alt" in mime]:
                    cell["metadata"]["mystnb"] = {"image": {"alt": " ".join(texts)}}
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ValueError(f"{path} cannot be read as a notebook: {error!r}") from None
        (source / "notebooks" / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    for old, new in PAGES[language].items():
        text = (datasets.course_root() / old).read_text(encoding="utf-8")
        text = _readable(text, old, names, source)
        if new == "index.md":
            lessons = "\n".join(f"notebooks/{path.stem}" for path in notebooks)
            for caption, entries in zip(WORDS[language], (lessons, "data/README"), strict=True):
                text += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"
        (source / new).write_text(text, encoding="utf-8")


def _readable(text: str, page: str, names: dict[str, str], source: Path) -> str:
    """Text of a page of the course, with links to what is in the book, and files beside it."""
    root = datasets.course_root()

    def kept(link: re.Match[str]) -> str:
        path, _, anchor = link[2].partition("#")
        target = normpath(PurePosixPath(page).parent / path)
        beside = link[0].startswith("!") or target.endswith((".py", ".csv"))
        if beside and (root / target).exists():
            (source / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / target, source / target)
            return f"{link[0].partition('(')[0]}(/{target})"
        if target not in names:  # code, or a lesson that is not among these; or nothing
            return link[1] if (root / target).exists() else link[0]
        return f"[{link[1]}](/{names[target]}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(kept, text)


def _run_sphinx(source: Path, site: Path, language: str, order: list[str]) -> list[str]:
    """Make the pages; return Sphinx's warnings."""
    said, doctrees = io.StringIO(), source.with_name(f"{source.name}-doctrees")
    with docutils_namespace(), patch_docutils(), warnings.catch_warnings():
        for outdated in (DeprecationWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", outdated)
        how = {"language": {"zh": "zh_CN"}.get(language, language), "languages": order}
        how |= {"html_title": TITLES[language]}
        app = Sphinx(source, TEMPLATES, site, doctrees, "html", how, status=None, warning=said)
        app.build()
    text = strip_escape_sequences(said.getvalue()).replace(f"{source.as_posix()}/", "")
    return [line for line in text.splitlines() if line.strip()]


def setup(app: Sphinx) -> None:
    """Add to Sphinx, which calls this, what the book needs."""
    app.add_html_math_renderer("mathml", (_write_formula, None), (_write_formula, None))
    app.add_config_value("languages", [], "html", list)
    app.add_search_language(Chinese)
    app.connect("doctree-read", _link_lessons)
    app.connect("html-page-context", _switch_language)


class Chinese(SearchLanguage):
    """Search by pairs of characters, which need no dictionary, and by Latin words."""

    lang, language_name = "zh", "Chinese"
    js_splitter_code = """var splitQuery = (query) => query.match(/[\\p{sc=Han}]+|\\w+/gu)?.flatMap(
  (run) => /\\p{sc=Han}/u.test(run) && run.length > 1
    ? [...run].slice(1).map((_, i) => run.slice(i, i + 2)) : [run]) ?? [];"""

    def split(self, input: str) -> list[str]:
        """Words of a text."""
        runs = re.findall(r"[\u4e00-\u9fff]+|\w+?(?=[\u4e00-\u9fff]|\b)", input)
        han = [run for run in runs if "\u4e00" <= run[0] <= "\u9fff"]
        pairs = [run[i : i + 2] for run in han for i in range(len(run) - 1)]
        return pairs + [run for run in runs if run not in han]

    def word_filter(self, word: str) -> bool:
        """Whether a word is worth to be found."""
        return len(word) > 1


def _switch_language(app: Sphinx, page: str, _: str, context: dict, doctree: Any) -> None:
    """Put a link to the same page in the other language on top of it."""
    if doctree is None or len(app.config.languages) < 2:
        return
    front, other = app.config.languages
    here = app.config.language[:2]
    up, there = "../" * page.count("/"), other if here == front else front
    address = f"{up}{other}/{page}.html" if here == front else f"{up}../{page}.html"
    link = f'<a href="{address}" hreflang="{there}" lang="{there}">{NAMES[there]}</a>'
    context["body"] = f'<p class="language">{link}</p>{context["body"]}'


def _write_formula(writer: Any, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers show by themselves."""
    block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=block)
    about = 'tabindex="0"' if block else 'display="inline"'  # a wide one scrolls
    writer.body.append(formula.replace("<math", f"<math {about}", 1))
    raise nodes.SkipNode


def _link_lessons(app: Sphinx, page: nodes.document) -> None:
    """Make links of the numbers in "lesson 08" and "lessons 02 to 06"."""
    here, found = app.env.docname, app.env.found_docs
    lessons = {Path(name).name[:2]: name for name in found if name.startswith("notebooks/")}
    untouched = (nodes.reference, nodes.literal, nodes.title, nodes.math, nodes.FixedTextElement)
    outside = [node for node in page.findall() if isinstance(node, untouched)]
    skipped = {id(text) for node in outside for text in node.findall(nodes.Text)}
    for text in [text for text in page.findall(nodes.Text) if id(text) not in skipped]:
        pieces: list[nodes.Node] = []
        for place, part in enumerate(MENTION.split(str(text))):  # mentions stand at odd places
            for piece in re.split(r"(\d\d)", part) if place % 2 else [part]:
                name = lessons.get(piece, here) if place % 2 else here
                address = app.builder.get_relative_uri(here, name)
                link = nodes.reference("", piece, refuri=address, internal=True)
                pieces.append(nodes.Text(piece) if name == here else link)
        text.parent.replace(text, pieces)
