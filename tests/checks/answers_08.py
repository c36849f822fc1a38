"""Plausible wrong answers to the exercises of lesson 08, and what is said about them."""

SHARED = (
    "def shared_mistakes(first, second, labels):\n    a, b = first != labels, second != labels\n"
)
RATE = "def rate_in_epoch(epoch, learning_rate, step_size, gamma):\n    return learning_rate * "

WRONG = {
    "shared_mistakes": [
        (SHARED + "    return (a & b).sum()", "of how many"),
        (SHARED + "    return (first == second).float().mean()", "how often the two agree"),
        (SHARED + "    return (a & b).float().mean()", "share of all photos"),
        (SHARED + "    return (a & b).sum() / (a | b).sum()", "that either gets wrong"),
        (SHARED + "    return (a & ~b).sum() / a.sum()", "shares 1 of them, not 0.75"),
    ],
    "rate_in_epoch": [
        (RATE + "gamma ** ((epoch + 1) // step_size)", "the article's order"),
        (RATE + "gamma ** (epoch / step_size)", "without a remainder"),
        (RATE + "gamma ** epoch", "in every epoch"),
        (RATE + "gamma ** (epoch % step_size)", "begins anew"),
        (RATE + "(1 - gamma) * (epoch // step_size)", "epochs 0 to 8 should use"),
    ],
}
