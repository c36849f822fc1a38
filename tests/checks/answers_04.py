"""Plausible wrong answers to the exercises of lesson 04, and what is said about them."""

EACH = "def shrink_each(x, y, centre, strengths):\n    penalty = np.diag(strengths)\n    return "
SOLVE = "np.linalg.solve(x.T @ x + penalty, x.T @ y"
CENTRES = "def more_centres(source): return "

WRONG = {
    "shrink_each": [
        (EACH + SOLVE + ")", "shrinks to zero"),
        (EACH + "np.linalg.solve(x.T @ x + penalty, x.T @ (y - x @ centre))", "Add the centre"),
        (EACH + SOLVE + " + centre)", "without its strengths"),
        (EACH.replace("diag(strengths)", "eye(len(centre)) * strengths.mean()") + SOLVE
         + " + penalty @ centre)", "one strength for all"),
        (EACH + "centre + x.T @ np.linalg.solve(x @ x.T + np.eye(len(y)), y - x @ centre)",
         "the gradient"),
        (EACH + "x @ centre", "a weight for each feature: 4 numbers, got 6"),
    ],
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
}  # fmt: skip
