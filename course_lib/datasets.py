"""From the name of a data set to its folder, and from a folder to its list of photos.

Photos lie in ``train/<class>/`` and ``val/<class>/``, as torchvision's ImageFolder wants them.
"""

import difflib
import errno
import itertools
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SPLITS = {"train": "train", "val": ("val", "dev", "test")}  # how its other names begin

# Name to folder below data/. The course draws its own insects; the article's photos are fetched.
KNOWN = {"insects": "insects/field", "insects-studio": "insects/studio"}
KNOWN |= {"insects-dusk": "insects/dusk", "hymenoptera": "hymenoptera"}
HYMENOPTERA_DIR = "HYMENOPTERA_DIR"  # environment variable: a copy that you have already

# What torchvision.datasets.ImageFolder takes for an image, and .jfif, another name of JPEG.
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".jfif")
HIDDEN = (".", "__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")  # what begins so
warn_once = cache(warnings.warn)  # a lesson scans its folder many times


@dataclass(frozen=True)
class Listing:
    """Class names in order, and for each split its files, (absolute path, label)."""

    classes: tuple[str, ...]
    files: dict[str, list[tuple[Path, int]]]

    def counts(self, split: str) -> dict[str, int]:
        """Number of images of each class in ``"train"`` or ``"val"``."""
        labels = [label for _, label in self.files[split]]
        return {name: labels.count(label) for label, name in enumerate(self.classes)}


def course_root() -> Path:
    """Folder of the course, which holds ``notebooks/``, ``course_lib/`` and ``data/``."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "data" / "README.md").is_file():
        raise FileNotFoundError(f"{root} has no data/: install with 'pip install -e .' from there.")
    return root


def data_dir() -> Path:
    """Folder ``data/`` of the course, as an absolute path."""
    return course_root() / "data"


def find(dataset: str | Path) -> Path:
    """Folder of a data set, given by its name or as a path with ``train/`` and ``val/`` inside."""
    name, advice = str(dataset), ""
    if own := name == "hymenoptera" and os.environ.get(HYMENOPTERA_DIR):
        folder, advice = Path(own).expanduser(), f"{HYMENOPTERA_DIR} says so: correct or unset it."
    elif name in KNOWN:
        folder = data_dir() / KNOWN[name]
        advice = "Get it back: 'git checkout -- data/insects'."
        if name == "hymenoptera":
            fetch = "'python -m course_lib download hymenoptera'"
            advice = f"Run {fetch}, or set {HYMENOPTERA_DIR} to a copy of them; or use 'insects'."
    else:
        folder = Path(name).expanduser()
        if not name.strip() or not folder.is_dir():
            close = difflib.get_close_matches(name.lower(), KNOWN, n=1)
            hint = f": did you mean {close[0]!r}?" if close else "."
            hint = " is a file: unpack it, or sort what it lists." if folder.is_file() else hint
            known = f"Known are {', '.join(KNOWN)}; or a path of a folder with train/ and val/."
            raise ValueError(f"unknown dataset {name!r}{hint} {known}")
    _check_splits(folder, advice)
    return folder.absolute()


def _check_splits(folder: Path, advice: str = "") -> None:
    if missing := [split for split in SPLITS if not (folder / split).is_dir()]:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not there. {advice}")
        there = visible(folder)
        lacks = f"{folder} has no {'/ and no '.join(missing)}/, only {[p.name for p in there[:9]]}"
        near = [p for p in (folder.parent, *there) if all((p / s).is_dir() for s in SPLITS)]
        like = {s: [p.name for p in there if p.name.lower().startswith(SPLITS[s])] for s in missing}
        rename = " and ".join(f"{' or '.join(them)} to {s}" for s, them in like.items() if them)
        helps = f"'python -m course_lib split \"{folder}\" --val 0.2' divides what are classes."
        guess = f"Is {near[0]} meant?" if near else f"Rename {rename}." if rename else helps
        raise FileNotFoundError(f"{lacks}. {advice or guess}")


def scan(folder: str | Path) -> Listing:
    """List the images of a folder by split and class; warn of files that are none."""
    _check_splits(folder := Path(folder).absolute())
    train, val = (sorted(p.name for p in visible(folder / s) if p.is_dir()) for s in SPLITS)
    if train != val:
        odd = ", ".join(sorted(set(train) ^ set(val)))
        what = f"different classes in train/ and val/, {odd} in one only"
        raise ValueError(f"{folder}: {what}: 'python -m course_lib audit' says what may be meant.")
    if len(train) < 2:
        raise ValueError(f"{folder} has classes {train}: a classifier needs two folders or more.")
    files, others = {split: [] for split in SPLITS}, Counter()
    for split, (label, name) in itertools.product(SPLITS, enumerate(train)):
        found = sorted(walk(folder / split / name), key=lambda p: (str(p.parent), p.name))
        taken = [(path, label) for path in found if path.suffix.lower() in ENDINGS]
        if not taken:
            what = f"has no image in {folder / split / name}, no file in"
            raise ValueError(f"class {name!r} {what} {' '.join(ENDINGS)}.")
        files[split] += taken
        others.update(p.suffix.lower() or p.name for p in found if p.suffix.lower() not in ENDINGS)
    if others:
        counts = ", ".join(f"{count} {ending}" for ending, count in others.most_common())
        warn_once(f"{folder}: files not taken: {counts}; 'audit' names them.", stacklevel=1)
    return Listing(tuple(train), files)


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing hidden, nothing that other programs leave there."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(HIDDEN))


def walk(folder: Path) -> Iterator[Path]:
    """Visible files at any depth; what cannot be read, or links in a loop, is an OSError."""
    if folder.resolve() in map(Path.resolve, Path(os.path.abspath(folder)).parents):  # noqa: PTH100
        raise OSError(errno.ELOOP, "a link to a folder above it", str(folder))
    for path in visible(folder):
        yield from walk(path) if path.is_dir() else [path]


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of ``path`` at the end, or never."""
    (path := Path(path)).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        unfinished = Path(scratch, path.name)
        yield unfinished
        unfinished.replace(path)


def whole(name: str, value: object, least: int = 0) -> int:
    """Return ``value`` if it is a whole number of ``least`` or more; else a ValueError says so."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**32:
        wanted = f"a whole number of {least} or more, below 2**32"
        raise ValueError(f"{name} is {value!r}: expected {wanted}.")
    return value
