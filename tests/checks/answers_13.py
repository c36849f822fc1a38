"""Plausible wrong answers to the exercises of lesson 13, and what is said about them."""

COMBINE = "def combine(gradients, counts):\n    return "
MEMORY = "def memory(labels, old, kept, rng):\n    return "
EACH = "np.concatenate([{} for name in old])"

WRONG = {
    "combine": [
        (COMBINE + "sum(gradients) / len(gradients)", "plain mean"),
        (COMBINE + "sum(n * g for g, n in zip(gradients, counts))", "sum over all images"),
        (COMBINE + "sum(n * g for g, n in zip(gradients, counts)) / len(counts)",
         "number of images, not by the number of shares"),
        (COMBINE + "sum(n * g for g, n in zip(gradients, reversed(counts))) / sum(counts)",
         "weights are exchanged"),
        (COMBINE + "sum(gradients) / sum(counts)", "is not"),
        (COMBINE + "(gradients[0] * counts[0] + gradients[1] * counts[1]) / sum(counts)",
         "three are not"),
        (COMBINE + "[n * g for g, n in zip(gradients, counts)]", "as long as each of them"),
        (COMBINE + "'mean'", "expected one gradient"),
        (COMBINE + "gradients[5]", "IndexError"),
    ],
    "memory": [
        (MEMORY + "np.flatnonzero(np.isin(labels, old))[:kept]", "were asked for"),
        (MEMORY + "np.isin(labels, old)", "yes and no"),
        (MEMORY + EACH.format("rng.choice(np.flatnonzero(labels == name), 3 * kept)"),
         "without replacement"),
        (MEMORY + EACH.format("np.flatnonzero(labels == name)[:kept]"), "whatever `rng` says"),
        (MEMORY + "rng.permutation(len(labels))[:kept]", "not among the old ones"),
        (MEMORY + "[rng.permutation(np.flatnonzero(labels == n))[:kept] for n in old]",
         "one flat array"),
        (MEMORY + "labels[rng.permutation(np.flatnonzero(np.isin(labels, old)))]", "twice"),
    ],
}  # fmt: skip
