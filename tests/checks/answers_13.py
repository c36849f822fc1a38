"""Plausible wrong answers to the exercises of lesson 13, and what is said about them."""

COMBINE = "def combine(gradients, counts):\n    return "
SHARES = "def shares(order, steps, rank, size):\n    import numpy as np\n    return "
BATCHES = "[{} for batch in np.array_split(order, steps)]"

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
    "shares": [
        (SHARES + "np.array_split(order[rank::size], steps)", "other photos with"),
        (SHARES + "[order[i * size + rank :: steps * size] for i in range(steps)]", "other photos"),
        (SHARES + BATCHES.format("batch"), "more than once"),
        (SHARES + BATCHES.format("batch[rank : len(batch) // size * size : size]"), "by no"),
        (SHARES + BATCHES.format("[batch, batch[1:], batch[:1]][rank + (size > 1)]"), "have sizes"),
        (SHARES + BATCHES.replace("order", "sorted(order)").format("batch[rank::size]"), "not 0, "),
        (SHARES + "[order[4 * s : 4 * s + 4 if s < steps - 1 else None][rank::size]"
         " for s in range(steps)]", "differ by more than one"),
        (SHARES + "order[rank::size]", "each of 4 steps"),
        (SHARES + "list(range(steps))", "photos of a step"),
        (SHARES + BATCHES.format("batch[rank::size] + 100"), "whole numbers from 0"),
        (SHARES + "order[steps * 99]", "IndexError"),
    ],
}  # fmt: skip
