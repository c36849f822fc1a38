"""The rooms of the library: how large they may grow, and who may import whom."""

import ast
import re
from pathlib import Path

import pytest

import course_lib
from course_lib.datasets import course_root

LIBRARY = Path(course_lib.__file__).parent
CORE = sorted(LIBRARY.glob("*.py"))
ALLOWED = {  # who may import from which rooms of the library
    "core": {"core"},
    "checks": {"core", "checks"},
    "tools": {"core", "checks", "tools"},
}
LINES = {"course_lib/*.py": 1500, "course_lib/checks/*.py": 2000, "course_lib/tools/**/*.py": 2000}
LINES |= {"tests/benchmarks/*.py": 1200, "tests/**/*.py": 10_000}


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def room(module: str) -> str:
    part = f"{module}.".split(".")[1]
    return part if part in ALLOWED else "core"


def imported(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "course_lib":
            found |= {f"course_lib.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "course_lib")
    return {name for name in found if f"{name}.".startswith("course_lib.")}


@pytest.mark.parametrize(("pattern", "most"), LINES.items())
def test_each_room_stays_small(pattern: str, most: int) -> None:
    assert sum(map(lines, course_root().glob(pattern))) <= most


def test_each_file_of_the_core_is_small_and_the_map_names_it_after_those_it_imports() -> None:
    assert {path.name: lines(path) for path in CORE if lines(path) > 250} == {}
    order = re.findall(r"^``(\w+)``  ", course_lib.__doc__, flags=re.MULTILINE)
    files = {path.stem: path.read_text(encoding="utf-8") for path in CORE}
    assert sorted(order) == sorted(files.keys() - {"__init__", "__main__"})
    for place, name in enumerate(order):
        assert imported(files[name]) <= {f"course_lib.{above}" for above in order[:place]}


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=str)
def test_imports_lead_downward(path: Path) -> None:
    if path.name == "__main__.py":  # the one door from outside
        return
    here = room(".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts))
    used = imported(path.read_text(encoding="utf-8"))
    assert {name for name in used if room(name) not in ALLOWED[here]} == set()


def test_the_drawing_shows_the_house() -> None:
    arrows = {
        f"    {room(here) if room(here) != 'core' else path.stem} --> {name.split('.')[1]}"
        for path in LIBRARY.rglob("[!_]*.py")
        for here in [".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts)]
        for name in imported(path.read_text(encoding="utf-8"))
        if room(name) == "core" or room(name) != room(here)
    }
    drawing = "\n".join(["```mermaid", "graph TD", *sorted(arrows), "```"])
    assert drawing in (course_root() / "CONTRIBUTING.md").read_text(encoding="utf-8"), drawing


@pytest.mark.parametrize(("source", "names"), [
    ("import course_lib.tools.cli", {"course_lib.tools.cli"}),
    ("from course_lib import plots, tools", {"course_lib.plots", "course_lib.tools"}),
    ("def f():\n    from course_lib.checks import call", {"course_lib.checks"}),
])  # fmt: skip
def test_imports_are_found(source: str, names: set[str]) -> None:
    assert imported(source) == names
