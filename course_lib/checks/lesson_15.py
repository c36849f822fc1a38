"""Exercises of lesson 15, borrow with few parameters."""

import torch

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


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
        found = numbers(call(answer, weight, pairs, shares, 2.0), (out, inputs), "the weights")
        total = sum(s * up @ down for s, (down, up) in zip(shares, pairs, strict=True))
        if same(found, weight + total, 1e-4):
            raise Wrong("the changes lack the factor `scale`.")
        if same(found, weight + sum(2.0 * up @ down for down, up in pairs), 1e-4):
            raise Wrong("every adapter goes in whole: multiply each by its share.")
        compare(found, weight + 2 * total, "these are not all changes, added up.", tolerance=1e-4)


@exercise(
    "`torch.linalg.svd(after - before, full_matrices=False)` gives u, s, v with u · diag(s) · v.",
    "Keep `u[:, :rank]`, `s[:rank]`, `v[:rank]`, and multiply them.",
    right="no matrix of this rank is nearer. What is lost are the smaller singular values.",
)
def low_rank(answer: object) -> None:
    """``answer(before, after, rank)``: the nearest matrix of a rank to the change of weights."""
    torch.manual_seed(0)
    for out, inputs, rank in ((4, 6, 2), (5, 3, 1)):
        before, after = torch.randn(2, out, inputs)
        found = numbers(call(answer, before, after, rank), (out, inputs), "the change")
        u, s, v = torch.linalg.svd(after - before, full_matrices=False)
        kept = (u[:, :rank] * s[:rank]) @ v[:rank]
        mistakes = {"that is the new weight, not the change.": before + kept}
        mistakes["that is the whole change, of full rank."] = after - before
        for hint in [hint for hint, wrong in mistakes.items() if same(found, wrong, 1e-4)]:
            raise Wrong(hint)
        compare(found, kept, f"there is a nearer matrix of rank {rank}.", tolerance=1e-4)
