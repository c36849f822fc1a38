"""Ants and bees, put together from ellipsoids and capsules.

An insect looks along ``+x``, its left is ``+y``, and it is about one unit long. What tells the
classes apart is what tells the animals apart: the ant's petiole (the thin waist), its large
head, jaws and elbowed antennae, its long bare legs; the bee's fur, its round thorax, its broad
striped abdomen set close behind, its flat kidney-shaped eyes and its four wings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from .geometry import Array, rotate_x, rotate_y, rotate_z, upwards
from .materials import Ellipsoid, Material, Shape, colour, ellipsoid, pick_colour, tube
from .noise import WaveNoise, mix, smoothstep
from .wings import Wing, draw_wings

SIDES = (1, -1)


@dataclass
class Fur:
    """One coat of hair.

    Attributes
    ----------
    skin : list of Ellipsoid
        What it grows on, in the insect's own coordinates.
    hairs : int
        How many (before the photograph thins them out for small insects).
    length : (float, float)
        Shortest and longest hair, in body lengths.
    root, tip : ndarray, shape (3,)
        Linear RGB at both ends of a hair.
    flow : float
        How strongly the hair is combed backwards.
    disorder : float
        Standard deviation of a hair's direction.
    pattern : callable, optional
        Skin coordinates (n, 3) on the unit sphere to the colour (n, 3) of the tips; replaces
        ``root`` and ``tip`` (a striped abdomen has striped fur).
    """

    skin: list[Ellipsoid]
    hairs: int
    length: tuple[float, float]
    root: Array
    tip: Array
    flow: float
    disorder: float
    pattern: Callable[[Array], Array] | None = None


@dataclass
class Insect:
    """An insect in its own coordinates, or placed in the world.

    Attributes
    ----------
    shapes : list of Ellipsoid or Capsule
    foot_level : float
        Height of the soles; negative.
    fur : list of Fur
    wings : list of Wing
    """

    shapes: list[Shape]
    foot_level: float
    fur: list[Fur] = field(default_factory=list)
    wings: list[Wing] = field(default_factory=list)


@dataclass(frozen=True)
class Joint:
    """A body part that can turn: local points to points of the insect."""

    origin: Array
    rotation: Array
    size: float = 1.0

    def point(self, x: float, y: float, z: float) -> Array:
        """Return the insect's coordinates of a local point."""
        return self.origin + self.rotation @ np.array([x, y, z]) * self.size

    def blob(
        self,
        center: tuple[float, float, float],
        radii: tuple[float, float, float],
        material: Material,
        turn: Array | None = None,
    ) -> Ellipsoid:
        """Return an ellipsoid given in local coordinates."""
        rotation = self.rotation if turn is None else self.rotation @ turn
        return ellipsoid(self.point(*center), np.array(radii) * self.size, material, rotation)


def leg(
    base: Array, foot: Array, lift: float, radius: float, ankle: float, material: Material
) -> list[Shape]:
    """Build a leg of coxa, femur, tibia and tarsus.

    Parameters
    ----------
    base, foot : ndarray, shape (3,)
        Where it leaves the body and where it stands.
    lift : float
        Height of the knee above the line between them.
    radius : float
        Radius of the femur.
    ankle : float
        Extra height of the ankle.
    material : Material

    Returns
    -------
    list of Capsule
    """
    knee = base * 0.55 + foot * 0.45 + upwards(lift)
    heel = base * 0.12 + foot * 0.88 + upwards(0.035 + 0.1 * ankle)
    toes = (heel + foot) / 2 - upwards(0.012)
    hip = base + (knee - base) * 0.16 - upwards(0.02)
    return [
        *tube([base, hip], [radius * 1.7, radius * 1.2], material),
        *tube(
            [hip, (hip + knee) / 2, knee], [radius * 1.15, radius * 1.4, radius * 0.85], material
        ),
        *tube([knee, (knee + heel) / 2, heel], [radius * 0.8, radius, radius * 0.7], material),
        *tube([heel, toes, foot], [radius * 0.62, radius * 0.5, radius * 0.38], material),
    ]


# ---------------------------------------------------------------- ants

ANT_COLOURS = (
    "#0d0b0a",
    "#15100d",
    "#2a170e",
    "#4a2412",
    "#6b2f12",
    "#8c3b14",
    "#a5561f",
    "#b8762e",
    "#1a1a1f",
    "#3a1408",
)


def make_ant(
    rng: np.random.Generator, hairiness: float = 0.0, winged: bool = False, banded: bool = False
) -> Insect:
    """Draw one ant.

    Parameters
    ----------
    rng : numpy.random.Generator
    hairiness : float, in 0..1
        0 is a few bristles; 1 is as furry as a thin-haired bee.
    winged : bool
        A young queen: with wings, which the lessons' network must not take for a bee.
    banded : bool
        Pale bands on the gaster, again as on a bee.

    Returns
    -------
    Insect
    """
    base = pick_colour(rng, ANT_COLOURS) * rng.uniform(0.7, 1.35)
    is_two_coloured = rng.random() < 0.4
    second = pick_colour(rng, ANT_COLOURS) if is_two_coloured else base * rng.uniform(0.6, 1.1)
    specular, shininess = rng.uniform(0.15, 0.9), rng.uniform(15, 90)
    grain, grain_height = WaveNoise.draw(rng, rng.uniform(10, 26)), rng.uniform(0, 0.22)

    def shell(shade: Array, **options) -> Material:
        defaults = {"bump": grain, "bump_height": grain_height, "rim": 0.12}
        return Material(np.clip(shade, 0, 1), specular, shininess, **(defaults | options))

    head_colour = base * rng.uniform(0.8, 1.2)
    thorax_colour = second if rng.random() < 0.5 else base
    gaster_colour = second if rng.random() < 0.6 else base
    limb_colour = np.clip(thorax_colour * rng.uniform(0.7, 1.5), 0, 1)
    limb = Material(limb_colour, specular * 0.6, shininess * 0.7, rim=0.12)

    head = Joint(
        np.array([0.345, 0.0, 0.02]),
        rotate_z(rng.uniform(-0.35, 0.35)) @ rotate_y(rng.uniform(-0.1, 0.6)),
        rng.uniform(0.85, 1.35),
    )
    width = 0.075 * rng.uniform(0.85, 1.2)
    shapes = ant_head(rng, head, shell(head_colour), limb)
    shapes += ant_thorax(rng, width, shell(thorax_colour))
    shapes += ant_gaster(rng, gaster_colour, banded, shell)
    foot_level = -rng.uniform(0.16, 0.24)
    shapes += ant_legs(rng, width, foot_level, limb)

    skin = [s for s in shapes if isinstance(s, Ellipsoid) and s.radii()[2] > 0.03]
    bristles = Fur(
        skin,
        hairs=int(60 + hairiness * 2600),
        length=(0.02, 0.05 + 0.03 * (hairiness < 0.2)),
        root=thorax_colour * 0.5 + 0.01,
        tip=np.clip(colour("#c9a25a") * rng.uniform(0.3, 1.2), 0, 1),
        flow=0.5 + 0.4 * hairiness,
        disorder=0.35,
    )
    wings = draw_wings(rng, (0.12, width * 0.5, 0.1), length=0.62) if winged else []
    return Insect(shapes, foot_level, [bristles], wings)


def ant_head(rng: np.random.Generator, head: Joint, shell: Material, limb: Material) -> list[Shape]:
    """Build the heart-shaped head with eyes, open jaws and elbowed antennae."""
    shapes = [head.blob((0.06, 0, 0), (0.125, 0.108, 0.08), shell)]
    eye = Material(colour("#08080a"), 0.9, 80)
    jaw_opening = rng.uniform(0.2, 1.0)
    for side in SIDES:
        shapes.append(head.blob((-0.02, side * 0.045, 0.01), (0.07, 0.062, 0.066), shell))
        shapes.append(head.blob((0.075, side * 0.098, 0.02), (0.027, 0.014, 0.024), eye))
        jaw = [
            head.point(0.15, side * 0.06, -0.02),
            head.point(0.215, side * (0.06 + 0.05 * jaw_opening), -0.03),
            head.point(0.25, side * 0.025 * jaw_opening, -0.035),
        ]
        shapes += tube(jaw, [0.026, 0.021, 0.006], limb)
        shapes += ant_antenna(rng, head, side, limb)
    return shapes


def ant_antenna(rng: np.random.Generator, head: Joint, side: int, limb: Material) -> list[Shape]:
    """Build one antenna: a long straight scape, an elbow, a bent funiculus."""
    spread, rise = rng.uniform(0.5, 1.1), rng.uniform(-0.02, 0.16)
    reach = rng.uniform(0.5, 1.1)
    root = head.point(0.12, side * 0.045, 0.05)
    scape = np.array([0.13 * math.cos(spread), side * (0.2 * math.sin(spread) + 0.04), 0.06 + rise])
    elbow = root + head.rotation @ scape * 1.15
    first = np.array([0.15 * reach, side * rng.uniform(-0.06, 0.1), rng.uniform(-0.1, 0.04)])
    second = np.array([0.1 * reach, side * rng.uniform(-0.09, 0.03), rng.uniform(-0.1, 0.02)])
    middle = elbow + head.rotation @ first
    end = middle + head.rotation @ second
    return [
        *tube([root, (root + elbow) / 2, elbow], [0.012, 0.011, 0.014], limb),
        *tube([elbow, middle, end], [0.0115, 0.0135, 0.014], limb),
    ]


def ant_thorax(rng: np.random.Generator, width: float, shell: Material) -> list[Shape]:
    """Build neck, mesosoma and petiole: the waist that makes an ant an ant."""
    shapes: list[Shape] = [
        ellipsoid((0.215, 0, 0.03), (0.075, width * 0.8, 0.06), shell),
        ellipsoid((0.145, 0, 0.045), (0.1, width * 1.12, 0.078), shell),
        ellipsoid((0.03, 0, 0.035), (0.11, width * 0.85, 0.07), shell),
        ellipsoid((-0.075, 0, 0), (0.085, width * 0.78, 0.06), shell),
        *tube([(0.28, 0, 0.015), (0.2, 0, 0.02)], [0.03, 0.04], shell),
        *tube([(-0.13, 0, -0.02), (-0.25, 0, -0.03)], [0.022, 0.026], shell),
        ellipsoid((-0.185, 0, 0.012), (0.026, 0.036, 0.055), shell),
    ]
    if rng.random() < 0.3:  # a second node, as in Myrmicinae
        shapes.append(ellipsoid((-0.235, 0, -0.002), (0.028, 0.036, 0.045), shell))
    return shapes


def ant_gaster(
    rng: np.random.Generator,
    shade: Array,
    banded: bool,
    shell: Callable[..., Material],
) -> list[Shape]:
    """Build the gaster, its segments' edges paler or banded."""
    size = rng.uniform(0.8, 1.25)
    pitch = rng.uniform(-0.35, 0.3)
    turn = rotate_z(rng.uniform(-0.3, 0.3)) @ rotate_y(-pitch)
    gaster = Joint(np.array([-0.25, 0.0, -0.02]), turn)
    length = 0.215 * size
    edge = np.clip(shade * 1.1 + 0.015, 0, 1)
    if banded:
        edge = np.clip(colour("#c79a3c") * rng.uniform(0.5, 1.1), 0, 1)
    phase, strength = rng.uniform(0, 1), 0.9 if banded else 0.35

    def segments(local: Array) -> Array:
        x = (1 - local[:, 0]) * 0.5 * 4.6 + phase
        x = x - np.floor(x)
        band = smoothstep(0.72, 0.8, x) * (1 - smoothstep(0.93, 1.0, x))
        return np.clip(mix(shade, edge, band * strength), 0, 1)

    middle = (-length * 0.92, 0.0, 0.02)
    radii = (length, 0.15 * size * rng.uniform(0.85, 1.1), 0.135 * size)
    tip = (-length * 1.67, 0.0, 0.01)
    return [
        gaster.blob(middle, radii, shell(shade, texture=segments)),
        gaster.blob(tip, (length * 0.42, 0.07 * size, 0.065 * size), shell(shade * 0.45)),
    ]


def ant_legs(
    rng: np.random.Generator, width: float, foot_level: float, limb: Material
) -> list[Shape]:
    """Build six long legs, each with a stance of its own."""
    radius = 0.0165 * rng.uniform(0.8, 1.25)
    stride = rng.uniform(0.85, 1.15)
    shapes = []
    for base_x, foot_x, foot_y in ((0.16, 0.46, 0.36), (0.05, 0.06, 0.47), (-0.06, -0.42, 0.42)):
        for side in SIDES:
            base = np.array([base_x, side * width * 0.7, -0.02])
            swing = rng.uniform(-0.11, 0.11)
            foot = np.array(
                [
                    base_x + (foot_x - base_x) * stride + swing,
                    side * foot_y * stride * rng.uniform(0.85, 1.1),
                    foot_level,
                ]
            )
            shapes += leg(base, foot, rng.uniform(0.16, 0.3), radius, rng.uniform(0, 0.2), limb)
    return shapes


# ---------------------------------------------------------------- bees


@dataclass(frozen=True)
class BeeKind:
    """Colours of one kind of bee.

    Attributes
    ----------
    name : str
    thorax, thorax_tip : str
        Fur of the thorax, at the root and at the tip (hexadecimal).
    pale, dark : str
        The two colours of the abdomen's stripes.
    bands : (int, int)
        Fewest and most stripes.
    stout : bool
        Broad and round, as bumblebees and carpenter bees are.
    woolly : bool
        Long dense fur on the abdomen too.
    """

    name: str
    thorax: str
    thorax_tip: str
    pale: str
    dark: str
    bands: tuple[int, int]
    stout: bool = False
    woolly: bool = False


BEE_KINDS = (
    BeeKind("honey bee", "#7a5a2a", "#caa25a", "#c98a2a", "#2a1608", (4, 6)),
    BeeKind("dark honey bee", "#3a2d1c", "#8a7650", "#5a3a1a", "#140c06", (4, 6)),
    BeeKind("bumblebee", "#d8a410", "#f5cf3a", "#e0ac18", "#0b0a0a", (2, 3), True, True),
    BeeKind(
        "white-tailed bumblebee", "#1a1512", "#3a332a", "#d9d4c8", "#0b0a0a", (1, 2), True, True
    ),
    BeeKind("ashy mining bee", "#8a857c", "#c9c5bb", "#1c1c20", "#0c0c10", (2, 4)),
    BeeKind("red mason bee", "#8a4a1a", "#c87a35", "#9a5522", "#40200c", (3, 5)),
    BeeKind("carpenter bee", "#111015", "#28262c", "#15141c", "#0a0a10", (3, 5), True),
    BeeKind("carder bee", "#a5681f", "#d8a052", "#6a5a40", "#1a140c", (4, 5), woolly=True),
)


def make_bee(rng: np.random.Generator, fuzz: float = 1.0) -> Insect:
    """Draw one bee of a random kind.

    Parameters
    ----------
    rng : numpy.random.Generator
    fuzz : float
        Density of the fur; 1 is a young bee, 0.3 one that has flown for weeks.

    Returns
    -------
    Insect
    """
    kind = BEE_KINDS[rng.integers(len(BEE_KINDS))]
    brightness = rng.uniform(0.75, 1.3)
    fur_root = colour(kind.thorax) * brightness
    fur_tip = np.clip(colour(kind.thorax_tip) * brightness, 0, 1)
    pale = np.clip(colour(kind.pale) * rng.uniform(0.75, 1.25), 0, 1)
    dark = np.clip(colour(kind.dark) * rng.uniform(0.75, 1.25), 0, 1)
    chitin = pick_colour(rng, ("#0e0b0a", "#1c120c", "#24180e")) * rng.uniform(0.8, 1.3)
    specular, shininess = rng.uniform(0.25, 0.7), rng.uniform(20, 60)
    grain = WaveNoise.draw(rng, 20)
    girth = rng.uniform(0.85, 1.25) * (1.15 if kind.stout else 1.0)
    limb = Material(np.clip(chitin * 1.2, 0, 1), specular * 0.7, shininess, rim=0.12)
    shell = Material(chitin, specular, shininess, bump=grain, bump_height=0.25, rim=0.12)

    head = Joint(
        np.array([0.3, 0.0, -0.01]),
        rotate_z(rng.uniform(-0.3, 0.3)) @ rotate_y(rng.uniform(-0.1, 0.7)),
    )
    skull, head_shapes = bee_head(rng, head, shell, limb)
    thorax = ellipsoid((0.12, 0, 0.03), (0.155, 0.15 * girth, 0.14), shell)
    waist = ellipsoid((0, 0, 0), (0.07, 0.08, 0.08), shell)
    stripes = bee_stripes(rng, kind, pale, dark)
    coat = Material(pale, specular, shininess, stripes, bump=grain, bump_height=0.12, rim=0.12)
    end = Material(dark, specular, shininess, bump=grain, bump_height=0.12, rim=0.1)
    abdomen, abdomen_end = bee_abdomen(rng, girth, coat, end)
    foot_level = -rng.uniform(0.17, 0.22)
    shapes = [*head_shapes, thorax, waist, abdomen, abdomen_end]
    shapes += bee_legs(rng, foot_level, limb)

    striped_fur = replace(stripes, pale=np.clip(pale * 1.25, 0, 1))
    long = 0.07 * rng.uniform(0.7, 1.25)
    fur = [
        Fur([thorax], int(11000 * fuzz), (0.025, long), fur_root * 0.45, fur_tip, 0.6, 0.3),
        Fur([skull], int(2400 * fuzz), (0.015, 0.04), fur_root * 0.4, fur_tip * 0.85, 0.3, 0.35),
        Fur(
            [abdomen],
            int((5200 if kind.woolly else 2400) * fuzz),
            (0.015, 0.05 if kind.woolly else 0.03),
            dark,
            pale,
            0.8,
            0.3,
            striped_fur,
        ),
    ]
    wings = draw_wings(rng, (0.1, 0.09, 0.12), length=rng.uniform(0.5, 0.62))
    return Insect(shapes, foot_level, fur, wings)


def bee_head(
    rng: np.random.Generator, head: Joint, shell: Material, limb: Material
) -> tuple[Ellipsoid, list[Shape]]:
    """Build the flat head with kidney-shaped eyes and short antennae; also return the skull."""
    skull = head.blob((0.055, 0, 0), (0.075, 0.125, 0.11), shell)
    shapes: list[Shape] = [skull, head.blob((0.09, 0, -0.06), (0.05, 0.06, 0.06), shell)]
    eye_colour = pick_colour(rng, ("#120c0a", "#2a1a10", "#1a1a14"))
    facets = WaveNoise.draw(rng, 60)
    eye = Material(eye_colour, 0.9, 60, bump=facets, bump_height=0.06)
    for side in SIDES:
        turn = rotate_x(side * 0.25)
        shapes.append(head.blob((0.065, side * 0.1, 0.01), (0.05, 0.036, 0.085), eye, turn))
        root = head.point(0.125, side * 0.03, 0.03)
        first = np.array(
            [rng.uniform(0.03, 0.09), side * rng.uniform(0.05, 0.09), rng.uniform(0, 0.07)]
        )
        second = np.array(
            [rng.uniform(0.05, 0.14), side * rng.uniform(-0.01, 0.08), rng.uniform(-0.1, 0.03)]
        )
        elbow = root + head.rotation @ first
        end = elbow + head.rotation @ second
        shapes += tube([root, elbow], [0.013, 0.012], limb)
        shapes += tube([elbow, (elbow + end) / 2, end], [0.0135, 0.0155, 0.013], limb)
    return skull, shapes


@dataclass(frozen=True)
class Stripes:
    """Bands around an abdomen: local coordinates (n, 3) to linear RGB (n, 3)."""

    pale: Array
    dark: Array
    count: int
    phase: float
    pale_share: float
    softness: float
    waviness: WaveNoise

    def __call__(self, local: Array) -> Array:
        """Return the colour at each point of the skin."""
        x = (1 - local[:, 0]) * 0.5 * self.count + self.phase + 0.03 * self.waviness(local)
        x = x - np.floor(x)
        rising = smoothstep(0, self.softness, x)
        falling = smoothstep(self.pale_share, self.pale_share + self.softness, x)
        return mix(self.dark, self.pale, rising * (1 - falling))


def bee_stripes(rng: np.random.Generator, kind: BeeKind, pale: Array, dark: Array) -> Stripes:
    """Draw the number, place and softness of the stripes."""
    return Stripes(
        pale,
        dark,
        count=int(rng.integers(kind.bands[0], kind.bands[1] + 1)),
        phase=rng.uniform(0, 1),
        pale_share=rng.uniform(0.3, 0.6),
        softness=rng.uniform(0.03, 0.15),
        waviness=WaveNoise.draw(rng, 9),
    )


def bee_abdomen(
    rng: np.random.Generator, girth: float, coat: Material, end: Material
) -> tuple[Ellipsoid, Ellipsoid]:
    """Build the abdomen, hanging or raised a little, and its dark end."""
    droop = rng.uniform(-0.15, 0.55)
    turn = rotate_z(rng.uniform(-0.18, 0.18)) @ rotate_y(-droop)
    length = 0.27 * rng.uniform(0.9, 1.15)
    abdomen = Joint(np.array([-0.03, 0.0, 0.0]), turn)
    body = abdomen.blob((-length * 0.9, 0, -0.02), (length, 0.155 * girth, 0.145 * girth), coat)
    tip = abdomen.blob(
        (-length * 1.62, 0, -0.035), (length * 0.42, 0.085 * girth, 0.08 * girth), end
    )
    return body, tip


def bee_legs(rng: np.random.Generator, foot_level: float, limb: Material) -> list[Shape]:
    """Build six short legs; three bees in ten carry pollen on the last pair."""
    radius = 0.022 * rng.uniform(0.9, 1.2)
    carries_pollen = rng.random() < 0.3
    shapes: list[Shape] = []
    for base_x, foot_x, foot_y in ((0.2, 0.36, 0.22), (0.11, 0.1, 0.31), (0.03, -0.24, 0.3)):
        is_last = base_x == 0.03
        for side in SIDES:
            base = np.array([base_x, side * 0.08, -0.06])
            foot = np.array(
                [
                    foot_x + rng.uniform(-0.08, 0.08),
                    side * foot_y * rng.uniform(0.8, 1.15),
                    foot_level,
                ]
            )
            lift, ankle = rng.uniform(0.06, 0.15), rng.uniform(0, 0.15)
            shapes += leg(base, foot, lift, radius * (1.25 if is_last else 1), ankle, limb)
            if carries_pollen and is_last:
                grains = WaveNoise.draw(rng, 30)
                yellow = colour("#e0a020") * rng.uniform(0.5, 1)
                pollen = Material(yellow, 0.05, 10, bump=grains, bump_height=0.6)
                basket = base * 0.35 + foot * 0.65 + upwards(0.08)
                shapes.append(ellipsoid(basket, (0.06, 0.04, 0.05), pollen))
    return shapes
