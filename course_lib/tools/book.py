"""A book of the lessons: a site with contents, search and a dark mode that needs no network.

`Sphinx <https://www.sphinx-doc.org>`_ makes the pages, `MyST-NB <https://myst-nb.readthedocs.io>`_
reads the notebooks as they were executed. Ours are the texts of figures, formulas that need no
script from elsewhere, and links where one lesson names another. Sphinx calls ``setup``.
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
from sphinx.util.console import strip_escape_sequences
from sphinx.util.docutils import docutils_namespace, patch_docutils

from course_lib import datasets
from course_lib.tools.lessons import LESSON_PATTERN, TEMPLATES

PACKAGES = ("sphinx_book_theme", "myst_nb", "sphinx_copybutton")  # what templates/conf.py names
PAGES = {"README.md": "index.md", "data/README.md": "data/README.md"}  # beside the lessons
MARKER = "searchindex.js"  # what every book holds
LINK = re.compile(r"!?\[([^\[\]]*)\]\((?!https?:|mailto:|#)([^()\s]+)\)")
MENTION = re.compile(r"\b([Ll]essons? \d\d(?:(?:, and |, | and | or | to )\d\d)*)\b")


def build(lessons: Path, output: Path) -> list[str]:
    """Make a site of executed lessons, in place of an earlier one; return Sphinx's warnings."""
    for package in PACKAGES:
        importlib.import_module(package)
    notebooks = sorted(lessons.glob(LESSON_PATTERN))
    if not notebooks:
        raise ValueError(f"no lesson in {lessons}: expected files such as 08_my_lesson.ipynb.")
    output = output.resolve()
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file: give a folder for the book.")
    if output.exists() and any(output.iterdir()) and not (output / MARKER).exists():
        raise ValueError(f"{output} holds other files than a book: give another folder.")
    with datasets.written_whole(output) as site:
        source = site.with_name(f"{site.name}-source")
        _gather(notebooks, source)
        complaints = _run_sphinx(source, site)
        if output.exists():
            shutil.rmtree(output)
    return complaints


def _gather(notebooks: list[Path], source: Path) -> None:
    """Copy what becomes a page, in the layout of the course, and tell MyST-NB the alt texts."""
    for folder in ("notebooks", "data"):
        (source / folder).mkdir(parents=True)
    for path in notebooks:
        try:
            notebook = json.loads(path.read_text(encoding="utf-8"))
            for cell in notebook["cells"]:
                shown = [output.get("metadata", {}) for output in cell.get("outputs", [])]
                about = [mime for metadata in shown for mime in metadata.values()]
                if texts := [mime["alt"] for mime in about if "alt" in mime]:
                    cell["metadata"]["mystnb"] = {"image": {"alt": " ".join(texts)}}
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ValueError(f"{path} cannot be read as a notebook: {error!r}") from None
        text = json.dumps(notebook).replace("](../README.md", "](../index.md")
        (source / "notebooks" / path.name).write_text(text, encoding="utf-8")
    names = {f"notebooks/{path.name}": f"notebooks/{path.name}" for path in notebooks} | PAGES
    for old, new in PAGES.items():
        text = _readable(old, names, source)
        if new == "index.md":
            lessons = "\n".join(f"notebooks/{path.stem}" for path in notebooks)
            for caption, entries in (("Lessons", lessons), ("Data", "data/README")):
                text += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"
        (source / new).write_text(text, encoding="utf-8")


def _readable(page: str, names: dict[str, str], source: Path) -> str:
    """Text of a page of the course, with links to what is in the book, and pictures beside it."""
    root = datasets.course_root()

    def kept(link: re.Match[str]) -> str:
        path, _, anchor = link[2].partition("#")
        target = normpath(PurePosixPath(page).parent / path)
        if link[0].startswith("!"):
            (source / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / target, source / target)
            return link[0]
        if target not in names:  # code, or a lesson that is not among these
            return link[1]
        return f"[{link[1]}](/{names[target]}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(kept, (root / page).read_text(encoding="utf-8"))


def _run_sphinx(source: Path, site: Path) -> list[str]:
    """Make the pages; return Sphinx's warnings."""
    said, doctrees = io.StringIO(), site.with_name(f"{site.name}-doctrees")
    with docutils_namespace(), patch_docutils(), warnings.catch_warnings():
        for outdated in (DeprecationWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", outdated)
        app = Sphinx(source, TEMPLATES, site, doctrees, "html", status=None, warning=said)
        app.build()
    text = strip_escape_sequences(said.getvalue()).replace(f"{source.as_posix()}/", "")
    return [line for line in text.splitlines() if line.strip()]


def setup(app: Sphinx) -> None:
    """Add to Sphinx what the book needs."""
    app.add_html_math_renderer("mathml", (_write_formula, None), (_write_formula, None))
    app.connect("doctree-read", _link_lessons)


def _write_formula(writer: Any, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers show by themselves."""
    block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=block)
    writer.body.append(formula if block else formula.replace("<math", '<math display="inline"', 1))
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
