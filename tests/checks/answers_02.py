"""Plausible wrong answers to the exercises of lesson 02, and what is said about them."""

CLASSES = "def class_weights(labels, share):\n    return "
DISTRUST = "def distrust(weights, wrong, down):\n    "

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
    "distrust": [
        (DISTRUST + "return weights * np.where(wrong, down, 1)", "sum to 0.875"),
        (DISTRUST + "weights = weights * np.where(wrong, 1 / down, 1)\n"
         "    return weights / weights.sum()", "AdaBoost's rule"),
        (DISTRUST + "weights = weights * ~wrong\n    return weights / weights.sum()",
         "do not throw it out"),
        (DISTRUST + "weights = np.where(wrong, down, 1)\n    return weights / weights.sum()",
         "the second not"),
        (DISTRUST + "weights = weights * np.where(wrong, down**2, 1)\n"
         "    return weights / weights.sum()", "half as much"),
    ],
}  # fmt: skip
