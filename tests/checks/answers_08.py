"""Plausible wrong answers to the exercises of lesson 08, and what is said about them."""

KEPT = "def kept_epoch(running_corrects, dataset_size):\n    shares = "
LOOP = """def keep_best(model, train_epoch, validate, epochs):
    history, best, kept = [], -1.0, None
    for _ in range(epochs):
        train_epoch(model)
        history.append(validate(model))
        if history[-1] {} best:
            best, kept = history[-1], {}
    {}
    return history
"""
COPY, LOAD = "copy.deepcopy(model.state_dict())", "model.load_state_dict(kept)"
GROUPS = "def two_groups(model, rate):\n    body, head = model.backbone, model.head\n    return "

WRONG = {
    "kept_epoch": [
        (KEPT + "running_corrects\n    return 1 + shares.index(max(shares))", "7 of 10"),
        (KEPT + "[0] + [right // dataset_size for right in running_corrects]\n"
         "    return max(range(len(shares)), key=lambda i: (shares[i], i * (shares[i] > 0)))",
         "it asks for >"),
        (KEPT + "[right // dataset_size for right in running_corrects]\n"
         "    return shares.index(1) if 1 in shares else 0", "count from 1"),
        (KEPT + "0\n    return 0", "it is epoch 2"),
    ],
    "keep_best": [
        (LOOP.format(">", "model.state_dict()", LOAD), "its last weights"),
        (LOOP.format(">", COPY, "pass"), "its last weights"),
        (LOOP.format(">=", COPY, LOAD), "among equals"),
        (LOOP.format(">", "{'weight': model.weight.clone()}",
                     "model.load_state_dict(kept, strict=False)"), "BatchNorm's statistics"),
        (LOOP.format(">", COPY, LOAD).replace("    return history\n", ""), "returns nothing"),
        (LOOP.format(">", COPY, LOAD).replace("range(epochs)", "range(epochs - 1)"), "train for"),
        (LOOP.format("<", COPY, "model.load_state_dict(kept or model.state_dict())"),
         "its last weights"),
        (LOOP.format(">", COPY, LOAD).replace("append(validate(model))",
                                              "append((validate(model), validate(model))[0])"),
         "once per epoch"),
    ],
    "two_groups": [
        (GROUPS + "[{'params': model.parameters(), 'lr': rate}, "
         "{'params': head.parameters(), 'lr': 10 * rate}]", "in two groups"),
        (GROUPS + "[{'params': body.parameters(), 'lr': 10 * rate}, "
         "{'params': head.parameters(), 'lr': rate}]", "the body should learn at"),
        (GROUPS + "[{'params': body.parameters(), 'lr': rate}, "
         "{'params': [head.weight], 'lr': 10 * rate}]", "in no group"),
        (GROUPS + "[{'params': body.parameters(), 'lr': 0.01}, "
         "{'params': head.parameters(), 'lr': 0.1}]", "at rate 0.002"),
        (GROUPS + "[body.parameters(), head.parameters()]", "a dictionary"),
    ],
}  # fmt: skip
