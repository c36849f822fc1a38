"""Is everything installed that the course needs? Answered without importing any of it."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from course_lib.paths import course_root

REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[^]]*])?\s*(==\s*(?P<version>[\w.+!-]+))?"
)


class Row(NamedTuple):
    """One line of the report.

    Attributes
    ----------
    name : str
        Name of the package, or ``python``.
    needed : str
        Version asked for, such as ``"==2.14.1"``, or ``"any"``.
    found : str
        Version installed, or ``"not installed"``.
    ok : bool
        Whether what was found will do.
    """

    name: str
    needed: str
    found: str
    ok: bool


def environment_report(root: Path | None = None) -> list[Row]:
    """Compare what ``requirements.txt`` asks for with what is installed.

    A package pinned to ``2.14.1`` is good enough at any ``2.14``: releases that differ in the
    third number mend faults and keep the interface. What the lessons do without, in the file from
    ``# Tests.`` on, is left out.

    Parameters
    ----------
    root : Path, optional
        Folder with ``requirements.txt`` and ``pyproject.toml``; the course's own by default.

    Returns
    -------
    list of Row
        Python first, then the packages in the order of ``requirements.txt``.
    """
    root = root or course_root()
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, python = project["requires-python"].removeprefix(">="), platform.python_version()
    rows = [Row("python", f">={oldest}", python, _numbers(python) >= _numbers(oldest))]
    wanted_by_lessons, _, _ = (
        (root / "requirements.txt").read_text(encoding="utf-8").partition("\n# Tests.\n")
    )
    for line in wanted_by_lessons.splitlines():
        match = REQUIREMENT.match(line.strip())
        if match is None:  # a comment, an empty line or an option such as '-e .'
            continue
        name, wanted = match["name"], match["version"]
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            rows.append(Row(name, f"=={wanted}" if wanted else "any", "not installed", False))
            continue
        ok = wanted is None or _numbers(found)[:2] == _numbers(wanted)[:2]
        rows.append(Row(name, f"=={wanted}" if wanted else "any", found, ok))
    return rows


def _numbers(version: str) -> tuple[int, ...]:
    """Leading numbers of a version: ``2.14.1+cpu`` gives (2, 14, 1)."""
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()
