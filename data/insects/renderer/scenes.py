"""Whole scenes: a ground, the things on it, a perch for the insect, and what stands before it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .camera import View
from .domains import Domain
from .geometry import on_circle, unit, upwards
from .materials import Shape
from .props import DRY_LEAVES, clutter, flower, grass, leaf, pebbles, twig

LARGEST_PEBBLE = {"soil": 0.16, "sand": 0.05}
FAR_BELOW = -0.3


@dataclass
class Scene:
    """A place to photograph an insect in.

    Attributes
    ----------
    ground : str
        A key of :data:`.grounds.GROUNDS`.
    props : list of Ellipsoid or Capsule
    ground_level : float
        Height of the ground; below ``FAR_BELOW`` it is always out of focus.
    perch : float
        Height on which the insect stands, at x = y = 0.
    along_twig : bool
        The insect can only look along the twig.
    """

    ground: str
    props: list[Shape] = field(default_factory=list)
    ground_level: float = 0.0
    perch: float = 0.0
    along_twig: bool = False


def _random_direction(rng: np.random.Generator, rise: float) -> tuple[float, float, float]:
    return rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-rise, rise)


def _on_flower(rng: np.random.Generator, domain: Domain, heading: float) -> Scene:
    more = int(rng.integers(0, 3) * domain.clutter)
    up = unit((rng.uniform(-0.25, 0.25), rng.uniform(-0.25, 0.25), 1))
    props, top = flower(rng, (0, 0, 0), rng.uniform(0.9, 1.9), up)
    for _ in range(more):
        place = (rng.uniform(-1.6, 1.6), rng.uniform(-1.6, 1.6), rng.uniform(-0.6, -0.1))
        up = unit((rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), 1))
        props += flower(rng, place, rng.uniform(0.7, 1.5), up)[0]
    return Scene("far", props, -rng.uniform(0.8, 2.0), top - 0.02)


def _on_large_leaf(rng: np.random.Generator, domain: Domain, heading: float) -> Scene:
    center = (rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6), -0.08)
    direction = on_circle(heading + 1) + upwards(rng.uniform(-0.06, 0.06))
    props = leaf(rng, center, direction, rng.uniform(2.4, 4.0))
    return Scene("far", props, -rng.uniform(0.8, 1.6))


def _on_leaf(rng: np.random.Generator, domain: Domain, heading: float) -> Scene:
    level = -rng.uniform(0.5, 1.6)
    center = (rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), -0.04)
    direction = on_circle(heading + 1) + upwards(rng.uniform(-0.1, 0.1))
    props = leaf(rng, center, direction, rng.uniform(1.2, 2.0))
    for _ in range(int(4 * domain.clutter)):
        place = (rng.uniform(-1.8, 1.8), rng.uniform(-1.8, 1.8), rng.uniform(level, -0.15))
        props += leaf(rng, place, _random_direction(rng, 0.3), rng.uniform(0.6, 1.4))
    return Scene("far", props, level)


def _on_twig(rng: np.random.Generator, domain: Domain, heading: float) -> Scene:
    level = -rng.uniform(0.6, 1.6)
    props = twig(rng, heading, rng.uniform(0.07, 0.2), rng.uniform(-0.1, 0.1))
    for _ in range(int(3 * domain.clutter)):
        place = (rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5), rng.uniform(level, -0.1))
        props += leaf(rng, place, _random_direction(rng, 0.3), rng.uniform(0.5, 1.0))
    return Scene("far", props, level, along_twig=True)


def _flat(kind: str) -> Callable[[np.random.Generator, Domain, float], Scene]:
    """Return the maker of a scene that is nothing but ground."""

    def make(rng: np.random.Generator, domain: Domain, heading: float) -> Scene:
        return Scene(kind)

    return make


def _littered(kind: str) -> Callable[[np.random.Generator, Domain, float], Scene]:
    """Return the maker of a scene with pebbles, grass and a dry leaf on the ground."""

    def make(rng: np.random.Generator, domain: Domain, heading: float) -> Scene:
        stony = kind in LARGEST_PEBBLE
        count = rng.uniform(5, 60) if stony else rng.uniform(0, 14)
        props = pebbles(rng, int(count * domain.clutter), LARGEST_PEBBLE.get(kind, 0.06))
        for _ in range(int(rng.integers(0, 5) * domain.clutter)):
            root = (rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5), 0)
            direction = (rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0, 0.25))
            props += grass(rng, root, direction, rng.uniform(0.5, 2), rng.uniform(0.01, 0.03))
        if rng.random() < 0.35 * domain.clutter:
            place = (rng.uniform(-1, 1), rng.uniform(-1, 1), 0.05)
            direction = (rng.uniform(-1, 1), rng.uniform(-1, 1), 0.1)
            props += leaf(rng, place, direction, rng.uniform(0.3, 0.9), DRY_LEAVES)
        return Scene(kind, props)

    return make


SCENES: dict[str, Callable[[np.random.Generator, Domain, float], Scene]] = {
    "soil": _littered("soil"),
    "sand": _littered("sand"),
    "bark": _littered("bark"),
    "stone": _littered("stone"),
    "wood": _littered("wood"),
    "petal": _flat("petal"),
    "paper": _flat("paper"),
    "leaf close": _on_large_leaf,
    "leaf": _on_leaf,
    "flower": _on_flower,
    "twig": _on_twig,
}


def build_scene(rng: np.random.Generator, domain: Domain, name: str, heading: float) -> Scene:
    """Draw a scene and strew clutter over it.

    Parameters
    ----------
    rng : numpy.random.Generator
    domain : Domain
    name : str
        A key of ``SCENES``.
    heading : float
        Direction of the twig, or of the leaf's stalk, in radians.

    Returns
    -------
    Scene
    """
    scene = SCENES[name](rng, domain, heading)
    if name != "paper":
        heights = (scene.perch - 0.1, scene.perch) if scene.ground_level < 0 else (0.0, 0.02)
        scene.props += clutter(rng, int(rng.poisson(1.2 * domain.clutter)), heights)
    return scene


def build_occluders(rng: np.random.Generator, domain: Domain, view: View) -> list[Shape]:
    """Draw blades of grass and leaves between the insect and the camera, or none.

    Parameters
    ----------
    rng : numpy.random.Generator
    domain : Domain
        ``domain.occluders`` is the chance of any.
    view : View
        Where the camera is.

    Returns
    -------
    list of Ellipsoid or Capsule
    """
    shapes: list[Shape] = []
    if rng.random() >= domain.occluders:
        return shapes
    right, up, towards = view.rotation
    for _ in range(int(rng.integers(1, 4))):
        side = rng.choice([-1, 1])
        place = right * side * rng.uniform(0.1, 0.55)
        place = place + up * rng.uniform(-0.5, 0.3) + towards * rng.uniform(0.35, 0.9)
        if rng.random() < 0.55:
            direction = up + right * rng.uniform(-0.7, 0.7)
            length, radius = rng.uniform(1.2, 2.6), rng.uniform(0.02, 0.06)
            shapes += grass(rng, place - up * 1.1, direction, length, radius)
        else:
            direction = right * side + up * rng.uniform(-1, 1) + towards * rng.uniform(-0.3, 0.3)
            center = place + right * side * 0.45
            shapes += leaf(rng, center, direction, rng.uniform(0.35, 0.7))
    return shapes


def insect_heading(rng: np.random.Generator, scene: Scene, heading: float, view: View) -> float:
    """Draw where the insect looks, in radians.

    Low cameras see most insects from the side: head-on or tail-on they could not be told apart.
    """
    if scene.along_twig:
        return heading + (0 if rng.random() < 0.5 else math.pi)
    if view.elevation < math.radians(45):
        return view.azimuth + math.pi / 2 * rng.choice([-1, 1]) + rng.uniform(-1.1, 1.1)
    return rng.uniform(0, 2 * math.pi)
