"""Plausible wrong answers to the exercises of lesson 01, and what is said about them."""

RIGHT = {"a": "P(X)", "b": "P(X)", "c": "P(Y)", "d": "label space"}
FADE = "def towards_night(image, share):\n    return "

WRONG = {
    "what_changed": [
        (f"changed = {RIGHT | {'a': 'P(Y)'}}", "(a) the same sign"),
        (f"changed = {RIGHT | {'b': 'P(Y|X)'}}", "(b) people would still call"),
        (f"changed = {RIGHT | {'c': 'P( X )'}}", "(c) a sick person"),
        (f"changed = {RIGHT | {'d': 'p(y | x)'}}", "(d) the set of possible answers"),
        (f"changed = {RIGHT | {'c': 'prevalence'}}", "'prevalence' is none of"),
        ("changed = ['P(X)']", "keep the dictionary"),
        ("changed = dict(a=1, b=2, c=3, d=4)", "(a) 1 is none of"),
    ],
    "towards_night": [
        (FADE + "Image.blend(image, styles.restyle(image, 'sketch'), share)", "towards the sketch"),
        (FADE + "Image.blend(styles.restyle(image, 'night'), image, share)", "turn the two"),
        (FADE + "styles.restyle(image, 'night')", "at share 0"),
        (FADE + "image", "at share 1"),
        (FADE + "styles.restyle(image, 'night') if share > 0.5 else image", "mix the two"),
    ],
}
