"""Plausible wrong answers to the exercises of lesson 10, and what is said about them."""

NEEDED = "def photos_needed(accuracy, reach):\n    spread = accuracy * (1 - accuracy)\n    return "
BRIER = (
    "def brier(probabilities, labels):\n"
    "    gap = probabilities - F.one_hot(labels, probabilities.shape[1])\n"
    "    return "
)

WRONG = {
    "photos_needed": [
        (NEEDED + "math.ceil(spread / reach**2)", "one standard error"),
        (NEEDED + "math.ceil(1.96 * spread / reach**2)", "square it too"),
        (NEEDED + "math.ceil(1.96**2 * spread / (reach / 2) ** 2)", "to one side"),
        (NEEDED + "math.ceil(1.96**2 * accuracy / reach**2)", "not p"),
        (NEEDED + "math.ceil(1.96 * spread**0.5 / reach)", "under the root"),
        (NEEDED + "math.ceil(1.96**2 / 4 / reach**2)", "worst case"),
        (NEEDED + "int(1.96**2 * spread / reach**2)", "reach a little further"),
        (NEEDED + "round(1.96**2 * spread / reach**2)", "round up"),
        (NEEDED + "1.96**2 * spread / reach**2", "there are no 864.36 photos"),
        (NEEDED + "math.ceil(accuracy / reach)", "45 photos is not it"),
        (NEEDED + "865", "use both arguments"),
        (NEEDED + "'many'", "one number, got a text"),
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
}
