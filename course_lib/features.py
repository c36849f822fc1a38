"""Features of a frozen backbone: computed once, kept on disk, and all that a head needs to train.

A frozen backbone says the same thing about the same photo every time. So each photo is shown to it
once; what it said is kept under a key made of everything that could change the answer.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from course_lib import datasets, devices, loaders, models, styles, training

CACHE_DIR = "COURSE_LIB_CACHE"  # environment variable: another folder than data/.cache/features


@dataclass(frozen=True)
class Domain:
    """Images of one domain as feature vectors: ``x``, float32 (N, D), and labels ``y``, (N,)."""

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
        """Draw positions of ``per_class`` images of every class, without replacement."""
        chosen = []
        for label, name in enumerate(self.classes):
            there = np.flatnonzero(self.y == label)
            if len(there) < per_class:
                raise ValueError(
                    f"{per_class} images per class were asked for, but {self.name} has only "
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
    device: str | torch.device = "auto",
    precision: str = "float32",
) -> Domain:
    """Feature vectors of one split of a data set, ``"train"`` or ``"val"``, in its order.

    ``style`` is one of `styles.STYLES`. What was computed before comes from the cache.
    """
    listing = datasets.scan(datasets.find(dataset))
    if split not in listing.files:
        raise ValueError(f"split is {split!r}: expected {' or '.join(listing.files)}.")
    device = devices.pick_device(device)
    model = models.build_model(backbone, pretrained=pretrained)
    dtype = devices.pick_precision(precision, device, model, backward=False)
    transform = styles.styled_transform(model.preprocessing, image_size, style)
    files = listing.files[split]

    def compute() -> np.ndarray:
        loader = DataLoader(loaders.Photos(files, transform), batch_size=32)
        return training.extract_features(model, loader, device, precision)[0].numpy()

    settings = [style, image_size, str(model.preprocessing)]
    key = _key([path for path, _ in files], model, device, dtype, *settings)
    x = _cached(key, (len(files),), compute)
    name = str(dataset) if style == "photo" else f"{dataset}, {style}"
    return Domain(name, x, np.array([label for _, label in files]), listing.classes)


def views(
    model: models.Classifier,
    loader: DataLoader | loaders.DeviceLoader,
    count: int = 1,
    *,
    device: str | torch.device = "auto",
    precision: str = "auto",
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Show a loader's photos to a backbone ``count`` times, each time augmented afresh.

    Returns the features, (count, N, D), and the labels, (N,), on the CPU and in the order of the
    data set, for `fit_head`. The random generators are left as they were. Kept on disk, as by
    `load`, where the transform's description says all about it.
    """
    datasets.whole("count", count, 1)
    datasets.whole("seed", seed)
    device, data = devices.pick_device(device), loader.dataset
    dtype = devices.pick_precision(precision, device, model, backward=False)

    def compute() -> np.ndarray:
        in_order = DataLoader(data, loader.batch_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            passes = [
                training.extract_features(model, in_order, device, precision) for _ in range(count)
            ]
        return torch.stack([features for features, _ in passes]).numpy()

    described = repr(data.transform)
    if "Lambda" in described or " at 0x" in described:
        x = compute()
    else:
        key = _key(data.paths, model, device, dtype, described, count, seed)
        x = _cached(key, (count, len(data)), compute)
    return torch.from_numpy(x), torch.tensor(data.labels)


def _key(
    paths: Sequence[Path],
    model: models.Classifier,
    device: torch.device,
    dtype: torch.dtype,
    *settings: str | int,
) -> str:
    """Hash everything that the features depend on: photos, weights, code, settings, libraries."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    libraries = [library.__version__ for library in (np, PIL, timm, torch, torchvision)]
    code = [inspect.getsource(module) for module in (loaders, styles)]
    machine = [models.fingerprint(model.backbone), device.type, str(dtype)]
    digest.update(json.dumps([*machine, *libraries, *code, *settings]).encode())
    return digest.hexdigest()[:32]


def _cached(key: str, shape: tuple[int, ...], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return an entry of the cache, vectors in an array of this shape; fill it if need be."""
    folder = os.environ.get(CACHE_DIR) or datasets.data_dir() / ".cache" / "features"
    path = Path(folder, f"{key}.npy")
    try:
        x = np.load(path, allow_pickle=False)
        if x.dtype == np.float32 and x.shape[:-1] == shape:
            return x
    except (OSError, ValueError, EOFError):  # missing or damaged: computed again
        pass
    x = compute()
    try:
        with datasets.written_whole(path) as unfinished:
            np.save(unfinished, x)
    except OSError:  # read-only or full: the features are there all the same
        pass
    return x


class FeatureBatches:
    """Batches of features, (K, N, D): for every photo one of its K views; iterates like a loader.

    A generator draws order and views afresh in each pass; without it the first view is given.
    """

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        batch_size: int,
        generator: torch.Generator | None = None,
    ) -> None:
        self.features, self.labels = features, labels
        self.batch_size, self.generator = datasets.whole("batch_size", batch_size, 1), generator

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[training.Batch]:
        views, count = self.features.shape[:2]
        order, view = torch.arange(count), torch.zeros(count, dtype=torch.int64)
        if self.generator is not None:
            order = torch.randperm(count, generator=self.generator)
            view = torch.randint(views, (count,), generator=self.generator)
        for chosen in order.split(self.batch_size):
            yield self.features[view[chosen], chosen], self.labels[chosen]


def fit_head(
    head: nn.Module,
    train: tuple[Tensor, Tensor],
    val: tuple[Tensor, Tensor] | None = None,
    *,
    epochs: int,
    optimizer: Optimizer,
    batch_size: int = 32,
    **options: Any,
) -> training.History:
    """Train a head as `training.fit` would, on features, (N, D) or K views of them, (K, N, D).

    ``model.head`` is changed in place, and ``model`` with it. On the CPU and in float32: for so
    little, a GPU would be slower.
    """

    def batches(pair: tuple[Tensor, Tensor], generator: torch.Generator | None) -> FeatureBatches:
        features, labels = pair
        if features.ndim not in (2, 3) or features.shape[-2] != len(labels):
            raise ValueError(
                f"features of shape {tuple(features.shape)} for {len(labels)} labels: expected "
                "(N, D) or (K, N, D) for N labels."
            )
        views = features if features.ndim == 3 else features[None]
        return FeatureBatches(views, labels, batch_size, generator)

    judged = None if val is None else batches(val, None)
    options = {"device": "cpu", "precision": "float32", **options}
    seen = batches(train, torch.Generator())
    return training.fit(head, seen, judged, epochs=epochs, optimizer=optimizer, **options)
