"""Light: sun, sky, shadow map, ambient occlusion, highlights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .camera import View
from .geometry import Array, normalise_rows, unit
from .materials import Shape
from .noise import FLOAT, blur, fractal_noise, smoothstep, wide_blur
from .raster import Raster

SHADOW_TAPS = 5


@dataclass(frozen=True)
class Light:
    """Sun and sky.

    Attributes
    ----------
    direction : ndarray, shape (3,)
        Towards the sun, world coordinates.
    sun, sky, bounce : ndarray, shape (3,)
        Linear RGB of the sun, of the sky above and of the light from the ground below.
    penumbra : float
        Softness of the shadows' edges, in pixels of the shadow map.
    """

    direction: Array
    sun: Array
    sky: Array
    bounce: Array
    penumbra: float

    @classmethod
    def draw(cls, rng: np.random.Generator, view: View, ground_colour: Array) -> Light:
        """Draw a sunny or (four times in ten) an overcast sky.

        Parameters
        ----------
        rng : numpy.random.Generator
        view : View
            The sun stands on the camera's side rather than against it.
        ground_colour : ndarray, shape (3,)
            Mean albedo of the ground.

        Returns
        -------
        Light
        """
        azimuth = view.azimuth + rng.uniform(-2.4, 2.4)
        elevation = math.radians(rng.uniform(28, 75))
        flat = math.cos(elevation)
        direction = np.array(
            [flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)]
        )
        is_overcast = rng.random() < 0.4
        strength = rng.uniform(0.5, 1.1) if is_overcast else rng.uniform(1.8, 3.4)
        sun = strength * np.array([1.0, rng.uniform(0.86, 1), rng.uniform(0.7, 0.98)])
        sky = np.array([0.55, 0.62, 0.75]) * rng.uniform(0.7, 1.2)
        sky = sky * (1.5 if is_overcast else 0.62)
        bounce = ground_colour * rng.uniform(0.3, 0.7) + 0.02
        penumbra = rng.uniform(5, 12) if is_overcast else rng.uniform(1, 4)
        return cls(direction, sun, sky, bounce, penumbra)


def shadows(light: Light, view: View, raster: Raster, points: Array, shapes: list[Shape]) -> Array:
    """Find which pixels the sun does not reach.

    Parameters
    ----------
    light : Light
    view : View
    raster : Raster
        For its target.
    points : ndarray, shape (size, size, 3)
        The world point each pixel sees.
    shapes : list of Ellipsoid or Capsule
        Everything that casts a shadow (fur and wings do not).

    Returns
    -------
    ndarray, shape (size, size), float32
        0 in the sun, 1 in full shadow.
    """
    size = view.size
    sideways = unit(np.cross(light.direction, (0.0, 0.0, 1.0)))
    rotation = np.stack([sideways, np.cross(light.direction, sideways), light.direction])
    scale = view.scale * min(1.0, 0.45 / max(view.body_length, 0.3) + 0.4)
    seen_by_sun = Raster(size, rotation, scale, raster.target, depth_only=True)
    for shape in shapes:
        seen_by_sun.draw(shape)
    pixels = seen_by_sun.project(points)
    column, row, depth = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    shade = np.zeros((size, size), FLOAT)
    taps = [(0.0, 0.0)]
    for radius in (0.5, 1.0):
        for angle in 2 * np.pi * np.arange(SHADOW_TAPS) / SHADOW_TAPS:
            taps.append((radius * math.cos(angle), radius * math.sin(angle)))
    for x, y in taps:
        tap_column = (column + x * light.penumbra).astype(int)
        tap_row = (row + y * light.penumbra).astype(int)
        inside = (tap_column >= 0) & (tap_row >= 0) & (tap_column < size) & (tap_row < size)
        np.clip(tap_column, 0, size - 1, out=tap_column)
        np.clip(tap_row, 0, size - 1, out=tap_row)
        margin = (0.03 + 0.02 * (abs(x) + abs(y))) * scale
        shade += inside & (seen_by_sun.depth[tap_row, tap_column] > depth + margin)
    return blur(shade / FLOAT(len(taps)), 1.2)


def dappled_shade(rng: np.random.Generator, points: Array, light: Light) -> Array:
    """Draw the shade of leaves far above, as a map of 0 (sun) to 0.8, shape (size, size)."""
    noise = fractal_noise(rng, 512, 2.2, 2)
    cover = smoothstep(rng.uniform(0.5, 0.6), rng.uniform(0.62, 0.75), noise)
    row = ((points[..., 1] + light.direction[1]) * 90).astype(int) % 512
    column = ((points[..., 0] + light.direction[0]) * 90).astype(int) % 512
    return 0.8 * cover[row, column]


def ambient_occlusion(raster: Raster) -> Array:
    """Darken hollows: pixels that lie deeper than their blurred neighbourhood.

    Parameters
    ----------
    raster : Raster
        With all its shapes drawn.

    Returns
    -------
    ndarray, shape (size, size), float32
        1 is open to the sky.
    """
    depth = np.maximum(raster.depth, raster.depth.max() - 3 * raster.scale)
    openness = np.ones_like(depth)
    for radius, weight in ((0.03, 0.9), (0.1, 0.7)):
        pixels = radius * raster.scale
        deeper = (wide_blur(depth, max(2.0, pixels)) - depth) / pixels
        openness *= 1 - weight * 0.75 * np.clip(deeper * 0.8, 0, 1)
    return openness


def shade_surfaces(raster: Raster, light: Light, shadow: Array) -> Array:
    """Light the buffers.

    Parameters
    ----------
    raster : Raster
    light : Light
    shadow : ndarray, shape (size, size)
        0 in the sun, 1 in shadow.

    Returns
    -------
    ndarray, shape (size, size, 3), float32
        Linear light.
    """
    normal = normalise_rows(raster.normal, 1e-6)
    specular, shininess, rim, translucency = np.moveaxis(raster.surface, -1, 0)
    sun_direction = (raster.rotation @ light.direction).astype(FLOAT)
    up = raster.rotation[:, 2].astype(FLOAT)
    openness = ambient_occlusion(raster)

    facing = normal @ sun_direction
    direct = np.clip(facing * 0.9 + 0.1, 0, 1) * (1 - shadow)
    direct = direct + translucency * np.clip(-facing, 0, 1) * 0.7 * (1 - shadow * 0.5)
    upward = ((normal @ up) * 0.5 + 0.5)[..., None]
    ambient = (light.sky * upward + light.bounce * (1 - upward)) * openness[..., None]

    halfway = unit(sun_direction + np.array([0, 0, 1])).astype(FLOAT)
    highlight = np.clip(normal @ halfway, 0, 1) ** shininess * specular
    highlight = highlight * (1 - shadow) * (shininess + 8) / 28

    mirrored = 2 * normal[..., 2:3] * normal - np.array([0, 0, 1], FLOAT)
    clouds = 0.4 + 0.6 * smoothstep(-0.2, 0.3, np.sin(6 * mirrored[..., 0] + 1))
    reflected_sky = smoothstep(0.55, 0.8, mirrored @ up) * clouds
    fresnel = 0.08 + 0.92 * np.clip(1 - normal[..., 2], 0, 1) ** 4

    lit = raster.albedo * (direct[..., None] * light.sun + ambient)
    lit += (highlight * 0.9)[..., None] * light.sun
    gloss = (specular * reflected_sky * openness * 0.55)[..., None]
    lit += gloss * light.sky * (0.3 + fresnel[..., None])
    lit += (rim * fresnel * openness)[..., None] * light.sky
    return lit.astype(FLOAT)
