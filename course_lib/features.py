"""Feature vectors of whole domains, computed once and kept on disk.

A frozen backbone says the same thing about the same photo every time. So each photo is shown to it
once; what it said is kept under a key made of everything that could change the answer: the bytes of
the files, the transform, the weights.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from course_lib import datasets, loaders, models, paths, styles, training

CACHE_DIR = "COURSE_LIB_CACHE"  # environment variable: another folder for the cache


@dataclass(frozen=True)
class Domain:
    """Images of one domain as feature vectors.

    Attributes
    ----------
    name : str
        For legends and tables.
    x : ndarray
        float32, shape (N, D).
    y : ndarray
        int64, shape (N,), positions in ``classes``.
    classes : tuple of str
        Class names.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, positions: Sequence[int] | np.ndarray) -> Domain:
        """Some of the images, in the order of ``positions``."""
        positions = np.asarray(positions, dtype=int)
        return Domain(self.name, self.x[positions], self.y[positions], self.classes)

    def few(self, per_class: int, rng: np.random.Generator) -> np.ndarray:
        """Draw positions of ``per_class`` images of every class, without replacement.

        Parameters
        ----------
        per_class : int
            0 or more.
        rng : numpy.random.Generator
            Source of the draw.

        Returns
        -------
        ndarray
            int64, class by class.

        Raises
        ------
        ValueError
            If some class has too few images.
        """
        chosen = []
        for number, name in enumerate(self.classes):
            there = np.flatnonzero(self.y == number)
            if len(there) < per_class:
                raise ValueError(
                    f"{per_class} images a class were asked for, but {self.name} has only "
                    f"{len(there)} of {name!r}. Ask for fewer."
                )
            chosen.append(rng.permutation(there)[:per_class])
        return np.concatenate(chosen)


def load(
    dataset: str | Path = "insects",
    split: str = "train",
    style: str = "photo",
    *,
    backbone: str = models.EMBEDDED,
    pretrained: bool = True,
    image_size: int = 224,
    device: str = "auto",
) -> Domain:
    """Feature vectors of one split of a data set, from the cache when they are there.

    Parameters
    ----------
    dataset : str or Path
        See :func:`course_lib.datasets.find`.
    split : "train" or "val"
        Folder of the data set.
    style : str
        See :func:`course_lib.styles.restyle`.
    backbone : str
        See :func:`course_lib.models.build_model`.
    pretrained : bool
        ImageNet weights, or random ones.
    image_size : int
        Side of the square images, in pixels, 8 or more.
    device : str
        See :func:`course_lib.training.pick_device`.

    Returns
    -------
    Domain
        In the order of :func:`course_lib.datasets.scan`.

    Raises
    ------
    FileNotFoundError, ValueError
        If the data set, a file in it or an argument is not as it should be.

    Notes
    -----
    The cache lies in ``data/.cache/features``, or where the environment variable
    ``COURSE_LIB_CACHE`` says. A damaged file in it is computed again; where nothing can be
    written, nothing is kept.
    """
    listing = datasets.scan(datasets.find(dataset))
    if split not in listing.files:
        raise ValueError(f"split is {split!r}: expected {' or '.join(listing.files)}.")
    device = training.pick_device(device)
    model = models.build_model(backbone, pretrained=pretrained)
    transform = styles.styled_transform(model.preprocessing, image_size, style)
    files = listing.files[split]
    path = _cache_dir() / f"{_key(files, style, image_size, model, device)}.npz"
    if (x := _read(path, len(files))) is None:
        loader = DataLoader(loaders.Photos(files, transform), batch_size=32)
        x = training.extract_features(model, loader, device)[0].numpy()
        _write(path, x)
    name = str(dataset) if style == "photo" else f"{dataset}, {style}"
    return Domain(name, x, np.array([label for _, label in files]), listing.classes)


def _cache_dir() -> Path:
    return Path(os.environ.get(CACHE_DIR) or paths.data_dir() / ".cache" / "features")


def _key(
    files: Sequence[tuple[Path, int]],
    style: str,
    image_size: int,
    model: models.Classifier,
    device: torch.device,
) -> str:
    """Hash everything that the features depend on."""
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    settings = [style, image_size, str(model.preprocessing), models.fingerprint(model.backbone)]
    settings += [device.type, torch.__version__, inspect.getsource(styles)]
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()[:32]


def _read(path: Path, count: int) -> np.ndarray | None:
    """Read an entry of the cache; None if it is missing, damaged, or not of ``count`` images."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            x = stored["x"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    return x if x.dtype == np.float32 and x.ndim == 2 and len(x) == count else None


def _write(path: Path, x: np.ndarray) -> None:
    """Add an entry to the cache, whole or not at all."""
    unfinished = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            unfinished = Path(file.name)
            np.savez(file, x=x)
        unfinished.replace(path)
    except OSError:  # read-only or full: the features are there all the same
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
