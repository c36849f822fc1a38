"""Exercises of lesson 16, which source, before you train."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "`np.argsort(-cheap)[:k]` are the positions of the best k by the cheap score.",
    "Among these take the one whose expensive score is largest; return its place among all.",
    right="the expensive score decides among the k that are worth asking.",
)
def shortlist(answer: object) -> None:
    """``answer(cheap, expensive, k)``: the best by ``expensive`` of the k best by ``cheap``."""
    first = [0.3, 0.0, 0.1, 0.8, 0.2, 0.9, 0.5], [0.9, 0.6, 0.1, 0.3, 0.7, 0.4, 0.5], 3, 6
    second = [-3.0, -1.0, -2.0, -9.0], [-0.8, -1.0, -4.0, -0.5], 2, 1
    for cheap, expensive, k, wanted in (first, second):
        found = numbers(call(answer, np.array(cheap), np.array(expensive), k), (), "a position")
        mistakes = {0: "the best of all by the expensive score: shorten first",
                    5: "the best by the cheap score: the expensive one is to decide",
                    2: "a position in the short list: return the one among all",
                    4: "chosen among the k worst by the cheap score"}  # fmt: skip
        if len(cheap) > 4 and found in mistakes:
            raise Wrong(f"that is {mistakes[int(found)]}.")
        compare(found, wanted, f"for k = {k} it is candidate {wanted}, not {found:g}.")


@exercise(
    "The fit of all is `H @ t` with `H = x @ np.linalg.inv(x.T @ x + penalty * I) @ x.T`.",
    "Without row i its prediction misses by `(t − H t)[i] / (1 − H[i, i])`: take that off `t`.",
    right="n heads for the price of one: a ridge head is tried in milliseconds.",
)
def leave_one_out(answer: object) -> None:
    """``answer(x, t, penalty)``: each row predicted by a ridge regression on all the others."""
    rng = np.random.default_rng(0)
    for n, width, penalty in ((6, 2, 1.0), (5, 8, 0.5)):
        x, t = rng.normal(size=(n, width)), rng.normal(size=n)
        seen = [np.arange(n) != i for i in range(n)] + [np.ones(n, bool)]
        ridge = penalty * np.eye(width)
        fits = [np.linalg.solve(x[s].T @ x[s] + ridge, x[s].T @ t[s]) for s in seen]
        wanted = np.sum(x * fits[:-1], axis=1)
        found = numbers(call(answer, x, t, penalty), (n,), "a prediction per row")
        if same(found, x @ fits[-1]):
            raise Wrong("every row helped to fit its own prediction.")
        if same(found, t - wanted) or same(found, 2 * t - wanted):
            raise Wrong("these are the errors, or have them with the wrong sign: t − error.")
        compare(found, wanted, f"row 0 is {wanted[0]:.4f} without itself, not {found[0]:.4f}.")
