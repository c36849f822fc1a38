"""Plausible wrong answers to the exercises of lesson 15, and what is said about them."""

BLEND = """def blended(weight, adapters, shares, scale):
    for (down, up), share in zip(adapters, shares):
        weight = weight + """
LOW = """def low_rank(before, after, rank):
    u, s, v = torch.linalg.svd(after - before, full_matrices=False)
    return """

WRONG = {
    "blended": [
        (BLEND + "share * up @ down\n    return weight", "lack `scale`"),
        (BLEND + "scale * up @ down\n    return weight", "multiply each by its share"),
        (BLEND + "share * scale * up @ down", "forget `return`"),
        (BLEND + "share * scale * down @ up\n    return weight", "your function stops"),
        (BLEND + "share * scale * up @ down\n        return weight", "one adapter's"),
        (BLEND + "share * scale * up @ down / len(shares)\n    return weight", "added up"),
        (BLEND + "share * scale * up @ down\n    return weight.T", "expected the weights"),
    ],
    "low_rank": [
        (LOW + "after - before", "the whole change"),
        (LOW + "-(u[:, :rank] * s[:rank]) @ v[:rank]", "the sign"),
        (LOW + "before + (u[:, :rank] * s[:rank]) @ v[:rank]", "not the change"),
        (LOW + "u[:, :rank] @ v[:rank]", "singular values are missing"),
        (LOW + "(u[:, : rank + 1] * s[: rank + 1]) @ v[: rank + 1]", "not the nearest"),
        (LOW + "s[:rank]", "expected the change"),
    ],
}  # fmt: skip
