"""Plausible wrong answers to the exercises of lesson 04, and what is said about them."""

CENTRES = "def more_centres(source): return "
EVERY = "def every_fifth_ant(y): return "

WRONG = {
    "more_centres": [
        (CENTRES + "[source, 0 * source]", "takes a dictionary"),
        (CENTRES + "{'source': source, 'half': source / 2}", "'zero' is miss"),
        (CENTRES + "{'source': source, 'zero': 0 * source, 'half': source / 2,"
         " 'minus': 1 - source}", "by their sign"),
        (CENTRES + "{'source': source, 'zero': 0, 'half': source / 2, 'minus': -source}",
         "in 'zero': 3 numbers, got one"),
        (CENTRES + "{'source': soruce}", "stops with NameError"),
        ("more_centres = {'source': 1}", "hand in the function itself"),
    ],
    "every_fifth_ant": [
        (EVERY + "y < 0", "yes and no"),
        (EVERY + "np.flatnonzero(y < 0)[::5]", "some bees are lost"),
        (EVERY + "np.r_[np.flatnonzero(y > 0)[::5], np.flatnonzero(y < 0)]", "some bees are lost"),
        (EVERY + "np.r_[np.flatnonzero(y < 0)[:5], np.flatnonzero(y > 0)]", "5 are kept"),
        (EVERY + "np.r_[np.flatnonzero(y < 0)[:4], np.flatnonzero(y > 0)]", "not every fifth"),
    ],
}  # fmt: skip
