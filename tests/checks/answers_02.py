"""Plausible wrong answers to the exercises of lesson 02, and what is said about them."""

CLASSES = "def class_weights(labels, share):\n    return "
WIDTH = """def choose_width(source, target, held_out, widths):
    def bumps(x, width): return np.exp(-((cdist(x, target) / width) ** 2)).sum(axis=1)
"""

WRONG = {
    "class_weights": [
        (CLASSES + "np.where(labels == 1, share, 1 - share)", "how frequent the classes are"),
        (CLASSES + "np.where(labels == 0, share / (1 - labels.mean()),"
         " (1 - share) / labels.mean())", "changed places"),
        (CLASSES + "share / labels.mean()", "a weight for every example"),
        (CLASSES + "np.where(labels == 1, share / labels.sum(),"
         " (1 - share) / (labels == 0).sum())", "the mean weight is 0.1"),
        (CLASSES + "np.ones(len(labels))", "class 1 gets 0.20"),
    ],
    "choose_width": [
        (WIDTH + "    return max(widths, key=lambda w: np.log(bumps(held_out, w) + 1e-300).mean())",
         "high everywhere"),
        (WIDTH + "    return max(widths, key=lambda w: np.log(bumps(target, w)"
         " / bumps(source, w).mean() + 1e-300).mean())", "not of `target`"),
        (WIDTH + "    return int(np.argmax([np.log(bumps(held_out, w)"
         " / bumps(source, w).mean() + 1e-300).mean() for w in widths]))", "a position among"),
        (WIDTH + "    return [np.log(bumps(held_out, w) + 1e-300).mean() for w in widths]",
         "expected one of the widths"),
        (WIDTH + "    return max(np.log(bumps(held_out, w) / bumps(source, w).mean() + 1e-300)"
         ".mean() for w in widths)", "expected one of the widths, ["),
    ],
}  # fmt: skip
