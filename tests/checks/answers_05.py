"""Plausible wrong answers to the exercises of lesson 05, and what is said about them."""

NEED = "def labels_needed(counts, accuracies, level):\n    "
INF = NEED + "if level > max(accuracies): return np.inf\n    return float("
LOG = "np.exp(np.interp(level, accuracies, np.log(counts)))"
CUT = "def cut(layers, depth):\n    return "
CLIP = "def clipped(gradient, limit):\n    return "

WRONG = {
    "labels_needed": [
        (INF + "np.interp(level, accuracies, counts))", "interpolate in its logarithm"),
        (INF + "np.interp(level, accuracies, np.log10(counts)))", "turn it back into a number"),
        (INF.replace(">", ">=") + f"{LOG})", "the count that reached it"),
        (NEED + f"return float({LOG})", "`math.inf`"),
        (NEED + "return float(np.exp(np.interp(level, accuracies, np.log(counts), right=np.inf,"
         " left=0)))", "the first count is enough"),
        (INF + "np.sqrt(np.interp(level, accuracies, np.square(counts))))", "are 31.6, not"),
    ],
    "cut": [
        (CUT + "layers[:-depth], layers[-depth:]", "`layers[-0:]` is `layers[0:]`"),
        (CUT + "layers[depth:], layers[:depth]", "the first layers"),
        (CUT + "layers[len(layers) - depth:], layers[:len(layers) - depth]", "come first"),
        (CUT + "layers[:len(layers) - depth - 1], layers[len(layers) - depth:]", "a layer is lost"),
        (CUT + "layers[:1], layers[1:]", "4 layers train"),
        (CUT + "[0, 1, 2], [3, 4]", "two lists of layers: those"),
        (CUT + "layers[len(layers) - depth:]", "expected two lists"),
    ],
    "clipped": [
        (CLIP + "gradient.clamp(-limit, limit)", "turns the direction"),
        (CLIP + "gradient / gradient.norm() * limit", "not be made longer"),
        (CLIP + "gradient * min(1, 1 / gradient.norm())", "multiply by the limit"),
        (CLIP + "gradient / gradient.abs().sum() * limit", "not the sum"),
        (CLIP + "gradient * limit", "comes back as it was"),
        (CLIP + "gradient.norm().clamp(max=limit)", "expected a gradient: 3 numbers"),
        ("def clipped(gradient, limit):\n"
         "    if gradient.norm() < limit and gradient.norm() > 0: return gradient\n"
         "    return gradient * (limit / gradient.norm())", "becomes nan"),
    ],
}  # fmt: skip
