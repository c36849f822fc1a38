"""Plausible wrong answers to the exercises of lesson 12, and what is said about them."""

BALANCED = "def balanced_accuracy(labels, predicted):\n    return "
SPLIT = "def split_by_group(groups, share, seed):\n"
DRAW = "    rng = np.random.default_rng(seed)\n    names = np.unique(groups)\n"

ADJUST = "def adjusted_classes(logits, counts, strength):\n    shares = counts / counts.sum()\n"
ADJUST += "    return "

WRONG = {
    "balanced_accuracy": [
        (BALANCED + "np.mean(labels == predicted)", "plain accuracy"),
        (BALANCED + "np.mean([np.mean(predicted[labels == k] == k) if (labels == k).any() else 0"
         " for k in range(4)])", "counted as missed"),
        (BALANCED + "np.mean([np.mean(predicted[labels == k] == k) if (labels == k).any()"
         " else np.nan for k in range(4)])", "Leave it out"),
        (BALANCED + "np.mean([np.mean(predicted[labels == k] == k) for k in np.unique(predicted)])",
         "which share was found"),
        (BALANCED + "[np.mean(predicted[labels == k] == k) for k in np.unique(labels)]",
         "one number"),
        (BALANCED + "sum([np.mean(predicted[labels == k] == k) for k in set(labels)])", "1.250"),
        (BALANCED + "recall_score(labels, predicted, average='macro', zero_division=0)", "only"),
    ],
    "adjusted_classes": [
        (ADJUST + "logits.argmax(axis=1)", "nothing was subtracted"),
        (ADJUST + "(logits + strength * np.log(shares)).argmax(axis=1)", "subtract"),
        (ADJUST + "(logits - np.log(shares)).argmax(axis=1)", "strength is left out"),
        (ADJUST + "(logits - strength * shares).argmax(axis=1)", "logarithm"),
        (ADJUST + "logits - strength * np.log(shares)", "these are logits"),
        (ADJUST + "(logits - strength * np.log(shares)).argmax()", "one class for each row"),
        (ADJUST + "(logits - strength * np.log(shares)).argmin(axis=1)", "get another class"),
    ],
    "split_by_group": [
        (SPLIT + DRAW + "    chosen = rng.permutation(names)[:5]\n"
         "    return np.flatnonzero(np.isin(groups, chosen))", "40% would be 4"),
        (SPLIT + "    rng = np.random.default_rng(seed)\n"
         "    return rng.permutation(len(groups))[: round(share * len(groups))]", "on both sides"),
        (SPLIT + DRAW + "    return rng.permutation(names)[: round(share * len(names))]",
         "names of groups"),
        (SPLIT + DRAW + "    return np.isin(groups, rng.permutation(names)[: round(share * 20)])",
         "yes and no"),
        (SPLIT + "    names = np.unique(groups)[: round(share * len(np.unique(groups)))]\n"
         "    return np.flatnonzero(np.isin(groups, names))", "use the seed"),
        (SPLIT + "    names = np.random.permutation(np.unique(groups))[: round(share * 20)]\n"
         "    return np.flatnonzero(np.isin(groups, names))", "the same seed gives another split"),
        (SPLIT + DRAW + "    return np.flatnonzero(np.isin(groups, rng.choice(names, 5)))",
         "would be 5"),
        (SPLIT + DRAW + "    chosen = rng.permutation(names)[round(share * len(names)) :]\n"
         "    return np.flatnonzero(np.isin(groups, chosen))", "would be 5"),
    ],
}  # fmt: skip
