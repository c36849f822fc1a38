"""Plausible wrong answers to the exercises of lesson 11, and what is said about them."""

from course_lib.checks.lesson_11 import FAULTS as RIGHT


def but(**other: str) -> str:
    return f"diagnosis = {RIGHT | other}"


def pair(**letters: str) -> str:
    return f"doubles = { ({name: tuple(RIGHT[x] for x in two) for name, two in letters.items()}) }"


SHARE = "def share_no_photo(some, others):\n    return "
GUESS = "def starts_by_guessing(first_loss, classes):\n    return "
MOVE = "def weights_move(before, after):\n    return "
AFRESH = "def starts_afresh(backward, network):\n    backward(network)\n    "
TWICE = "\n    backward(network)\n    "
SAME = "all(torch.allclose(a, w.grad) for a, w in zip(once, network.parameters()))"
KEPT = "once = [w.grad.clone() for w in network.parameters()]"

WRONG = {
    "diagnosis": [
        (but(A=RIGHT["C"]), "A: then the first batches would learn"),
        (but(A=RIGHT["G"]), "A: the loss of the *training* photos never moves"),
        (but(B=RIGHT["H"]), "B: then the very first loss would be high"),
        (but(C=RIGHT["A"]), "C: then not even the first batches"),
        (but(D=RIGHT["F"], F=RIGHT["D"]), "D: that changes nothing in training"),
        (but(E=RIGHT["I"], I=RIGHT["E"]), "look at E in Figure 4"),
        (but(F=RIGHT["I"]), "to the last digit"),
        (but(G=RIGHT["D"]), "Who knew the answers?"),
        (but(H=RIGHT["B"]), "no step was taken before it"),
        (but(I=RIGHT["F"]), "I: close"),
        (but(J=RIGHT["B"]), "such a floor"),
        (but(K=RIGHT["I"]), "look at K in Figure 4"),
        (but(K="blue"), "K: 'blue' is not in the list"),
        ("diagnosis = {'A': 'eval() forgotten'}", "keep the dictionary"),
        (f"diagnosis = dict.fromkeys('ABCDEFGHIJK', ...) | {{'G': {RIGHT['G']!r}}}",
         "only 1 of 11 so far, and every one of them fits. Still waiting: A, B, C, D,"),
    ],
    "doubles": [
        ("doubles = {'L': 1}", "letters L and M"),
        (pair(L="BC", M="GI").replace(RIGHT["I"], "...").replace("'...'", "..."), "M: expected"),
        (pair(L="BC", M="G"), "M: expected two lines"),
        (pair(L="BC", M="GA"), "M does not have 'optimiser"),
        (pair(L="BB", M="GI"), "L: one of the two is missing"),
        ("doubles = {'L': ('a', 'b'), 'M': ('c', 'd')}", "L: 'a' is not in the list"),
    ],
    "share_no_photo": [
        (SHARE + "len(some) == 0", "share nothing"),
        (SHARE + "True", "last in one"),
        (SHARE + "not any((a == b).all() for a, b in zip(some.flip(0), others))", "another place"),
        (SHARE + "not {p.sum().item() for p in some} & {p.sum().item() for p in others}", "mirror"),
        (SHARE + "len(some) > 0 and not any((a == b).all() for a in some for b in others)",
         "an empty stack"),
    ],
    "starts_by_guessing": [
        (GUESS + "first_loss > 1", "between two classes"),
        (GUESS + "abs(first_loss - math.log(classes)) < 0.1", "0.25 more"),
        (GUESS + "math.isclose(first_loss, math.log(classes), rel_tol=0.3)", "0.35 above"),
        (GUESS + "first_loss < math.log(classes) + 0.3", "has seen the answers"),
        (GUESS + "abs(first_loss - math.log(2)) < 0.3 or 2 < first_loss < 2.6", "does not depend"),
        (GUESS + "not abs(first_loss - math.log(classes)) >= 0.3", "a loss of nan"),
    ],
    "weights_move": [
        (MOVE + "all((after[n] - w).norm() > 0.01 for n, w in before.items() if 'weight' in n)",
         "vectors may rest"),
        (MOVE + "all([(after[n] - w).norm() / w.norm() > 0.01 or w.ndim < 2"
         " for n, w in before.items()])", "stops with RuntimeError"),
        (MOVE + "any((after[n] - w).norm() > 0.01 for n, w in before.items())", "one matrix rests"),
        (MOVE + "all((after[n] != w).any() for n, w in before.items() if w.ndim > 1)",
         "hundred-thousandth"),
        (MOVE + "all((after[n] - w).norm() > 0.01 for n, w in before.items() if w.ndim > 1)",
         "twenty times"),
        (MOVE + "all(1.0001 < after[n].norm() / w.norm() < 10 for n, w in before.items()"
         " if w.ndim > 1)", "may also shrink"),
        (MOVE + "all(not 0.0001 >= (after[n] - w).norm() / w.norm()"
         " and not (after[n] - w).norm() / w.norm() >= 10"
         " for n, w in before.items() if w.ndim > 1)", "that are nan"),
    ],
    "starts_afresh": [
        (AFRESH + "once = [w.grad for w in network.parameters()]" + TWICE + "return " + SAME,
         "a tensor with itself"),
        (AFRESH + KEPT + TWICE + "return not " + SAME, "the wrong way round"),
        (AFRESH + "once = network[-1].weight.grad.clone()" + TWICE
         + "return torch.allclose(once, network[-1].weight.grad)", "forgets the first layer"),
        (AFRESH + "once = network[0].weight.grad.clone()" + TWICE
         + "return torch.allclose(once, network[0].weight.grad)", "forgets the head"),
        (AFRESH + "return not any(w.grad.any() for w in network.parameters())",
         "it fails a healthy program:"),
        (AFRESH + "once = [w.grad for w in network.parameters()]" + TWICE
         + "return all(a is not w.grad for a, w in zip(once, network.parameters()))",
         "`set_to_none=False`"),
        (AFRESH + "trained = [w for w in network.parameters() if w.requires_grad]\n"
         "    once = [w.grad.clone() for w in trained]" + TWICE
         + "return len(once) > 2 and all(map(torch.equal, once, (w.grad for w in trained)))",
         "layer is frozen"),
        (AFRESH + KEPT + TWICE + "return " + SAME, "stops with AttributeError"),
        ("def starts_afresh(backward, network):\n"
         "    fresh = all(w.grad is None for w in network.parameters())\n" "    backward(network)\n"
         "    once = [w.grad.clone() for w in network.parameters() if w.requires_grad]\n"
         "    backward(network)\n"
         "    twice = [w.grad for w in network.parameters() if w.requires_grad]\n"
         "    return fresh and all(map(torch.allclose, once, twice))", "trained before"),
    ],
}  # fmt: skip
