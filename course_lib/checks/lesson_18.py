"""Exercises of lesson 18, with few labels or none."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "Begin with zeros, and copy the part that stays inside.",
    "Rows `max(down, 0)` to `height + min(down, 0)` get the rows of the same ends for `-down`.",
    right="the simplest of all views, and it says much: where a digit lies does not matter.",
)
def shifted(answer: object) -> None:
    """``answer(image, down, right)``: the picture moved, with zeros where nothing was."""
    for shape, down, right in (((4, 4), 1, 2), ((3, 5), -1, 1), ((4, 3), 0, -2)):
        image = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
        padded, ways = np.pad(image, 4), ((down, right), (right, down))
        moved, other = (padded[4 - a :, 4 - b :][: shape[0], : shape[1]] for a, b in ways)
        found = numbers(call(answer, image, down, right), shape, "the moved picture")
        if same(found, np.roll(image, (down, right), (0, 1))):
            raise Wrong("what leaves on one side comes back on the other. Put zeros there.")
        if same(found, other) or same(found, np.roll(image, (down, right))):
            raise Wrong("down moves rows, right moves columns.")
        compare(found, moved, f"wrong for down {down}, right {right}: does 0 come in? The signs?")


@exercise(
    "`np.linalg.svd(z - z.mean(axis=0), compute_uv=False)` gives the singular values.",
    "Drop the zeros of `p`, since `log(0)` is none: `np.exp(-(p * np.log(p)).sum())`.",
    right="one number tells a cloud from a line. A low loss does not.",
)
def effective_rank(answer: object) -> None:
    """``answer(z)``: the exponential of the entropy of the shares of the singular values."""
    corners = np.array([[3.0, 1], [3, -1], [-3, 1], [-3, -1]])
    for z in (corners + 5, np.outer(np.arange(6.0), [1, 2, 0.5]), corners * 0.01 - 1):
        means = (z.mean(axis=0), 0, z.mean(), z.mean(axis=1, keepdims=True))
        sizes, *odd = (np.linalg.svd(z - mean, compute_uv=False) for mean in means)
        found = numbers(call(answer, z), (), "the rank", "nan: is log(0) in it? Drop zeros of p.")
        hints = {np.log(_rank(sizes)): "that is the entropy. Take its exponential."}
        hints[_rank(sizes**2)] = "these are shares of variances: do not square."
        hints[1 / _rank(sizes)] = "the minus sign is missing: an entropy is not negative."
        hints |= dict.fromkeys(map(_rank, odd), "centre the vectors first: `z - z.mean(axis=0)`.")
        said = [hint for slip, hint in hints.items() if same(found, slip, 1e-4)]
        compare(found, _rank(sizes), [*said, f"here it is {_rank(sizes):.3f}."][0], tolerance=1e-4)


def _rank(sizes: np.ndarray) -> float:
    p = sizes[sizes > 1e-12 * sizes.max()] / sizes.sum()
    return float(np.exp(-(p * np.log(p)).sum()))
