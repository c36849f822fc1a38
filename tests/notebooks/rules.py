"""What every lesson must keep to: each function of a notebook and its path lists the faults."""

import ast
import inspect
import itertools
import re
import statistics
import symtable
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from course_lib.tools.lessons import Value, read_parameters, verdicts

Rule = Callable[[NotebookNode, Path], list[str]]

MACHINE_PATHS = re.compile(
    r"/home/\w|/root/|/tmp/|/Users/\w|/private/var|/var/folders|/mnt/\w|/media/\w|site-packages"
    r"|\b[A-Za-z]:(\\+|/)Users\b"
)
HOSTS = re.compile(
    r"localhost|--(extra-)?index-url|pypi/simple|pypi\.org/simple|\.internal\b"
    r"|\b(127|10)(\.\d{1,3}){3}\b|\b192\.168(\.\d{1,3}){2}\b|\b172\.(1[6-9]|2\d|3[01])(\.\d{1,3}){2}\b"
)
MARKERS_OF_NBVAL = re.compile(r"#\s*(NBVAL_|PYTEST_VALIDATE_)")
FORBIDDEN_TAGS = {"nbval-skip", "nbval-raises-exception", "raises-exception", "injected-parameters"}
FIGURES = {"image/png", "image/jpeg"}  # what plots.show writes
IGNORED = "nbval-ignore-output"
REASON = re.compile(r"reason-[a-z0-9]+(-[a-z0-9]+)*")
QUESTION = re.compile(r"^\*\*(\d)\.\*\* ", re.MULTILINE)
OPTION = re.compile(r"<details><summary>(.+?)</summary>(Right|Wrong)\. \S.*?</details>")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
NO_ALT_TEXT = re.compile(r"!\[\s*\]\(|<img(?![^>]*\balt=)")
CAPTION = re.compile(r"\*\*Figure (\d+)\.\*\*\s+\S")


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook: NotebookNode) -> list[tuple[str, NotebookNode]]:
    """Code cells that hold code, each with what to call it in a message."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return [(f"code cell {number}", cell) for number, cell in enumerate(cells, start=1)]


def all_outputs(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    """Every output, with the name of its cell."""
    return ((where, out) for where, cell in code_cells(notebook) for out in cell.outputs)


def texts(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Every piece of text in sources and outputs; the bytes of pictures are none."""
    for number, cell in enumerate(notebook.cells, start=1):
        yield f"cell {number}", cell.source
        for output in cell.get("outputs", []):
            data = dict(output.get("data", {}))
            parts = [output.get(key, "") for key in ("text", "ename", "evalue")]
            parts += output.get("traceback", [])
            parts += [v for mime, v in data.items() if not re.match(r"image/(?!svg)", mime)]
            yield f"output of cell {number}", "\n".join(map(str, parts))


def names(cell: NotebookNode) -> list[ast.Name]:
    """Names in the code of a cell, in their order; lines such as ``%time`` are understood."""
    tree = ast.parse(TransformerManager().transform_cell(cell.source))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def prose(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def file_is_named_and_small(notebook: NotebookNode, path: Path) -> list[str]:
    """``NN_name.ipynb`` below 1.5 MB."""
    faults = [] if re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name) else [f"name {path.name}"]
    size = path.stat().st_size
    return faults + ([f"{size / 1e6:.2f} MB"] if size >= 1.5e6 else [])


def format_is_valid(notebook: NotebookNode, path: Path) -> list[str]:
    """Format 4.5 or later of nbformat's schema."""
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        return [f"format {notebook.nbformat}.{notebook.nbformat_minor}, needed is 4.5 (cell ids)"]
    faults = [str(e.message)[:200] for e in nbformat.validator.iter_validate(notebook)]
    ids = [cell.get("id") for cell in notebook.cells]
    return faults + (["two cells have the same id"] if len(set(ids)) < len(ids) else [])


def metadata_are_minimal(notebook: NotebookNode, path: Path) -> list[str]:
    """The kernel is python3, and nothing changes from machine to machine or from run to run."""
    name = notebook.metadata.get("kernelspec", {}).get("name")
    faults = [] if name == "python3" else [f"kernel {name!r}"]
    extra = set(notebook.metadata) - {"kernelspec", "language_info"}
    faults += [f"notebook: {key}" for key in extra]
    for number, cell in enumerate(notebook.cells, start=1):
        extra = set(cell.metadata) - {"tags", "jupyter"}
        extra |= {f"jupyter.{k}" for k in set(cell.metadata.get("jupyter", {})) - {"source_hidden"}}
        faults += [f"cell {number}: {key}" for key in extra]
    for where, output in all_outputs(notebook):
        faults += [f"output of {where}: {k}" for k in set(output.get("metadata", {})) - FIGURES]
    return sorted(faults)


def no_attachments_and_no_widgets(notebook: NotebookNode, path: Path) -> list[str]:
    """Pictures come from code or files; a saved widget shows nothing without its kernel."""
    cells = enumerate(notebook.cells, start=1)
    faults = [f"cell {number}: attachment" for number, cell in cells if cell.get("attachments")]
    shown = [(where, " ".join(out.get("data", {}))) for where, out in all_outputs(notebook)]
    faults += [f"{where}: widget" for where, mimes in shown if "widget" in mimes]
    return faults + ["notebook metadata: widgets"] * ("widgets" in notebook.metadata)


def executed_in_order(notebook: NotebookNode, path: Path) -> list[str]:
    """Counts 1 to n: run from the top in a fresh kernel. nbval skips cells that have no count."""
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    in_order = counts and counts == list(range(1, len(counts) + 1))
    return [] if in_order else [f"execution counts {counts}"]


def no_errors_and_no_warnings(notebook: NotebookNode, path: Path) -> list[str]:
    """No cell ended in an exception or printed to stderr."""
    outputs = list(all_outputs(notebook))
    faults = [f"{where}: {out.ename}" for where, out in outputs if out.output_type == "error"]
    printed = [(where, out.text) for where, out in outputs if out.get("name") == "stderr"]
    return faults + [f"{where}: {text[:100]!r}" for where, text in printed]


def no_machine_paths_and_no_hosts(notebook: NotebookNode, path: Path) -> list[str]:
    """No folder of whoever saved it, no address of a private network, no package index."""
    pairs = itertools.product((MACHINE_PATHS, HOSTS), texts(notebook))
    found = [(where, pattern.search(text)) for pattern, (where, text) in pairs]
    return [f"{where}: {match[0]!r}" for where, match in found if match]


def outputs_are_compared(notebook: NotebookNode, path: Path) -> list[str]:
    """What nbval does not compare, less than half, says why, and nothing is skipped."""
    faults = []
    for where, cell in code_cells(notebook):
        faults += [f"{where}: tag {tag}" for tag in tags(cell) if tag in FORBIDDEN_TAGS]
        if MARKERS_OF_NBVAL.search(cell.source):
            faults.append(f"{where}: a comment for nbval; use a tag")
        reasons = [tag for tag in tags(cell) if REASON.fullmatch(tag)]
        if IGNORED in tags(cell) and not reasons:
            faults.append(f"{where}: {IGNORED} without a tag reason-WHY")
        if reasons and IGNORED not in tags(cell):
            faults.append(f"{where}: {reasons[0]} without {IGNORED}")
    cells = [cell for _, cell in code_cells(notebook)]
    for what, among in (("code cells", cells), ("with output", [c for c in cells if c.outputs])):
        compared = sum(IGNORED not in tags(cell) for cell in among)
        if not among or 2 * compared < len(among):
            faults.append(f"only {compared} of {len(among)} {what} compared")
    return faults


def parameters_are_plain(notebook: NotebookNode, path: Path) -> list[str]:
    """One parameters cell, before other code reads them, of plain values and nothing else."""
    found = [cell for _, cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(found) != 1:
        return [f"{len(found)} cells are tagged parameters"]
    try:
        return [] if read_parameters(found[0].source) else ["no parameter"]
    except ValueError as error:
        return [str(error)]


def parameters_are_used(notebook: NotebookNode, path: Path) -> list[str]:
    """A later cell reads each parameter, and none sets it anew."""
    cells = code_cells(notebook)
    place = next((i for i, (_, cell) in enumerate(cells) if "parameters" in tags(cell)), None)
    if place is None:
        return ["no cell is tagged parameters"]
    given = {node.id for node in names(cells[place][1]) if isinstance(node.ctx, ast.Store)}
    later = [(where, node) for where, cell in cells[place + 1 :] for node in names(cell)]
    read = {node.id for _, node in later if isinstance(node.ctx, ast.Load)}
    faults = [f"{name} is never used" for name in sorted(given - read)]
    anew = {(w, n.id) for w, n in later if isinstance(n.ctx, ast.Store) and n.id in given}
    return faults + [f"{where} sets {name} anew" for where, name in sorted(anew)]


def functions_keep_their_names(notebook: NotebookNode, path: Path) -> list[str]:
    """No cell gives the name of an earlier cell's function to something else: readers call it."""
    defined, faults = {}, []
    for where, cell in code_cells(notebook):
        source = TransformerManager().transform_cell(cell.source)
        for symbol in symtable.symtable(source, where, "exec").get_symbols():
            if symbol.is_namespace():
                defined[symbol.get_name()] = where
            elif symbol.is_assigned() and symbol.get_name() in defined:
                name = symbol.get_name()
                faults.append(f"{where} overwrites {name}, which {defined[name]} defines")
    return faults


def figures_have_alt_text(notebook: NotebookNode, path: Path) -> list[str]:
    """Figures come from ``course_lib.plots.show`` with a full description."""
    faults = []
    for where, output in all_outputs(notebook):
        data = output.get("data", {})
        if "<img" in str(data.get("text/html", "")):
            faults.append(f"{where}: a picture inside HTML")
        for mime in (mime for mime in data if mime.startswith("image/")):
            alt = output.metadata.get(mime, {}).get("alt", "")
            if mime not in FIGURES or output.output_type != "display_data":
                faults.append(f"{where}: {mime} as {output.output_type}, not through plots.show")
            elif len(alt) < 20 or alt.startswith("<Figure"):
                faults.append(f"{where}: alt text {alt!r}")
            elif data.get("text/plain") != alt:
                faults.append(f"{where}: text/plain is not the alt text")
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown" and NO_ALT_TEXT.search(cell.source):
            faults.append(f"cell {number}: a picture without alt text")
    return faults


def figures_have_captions(notebook: NotebookNode, path: Path) -> list[str]:
    """Between a figure and the next code stands ``**Figure N.**``, N counting from 1."""
    faults: list[str] = []
    figures, captions = 0, 0
    for cell in [*notebook.cells, None]:
        if (cell is None or cell.cell_type == "code") and captions != figures:
            faults.append(f"{figures} figures but {captions} captions so far")
            figures = captions
        if cell is not None and cell.cell_type == "code":
            data = [output.get("data", {}) for output in cell.outputs]
            figures += sum(any(mime.startswith("image/") for mime in item) for item in data)
        elif cell is not None:
            for number in CAPTION.findall(cell.source):
                captions += 1
                if int(number) != captions:
                    faults.append(f"caption {captions} is numbered {number}")
    return faults


def code_is_in_small_pieces(notebook: NotebookNode, path: Path) -> list[str]:
    """At most 25 lines a cell, half of the cells at most 15."""
    lengths = {where: len(cell.source.splitlines()) for where, cell in code_cells(notebook)}
    faults = [f"{where}: {length} lines" for where, length in lengths.items() if length > 25]
    middle = statistics.median(lengths.values()) if lengths else 0
    return faults + ([f"median {middle:g} lines"] if middle > 15 else [])


def frame_is_complete(notebook: NotebookNode, path: Path) -> list[str]:
    """Title, what one learns, needs and how long; recap and further reading."""
    first = notebook.cells[0] if notebook.cells else {"cell_type": "none", "source": ""}
    faults = []
    if first["cell_type"] != "markdown" or not re.match(r"# \S", first["source"]):
        faults.append("the first cell does not begin with a title '# …'")
    before_code = itertools.takewhile(lambda cell: cell.cell_type != "code", notebook.cells)
    opening = "\n".join(cell.source for cell in before_code)
    lines = [line for text in prose(notebook) for line in FENCED.sub("", text).splitlines()]
    found = [line.strip() for line in lines if re.match(r"#+ ", line)]
    wanted = ("**You will learn**", "**You need**", "**Time**")
    faults += [f"no {text} before the first code" for text in wanted if text not in opening]
    faults += [f"no heading {h!r}" for h in ("## Recap", "## Going further") if h not in found]
    titles = [heading for heading in found if heading.startswith("# ")]
    return faults + ([f"{len(titles)} titles"] if len(titles) > 1 else [])


def quiz_answers_every_option(notebook: NotebookNode, path: Path) -> list[str]:
    """A quick quiz has three questions, each with three options or more, one of them right."""
    _, found, text = "\n".join(prose(notebook)).partition("## Quick quiz\n")
    if not found:
        return []
    _, *parts = QUESTION.split(text.partition("\n## ")[0])
    faults = [] if parts[::2] == ["1", "2", "3"] else [f"questions {parts[::2]}, not 1, 2, 3"]
    for number, question in zip(parts[::2], parts[1::2], strict=True):
        said = [verdict for _, verdict in OPTION.findall(question)]
        if len(said) != question.count("<details>") or len(said) < 3 or said.count("Right") != 1:
            faults.append(f"question {number}: the options are {said}")
    return faults


def it_is_short(notebook: NotebookNode, path: Path) -> list[str]:
    """At most 70 cells, 350 lines of code of 88 columns, 2,700 words, four verdicts, five facts."""
    said = "".join(output.get("text", "") for _, output in all_outputs(notebook))
    facts = re.findall(r": (?:True|False)$", said, re.MULTILINE)
    code = "\n".join(cell.source for _, cell in code_cells(notebook))
    solutions = re.findall(r"```python\n(.*?)```", "\n".join(prose(notebook)), re.DOTALL)
    wide = sum(len(line) > 88 for line in "\n".join([code, *solutions]).split("\n"))
    words = len(" ".join(prose(notebook)).split())
    found = [(len(notebook.cells), 70, "cells"), (code.count("\n") + 1, 350, "lines of code")]
    found += [(words, 2700, "words of prose"), (len(facts), 5, "facts: True or False")]
    found += [(len(verdicts(notebook)), 4, "verdicts"), (wide, 0, "lines of code over 88 columns")]
    return [f"{n} {what}, at most {most}" for n, most, what in found if n > most]


def preset_faults(presets: dict[str, dict], lessons: dict[str, dict[str, Value]]) -> list[str]:
    """List values in ``presets.toml`` that no lesson would receive, or of the wrong type."""
    faults = []
    for preset, tables in presets.items():
        for key, table in tables.items():
            if key == "cell_timeout":  # for the runner, not for the lessons
                continue
            among = [v for name, v in lessons.items() if key in ("all", name[:2])]
            for name, value in table.items() if isinstance(table, dict) else [(key, table)]:
                defaults = [values[name] for values in among if name in values]
                if not defaults:
                    faults.append(f"{preset}.{key}: no lesson has a parameter {name!r}")
                for default in defaults:
                    allowed = {type(default), int} if type(default) is float else {type(default)}
                    if type(value) not in allowed:
                        faults.append(f"{preset}.{key}: {name} = {value!r}, default {default!r}")
            if not among:
                faults.append(f"{preset}.{key}: no such lesson")
    return faults


FUNCTIONS = [one for one in [*vars().values()] if inspect.isfunction(one)]
RULES = [f for f in FUNCTIONS if [*inspect.signature(f).parameters] == ["notebook", "path"]]
