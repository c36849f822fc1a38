"""What is wrong with a folder of images, said before training and by the path of each file.

A model learns from what lies in the folder, not from what its owner believes to lie there. An audit
opens every file once, reports what is damaged, doubled, misplaced or scarce, and gives back the
listing of the images that are left. It changes nothing on the disk.
"""

import difflib
import hashlib
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
    """A readable image: its upright width and height, whether it is grey, what it looks like."""

    path: Path
    split: str
    label: str
    size: tuple[int, int]
    grey: bool
    digest: bytes = field(repr=False)  # of the pixels
    thumbnail: np.ndarray = field(repr=False, compare=False)  # grey, of mean 0 and length 1


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
            sides = [min(picture.size) for picture in found]
            row = {"class": label, "readable": len(found)}
            row |= {f"left in {split}": left[split] for split in datasets.SPLITS}
            row["grey"] = f"{sum(picture.grey for picture in found) / len(found):.0%}"
            row["shorter side"] = " to ".join(map(str, sorted({min(sides), max(sides)})))
            rows.append(row)
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
    folder = datasets.find(dataset)
    walked = [entry for split in datasets.SPLITS for entry in _walk(folder, split)]
    files = [entry for entry in walked if not isinstance(entry, Problem)]
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow only warns of can be used
        looking = pool.map(lambda file: _look(*file), files)
        looks = list(progress.bar(looking, "looking", len(files)))
    problems = [entry for entry in [*walked, *looks] if isinstance(entry, Problem)]
    pictures = [look for look in looks if isinstance(look, Picture)]
    doubles = list(_doubles(folder, pictures, _alike(pictures, near)))
    dropped = {problem.path for problem in doubles}
    kept = [picture for picture in pictures if picture.path not in dropped]
    broken = list(_broken_classes(folder, kept))
    lost = {problem.path.name for problem in broken}
    kept = [picture for picture in kept if picture.label not in lost]
    problems += [*doubles, *broken, *_scarcity(folder, kept)]
    kinds = list(dict.fromkeys(problem.kind for problem in problems))
    problems.sort(key=lambda problem: kinds.index(problem.kind))
    return Audit(folder, tuple(problems), tuple(pictures), tuple(kept))


def _walk(folder: Path, split: str) -> Iterator[Problem | tuple[Path, str, str]]:
    """Yield path, split and class of what is named as an image; a problem for anything else."""
    for top in sorted(path for path in (folder / split).iterdir() if path.name[0] != "."):
        if not top.is_dir():
            yield Problem("not taken", top, "lies beside the class folders, not in one")
        for where, folders, names in sorted(os.walk(top, followlinks=True)):
            for path in (Path(where, name) for name in (*sorted(folders), *sorted(names))):
                is_image = path.name.lower().endswith(datasets.IMAGE_EXTENSIONS)
                if any(part[0] == "." for part in path.relative_to(top).parts):
                    continue  # hidden
                if path.name in folders:
                    if is_image:
                        yield Problem("unreadable", path, "a folder with the name of an image")
                elif is_image:
                    yield path, split, top.name
                else:
                    known = " ".join(datasets.IMAGE_EXTENSIONS)
                    yield Problem("not taken", path, f"its name ends in none of {known}")


def _look(path: Path, split: str, label: str) -> Picture | Problem:
    """Open a file that is named as an image."""
    start = b"\xff"  # not known yet
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise ValueError("a link to nothing" if path.is_symlink() else "not a regular file")
        with path.open("rb") as file:
            start = file.read(512)
        image = loaders.open_photo(path)
    except Exception as error:  # a broken file can make a decoder raise anything
        what = _other_kind(start) or str(error).removeprefix(f"{path}: ")
        return Problem("unreadable", path, what)
    digest = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = bool(np.ptp(np.asarray(small, dtype=np.int16), axis=2).max() <= 2)
    thumbnail = np.asarray(small.convert("L"), dtype=np.float32)
    thumbnail = thumbnail - thumbnail.mean()
    length = np.linalg.norm(thumbnail)
    thumbnail = thumbnail / length if length > SIDE else thumbnail * 0  # one shade is like nothing
    return Picture(path, split, label, image.size, grey, digest, thumbnail)


def _other_kind(start: bytes) -> str:
    """Name what a file is that is no image, by its first bytes, or return nothing."""
    for name, signatures in OTHERS.items():
        if any(signature in start.lstrip()[:16].lower() for signature in signatures):
            return name
    if start.isascii() and start.decode().replace("\n", "").isprintable():
        return "a text with the name of an image" if start else "an empty file"
    return ""


def _alike(pictures: list[Picture], near: float) -> dict[tuple[int, int], str]:
    """Pairs of positions, the smaller first, of pictures that are the same, and in what way."""
    found: dict[tuple[int, int], str] = {}
    stack = np.array([picture.thumbnail for picture in pictures]).reshape(-1, SIDE, SIDE)
    flat, mirrored = (side.reshape(len(stack), -1) for side in (stack, stack[:, :, ::-1]))
    for start in range(0, len(flat), 1024):
        for what, others in (("mirrored, ", mirrored), ("", flat)):
            likeness = flat[start : start + 1024] @ others.T
            for i, j in np.argwhere(likeness >= near):
                if start + i < j:
                    alike = f"{what}alike to {likeness[i, j]:.2f}"
                    found[int(start + i), int(j)] = f"nearly the same ({alike}) as"
    places = defaultdict(list)
    for place, picture in enumerate(pictures):
        for earlier in places[picture.digest]:
            found[earlier, place] = "pixel by pixel the same as"
        places[picture.digest].append(place)
    return found


def _doubles(
    folder: Path, pictures: list[Picture], pairs: dict[tuple[int, int], str]
) -> Iterator[Problem]:
    """Yield a problem for every picture that is to be left out because it is there twice."""
    groups = DisjointSet(range(len(pictures)))
    for pair in pairs:
        groups.merge(*pair)
    for members in map(sorted, groups.subsets()):
        keep = min(members, key=lambda i: pictures[i].split != "val")  # the first in val, or at all
        conflicting = len({pictures[i].label for i in members}) > 1
        for i in (i for i in members if conflicting or i != keep):
            # Name the one that is kept or, of pictures with two labels, one with the other label.
            like = [j for j in members if (min(i, j), max(i, j)) in pairs]
            label = pictures[i].label
            other = max(like, key=lambda j: (pictures[j].label != label, j == keep))
            across = pictures[i].split != pictures[keep].split
            kind = "two labels" if conflicting else "in train and val" if across else "duplicate"
            shown = pictures[other].path.relative_to(folder).as_posix()
            way = pairs[min(i, other), max(i, other)]
            yield Problem(kind, pictures[i].path, f"{way} {shown}")


def _broken_classes(folder: Path, kept: list[Picture]) -> Iterator[Problem]:
    """Yield a problem for every class that is not whole in both splits."""
    train, val = labels = [
        {path.name for path in (folder / split).iterdir() if path.is_dir() and path.name[0] != "."}
        for split in datasets.SPLITS
    ]
    for split, other, here, there in (("train", "val", *labels), ("val", "train", val, train)):
        plain = {"".join(filter(str.isalnum, name.casefold())): name for name in sorted(there)}
        for label in sorted(here - there):
            sought = "".join(filter(str.isalnum, label.casefold()))
            close = difflib.get_close_matches(sought, plain, n=1, cutoff=0.75)
            meant = f" (is {other}/{plain[close[0]]} meant?)" if close else ""
            detail = f"there is no {other}/{label}{meant}, so the class is left out"
            yield Problem("class names", folder / split / label, detail)
    left = Counter((picture.split, picture.label) for picture in kept)
    for label in sorted(train & val):
        for split, least in LEAST.items():
            if (count := left[split, label]) < least:
                detail = f"{count} images left, needed is {least} at least"
                yield Problem("class left out", folder / split / label, detail)


def _scarcity(folder: Path, kept: list[Picture]) -> Iterator[Problem]:
    """Yield a problem for a class with few images, and where one is much larger than another."""
    for split in datasets.SPLITS if kept else ():
        sizes = Counter(sorted(picture.label for picture in kept if picture.split == split))
        for label, size in sizes.items():
            if size < FEW[split]:
                detail = f"only {size} images: a single one decides much"
                yield Problem("few images", folder / split / label, detail)
        small, large = (f(sizes, key=sizes.__getitem__) for f in (min, max))
        if sizes[large] >= IMBALANCE * sizes[small]:
            detail = f"{sizes[large]} images of {large!r}, only {sizes[small]} of {small!r}"
            yield Problem("imbalance", folder / split / small, detail)
