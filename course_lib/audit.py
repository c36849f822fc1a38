"""What is wrong with a folder of images, said before training and by the path of each file.

A model learns from what lies in the folder, not from what its owner believes to lie there. An audit
opens every file once, reports what is damaged, doubled, misplaced or scarce, and gives back the
listing of the images that are left. It changes nothing on the disk.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from course_lib import datasets, loaders, progress, require

NEAR = 0.93  # correlation of thumbnails from which two pictures count as one; see `audit`
SIDE = 32  # of the thumbnails, in pixels
FEW = {"train": 10, "val": 5}  # a class with fewer images is reported
IMBALANCE = 3  # so many times the images of the smallest class in the largest are reported

# How some files begin that are often found under the name of an image.
SIGNATURES = {b"PK\x03\x04": "a zip archive", b"%PDF": "a PDF", b"\x1f\x8b": "a gzip archive"}
APPLE_PHOTO = (b"ftypheic", b"ftypheix", b"ftypmif1")


@dataclass(frozen=True)
class Problem:
    """Something to look at.

    Attributes
    ----------
    kind : str
        ``"unreadable"``, ``"not taken"``, ``"in train and val"``, ``"duplicate"``,
        ``"two labels"``, ``"class names"``, ``"class left out"``, ``"few images"`` or
        ``"imbalance"``.
    path : Path
        Absolute path of the file or class folder.
    detail : str
        What is wrong with it.
    """

    kind: str
    path: Path
    detail: str


@dataclass(frozen=True)
class Picture:
    """A readable image.

    Attributes
    ----------
    path : Path
    split : "train" or "val"
    label : str
        Name of its class.
    size : (int, int)
        Width and height in pixels, upright.
    grey : bool
        Whether it is without colour, however it is stored.
    """

    path: Path
    split: str
    label: str
    size: tuple[int, int]
    grey: bool


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    folder : Path
        The folder, absolute.
    problems : tuple of Problem
        Kind by kind, in the order of the folder.
    pictures : tuple of Picture
        Every readable image.
    kept : tuple of Picture
        Those that are left to train and test on: one of each, of the classes that are whole.
    """

    folder: Path
    problems: tuple[Problem, ...]
    pictures: tuple[Picture, ...]
    kept: tuple[Picture, ...]

    def paths(self, kind: str) -> list[Path]:
        """Paths of the problems of one kind, in order."""
        return [problem.path for problem in self.problems if problem.kind == kind]

    def counts(self) -> dict[str, int]:
        """Number of problems of each kind that occurs."""
        return dict(Counter(problem.kind for problem in self.problems))

    def listing(self) -> datasets.Listing:
        """List the images that are left, for :func:`course_lib.loaders.make_loaders`.

        Returns
        -------
        Listing
            In the order of :func:`course_lib.datasets.scan`; equal to it where nothing is wrong.

        Raises
        ------
        ValueError
            If fewer than two classes are left.
        """
        classes = tuple(sorted({picture.label for picture in self.kept}))
        if len(classes) < 2:
            raise ValueError(
                f"{self.folder}: the audit leaves {len(classes)} classes with images in train/ and "
                "val/, and a classifier needs two. Mend the folder: " + "; ".join(self.lines()[:5])
            )
        files = {
            split: [(p.path, classes.index(p.label)) for p in self.kept if p.split == split]
            for split in datasets.SPLITS
        }
        return datasets.Listing(classes, files)

    def lines(self) -> list[str]:
        """One line a problem, with paths as seen from the folder."""
        return [f"{p.kind}: {_shown(p.path, self.folder)}: {p.detail}" for p in self.problems]

    def table(self) -> list[dict[str, object]]:
        """Rows for :func:`course_lib.report.table`: a class each, images found and left."""
        rows = []
        for label in sorted({picture.label for picture in self.pictures}):
            of_class = [p for p in self.pictures if p.label == label]
            left = Counter(p.split for p in self.kept if p.label == label)
            short, long = (f(min(p.size) for p in of_class) for f in (min, max))
            row: dict[str, object] = {"class": label, "readable": len(of_class)}
            row |= {f"left in {split}": left[split] for split in datasets.SPLITS}
            row["grey"] = f"{sum(p.grey for p in of_class) / len(of_class):.0%}"
            row["shorter side"] = f"{short} to {long}" if short < long else str(short)
            rows.append(row)
        return rows


def audit(dataset: str | Path, near: float = NEAR) -> Audit:
    """Look through a folder of images before training on it.

    Parameters
    ----------
    dataset : str or Path
        See :func:`course_lib.datasets.find`.
    near : float
        Correlation, in (0, 1], of two pictures' thumbnails from which they count as the same.

    Returns
    -------
    Audit
        Every problem by path, and what is left: of pictures that are the same, one in ``val``
        rather than one in ``train``, so that the test stays what it was; none of pictures that
        carry two labels; and no class that lacks images in a split.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such folder, or it has no ``train/`` or no ``val/``.

    Notes
    -----
    Two pictures are compared, as they are and mirrored, by the correlation of grey thumbnails of
    32 x 32 pixels. Between different pictures it stays below 0.89 within the course's field and
    studio images, and below 0.83 within the article's photos; between any of these and its copy,
    saved as JPEG of quality 30, at a third of its size or 30 % brighter, it is above 0.93. A copy
    that lost 2 % at each edge is mostly not found.
    """
    require.number("near", near, above=0.0, at_most=1.0)
    folder = datasets.find(dataset)
    problems: list[Problem] = []
    candidates: list[tuple[str, str, Path]] = []
    for split in datasets.SPLITS:
        for label, path in _walk(folder / split, problems):
            candidates.append((split, label, path))
    pictures: list[Picture] = []
    digests: list[bytes] = []
    thumbnails: list[np.ndarray] = []
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow only warns of can be used
        looks = pool.map(_look, [path for _, _, path in candidates])
        pairs = zip(candidates, looks, strict=True)
        for (split, label, path), look in progress.bar(pairs, "looking", len(candidates)):
            if isinstance(look, str):
                problems.append(Problem("unreadable", path, look))
                continue
            size, is_grey, digest, thumbnail = look
            pictures.append(Picture(path, split, label, size, is_grey))
            digests.append(digest)
            thumbnails.append(thumbnail)
    dropped = _doubles(folder, pictures, digests, thumbnails, near, problems)
    kept = [picture for i, picture in enumerate(pictures) if i not in dropped]
    labels = {split: _class_names(folder / split) for split in datasets.SPLITS}
    kept = _whole_classes(folder, labels, kept, problems)
    _scarcity(folder, kept, problems)
    order = {kind: place for place, kind in enumerate(dict.fromkeys(p.kind for p in problems))}
    problems.sort(key=lambda problem: order[problem.kind])
    return Audit(folder, tuple(problems), tuple(pictures), tuple(kept))


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _class_names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _walk(split: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """Yield class and path of every image file of a split; note what else lies there."""
    for path in sorted(split.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            problems.append(Problem("not taken", path, "lies beside the class folders, not in one"))
            continue
        for where, folders, names in sorted(os.walk(path, followlinks=True)):
            if any(part.startswith(".") for part in Path(where).relative_to(path).parts):
                continue
            for name in sorted(folders):
                if name.lower().endswith(datasets.IMAGE_EXTENSIONS):
                    detail = "a folder with the name of an image"
                    problems.append(Problem("unreadable", Path(where, name), detail))
            for name in sorted(names):
                if name.startswith("."):
                    continue
                if name.lower().endswith(datasets.IMAGE_EXTENSIONS):
                    yield path.name, Path(where, name)
                else:
                    known = " ".join(datasets.IMAGE_EXTENSIONS)
                    detail = f"its name ends in none of {known}"
                    problems.append(Problem("not taken", Path(where, name), detail))


Look = tuple[tuple[int, int], bool, bytes, np.ndarray]


def _look(path: Path) -> Look | str:
    """Size, greyness, digest of the pixels and thumbnail of an image; or what is wrong with it."""
    if not path.is_file():  # opening a pipe would wait for ever
        return "a link to nothing" if path.is_symlink() else "not a regular file"
    try:
        if path.stat().st_size == 0:
            return "an empty file"
        image = loaders.open_photo(path)
    except Exception as error:  # a broken file can make a decoder raise anything
        return _what_it_is(path) or str(error).removeprefix(f"{path}: ")
    digest = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    channels = np.asarray(small, dtype=np.int16)
    is_grey = bool(np.ptp(channels, axis=2).max() <= 2)
    thumbnail = np.asarray(small.convert("L"), dtype=np.float32)
    thumbnail = thumbnail - thumbnail.mean()
    length = np.sqrt((thumbnail**2).sum())
    return image.size, is_grey, digest, thumbnail / length if length > SIDE else thumbnail * 0


def _what_it_is(path: Path) -> str:
    """Name what a file is that is no image, or return nothing."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        return ""
    for signature, name in SIGNATURES.items():
        if start.startswith(signature):
            return f"{name} with the name of an image"
    if start[4:12] in APPLE_PHOTO:
        return "a HEIC photo with another name: save it as JPEG"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "a web page with the name of an image: the download failed"
    is_text = start.isascii() and start.decode("ascii").replace("\n", "").isprintable()
    return "a text with the name of an image" if is_text else ""


def _similar(
    digests: Sequence[bytes], thumbnails: Sequence[np.ndarray], near: float
) -> dict[tuple[int, int], str]:
    """Pairs of positions, the smaller first, of pictures that are the same, and in what way."""
    found: dict[tuple[int, int], str] = {}
    if not thumbnails:
        return found
    flat = np.stack(thumbnails).reshape(len(thumbnails), -1)
    mirrored = np.stack(thumbnails)[:, :, ::-1].reshape(len(thumbnails), -1)
    for start in range(0, len(flat), 1024):
        block = flat[start : start + 1024]
        for what, others in (("mirrored, ", mirrored), ("", flat)):
            likeness = block @ others.T
            for i, j in np.argwhere(likeness >= near):
                if start + i < j:
                    alike = f"{what}alike to {likeness[i, j]:.2f}"
                    found[int(start + i), int(j)] = f"nearly the same ({alike}) as"
    places: dict[bytes, list[int]] = {}
    for place, digest in enumerate(digests):
        for earlier in places.setdefault(digest, []):
            found[earlier, place] = "pixel by pixel the same as"
        places[digest].append(place)
    return found


def _doubles(
    folder: Path,
    pictures: Sequence[Picture],
    digests: Sequence[bytes],
    thumbnails: Sequence[np.ndarray],
    near: float,
    problems: list[Problem],
) -> set[int]:
    """Note pictures that are there more than once; return the positions of those to leave out."""
    pairs = _similar(digests, thumbnails, near)
    if not pairs:
        return set()
    rows, columns = zip(*pairs, strict=True)
    edges = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(pictures),) * 2)
    _, group_of = connected_components(edges, directed=False)
    groups: dict[int, list[int]] = {}
    for place in sorted({*rows, *columns}):
        groups.setdefault(int(group_of[place]), []).append(place)
    like: dict[int, list[int]] = {}
    for i, j in pairs:
        like.setdefault(i, []).append(j)
        like.setdefault(j, []).append(i)
    dropped: set[int] = set()
    for members in groups.values():
        in_test = [i for i in members if pictures[i].split == "val"]
        keep = (in_test or members)[0]
        conflicting = len({pictures[i].label for i in members}) > 1
        for i in members:
            if i == keep and not conflicting:
                continue
            dropped.add(i)
            # Name the one that is kept or, of pictures with two labels, one with the other label.
            label = pictures[i].label
            other = max(like[i], key=lambda j: (pictures[j].label != label, j == keep))
            kind = "duplicate"
            if conflicting:
                kind = "two labels"
            elif in_test and pictures[i].split == "train":
                kind = "in train and val"
            way = pairs[min(i, other), max(i, other)]
            detail = f"{way} {_shown(pictures[other].path, folder)}"
            problems.append(Problem(kind, pictures[i].path, detail))
    return dropped


def _whole_classes(
    folder: Path,
    labels: dict[str, list[str]],
    kept: Sequence[Picture],
    problems: list[Problem],
) -> list[Picture]:
    """Note classes that are not whole in both splits; return the pictures of the others."""
    left = Counter((picture.split, picture.label) for picture in kept)
    lost = set()
    for split, other in (datasets.SPLITS, datasets.SPLITS[::-1]):
        for label in labels[split]:
            path = folder / split / label
            if label not in labels[other]:
                candidates = {_plain(name): name for name in labels[other]}
                close = difflib.get_close_matches(_plain(label), candidates, n=1, cutoff=0.75)
                meant = f" (is {other}/{candidates[close[0]]} meant?)" if close else ""
                detail = f"there is no {other}/{label}{meant}, so the class is left out"
                problems.append(Problem("class names", path, detail))
                lost.add(label)
    for label in sorted(set(labels["train"]) & set(labels["val"])):
        for split, needed in (("train", 2), ("val", 1)):
            if left[split, label] < needed:
                detail = f"{left[split, label]} images left, needed is {needed} at least"
                problems.append(Problem("class left out", folder / split / label, detail))
                lost.add(label)
    return [picture for picture in kept if picture.label not in lost]


def _plain(name: str) -> str:
    """Name of a class without what people mix up: case, blanks, signs."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _scarcity(folder: Path, kept: Sequence[Picture], problems: list[Problem]) -> None:
    """Note classes with few images, and splits in which one class is much larger than another."""
    labels = sorted({picture.label for picture in kept})
    for split in datasets.SPLITS:
        sizes = Counter(picture.label for picture in kept if picture.split == split)
        for label in labels:
            if sizes[label] < FEW[split]:
                detail = f"only {sizes[label]} images: a single one decides much"
                problems.append(Problem("few images", folder / split / label, detail))
        if labels:
            small, large = (f(labels, key=sizes.__getitem__) for f in (min, max))
            if sizes[large] >= IMBALANCE * sizes[small]:
                detail = f"{sizes[large]} images of {large!r}, only {sizes[small]} of {small!r}"
                problems.append(Problem("imbalance", folder / split / small, detail))
