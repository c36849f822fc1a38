"""Image styles: ways to make a second domain out of the photos that are at hand.

A style keeps what is in a photo and changes how it looks, so the labels stay true while the
distribution of the pixels moves: covariate shift, made to order. Nothing here is learned.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps
from torchvision.transforms import v2

from course_lib import loaders


def _gray(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def _sketch(image: Image.Image) -> Image.Image:
    """Pencil drawing by colour dodge: the grey image divided by the blurred negative's inverse."""
    gray = image.convert("L")
    radius = 6 * min(image.size) / 224
    blurred = np.asarray(gray.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
    drawn = np.asarray(gray, dtype=np.float32) * 255 / np.maximum(blurred, 1)
    return Image.fromarray(drawn.clip(0, 255).astype("uint8")).convert("RGB")


def _night(image: Image.Image) -> Image.Image:
    """Dark, blue and noisy. The noise depends on the image alone: a photo has one night."""
    pixels = np.asarray(image, dtype=np.float32) / 255
    noise = np.random.default_rng(zlib.crc32(image.tobytes())).normal(0, 0.08, pixels.shape)
    dark = pixels**1.6 * (0.35, 0.45, 0.8) + noise
    return Image.fromarray((dark.clip(0, 1) * 255).round().astype("uint8"))


def _edges(image: Image.Image) -> Image.Image:
    found = image.convert("L").filter(ImageFilter.FIND_EDGES)
    return ImageOps.invert(found).convert("RGB")


def _soft(image: Image.Image) -> Image.Image:
    """Out of focus."""
    return image.filter(ImageFilter.GaussianBlur(2 * min(image.size) / 224))


def _fog(image: Image.Image) -> Image.Image:
    """A quarter of the contrast, and bright."""
    pixels = np.asarray(image, dtype=np.float32)
    return Image.fromarray((pixels * 0.25 + 185).clip(0, 255).astype("uint8"))


STYLES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "photo": Image.Image.copy,
    "gray": _gray,
    "negative": ImageChops.invert,
    "soft": _soft,
    "fog": _fog,
    "sketch": _sketch,
    "night": _night,
    "edges": _edges,
}


def restyle(image: Image.Image, style: str) -> Image.Image:
    """Return a copy of an RGB image in another style, one of ``STYLES``; always the same one."""
    if style not in STYLES:
        raise ValueError(f"style is {style!r}: expected one of {', '.join(STYLES)}.")
    return STYLES[style](image)


def styled_transform(
    preprocessing: loaders.Preprocessing, image_size: int, style: str
) -> v2.Compose:
    """Return the evaluation pipeline with a style between the crop and the normalisation.

    It is applied at ``image_size``, so that large and small photos of one scene come out alike.
    """
    plain = loaders.eval_transform(preprocessing, image_size)
    if style == "photo":
        return plain
    restyle(Image.new("RGB", (8, 8)), style)  # an unknown style is refused here, not in a batch
    resize, crop, *to_tensor = plain.transforms
    styled = v2.Lambda(partial(restyle, style=style))
    return v2.Compose([v2.ToPILImage(), resize, crop, styled, *to_tensor])
