"""Plausible wrong answers to the exercises of lesson 04, and what is said about them."""

WRONG = {
    "more_centres": [
        ("def more_centres(source): return [source, 0 * source]", "takes a dictionary"),
        (
            "def more_centres(source): return {'source': source, 'half': source / 2}",
            "'zero' is miss",
        ),
        (
            "def more_centres(source):\n"
            "    return {'source': source, 'zero': 0 * source, 'half': source / 2,\n"
            "            'minus': 1 - source}",
            "by their sign",
        ),
        (
            "def more_centres(source):\n"
            "    return {'source': source, 'zero': 0, 'half': source / 2, 'minus': -source}",
            "in 'zero': 3 numbers, got one",
        ),
        ("def more_centres(source): return {'source': soruce}", "stops with NameError"),
        ("more_centres = {'source': 1}", "hand in the function itself"),
    ],
    "every_fifth_ant": [
        ("def every_fifth_ant(y): return y < 0", "yes and no"),
        ("def every_fifth_ant(y): return np.flatnonzero(y < 0)[::5]", "some bees are lost"),
        (
            "def every_fifth_ant(y):\n"
            "    return np.r_[np.flatnonzero(y > 0)[::5], np.flatnonzero(y < 0)]",
            "some bees are lost",
        ),
        (
            "def every_fifth_ant(y):\n"
            "    return np.r_[np.flatnonzero(y < 0)[:5], np.flatnonzero(y > 0)]",
            "5 are kept",
        ),
    ],
}
