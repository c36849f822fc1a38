"""From the name of a dataset to its folder, and from a folder to its list of images.

Every folder has the layout of ``torchvision.datasets.ImageFolder``, once for each split::

    <folder>/train/<class>/<image>
    <folder>/val/<class>/<image>

A lesson takes a name (``insects``), or the path of any folder laid out like this.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from course_lib.download import DownloadError, fetch, locked, read_manifest, unpack, verify_folder
from course_lib.paths import course_root, data_dir

SPLITS = ("train", "val")

# Name to folder below data/. The course draws its own insects; the article's photos are fetched.
KNOWN = {
    "insects": "insects/field",
    "insects-studio": "insects/studio",
    "insects-dusk": "insects/dusk",
    "hymenoptera": "hymenoptera",
}

HYMENOPTERA_URL = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"
HYMENOPTERA_TOP = "hymenoptera_data"  # the one folder at the top of that zip
HYMENOPTERA_DIR = "HYMENOPTERA_DIR"  # environment variable: a copy that you have already

# What torchvision.datasets.ImageFolder takes for an image.
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Listing:
    """The images of a dataset.

    Attributes
    ----------
    classes : tuple of str
        Class names in alphabetical order; the place of a name is the number of its class.
    files : dict of str to list of (Path, int)
        For ``"train"`` and for ``"val"``: each image's absolute path and class number, class by
        class, in the order of ``torchvision.datasets.ImageFolder``.
    """

    classes: tuple[str, ...]
    files: dict[str, list[tuple[Path, int]]]

    def counts(self, split: str) -> dict[str, int]:
        """Number of images of each class in ``"train"`` or ``"val"``."""
        numbers = [number for _, number in self.files[split]]
        return {name: numbers.count(number) for number, name in enumerate(self.classes)}


def names() -> list[str]:
    """Names of the datasets that the course knows, the default first."""
    return list(KNOWN)


def find(dataset: str | Path) -> Path:
    """Folder of a dataset.

    Parameters
    ----------
    dataset : str or Path
        One of `names`, or the path of a folder with ``train/`` and ``val/`` inside. A relative
        path starts from the working directory or, if nothing is there, from the course's folder.

    Returns
    -------
    Path
        Absolute path of the folder that holds ``train/`` and ``val/``.

    Raises
    ------
    ValueError
        If it is neither a known name nor a folder.
    FileNotFoundError
        If the folder is not there, or lacks ``train/`` or ``val/``.
    """
    if dataset == "hymenoptera":
        return _own_copy() or _fetched_copy()
    if isinstance(dataset, str) and dataset in KNOWN:
        folder = data_dir() / KNOWN[dataset]
        if missing := _missing_splits(folder):
            raise FileNotFoundError(
                f"dataset {dataset!r}: {folder} has no {missing}. These images are part of the "
                "course: get them back with 'git checkout -- data/insects'."
            )
        return folder
    folder = _absolute(dataset)
    if not str(dataset).strip() or not folder.is_dir():
        close = difflib.get_close_matches(str(dataset).lower(), names(), n=1)
        raise ValueError(
            f"unknown dataset {str(dataset)!r}"
            + (f": did you mean {close[0]!r}?" if close else ".")
            + f" Known are {', '.join(names())}; or a path of a folder with train/ and val/."
        )
    if missing := _missing_splits(folder):
        raise FileNotFoundError(
            f"{folder} has no {missing}: expected train/<class>/ and val/<class>/ with images."
        )
    return folder


def download(name: str, *, url: str = HYMENOPTERA_URL) -> Path:
    """Fetch a dataset into ``data/`` and check every file of it.

    What is there already is checked and not fetched again; so is the copy that the environment
    variable ``HYMENOPTERA_DIR`` names.

    Parameters
    ----------
    name : str
        Only ``"hymenoptera"``, the article's 397 photos, needs fetching.
    url : str
        Address of the zip.

    Returns
    -------
    Path
        Absolute path of the folder that holds ``train/`` and ``val/``.

    Raises
    ------
    ValueError
        If the course does not know the name, or has nothing to fetch for it.
    FileNotFoundError
        If ``HYMENOPTERA_DIR`` is set, but not to a folder with ``train/`` and ``val/``.
    DownloadError
        If the photos cannot be fetched, or a file of them is missing or damaged.
    """
    if name != "hymenoptera":
        if name in KNOWN:
            raise ValueError(f"{name!r} is part of the course: there is nothing to download.")
        raise ValueError(f"cannot download {name!r}: only 'hymenoptera' can be downloaded.")
    manifest = read_manifest(data_dir() / "hymenoptera.sha256", top=HYMENOPTERA_TOP)
    if own := _own_copy():
        _verify(own, manifest, f"Mend that copy, or unset {HYMENOPTERA_DIR} to download another.")
        print(f"hymenoptera: {HYMENOPTERA_DIR} is set; {len(manifest)} files verified in {own}")
        return own
    folder, cache = data_dir() / KNOWN[name], data_dir() / ".cache"
    archive = cache / "hymenoptera_data.zip"
    try:
        with locked(cache / f"{folder.name}.lock"):
            there = folder.exists()
            try:
                if not there:
                    fetch(url, archive)
                    unpack(archive, folder, manifest, top=HYMENOPTERA_TOP)
            finally:
                archive.unlink(missing_ok=True)
    except DownloadError as error:
        raise DownloadError(
            f"{error}\nOr without a download from here: get {url} on another computer, unpack it, "
            f"and set the environment variable {HYMENOPTERA_DIR} to the folder {HYMENOPTERA_TOP} "
            "that comes out."
        ) from error
    if there:
        _verify(folder, manifest, f"Delete {folder}, then download again.")
        print(f"hymenoptera: already there, {len(manifest)} files verified in {folder}")
        return folder
    print(f"hymenoptera: {len(manifest)} files downloaded and verified in {folder}")
    return folder


def scan(folder: str | Path) -> Listing:
    """List the images of a folder by split and class.

    As ``torchvision.datasets.ImageFolder`` does, this takes every image below a class folder, also
    in folders inside it. Unlike it, this leaves out what is hidden (a name that begins with a dot,
    such as ``.ipynb_checkpoints``), and insists on the same classes in both splits.

    Parameters
    ----------
    folder : str or Path
        Folder with ``train/<class>/`` and ``val/<class>/``.

    Returns
    -------
    Listing
        Classes and files, in the same order on every computer.

    Raises
    ------
    FileNotFoundError
        If a split has no folder, or no class folder in it.
    ValueError
        If there is only one class, a class without an image, or a class in one split only.
    """
    folder = Path(folder).absolute()
    if missing := _missing_splits(folder):
        raise FileNotFoundError(f"{folder} has no {missing}: a dataset needs train/ and val/.")
    classes = {split: _class_names(folder / split) for split in SPLITS}
    lacking = [
        f"{split}/ lacks {', '.join(sorted(set(classes[other]) - set(classes[split])))}"
        for split, other in (SPLITS, SPLITS[::-1])
        if set(classes[other]) - set(classes[split])
    ]
    if lacking:
        raise ValueError(f"{folder}: the splits have different classes: {'; '.join(lacking)}.")
    if len(classes["train"]) == 1:
        raise ValueError(
            f"{folder} has only one class, {classes['train'][0]!r}: a classifier needs two or more."
        )
    files: dict[str, list[tuple[Path, int]]] = {}
    for split in SPLITS:
        files[split] = []
        for number, name in enumerate(classes[split]):
            images = _images(folder / split / name)
            if not images:
                raise ValueError(
                    f"class {name!r} has no image in {folder / split / name}: expected files "
                    f"ending in {' '.join(IMAGE_EXTENSIONS)}."
                )
            files[split] += [(image, number) for image in images]
    return Listing(tuple(classes["train"]), files)


def _own_copy() -> Path | None:
    """Folder that ``HYMENOPTERA_DIR`` names, or None if it is not set."""
    value = os.environ.get(HYMENOPTERA_DIR)
    if not value:
        return None
    folder = _absolute(value)
    if missing := _missing_splits(folder):
        inner = folder / HYMENOPTERA_TOP
        advice = f"Set it to {inner}." if not _missing_splits(inner) else "Mend or unset it."
        what = f"that folder has no {missing}" if folder.is_dir() else "there is no such folder"
        raise FileNotFoundError(
            f"the environment variable {HYMENOPTERA_DIR} is set to {value!r}, but {what}: "
            f"expected the folder of the article's photos, with train/ and val/. {advice}"
        )
    return folder


def _fetched_copy() -> Path:
    """Folder ``data/hymenoptera``, where `download` puts the article's photos."""
    folder = data_dir() / KNOWN["hymenoptera"]
    if missing := _missing_splits(folder):
        what = f"{folder} has no {missing}" if folder.is_dir() else f"{folder} is not there"
        raise FileNotFoundError(
            f"dataset 'hymenoptera': {what}. Run 'python -m course_lib download hymenoptera', or "
            f"set the environment variable {HYMENOPTERA_DIR} to a copy of the article's photos. "
            "Or use 'insects', the images that come with the course."
        )
    return folder


def _verify(folder: Path, manifest: dict[str, str], advice: str) -> None:
    problems = verify_folder(folder, manifest)
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DownloadError(
            f"{folder} is damaged, {len(problems)} of {len(manifest)} files: "
            f"{'; '.join(problems[:5])}{more}. {advice}"
        )


def _absolute(path: str | Path) -> Path:
    """Absolute form of a path, relative to the working directory or else to the course."""
    path = Path(path).expanduser()
    if path.is_absolute() or path.exists():
        return path.absolute()
    return course_root() / path


def _missing_splits(folder: Path) -> str:
    return " and no ".join(f"{split}/" for split in SPLITS if not (folder / split).is_dir())


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
