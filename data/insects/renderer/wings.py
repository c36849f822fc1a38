"""Veined, half-transparent wings, laid over the lit picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .geometry import Array, Vector, unit, upwards
from .lighting import Light
from .materials import pick_colour
from .noise import smoothstep
from .raster import Raster

TEXTURE_ROWS, TEXTURE_COLUMNS = 128, 256
BEATS_SHOWN = 7


@dataclass
class Wing:
    """One wing, a flat rectangle in space that carries a :class:`WingPattern`.

    Attributes
    ----------
    root : ndarray, shape (3,)
        Where it is hinged.
    along, across : ndarray, shape (3,)
        From the hinge to the tip; from the middle to the front edge.
    tint : ndarray, shape (3,)
        Linear RGB of the membrane.
    opacity : float
        Of the membrane, 0..1; veins are denser.
    is_hind : bool
    phase : float
        Shifts the play of colours on the membrane, radians.
    is_beating : bool
        Drawn as several faint wings.
    """

    root: Array
    along: Array
    across: Array
    tint: Array
    opacity: float
    is_hind: bool
    phase: float
    is_beating: bool

    def moved(self, rotation: Array, shift: Array, scale: float) -> Wing:
        """Return a copy, rotated, scaled by ``scale`` and shifted."""
        return Wing(
            rotation @ self.root * scale + shift,
            rotation @ self.along * scale,
            rotation @ self.across * scale,
            self.tint,
            self.opacity,
            self.is_hind,
            self.phase,
            self.is_beating,
        )


@dataclass(frozen=True)
class WingPattern:
    """Outline and veins of a wing, each of shape (128, 256), float, 0..1.

    Columns run from hinge to tip, rows across from -1 to 1.
    """

    inside: Array
    veins: Array


def draw_wings(rng: np.random.Generator, root: Vector, length: float) -> list[Wing]:
    """Draw a set of four wings, folded or spread.

    Parameters
    ----------
    rng : numpy.random.Generator
    root : array_like, shape (3,)
        Hinge of the left fore wing in the insect's coordinates.
    length : float
        Of a fore wing, in body lengths.

    Returns
    -------
    list of Wing
        Left hind, left fore, right hind, right fore.
    """
    is_folded = rng.random() < 0.6
    spread = rng.uniform(0.12, 0.4) if is_folded else rng.uniform(0.5, 1.2)
    lift = rng.uniform(0.02, 0.35)
    tint = pick_colour(rng, ("#cfc6a8", "#d8d8d8", "#a58a5a", "#6b5436"))
    tint = np.clip(tint * rng.uniform(0.8, 1.1), 0, 1)
    opacity = rng.uniform(0.12, 0.38)
    phase, is_beating = rng.uniform(0, 2 * np.pi), bool(rng.random() < 0.12)
    wings = []
    for side in (1, -1):
        for is_hind in (True, False):
            angle = spread * (1.35 if is_hind else 1.0) + rng.uniform(-0.06, 0.06)
            rise = lift * (0.8 if is_hind else 1.0) + 0.05
            direction = unit((-math.cos(angle), side * math.sin(angle), rise))
            flat = unit(np.cross(direction, (0, 0, 1))) * -side
            twist = rng.uniform(-0.25, 0.5)
            normal = np.cross(direction, flat)
            sideways = flat * math.cos(twist) + normal * math.sin(twist) * side
            span = length * (0.72 if is_hind else 1.0)
            hinge = np.asarray(root, dtype=float) * (1, side, 1)
            if is_hind:
                hinge = hinge - (0.05, 0, 0.01)
            chord = span * (0.36 if is_hind else 0.34)
            wings.append(
                Wing(
                    hinge,
                    direction * span,
                    sideways * chord,
                    tint,
                    opacity,
                    is_hind,
                    phase,
                    is_beating,
                )
            )
    return wings


def wing_pattern(rng: np.random.Generator, is_hind: bool) -> WingPattern:
    """Draw the outline, the long veins, a few cross veins and the fore wing's dark stigma."""
    row, column = np.mgrid[0:TEXTURE_ROWS, 0:TEXTURE_COLUMNS]
    x = (column + 0.5) / TEXTURE_COLUMNS
    y = (row + 0.5) / TEXTURE_ROWS * 2 - 1
    front = 0.55 * np.sqrt(x) * np.sqrt(1 - x**5)
    back = (1.0 if is_hind else 0.95) * x**0.8 * np.sqrt(1 - x**3.2)
    inside = (y < front) & (y > -back)

    def ridge(center: Array, width: float, strength: float) -> Array:
        return strength * np.exp(-(((y - center) / width) ** 2))

    layers = [ridge(front - 0.03, 0.05, 1.0), ridge(front * 0.55, 0.03, 0.9)]
    for number in range(3):
        wave = 0.12 + 0.27 * number + 0.05 * np.sin(5 * x + number)
        layers.append(ridge(0.1 * x - back * wave, 0.022, 0.85))
    between = (y < front * 0.6) & (y > -back * 0.7)
    for position in rng.uniform(0.25, 0.85, 4):
        cross = np.exp(-(((x - position - 0.1 * y) / 0.009) ** 2))
        layers.append(0.75 * cross * between)
    veins = np.max(layers, axis=0)
    if not is_hind:
        veins = veins + np.exp(-(((x - 0.68) / 0.05) ** 2)) * ridge(front - 0.05, 0.07, 1.0)
    return WingPattern(inside.astype(float), np.clip(veins, 0, 1))


def beat_positions(wing: Wing) -> list[Array]:
    """Return the ``along`` vectors to draw: one at rest, several on a beating wing."""
    if not wing.is_beating:
        return [wing.along]
    span = np.linalg.norm(wing.along)
    angles = np.linspace(-0.8, 0.8, BEATS_SHOWN)
    return [unit(wing.along + np.array([0, 0, span]) * angle) * span for angle in angles]


def membrane(x: Array, y: Array, wing: Wing, glint: float, facing: float, light: Light) -> Array:
    """Shade a wing's membrane.

    Parameters
    ----------
    x, y : ndarray, shape (h, w)
        Wing coordinates: 0..1 from hinge to tip, -1..1 across.
    wing : Wing
    glint : float
        Strength of the sun's and the sky's mirror image.
    facing : float
        Cosine between the wing's normal and the sun, 0.15..1.
    light : Light

    Returns
    -------
    ndarray, shape (h, w, 3)
        Linear RGB, veins not yet darkened.
    """
    film = (x[..., None] * 9 + y[..., None] * 5 + wing.phase) + np.array([0, 2.1, 4.2])
    iridescence = 0.8 + 0.3 * (0.5 + 0.5 * np.sin(film))
    wrinkles = smoothstep(-0.3, 0.6, np.sin(7 * y + 3 * x + wing.phase))
    lit = wing.tint * (facing * light.sun * 0.7 + light.sky * 0.5) * iridescence
    return lit + glint * wrinkles[..., None] * light.sun * 0.35


def composite_wings(
    picture: Array,
    raster: Raster,
    wings: list[Wing],
    patterns: tuple[WingPattern, WingPattern],
    light: Light,
) -> None:
    """Lay wings over a lit picture, in place, the farthest first.

    Parameters
    ----------
    picture : ndarray, shape (size, size, 3)
        Linear light; changed in place.
    raster : Raster
        Its depths hide what lies behind bodies, leaves and grass.
    wings : list of Wing
        In world coordinates.
    patterns : (WingPattern, WingPattern)
        Of fore and hind wings.
    light : Light
    """
    towards_camera = raster.rotation[2]
    sheets = [(wing, along) for wing in wings for along in beat_positions(wing)]
    sheets.sort(key=lambda sheet: float((sheet[0].root + sheet[1] * 0.5) @ towards_camera))
    for wing, along in sheets:
        _composite_sheet(picture, raster, wing, along, patterns[int(wing.is_hind)], light)


def _composite_sheet(
    picture: Array,
    raster: Raster,
    wing: Wing,
    along: Array,
    pattern: WingPattern,
    light: Light,
) -> None:
    hinge = raster.project(wing.root)
    along = raster.rotation @ along * raster.scale
    across = raster.rotation @ wing.across * raster.scale
    to_picture = np.array([[along[0], across[0]], [along[1], across[1]]])
    if abs(np.linalg.det(to_picture)) < 20:  # seen edge-on
        return
    corners = np.array([a * along + b * across for a in (0, 1) for b in (-1, 1)])
    columns, rows = hinge[0] + corners[:, 0], hinge[1] - corners[:, 1]
    window = raster.window(columns.min(), columns.max(), rows.min(), rows.max())
    if window is None:
        return
    offset_x, offset_y = raster.offsets(window, hinge[0], hinge[1])
    to_wing = np.linalg.inv(to_picture)
    x = to_wing[0, 0] * offset_x + to_wing[0, 1] * offset_y
    y = to_wing[1, 0] * offset_x + to_wing[1, 1] * offset_y
    column = np.clip((x * TEXTURE_COLUMNS).astype(int), 0, TEXTURE_COLUMNS - 1)
    row = np.clip(((y + 1) * TEXTURE_ROWS / 2).astype(int), 0, TEXTURE_ROWS - 1)
    on_sheet = (x > 0) & (x < 1) & (np.abs(y) < 1)
    depth = hinge[2] + x * along[2] + y * across[2]
    in_front = depth > raster.depth[window] - 0.01 * raster.scale
    covered = pattern.inside[row, column] * on_sheet * in_front
    veins = pattern.veins[row, column]

    normal = np.cross(along, across)
    normal = unit(normal * np.sign(normal[2] + 1e-9))
    sun = raster.rotation @ light.direction
    up = raster.rotation @ upwards(1)
    halfway = unit(sun + upwards(1))
    mirrored = unit(2 * normal[2] * normal - upwards(1))
    glint = max(0.0, float(normal @ halfway)) ** 14 * 2 + max(0.0, float(mirrored @ up)) ** 3 * 0.7
    facing = float(np.clip(abs(normal @ sun), 0.15, 1))
    lit = membrane(x, y, wing, glint, facing, light) * (1 - veins[..., None] * 0.9)
    opacity = wing.opacity + veins * 0.6 + (0.1 if glint > 0.4 else 0.0)
    opacity = covered * np.clip(opacity, 0, 0.92)
    if wing.is_beating:
        opacity = opacity / 4
    picture[window] = picture[window] * (1 - opacity[..., None]) + lit * opacity[..., None]
