"""Plausible wrong answers to the exercises of lesson 09, and what is said about them."""

OWNERS = "def owners_of_buffers(network):\n    return "
READY = "def only_the_head(model):\n"

WRONG = {
    "owners_of_buffers": [
        (OWNERS + "{type(m).__name__ for m in network.modules() if list(m.buffers())}", "recurse"),
        (OWNERS + "{m for m in network.modules() if list(m.buffers(recurse=False))}",
         "their names"),
        (OWNERS + "{type(m).__name__ for m in network.modules()"
         " if list(m.parameters(recurse=False))}", "Ask for buffers"),
        (OWNERS + "{type(m).__name__ for m in network.children()} - {'Sequential', 'Linear'}",
         "ReLU"),
        (OWNERS + "len(list(network.buffers()))", "expected a set of names"),
    ],
    "only_the_head": [
        (READY + "    model.backbone.requires_grad_(False)\n    return model.train()",
         "running statistics drift"),
        (READY + "    model.backbone.requires_grad_(False)\n    model.backbone.eval()\n"
         "    return model.train()", "still in training mode"),
        (READY + "    model.train()\n    model.backbone.eval()\n    return model", "weights learn"),
        (READY + "    model.backbone.requires_grad_(False).eval()[0].weight.zero_()\n"
         "    return model", "other weights than before"),
        (READY + "    return model.train()", "weights learn, and its statistics drift"),
        (READY + "    return model.requires_grad_(False)", "nothing learns"),
        (READY + "    model.backbone.requires_grad_(False)\n    return model.eval()",
         "in evaluation mode"),
    ],
}  # fmt: skip
