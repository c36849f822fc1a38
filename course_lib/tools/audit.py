"""What is wrong with a folder of images, said before training; `split`, for one without val/."""

import difflib
import hashlib
import os
import re
import shutil
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

import numpy as np
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from course_lib import datasets, loaders, progress

LIKENESS = 0.97  # correlation of thumbnails: copies saved anew, shrunk or brighter reach 0.98
SIDE = 8  # of the thumbnails, in pixels
SHOWN = 20  # pairs that look alike
LEAST = {"train": 2, "val": 1}  # a class with fewer images is left out
FEW = {"train": 10, "val": 5}  # a class with fewer images is reported
IMBALANCE = 3  # so many times the images of the smallest class in the largest are reported
OTHERS = {"an empty file": b"$", "a PDF": b"%pdf", "a web page": rb"\s*<(!doctype )?html"}
OTHERS |= {"a zip archive": rb"pk\x03\x04", "a gzip archive": rb"\x1f\x8b"}  # by the start
OTHERS |= {"a HEIC photo": b".{4}ftyp(hei|mif1)", "a text": rb"[\s!-~]+$"}


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
    thumbnail: np.ndarray = field(repr=False, compare=False)  # float32 of length 1, or 0


@dataclass(frozen=True)
class Audit:
    """What an audit found: problems kind by kind, every readable picture, and those to keep."""

    folder: Path
    problems: tuple[Problem, ...]
    pictures: tuple[Picture, ...]
    kept: tuple[Picture, ...]

    def counts(self) -> dict[str, int]:
        """Number of problems of each kind that occurs."""
        return dict(Counter(problem.kind for problem in self.problems))

    def listing(self) -> datasets.Listing:
        """List what is left, for `loaders.make_loaders`; as `datasets.scan` if nothing is wrong."""
        classes = tuple(sorted({picture.label for picture in self.kept}))
        if len(classes) < 2:
            what = f"the audit leaves {len(classes)} classes with images in train/ and val/"
            raise ValueError(f"{self.folder}: {what}, not two: {'; '.join(self.lines()[:5])}")
        files = {split: [] for split in datasets.SPLITS}
        for picture in self.kept:
            files[picture.split].append((picture.path, classes.index(picture.label)))
        return datasets.Listing(classes, files)

    def lines(self) -> list[str]:
        """One line per problem, with paths as seen from the folder; all can be printed."""
        where = [problem.path.relative_to(self.folder).as_posix() for problem in self.problems]
        lines = (f"{p.kind}: {w}: {p.detail}" for p, w in zip(self.problems, where, strict=True))
        return [line.encode(errors="backslashreplace").decode() for line in lines]

    def table(self) -> list[dict[str, object]]:
        """Rows for `report.table`: per class the images found and left, and what they are like."""
        rows = []
        for label in sorted({picture.label for picture in self.pictures}):
            found = [p for p in self.pictures if p.label == label]
            left = Counter(p.split for p in self.kept if p.label == label)
            sides = [min(picture.size) for picture in found]
            counts = {f"left in {split}": left[split] for split in datasets.SPLITS}
            look = {"grey": f"{np.mean([picture.grey for picture in found]):.0%}"}
            look["shorter side"] = " to ".join(map(str, sorted({min(sides), max(sides)})))
            rows.append({"class": label, "readable": len(found), **counts, **look})
        return rows


def audit(dataset: str | Path, likeness: float = LIKENESS) -> Audit:
    """Look through a data set (see `datasets.find`) before training on it.

    Pairs whose thumbnails, each channel less its mean, correlate to ``likeness``, as they are or
    within a class mirrored, are named, and both kept.
    """
    if not 0 < likeness <= 1:
        raise ValueError(f"likeness is {likeness!r}: expected a number above 0 and at most 1.")
    folder = datasets.find(dataset)
    walked = [entry for split in datasets.SPLITS for entry in _walk(folder, split)]
    files = [entry for entry in walked if not isinstance(entry, Problem)]
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow only warns of can be used
        looks = [*progress.bar(pool.map(lambda f: _look(*f), files), "looking", len(files))]
    problems = [entry for entry in [*walked, *looks] if isinstance(entry, Problem)]
    pictures = [look for look in looks if isinstance(look, Picture)]
    doubles = {problem.path: problem for problem in _doubles(folder, pictures)}
    kept = [picture for picture in pictures if picture.path not in doubles]
    problems += [*doubles.values(), *(broken := list(_broken_classes(folder, kept)))]
    lost = {problem.path.name for problem in broken}
    kept = [picture for picture in kept if picture.label not in lost]
    problems += [*_alike(folder, kept, likeness), *_scarcity(folder, kept)]
    kinds = list(dict.fromkeys(problem.kind for problem in problems))
    problems.sort(key=lambda problem: kinds.index(problem.kind))
    if len(pictures) - len(kept) > len(pictures) / 10:
        problems.insert(0, Problem("much left out", folder, "over a tenth of all: see why, below"))
    return Audit(folder, tuple(problems), tuple(pictures), tuple(kept))


def _walk(folder: Path, split: str) -> Iterator[Problem | tuple[Path, str, str]]:
    """Yield path, split and class of what is named as an image; a problem for anything else."""
    for top in datasets.visible(folder / split):
        for place in top.rglob("*/"):
            if place.suffix.lower() in datasets.ENDINGS and "@eaDir" not in place.parts:
                yield Problem("unreadable", place, "a folder with the name of an image")
        found = []
        try:
            found = sorted(datasets.walk(top), key=lambda path: (str(path.parent), path.name))
        except NotADirectoryError:
            yield Problem("not taken", top, "lies beside the class folders, not in one")
        except OSError as error:
            detail = f"{error.strerror}: nothing of this class was looked at"
            yield Problem("unreadable", Path(error.filename), detail)
        others = Counter(path.suffix.lower() for path in found)
        for path in found:
            if path.suffix.lower() in datasets.ENDINGS:
                yield path, split, top.name
            elif count := others.pop(path.suffix.lower(), 0):
                detail = f"{count} that end in {path.suffix!r} are not read: save as .jpg"
                yield Problem("not taken", path, detail)


def _look(path: Path, split: str, label: str) -> Picture | Problem:
    """Open a file that is named as an image."""
    what = ""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise ValueError("a link to nothing" if path.is_symlink() else "not a regular file")
        with path.open("rb") as file:
            start = file.read(512).lower()
        for kind in (kind for kind, sign in OTHERS.items() if re.match(sign, start, re.DOTALL)):
            what = what or f"{kind} with the name of an image"
        image = loaders.open_photo(path)
    except Exception as error:  # a broken file can make a decoder raise anything
        return Problem("unreadable", path, what or str(error).removeprefix(f"{path}: "))
    digest = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)
    grey = bool(np.ptp(small, axis=2).max() <= 2)
    less = small - small.mean(axis=(0, 1))
    length = np.linalg.norm(less)
    thumbnail = less / length if length > 2 * SIDE else less * 0  # one shade is like nothing
    return Picture(path, split, label, image.size, grey, digest, thumbnail)


def _doubles(folder: Path, pictures: list[Picture]) -> Iterator[Problem]:
    """Yield a problem for every picture that is to be left out because it is there twice."""
    same = defaultdict(list)
    for picture in pictures:
        same[picture.digest].append(picture)
    for members in same.values():
        keep = min(members, key=lambda p: p.split != "val")  # the first in val, or at all
        conflicting = len({p.label for p in members}) > 1
        for picture in (p for p in members if conflicting or p is not keep):
            # Name the one that is kept or, of pictures with two labels, one with the other label.
            other = max(members, key=lambda p: (p.label != picture.label, p is keep))
            across = picture.split != keep.split
            kind = "two labels" if conflicting else "in train and val" if across else "duplicate"
            detail = f"pixel by pixel the same as {other.path.relative_to(folder).as_posix()}"
            yield Problem(kind, picture.path, detail)


def _alike(folder: Path, pictures: list[Picture], likeness: float) -> Iterator[Problem]:
    """Yield the pairs of each picture and the likest others in each split, the gravest first."""
    pictures = [picture for picture in pictures if picture.thumbnail.any()]
    stack = np.array([picture.thumbnail for picture in pictures])
    found: dict[tuple[int, int], tuple] = {}
    for step, way in ((1, ""), (-1, ", mirrored")):
        asking, groups = defaultdict(list), defaultdict(list)
        for place, picture in enumerate(pictures):
            label = way and picture.label  # not across classes: a b mirrored is a d
            asking[label].append(place)
            groups[label, picture.split].append(place)
        for (label, _), others in groups.items():
            search = NearestNeighbors(algorithm="brute").fit(stack[others].reshape(len(others), -1))
            turned = stack[asking[label]][:, :, ::step].reshape(len(asking[label]), -1)
            distances, places = search.kneighbors(turned, min(2, len(others)))
            alike = 1 - distances**2 / 2  # of vectors of length 1
            for row, k in np.argwhere(alike >= likeness):
                i, j = sorted((asking[label][row], others[places[row, k]]))
                one, two = pictures[i], pictures[j]
                rank = one.split == two.split, one.label == two.label, -alike[row, k], way
                if i < j:
                    found[i, j] = min(rank, found.get((i, j), rank))
    for (i, j), (*_, unlike, way) in sorted(found.items(), key=lambda item: item[1])[:SHOWN]:
        detail = f"{-unlike:.2f} like {pictures[j].path.relative_to(folder).as_posix()}{way}"
        yield Problem("look alike", pictures[i].path, detail)
    if len(found) > SHOWN:
        yield Problem("look alike", folder, f"{len(found) - SHOWN} more pairs")


def _broken_classes(folder: Path, kept: list[Picture]) -> Iterator[Problem]:
    """Yield a problem for every class that is not whole in both splits."""
    train, val = ({p.name for p in datasets.visible(folder / s) if p.is_dir()} for s in LEAST)
    for split, other, here, there in (("train", "val", train, val), ("val", "train", val, train)):
        plain = {name.casefold(): name for name in sorted(there)}
        for label in sorted(here - there):
            close = difflib.get_close_matches(label.casefold(), plain, n=1, cutoff=0.75)
            meant = f" (is {other}/{plain[close[0]]} meant?)" if close else ""
            if normalize("NFC", label) in (normalize("NFC", name) for name in there):
                meant = " in this Unicode form (NFC or NFD), but in the other: rename one"
            detail = f"there is no {other}/{label}{meant}, so the class is left out"
            yield Problem("class names", folder / split / label, detail)
    left = Counter((picture.split, picture.label) for picture in kept)
    for label in sorted(train & val):
        if label != (plain := normalize("NFC", label)) and plain in train & val:
            yield Problem("class names", folder / "train" / label, "also in Unicode NFC: join them")
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


def split(folder: str | Path, val: float = 0.2, test: float = 0.0) -> Path:
    """Copy the images of ``FOLDER/<class>/`` to splits in a new ``FOLDER-split``; return that."""
    folder = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - '..' has no name
    output = folder.with_name(f"{folder.name}-split")
    if not 0 < val < 1 - test <= 1:
        raise ValueError(f"val is {val}, test is {test}: expected shares whose sum is below 1.")
    files = [path for path in datasets.walk(folder) if path.parent != folder]
    rest = [path for path in files if path.suffix.lower() in datasets.ENDINGS]
    classes = {path.relative_to(folder).parts[0] for path in rest}
    if len(classes) < 2 or {"train", "Train"} & classes or output.exists():
        wanted = f"a folder for each of two or more classes, and no {output.name} beside them"
        raise ValueError(f"{folder} has images in {sorted(classes)}: expected {wanted}.")
    parts, whole = {}, len(rest)
    for part, share in (("test", test), ("val", val))[not test :]:
        labels = [path.relative_to(folder).parts[0] for path in rest]
        if small := [name for name in sorted(classes) if labels.count(name) < 2 + (part == "test")]:
            raise ValueError(f"{folder}: too few images in {small}: every split needs one.")
        left, taken = loaders.split(labels, min(share * whole / len(rest), 0.99), seed=0)
        parts[part], rest = [rest[i] for i in taken], [rest[i] for i in left]
    parts["train"] = rest + [path for path in files if path.suffix.lower() not in datasets.ENDINGS]
    with datasets.written_whole(output) as unfinished:
        for path, part in ((path, part) for part, paths in parts.items() for path in paths):
            target = unfinished / part / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    return output
