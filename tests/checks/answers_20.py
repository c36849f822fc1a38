"""Plausible wrong answers to the exercises of lesson 20, and what is said about them."""

COVARIANCE = "def shared_covariance(count, total, square):\n    mean = total / count[:, None]\n"
TOLD = "def told(logits, y):\n    return "
MIDDLE = "    middle = total.sum(dim=0, keepdim=True) / count.sum()\n"

WRONG = {
    "shared_covariance": [
        (COVARIANCE + "    return square / count.sum()", "nothing is subtracted"),
        (COVARIANCE + MIDDLE + "    return square / count.sum() - middle.T @ middle", "own class"),
        (COVARIANCE + "    return square - mean.T @ total", "the number of all photos"),
        (COVARIANCE + "    return (square - mean.T @ total) / len(count)", "number of all photos"),
        (COVARIANCE + "    return (square - mean.T @ mean) / count.sum()", "once for every photo"),
        (COVARIANCE + "    return mean.T @ total - square", "entry (0, 0)"),
        (COVARIANCE + "    return mean", "the covariance: an array of shape (3, 3)"),
    ],
    "told": [
        (TOLD + "(logits.argmax(dim=1) == y).double().mean()", "every class may still"),
        (TOLD + "(logits.argmax(dim=1) // 2 == y // 2).double().mean()", "the task is told"),
        (TOLD + "(logits.view(len(y), -1, 2).sum(dim=1).argmax(dim=1) == y % 2).double().mean()",
         "for these photos"),
        (TOLD + "logits.argmax(dim=1) == y", "one number"),
        (TOLD + "1.0", "for these photos"),
    ],
}  # fmt: skip
