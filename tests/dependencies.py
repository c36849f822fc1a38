"""Every package that the course stands on, found by walking from requirements.txt.

Run as a program, ``python tests/dependencies.py``, it writes tests/pins.txt anew from what is
installed. Do so after every change of requirements.txt.
"""

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PINS = Path(__file__).with_name("pins.txt")
HEADING = """\
# Exact versions of every package that those of requirements.txt bring along, which reads this file.
# A constraint asks for nothing; it decides the version of what is installed anyway. So packages of
# one platform may stand here. The CUDA libraries are missing, since torch itself names their exact
# versions, and setuptools, of which each torch wants another.
# Written by tests/dependencies.py; a test compares it.
"""
OF_TORCH = ("cuda-", "nvidia-", "triton", "setuptools")
# What other systems bring along, and Python 3.12 for papermill, where this file was not written.
ELSEWHERE = {"aiohappyeyeballs": "2.7.1", "aiohttp": "3.14.5", "aiosignal": "1.4.0"}
ELSEWHERE |= {"appnope": "1.0.0", "colorama": "0.4.6", "frozenlist": "1.8.0", "multidict": "7.2.1"}
ELSEWHERE |= {"propcache": "0.5.4", "pywinpty": "3.1.2", "yarl": "1.25.1"}


def direct() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    plain = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [Requirement(line) for line in plain if line and not line.startswith("-")]


def tree() -> dict[str, str]:
    found: dict[str, str] = {}
    waiting, seen = direct(), set()
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), tuple(sorted(wanted.extras)))
        if key in seen:
            continue
        seen.add(key)
        try:
            package = importlib.metadata.distribution(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a test says which, if it is asked for by name
        found[key[0]] = package.version
        for needed in map(Requirement, package.requires or []):
            extras = wanted.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(needed)
    return dict(sorted(found.items()))


def pins() -> dict[str, str]:
    lines = PINS.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def main() -> None:
    named = {canonicalize_name(requirement.name) for requirement in direct()}
    found = ELSEWHERE | tree()
    names = [name for name in sorted(found.keys() - named) if not name.startswith(OF_TORCH)]
    lines = [f"{name}=={found[name]}" for name in names]
    PINS.write_text(HEADING + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
