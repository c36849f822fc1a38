"""Plausible wrong answers to the exercises of lesson 03, and what is said about them."""

ONTO = "def onto_the_source(test, source, pool):\n    return "
SHIFT = "def informed_shift(source, y, pool, share):\n    return source - ("
ANTS, BEES = "source[y == 0].mean(axis=0)", "source[y == 1].mean(axis=0)"

WRONG = {
    "onto_the_source": [
        (ONTO + "test - test.mean(axis=0) + source.mean(axis=0)", "They must not help"),
        (ONTO + "test - source.mean(axis=0) + pool.mean(axis=0)", "even further"),
        (ONTO + "source - source.mean(axis=0) + pool.mean(axis=0)", "as many images as the source"),
        (ONTO + "test + source.mean() - pool.mean()", "of each"),
        (ONTO + "test - pool.mean(axis=0)", "every test image should move"),
    ],
    "informed_shift": [
        (SHIFT.replace("-", "+") + f"share * {ANTS} + (1 - share) * {BEES}) - pool.mean(axis=0)",
         "the wrong way round"),
        (SHIFT + "source.mean(axis=0)) + pool.mean(axis=0)", "plain mean shift"),
        (SHIFT + f"(1 - share) * {ANTS} + share * {BEES}) + pool.mean(axis=0)", "changed places"),
        (SHIFT + f"{ANTS} + {BEES}) / 2 + pool.mean(axis=0)", "plain mean shift"),
        (SHIFT + f"share * {ANTS}) + pool.mean(axis=0)", "apart here"),
        ("def informed_shift(source, y, pool, share):\n"
         "    return source * np.where(y == 0, share, 1 - share)[:, None]",
         "some examples move further"),
    ],
}  # fmt: skip
