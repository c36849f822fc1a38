"""Exercises of lesson 01, why transfer learning."""

import numpy as np

from course_lib.checks import NotAttempted, Wrong, call, exercise, numbers, same, shown
from course_lib.features import Domain

CHANGES = ("P(X)", "P(Y)", "P(Y|X)", "label space")
CASES = {"a": "P(X)", "b": "P(Y|X)", "c": "P(Y)", "d": "label space"}
HINTS = {
    "a": "the same sign still means the same, it only looks different. What is the input here?",
    "b": "the mails are the same, and so are the two labels. Which mail gets which has changed.",
    "c": "a sick person looks as before, so P(X|Y) is the same. There are only more of them.",
    "d": "the set of possible answers is another one: a new task.",
}


@exercise(
    "Could the same input now deserve another label? If not, P(Y|X) is the same.",
    "If the set of labels itself is another one, the task has changed.",
    right="only in (b) have labels become false. In (a) and (c) the old ones are still true, and "
    "lessons 02 and 03 try to save them.",
)
def what_changed(answer: object) -> None:
    """``answer`` maps a, b, c and d to one of CHANGES."""
    if not isinstance(answer, dict) or set(answer) != set(CASES):
        raise Wrong("keep the dictionary with the keys a, b, c and d.")
    if any(said is ... for said in answer.values()):
        raise NotAttempted
    for case, expected in CASES.items():
        said = str(answer[case]).replace(" ", "").lower()
        if said not in (change.replace(" ", "").lower() for change in CHANGES):
            raise Wrong(f"({case}) {shown(answer[case])} is none of {', '.join(CHANGES)}.")
        if said != expected.replace(" ", "").lower():
            raise Wrong(f"({case}) {HINTS[case]}")


class _Nearest:
    """A classifier that a judge can follow: the class of the nearest class mean."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> "_Nearest":
        self.means = np.stack([x[y == label].mean(axis=0) for label in (0, 1)])
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, None] - self.means, axis=2).argmin(axis=1)

    def score(self, x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean(self.predict(x) == y))


@exercise(
    "Two models, from two calls of make(): one fitted to `source`, one fitted to `there`.",
    "`make().fit(there.x, there.y).score(test.x, test.y)`, minus the same with the source.",
    right="this is what is at stake in lessons 02 to 06: near zero, there is little to win.",
)
def won_back(answer: object) -> None:
    """``answer(make, source, there, test)``: accuracy won by labels from the new conditions."""
    rng = np.random.default_rng(0)
    for shift in (1.2, 0.3):  # by the second, labels from there win nothing
        domains = []
        for name, moved, count in (("source", 0, 80), ("there", shift, 80), ("test", shift, 120)):
            y = np.arange(count) % 2
            x = np.column_stack([2 * y - 1 + moved, np.zeros(count)]) + rng.normal(size=(count, 2))
            domains.append(Domain(name, x, y, ("ants", "bees")))
        source, there, test = domains
        informed, stale = (_Nearest().fit(d.x, d.y) for d in (there, source))
        here, old = (model.score(test.x, test.y) for model in (informed, stale))
        found = numbers(call(answer, _Nearest, source, there, test), (), "one difference")
        if same(found, old - here):
            raise Wrong("reversed, or without its sign: minus the accuracy of the source's model.")
        if same(found, stale.score(source.x, source.y) - old):
            raise Wrong("that is what the source's model loses. How much of it is won back?")
        if same(found, here):
            raise Wrong("that is the accuracy of the model trained there. Subtract the other's.")
        if same(found, informed.score(there.x, there.y) - stale.score(there.x, there.y)):
            raise Wrong("judge both on `test`: one of them has trained on `there`.")
        if not same(found, here - old):
            raise Wrong(f"expected {here:.3f} - {old:.3f}, not {found:.3f}.")
