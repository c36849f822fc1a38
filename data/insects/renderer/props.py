"""Things that stand and lie about: leaves, grass, flowers, twigs, pebbles, clutter."""

from __future__ import annotations

import math

import numpy as np

from .geometry import (
    Array,
    Vector,
    frame_along,
    frame_upright,
    on_circle,
    rotate_z,
    unit,
    upwards,
)
from .materials import Ellipsoid, Material, Shape, colour, ellipsoid, pick_colour, tube
from .noise import FLOAT, WaveNoise, mix, smoothstep

GOLDEN_ANGLE = 2.39996
GREEN_LEAVES = (
    "#3a6a1c",
    "#5a8a2a",
    "#2a5a24",
    "#7a9a34",
    "#8a7a2a",
    "#7a4a1c",
    "#4a7a4a",
)
DRY_LEAVES = ("#7a4a1c", "#8a7a2a", "#5a3a1c")


def _leaf_outline(local: Array) -> Array:
    """Return True where a flat ellipsoid is cut away to leave a pointed leaf."""
    half_width = np.clip(1 - np.abs(local[:, 0]) ** 1.6, 0, 1) ** 0.75
    return np.abs(local[:, 1]) > half_width


def leaf(
    rng: np.random.Generator,
    center: Vector,
    direction: Vector,
    length: float,
    palette: tuple[str, ...] = GREEN_LEAVES,
) -> list[Shape]:
    """Make a veined leaf.

    Parameters
    ----------
    rng : numpy.random.Generator
    center, direction : array_like, shape (3,)
        Middle of the leaf; from its stalk to its tip.
    length : float
        Half the leaf's length.
    palette : tuple of str
        Hexadecimal colours to draw from.

    Returns
    -------
    list of Ellipsoid
        One.
    """
    shade = pick_colour(rng, palette) * rng.uniform(0.7, 1.2)
    vein_count, width = rng.uniform(4, 9), rng.uniform(0.28, 0.55)
    blotches, mottle = WaveNoise.draw(rng, 6), WaveNoise.draw(rng, 22)
    vein_strength = rng.uniform(0.15, 0.5)
    spot_colour = pick_colour(rng, ("#6a5a1c", "#3a2a14", "#a8a04a"))
    spot_strength = rng.uniform(0, 0.7) * (rng.random() < 0.5)
    vein_colour = np.clip(shade * 1.6 + 0.02, 0, 1)

    def veins(local: Array) -> Array:
        off_middle = np.abs(local[:, 1])
        slanted = (local[:, 0] + off_middle * 0.9) * vein_count
        nearest = np.abs(slanted - np.round(slanted))
        side_veins = 0.55 * np.exp(-((nearest / 0.05) ** 2)) * smoothstep(1.0, 0.3, off_middle)
        return np.maximum(np.exp(-((off_middle / 0.03) ** 2)), side_veins)

    def texture(local: Array) -> Array:
        flesh = shade * (1 + 0.18 * blotches(local) + 0.1 * mottle(local))[:, None]
        veined = mix(flesh, vein_colour, veins(local) * vein_strength)
        spots = spot_strength * smoothstep(0.9, 1.6, blotches(local * FLOAT(1.7)))
        return np.clip(mix(veined, spot_colour, spots), 0, 1)

    def bump(local: Array) -> Array:
        return veins(local) * 1.2 + 0.3 * blotches(local) + 0.1 * mottle(local)

    material = Material(
        shade,
        specular=rng.uniform(0.08, 0.35),
        shininess=rng.uniform(8, 24),
        texture=texture,
        bump=bump,
        bump_height=0.5,
        cutout=_leaf_outline,
        translucency=0.4,
    )
    tilted_up = unit(rng.normal(size=3) * 0.35 + np.array([0, 0, 1.0]))
    radii = (length, length * width, length * 0.03)
    return [ellipsoid(center, radii, material, frame_along(direction, tilted_up))]


def grass(
    rng: np.random.Generator, root: Vector, direction: Vector, length: float, radius: float
) -> list[Shape]:
    """Make a bent blade of grass of six pieces that ends in a point."""
    shade = pick_colour(rng, ("#4a7a24", "#6a8a34", "#8a9a4a", "#a08a4a", "#3a5a1c"))
    material = Material(
        np.clip(shade * rng.uniform(0.7, 1.3), 0, 1),
        specular=0.12,
        shininess=12,
        bump=lambda local: np.sin(local[:, 1] * 14) * 0.5,
        bump_height=0.5,
        translucency=0.3,
    )
    point, direction = np.asarray(root, dtype=float), unit(direction)
    curl = unit(rng.normal(size=3))
    points = [point]
    for _ in range(6):
        direction = unit(direction + curl * 0.12)
        point = point + direction * length / 6
        points.append(point)
    return tube(points, [radius * (1 - piece / 6.5) for piece in range(7)], material)


def twig(rng: np.random.Generator, heading: float, radius: float, slope: float) -> list[Shape]:
    """Make a twig five units long whose upper side lies at height zero.

    Parameters
    ----------
    rng : numpy.random.Generator
    heading : float
        Direction in the plane, radians.
    radius, slope : float

    Returns
    -------
    list of Capsule
    """
    shade = pick_colour(rng, ("#5a4632", "#7a6a50", "#4a6a2a", "#6a3a24"))
    noise = WaveNoise.draw(rng, 7)
    stretch = np.array([9, 3, 3], FLOAT)
    material = Material(
        shade,
        specular=0.1,
        shininess=10,
        texture=lambda u: np.clip(shade * (1 + 0.25 * noise(u * stretch))[:, None], 0, 1),
        bump=lambda u: noise(u * stretch),
        bump_height=0.7,
    )
    half = (on_circle(heading) + upwards(slope)) * 2.5
    below = np.array([0, 0, radius])
    return tube([-half - below, half - below], [radius, radius * rng.uniform(0.7, 1)], material)


PETAL_COLOURS = (
    "#f0ece0",
    "#f0c81c",
    "#d8609a",
    "#9a6ac8",
    "#e87a1c",
    "#c83a4a",
    "#f0d8e0",
    "#5a6ad0",
    "#e8a8c8",
)
DISC_COLOURS = ("#c8901c", "#6a4418", "#d8b83a", "#3a2414", "#a8b03a")


def flower(
    rng: np.random.Generator, center: Vector, size: float, up: Vector = (0.0, 0.0, 1.0)
) -> tuple[list[Shape], float]:
    """Make a flower on a stalk: a daisy, an open five-petalled one, or a flower head.

    Parameters
    ----------
    rng : numpy.random.Generator
    center : array_like, shape (3,)
    size : float
        About half its width.
    up : array_like, shape (3,)
        Where it faces.

    Returns
    -------
    shapes : list of Ellipsoid or Capsule
    height : float
        Of its top above ``center``, where an insect can stand.
    """
    center = np.asarray(center, dtype=float)
    kind = ("daisy", "open", "dense head", "loose head")[rng.integers(4)]
    shade = pick_colour(rng, PETAL_COLOURS) * rng.uniform(0.75, 1.05)
    frame = frame_upright(up)
    if kind in ("daisy", "open"):
        shapes = _petals(rng, center, frame, size, shade, is_daisy=kind == "daisy")
        disc, height = _disc(rng, center, frame, size)
        shapes += disc
    else:
        shapes = _florets(rng, center, frame, size, shade, is_dense=kind == "dense head")
        height = size * 0.34
    thickness = 0.05 * size + 0.02
    stalk = [center + frame @ (0, 0, -0.05), center + frame @ (0, 0, -1.5)]
    shapes += tube(stalk, [thickness, thickness], Material(colour("#4a6a2a")))
    return shapes, height


def _petals(
    rng: np.random.Generator,
    center: Array,
    frame: Array,
    size: float,
    shade: Array,
    is_daisy: bool,
) -> list[Shape]:
    count = int(rng.integers(8, 22)) if is_daisy else int(rng.integers(5, 8))
    width = (0.9 * math.pi / count if is_daisy else 0.5) * rng.uniform(0.8, 1.1)
    ripples, start = rng.uniform(5, 12), rng.uniform(0, 2 * math.pi)
    layers = 2 if is_daisy and rng.random() < 0.4 else 1
    shapes: list[Shape] = []
    for layer in range(layers):
        for number in range(count):
            angle = start + 2 * math.pi * (number + 0.5 * layer) / count + rng.normal() * 0.04
            rise = rng.normal(0.12 + 0.2 * layer, 0.1)
            direction = on_circle(angle) * math.cos(rise) + upwards(math.sin(rise))
            length = size * rng.uniform(0.42, 0.5) * (1 - 0.18 * layer)
            material = _petal_material(shade * rng.uniform(0.85, 1.1), ripples)
            shapes.append(
                ellipsoid(
                    center + frame @ (direction * (length + size * 0.12)),
                    (length, length * width * 1.15, length * 0.05),
                    material,
                    frame @ frame_along(direction),
                )
            )
    return shapes


def _petal_material(shade: Array, ripples: float) -> Material:
    def texture(local: Array) -> Array:
        value = 0.75 + 0.125 * local[:, :1] + 0.12 * np.sin(local[:, 1:2] * ripples)
        return np.clip(shade * value, 0, 1)

    return Material(
        shade,
        specular=0.08,
        shininess=10,
        texture=texture,
        bump=lambda local: np.sin(local[:, 1] * ripples),
        bump_height=0.5,
        translucency=0.5,
    )


def _disc(
    rng: np.random.Generator, center: Array, frame: Array, size: float
) -> tuple[list[Shape], float]:
    """Make the middle of a flower: florets in a sunflower's spiral; also return its height."""
    shade = pick_colour(rng, DISC_COLOURS)
    radius, count = size * rng.uniform(0.2, 0.34), int(rng.integers(90, 170))
    base = size * 0.02
    flat = (radius, radius, radius * 0.35)
    shapes: list[Shape] = [
        ellipsoid(center + frame @ (0, 0, base), flat, Material(shade * 0.35), frame)
    ]
    materials = [Material(shade * rng.uniform(0.5, 1.4), 0.1, 10) for _ in range(5)]
    for number in range(count):
        share = (number + 0.5) / count
        place = on_circle(number * GOLDEN_ANGLE) * radius * math.sqrt(share)
        place[2] = math.sqrt(1 - share) * radius * 0.35 + base
        dot = radius * 0.075 * rng.uniform(0.8, 1.25)
        shapes.append(ellipsoid(center + frame @ place, (dot, dot, dot), materials[number % 5]))
    return shapes, base + radius * 0.35


def _florets(
    rng: np.random.Generator,
    center: Array,
    frame: Array,
    size: float,
    shade: Array,
    is_dense: bool,
) -> list[Shape]:
    count = int(rng.integers(60, 130))
    length = size * (0.13 if is_dense else 0.2)
    radii = (length, length * (0.45 if is_dense else 0.22), length * 0.3)
    materials = [
        Material(np.clip(shade * rng.uniform(0.6, 1.15), 0, 1), 0.08, 10, translucency=0.4)
        for _ in range(6)
    ]
    shapes: list[Shape] = []
    for number in range(count):
        place = unit(rng.normal(size=3))
        place[2] = abs(place[2]) * 0.8
        turn = frame @ frame_along(unit(place + rng.normal(size=3) * 0.3))
        spot = center + frame @ (place * size * 0.62 * (1, 1, 0.5))
        shapes.append(ellipsoid(spot, radii, materials[number % 6], turn))
    core = (size * 0.55, size * 0.55, size * 0.25)
    shapes.append(ellipsoid(center, core, Material(shade * 0.35), frame))
    return shapes


PEBBLE_COLOURS = ("#8a8074", "#5a5048", "#a89a84", "#6a4a34", "#3a3430", "#c8bca8")


def pebbles(rng: np.random.Generator, count: int, largest: float) -> list[Shape]:
    """Scatter pebbles of up to ``largest`` units over 4 x 4 units."""
    return [_pebble(rng, largest) for _ in range(count)]


def _pebble(rng: np.random.Generator, largest: float) -> Ellipsoid:
    size = rng.uniform(0.02, largest) * rng.uniform(0.4, 1)
    shade = pick_colour(rng, PEBBLE_COLOURS) * rng.uniform(0.6, 1.2)
    noise = WaveNoise.draw(rng, 5)
    three = FLOAT(3)
    material = Material(
        shade,
        specular=0.08,
        shininess=10,
        texture=lambda local: np.clip(shade * (1 + 0.3 * noise(local * three))[:, None], 0, 1),
        bump=noise,
        bump_height=0.9,
    )
    x, y = rng.uniform(-2, 2, 2)
    turn = rotate_z(rng.uniform(0, 2 * math.pi))
    radii = (size * rng.uniform(0.8, 1.5), size, size * 0.7)
    return ellipsoid((x, y, size * 0.2), radii, material, turn)


CLUTTER_COLOURS = (
    "#0e0c0a",
    "#5a2a12",
    "#a8661c",
    "#7a1c1c",
    "#4a6a24",
    "#c8a838",
    "#2a1c2a",
    "#c8c0a8",
)


def clutter(rng: np.random.Generator, count: int, heights: tuple[float, float]) -> list[Shape]:
    """Scatter seeds, berries, buds and dry stalks: insect-sized, and without any class.

    They keep a network from finding the insect by its gloss or its size alone.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
    heights : (float, float)
        Lowest and highest position.

    Returns
    -------
    list of Ellipsoid or Capsule
    """
    makers = (_seed, _berries, _bud, _stalks)
    shapes: list[Shape] = []
    for _ in range(count):
        place = np.array([*rng.uniform(-1.1, 1.1, 2), rng.uniform(*heights)])
        shade = pick_colour(rng, CLUTTER_COLOURS) * rng.uniform(0.6, 1.3)
        material = Material(
            np.clip(shade, 0, 1),
            specular=rng.uniform(0.05, 0.7),
            shininess=rng.uniform(10, 60),
            bump=WaveNoise.draw(rng, rng.uniform(6, 20)),
            bump_height=rng.uniform(0, 0.5),
            rim=0.1,
        )
        make = makers[rng.integers(len(makers))]
        shapes += make(rng, place, rng.uniform(0.04, 0.15), material)
    return shapes


def _seed(rng: np.random.Generator, place: Array, size: float, material: Material) -> list[Shape]:
    turn = rotate_z(rng.uniform(0, 2 * math.pi))
    radii = (size * rng.uniform(1, 2.2), size, size * 0.8)
    return [ellipsoid(place + upwards(size * 0.6), radii, material, turn)]


def _berries(
    rng: np.random.Generator, place: Array, size: float, material: Material
) -> list[Shape]:
    shapes: list[Shape] = []
    for _ in range(rng.integers(3, 9)):
        offset = rng.normal(size=3) * size * (0.9, 0.9, 0.36) + upwards(size * 0.4)
        radius = size * rng.uniform(0.3, 0.6)
        shapes.append(ellipsoid(place + offset, (radius, radius, radius), material))
    return shapes


def _bud(rng: np.random.Generator, place: Array, size: float, material: Material) -> list[Shape]:
    turn = rotate_z(rng.uniform(0, 2 * math.pi))
    direction = turn[:, 0]
    head = ellipsoid(
        place + upwards(size * 0.7), (size * 1.6, size * 0.9, size * 0.8), material, turn
    )
    bend = place + direction * size * 3 + upwards(size * rng.uniform(-0.3, 1.5))
    end = place + turn @ (size * 6, size * rng.uniform(-2, 2), 0)
    stalk = tube([place + direction * size, bend, end], [0.025, 0.018, 0.012], material)
    return [head, *stalk]


def _stalks(rng: np.random.Generator, place: Array, size: float, material: Material) -> list[Shape]:
    """Thin lines that could be legs."""
    shapes: list[Shape] = []
    for _ in range(rng.integers(2, 6)):
        start = place + rng.normal(size=3) * (0.12, 0.12, 0.024)
        direction = rng.normal(size=3) * (1, 1, 0.25)
        end = start + direction * 0.2 + rng.normal(size=3) * 0.06
        shapes += tube([start, start + direction * 0.12, end], [0.014, 0.014, 0.008], material)
    return shapes
