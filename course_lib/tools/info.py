"""Is everything installed that the course needs? Answered without importing any of it."""

import importlib.metadata
import platform
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A line of requirements.txt; comments, empty lines and options such as '-e .' are not.
REQUIREMENT = re.compile(r"^(\w[\w.-]*)(?:\[[^]]*])? *(?:== *([\w.+!-]+))?", re.MULTILINE)


def pinned(root: Path) -> dict[str, str]:
    """Packages that the lessons need (those before ``# Tests.``), each with its version or ""."""
    text = (root / "requirements.txt").read_text(encoding="utf-8").partition("\n# Tests.\n")[0]
    return dict(REQUIREMENT.findall(text))


def check(root: Path = ROOT) -> list[str]:
    """What is missing or of another version than the course needs; any 2.14 will do for 2.14.1."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, python = project["requires-python"].removeprefix(">="), platform.python_version()
    new = numbers(python) >= numbers(oldest)
    problems = [] if new else [f"Python is {python}: the course needs {oldest} or newer"]
    for name, pin in pinned(root).items():
        wanted = f"{name}=={pin}" if pin else name
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed: pip install {wanted}")
        else:
            if pin and numbers(found)[:2] != numbers(pin)[:2]:
                problems.append(f"{name} is {found}: pip install {wanted}")
    return problems


def report(root: Path = ROOT) -> str:
    """One line such as ``37 of 37 packages as pinned``, then a line for each problem."""
    packages, problems = pinned(root), check(root)
    good = len(packages) - sum(problem.split()[0] in packages for problem in problems)
    return "\n".join([f"{good} of {len(packages)} packages as pinned", *problems])


def numbers(version: str) -> tuple[int, ...]:
    """Leading numbers of a version: ``2.14.1+cpu`` gives (2, 14, 1)."""
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()
