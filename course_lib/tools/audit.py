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
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet

from course_lib import datasets, loaders, progress

NEAR = 0.93  # correlation of thumbnails from which two pictures count as one; see `audit`
SIDE = 32  # of the thumbnails, in pixels
LEAST = {"train": 2, "val": 1}  # a class with fewer images is left out
FEW = {"train": 10, "val": 5}  # a class with fewer images is reported
IMBALANCE = 3  # so many times the images of the smallest class in the largest are reported

# What is often found under the name of an image, and bytes among its first 16, in lower case.
OTHERS = {
    "a zip archive with the name of an image": (b"pk\x03\x04",),
    "a PDF with the name of an image": (b"%pdf",),
    "a gzip archive with the name of an image": (b"\x1f\x8b",),
    "a web page with the name of an image: the download failed": (b"<!doctype html", b"<html"),
    "a HEIC photo with another name: save it as JPEG": (b"ftypheic", b"ftypheix", b"ftypmif1"),
}


@dataclass(frozen=True)
class Problem:
    """Something to look at: its kind, the file or class folder, and what is wrong with it."""

    kind: str
    path: Path
    detail: str


@dataclass(frozen=True)
class Picture:
    """A readable image: upright width and height, and whether it shows no colour."""

    path: Path
    split: str
    label: str
    size: tuple[int, int]
    grey: bool


@dataclass(frozen=True)
class Audit:
    """What an audit found: problems kind by kind, every readable picture, and those to keep."""

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
        """List what is left, for `loaders.make_loaders`; as `datasets.scan` if nothing is wrong."""
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
        """One line per problem, with paths as seen from the folder."""
        shown = [problem.path.relative_to(self.folder).as_posix() for problem in self.problems]
        return [f"{p.kind}: {s}: {p.detail}" for p, s in zip(self.problems, shown, strict=True)]

    def table(self) -> list[dict[str, object]]:
        """Rows for `report.table`: per class the images found and left, and what they are like."""
        rows = []
        for label in sorted({picture.label for picture in self.pictures}):
            found = [p for p in self.pictures if p.label == label]
            left = Counter(p.split for p in self.kept if p.label == label)
            short, long = (f(min(p.size) for p in found) for f in (min, max))
            rows.append(
                {
                    "class": label,
                    "readable": len(found),
                    **{f"left in {split}": left[split] for split in datasets.SPLITS},
                    "grey": f"{sum(p.grey for p in found) / len(found):.0%}",
                    "shorter side": f"{short} to {long}" if short < long else str(short),
                }
            )
        return rows


def audit(dataset: str | Path, near: float = NEAR) -> Audit:
    """Look through a data set (see `datasets.find`) before training on it.

    Of pictures that are the same, one in ``val`` is kept rather than one in ``train``, so that the
    test stays what it was; none of pictures with two labels; and no class that lacks images in a
    split. Two pictures are the same if grey thumbnails of 32 x 32 pixels, as they are or mirrored,
    correlate to ``near``, from 0 to 1: different ones stay below 0.89 within the course's pictures,
    copies saved as JPEG of quality 30, shrunk to a third or 30 % brighter are above 0.93.
    """
    if not 0 < near <= 1:
        raise ValueError(f"near is {near!r}: expected a number above 0 and at most 1.")
    folder, problems = datasets.find(dataset), []
    pictures, digests, thumbnails = [], [], []
    candidates = [
        (split, label, path)
        for split in datasets.SPLITS
        for label, path in _walk(folder / split, problems)
    ]
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow only warns of can be used
        looks = zip(candidates, pool.map(_look, [file[2] for file in candidates]), strict=True)
        for (split, label, path), look in progress.bar(looks, "looking", len(candidates)):
            if isinstance(look, str):
                problems.append(Problem("unreadable", path, look))
                continue
            size, grey, digest, thumbnail = look
            pictures.append(Picture(path, split, label, size, grey))
            digests.append(digest)
            thumbnails.append(thumbnail)
    dropped = _doubles(folder, pictures, _alike(digests, thumbnails, near), problems)
    kept = [picture for i, picture in enumerate(pictures) if i not in dropped]
    kept = _whole_classes(folder, kept, problems)
    _scarcity(folder, kept, problems)
    kinds = list(dict.fromkeys(problem.kind for problem in problems))
    problems.sort(key=lambda problem: kinds.index(problem.kind))
    return Audit(folder, tuple(problems), tuple(pictures), tuple(kept))


def _walk(split: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """Yield class and path of every image file of a split; note what else lies there."""
    for folder in sorted(p for p in split.iterdir() if not p.name.startswith(".")):
        if not folder.is_dir():
            detail = "lies beside the class folders, not in one"
            problems.append(Problem("not taken", folder, detail))
            continue
        for where, folders, names in sorted(os.walk(folder, followlinks=True)):
            if any(part.startswith(".") for part in Path(where).relative_to(folder).parts):
                continue
            for name in sorted(folders):
                if name.lower().endswith(datasets.IMAGE_EXTENSIONS):
                    detail = "a folder with the name of an image"
                    problems.append(Problem("unreadable", Path(where, name), detail))
            for name in sorted(name for name in names if not name.startswith(".")):
                if name.lower().endswith(datasets.IMAGE_EXTENSIONS):
                    yield folder.name, Path(where, name)
                else:
                    detail = f"its name ends in none of {' '.join(datasets.IMAGE_EXTENSIONS)}"
                    problems.append(Problem("not taken", Path(where, name), detail))


def _look(path: Path) -> tuple[tuple[int, int], bool, bytes, np.ndarray] | str:
    """Size, greyness, digest of the pixels and thumbnail of an image; or what is wrong with it."""
    if not path.is_file():  # opening a pipe would wait for ever
        return "a link to nothing" if path.is_symlink() else "not a regular file"
    start = b""
    try:
        with path.open("rb") as file:
            start = file.read(512)
        if not start:
            return "an empty file"
        image = loaders.open_photo(path)
    except Exception as error:  # a broken file can make a decoder raise anything
        return _other_kind(start) or str(error).removeprefix(f"{path}: ")
    digest = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = bool(np.ptp(np.asarray(small, dtype=np.int16), axis=2).max() <= 2)
    thumbnail = np.asarray(small.convert("L"), dtype=np.float32)
    thumbnail = thumbnail - thumbnail.mean()
    length = np.linalg.norm(thumbnail)  # a picture of nearly one shade is like no other
    return image.size, grey, digest, thumbnail / length if length > SIDE else thumbnail * 0


def _other_kind(start: bytes) -> str:
    """Name what a file is that is no image, by its first bytes, or return nothing."""
    for name, signatures in OTHERS.items():
        if any(signature in start.lstrip()[:16].lower() for signature in signatures):
            return name
    is_text = start and start.isascii() and start.decode().replace("\n", "").isprintable()
    return "a text with the name of an image" if is_text else ""


def _alike(
    digests: list[bytes], thumbnails: list[np.ndarray], near: float
) -> dict[tuple[int, int], str]:
    """Pairs of positions, the smaller first, of pictures that are the same, and in what way."""
    found: dict[tuple[int, int], str] = {}
    stack = np.array(thumbnails).reshape(-1, SIDE, SIDE)
    flat, mirrored = (side.reshape(len(stack), -1) for side in (stack, stack[:, :, ::-1]))
    for start in range(0, len(flat), 1024):
        for what, others in (("mirrored, ", mirrored), ("", flat)):
            likeness = flat[start : start + 1024] @ others.T
            for i, j in np.argwhere(likeness >= near):
                if start + i < j:
                    alike = f"{what}alike to {likeness[i, j]:.2f}"
                    found[int(start + i), int(j)] = f"nearly the same ({alike}) as"
    places = defaultdict(list)
    for place, digest in enumerate(digests):
        found |= {(earlier, place): "pixel by pixel the same as" for earlier in places[digest]}
        places[digest].append(place)
    return found


def _doubles(
    folder: Path, pictures: list[Picture], pairs: dict[tuple, str], problems: list[Problem]
) -> set[int]:
    """Note pictures that are there more than once; return the positions of those to leave out."""
    groups, dropped = DisjointSet(range(len(pictures))), set()
    for pair in pairs:
        groups.merge(*pair)
    for members in map(sorted, groups.subsets()):
        keep = min(members, key=lambda i: pictures[i].split != "val")  # the first in val, or at all
        conflicting = len({pictures[i].label for i in members}) > 1
        for i in [i for i in members if conflicting or i != keep]:
            dropped.add(i)
            # Name the one that is kept or, of pictures with two labels, one with the other label.
            like = [j for j in members if (min(i, j), max(i, j)) in pairs]
            label = pictures[i].label
            other = max(like, key=lambda j: (pictures[j].label != label, j == keep))
            across = pictures[i].split != pictures[keep].split
            kind = "two labels" if conflicting else "in train and val" if across else "duplicate"
            shown = pictures[other].path.relative_to(folder).as_posix()
            detail = f"{pairs[min(i, other), max(i, other)]} {shown}"
            problems.append(Problem(kind, pictures[i].path, detail))
    return dropped


def _whole_classes(folder: Path, kept: list[Picture], problems: list[Problem]) -> list[Picture]:
    """Note classes that are not whole in both splits; return the pictures of the others."""
    labels = {
        split: sorted(p.name for p in (folder / split).iterdir() if p.is_dir() and p.name[0] != ".")
        for split in datasets.SPLITS
    }
    left = Counter((picture.split, picture.label) for picture in kept)
    lost = set()
    for split, other in (datasets.SPLITS, datasets.SPLITS[::-1]):
        candidates = {_plain(name): name for name in labels[other]}
        for label in sorted(set(labels[split]) - set(labels[other])):
            close = difflib.get_close_matches(_plain(label), candidates, n=1, cutoff=0.75)
            meant = f" (is {other}/{candidates[close[0]]} meant?)" if close else ""
            detail = f"there is no {other}/{label}{meant}, so the class is left out"
            problems.append(Problem("class names", folder / split / label, detail))
            lost.add(label)
    for label in sorted(set(labels["train"]) & set(labels["val"])):
        for split, needed in LEAST.items():
            if left[split, label] < needed:
                detail = f"{left[split, label]} images left, needed is {needed} at least"
                problems.append(Problem("class left out", folder / split / label, detail))
                lost.add(label)
    return [picture for picture in kept if picture.label not in lost]


def _plain(name: str) -> str:
    """Name of a class without what people mix up: case, blanks, signs."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _scarcity(folder: Path, kept: list[Picture], problems: list[Problem]) -> None:
    """Note classes with few images, and splits in which one class is much larger than another."""
    for split in datasets.SPLITS if kept else ():
        sizes = Counter(picture.label for picture in kept if picture.split == split)
        for label in sorted(sizes):
            if sizes[label] < FEW[split]:
                detail = f"only {sizes[label]} images: a single one decides much"
                problems.append(Problem("few images", folder / split / label, detail))
        small, large = (f(sorted(sizes), key=sizes.__getitem__) for f in (min, max))
        if sizes[large] >= IMBALANCE * sizes[small]:
            detail = f"{sizes[large]} images of {large!r}, only {sizes[small]} of {small!r}"
            problems.append(Problem("imbalance", folder / split / small, detail))
