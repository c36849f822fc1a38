"""Exercises of lesson 10, which strategy when."""

import math

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "Subtract seed by seed first. Everything else is about those differences.",
    "The mean of the differences, and their sample standard deviation (`ddof=1`) divided by the "
    "root of the number of seeds.",
    right="what both strategies share, an easy split or a hard one, has cancelled.",
)
def paired(answer: object) -> None:
    """``answer(a, b)`` returns the mean difference of paired scores and its standard error."""
    a, b = np.array([0.90, 0.70, 0.85, 0.63]), np.array([0.86, 0.68, 0.82, 0.56])
    found = numbers(call(answer, a, b), (2,), "the mean difference and its standard error")
    mean, error = found
    gap = a - b
    if same(mean, -gap.mean()):
        raise Wrong("the sign: `a` minus `b`, so that it is positive where `a` is better.")
    compare(mean, gap.mean(), f"the mean of the differences is {gap.mean():.3f}, not {mean:.3f}.")
    if same(error, gap.std(ddof=1)):
        raise Wrong("that is the spread of one difference. A mean of four varies less: / √4.")
    if same(error, gap.std() / 2):
        raise Wrong("with so few seeds divide by n − 1: `ddof=1`.")
    if same(error, np.sqrt(a.var(ddof=1) / 4 + b.var(ddof=1) / 4), 1e-4):
        raise Wrong("that is for runs that share nothing. These share splits: subtract first.")
    expected = gap.std(ddof=1) / 2
    compare(error, expected, f"the standard error is {expected:.4f}, not {error:.4f}.")
    more = np.array([0.6, 0.6, 0.5, 0.7, 0.9]), np.array([0.5, 0.7, 0.6, 0.9, 0.8])
    other = [-0.04, (more[0] - more[1]).std(ddof=1) / math.sqrt(5)]
    compare(call(answer, *more), other, "five seeds, `b` ahead: use their number, keep the sign.")


@exercise(
    "The standard error of the difference is √((disagree − gap²) / N). How many of them must lie "
    "between 0 and the gap?",
    "Set gap = 2.8 √((disagree − gap²) / N), solve for N, and round up: `math.ceil`.",
    right="half the gap costs four times the photos. Ask this before you collect them.",
)
def photos_needed(answer: object) -> None:
    """``answer(gap, disagree)`` returns how many test photos show the gap four times in five."""
    gap, disagree = 0.03, 0.10
    spread = disagree - gap**2
    exact = 2.8**2 * spread / gap**2
    found = numbers(call(answer, gap, disagree), (), "how many photos")
    if same(found, 2.8 * spread / gap**2, 1):
        raise Wrong("2.8 stands before the root: when you square to get N out, square it too.")
    if same(found, 2.8 * math.sqrt(spread) / gap, 1):
        raise Wrong("N stands under the root: square both sides.")
    if same(found, 2.8**2 * disagree / gap**2, 1.5):
        raise Wrong("the spread is disagree − gap², not disagree.")
    if same(found, 1.96**2 * spread / gap**2, 1):
        raise Wrong("with 1.96 one test in two would miss the gap. For four in five it is 2.8.")
    if same(found, spread / gap**2, 1):
        raise Wrong("that is for one standard error. Between 0 and the gap there must be 2.8.")
    if found == math.floor(exact):
        raise Wrong(f"{found:.0f} photos are a little too few: round up.")
    if same(found, exact, 1) and found % 1:
        raise Wrong(f"there are no {found:.2f} photos: round up to a whole number.")
    hint = f"for a gap of {gap} and a disagreement of {disagree}, {found:.0f} photos is not it."
    compare(found, math.ceil(exact), hint)
    both = f"it is right for {gap} and {disagree} only: use both arguments."
    compare(call(answer, 0.05, 0.2), 620, both)
