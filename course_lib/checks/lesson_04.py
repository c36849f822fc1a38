"""Exercises of lesson 04, shared parameters."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, kind, numbers, same, shown


@exercise(
    "Write the penalty as (w - c)ᵀ Λ (w - c), with Λ = np.diag(strengths), and set the gradient "
    "to zero.",
    "Solve (XᵀX + Λ) w = Xᵀy + Λ c with `np.linalg.solve`.",
    right="this is the most probable model under a Gaussian prior that trusts some weights of the "
    "source more than others.",
)
def shrink_each(answer: object) -> None:
    """``answer(x, y, centre, strengths)``: shrunk to a centre, each weight by its own."""
    rng = np.random.default_rng(0)
    for rows, strengths in ((6, [2.0, 0.5, 0.0, 8.0]), (9, [0.1, 30.0, 3.0])):
        strengths, width = np.array(strengths), len(strengths)
        x, y, centre = rng.normal(size=(rows, width)), rng.normal(size=rows), rng.normal(size=width)
        penalty = np.diag(strengths)
        expected = np.linalg.solve(x.T @ x + penalty, x.T @ y + penalty @ centre)
        given = x, y, centre, strengths
        found = numbers(call(answer, *given), (width,), "a weight for each feature")
        if same(found, np.linalg.solve(x.T @ x + penalty, x.T @ y)):
            raise Wrong("that shrinks to zero. The centre is missing on the right-hand side.")
        if same(found, np.linalg.solve(x.T @ x + penalty, x.T @ (y - x @ centre))):
            raise Wrong("that is the step away from the centre. Add the centre.")
        if same(found, np.linalg.solve(x.T @ x + penalty, x.T @ y + centre)):
            raise Wrong("the centre enters without its strengths: multiply it by Λ.")
        one = np.eye(width) * strengths.mean()
        if same(found, np.linalg.solve(x.T @ x + one, x.T @ y + one @ centre)):
            raise Wrong("one strength for all: each weight has its own, on the diagonal of Λ.")
        compare(found, expected, "the gradient Xᵀ(Xw - y) + Λ(w - c) is not zero at your weights.")


@exercise(
    "A centre is an array of weights like any other, and `-source` is one too.",
    "Return a dictionary with four names: source, zero, half and minus.",
    right="a source that is reliably wrong is as informative as one that is reliably right: "
    "`minus` turns it round. Only a source that says nothing cannot be repaired.",
)
def more_centres(answer: object) -> None:
    """``answer(source)`` returns four centres by name."""
    for source in (np.array([2.0, -1.0, 0.5]), np.array([-0.3, 0.0, 4.0, 1.0])):
        found = call(answer, source)
        if not isinstance(found, dict):
            raise Wrong(f"`choose` takes a dictionary of names and weights, not {kind(found)}.")
        expected = {"source": source, "zero": 0 * source, "half": source / 2, "minus": -source}
        if missing := [name for name in expected if name not in found]:
            raise Wrong(f"the centre {missing[0]!r} is missing: the jury cannot choose it.")
        for name, centre in expected.items():
            weights = numbers(found[name], source.shape, f"a weight for every feature in {name!r}")
            if name == "minus" and same(weights, 1 - source):
                raise Wrong("`1 - source` turns probabilities round. Turn weights by their sign.")
            otherwise = f"for the source {source.tolist()}, {name!r} is not {shown(found[name])}."
            compare(weights, centre, otherwise)
