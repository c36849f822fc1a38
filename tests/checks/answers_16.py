"""Plausible wrong answers to the exercises of lesson 16, and what is said about them."""

SHORT = "def shortlist(cheap, expensive, k):\n    kept = np.argsort(-cheap)[:k]\n    return "
RIDGE = """def leave_one_out(x, t, penalty):
    hat = x @ np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1])) @ x.T
    error = (t - hat @ t) / (1 - np.diag(hat))
    return """

WRONG = {
    "shortlist": [
        (SHORT + "expensive.argmax()", "shorten first"),
        (SHORT + "kept[0]", "the expensive one is to decide"),
        (SHORT + "expensive[kept].argmax()", "the one among all"),
        (SHORT.replace("-cheap", "cheap") + "kept[expensive[kept].argmax()]", "k worst"),
        (SHORT + "kept[expensive[kept].argmin()]", "candidate 6, not 3"),
        (SHORT + "kept", "expected a position"),
        (SHORT.replace("-cheap", "-expensive") + "kept[cheap[kept].argmax()]", "best of all"),
        (SHORT.replace(":k", ":k - 1") + "kept[expensive[kept].argmax()]", "best by the cheap"),
        (SHORT.replace(":k", ":3") + "kept[expensive[kept].argmax()]", "candidate 1, not 0"),
    ],
    "leave_one_out": [
        (RIDGE + "hat @ t", "every row helped"),
        (RIDGE + "error", "these are the errors"),
        (RIDGE + "t + error", "the wrong sign"),
        (RIDGE + "t - (t - hat @ t)", "every row helped"),
        (RIDGE + "t - (t - hat @ t) / (1 - hat.mean())", "without itself"),
        (RIDGE + "np.mean(error**2)", "a prediction per row"),
    ],
}  # fmt: skip
