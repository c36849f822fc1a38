"""Ground textures: soil, sand, bark, stone, leaf, wood, petal, paper, and a blurred far view.

Each is a periodic picture of 512 x 512 pixels, an albedo and a height, that covers about
4 x 4 body lengths.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .geometry import Array
from .materials import colour, pick_colour
from .noise import FLOAT, fractal_noise, mix, smoothstep

SIZE = 512


class Layers:
    """The noise every ground is made of.

    Attributes
    ----------
    broad, fine : ndarray, shape (512, 512), in 0..1
        Clouds and gravel.
    specks : ndarray, shape (512, 512), in 0..1
        0 nearly everywhere, 1 in sparse flecks.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.broad = fractal_noise(rng, SIZE, 1.5, 2)
        self.fine = fractal_noise(rng, SIZE, 0.75, 8)
        self.specks = np.clip((fractal_noise(rng, SIZE, 1.1, 14) - 0.62) * 6, 0, 1)

    def streaks(self, slope: float, lowest: int, stretch: tuple[float, float]) -> Array:
        """Draw noise that is longer one way than the other."""
        return fractal_noise(self.rng, SIZE, slope, lowest, stretch)

    def between(self, dark: str, light: str, share: Array) -> Array:
        """Blend two colours, each a little brighter or darker than given."""
        first = colour(dark) * self.rng.uniform(0.8, 1.2)
        second = colour(light) * self.rng.uniform(0.8, 1.2)
        return mix(first, second, share)

    def between_any(self, pairs: list[tuple[str, str]], share: Array) -> Array:
        """Blend one pair of colours drawn from several."""
        dark, light = pairs[self.rng.integers(len(pairs))]
        return self.between(dark, light, share)


def _contrast(layers: Layers, broad: float, fine: float, middle: float = 0.5) -> Array:
    value = (layers.broad - 0.5) * broad + (layers.fine - 0.5) * fine + middle
    return np.clip(value, 0, 1)


def _soil(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    pairs = [("#2a1c12", "#7a5a3c"), ("#3c2f26", "#8c7660"), ("#4a2a18", "#9c6a44")]
    albedo = layers.between_any(pairs, _contrast(layers, 1.5, 1.3, 0.42))
    grains = layers.between("#1a120c", "#c8b090", layers.fine)
    height = layers.broad * 1.2 + layers.fine + layers.specks * 0.6
    return mix(albedo, grains, layers.specks * 0.7), height


def _sand(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    albedo = layers.between("#a58a62", "#e0cda6", _contrast(layers, 0.8, 1.9))
    grains = layers.between("#5a4632", "#f0e8d8", layers.broad)
    return mix(albedo, grains, layers.specks * 0.6), layers.broad * 0.9 + layers.fine * 0.8


def _bark(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    stretch = rng.uniform(4, 7)
    direction = (stretch, 1.0) if rng.random() < 0.5 else (1.0, stretch)
    ridges = 1 - np.abs(layers.streaks(1.5, 3, direction) - 0.5) * 3.2
    pairs = [("#20150e", "#7a6450"), ("#332a24", "#9a8d7c"), ("#3a2414", "#8a5e3c")]
    share = np.clip(ridges * 0.6 + (layers.fine - 0.5) * 1.2 + 0.15, 0, 1)
    albedo = layers.between_any(pairs, share)
    lichen = pick_colour(rng, ("#7a8a5a", "#b8b8a0", "#4a5a3a"))
    albedo = mix(albedo, lichen, layers.specks * rng.uniform(0, 0.8))
    return albedo, ridges * 2 + layers.fine


def _stone(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    pairs = [("#6a6864", "#b8b4ac"), ("#4a4c50", "#8c9096"), ("#9a8a78", "#cfc2b0")]
    albedo = layers.between_any(pairs, _contrast(layers, 1.1, 1.3))
    flecks = pick_colour(rng, ("#2a2a2a", "#8a8a4a", "#d8d0c0"))
    height = layers.broad * 0.8 + layers.fine * 0.9 + layers.specks * 0.4
    return mix(albedo, flecks, layers.specks * 0.6), height


def _wood(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    grain = layers.streaks(1.4, 2, (1.0, 14.0))
    share = np.clip((grain - 0.5) * 1.8 + (layers.fine - 0.5) * 0.5 + 0.5, 0, 1)
    albedo = layers.between_any([("#6a4626", "#b88a58"), ("#7a6a58", "#b8aa98")], share)
    return albedo, grain * 0.9 + layers.fine * 0.4


PETAL_COLOURS = (
    "#a0506a",
    "#c890a0",
    "#b09040",
    "#d0c8b8",
    "#74588e",
    "#9a5a4a",
    "#c8b0b0",
    "#b8b8a8",
)


def _petal(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    shade = pick_colour(rng, PETAL_COLOURS) * rng.uniform(0.6, 1.0)
    veins = layers.streaks(1.2, 3, (1.0, rng.uniform(8, 20)))
    value = np.clip((veins - 0.5) * 1.5 + (layers.broad - 0.5) * 1.2 + 0.5, 0, 1)
    albedo = shade * (0.45 + 1.1 * value)[..., None]
    return albedo, veins + layers.broad * 0.8 + layers.fine * 0.1


FAR_PALETTES = (
    ("#1c3010", "#4a7a24", "#8ab04a", "#c8c880", "#16240e"),
    ("#2a2a18", "#6a6a34", "#a8a060", "#3a4a2a", "#c0a878"),
    ("#101a14", "#2a4a34", "#5a7a5a", "#8aa890", "#0a100c"),
    ("#3a2a1c", "#7a6044", "#a89070", "#5a6a34", "#d0c0a0"),
    ("#20340f", "#5a8a2a", "#b0489a", "#d8b030", "#e8e0d0"),
)


def _far(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    """Vegetation out of focus: soft patches and round blossoms."""
    palette = [colour(code) for code in FAR_PALETTES[rng.integers(len(FAR_PALETTES))]]
    albedo = np.ones((SIZE, SIZE, 3)) * palette[0]
    for shade in palette[1:]:
        patches = fractal_noise(rng, SIZE, rng.uniform(1.8, 2.6), 2)
        cover = smoothstep(rng.uniform(0.3, 0.5), rng.uniform(0.7, 0.95), patches)
        albedo = mix(albedo, shade * rng.uniform(0.7, 1.3), rng.uniform(0.5, 1.0) * cover)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    for _ in range(rng.integers(0, 9)):
        y = (rows - rng.integers(SIZE) + SIZE / 2) % SIZE - SIZE / 2
        x = (columns - rng.integers(SIZE) + SIZE / 2) % SIZE - SIZE / 2
        radius = rng.uniform(12, 48)
        disc = smoothstep(radius, radius * rng.uniform(0.5, 0.85), np.hypot(x, y))
        blossom = np.clip(palette[rng.integers(1, 5)] * rng.uniform(1, 2.5) + 0.02, 0, 2)
        albedo = mix(albedo, blossom, rng.uniform(0.2, 0.8) * disc)
    return albedo, np.zeros((SIZE, SIZE))


PAPER_COLOURS = (
    "#d8d8d4",
    "#c0c4c8",
    "#b0a898",
    "#8a9098",
    "#e8e4da",
    "#6a7078",
    "#c8b8a8",
    "#a8b8a8",
)


def _paper(rng: np.random.Generator, layers: Layers) -> tuple[Array, Array]:
    shade = pick_colour(rng, PAPER_COLOURS) * rng.uniform(0.7, 1.1)
    value = 0.94 + 0.12 * layers.broad + 0.05 * (layers.fine - 0.5)
    return shade * value[..., None], layers.broad * 0.04 + layers.fine * 0.03


GROUNDS: dict[str, Callable[[np.random.Generator, Layers], tuple[Array, Array]]] = {
    "soil": _soil,
    "sand": _sand,
    "bark": _bark,
    "stone": _stone,
    "wood": _wood,
    "petal": _petal,
    "far": _far,
    "paper": _paper,
}


def draw_ground(rng: np.random.Generator, kind: str) -> tuple[Array, Array]:
    """Draw a ground texture.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        A key of ``GROUNDS``.

    Returns
    -------
    albedo : ndarray, shape (512, 512, 3), float32
        Linear RGB, periodic.
    height : ndarray, shape (512, 512), float32
        Relative height, periodic.
    """
    albedo, height = GROUNDS[kind](rng, Layers(rng))
    return albedo.astype(FLOAT), height.astype(FLOAT)
