"""Plausible wrong answers to the exercises of lesson 14, and what is said about them."""

OTHER = "def someone_elses(maps, said):\n    return "
ECE = """def ece_by_count(certainty, right, bins):
    order = np.argsort(certainty)
    gap = np.asarray(certainty) - np.asarray(right)
    parts = np.array_split(gap[order], bins)
    return """
BRIER = """def brier(probabilities, labels):
    gap = probabilities - F.one_hot(labels, probabilities.shape[1])
    return """

WRONG = {
    "someone_elses": [
        (OTHER + "maps", "its own map still"),
        (OTHER + "maps.roll(1, dims=0)", "5 maps, 4 now lie on a photo with another answer"),
        (OTHER + "maps[torch.tensor([1, 0, *range(2, len(maps))])]", "3 kept their own map"),
        (OTHER + "maps[[1] * len(maps)]", "used twice"),
        (OTHER + "maps.flip(-1)", "these are other maps"),
        (OTHER + "maps[1:]", "expected maps"),
    ],
    "ece_by_count": [
        (ECE + "np.mean([abs(part.mean()) for part in np.array_split(gap, bins)])", "Sort by"),
        (ECE + "abs(gap.mean())", "one bin for all photos"),
        (ECE + "np.abs(gap).mean()", "within a bin first"),
        (ECE + "np.mean([part.mean() for part in parts])", "one bin for all photos"),
        (ECE + "sum(abs(part.mean()) for part in parts)", "for eight photos in two bins"),
        (ECE + "np.mean([abs(part.mean()) for part in parts])", "weight each gap"),
        (ECE + "[abs(part.mean()) for part in parts]", "one number"),
        ("def ece_by_count(certainty, right, bins):\n"
         "    place = np.digitize(certainty, np.linspace(0.5, 1, bins + 1)[1:-1])\n"
         "    gap = certainty - right\n"
         "    return sum((place == k).mean() * abs(gap[place == k].mean())\n"
         "               for k in range(bins))", "equal width"),
    ],
    "brier": [
        (BRIER + "gap.square().mean()", "averages over classes"),
        (BRIER + "gap.square().sum()", "sum over photos"),
        (BRIER + "gap.abs().sum(dim=1).mean()", "to be squared"),
        (BRIER + "gap.norm(dim=1).mean()", "no root"),
        (BRIER + "gap[range(len(labels)), labels].square().mean()", "not true count as well"),
        (BRIER + "(1 - probabilities.max(dim=1).values).square().mean()", "never looks at"),
        (BRIER + "2.0 * (probabilities.argmax(dim=1) != labels).float().mean()", "answers only"),
        (BRIER + "gap.square().sum(dim=1)", "one number, got 3 numbers"),
        (BRIER + "(-probabilities[range(len(labels)), labels].log()).mean()", "score"),
    ],
}  # fmt: skip
