"""Hair: thousands of bent strands, combed backwards."""

from __future__ import annotations

import numpy as np

from .anatomy import Fur
from .geometry import Array, normalise_rows
from .materials import Ellipsoid
from .noise import FLOAT
from .raster import Raster

BACKWARDS = np.array([-1.0, 0.0, -0.15])
SAG = np.array([-0.3, 0.0, -0.5])
HAIR_SPECULAR = 0.12


def draw_fur(
    rng: np.random.Generator,
    raster: Raster,
    fur: Fur,
    placement: tuple[Array, Array, float],
    body_length: float,
    owner: int,
) -> None:
    """Grow a coat of hair on an insect that is already drawn.

    Parameters
    ----------
    rng : numpy.random.Generator
    raster : Raster
    fur : Fur
        In the insect's own coordinates.
    placement : (ndarray of shape (3, 3), ndarray of shape (3,), float)
        The insect's rotation, shift and scale.
    body_length : float
        As a share of the picture's side; small insects get fewer hairs.
    owner : int
        The insect's number in the raster.
    """
    areas = np.array([part.radii().prod() ** 0.66 for part in fur.skin])
    shares = areas / areas.sum()
    for part, share in zip(fur.skin, shares, strict=True):
        count = int(fur.hairs * share * min(1.4, 0.3 + 1.3 * body_length))
        if count > 0:
            _grow(rng, raster, fur, part, count, placement, owner)


def _grow(
    rng: np.random.Generator,
    raster: Raster,
    fur: Fur,
    part: Ellipsoid,
    count: int,
    placement: tuple[Array, Array, float],
    owner: int,
) -> None:
    rotation, shift, scale = placement
    sphere = normalise_rows(rng.normal(size=(count, 3)))
    roots = part.center + sphere @ part.axes.T
    normals = normalise_rows(sphere @ np.linalg.inv(part.axes))
    directions = normals + BACKWARDS * fur.flow + rng.normal(size=(count, 3)) * fur.disorder
    directions = normalise_rows(directions)
    lengths = rng.uniform(*fur.length, (count, 1))
    if fur.pattern is None:
        tip_colour = np.broadcast_to(fur.tip, (count, 3))
        root_colour = np.broadcast_to(fur.root, (count, 3))
    else:
        tip_colour = fur.pattern(sphere.astype(FLOAT))
        root_colour = tip_colour * 0.35
    shade = rng.uniform(0.6, 1.25, (count, 1))
    root_colour, tip_colour = root_colour * shade, np.clip(tip_colour * shade, 0, 1)

    steps = int(np.clip(raster.scale * 0.05, 6, 22))
    t = np.linspace(0, 1, steps)[:, None, None]
    paths = roots + directions * lengths * t + SAG * lengths * (t * (1 - t) * 1.6)
    paths = paths @ rotation.T * scale + shift
    colours = root_colour * (1 - t) + tip_colour * t
    world_normals = (normals * 0.75 + directions * 0.25) @ rotation.T
    raster.draw_strands(paths, colours, world_normals, HAIR_SPECULAR, owner)
