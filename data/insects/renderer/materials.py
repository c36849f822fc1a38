"""Colours, materials, and the two shapes everything is made of.

Colours are linear RGB, 0..1 a channel; :func:`colour` reads the usual hexadecimal notation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .geometry import Array, Vector

GAMMA = 2.2
Field = Callable[[Array], Array]


def colour(code: str) -> Array:
    """Turn a display colour such as ``"#c98a2a"`` into linear RGB.

    Parameters
    ----------
    code : str
        Six hexadecimal digits, with or without ``#``.

    Returns
    -------
    ndarray, shape (3,), float64, in 0..1
    """
    digits = code.lstrip("#")
    display = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return display**GAMMA


def pick_colour(rng: np.random.Generator, palette: Sequence[str]) -> Array:
    """Draw one colour of a palette of hexadecimal codes, as linear RGB."""
    return colour(palette[rng.integers(len(palette))])


@dataclass
class Material:
    """What a surface looks like.

    Attributes
    ----------
    colour : ndarray, shape (3,)
        Linear RGB where there is no ``texture``.
    specular : float
        Strength of highlights and reflections, 0 (dull) to 1 (wet).
    shininess : float
        Exponent of the highlight: 8 is broad, 90 is a pinpoint.
    texture : callable, optional
        Local coordinates (n, 3) to linear RGB (n, 3). Local coordinates of an ellipsoid lie on
        the unit sphere; those of a capsule are (along -1..1, across, towards the camera).
    bump : callable, optional
        Local coordinates (n, 3) to a height (n,); its slope tilts the normals.
    bump_height : float
        How much it tilts them.
    cutout : callable, optional
        Local coordinates (n, 3) to bool (n,): True where the surface is cut away.
    rim : float
        Extra sky light at grazing angles (short down, waxy bloom).
    translucency : float
        Share of the sun that shines through from behind (leaves, petals).
    """

    colour: Array
    specular: float = 0.25
    shininess: float = 30.0
    texture: Field | None = None
    bump: Field | None = None
    bump_height: float = 0.15
    cutout: Field | None = None
    rim: float = 0.0
    translucency: float = 0.0


@dataclass
class Ellipsoid:
    """The image of the unit sphere under ``center + axes @ u``.

    Attributes
    ----------
    center : ndarray, shape (3,)
    axes : ndarray, shape (3, 3)
        The half axes in the columns.
    material : Material
    """

    center: Array
    axes: Array
    material: Material

    def moved(self, rotation: Array, shift: Array, scale: float) -> Ellipsoid:
        """Return a copy, rotated, scaled by ``scale`` and shifted."""
        return Ellipsoid(
            rotation @ self.center * scale + shift, rotation @ self.axes * scale, self.material
        )

    def radii(self) -> Array:
        """Return the three half axes' lengths, the longest first."""
        return np.linalg.svd(self.axes)[1]


@dataclass
class Capsule:
    """A rounded rod from ``start`` to ``end`` whose radius changes linearly.

    Attributes
    ----------
    start, end : ndarray, shape (3,)
    start_radius, end_radius : float
    material : Material
    """

    start: Array
    end: Array
    start_radius: float
    end_radius: float
    material: Material

    def moved(self, rotation: Array, shift: Array, scale: float) -> Capsule:
        """Return a copy, rotated, scaled by ``scale`` and shifted."""
        return Capsule(
            rotation @ self.start * scale + shift,
            rotation @ self.end * scale + shift,
            self.start_radius * scale,
            self.end_radius * scale,
            self.material,
        )


Shape = Ellipsoid | Capsule


def ellipsoid(
    center: Vector, radii: Vector, material: Material, rotation: Array | None = None
) -> Ellipsoid:
    """Make an ellipsoid from its center, its half axes' lengths and a rotation.

    Parameters
    ----------
    center : array_like, shape (3,)
    radii : array_like, shape (3,)
        Half axes along x, y, z before the rotation.
    material : Material
    rotation : ndarray, shape (3, 3), optional
        None leaves the axes along x, y, z.

    Returns
    -------
    Ellipsoid
    """
    axes = np.diag(np.asarray(radii, dtype=float))
    if rotation is not None:
        axes = rotation @ axes
    return Ellipsoid(np.asarray(center, dtype=float), axes, material)


def tube(points: Sequence[Vector], radii: Sequence[float], material: Material) -> list[Shape]:
    """Join points by capsules: a leg, a stalk, an antenna.

    Parameters
    ----------
    points : sequence of array_like, each of shape (3,)
    radii : sequence of float
        One radius a point.
    material : Material

    Returns
    -------
    list of Capsule
        One fewer than there are points.
    """
    points = [np.asarray(point, dtype=float) for point in points]
    joints = list(zip(points, radii, strict=True))
    return [
        Capsule(start, end, start_radius, end_radius, material)
        for (start, start_radius), (end, end_radius) in pairwise(joints)
    ]
