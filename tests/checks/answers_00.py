"""Plausible wrong answers to the exercises of lesson 00, and what is said about them."""

WRONG = {
    "majority_share": [
        ("def majority_share(labels): return labels.bincount().argmax()", "larger class itself"),
        ("def majority_share(labels): return labels.bincount().max()", "Of how many?"),
        ("def majority_share(labels): return labels.float().mean()", "only if the classes"),
        ("def majority_share(labels): return 1 / len(labels.unique())", "guessing at random"),
        ("def majority_share(labels): return labels.bincount()[-1] / len(labels)", "should be 0.4"),
    ],
    "zero_shot_answers": [
        ("def zero_shot_answers(logits, columns): return logits.argmax(1)", "among all classes"),
        ("def zero_shot_answers(logits, columns): return logits[:, columns]", "answer per photo"),
        ("zero_shot_answers = lambda x, i: x[:, i[1]] > x[:, i[0]]", "but not for three columns"),
        ("def zero_shot_answers(logits, columns):\n"
         "    return torch.tensor(columns)[logits[:, columns].argmax(1)]", "numbers of ImageNet"),
        ("def zero_shot_answers(logits, columns):\n"
         "    return logits[:, sorted(columns)].argmax(1)", "the other way round"),
    ],
}  # fmt: skip
