"""Features of a frozen backbone: each photo is shown to it once, and its answer kept on disk."""

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from course_lib import datasets, devices, loaders, models, styles, training
from course_lib.devices import Device

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

    def take(self, positions: Sequence[int] | np.ndarray) -> "Domain":
        """Some of the images, in the order of ``positions``."""
        positions = np.asarray(positions, dtype=int)
        return Domain(self.name, self.x[positions], self.y[positions], self.classes)

    def few(self, per_class: int, rng: np.random.Generator) -> np.ndarray:
        """Draw positions of ``per_class`` images of every class, without replacement."""
        chosen = []
        for label, name in enumerate(self.classes):
            there = np.flatnonzero(self.y == label)
            if len(there) < per_class:
                raise ValueError(f"{self.name} has {len(there)} of {name!r}, not {per_class}.")
            chosen.append(rng.permutation(there)[:per_class])
        return np.concatenate(chosen)


def load(
    dataset: str | Path = "insects",
    split: str = "train",
    style: str = "photo",
    *,
    backbone: str = models.EMBEDDED,
    image_size: int = 224,
    device: Device = "auto",
) -> Domain:
    """Features of one split, ``"train"`` or ``"val"``, in one of `styles.STYLES`, in its order."""
    listing = datasets.scan(datasets.find(dataset))
    model = models.build_model(backbone, image_size=image_size)
    transform = styles.styled_transform(model.preprocessing, image_size, style)
    loader = DataLoader(loaders.Photos(listing.files[split], transform), batch_size=32)
    x, y = views(model, loader, device=device, precision="float32")
    name = str(dataset) if style == "photo" else f"{dataset}, {style}"
    return Domain(name, x[0].numpy(), y.numpy(), listing.classes)


def views(
    model: models.Classifier,
    loader: DataLoader | loaders.DeviceLoader,
    count: int = 1,
    *,
    device: Device = "auto",
    precision: str = "auto",
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Features, (count, N, D), and labels, (N,), of a loader's photos in the data set's order.

    Each is augmented ``count`` times. They are kept if all that the transform holds can be told.
    """
    count, seed = datasets.whole("count", count, 1), datasets.whole("seed", seed)
    device, photos = devices.pick_device(device), loader.dataset
    dtype = devices.pick_precision(precision, device, model, backward=False)

    def compute() -> np.ndarray:
        in_order, passes = DataLoader(photos.open(), loader.batch_size), []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(count):
                passes.append(training.extract_features(model, in_order, device, precision)[0])
        return torch.stack(passes).numpy()

    def tell(part: object) -> object:
        if not isinstance(part, nn.Module):
            return part.tolist() if isinstance(part, Tensor | np.ndarray) else repr(part)
        held = [repr(value) if isinstance(value, dict) else value for value in vars(part).values()]
        return [repr(type(part)), held]

    said = json.dumps(photos.transform, default=tell, skipkeys=True)
    if any(sign in said for sign in ("Lambda", " at 0x", "__main__")):  # code that nothing tells
        x = compute()
    else:
        key = _key(photos.paths, model, device, dtype, said, count, seed, loader.batch_size)
        x = _cached(key, (count, len(photos)), compute)
    return torch.from_numpy(x), torch.tensor(photos.labels)


def _key(paths: Sequence[Path], model, device, dtype, *settings: str | int) -> str:
    """Hash everything that the features depend on: photos, weights, code, settings, libraries."""
    photos = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    libraries = [library.__version__ for library in (np, PIL, timm, torch, torchvision)]
    code = [inspect.getsource(module) for module in (loaders, styles)]
    machine = [repr(model.backbone), models.fingerprint(model.backbone), device.type, str(dtype)]
    everything = json.dumps([*photos, *machine, *libraries, *code, *settings])
    return hashlib.sha256(everything.encode()).hexdigest()[:32]


def _cached(key: str, shape: tuple[int, ...], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return an entry of the cache, vectors in an array of this shape."""
    default = datasets.data_dir() / ".cache" / "features"
    path = Path(os.environ.get(CACHE_DIR) or default, f"{key}.npy")
    with suppress(OSError, ValueError, EOFError):  # missing or damaged: computed again
        x = np.load(path, allow_pickle=False)
        if x.dtype == np.float32 and x.shape[:-1] == shape:
            return x
    x = compute()
    with suppress(OSError), datasets.written_whole(path) as unfinished:  # a folder may be full
        np.save(unfinished, x)
    return x


class FeatureBatches:
    """Batches of features, (N, D), or K views, (K, N, D); a generator draws order and views."""

    def __init__(self, features, labels, batch_size: int, generator=None) -> None:
        if features.ndim not in (2, 3) or features.shape[-2] != len(labels):
            shape = tuple(features.shape)
            raise ValueError(f"features of shape {shape} do not fit {len(labels)} labels.")
        self.features = features if features.ndim == 3 else features[None]
        self.batch_size, self.generator = datasets.whole("batch_size", batch_size, 1), generator
        self.labels = labels

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
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
    **options,
) -> training.History:
    """Train a head, in place, by `training.fit` on features, (N, D) or K views, (K, N, D)."""
    seen = FeatureBatches(*train, batch_size, torch.Generator())
    judged = None if val is None else FeatureBatches(*val, batch_size)
    options = {"device": "cpu", "precision": "float32", **options}  # a GPU would be slower
    return training.fit(head, seen, judged, epochs=epochs, optimizer=optimizer, **options)
