"""Plausible wrong answers to the exercises of lesson 21, and what is said about them."""

BOXES = """def box_iou(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    both = max(0, wide) * max(0, high)
    return """
REGRET = "def regret(small, large):\n    return "

WRONG = {
    "box_iou": [
        (BOXES + "both", "Divide it by"),
        (BOXES + "both / sum(areas)", "counted twice"),
        (BOXES + "both / areas[0]", "not by one of the boxes"),
        (BOXES + "2 * both / sum(areas)", "Dice"),
        (BOXES + "both / 13", "a box and itself"),
        (BOXES + "wide * high / (sum(areas) - wide * high)", "that do not meet"),
        (BOXES + "both, sum(areas) - both", "one number"),
        (BOXES + "wide * max(0, high) / (sum(areas) - both)", "that do not meet"),
        (BOXES.replace("max(a[0], b[0])", "b[0]") + "both / (sum(areas) - both)", "share 1 of 13"),
    ],
    "regret": [
        (REGRET + "large[np.argmax(small)] - large.max()", "the sign"),
        (REGRET + "small.max() - large[np.argmax(small)]", "with each other"),
        (REGRET + "small.max() - large.max()", "with each other"),
        (REGRET + "small.max() - small[np.argmax(large)]", "lost on small pictures"),
        (REGRET + "large.max()", "here the regret is 0.07"),
        (REGRET + "0.07", "nothing is lost"),
    ],
}  # fmt: skip
