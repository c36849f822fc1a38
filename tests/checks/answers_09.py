"""Plausible wrong answers to the exercises of lesson 09, and what is said about them."""

RUNNING = "def running_statistics(mean, variance, batch, momentum):\n    "
NEW = RUNNING + "m, v = batch.mean(0), batch.var(0)\n    "
FREEZE = "def freeze_for_good(model):\n    "
STAY = "model.backbone.requires_grad_(False)\n    model.backbone.eval()\n    "

WRONG = {
    "running_statistics": [
        (NEW + "return momentum * mean + (1 - momentum) * m, v", "share of the new batch"),
        (NEW + "return m, v", "the batch alone"),
        (RUNNING + "new = batch.mean(0)\n    return (1 - momentum) * mean + momentum * new,"
         " (1 - momentum) * variance + momentum * batch.var(0, unbiased=False)", "n - 1"),
        (NEW + "return mean.lerp(m, momentum), variance.lerp(v.sqrt(), momentum)", "deviation"),
        (NEW + "return (1 - momentum) * mean + momentum * m", "two things"),
        (NEW + "return mean + momentum * m, variance + momentum * v", "is off"),
        (NEW + "return (1 - momentum) * mean + momentum * m, variance", "not the spread"),
    ],
    "freeze_for_good": [
        (FREEZE + "model.backbone.requires_grad_(False)\n    return model", "have drifted"),
        (FREEZE + STAY + "return model", "have drifted"),
        (FREEZE + STAY + "model.backbone = torch.nn.Sequential(model.backbone)\n    return model",
         "have drifted"),
        (FREEZE + "model.backbone.eval()\n    model.backbone.train = lambda mode=True:"
         " model.backbone\n    return model", "get gradients"),
        (FREEZE + "model.backbone.requires_grad_(False)\n    for m in model.backbone.modules():\n"
         "        if hasattr(m, 'momentum'):\n            m.momentum = 0.0\n    return model",
         "the features are others"),
        (FREEZE + STAY + "for m in model.backbone.modules():\n        if hasattr(m, 'momentum'):\n"
         "            m.train = lambda mode=True, m=m: m\n    return model", "thinned by dropout"),
        (FREEZE + STAY + "model.train = lambda mode=True: model.eval()\n    return model",
         "RecursionError"),
        *((FREEZE + STAY + f"model.train = lambda mode=True: model\n    {more}return model",
           "switch the head's own mode") for more in ("", "model.head.eval()\n    ")),
        (FREEZE + "return model.requires_grad_(False)", "nothing learns"),
    ],
}  # fmt: skip
