"""Plausible wrong answers to the exercises of lesson 03, and what is said about them."""

INTERCEPT = "def shifted_intercept(weights, intercept, source, pool):\n    return "
STEP = "(pool.mean(axis=0) - source.mean(axis=0))"
JOINT = "def joint_space(source, pool, count):\n"
GAP = "    gap = source.mean(axis=0) - pool.mean(axis=0)\n    gap = gap / np.linalg.norm(gap)\n"
BOTH = "    both = np.concatenate([source, pool])\n    both = both - both.mean(axis=0)\n"
OFF = "    both = both - np.outer(both @ gap, gap)\n"
NEW = "    new = both @ np.linalg.svd(both, full_matrices=False)[2][:count].T\n"
BACK = "    return new[: len(source)], new[len(source) :]"
SHIFT = "def informed_shift(source, y, pool, share):\n    return source - ("
ANTS, BEES = "source[y == 0].mean(axis=0)", "source[y == 1].mean(axis=0)"

WRONG = {
    "shifted_intercept": [
        (INTERCEPT + f"intercept + weights @ {STEP}", "the wrong way round"),
        (INTERCEPT + f"-weights @ {STEP}", "Add the intercept"),
        (INTERCEPT + "intercept - weights.sum() * (pool.mean() - source.mean())", "of each"),
        (INTERCEPT + f"intercept - {STEP}", "the intercept: one number, got 3 numbers"),
        (INTERCEPT + "intercept", "should equal"),
    ],
    "joint_space": [
        (JOINT + BOTH + NEW + BACK, "something of the gap is left"),
        (JOINT + GAP + BOTH + OFF + NEW + "    return new", "return two arrays"),
        (JOINT + GAP + BOTH + OFF + BACK.replace("new", "both"), "new coordinates: an array"),
        (JOINT + "    both = np.concatenate([source - source.mean(axis=0), pool - "
         "pool.mean(axis=0)])\n" + NEW + BACK, "that is mean shift"),
        (JOINT + GAP + BOTH + OFF + NEW.replace("[:count]", "[-count:]") + BACK, "main directions"),
    ],
    "informed_shift": [
        (SHIFT.replace("-", "+") + f"share * {ANTS} + (1 - share) * {BEES}) - pool.mean(axis=0)",
         "the wrong way round"),
        (SHIFT + "source.mean(axis=0)) + pool.mean(axis=0)", "plain mean shift"),
        (SHIFT + f"(1 - share) * {ANTS} + share * {BEES}) + pool.mean(axis=0)", "changed places"),
        (SHIFT + "np.average(source, 0, np.where(y, 1 - share, share))) + pool.mean(0)", "divide"),
        (SHIFT + f"{BEES}) + pool.mean(axis=0)", "apart here"),
        ("def informed_shift(source, y, pool, share):\n"
         "    return source * np.where(y == 0, share, 1 - share)[:, None]",
         "some examples move further"),
    ],
}  # fmt: skip
