"""The functions that lessons write out, and their exercises, for the tests to import."""

import ast
import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.datasets import course_root
from course_lib.tools.lessons import KERNEL, read_parameters

IMPORTS = (ast.Import, ast.ImportFrom)
KEPT = (*IMPORTS, ast.FunctionDef, ast.ClassDef)
SOLUTION = re.compile(r"<summary>Solution</summary>\s*```python\n(.*?)```", re.DOTALL)
STUB = re.compile(r"^checks\.lesson_(\d\d)\.(\w+)\(", re.MULTILINE)


def imports(number: str) -> dict[str, object]:
    return _executed(number, [node for node in _nodes(number) if isinstance(node, IMPORTS)], {})


def definitions(number: str, **values: object) -> SimpleNamespace:
    """Parameters, imports, functions, classes and CONSTANTS of a lesson, without its experiments.

    ``values`` are globals of its functions, such as results they read; they win over parameters.
    """
    kept = [node for node in _nodes(number) if isinstance(node, KEPT) or _is_constant(node)]
    cells = [cell for cell in _code(number) if "parameters" in cell.metadata.get("tags", [])]
    parameters = read_parameters("\n".join(cell.source for cell in cells))
    return SimpleNamespace(**_executed(number, kept, {**parameters, **values}))


def exercises(number: str) -> dict[str, SimpleNamespace]:
    """By name of the check: the stub, its place from 0, its call, and the solution shown below."""
    cells, found = _cells(number), {}
    for place, cell in enumerate(cells[:-1]):
        if cell.cell_type == "code" and (match := STUB.search(cell.source)):
            call, solution = cell.source[match.start() :], SOLUTION.search(cells[place + 1].source)
            shown = {"stub": cell.source, "call": call, "solution": solution[1]}
            found[match[2]] = SimpleNamespace(place=place, **shown)
    return found


def wrong_answers(number: str) -> dict[str, list[tuple[str, str]]]:
    return importlib.import_module(f"answers_{number}").WRONG


def write_notebook(path: Path, *cells: nbformat.NotebookNode | str) -> Path:
    """Save a notebook of cells, or of code for them."""
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=made, metadata={"kernelspec": KERNEL}), path)
    return path


def _cells(number: str) -> list[nbformat.NotebookNode]:
    (path,) = (course_root() / "notebooks").glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4).cells


def _code(number: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in _cells(number) if cell.cell_type == "code"]


def _nodes(number: str) -> list[ast.stmt]:
    transform = TransformerManager().transform_cell
    return [node for cell in _code(number) for node in ast.parse(transform(cell.source)).body]


def _executed(number: str, nodes: list[ast.stmt], values: dict) -> dict[str, object]:
    namespace = {"__name__": f"lesson_{number}", **values}
    exec(compile(ast.Module(nodes, []), f"lesson {number}", "exec"), namespace)
    return namespace


def _is_constant(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id.isupper() for target in targets)
