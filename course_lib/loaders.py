"""From folders of photos to batches of tensors.

A photo is opened once, turned upright and kept as bytes; torchvision's v2 cuts it anew each time.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2

from course_lib import datasets, devices, progress
from course_lib.on_device import DeviceLoader


@dataclass(frozen=True)
class Preprocessing:
    """What a pretrained backbone was shown while it learned, and so must be shown again."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # of pixels from 0 to 1
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    crop_fraction: float = 0.875  # side of the centre crop over the short side
    interpolation: str = "bilinear"


def train_transform(preprocessing: Preprocessing, image_size: int) -> v2.Compose:
    """The article's training pipeline, from a photo, uint8 (3, H, W), to float32 (3, S, S)."""
    datasets.whole("image_size", image_size, 8)
    mode = InterpolationMode(preprocessing.interpolation)
    crop = v2.RandomResizedCrop(image_size, interpolation=mode, antialias=True)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), *to_tensor(preprocessing)])


def eval_transform(preprocessing: Preprocessing, image_size: int) -> v2.Compose:
    """The article's evaluation pipeline: resize, centre crop, normalise; nothing random."""
    datasets.whole("image_size", image_size, 8)
    mode = InterpolationMode(preprocessing.interpolation)
    short_side = round(image_size / preprocessing.crop_fraction)
    resize = v2.Resize(short_side, interpolation=mode, antialias=True)
    return v2.Compose([resize, v2.CenterCrop(image_size), *to_tensor(preprocessing)])


def to_tensor(preprocessing: Preprocessing) -> list[v2.Transform]:
    """Last steps of every pipeline: pixels from 0 to 255 to normalised float32, (3, H, W)."""
    to_float = v2.ToDtype(torch.float32, scale=True)
    return [v2.ToImage(), to_float, v2.Normalize(preprocessing.mean, preprocessing.std)]


def unnormalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Undo the normalisation, (..., 3, H, W), for looking at what the network sees."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (preprocessing.mean, preprocessing.std))
    return (images.cpu() * std + mean).clamp(0, 1)


def open_photo(path: str | Path) -> Image.Image:
    """Read an image file of any kind as 8-bit RGB, upright; a bad one is a ValueError."""
    try:
        with Image.open(path) as file:
            upper = ";16" in str(file.tile)  # of colours with 16 bits, Pillow keeps the upper 8
            file.load()
            with suppress(Exception):  # an EXIF that cannot be read turns nothing
                file.getexif()
            file.info.pop("exif", None)  # or turning would write it anew, and stumble over odd tags
            image = ImageOps.exif_transpose(file)
            if image.mode[0] in "IF":  # deep grey: Pillow would clip it, and 12 of 16 bits be black
                grey = np.asarray(image)
                scales = (1, 255, 4095, 65535)[image.mode != "F" :]  # floats alone go up to 1
                tops = [top for top in scales if 0 <= grey.min() <= grey.max() <= top]
                if not tops:
                    raise ValueError(f"values of {grey.min()} to {grey.max()}, not 0 to 65535")
                image = Image.fromarray((grey * (255 / tops[0])).round().astype("uint8"))
            elif upper and max(high for _, high in image.convert("RGB").getextrema()) < 16:
                raise ValueError("colours that use 12 of 16 bits or less: save it with 8")
            if isinstance(image.info.get("transparency"), bytes):  # a palette's, colour by colour
                image = image.convert("RGBA")
            return image.convert("RGB")
    except (FileNotFoundError, PermissionError) as error:
        raise type(error)(f"{path}: {error.strerror}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not an image that Pillow can read") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{path}: too large: shrink it, or set Image.MAX_IMAGE_PIXELS") from None
    except Exception as error:  # decoders raise nearly everything on bytes that make no sense
        raise ValueError(f"{path}: damaged image ({error})") from None


_opened: WeakValueDictionary = WeakValueDictionary()  # by path, time and size; while in use


class Photos(Dataset):
    """Labelled photos through a transform, (float32 image, label); read once if ``in_memory``."""

    def __init__(self, files: Sequence, transform: Callable, in_memory: bool = True) -> None:
        self.paths, self.labels = [path for path, _ in files], [label for _, label in files]
        self.transform, self.in_memory = transform, in_memory
        self._photos: dict[int, np.ndarray] = {}
        self._crops: dict[int, Tensor] | None = None
        devices.reuse_memory()  # so that lessons with loops of their own have it, too

    def open(self) -> "Photos":
        """Read every photo now, so that all bad files are named before training begins."""
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            reading = [pool.submit(self.pixels, index) for index in range(len(self))]
            try:
                problems = [photo.exception() for photo in progress.bar(reading, "reading photos")]
            finally:
                pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for all photos
        if bad := [str(problem) for problem in problems if problem is not None]:
            shown = "\n  ".join(bad[:10] + ["and more"] * (len(bad) > 10))
            raise ValueError(f"{len(bad)} images cannot be used; remove or replace:\n  {shown}")
        return self

    def part(
        self, positions: Sequence[int], transform: Callable, *, fixed: bool = False
    ) -> "Photos":
        """Some of the photos, through a transform of their own; a ``fixed`` one cuts only once."""
        files = [(self.paths[i], self.labels[i]) for i in positions]
        chosen = Photos(files, transform, self.in_memory)
        kept = {place: self._photos.get(i) for place, i in enumerate(positions)}
        chosen._photos = {place: pixels for place, pixels in kept.items() if pixels is not None}
        chosen._crops = {} if fixed and self.in_memory else None
        return chosen

    def __len__(self) -> int:
        return len(self.paths)

    def pixels(self, index: int) -> Tensor:
        """Photo number ``index`` before the transform: uint8 of shape (3, H, W)."""
        if (pixels := self._photos.get(index)) is None:
            path, stat = self.paths[index], self.paths[index].stat()
            stamp = (path, stat.st_mtime_ns, stat.st_size)
            if (pixels := _opened.get(stamp)) is None:
                pixels = _opened[stamp] = np.array(open_photo(path))
            if self.in_memory:
                self._photos[index] = pixels
        return torch.from_numpy(pixels).movedim(2, 0)

    def image(self, index: int) -> Image.Image:
        """Photo number ``index`` before the transform."""
        return Image.fromarray(self.pixels(index).movedim(0, 2).numpy())

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self._crops is None:
            return self.transform(self.pixels(index)), self.labels[index]
        *cut, to_float, normalise = self.transform.transforms
        if index not in self._crops:
            self._crops[index] = v2.Compose(cut)(self.pixels(index))
        return normalise(to_float(self._crops[index])), self.labels[index]


@dataclass(frozen=True)
class Loaders:
    """Loaders of float32 images, (B, 3, S, S), and labels, (B,): positions in ``classes``."""

    train: DataLoader | DeviceLoader
    val: DataLoader | DeviceLoader  # a stratified share of the folder's train/
    test: DataLoader | DeviceLoader  # the folder's val/, to be used once
    classes: tuple[str, ...]


def split(labels: Sequence[int], val_fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Divide positions at random into two sorted parts with a like share of each class, or one."""
    from sklearn.model_selection import train_test_split  # takes a second to import

    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction is {val_fraction!r}: expected a share between 0 and 1.")
    counts = Counter(labels)
    if rare := [f"{label!r}" for label, count in counts.items() if count < 2]:
        raise ValueError(f"one image of class {', '.join(rare)} cannot be split: two are needed.")
    size = min(max(math.ceil(val_fraction * len(labels)), len(counts)), len(labels) - len(counts))
    how = {"test_size": size, "stratify": labels, "random_state": seed}
    train, val = train_test_split(range(len(labels)), **how)
    for here, there in ((train, val), (val, train)):
        for label in counts.keys() - {labels[i] for i in there}:  # rare, and missed by chance
            there.append(next(i for i in here if labels[i] == label))
            here.remove(there[-1])
    return sorted(train), sorted(val)


def make_loaders(
    dataset: str | Path | datasets.Listing = "insects",
    preprocessing: Preprocessing | None = None,
    image_size: int = 128,
    batch_size: int = 32,
    *,
    augment: bool = True,  # cut the training photos at random, and shuffle them
    val_fraction: float = 0.2,
    seed: int = 0,
    num_workers: int = 0,
    in_memory: bool = True,
    device: devices.Device = "cpu",
) -> Loaders:
    """Build the loaders of a data set, given by name, folder, or a Listing that an audit leaves."""
    datasets.whole("batch_size", batch_size, 1)
    datasets.whole("seed", seed)
    if not isinstance(dataset, datasets.Listing):
        dataset = datasets.scan(datasets.find(dataset))
    device = devices.pick_device(device)
    augmented = train_transform(preprocessing or Preprocessing(), image_size)
    plain = eval_transform(preprocessing or Preprocessing(), image_size)
    labelled, held_out = dataset.files["train"], dataset.files["val"]
    in_train, in_val = split([dataset.classes[n] for _, n in labelled], val_fraction, seed)
    in_test = range(len(labelled), len(labelled) + len(held_out))
    photos = Photos([*labelled, *held_out], plain, in_memory).open()

    def loader(positions: Sequence[int], random: bool = False) -> DataLoader | DeviceLoader:
        part = photos.part(positions, augmented if random else plain, fixed=not random)
        options = {"shuffle": random, "generator": torch.Generator().manual_seed(seed)}
        if device.type != "cpu" and in_memory:
            return DeviceLoader(part, batch_size, device=device, **options)
        options["drop_last"] = random and len(part) % batch_size == 1  # BatchNorm needs two
        pinned = torch.cuda.is_available()
        return DataLoader(part, batch_size, num_workers=num_workers, pin_memory=pinned, **options)

    return Loaders(loader(in_train, augment), loader(in_val), loader(in_test), dataset.classes)
