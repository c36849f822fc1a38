"""The functions that lessons write out, for the tests to import."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from course_lib.paths import notebooks_dir
from course_lib.runner import read_parameters

KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def definitions(number: str, **values: object) -> SimpleNamespace:
    """Parameters, imports, functions, classes and CONSTANTS of a lesson, without its experiments.

    ``number`` is the lesson's, such as ``"02"``; ``values`` are given to its functions as globals,
    for those that read something the lesson computed, and win over its parameters.
    """
    (path,) = notebooks_dir().glob(f"{number}_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    transform = TransformerManager().transform_cell
    kept: list[ast.stmt] = []
    namespace: dict[str, object] = {"__name__": f"lesson_{number}", **values}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if "parameters" in cell.metadata.get("tags", []):
            namespace = {**read_parameters(cell.source), **namespace}
        nodes = ast.parse(transform(cell.source)).body
        kept += [node for node in nodes if isinstance(node, KEPT) or _is_constant(node)]
    exec(compile(ast.Module(kept, []), path.name, "exec"), namespace)
    return SimpleNamespace(**namespace)


def _is_constant(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id.isupper() for target in targets)
