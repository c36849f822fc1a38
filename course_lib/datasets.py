"""From the name of a data set to its folder, and from a folder to its list of photos.

Every folder has the layout of ``torchvision.datasets.ImageFolder``, once for each split::

    <folder>/train/<class>/<image>
    <folder>/val/<class>/<image>
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from course_lib import progress

SPLITS = ("train", "val")

# Name to folder below data/. The course draws its own insects; the article's photos are fetched.
KNOWN = {
    "insects": "insects/field",
    "insects-studio": "insects/studio",
    "insects-dusk": "insects/dusk",
    "hymenoptera": "hymenoptera",
}

HYMENOPTERA_URL = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"
HYMENOPTERA_BYTES = 47_286_322
HYMENOPTERA_SHA256 = "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209"
HYMENOPTERA_DIR = "HYMENOPTERA_DIR"  # environment variable: a copy that you have already

# What torchvision.datasets.ImageFolder takes for an image.
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class DownloadError(RuntimeError):
    """The photos could not be fetched, or what came is not what was published."""


@dataclass(frozen=True)
class Listing:
    """Class names in alphabetical order, and for each split its files.

    ``files["train"]`` and ``files["val"]`` are lists of (absolute path, label), where a label is
    the position of a name in ``classes``, in the order of ``torchvision.datasets.ImageFolder``.
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
        raise FileNotFoundError(
            f"{root} has no data/README.md: install the course with 'pip install -e .' from its "
            "own folder, so that its data are found."
        )
    return root


def data_dir() -> Path:
    """Folder ``data/`` of the course, as an absolute path."""
    return course_root() / "data"


def names() -> list[str]:
    """Names of the data sets that the course knows, the default first."""
    return list(KNOWN)


def find(dataset: str | Path) -> Path:
    """Folder of a data set, given by its name or as a path with ``train/`` and ``val/`` inside.

    A relative path starts from the working directory or, if nothing is there, from the course's
    folder. What is neither a name nor such a folder is a ValueError or FileNotFoundError.
    """
    if str(dataset) == "hymenoptera":
        return _hymenoptera()
    if str(dataset) in KNOWN:
        folder = data_dir() / KNOWN[str(dataset)]
        _check_splits(folder, "Get the course's images back: 'git checkout -- data/insects'.")
        return folder
    folder = Path(dataset).expanduser()
    if not folder.exists():
        folder = course_root() / folder
    if not str(dataset).strip() or not folder.is_dir():
        close = difflib.get_close_matches(str(dataset).lower(), KNOWN, n=1)
        raise ValueError(
            f"unknown dataset {str(dataset)!r}"
            + (f": did you mean {close[0]!r}?" if close else ".")
            + f" Known are {', '.join(KNOWN)}; or a path of a folder with train/ and val/."
        )
    _check_splits(folder, "Expected train/<class>/ and val/<class>/ with images.")
    return folder.absolute()


def _hymenoptera() -> Path:
    """Folder of the article's photos: the reader's own copy, or the one that was fetched."""
    if own := os.environ.get(HYMENOPTERA_DIR):
        folder = Path(own).expanduser().absolute()
        inner = folder / "hymenoptera_data"
        advice = f"Set it to {inner}." if inner.is_dir() else "Correct it, or unset it."
        _check_splits(folder, f"The environment variable {HYMENOPTERA_DIR} names it. {advice}")
        return folder
    folder = data_dir() / KNOWN["hymenoptera"]
    _check_splits(
        folder,
        "Run 'python -m course_lib download hymenoptera', or set the environment variable "
        f"{HYMENOPTERA_DIR} to a copy of the article's photos. Or use 'insects', the images that "
        "come with the course.",
    )
    return folder


def _check_splits(folder: Path, advice: str) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not there. {advice}")
    if missing := [f"{split}/" for split in SPLITS if not (folder / split).is_dir()]:
        raise FileNotFoundError(f"{folder} has no {' and no '.join(missing)}. {advice}")


def scan(folder: str | Path) -> Listing:
    """List the images of a folder by split and class, in the same order on every computer.

    As ``torchvision.datasets.ImageFolder`` does, this takes every image below a class folder, also
    in folders inside it. Unlike it, this leaves out what is hidden (a name that begins with a dot,
    such as ``.ipynb_checkpoints``), and insists on the same two or more classes in both splits.
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
        files[split] = []
        for label, name in enumerate(train):
            images = _images(folder / split / name)
            if not images:
                raise ValueError(
                    f"class {name!r} has no image in {folder / split / name}: expected files "
                    f"ending in {' '.join(IMAGE_EXTENSIONS)}."
                )
            files[split] += [(image, label) for image in images]
    return Listing(tuple(train), files)


def _class_names(folder: Path) -> list[str]:
    found = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not found:
        raise FileNotFoundError(f"{folder} has no class folder: expected one for each class.")
    return found


def _images(folder: Path) -> list[Path]:
    """Images below a class folder, in the order of ``torchvision.datasets.ImageFolder``."""
    found = []
    for where, _, file_names in sorted(os.walk(folder, followlinks=True)):
        if any(part.startswith(".") for part in Path(where).relative_to(folder).parts):
            continue
        for name in sorted(file_names):
            if not name.startswith(".") and name.lower().endswith(IMAGE_EXTENSIONS):
                found.append(Path(where, name))
    return found


def download(name: str, url: str = HYMENOPTERA_URL) -> Path:
    """Fetch the article's 397 photos (47 MB) into ``data/``, and return their folder.

    What comes is compared with the size and SHA-256 that were published, and moved into place as
    the last step: the photos are there whole, or not at all. What is there is not fetched again.
    """
    if name != "hymenoptera":
        raise ValueError(f"{name!r} cannot be downloaded: only 'hymenoptera' can, and need be.")
    folder = data_dir() / KNOWN[name]
    if os.environ.get(HYMENOPTERA_DIR) or folder.exists():
        return _hymenoptera()
    with tempfile.TemporaryDirectory(dir=data_dir(), prefix=".hymenoptera-") as scratch:
        archive = Path(scratch, "photos.zip")
        try:
            _fetch(url, archive)
            shutil.unpack_archive(archive, scratch)
            Path(scratch, "hymenoptera_data").rename(folder)
        except (OSError, RuntimeError) as error:
            if folder.exists():  # somebody else was faster
                return folder
            raise DownloadError(
                f"{url} could not be fetched ({error}). Without a network: get it on another "
                f"computer, unpack it, and set the environment variable {HYMENOPTERA_DIR} to the "
                "folder hymenoptera_data that comes out."
            ) from error
    return folder


def _fetch(url: str, archive: Path) -> None:
    from torch.hub import download_url_to_file  # importing torch takes seconds

    for last_try in (False, False, True):
        try:
            download_url_to_file(url, str(archive), progress=progress.is_watched())
            break
        except OSError:  # a connection that broke off: once more
            if last_try:
                raise
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != HYMENOPTERA_SHA256:
        raise RuntimeError(
            f"what came is not the published file: {archive.stat().st_size:,} bytes with SHA-256 "
            f"{found[:12]}…, expected {HYMENOPTERA_BYTES:,} with {HYMENOPTERA_SHA256[:12]}…"
        )


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
        raise ValueError(
            f"{name} is {value!r}: expected a whole number of {least} or more, below 2**32."
        )
    return value
