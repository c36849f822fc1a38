"""A z-buffer: which surface each pixel sees, and what it is made of.

The camera is orthographic. A :class:`Raster` collects depth, normal, albedo, surface constants
and the owner of each pixel; light comes later (:mod:`.lighting`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .geometry import Array, normalise_rows
from .materials import Capsule, Ellipsoid, Material, Shape
from .noise import FLOAT

NOTHING = -1e9
BUMP_STEP = 0.02
THINNEST_RADIUS = 0.6

Window = tuple[slice, slice]
"""Rows and columns of the buffers."""


@dataclass
class Fragments:
    """The pixels one shape may cover.

    Attributes
    ----------
    window : (slice, slice)
        Rows and columns of the rectangle around the shape.
    covered : ndarray, shape (h, w), bool
    depth : ndarray, shape (h, w), float32
        Towards the camera, in pixels.
    normal, local : callable
        A bool mask of shape (h, w) with n pixels to their camera-space normals, or to their
        local coordinates, each of shape (n, 3) and float32.
    """

    window: Window
    covered: Array
    depth: Array
    normal: Callable[[Array], Array]
    local: Callable[[Array], Array]


class Raster:
    """A square picture under construction.

    Parameters
    ----------
    size : int
        Side in pixels.
    rotation : ndarray, shape (3, 3)
        Rows: the camera's right, up and towards-the-camera axes in world coordinates.
    scale : float
        Pixels a world unit.
    target : ndarray, shape (3,)
        The world point in the middle of the picture.
    depth_only : bool
        Keep depths alone (shadow maps, silhouettes).

    Attributes
    ----------
    depth : ndarray, shape (size, size), float32
        Pixels towards the camera, from the plane through ``target``.
    normal, albedo : ndarray, shape (size, size, 3), float32
        Camera-space unit normals; linear RGB.
    surface : ndarray, shape (size, size, 4), float32
        Specular, shininess, rim, translucency.
    owner : ndarray, shape (size, size), int16
        The number given to :meth:`draw`; 0 is the ground.
    """

    def __init__(
        self, size: int, rotation: Array, scale: float, target: Array, depth_only: bool = False
    ) -> None:
        self.size = size
        self.rotation = rotation
        self.scale = scale
        self.target = np.asarray(target, dtype=float)
        self.depth_only = depth_only
        self.depth = np.full((size, size), NOTHING, FLOAT)
        if not depth_only:
            self.normal = np.zeros((size, size, 3), FLOAT)
            self.albedo = np.zeros((size, size, 3), FLOAT)
            self.surface = np.zeros((size, size, 4), FLOAT)
            self.owner = np.zeros((size, size), np.int16)

    def project(self, points: Array) -> Array:
        """Turn world points into (column, row, depth) in pixels.

        Parameters
        ----------
        points : ndarray, shape (..., 3)

        Returns
        -------
        ndarray, shape (..., 3), float64
        """
        pixels = (np.asarray(points) - self.target) @ self.rotation.T * self.scale
        pixels[..., 0] += self.size / 2
        pixels[..., 1] = self.size / 2 - pixels[..., 1]
        return pixels

    def window(self, left: float, right: float, top: float, bottom: float) -> Window | None:
        """Clip a rectangle to the picture; None where nothing is left of it."""
        first_column, last_column = max(0, int(left)), min(self.size, int(right) + 2)
        first_row, last_row = max(0, int(top)), min(self.size, int(bottom) + 2)
        if first_column >= last_column or first_row >= last_row:
            return None
        return slice(first_row, last_row), slice(first_column, last_column)

    def offsets(self, window: Window, column: float, row: float) -> tuple[Array, Array]:
        """Return pixel centers relative to a point: x to the right (1, w), y upwards (h, 1)."""
        rows, columns = window
        x = np.arange(columns.start, columns.stop) + 0.5 - column
        y = row - np.arange(rows.start, rows.stop) - 0.5
        return x[None], y[:, None]

    def draw(self, shape: Shape, owner: int = 1) -> None:
        """Draw one shape where it is nearer than what is there.

        Parameters
        ----------
        shape : Ellipsoid or Capsule
        owner : int
            Written into ``owner`` where the shape is seen.
        """
        is_round = isinstance(shape, Ellipsoid)
        fragments = self._ellipsoid(shape) if is_round else self._capsule(shape)
        if fragments is not None:
            self._write(fragments, shape.material, owner)

    def _ellipsoid(self, shape: Ellipsoid) -> Fragments | None:
        """Solve the quadratic (p Q p = 1) for the depth of the near side."""
        column, row, depth = self.project(shape.center)
        axes = self.rotation @ shape.axes * self.scale
        spread = axes @ axes.T
        half_width = math.sqrt(spread[0, 0]) + 1
        half_height = math.sqrt(spread[1, 1]) + 1
        window = self.window(
            column - half_width, column + half_width, row - half_height, row + half_height
        )
        if window is None:
            return None
        x, y = self.offsets(window, column, row)
        quadric = np.linalg.inv(spread + np.eye(3) * 1e-6)
        linear = quadric[0, 2] * x + quadric[1, 2] * y
        constant = quadric[0, 0] * x * x + 2 * quadric[0, 1] * x * y + quadric[1, 1] * y * y - 1
        discriminant = linear * linear - quadric[2, 2] * constant
        z = (np.sqrt(np.maximum(discriminant, 0)) - linear) / quadric[2, 2]
        to_local = np.linalg.pinv(axes).astype(FLOAT)
        gradient = quadric.astype(FLOAT)

        def points(mask: Array) -> Array:
            columns = np.broadcast_to(x, mask.shape)[mask]
            rows = np.broadcast_to(y, mask.shape)[mask]
            return np.stack([columns, rows, z[mask]], axis=-1).astype(FLOAT)

        return Fragments(
            window,
            discriminant > 0,
            (z + depth).astype(FLOAT),
            lambda mask: normalise_rows(points(mask) @ gradient),
            lambda mask: points(mask) @ to_local.T,
        )

    def _capsule(self, shape: Capsule) -> Fragments | None:
        """Treat the rod as a row of discs across its projected axis."""
        start, end = self.project(shape.start), self.project(shape.end)
        start_radius = shape.start_radius * self.scale
        end_radius = shape.end_radius * self.scale
        margin = max(start_radius, end_radius) + 1
        window = self.window(
            min(start[0], end[0]) - margin,
            max(start[0], end[0]) + margin,
            min(start[1], end[1]) - margin,
            max(start[1], end[1]) + margin,
        )
        if window is None:
            return None
        x, y = self.offsets(window, start[0], start[1])
        along = np.array([end[0] - start[0], start[1] - end[1], end[2] - start[2]])
        flat_length = along[0] ** 2 + along[1] ** 2 + 1e-6
        position = np.clip((x * along[0] + y * along[1]) / flat_length, 0, 1)
        across_x, across_y = x - position * along[0], y - position * along[1]
        radius = np.maximum(start_radius + (end_radius - start_radius) * position, THINNEST_RADIUS)
        inside = radius * radius - across_x * across_x - across_y * across_y
        height = np.sqrt(np.maximum(inside, 0))
        axis = along / math.sqrt(flat_length + along[2] ** 2)

        def normal(mask: Array) -> Array:
            outward = np.stack([across_x[mask], across_y[mask], height[mask]], axis=-1)
            outward /= radius[mask][:, None]
            outward -= (outward @ axis)[:, None] * axis * 0.9
            return normalise_rows(outward).astype(FLOAT)

        def local(mask: Array) -> Array:
            width = radius[mask]
            parts = [position[mask] * 2 - 1, across_x[mask] / width, height[mask] / width]
            return np.stack(parts, axis=-1).astype(FLOAT)

        depth = (start[2] + position * along[2] + height).astype(FLOAT)
        return Fragments(window, inside > 0, depth, normal, local)

    def _write(self, fragments: Fragments, material: Material, owner: int) -> None:
        """Keep the fragments that are nearest and not cut away."""
        window = fragments.window
        seen = fragments.covered & (fragments.depth > self.depth[window])
        if not seen.any():
            return
        if material.cutout is not None:
            seen[seen] = ~material.cutout(fragments.local(seen))
            if not seen.any():
                return
        self.depth[window][seen] = fragments.depth[seen]
        if self.depth_only:
            return
        local = fragments.local(seen)
        normal = fragments.normal(seen)
        if material.bump is not None:
            normal = normal - bump_slope(material, local)
            normal = normalise_rows(normal, 1e-6)
        self.normal[window][seen] = normal
        texture = material.texture
        self.albedo[window][seen] = material.colour if texture is None else texture(local)
        self.surface[window][seen] = (
            material.specular,
            material.shininess,
            material.rim,
            material.translucency,
        )
        self.owner[window][seen] = owner

    def draw_strands(
        self, paths: Array, colours: Array, normals: Array, specular: float, owner: int
    ) -> None:
        """Draw hairs, one pixel wide, point by point.

        Parameters
        ----------
        paths : ndarray, shape (steps, hairs, 3)
            World points along each hair.
        colours : ndarray, shape (steps, hairs, 3)
            Linear RGB.
        normals : ndarray, shape (hairs, 3)
            World normals used for light: mostly those of the skin beneath.
        specular : float
        owner : int
        """
        pixels = self.project(paths.reshape(-1, 3))
        column, row = pixels[:, 0].astype(int), pixels[:, 1].astype(int)
        depth = pixels[:, 2]
        inside = (column >= 0) & (row >= 0) & (column < self.size) & (row < self.size)
        kept = np.flatnonzero(inside)
        kept = kept[depth[kept] > self.depth[row[kept], column[kept]]]
        kept = kept[np.argsort(depth[kept], kind="stable")]  # the nearest is written last
        place = row[kept], column[kept]
        camera_normals = np.broadcast_to(normals, paths.shape).reshape(-1, 3)[kept]
        self.depth[place] = depth[kept]
        self.albedo[place] = colours.reshape(-1, 3)[kept]
        self.normal[place] = camera_normals @ self.rotation.T
        self.surface[place] = (specular, 12, 0.15, 0)
        self.owner[place] = owner


def bump_slope(material: Material, local: Array) -> Array:
    """Estimate how a material's bumps tilt the normals.

    Parameters
    ----------
    material : Material
        With a ``bump``.
    local : ndarray, shape (n, 3), float32
        Local coordinates.

    Returns
    -------
    ndarray, shape (n, 3), float32
        To be subtracted from the unit normals.
    """
    here = material.bump(local)
    steps = np.eye(3, dtype=FLOAT) * FLOAT(BUMP_STEP)
    slope = np.stack([material.bump(local + step) - here for step in steps], axis=-1)
    return (slope / BUMP_STEP * material.bump_height * 0.1).astype(FLOAT)
