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
        changes = [2 * s * up @ down for s, (down, up) in zip(shares, pairs, strict=True)]
        total, (downs, ups) = sum(changes), map(sum, zip(*pairs, strict=True))
        downs_of, ups_of = (sum(map(torch.mul, shares, x)) for x in zip(*pairs, strict=True))
        for hint, *slips in (
            ("the changes lack the factor `scale`.", total / 2),
            ("every adapter goes in whole: multiply each by its share.",
             sum(2 * up @ down for down, up in pairs)),
            ("the old weight is missing: begin with it.", total - weight),
            ("that is the change of one adapter only: add up all.", changes[0], changes[-1]),
            ("multiply each pair before adding.", 2 * ups_of @ downs, 2 * ups @ downs_of),
        ):  # fmt: skip
            if any(same(found, weight + slip, 1e-4) for slip in slips):
                raise Wrong(hint)
        compare(found, weight + total, "these are not all changes, added up.", tolerance=1e-4)


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
        kept = (u[:, :rank] * s[:rank]) @ v[:rank]
        mistakes = {"that is the new weight, not the change.": before + kept}
        mistakes["that is the whole change, of full rank."] = after - before
        mistakes["the singular values are missing."] = u[:, :rank] @ v[:rank]
        mistakes["the sign: the change is after - before."] = -kept
        turned = (u[:, :rank] * s[:rank]) @ v[:, :rank].T if rank == 1 else kept * 0
        mistakes["`svd` returns v transposed: take its first rows."] = turned
        for hint in [hint for hint, wrong in mistakes.items() if same(found, wrong, 1e-4)]:
            raise Wrong(hint)
        compare(found, kept, f"there is a nearer matrix of rank {rank}.", tolerance=1e-4)
