"""From the name of a data set to its folder, and from a folder to its list of photos.

Photos lie in ``train/<class>/`` and ``val/<class>/``, as torchvision's ImageFolder wants them.
"""

import difflib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "val")

# Name to folder below data/. The course draws its own insects; the article's photos are fetched.
KNOWN = {
    "insects": "insects/field",
    "insects-studio": "insects/studio",
    "insects-dusk": "insects/dusk",
    "hymenoptera": "hymenoptera",
}
HYMENOPTERA_DIR = "HYMENOPTERA_DIR"  # environment variable: a copy that you have already

# What torchvision.datasets.ImageFolder takes for an image.
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Listing:
    """Class names in alphabetical order, and for each split its files, (absolute path, label).

    A label is a position in ``classes``; the order is that of ``torchvision.datasets.ImageFolder``.
    """

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
    """Folder of a data set, given by its name or as a path with ``train/`` and ``val/`` inside.

    A relative path starts from the working directory or, if nothing is there, from the course's
    folder. What is neither a name nor such a folder is a ValueError or FileNotFoundError.
    """
    name, advice = str(dataset), "Expected train/<class>/ and val/<class>/ with images."
    own = os.environ.get(HYMENOPTERA_DIR, "") if name == "hymenoptera" else ""
    if own:
        folder, advice = Path(own).expanduser(), f"{HYMENOPTERA_DIR} says so: correct or unset it."
    elif name in KNOWN:
        folder, advice = data_dir() / KNOWN[name], "Get it back: 'git checkout -- data/insects'."
        if name == "hymenoptera":
            advice = (
                "Run 'python -m course_lib download hymenoptera', or set the environment variable "
                f"{HYMENOPTERA_DIR} to a copy of the photos; or use 'insects', which are here."
            )
    else:
        folder = Path(name).expanduser()
        folder = folder if folder.exists() else course_root() / folder
        if not name.strip() or not folder.is_dir():
            close = difflib.get_close_matches(name.lower(), KNOWN, n=1)
            raise ValueError(
                f"unknown dataset {name!r}{f': did you mean {close[0]!r}?' if close else '.'} Known"
                f" are {', '.join(KNOWN)}; or a path of a folder with train/ and val/."
            )
    _check_splits(folder, advice)
    return folder.absolute()


def _check_splits(folder: Path, advice: str) -> None:
    if missing := [f"{split}/" for split in SPLITS if not (folder / split).is_dir()]:
        lacks = f"has no {' and no '.join(missing)}" if folder.is_dir() else "is not there"
        raise FileNotFoundError(f"{folder} {lacks}. {advice}")


def scan(folder: str | Path) -> Listing:
    """List the images of a folder by split and class, in the same order on every computer.

    Unlike ``torchvision.datasets.ImageFolder``, this leaves out what is hidden, such as
    ``.ipynb_checkpoints``, and insists on the same two or more classes in both splits.
    """
    folder = Path(folder).absolute()
    _check_splits(folder, "A data set needs train/ and val/.")
    train, val = (_class_names(folder / split) for split in SPLITS)
    if train != val:
        odd = ", ".join(sorted(set(train) ^ set(val)))
        raise ValueError(f"{folder}: the splits have different classes: {odd} is in one only.")
    if len(train) == 1:
        raise ValueError(f"{folder} has only one class, {train[0]!r}: a classifier needs two.")
    files: dict[str, list[tuple[Path, int]]] = {}
    for split in SPLITS:
        found = [(_images(folder / split / name), label) for label, name in enumerate(train)]
        files[split] = [(image, label) for images, label in found for image in images]
    return Listing(tuple(train), files)


def _class_names(folder: Path) -> list[str]:
    found = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not found:
        raise FileNotFoundError(f"{folder} has no class folder: expected one for each class.")
    return found


def _images(folder: Path) -> list[Path]:
    """Images below a class folder, in the order of ``torchvision.datasets.ImageFolder``."""
    found = []
    for where, _, names in sorted(os.walk(folder, followlinks=True)):
        if not any(part.startswith(".") for part in Path(where).relative_to(folder).parts):
            taken = [name for name in sorted(names) if name.lower().endswith(IMAGE_EXTENSIONS)]
            found += [Path(where, name) for name in taken if not name.startswith(".")]
    if not found:
        endings = " ".join(IMAGE_EXTENSIONS)
        raise ValueError(f"class {folder.name!r} has no image in {folder}, no file in {endings}.")
    return found


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of ``path`` at the end, or never."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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
