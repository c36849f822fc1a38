"""Plausible wrong answers to the exercises of lesson 10, and what is said about them."""

PAIRED = "def paired(a, b):\n    gap = np.array(a) - np.array(b)\n    return "
NEEDED = "def photos_needed(gap, disagree):\n    spread = disagree - gap**2\n    return "

WRONG = {
    "paired": [
        (PAIRED + "-gap.mean(), gap.std(ddof=1) / len(gap) ** 0.5", "the sign"),
        (PAIRED + "gap.mean(), gap.std(ddof=1)", "spread of one difference"),
        (PAIRED + "gap.mean(), gap.std() / len(gap) ** 0.5", "ddof=1"),
        (PAIRED + "gap.mean(), (np.var([a, b], 1, ddof=1).sum() / len(gap)) ** 0.5", "nothing"),
        (PAIRED + "np.median(gap), gap.std(ddof=1) / len(gap) ** 0.5", "mean of the differences"),
        (PAIRED + "gap.mean(), gap.std(ddof=1) / len(gap)", "the standard error is"),
        (PAIRED + "gap.mean(), gap.std(ddof=1) / 2", "use their number"),
        (PAIRED + "abs(gap.mean()), gap.std(ddof=1) / len(gap) ** 0.5", "keep the sign"),
        (PAIRED + "gap.mean()", "2 numbers"),
    ],
    "photos_needed": [
        (NEEDED + "math.ceil(2.8 * spread / gap**2)", "square it too"),
        (NEEDED + "math.ceil(2.8 * spread**0.5 / gap)", "under the root"),
        (NEEDED + "math.ceil(2.8**2 * disagree / gap**2)", "not disagree"),
        (NEEDED + "math.ceil(1.96**2 * spread / gap**2)", "one test in two"),
        (NEEDED + "math.ceil(spread / gap**2)", "one standard error"),
        (NEEDED + "int(2.8**2 * spread / gap**2)", "round up"),
        (NEEDED + "2.8**2 * spread / gap**2", "there are no 863.27 photos"),
        (NEEDED + "math.ceil(disagree / gap)", "4 photos is not it"),
        (NEEDED + "864", "use both arguments"),
        (NEEDED + "'many'", "one number, got a text"),
    ],
}  # fmt: skip
