"""The camera: where it stands, what is in focus, and how light becomes grey levels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .domains import Domain
from .geometry import Array
from .materials import GAMMA
from .noise import FLOAT, blur, wide_blur

MIDDLE_GREY = 0.20
DARKEST_MEAN = 0.10
"""Display level (0..1) below which a photograph's mean is never exposed."""


@dataclass(frozen=True)
class View:
    """An orthographic camera.

    Attributes
    ----------
    elevation, azimuth : float
        Where the camera is, seen from the insect; radians.
    body_length : float
        Length of the insect as a share of the picture's side.
    size : int
        Side of the picture in pixels.
    """

    elevation: float
    azimuth: float
    body_length: float
    size: int

    @classmethod
    def draw(cls, rng: np.random.Generator, domain: Domain, size: int) -> View:
        """Draw a viewpoint and a distance within the domain's ranges."""
        elevation = math.radians(rng.uniform(*domain.elevation))
        azimuth = rng.uniform(0, 2 * math.pi)
        shortest, longest = domain.body_length
        body_length = math.exp(rng.uniform(math.log(shortest), math.log(longest)))
        return cls(elevation, azimuth, body_length, size)

    @property
    def scale(self) -> float:
        """Pixels a world unit."""
        return self.size * self.body_length

    @property
    def rotation(self) -> Array:
        """Rows: right, up, towards the camera; shape (3, 3)."""
        flat = math.cos(self.elevation)
        towards = np.array(
            [
                flat * math.cos(self.azimuth),
                flat * math.sin(self.azimuth),
                math.sin(self.elevation),
            ]
        )
        right = np.array([-math.sin(self.azimuth), math.cos(self.azimuth), 0.0])
        return np.stack([right, np.cross(towards, right), towards])

    def plane_points(self, target: Array) -> Array:
        """Return each pixel's world point on the plane through ``target``: (size, size, 3)."""
        rows, columns = np.mgrid[0 : self.size, 0 : self.size].astype(FLOAT)
        x = (columns + 0.5 - self.size / 2) / self.scale
        y = (self.size / 2 - rows - 0.5) / self.scale
        right, up, _ = self.rotation
        return target + x[..., None] * right + y[..., None] * up


def out_of_focus(light: Array, distance: Array, in_front: Array, largest: float) -> Array:
    """Blur what is not at the insect's distance.

    Parameters
    ----------
    light : ndarray, shape (size, size, 3), float32
        Linear light.
    distance : ndarray, shape (size, size)
        From the plane of focus along the view, in world units; positive is nearer.
    in_front : ndarray, shape (size, size), bool
        Nearer than the plane of focus; such things blur over their own outline.
    largest : float
        Blur radius in pixels, one unit out of focus.

    Returns
    -------
    ndarray, shape (size, size, 3), float32
    """
    if largest <= 0.4:
        return light
    radius = np.clip((np.abs(distance) - 0.35) * 1.1, 0, 1.6).astype(FLOAT) * FLOAT(largest)
    radius = np.maximum(radius, np.where(in_front, wide_blur(radius, 3), radius))
    levels = [0.0, *(largest * share for share in (0.25, 0.55, 1.0, 1.6))]
    result = np.zeros_like(light)
    for number, level in enumerate(levels):
        below = levels[number - 1] if number else -1.0
        above = levels[number + 1] if number + 1 < len(levels) else 99.0
        rising, falling = (radius - below) / (level - below), (above - radius) / (above - level)
        weight = np.clip(np.where(radius < level, rising, falling), 0, 1)
        layer = wide_blur(light, level) if number else light
        result += layer * weight[..., None]
    return result


def to_display(light: Array) -> Array:
    """Compress highlights and encode with gamma 2.2: linear light to display levels, 0..1."""
    light = np.clip(light, 0, None)
    compressed = light * (1 + 0.15 * light) / (1 + 0.75 * light)
    return np.clip(compressed, 0, 1) ** (1 / GAMMA)


def well_exposed(light: Array) -> Array:
    """Scale linear light so that its median is (nearly) middle grey."""
    return light * (MIDDLE_GREY / max(float(np.median(light)), 0.035)) ** 0.6


def develop(
    light: Array,
    distance: Array,
    background_is_far: bool,
    domain: Domain,
    rng: np.random.Generator,
    size: int,
) -> Array:
    """Turn linear light into the grey levels of a photograph.

    Parameters
    ----------
    light : ndarray, shape (n, n, 3), float32
        Linear light at full rendering size; ``n`` a multiple of ``size``.
    distance : ndarray, shape (n, n)
        From the plane of focus, in world units; positive is nearer.
    background_is_far : bool
        The ground then lies at least a little out of focus.
    domain : Domain
        Its focus blur, exposure, tint, noise and shake are drawn from.
    rng : numpy.random.Generator
        The same draws are made in the same order for every domain.
    size : int
        Side of the photograph.

    Returns
    -------
    ndarray, shape (size, size, 3), uint8
    """
    side = light.shape[0]
    pixel = side / 512
    largest = max(rng.uniform(*domain.focus_blur), 2.5 if background_is_far else 0.0)
    light = out_of_focus(light, distance, distance > 0, largest * pixel)
    is_shaken, shake = rng.random() < domain.shaken, rng.uniform(0.6, 2.0)
    if is_shaken:
        light = blur(light, shake * pixel)
    factor = side // size
    light = light.reshape(size, factor, size, factor, 3).mean((1, 3))

    light = well_exposed(light) * 2 ** rng.uniform(*domain.exposure)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    vignette = 1 - rng.uniform(0, 0.7) * (x**2 + y**2)
    gains = np.exp(rng.normal(size=3) * domain.tint)
    light = light * vignette[..., None] * gains
    light = lift_to(light, DARKEST_MEAN)

    picture = to_display(light)
    noise = rng.normal(size=picture.shape) * rng.uniform(*domain.noise)
    picture = picture + noise * (0.5 + 0.5 * (1 - picture))
    picture = (picture - 0.5) * rng.uniform(0.9, 1.15) + 0.5
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def lift_to(light: Array, mean: float) -> Array:
    """Expose longer, in steps of a third of a stop, until the display mean reaches ``mean``."""
    for _ in range(18):
        if to_display(light).mean() >= mean:
            break
        light = light * 2 ** (1 / 3)
    return light
