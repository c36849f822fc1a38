"""Folders of photographs: counts, seeds, files, index, manifest, contact sheet."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .domains import DOMAINS, same_scene
from .geometry import Array
from .photograph import LABELS, develop_photo, expose

COUNTS = {"train": {"ants": 123, "bees": 121}, "val": {"ants": 70, "bees": 83}}
"""Photographs a split and class, as in the photo collection of the article."""
COMMITTED_SEED = 20
SPLIT_NUMBERS = {"train": 0, "val": 1, "extra": 2}
JPEG_QUALITY = 84
Report = Callable[[int, int], None]
"""Called with the number of scenes done and of all."""
INDEX, MANIFEST = "index.csv", "manifest.sha256"
MASKED = 40
"""Scenes a split and class whose insects are outlined by :func:`write_masks`."""
MASK_SIZE = 64


@dataclass(frozen=True)
class Task:
    """One scene to photograph, in one or several domains.

    Attributes
    ----------
    label : str
    seed : tuple of int
        The user's seed, the split's number, the photograph's number.
    files : dict of str to Path
        Domain to file; all domains share the scene.
    """

    label: str
    seed: tuple[int, int, int]
    files: dict[str, Path]


@dataclass(frozen=True)
class Record:
    """One line of the index: what re-renders a photograph, and how well its insect is seen."""

    path: str
    domain: str
    split: str
    label: str
    seed: str
    sub_seed: int
    scene: str
    visible_share: float
    image_share: float
    contrast: float


def encode_jpeg(pixels: Array) -> bytes:
    """Encode as the committed photographs are.

    Parameters
    ----------
    pixels : ndarray, shape (h, w, 3), uint8

    Returns
    -------
    bytes
        A JPEG file.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def seed_text(seed: Sequence[int]) -> str:
    """Write a seed for the index: ``(20, 0, 7)`` becomes ``"20 0 7"``."""
    return " ".join(str(number) for number in seed)


def parse_seed(text: str) -> tuple[int, ...]:
    """Read a seed of the index back: ``"20 0 7"`` becomes ``(20, 0, 7)``."""
    return tuple(int(number) for number in text.split())


def perform(task: Task) -> list[dict[str, object]]:
    """Photograph one scene and write its files.

    Parameters
    ----------
    task : Task

    Returns
    -------
    list of dict
        For each domain the values of a :class:`Record`, except ``path`` and ``split``.
    """
    negative = expose(task.label, task.seed, next(iter(task.files)))
    seen = {name: round(value, 4) for name, value in asdict(negative.visibility).items()}
    rows = []
    for domain, file in task.files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(develop_photo(negative, domain)))
        row = {"domain": domain, "label": task.label, "seed": seed_text(task.seed)}
        rows.append(row | {"sub_seed": negative.sub_seed, "scene": negative.scene} | seen)
    return rows


def file_name(label: str, number: int) -> str:
    """Return for example ``ant_007.jpg``."""
    return f"{label[:-1]}_{number:03d}.jpg"


def split_tasks(
    split: str,
    counts: dict[str, int],
    seed: int,
    folders: dict[str, Path],
) -> list[Task]:
    """List the scenes of one split.

    Parameters
    ----------
    split : str
        ``"train"``, ``"val"`` or ``"extra"``; no two share a scene at the same seed.
    counts : dict of str to int
        Photographs a label.
    seed : int
    folders : dict of str to Path
        Domain to the folder that is to hold ``ants`` and ``bees``.

    Returns
    -------
    list of Task
    """
    tasks = []
    for label in LABELS:
        for number in range(counts[label]):
            name = Path(label) / file_name(label, number)
            files = {domain: folder / name for domain, folder in folders.items()}
            tasks.append(Task(label, (seed, SPLIT_NUMBERS[split], number), files))
    return tasks


def photograph_all(
    tasks: Sequence[Task], processes: int, report: Report
) -> list[dict[str, object]]:
    """Perform tasks in one or several processes.

    Parameters
    ----------
    tasks : sequence of Task
    processes : int
    report : callable
        Called after each scene.

    Returns
    -------
    list of dict
        As :func:`perform` returns them, in the order of the tasks.
    """
    rows: list[dict[str, object]] = []

    def collect(results: Iterable[list[dict[str, object]]]) -> None:
        for done, result in enumerate(results, start=1):
            rows.extend(result)
            report(done, len(tasks))

    if processes == 1:
        collect(map(perform, tasks))
    else:
        with ProcessPoolExecutor(processes) as pool:
            collect(pool.map(perform, tasks, chunksize=4))
    return rows


def make_extra(
    domain: str, seed: int, count: int, out: Path, processes: int, report: Report
) -> None:
    """Write ``count`` photographs a class into ``out/ants`` and ``out/bees``."""
    counts = dict.fromkeys(LABELS, count)
    photograph_all(split_tasks("extra", counts, seed, {domain: out}), processes, report)


def make_domain(domain: str, seed: int, out: Path, processes: int, report: Report) -> None:
    """Write a full ``train`` and ``val`` of one domain into ``out``."""
    tasks = [
        task
        for split, counts in COUNTS.items()
        for task in split_tasks(split, counts, seed, {domain: out / split})
    ]
    photograph_all(tasks, processes, report)


def make_committed_set(out: Path, processes: int, report: Report) -> None:
    """Write all domains with the committed seed, their index and their manifest into ``out``."""
    tasks = []
    for group in _domains_by_scene():
        for split, counts in COUNTS.items():
            folders = {domain: out / domain / split for domain in group}
            tasks += split_tasks(split, counts, COMMITTED_SEED, folders)
    rows = photograph_all(tasks, processes, report)
    files = [file for task in tasks for file in task.files.values()]
    records = []
    for file, row in zip(files, rows, strict=True):
        path = file.relative_to(out)
        records.append(Record(path.as_posix(), split=path.parts[1], **row))
    write_index(out / INDEX, records)
    write_manifest(out / MANIFEST, files)


def _domains_by_scene() -> list[list[str]]:
    """Group the domains that can develop the same negative."""
    groups: list[list[str]] = []
    for name, domain in DOMAINS.items():
        for group in groups:
            if same_scene(DOMAINS[group[0]], domain):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def write_index(file: Path, records: Iterable[Record]) -> None:
    """Write the index as CSV, sorted by path."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        columns = [column.name for column in fields(Record)]
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in sorted(records, key=lambda r: r.path))


def write_manifest(file: Path, images: Iterable[Path]) -> None:
    """Write SHA-256 sums as ``sha256sum`` does: paths relative to the manifest, sorted."""
    paths = {image.relative_to(file.parent).as_posix(): image for image in images}
    lines = [
        f"{hashlib.sha256(image.read_bytes()).hexdigest()}  {path}\n"
        for path, image in sorted(paths.items())
    ]
    file.write_text("".join(lines), encoding="utf-8", newline="\n")


def write_masks(file: Path, report: Report) -> None:
    """Write where the insects are in the first ``MASKED`` scenes of each split and class.

    Parameters
    ----------
    file : Path
        An ``.npz`` file with ``paths``, relative to ``field`` and to ``dusk``, which show the same
        scenes, and ``bits``: ``numpy.unpackbits(bits, axis=-1)`` has the shape
        (scenes, 64, 64), with a 1 where an insect fills at least half of a square of 4 x 4 pixels.
    report : callable
        Called after each scene.
    """
    tasks = [
        (f"{split}/{label}/{file_name(label, number)}", label, (COMMITTED_SEED, of_split, number))
        for split, of_split in SPLIT_NUMBERS.items()
        if split in COUNTS
        for label in LABELS
        for number in range(MASKED)
    ]
    bits = []
    for done, (_, label, seed) in enumerate(tasks, start=1):
        insects = expose(label, seed, "field").insects
        step = len(insects) // MASK_SIZE
        share = insects.reshape(MASK_SIZE, step, MASK_SIZE, step).mean((1, 3))
        bits.append(np.packbits(share >= 0.5, axis=-1))
        report(done, len(tasks))
    paths = np.array([path for path, *_ in tasks])
    np.savez_compressed(file, paths=paths, bits=np.stack(bits))


def refuse_used_folder(out: Path) -> None:
    """Raise FileExistsError unless ``out`` is missing or empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(
            f"the folder {out} is not empty: expected a new or an empty one, so that no "
            "photograph is overwritten or mixed with others. Name another --out, or empty it."
        )


def contact_sheet(folder: Path, columns: int = 10, tile: int = 128) -> Image.Image:
    """Lay out the first photographs of every domain and class of ``val``.

    Parameters
    ----------
    folder : Path
        Holds ``field``, ``studio`` and ``dusk``.
    columns : int
        Photographs a row.
    tile : int
        Side of each, in pixels.

    Returns
    -------
    PIL.Image.Image
        A row for each domain and class, labelled on the left.

    Raises
    ------
    FileNotFoundError
        If a photograph is missing.
    """
    margin = 92
    names = [(domain, label) for domain in DOMAINS for label in LABELS]
    size = (margin + columns * tile, len(names) * tile)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=20)
    for row, (domain, label) in enumerate(names):
        top = row * tile
        pen.multiline_text((8, top + tile // 2 - 24), f"{domain}\n{label}", "black", font)
        for column in range(columns):
            file = folder / domain / "val" / label / file_name(label, column)
            if not file.is_file():
                raise FileNotFoundError(
                    f"no photograph {file}: expected the committed set in {folder}. Make it with "
                    "'python -m data.insects.renderer --all --out FOLDER'."
                )
            with Image.open(file) as photo:
                small = photo.resize((tile, tile), Image.Resampling.LANCZOS)
            sheet.paste(small, (margin + column * tile, top))
    return sheet


def read_pixels(file: Path) -> Array:
    """Decode an image file to an array of shape (h, w, 3), uint8."""
    with Image.open(file) as photo:
        return np.asarray(photo.convert("RGB"))
