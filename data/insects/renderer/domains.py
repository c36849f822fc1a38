"""The three domains: where, how large and how well lit the insects are photographed."""

from __future__ import annotations

from dataclasses import dataclass, replace

Range = tuple[float, float]

NATURAL_SCENES = (
    "soil",
    "sand",
    "bark",
    "stone",
    "leaf close",
    "wood",
    "petal",
    "flower",
    "leaf",
    "paper",
    "twig",
)


@dataclass(frozen=True)
class Domain:
    """Ranges that a photograph draws from.

    Attributes
    ----------
    scenes : tuple of str
        Kinds of scene, drawn with equal chances.
    body_length : (float, float)
        Length of the insect as a share of the picture's side (drawn on a log scale).
    elevation : (float, float)
        Camera above the horizon, degrees; 90 looks straight down.
    off_center : float
        Largest distance of the insect from the middle, as a share of the picture's side.
    occluders : float
        Chance of grass or leaves between insect and camera.
    clutter : float
        Amount of things lying about; 0 is none, 1 is a forest floor.
    company : float
        Chance of one to three more insects of the same class.
    unusual : float
        Share of specimens that blur the classes: furry, winged or banded ants, bald bees.
    focus_blur : (float, float)
        Largest defocus, in pixels of a 512 pixel picture.
    exposure : (float, float)
        In stops, relative to a well exposed picture.
    tint : float
        Standard deviation of the white balance's log gains.
    noise : (float, float)
        Standard deviation of the sensor's noise, display scale 0..1.
    shaken : float
        Chance of motion blur over the whole picture.
    """

    scenes: tuple[str, ...]
    body_length: Range
    elevation: Range
    off_center: float
    occluders: float
    clutter: float
    company: float
    unusual: float
    focus_blur: Range
    exposure: Range
    tint: float
    noise: Range
    shaken: float


FIELD = Domain(
    scenes=NATURAL_SCENES,
    body_length=(0.21, 0.62),
    elevation=(22, 90),
    off_center=0.22,
    occluders=0.45,
    clutter=1.0,
    company=0.22,
    unusual=0.50,
    focus_blur=(0.0, 5.0),
    exposure=(-0.5, 0.6),
    tint=0.12,
    noise=(0.006, 0.045),
    shaken=0.12,
)

STUDIO = replace(
    FIELD,
    scenes=("paper",),
    body_length=(0.5, 0.85),
    elevation=(35, 90),
    off_center=0.08,
    occluders=0.0,
    clutter=0.0,
    company=0.0,
    focus_blur=(0.0, 1.0),
    exposure=(-0.2, 0.3),
    tint=0.03,
    noise=(0.002, 0.008),
)

DUSK = replace(
    FIELD,
    focus_blur=(1.5, 6.0),
    exposure=(-2.2, -1.2),
    tint=0.25,
    noise=(0.025, 0.055),
    shaken=1.0,
)

DOMAINS = {"field": FIELD, "studio": STUDIO, "dusk": DUSK}


def same_scene(first: Domain, second: Domain) -> bool:
    """Tell whether two domains differ in the camera's settings only.

    If so, one seed gives the same insects in the same place under the same sun: paired pictures.
    """
    camera = ("focus_blur", "exposure", "tint", "noise", "shaken")
    like_second = {name: getattr(second, name) for name in camera}
    return replace(first, **like_second) == second
