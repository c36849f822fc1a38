"""Exercises of lesson 15, borrow with few parameters."""

import torch

from course_lib.checks import call, compare, exercise, numbers, same


@exercise(
    "Begin with `weight`. In a loop over `zip(adapters, shares)`, add each adapter's change.",
    "The change is `share * scale * up @ down`: (out, rank) times (rank, in) is (out, in).",
    right="merged, several adapters cost nothing, and each can be taken out again.",
)
def blended(answer: object) -> None:
    """``answer(weight, adapters, shares, scale)``: a layer's weights with adapters merged in."""
    torch.manual_seed(0)
    for out, inputs, ranks, shares in ((3, 4, (1, 2), (1.0, -0.5)), (5, 2, (2, 1, 1), (0, 1, 2))):
        pairs = [(torch.randn(r, inputs), torch.randn(out, r)) for r in ranks]
        weight = torch.randn(out, inputs)
        found = numbers(call(answer, weight, pairs, shares, 3.0), (out, inputs), "the weights")
        changes = [3 * s * up @ down for s, (down, up) in zip(shares, pairs, strict=True)]
        total, whole, two = sum(changes), sum(3 * b @ a for a, b in pairs), zip(*pairs, strict=True)
        downs, ups = ([sum(map(torch.mul, x, way)) for way in (shares, [1] * 3)] for x in two)
        slips = [("the changes lack `scale`.", total / 3), ("`weight` is missing.", total - weight)]
        slips += [("every adapter goes in whole: multiply each by its share.", whole)]
        slips += [("multiply each pair before adding.", 3 * up @ x) for up in ups for x in downs]
        slips += [("that is one adapter's change: add up all.", change) for change in changes]
        said = [hint for hint, slip in slips if same(found, weight + slip, 1e-4)]
        compare(found, weight + total, [*said, "are all changes added up?"][0], tolerance=1e-4)


@exercise(
    "`torch.linalg.svd(after - before, full_matrices=False)` gives u, s, v with u · diag(s) · v.",
    "Keep `u[:, :rank]`, `s[:rank]`, `v[:rank]`, and multiply them.",
    right="no matrix of this rank is nearer. What is lost are the smaller singular values.",
)
def low_rank(answer: object) -> None:
    """``answer(before, after, rank)``: the nearest matrix of a rank to the change of weights."""
    torch.manual_seed(0)
    for out, inputs, rank in ((5, 3, 1), (4, 6, 2)):
        before, after = torch.randn(2, out, inputs)
        found = numbers(call(answer, before, after, rank), (out, inputs), "the change")
        u, s, v = torch.linalg.svd(after - before, full_matrices=False)
        u, s, w = u[:, :rank], s[:rank], v[:rank]
        kept = (u * s) @ w
        mistakes = {"that is the new weight, not the change.": before + kept}
        mistakes["that is the whole change, of full rank."] = after - before
        mistakes |= {"the singular values are missing.": u @ w, "the sign: after - before.": -kept}
        mistakes["`svd` returns v transposed: take its first rows."] = (u * s) @ v[:, :rank].T
        said = [hint for hint, wrong in mistakes.items() if same(found, wrong, 1e-4)]
        compare(found, kept, [*said, f"it is not the nearest of rank {rank}."][0], tolerance=1e-4)
