"""Vectors, rotations and local frames.

World coordinates: ``x`` and ``y`` span the ground, ``z`` points up. An insect built in
:mod:`.anatomy` looks along ``+x``, has its left side at ``+y`` and is about one unit long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray
Vector = Array | Sequence[float]


def unit(vector: Vector) -> Array:
    """Scale a vector to length one.

    Parameters
    ----------
    vector : array_like, shape (3,)
        Any vector; the zero vector stays (almost) zero.

    Returns
    -------
    ndarray, shape (3,), float64
    """
    vector = np.asarray(vector, dtype=float)
    return vector / (np.linalg.norm(vector) + 1e-12)


def rotate_x(angle: float) -> Array:
    """Return the 3x3 rotation about the x axis; ``angle`` in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotate_y(angle: float) -> Array:
    """Return the 3x3 rotation about the y axis; ``angle`` in radians (positive: nose down)."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotate_z(angle: float) -> Array:
    """Return the 3x3 rotation about the z axis; ``angle`` in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def frame_along(direction: Vector, up: Vector = (0.0, 0.0, 1.0)) -> Array:
    """Build a right-handed frame whose first axis points along ``direction``.

    Parameters
    ----------
    direction : array_like, shape (3,)
        Becomes the x axis of the frame.
    up : array_like, shape (3,)
        The z axis of the frame lies as close to it as a right angle allows.

    Returns
    -------
    ndarray, shape (3, 3), float64
        The axes in the columns.
    """
    x = unit(direction)
    y = np.cross(up, x)
    y = unit(y) if np.linalg.norm(y) > 1e-6 else np.array([0.0, 1.0, 0.0])
    return np.stack([x, y, np.cross(x, y)], axis=1)


def frame_upright(up: Vector) -> Array:
    """Build a frame whose third axis points along ``up`` (a flower head, tilted).

    Parameters
    ----------
    up : array_like, shape (3,)
        Becomes the z axis of the frame.

    Returns
    -------
    ndarray, shape (3, 3), float64
        The axes in the columns.
    """
    frame = frame_along(up, up=(0.0, 1.0, 0.0))
    return frame[:, [1, 2, 0]]


def on_circle(angle: float) -> Array:
    """Return the horizontal unit vector at ``angle`` radians from the x axis."""
    return np.array([math.cos(angle), math.sin(angle), 0.0])


def upwards(height: float) -> Array:
    """Return the vertical vector of length ``height``."""
    return np.array([0.0, 0.0, height])


def normalise_rows(vectors: Array, epsilon: float = 1e-9) -> Array:
    """Scale the last axis of an array of vectors to length one.

    Parameters
    ----------
    vectors : ndarray, shape (..., 3)
    epsilon : float
        Added to each length so that zero vectors stay finite.

    Returns
    -------
    ndarray, shape (..., 3), the dtype of ``vectors``
    """
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + epsilon)
