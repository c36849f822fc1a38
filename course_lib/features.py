"""Feature vectors of photos, computed once and kept on disk.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_lib import datasets, loaders, models, paths, require, styles, training

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
    precision: str = "float32",
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
    precision : str
        See :func:`course_lib.training.pick_precision`.

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
    dtype = training.pick_precision(precision, device, model, backward=False)
    transform = styles.styled_transform(model.preprocessing, image_size, style)
    files = listing.files[split]

    def compute() -> np.ndarray:
        loader = DataLoader(loaders.Photos(files, transform), batch_size=32)
        return training.extract_features(model, loader, device, precision)[0].numpy()

    settings = [style, image_size, str(model.preprocessing), inspect.getsource(styles)]
    x = _cached(_key(files, model, device, dtype, *settings), (len(files),), compute)
    name = str(dataset) if style == "photo" else f"{dataset}, {style}"
    return Domain(name, x, np.array([label for _, label in files]), listing.classes)


def views(
    model: models.Classifier,
    loader: DataLoader | loaders.Resident,
    count: int = 1,
    *,
    device: str | torch.device = "auto",
    precision: str = "auto",
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Show a loader's photos to a backbone, and keep what it says: all that a head needs.

    Parameters
    ----------
    model : Classifier
        Its backbone is run in evaluation mode; the head is not asked.
    loader : DataLoader or Resident
        The photos and their transform. Photos come in the order of the data set, whatever the
        loader's.
    count : int
        Passes, 1 or more: so many views of every photo, each augmented afresh. 1 is enough without
        augmentation.
    device, precision : str
        See :func:`course_lib.training.pick_device` and :func:`course_lib.training.pick_precision`.
    seed : int
        Of the augmentation. The global random generators are left as they were.

    Returns
    -------
    features : Tensor
        float32, shape (count, N, D), on the CPU; for :func:`course_lib.training.fit_head`.
    labels : Tensor
        int64, shape (N,).

    Raises
    ------
    ValueError
        If an argument is out of range or the loader yields nothing.

    Notes
    -----
    Kept on disk, as by :func:`load`, where the loader's data set is
    :class:`course_lib.loaders.Photos` and its transform is one of this course's pipelines, whose
    description says all about it.
    """
    require.whole("count", count, 1)
    require.whole("seed", seed)
    device = training.pick_device(device)
    dtype = training.pick_precision(precision, device, model, backward=False)
    data = loader.dataset
    in_order = DataLoader(data, loader.batch_size)

    def passes() -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            seen = [
                training.extract_features(model, in_order, device, precision) for _ in range(count)
            ]
        return torch.stack([features for features, _ in seen]), seen[0][1]

    if not isinstance(data, loaders.Photos) or not isinstance(data.transform, loaders.Pipeline):
        return passes()
    files = list(zip(data.paths, data.labels, strict=True))
    key = _key(files, model, device, dtype, repr(data.transform), count, seed)
    x = _cached(key, (count, len(files)), lambda: passes()[0].numpy())
    return torch.from_numpy(x), torch.tensor(data.labels)


def _cache_dir() -> Path:
    return Path(os.environ.get(CACHE_DIR) or paths.data_dir() / ".cache" / "features")


def _key(
    files: Sequence[tuple[Path, int]],
    model: models.Classifier,
    device: torch.device,
    dtype: torch.dtype,
    *settings: str | int,
) -> str:
    """Hash everything that the features depend on."""
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    machine = [device.type, str(dtype), torch.__version__]
    digest.update(json.dumps([models.fingerprint(model.backbone), *machine, *settings]).encode())
    return digest.hexdigest()[:32]


def _cached(key: str, shape: tuple[int, ...], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return an entry of the cache, vectors in an array of this shape; fill it if need be."""
    path = _cache_dir() / f"{key}.npz"
    if (x := _read(path, shape)) is None:
        _write(path, x := compute())
    return x


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Read an entry of the cache; None if it is missing, damaged, or of another shape."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            x = stored["x"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    return x if x.dtype == np.float32 and x.shape[:-1] == shape else None


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
