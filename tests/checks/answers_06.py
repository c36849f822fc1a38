"""Plausible wrong answers to the exercises of lesson 06, and what is said about them."""

STRUCK = "def struck_by_any(rate, k):\n    return "
REVISED = "def revised(law, guards):\n    return "

WRONG = {
    "struck_by_any": [
        (STRUCK + "rate * k", "do not add up"),
        (STRUCK + "(1 - rate) ** k", "expected 0 for k = 0"),
        (STRUCK + "rate ** k * (k > 0)", "*both* strike"),
        (STRUCK + "rate * (k >= 1)", "more dangerous than one"),
        (STRUCK + "1 - (1 - rate) ** k if k < 5 else 1.0", "stops with ValueError"),
        (STRUCK + "1 - (1 - rate) ** (k * k)", "should be 0.75"),
    ],
    "revised": [
        (REVISED + "2 * [law._replace(guard=guard) for guard in guards]", "8 laws for 4 guards"),
        (REVISED + "law._replace(guard='not patched')", "a law for every guard"),
        (REVISED + "list(guards)", "these are words"),
        (REVISED + "[law._replace(relation=guard) for guard in guards]", "change the guard only"),
        (REVISED + "[law._replace(guard=g) for g in guards if not g.startswith('not')]",
         "negated words are missing"),
        (REVISED + "[law._replace(guard=g) for g in guards if g != law.guard]",
         "'laptop' is missing"),
    ],
}  # fmt: skip
