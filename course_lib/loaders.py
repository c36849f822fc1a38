"""From folders of photos to batches of tensors.

A photo is opened once, checked, turned upright and kept as it is in memory (up to a budget); the
transforms of `torchvision v2 <https://docs.pytorch.org/vision/stable/transforms.html>`_ then cut
and colour it afresh for every batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2

from course_lib import datasets, progress, require

MEMORY_BUDGET = 1_000_000_000  # bytes of decoded photos kept a data set; the rest are re-read


@dataclass(frozen=True)
class Preprocessing:
    """What a pretrained backbone was shown while it learned, and so must be shown again.

    Attributes
    ----------
    mean, std : tuple of float
        Per channel (R, G, B), for pixel values in [0, 1].
    crop_fraction : float
        Side of the centre crop divided by the short side after resizing: 224 / 256 = 0.875.
    interpolation : str
        ``"bilinear"`` or ``"bicubic"``.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    crop_fraction: float = 0.875
    interpolation: str = "bilinear"


def to_tensor(preprocessing: Preprocessing) -> list[v2.Transform]:
    """Last steps of every pipeline: PIL image to normalised float32 tensor of shape (3, H, W)."""
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(preprocessing.mean, preprocessing.std),
    ]


def train_transform(preprocessing: Preprocessing, image_size: int) -> v2.Compose:
    """Return the article's training pipeline: random resized crop, random flip, normalise.

    Parameters
    ----------
    preprocessing : Preprocessing
        Of the backbone that will see the images.
    image_size : int
        Side of the square output, in pixels, 8 or more.

    Returns
    -------
    torchvision.transforms.v2.Compose
        PIL image to float32 tensor of shape (3, image_size, image_size). Random: draws from
        torch's global generator.
    """
    require.whole("image_size", image_size, 8)
    mode = InterpolationMode(preprocessing.interpolation)
    crop = v2.RandomResizedCrop(image_size, interpolation=mode, antialias=True)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), *to_tensor(preprocessing)])


def eval_transform(preprocessing: Preprocessing, image_size: int) -> v2.Compose:
    """Return the article's evaluation pipeline: resize, centre crop, normalise; nothing random.

    Parameters and output shape are those of :func:`train_transform`.
    """
    require.whole("image_size", image_size, 8)
    mode = InterpolationMode(preprocessing.interpolation)
    short_side = round(image_size / preprocessing.crop_fraction)
    resize = v2.Resize(short_side, interpolation=mode, antialias=True)
    return v2.Compose([resize, v2.CenterCrop(image_size), *to_tensor(preprocessing)])


def unnormalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Undo the normalisation, for looking at what the network sees.

    Parameters
    ----------
    images : Tensor
        float32, shape (..., 3, H, W), normalised with ``preprocessing``.
    preprocessing : Preprocessing
        The one the images were normalised with.

    Returns
    -------
    Tensor
        Same shape, values clipped to [0, 1].
    """
    mean = torch.tensor(preprocessing.mean).view(3, 1, 1)
    std = torch.tensor(preprocessing.std).view(3, 1, 1)
    return (images.cpu() * std + mean).clamp(0, 1)


def open_photo(path: Path) -> Image.Image:
    """Read one image file as 8-bit RGB, upright.

    Parameters
    ----------
    path : Path
        Any format Pillow reads; greyscale, palette, RGBA and 16-bit are converted, and an EXIF
        orientation is applied.

    Returns
    -------
    PIL.Image.Image
        Mode ``"RGB"``, fully decoded.

    Raises
    ------
    ValueError
        If the file is no image, is cut off, or has more pixels than Pillow trusts
        (``PIL.Image.MAX_IMAGE_PIXELS``: a few kilobytes can unpack to gigabytes).
    """
    try:
        with Image.open(path) as file:
            if Image.MAX_IMAGE_PIXELS and file.width * file.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError(
                    f"{file.width} x {file.height} pixels could be a decompression bomb"
                )
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16-bit grey: Pillow would clip it, not scale it
                deep = np.asarray(image, dtype=np.int64).clip(0, 65535)
                image = Image.fromarray((deep // 257).astype("uint8"))
            if isinstance(image.info.get("transparency"), bytes):  # a palette's, colour by colour
                image = image.convert("RGBA")
            return image.convert("RGB")
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not an image that Pillow can read") from None
    except Exception as error:  # decoders raise nearly everything on bytes that make no sense
        raise ValueError(f"{path}: damaged image ({error})") from None


@lru_cache(maxsize=4)
def _open_photos(stamped: tuple[tuple[Path, int, int], ...]) -> list[Image.Image | None]:
    """Open every photo, so that a bad file is named before training starts; keep what fits."""
    kept: list[Image.Image | None] = []
    problems, used = [], 0
    for path, _, _ in progress.bar(stamped, "reading photos"):
        try:
            image = open_photo(path)
        except ValueError as error:
            problems.append(str(error))
            continue
        used += image.width * image.height * 3
        kept.append(image if used <= MEMORY_BUDGET else None)
    if problems:
        listed = "\n  ".join(problems[:10])
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(
            f"{len(problems)} of {len(stamped)} images cannot be used; remove or replace:"
            f"\n  {listed}{more}"
        )
    return kept


class Photos(Dataset):
    """Labelled photos and the transform they pass through.

    Parameters
    ----------
    files : sequence of (Path, int)
        Image files and their labels.
    transform : callable
        PIL image to tensor.

    Attributes
    ----------
    paths : list of Path
    labels : list of int
    """

    def __init__(self, files: Sequence[tuple[Path, int]], transform: Callable) -> None:
        self.paths = [path for path, _ in files]
        self.labels = [label for _, label in files]
        self.transform = transform
        stats = [path.stat() for path in self.paths]
        key = tuple((p, s.st_mtime_ns, s.st_size) for p, s in zip(self.paths, stats, strict=True))
        self._images = _open_photos(key)

    def part(self, positions: Sequence[int], transform: Callable) -> Photos:
        """Some of the photos, in the order of ``positions``, through a transform of their own."""
        chosen = copy.copy(self)
        chosen.paths = [self.paths[i] for i in positions]
        chosen.labels = [self.labels[i] for i in positions]
        chosen.transform = transform
        chosen._images = [self._images[i] for i in positions]
        return chosen

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        """Photo number ``index``, as it is, before the transform."""
        return self._images[index] or open_photo(self.paths[index])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.image(index)), self.labels[index]


@dataclass(frozen=True)
class Loaders:
    """The three splits of a data set, ready to iterate.

    Attributes
    ----------
    train, val, test : DataLoader
        Yield (float32 images of shape (B, 3, S, S), int64 labels of shape (B,)). ``train`` is
        shuffled and augmented; ``val`` is a stratified share of the folder's ``train``; ``test`` is
        the folder's ``val``, to be touched once.
    classes : tuple of str
        Class names; their positions are the labels.
    """

    train: DataLoader
    val: DataLoader
    test: DataLoader
    classes: tuple[str, ...]


def split(labels: Sequence[int], val_fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Divide positions at random into two parts with the same share of every class.

    Parameters
    ----------
    labels : sequence of int
        Label of each example.
    val_fraction : float
        Share of the second part, in (0, 1).
    seed : int
        The same seed gives the same split.

    Returns
    -------
    train, val : list of int
        Sorted positions, disjoint, together all.

    Raises
    ------
    ValueError
        If some class is too small to be in both parts.

    Notes
    -----
    scikit-learn's ``train_test_split(..., stratify=labels)``.
    """
    from sklearn.model_selection import train_test_split

    require.number("val_fraction", val_fraction, above=0.0, at_most=0.9)
    positions = range(len(labels))
    try:
        train, val = train_test_split(
            positions, test_size=val_fraction, stratify=labels, random_state=seed
        )
    except ValueError as error:
        raise ValueError(
            f"{len(labels)} training images are too few to set {val_fraction:.0%} aside for "
            f"validation with every class in both parts ({error}). Add images."
        ) from None
    return sorted(train), sorted(val)


def make_loaders(
    dataset: str | Path | datasets.Listing = "insects",
    preprocessing: Preprocessing | None = None,
    image_size: int = 128,
    batch_size: int = 32,
    *,
    augment: bool = True,
    val_fraction: float = 0.2,
    seed: int = 0,
    num_workers: int = 0,
) -> Loaders:
    """Build the three loaders of a data set.

    Parameters
    ----------
    dataset : str, Path or Listing
        A name that :func:`course_lib.datasets.find` knows, or a folder with ``train/`` and
        ``val/``; or a Listing of images, such as an audit leaves.
    preprocessing : Preprocessing, optional
        Of the backbone, usually ``model.preprocessing``; ImageNet's constants by default.
    image_size : int
        Side of the square images, in pixels, 8 or more.
    batch_size : int
        Images in a batch, 1 or more; the last batch of an epoch may be smaller.
    augment : bool
        Whether the training images are augmented and shuffled; without, they pass through the
        evaluation pipeline in a fixed order, as feature extraction wants them.
    val_fraction : float
        Share of the training images set aside for validation, in (0, 1).
    seed : int
        Of the split and of the shuffling.
    num_workers : int
        Worker processes of each loader. 0 is right for a few hundred photos and the only safe
        choice in notebooks on Windows and macOS.

    Returns
    -------
    Loaders
        Train, validation and test.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder or any file in it is not as it should be; every bad file is named.
    """
    require.whole("batch_size", batch_size, 1)
    require.whole("seed", seed)
    require.whole("num_workers", num_workers)
    preprocessing = preprocessing or Preprocessing()
    plain = eval_transform(preprocessing, image_size)
    train_pipeline = train_transform(preprocessing, image_size) if augment else plain

    listing = dataset
    if not isinstance(listing, datasets.Listing):
        listing = datasets.scan(datasets.find(dataset))
    labelled, held_out = listing.files["train"], listing.files["val"]
    in_train, in_val = split([label for _, label in labelled], val_fraction, seed)
    in_test = range(len(labelled), len(labelled) + len(held_out))
    photos = Photos([*labelled, *held_out], plain)  # all at once: every bad file is named
    options = {
        "batch_size": batch_size,
        "num_workers": num_workers,
        "pin_memory": torch.cuda.is_available(),
    }

    def loader(positions: Sequence[int], transform: Callable, shuffle: bool) -> DataLoader:
        generator = torch.Generator().manual_seed(seed)
        part = photos.part(positions, transform)
        return DataLoader(part, shuffle=shuffle, generator=generator, **options)

    return Loaders(
        train=loader(in_train, train_pipeline, shuffle=augment),
        val=loader(in_val, plain, shuffle=False),
        test=loader(in_test, plain, shuffle=False),
        classes=listing.classes,
    )
