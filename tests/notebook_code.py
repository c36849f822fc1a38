"""The functions that lessons write out, for the tests to import."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from course_lib.paths import notebooks_dir

KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def definitions(number: str, **values: object) -> SimpleNamespace:
    """Imports, functions, classes and CONSTANTS of a lesson, without running its experiments.

    ``number`` is the lesson's, such as ``"02"``; ``values`` are given to its functions as globals,
    for those that read something the lesson computed.
    """
    (path,) = notebooks_dir().glob(f"{number}_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    transform = TransformerManager().transform_cell
    nodes = [node for source in sources for node in ast.parse(transform(source)).body]
    kept = [node for node in nodes if isinstance(node, KEPT) or _is_constant(node)]
    namespace: dict[str, object] = {"__name__": f"lesson_{number}", **values}
    exec(compile(ast.Module(kept, []), path.name, "exec"), namespace)
    return SimpleNamespace(**namespace)


def _is_constant(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id.isupper() for target in targets)
