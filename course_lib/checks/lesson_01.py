"""Exercises of lesson 01, why transfer learning."""

import numpy as np
from PIL import Image

from course_lib import styles
from course_lib.checks import NotAttempted, Wrong, call, compare, exercise, same, shown

CHANGES = ("P(X)", "P(Y)", "P(Y|X)", "label space")
CASES = {"a": "P(X)", "b": "P(X)", "c": "P(Y)", "d": "label space"}
HINTS = {
    "a": "the same sign still means the same, it only looks different. What is the input here?",
    "b": "people would still call these mails spam: what they are called has not changed, only how "
    "they look.",
    "c": "a sick person looks as before; there are only more of them.",
    "d": "the set of possible answers is another one: a new task.",
}


@exercise(
    "Could the same input now deserve another label? If not, P(Y|X) is the same.",
    "If the set of labels itself is another one, the task has changed.",
    right="most of the shifts you will meet are of the first kind, and that is the kind most "
    "methods of this course are made for.",
)
def what_changed(answer: object) -> None:
    """``answer`` maps a, b, c and d to one of CHANGES."""
    if not isinstance(answer, dict) or set(answer) != set(CASES):
        raise Wrong("keep the dictionary with the keys a, b, c and d.")
    if any(said is ... for said in answer.values()):
        raise NotAttempted
    for case, expected in CASES.items():
        said = str(answer[case]).replace(" ", "").lower()
        if said not in (change.replace(" ", "").lower() for change in CHANGES):
            raise Wrong(f"({case}) {shown(answer[case])} is none of {', '.join(CHANGES)}.")
        if said != expected.replace(" ", "").lower():
            raise Wrong(f"({case}) {HINTS[case]}")


@exercise(
    "`styles.restyle(image, 'night')` is the picture in full night.",
    "`Image.blend(a, b, share)` gives a at share 0 and b at share 1.",
    right="use it in place of `aged` and look at the last column of the table: where fresh labels "
    "themselves reach little, old ones have little to lose.",
)
def towards_night(answer: object) -> None:
    """``answer(image, share)`` fades a picture towards night: share 0 none, share 1 all."""
    rng = np.random.default_rng(0)
    for size, middle in (((64, 64, 3), 0.5), ((40, 56, 3), 0.25)):
        image = Image.fromarray(rng.integers(0, 256, size).astype("uint8"))
        night, sketch = (styles.restyle(image, style) for style in ("night", "sketch"))
        found = [_pixels(call(answer, image, share)) for share in (0.0, middle, 1.0)]
        if same(found[2], _pixels(sketch), 1):
            raise Wrong("that still fades towards the sketch.")
        if same(found[0], _pixels(night), 1) and same(found[2], _pixels(image), 1):
            raise Wrong("it begins in the night and ends by day: turn the two pictures round.")
        mixed = "the ends are right; in between, mix the two pictures by their shares."
        for pixels, expected, hint in (
            (found[0], image, "at share 0 the picture must be as it was."),
            (found[2], night, "at share 1 it must be full night."),
            (found[1], Image.blend(image, night, middle), mixed),
        ):
            compare(pixels, _pixels(expected), hint, what="a picture as large", tolerance=1)


def _pixels(picture: object) -> np.ndarray:
    if not isinstance(picture, Image.Image):
        raise Wrong("return a picture, as `aged` does.")
    return np.asarray(picture.convert("RGB"))
