"""Plausible wrong answers to the exercises of lesson 17, and what is said about them."""

BATCH = """def batch_norm(x, scale, shift, eps):
    mean, var = x.mean(AXES, True), x.var(AXES, unbiased=False, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * scale[:, None, None] + shift[:, None, None]"""
ONE = """def one_by_one(z, day, prior):
    n, total = np.arange(1, len(z) + 1)[:, None], np.cumsum(z, axis=0)
    return """

WRONG = {
    "batch_norm": [
        (BATCH.replace("AXES", "(2, 3)"), "over pictures as well"),
        (BATCH.replace("AXES", "0").replace("unbiased=False, ", ""), "rows and columns as well"),
        (BATCH.replace("AXES", "(0, 1, 2, 3)"), "keep them apart"),
        (BATCH.replace("AXES", "(0, 2, 3)").replace(" + eps", ""), "eps is missing"),
        (BATCH.replace("AXES", "(0, 2, 3)").replace(".sqrt()", ""), "the root is missing"),
        (BATCH.replace("AXES", "(0, 2, 3)").replace("unbiased=False, ", ""), "divides by n - 1"),
        (BATCH.replace("AXES", "(0, 2, 3)").replace("scale, shift", "shift, scale"), "added last"),
        ("def batch_norm(x, scale, shift, eps):\n    return x.mean()", "expected the input"),
    ],
    "one_by_one": [
        (ONE + "z - (prior * day + total[-1]) / (prior + len(z)) + day", "pictures to come"),
        (ONE + "z - z.mean(axis=0) + day", "leaves out the day's mean"),
        (ONE + "z - total / n + day", "counts as `prior` pictures"),
        (ONE + "z - (prior * day + total) / (prior + n)", "the head expects it"),
        (ONE + "z - (prior * day + z) / (prior + 1) + day", "the first number"),
        (ONE + "total", "the first number"),
    ],
}
