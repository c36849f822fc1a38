"""Image styles: a second domain out of the photos at hand, which keeps what they show."""

import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps
from PIL.ImageFilter import FIND_EDGES, GaussianBlur
from torchvision.transforms import v2

from course_lib.loaders import Preprocessing, eval_transform


def _blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(GaussianBlur(radius * min(image.size) / 224))


def _sketch(image: Image.Image) -> Image.Image:
    """Pencil drawing by colour dodge: the grey image divided by the blurred negative's inverse."""
    gray = image.convert("L")
    blurred = np.asarray(_blurred(gray, 6), dtype=np.float32)
    drawn = np.asarray(gray, dtype=np.float32) * 255 / np.maximum(blurred, 1)
    return Image.fromarray(drawn.clip(0, 255).astype("uint8")).convert("RGB")


def _night(image: Image.Image) -> Image.Image:
    """Dark, blue and noisy. The noise depends on the image alone: a photo has one night."""
    pixels = np.asarray(image, dtype=np.float32) / 255
    noise = np.random.default_rng(zlib.crc32(image.tobytes())).normal(0, 0.08, pixels.shape)
    dark = pixels**1.6 * (0.35, 0.45, 0.8) + noise
    return Image.fromarray((dark.clip(0, 1) * 255).round().astype("uint8"))


STYLES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "photo": Image.Image.copy,
    "gray": lambda image: image.convert("L").convert("RGB"),
    "soft": lambda image: _blurred(image, 2),
    "fog": lambda image: image.point(lambda value: int(value * 0.25 + 185)),
    "sketch": _sketch,
    "night": _night,
    "edges": lambda image: ImageOps.invert(image.convert("L").filter(FIND_EDGES)).convert("RGB"),
}


class Restyle(v2.Transform):
    """One of the styles as a step of a pipeline: PIL image to PIL image, always the same one."""

    def __init__(self, style: str) -> None:
        super().__init__()
        if style not in STYLES:
            raise ValueError(f"style is {style!r}: expected one of {', '.join(STYLES)}.")
        self.style = style

    def transform(self, image: Image.Image, params: dict) -> Image.Image:
        """Called by torchvision for each image."""
        return STYLES[self.style](image)


def restyle(image: Image.Image, style: str) -> Image.Image:
    """Return a copy of an RGB image in another style, one of ``STYLES``."""
    return Restyle(style)(image)


def styled_transform(preprocessing: Preprocessing, image_size: int, style: str) -> v2.Compose:
    """Return the evaluation pipeline, with a style between the crop and the normalisation."""
    resize, crop, *to_tensor = eval_transform(preprocessing, image_size).transforms
    if style == "photo":
        return v2.Compose([resize, crop, *to_tensor])
    return v2.Compose([v2.ToPILImage(), resize, crop, Restyle(style), *to_tensor])
