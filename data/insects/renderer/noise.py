"""Noise, blur and blending: the small change of every texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .geometry import Array

FLOAT = np.float32


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """Blend two colours (or two arrays of colours).

    Parameters
    ----------
    first, second : ndarray, shape (3,) or (..., 3)
    share : float or ndarray, shape (...)
        Share of ``second``; 0 gives ``first``, 1 gives ``second``.

    Returns
    -------
    ndarray, shape (..., 3)
    """
    share = np.asarray(share)[..., None]
    return first * (1 - share) + second * share


def smoothstep(start: float, stop: float, x: Array) -> Array:
    """Rise smoothly from 0 at ``start`` to 1 at ``stop`` (which may be the smaller one)."""
    t = np.clip((x - start) / (stop - start), 0, 1)
    return t * t * (3 - 2 * t)


def fractal_noise(
    rng: np.random.Generator,
    size: int = 512,
    slope: float = 1.8,
    lowest: int = 1,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> Array:
    """Draw a periodic picture of 1/f noise.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Side in pixels.
    slope : float
        Amplitudes fall as frequency to the minus ``slope``: 0.75 is gravel, 2 is clouds.
    lowest : int
        Frequencies below this many cycles a picture are left out.
    stretch : (float, float)
        Weights of the horizontal and the vertical frequency; (1, 10) gives horizontal streaks.

    Returns
    -------
    ndarray, shape (size, size), float32, in 0..1
        Mean about 0.5, standard deviation about 0.2.
    """
    vertical = np.fft.fftfreq(size)[:, None] * size * stretch[1]
    horizontal = np.fft.rfftfreq(size)[None] * size * stretch[0]
    frequency = np.hypot(horizontal, vertical)
    amplitude = np.where(frequency >= lowest, np.maximum(frequency, 1e-6) ** -slope, 0)
    spectrum = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
    picture = np.fft.irfft2(amplitude * spectrum, s=(size, size))
    picture = (picture - picture.mean()) / picture.std()
    return (0.5 + picture / 5).clip(0, 1).astype(FLOAT)


@dataclass(frozen=True)
class WaveNoise:
    """Smooth noise in space: a sum of plane waves of random direction and phase.

    Calling it with points of shape (n, 3) gives n values, mean 0, standard deviation about 0.7.

    Attributes
    ----------
    wave_vectors : ndarray, shape (waves, 3), float32
        Radians a unit of length.
    phases : ndarray, shape (waves,), float32
    """

    wave_vectors: Array
    phases: Array

    @classmethod
    def draw(cls, rng: np.random.Generator, frequency: float, waves: int = 7) -> WaveNoise:
        """Draw a noise field with wave numbers of 0.5 to 1.6 times ``frequency``."""
        directions = rng.normal(size=(waves, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        vectors = directions * frequency * rng.uniform(0.5, 1.6, (waves, 1))
        return cls(vectors.astype(FLOAT), rng.uniform(0, 2 * np.pi, waves).astype(FLOAT))

    def __call__(self, points: Array) -> Array:
        """Return the noise at points of shape (n, 3)."""
        waves = np.sin(points @ self.wave_vectors.T + self.phases)
        return waves.sum(-1) / len(self.phases) ** 0.5


def blur(picture: Array, sigma: float) -> Array:
    """Blur with a Gaussian, repeating the border pixels.

    Parameters
    ----------
    picture : ndarray, shape (h, w) or (h, w, channels)
    sigma : float
        Standard deviation in pixels; below 0.3 the picture is returned as it is.

    Returns
    -------
    ndarray, the shape of ``picture``
    """
    if sigma < 0.3:
        return picture
    radius = max(1, int(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(FLOAT)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padding = [(0, 0)] * picture.ndim
        padding[axis] = (radius, radius)
        padded = np.pad(picture, padding, "edge")
        length = picture.shape[axis]
        total = np.zeros_like(picture)
        for start, weight in enumerate(kernel):
            part = slice(start, start + length)
            total += weight * (padded[part] if axis == 0 else padded[:, part])
        picture = total
    return picture


def wide_blur(picture: Array, sigma: float) -> Array:
    """Blur with a large Gaussian quickly: shrink, blur, enlarge.

    Parameters
    ----------
    picture : ndarray, shape (h, w) or (h, w, channels), float32
    sigma : float
        Standard deviation in pixels; below 4 this is :func:`blur`.

    Returns
    -------
    ndarray, the shape of ``picture``, float32
    """
    if sigma < 4:
        return blur(picture, sigma)
    step = int(sigma // 2.5)
    height, width = picture.shape[:2]
    rows, columns = -(-height // step), -(-width // step)
    layers = picture.reshape(height, width, -1)
    padding = ((0, rows * step - height), (0, columns * step - width), (0, 0))
    blocks = np.pad(layers, padding, "edge").reshape(rows, step, columns, step, -1)
    small = blur(blocks.mean((1, 3)), sigma / step)
    enlarged = []
    for channel in range(small.shape[-1]):
        layer = Image.fromarray(np.ascontiguousarray(small[..., channel], dtype=FLOAT))
        layer = layer.resize((columns * step, rows * step), Image.Resampling.BICUBIC)
        enlarged.append(np.asarray(layer)[:height, :width])
    return np.stack(enlarged, axis=-1).reshape(picture.shape)
