"""Plausible wrong answers to the exercises of lesson 20, and what is said about them."""

COVARIANCE = "def shared_covariance(count, total, square):\n    mean = total / count[:, None]\n"
TOLD = "def told(logits, y):\n    return "
HITS = "(logits.view(len(y), -1, 2)[range(len(y)), y // 2].argmax(dim=1) == y % 2).double()"
MIDDLE = "    middle = total.sum(dim=0, keepdim=True) / count.sum()\n"

WRONG = {
    "shared_covariance": [
        (COVARIANCE + "    return square / count.sum()", "nothing is subtracted"),
        (COVARIANCE + MIDDLE + "    return square / count.sum() - middle.T @ middle", "own class"),
        *[(COVARIANCE + f"    return (square - mean.T @ total) / {n}", "number of all photos")
          for n in ("1", "len(count)", "(count.sum() - 1)")],
        *[(COVARIANCE + f"    return square / count.sum() - {sub}", "once for every photo")
          for sub in ("mean.T @ mean / count.sum()", "mean.T @ mean", "mean.T @ mean / len(count)",
                      "total.T @ total / count.sum() ** 2")],
        (COVARIANCE + "    return mean.T @ total - square", "entry (0, 0)"),
    ],
    "told": [
        (TOLD + "(logits.argmax(dim=1) == y).double().mean()", "every class may still"),
        (TOLD + "(logits.argmax(dim=1) // 2 == y // 2).double().mean()", "the task is told"),
        *[(TOLD + f"sum({HITS}[{g} == k].mean() for k in {g}.unique()) / len({g}.unique())",
           "for these photos") for g in ("y", "(y // 2)")],
        (TOLD + "logits.argmax(dim=1) == y", "one number"),
    ],
}  # fmt: skip
