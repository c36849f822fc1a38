"""From folders of photos to batches of tensors.

A photo is opened once, checked, turned upright and kept as it is in memory, as bytes (up to a
budget); the transforms of `torchvision v2
<https://docs.pytorch.org/vision/stable/transforms.html>`_ then cut it afresh for every batch. What
every pixel goes through alike is done once a batch. With a GPU, small data sets live there, and are
cut there.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import InterpolationMode, v2

from course_lib import datasets, progress, require

MEMORY_BUDGET = 1_000_000_000  # bytes of decoded photos kept in all; the rest are read again


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


class Pipeline(v2.Compose):
    """Transforms of which the first work on one image, and the last on a whole batch as well.

    Parameters
    ----------
    each : sequence of Transform
        PIL image, or uint8 tensor of shape (3, H, W), to uint8 tensor of shape (3, S, S).
    whole : sequence of Transform
        Elementwise and not random, from uint8 to float32; what they do to an image does not depend
        on the others of its batch.
    """

    def __init__(self, each: Sequence[Callable], whole: Sequence[Callable]) -> None:
        super().__init__([*each, *whole])
        self.each, self.whole = v2.Compose(each), v2.Compose(whole)

    def batch(self, images: Sequence[Tensor]) -> Tensor:
        """Pass several images through: float32 of shape (B, 3, S, S), in channels-last layout."""
        cut = torch.stack([self.each(image) for image in images])
        return self.whole(cut.contiguous(memory_format=torch.channels_last))


def train_transform(preprocessing: Preprocessing, image_size: int) -> Pipeline:
    """Return the article's training pipeline: random resized crop, random flip, normalise.

    Parameters
    ----------
    preprocessing : Preprocessing
        Of the backbone that will see the images.
    image_size : int
        Side of the square output, in pixels, 8 or more.

    Returns
    -------
    Pipeline
        PIL image, or uint8 tensor of shape (3, H, W), to float32 tensor of shape
        (3, image_size, image_size). Random: draws from torch's global generator.
    """
    require.whole("image_size", image_size, 8)
    mode = InterpolationMode(preprocessing.interpolation)
    crop = v2.RandomResizedCrop(image_size, interpolation=mode, antialias=True)
    to_image, *normalise = to_tensor(preprocessing)
    return Pipeline([crop, v2.RandomHorizontalFlip(), to_image], normalise)


def eval_transform(preprocessing: Preprocessing, image_size: int) -> Pipeline:
    """Return the article's evaluation pipeline: resize, centre crop, normalise; nothing random.

    Parameters and output shape are those of :func:`train_transform`.
    """
    require.whole("image_size", image_size, 8)
    mode = InterpolationMode(preprocessing.interpolation)
    short_side = round(image_size / preprocessing.crop_fraction)
    resize = v2.Resize(short_side, interpolation=mode, antialias=True)
    to_image, *normalise = to_tensor(preprocessing)
    return Pipeline([resize, v2.CenterCrop(image_size), to_image], normalise)


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


Stamp = tuple[Path, int, int]  # a file, when it was changed (ns), its size (bytes)
_opened: dict[Stamp, np.ndarray | None] = {}  # good photos, oldest first; None: not kept


def _decode(path: Path) -> np.ndarray:
    """Pixels of one image file: uint8, shape (H, W, 3), writable, as torch wants it."""
    return np.array(open_photo(path))


def _in_threads(function: Callable, items: Sequence) -> Iterator:
    """Apply a function to items, in as many threads as torch computes with; Pillow lets them."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        yield from pool.map(function, items)


def _open_photos(stamps: Sequence[Stamp]) -> None:
    """Open every photo, so that a bad file is named before training starts; keep what fits."""

    def attempt(stamp: Stamp) -> np.ndarray | str:
        try:
            return _decode(stamp[0])
        except ValueError as error:
            return str(error)

    wanted, problems = set(stamps), []
    new = [stamp for stamp in stamps if stamp not in _opened]
    room = MEMORY_BUDGET - sum(pixels.nbytes for pixels in _opened.values() if pixels is not None)
    others = [stamp for stamp, kept in _opened.items() if kept is not None and stamp not in wanted]
    many = [new[i : i + 256] for i in range(0, len(new), 256)]
    for part in progress.bar(many, "reading photos"):
        for stamp, found in zip(part, _in_threads(attempt, part), strict=True):
            if isinstance(found, str):
                problems.append(found)
                continue
            while others and room < found.nbytes:  # photos of other data sets make room first
                room += _opened.pop(others.pop(0)).nbytes
            fits = room >= found.nbytes
            room -= found.nbytes * fits
            _opened[stamp] = found if fits else None
    if problems:
        listed = "\n  ".join(problems[:10])
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(
            f"{len(problems)} of {len(stamps)} images cannot be used; remove or replace:"
            f"\n  {listed}{more}"
        )


class Photos(Dataset):
    """Labelled photos and the transform they pass through.

    Parameters
    ----------
    files : sequence of (Path, int)
        Image files and their labels.
    transform : callable
        PIL image to tensor. A :class:`Pipeline` is given the pixels as they are in memory, which
        is faster.

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
        stamps = [(p, s.st_mtime_ns, s.st_size) for p, s in zip(self.paths, stats, strict=True)]
        _open_photos(stamps)
        self._pixels = [_opened[stamp] for stamp in stamps]

    def part(self, positions: Sequence[int], transform: Callable) -> Photos:
        """Some of the photos, in the order of ``positions``, through a transform of their own."""
        chosen = copy.copy(self)
        chosen.paths = [self.paths[i] for i in positions]
        chosen.labels = [self.labels[i] for i in positions]
        chosen.transform = transform
        chosen._pixels = [self._pixels[i] for i in positions]
        return chosen

    @property
    def in_memory(self) -> bool:
        """Whether all of the photos fitted into ``MEMORY_BUDGET``."""
        return all(kept is not None for kept in self._pixels)

    def __len__(self) -> int:
        return len(self.paths)

    def pixels(self, index: int) -> Tensor:
        """Photo number ``index`` before the transform: uint8 of shape (3, H, W)."""
        kept = self._pixels[index]
        return torch.from_numpy(_decode(self.paths[index]) if kept is None else kept).movedim(2, 0)

    def image(self, index: int) -> Image.Image:
        """Photo number ``index``, as it is, before the transform."""
        kept = self._pixels[index]
        return open_photo(self.paths[index]) if kept is None else Image.fromarray(kept)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        photo = self.pixels if isinstance(self.transform, Pipeline) else self.image
        return self.transform(photo(index)), self.labels[index]

    def __getitems__(self, positions: Sequence[int]) -> list[tuple[Tensor, int]]:
        """Several photos at once, as ``[self[i] for i in positions]``: a DataLoader asks this."""
        if not isinstance(self.transform, Pipeline):
            return [self[i] for i in positions]
        photos = (map if self.in_memory else _in_threads)(self.pixels, positions)
        images = self.transform.batch(list(photos))
        return list(zip(images, [self.labels[i] for i in positions], strict=True))


class Resident:
    """Batches of a data set that lives on a device as uint8, and is cut and normalised there.

    It is iterated like the DataLoader it replaces and draws crops and flips from the same
    distribution, but all of a batch at once; a few small matrices do what
    ``RandomResizedCrop(antialias=True)`` does, see :func:`resampling`.

    Parameters
    ----------
    loader : DataLoader
        Of :class:`Photos` through a :class:`Pipeline` of this module. Its data set, batch size,
        generator and shuffling are taken over.
    device : torch.device or str
        Where the photos are to live.

    Attributes
    ----------
    dataset : Photos
    batch_size : int
    generator : torch.Generator or None
        Of the order of the photos; crops are drawn from torch's global generator.
    """

    def __init__(self, loader: DataLoader, device: torch.device | str) -> None:
        self.dataset, self.batch_size = loader.dataset, loader.batch_size
        self.generator, self.device = loader.generator, torch.device(device)
        self._shuffle = isinstance(loader.sampler, RandomSampler)
        self._labels = torch.tensor(self.dataset.labels, device=self.device)
        pipeline = self.dataset.transform
        self._crop = pipeline.each.transforms[0]
        self._random = isinstance(self._crop, v2.RandomResizedCrop)
        photos = map(self.dataset.pixels, range(len(self.dataset)))
        if not self._random:  # then the crops, too, are always the same
            photos = map(pipeline.each, photos)
        self._photos = [photo.to(self.device) for photo in photos]
        self._normalise = pipeline.whole

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.dataset)
        order = torch.arange(count)
        if self._shuffle:
            order = torch.randperm(count, generator=self.generator)
        for chosen in order.split(self.batch_size):
            photos = [self._photos[i] for i in chosen.tolist()]
            pixels = self._cut(photos) if self._random else torch.stack(photos)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            yield self._normalise(pixels), self._labels[chosen.to(self.device)]

    def _cut(self, photos: Sequence[Tensor]) -> Tensor:
        """Random crops of photos, some of them flipped: uint8, shape (B, 3, S, S)."""
        heights, widths = torch.tensor([photo.shape[1:] for photo in photos]).T
        boxes = random_crops(heights, widths, self._crop.scale, self._crop.ratio)
        largest = boxes[:, 2:].max(dim=0).values.tolist()
        windows = photos[0].new_zeros((len(photos), 3, *largest))
        for window, photo, box in zip(windows, photos, boxes.tolist(), strict=True):
            top, left, height, width = box
            window[:, :height, :width] = photo[:, top : top + height, left : left + width]
        cubic = self._crop.interpolation == InterpolationMode.BICUBIC
        rows, columns = (
            resampling(boxes[:, side].to(self.device), size, largest[side - 2], cubic)
            for side, size in zip((2, 3), self._crop.size, strict=True)
        )
        flipped = (torch.rand(len(photos)) < 0.5).to(self.device)
        columns = torch.where(flipped[:, None, None], columns.flip(1), columns)
        narrow = (windows.float() @ columns[:, None].mT).round().clamp(0, 255)  # bytes in between
        return (rows[:, None] @ narrow).round().clamp(0, 255).to(torch.uint8)


def random_crops(
    heights: Tensor, widths: Tensor, scale: Sequence[float], ratio: Sequence[float]
) -> Tensor:
    """Draw a crop of each photo, as torchvision's RandomResizedCrop does for one.

    Parameters
    ----------
    heights, widths : Tensor
        int64, shape (B,): sizes of the photos in pixels.
    scale : (float, float)
        Range of the crop's area, as a share of the photo's.
    ratio : (float, float)
        Range of width / height, drawn evenly on a logarithmic scale.

    Returns
    -------
    Tensor
        int64, shape (B, 4): top, left, height and width. Of ten tries for each photo the first
        that lies inside it; where none does, the largest central crop of an allowed ratio.
    """
    tries = (len(heights), 10)
    areas = (heights * widths)[:, None] * torch.empty(tries).uniform_(*scale)
    shapes = torch.empty(tries).uniform_(math.log(ratio[0]), math.log(ratio[1])).exp()
    w, h = (areas * shapes).sqrt().round().long(), (areas / shapes).sqrt().round().long()
    inside = (w > 0) & (h > 0) & (w <= widths[:, None]) & (h <= heights[:, None])
    first = inside.int().argmax(dim=1, keepdim=True)
    found = inside.any(dim=1)
    w = torch.where(found, w.gather(1, first)[:, 0], (heights * ratio[1]).round().long())
    h = torch.where(found, h.gather(1, first)[:, 0], (widths / ratio[0]).round().long())
    w, h = w.minimum(widths), h.minimum(heights)
    free = torch.stack([heights - h, widths - w], dim=1)
    corner = (torch.rand(free.shape) * (free + 1)).long().minimum(free)
    corner = torch.where(found[:, None], corner, free // 2)
    return torch.cat([corner, torch.stack([h, w], dim=1)], dim=1)


def resampling(lengths: Tensor, size: int, longest: int, cubic: bool = False) -> Tensor:
    """Return matrices that resize one side of images, smoothly when they shrink it.

    Parameters
    ----------
    lengths : Tensor
        int64, shape (B,): pixels along that side, at the beginning of ``longest`` places.
    size : int
        Pixels wanted.
    longest : int
        Places there are.
    cubic : bool
        Keys' cubic kernel (a = -0.5) instead of the linear one.

    Returns
    -------
    Tensor
        float32, shape (B, size, longest); each row adds up to 1. With ``antialias=True``,
        torchvision weights pixels alike.
    """
    scale = (lengths / size)[:, None]
    centres = (torch.arange(size, device=lengths.device) + 0.5) * scale
    places = torch.arange(longest, device=lengths.device)
    x = (places + 0.5 - centres[..., None]).abs() / scale.clamp(min=1)[..., None]
    weights = (1 - x).clamp(min=0)
    if cubic:
        near, far = (1.5 * x - 2.5) * x**2 + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
        weights = torch.where(x < 1, near, far) * (x < 2)
    weights = weights * (places < lengths[:, None, None])
    return weights / weights.sum(dim=2, keepdim=True)


@dataclass(frozen=True)
class Loaders:
    """The three splits of a data set, ready to iterate.

    Attributes
    ----------
    train, val, test : DataLoader or Resident
        Yield (float32 images of shape (B, 3, S, S), int64 labels of shape (B,)). ``train`` is
        shuffled and augmented; ``val`` is a stratified share of the folder's ``train``; ``test`` is
        the folder's ``val``, to be touched once.
    classes : tuple of str
        Class names; their positions are the labels.
    """

    train: DataLoader | Resident
    val: DataLoader | Resident
    test: DataLoader | Resident
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
    device: str | torch.device = "cpu",
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
    device : str or torch.device
        Where batches are made: on the CPU photo by photo; on a GPU from photos that live there, see
        :class:`Resident`, if they fit into ``MEMORY_BUDGET``. ``"auto"`` is CUDA where there is
        CUDA.

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

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    resident = torch.device(device).type != "cpu" and photos.in_memory

    def loader(
        positions: Sequence[int], transform: Pipeline, shuffle: bool
    ) -> DataLoader | Resident:
        generator = torch.Generator().manual_seed(seed)
        part = photos.part(positions, transform)
        made = DataLoader(part, shuffle=shuffle, generator=generator, **options)
        return Resident(made, device) if resident else made

    return Loaders(
        train=loader(in_train, train_pipeline, shuffle=augment),
        val=loader(in_val, plain, shuffle=False),
        test=loader(in_test, plain, shuffle=False),
        classes=listing.classes,
    )
