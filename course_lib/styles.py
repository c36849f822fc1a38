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

from course_lib import loaders, require


def _photo(image: Image.Image) -> Image.Image:
    return image


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


def _negative(image: Image.Image) -> Image.Image:
    return ImageChops.invert(image)


STYLES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "photo": _photo,
    "gray": _gray,
    "negative": _negative,
    "soft": _soft,
    "fog": _fog,
    "sketch": _sketch,
    "night": _night,
    "edges": _edges,
}


def restyle(image: Image.Image, style: str) -> Image.Image:
    """Return a copy of an image in another style.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode ``"RGB"``.
    style : str
        ``"photo"`` (unchanged), ``"gray"``, ``"negative"``, ``"soft"``, ``"fog"``, ``"sketch"``,
        ``"night"`` or ``"edges"``.

    Returns
    -------
    PIL.Image.Image
        Mode ``"RGB"``, the same size. The same image always gives the same pixels.

    Raises
    ------
    ValueError
        If the style is unknown.
    """
    return STYLES[require.one_of("style", style, STYLES)](image)


def styled_transform(
    preprocessing: loaders.Preprocessing, image_size: int, style: str
) -> v2.Compose:
    """Return the evaluation pipeline with a style between the crop and the normalisation.

    Parameters
    ----------
    preprocessing : Preprocessing
        Of the backbone that will see the images.
    image_size : int
        Side of the square output, in pixels, 8 or more.
    style : str
        See :func:`restyle`. It is applied at ``image_size``, so that large and small photos of one
        scene come out alike.

    Returns
    -------
    torchvision.transforms.v2.Compose
        PIL image to float32 tensor of shape (3, image_size, image_size); nothing random.
    """
    require.one_of("style", style, STYLES)
    plain = loaders.eval_transform(preprocessing, image_size)
    if style == "photo":
        return plain
    resize, crop, *to_tensor = plain.transforms
    return v2.Compose([resize, crop, v2.Lambda(partial(restyle, style=style)), *to_tensor])
