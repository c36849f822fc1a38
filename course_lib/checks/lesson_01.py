"""Exercises of lesson 01, why transfer learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageChops

from course_lib import styles
from course_lib.checks import NotAttempted, Wrong, call, exercise

CHANGES = ("P(X)", "P(Y)", "P(Y|X)", "label space")
CASES = {
    "a": (
        "P(X)",
        "the same sign still means the same, it only looks different. What is the input here?",
    ),
    "b": (
        "P(X)",
        "people would still call these mails spam: what they are called has not changed, only how "
        "they look.",
    ),
    "c": ("P(Y)", "a sick person looks as before; there are only more of them."),
    "d": ("label space", "the set of possible answers is another one: a new task."),
}


@exercise(
    "Could the same input now deserve another label? If not, P(Y|X) is the same.",
    "If the set of labels itself is another one, the task has changed.",
    right="most of the shifts you will meet are of the first kind, and that is the kind most "
    "methods of this course are made for.",
)
def what_changed(answer: Any) -> None:
    """``answer`` maps a, b, c and d to one of CHANGES."""
    if not isinstance(answer, dict) or set(answer) != set(CASES):
        raise Wrong("keep the dictionary with the keys a, b, c and d.")
    if any(said is ... for said in answer.values()):
        raise NotAttempted
    for case, (expected, hint) in CASES.items():
        said = str(answer[case]).replace(" ", "").lower()
        allowed = {change.replace(" ", "").lower(): change for change in CHANGES}
        if said not in allowed:
            raise Wrong(f"({case}) {answer[case]!r} is none of {', '.join(CHANGES)}.")
        if allowed[said] != expected:
            raise Wrong(f"({case}) {hint}")


@exercise(
    "`styles.restyle(image, 'night')` is the picture in full night.",
    "`Image.blend(a, b, share)` gives a at share 0 and b at share 1.",
    right="use it in place of `aged` and look at the last column of the table: where fresh labels "
    "themselves reach little, old ones have little to lose.",
)
def towards_night(answer: Any) -> None:
    """``answer(image, share)`` fades a picture towards night: share 0 none, share 1 all."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype("uint8")
    image = Image.fromarray(pixels)
    found = {share: call(answer, image, share) for share in (0.0, 0.5, 1.0)}
    if not all(isinstance(picture, Image.Image) for picture in found.values()):
        raise Wrong("return a picture, as `aged` does.")

    def same(picture: Image.Image, other: Image.Image) -> bool:
        difference = ImageChops.difference(picture.convert("RGB"), other.convert("RGB"))
        return max(high for _, high in difference.getextrema()) <= 1

    night = styles.restyle(image, "night")
    if same(found[1.0], styles.restyle(image, "sketch")):
        raise Wrong("that still fades towards the sketch.")
    if same(found[0.0], night) and same(found[1.0], image):
        raise Wrong("it begins in the night and ends by day: turn the two pictures round.")
    if not same(found[0.0], image):
        raise Wrong("at share 0 the picture must be as it was.")
    if not same(found[1.0], night):
        raise Wrong("at share 1 it must be full night.")
    if not same(found[0.5], Image.blend(image, night, 0.5)):
        raise Wrong("the ends are right; in between, mix the two pictures by their shares.")
