"""One photograph, from a seed to grey levels.

Two steps, as with film: :func:`expose` builds the scene and lights it (a :class:`Negative`),
:func:`develop_photo` turns it into grey levels. ``field`` and ``dusk`` develop the same negative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .anatomy import Insect, make_ant, make_bee
from .camera import View, develop, to_display, well_exposed
from .domains import DOMAINS, Domain
from .fur import draw_fur
from .geometry import Array, on_circle, rotate_x, rotate_y, rotate_z
from .grounds import SIZE as GROUND_SIZE
from .grounds import draw_ground
from .lighting import Light, dappled_shade, shade_surfaces, shadows
from .materials import Shape
from .noise import FLOAT, wide_blur
from .raster import NOTHING, Raster
from .scenes import FAR_BELOW, Scene, build_occluders, build_scene, insect_heading
from .wings import composite_wings, wing_pattern

LABELS = ("ants", "bees")
SIZE = 256
OVERSAMPLING = 2
TRIES = 60

LEAST_VISIBLE_SHARE = 0.50
"""Of the insect's body, as it would be seen if nothing hid it and the picture did not end."""
LEAST_IMAGE_SHARE = 0.008
"""Of the picture's pixels that must be insect."""
LEAST_CONTRAST = 0.075
"""Root mean square difference to the surroundings, display levels 0..1."""

GROUND_OWNER, PROP_OWNER, OCCLUDER_OWNER, INSECT_OWNER = 0, 1, 2, 3
STREAMS = ("view", "scene", "insects", "occluders", "light", "wings", "camera")

Seed = int | Sequence[int]


@dataclass(frozen=True)
class Visibility:
    """How well the (first) insect can be seen.

    Attributes
    ----------
    visible_share : float
        Visible pixels of its body, over those it would have unhidden and uncropped.
    image_share : float
        Its visible pixels, fur included, over all pixels.
    contrast : float
        Root mean square difference between its pixels and the mean of its surroundings,
        display levels 0..1, at normal exposure.
    """

    visible_share: float
    image_share: float
    contrast: float

    def is_enough(self) -> bool:
        """Tell whether all three reach their thresholds."""
        return (
            self.visible_share >= LEAST_VISIBLE_SHARE
            and self.image_share >= LEAST_IMAGE_SHARE
            and self.contrast >= LEAST_CONTRAST
        )


@dataclass
class Negative:
    """A lit scene before the camera's settings.

    Attributes
    ----------
    light : ndarray, shape (512, 512, 3), float32
        Linear light.
    distance : ndarray, shape (512, 512)
        From the plane of focus, in body lengths; positive is nearer.
    background_is_far : bool
    label, scene : str
    seed : tuple of int
    sub_seed : int
        How many scenes were thrown away before one showed the insect.
    visibility : Visibility
    insects : ndarray, shape (512, 512), bool
        The pixels that show an insect: bodies, legs and fur of all of them, but no wings.
    """

    light: Array
    distance: Array
    background_is_far: bool
    label: str
    scene: str
    seed: tuple[int, ...]
    sub_seed: int
    visibility: Visibility
    insects: Array


def render(label: str, seed: Seed, domain: str = "field") -> Array:
    """Render one photograph.

    Parameters
    ----------
    label : str
        ``"ants"`` or ``"bees"``.
    seed : int or sequence of int
        Not negative. The same seed gives the same picture; the same seed in ``field`` and
        ``dusk`` gives the same scene in other light.
    domain : str
        ``"field"``, ``"studio"`` or ``"dusk"``.

    Returns
    -------
    ndarray, shape (256, 256, 3), uint8
        RGB.

    Raises
    ------
    ValueError
        Unknown label or domain, or a seed that is no whole number >= 0.
    RuntimeError
        No scene in ``TRIES`` showed the insect well enough.
    """
    return develop_photo(expose(label, seed, domain), domain)


def check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError, naming the choices, unless ``value`` is one of them."""
    if value not in choices:
        raise ValueError(
            f"unknown {what} {value!r}: expected one of {', '.join(choices)}. Choose one of them."
        )


def check_seed(seed: Seed) -> tuple[int, ...]:
    """Return the seed as a tuple; raise ValueError unless it is made of whole numbers >= 0."""
    numbers = (seed,) if isinstance(seed, int | np.integer) else tuple(seed)
    if not numbers or any(not isinstance(n, int | np.integer) or n < 0 for n in numbers):
        raise ValueError(
            f"seed {seed!r} is not usable: expected a whole number >= 0 (or several of them). "
            "Pass for example seed=20."
        )
    return tuple(int(number) for number in numbers)


def random_stream(
    label: str, seed: tuple[int, ...], sub_seed: int, name: str
) -> np.random.Generator:
    """Return the generator of one part of a photograph.

    Each part (view, scene, insects, ...) has a stream of its own, so that a setting which
    changes one part leaves the others as they were.
    """
    entropy = [len(seed), *seed, LABELS.index(label), sub_seed, STREAMS.index(name)]
    return np.random.default_rng(entropy)


def expose(label: str, seed: Seed, domain: str = "field") -> Negative:
    """Build and light scenes until one shows the insect well enough.

    Parameters
    ----------
    label, seed, domain
        As for :func:`render`.

    Returns
    -------
    Negative

    Raises
    ------
    ValueError, RuntimeError
        As for :func:`render`.
    """
    check_choice("label", label, LABELS)
    check_choice("domain", domain, tuple(DOMAINS))
    numbers = check_seed(seed)
    for sub_seed in range(TRIES):
        negative = _try_scene(label, numbers, sub_seed, DOMAINS[domain])
        if negative is not None and negative.visibility.is_enough():
            return negative
    raise RuntimeError(
        f"no scene of {TRIES} showed the insect of label {label!r}, seed {seed!r}, domain "
        f"{domain!r}: expected a visible one. Take another seed."
    )


def develop_photo(negative: Negative, domain: str) -> Array:
    """Develop a negative with the camera settings of a domain.

    Parameters
    ----------
    negative : Negative
    domain : str

    Returns
    -------
    ndarray, shape (256, 256, 3), uint8
    """
    check_choice("domain", domain, tuple(DOMAINS))
    rng = random_stream(negative.label, negative.seed, negative.sub_seed, "camera")
    return develop(
        negative.light,
        negative.distance,
        negative.background_is_far,
        DOMAINS[domain],
        rng,
        SIZE,
    )


# ---------------------------------------------------------------- one try


@dataclass
class Placed:
    """An insect and where it stands (rotation, shift, scale)."""

    insect: Insect
    placement: tuple[Array, Array, float]

    def shapes(self) -> list[Shape]:
        """Return the body's shapes in world coordinates."""
        return [shape.moved(*self.placement) for shape in self.insect.shapes]


def _try_scene(label: str, seed: tuple[int, ...], sub_seed: int, domain: Domain) -> Negative | None:
    """Build one scene; None where the insect is hidden, before any light is computed."""
    streams = {name: random_stream(label, seed, sub_seed, name) for name in STREAMS}
    view = View.draw(streams["view"], domain, SIZE * OVERSAMPLING)
    rng = streams["scene"]
    name = domain.scenes[rng.integers(len(domain.scenes))]
    heading = rng.uniform(0, 2 * math.pi)
    scene = build_scene(rng, domain, name, heading)
    albedo, relief = draw_ground(rng, scene.ground)
    insects = _place_insects(streams["insects"], label, domain, scene, heading, view)
    occluders = build_occluders(streams["occluders"], domain, view)

    raster = Raster(
        view.size, view.rotation, view.scale, _aim(streams["view"], domain, scene, view)
    )
    points = view.plane_points(raster.target)
    _draw_ground_plane(rng, raster, points, scene, albedo, relief)
    bodies = [placed.shapes() for placed in insects]
    for shape in scene.props:
        raster.draw(shape, PROP_OWNER)
    for number, body in enumerate(bodies):
        for shape in body:
            raster.draw(shape, INSECT_OWNER + number)
    for shape in occluders:
        raster.draw(shape, OCCLUDER_OWNER)
    visible_share = _visible_share(raster, bodies[0])
    if visible_share < LEAST_VISIBLE_SHARE:
        return None

    fur_rng = streams["insects"]
    for number, placed in enumerate(insects):
        for coat in placed.insect.fur:
            draw_fur(
                fur_rng, raster, coat, placed.placement, view.body_length, INSECT_OWNER + number
            )
    image_share = float((raster.owner == INSECT_OWNER).mean())
    if image_share < LEAST_IMAGE_SHARE:
        return None

    everything = [*scene.props, *occluders, *(shape for body in bodies for shape in body)]
    light = Light.draw(streams["light"], view, albedo.mean((0, 1)))
    depth = raster.depth / FLOAT(view.scale)
    points = points + depth[..., None] * view.rotation[2]
    shade = shadows(light, view, raster, points, everything)
    if domain.clutter and streams["light"].random() < 0.3:
        shade = np.maximum(shade, dappled_shade(streams["light"], points, light))
    picture = shade_surfaces(raster, light, shade)
    contrast = _contrast(picture, raster.owner == INSECT_OWNER, view.scale)
    _add_wings(streams["wings"], picture, raster, insects, light)

    focus = view.rotation[2] @ (np.array([0, 0, scene.perch + 0.1]) - raster.target)
    return Negative(
        picture,
        depth - FLOAT(focus),
        scene.ground_level < FAR_BELOW,
        label,
        name,
        seed,
        sub_seed,
        Visibility(visible_share, image_share, contrast),
        raster.owner >= INSECT_OWNER,
    )


def _aim(rng: np.random.Generator, domain: Domain, scene: Scene, view: View) -> Array:
    """Point the camera at the insect, more or less."""
    right, up, _ = view.rotation
    x, y = rng.uniform(-1, 1, 2) * domain.off_center / view.body_length
    return np.array([0, 0, scene.perch + 0.12]) + right * x + up * y


def _draw_ground_plane(
    rng: np.random.Generator,
    raster: Raster,
    points: Array,
    scene: Scene,
    albedo: Array,
    relief: Array,
) -> None:
    """Fill the buffers with the textured plane below everything."""
    towards = raster.rotation[2]
    travel = (scene.ground_level - points[..., 2]) / towards[2]
    ground = points + travel[..., None] * towards
    density = rng.uniform(0.7, 1.3) * GROUND_SIZE / 4
    column = (ground[..., 0] * density).astype(int) % GROUND_SIZE
    row = (ground[..., 1] * density).astype(int) % GROUND_SIZE
    height = relief * (rng.uniform(0.02, 0.05) * GROUND_SIZE / 4)
    slope_x = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2
    slope_y = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / 2
    normal = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    raster.depth[:] = travel * raster.scale
    raster.albedo[:] = albedo[row, column]
    raster.normal[:] = normal[row, column] @ raster.rotation.T
    raster.surface[:] = (0.04, 8, 0, 0)


def _draw_insect(rng: np.random.Generator, label: str, unusual: float) -> Insect:
    """Draw an insect; a share of the specimens blurs the difference between the classes."""
    is_unusual = rng.random() < unusual * 0.6
    if label == "ants":
        return make_ant(
            rng,
            hairiness=rng.uniform(0.3, 0.9) if is_unusual else rng.uniform(0, 0.12),
            winged=bool(rng.random() < unusual * 0.35),
            banded=bool(rng.random() < unusual * 0.6),
        )
    return make_bee(rng, fuzz=rng.uniform(0.25, 0.6) if is_unusual else rng.uniform(0.7, 1.15))


def _place_insects(
    rng: np.random.Generator,
    label: str,
    domain: Domain,
    scene: Scene,
    heading: float,
    view: View,
) -> list[Placed]:
    """Draw the insects and set them on the perch; the first one is what the picture shows."""
    perch = np.array([0, 0, scene.perch])
    tilt = rng.uniform(-0.06, 0.06)
    insects = [_draw_insect(rng, label, domain.unusual)]
    insects[0] = _stand(rng, insects[0], perch, insect_heading(rng, scene, heading, view), tilt, 1)
    has_company = rng.random() < domain.company
    for _ in range(int(rng.integers(1, 4)) if has_company else 0):
        insect = _draw_insect(rng, label, domain.unusual)
        if scene.along_twig:
            offset = on_circle(heading) * rng.uniform(0.8, 1.4) * rng.choice([-1, 1])
        else:
            offset = on_circle(rng.uniform(0, 2 * math.pi)) * rng.uniform(0.85, 1.4)
        facing = insect_heading(rng, scene, heading, view)
        size = rng.uniform(0.75, 1.1)
        insects.append(_stand(rng, insect, perch + offset, facing, tilt, size))
    return insects


def _stand(
    rng: np.random.Generator,
    insect: Insect,
    place: Array,
    facing: float,
    tilt: float,
    size: float,
) -> Placed:
    rotation = rotate_z(facing) @ rotate_y(tilt) @ rotate_x(rng.uniform(-0.08, 0.08))
    shift = place - rotation @ np.array([0, 0, insect.foot_level]) * size
    return Placed(insect, (rotation, shift, size))


def _visible_share(raster: Raster, body: list[Shape]) -> float:
    """Compare the body's pixels with those of its silhouette, unhidden and uncropped."""
    silhouette = Raster(
        raster.size, raster.rotation, raster.scale / 2, raster.target, depth_only=True
    )
    for shape in body:
        silhouette.draw(shape)
    whole = 4 * int((silhouette.depth > NOTHING).sum())
    visible = int((raster.owner == INSECT_OWNER).sum())
    return min(1.0, visible / max(whole, 1))


def _contrast(picture: Array, insect: Array, scale: float) -> float:
    """Compare the insect's pixels with the mean colour around it."""
    display = to_display(well_exposed(picture))
    spread = wide_blur(insect.astype(FLOAT), 0.12 * scale)
    around = (spread > 0.05) & ~insect
    if not around.any():
        return 1.0
    difference = display[insect] - display[around].mean(0)
    return float(np.sqrt((difference**2).mean()))


def _add_wings(
    rng: np.random.Generator,
    picture: Array,
    raster: Raster,
    insects: list[Placed],
    light: Light,
) -> None:
    """Lay the wings of all insects over the lit picture."""
    patterns = wing_pattern(rng, is_hind=False), wing_pattern(rng, is_hind=True)
    wings = [wing.moved(*placed.placement) for placed in insects for wing in placed.insect.wings]
    composite_wings(picture, raster, wings, patterns, light)
