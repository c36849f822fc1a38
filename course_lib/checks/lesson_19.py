"""Exercises of lesson 19, transfer by acting."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "Agent i changes one entry, `q[i, state[i], action[i]]`. What should it have been?",
    "Target: the reward, plus `discount * q[run, after].max(1)` where the episode goes on, with "
    "`run = np.arange(len(q))`. Move the entry towards it by the share `rate`.",
    right="one correction of a whole crowd of agents: that is all of Q-learning.",
)
def updated(answer: object) -> None:
    """``answer(q, state, action, reward, after, ended, rate, discount)``: the new tables."""
    for seed in (0, 1):
        rng, run = np.random.default_rng(seed), np.arange(3 + seed)
        q = rng.random((len(run), 5, 4))
        state, action, after = rng.integers((5, 4, 5), size=(len(run), 3)).T
        reward, ended, rate, discount = rng.random(len(run)), run % 2 == 1, 0.7, 0.9
        given = q, state, action, reward, after, ended, rate, discount
        found = numbers(call(answer, *given), q.shape, "a table per agent")

        def right(value: np.ndarray, rate: float = rate, given: tuple = given) -> np.ndarray:
            q, state, action, reward, *_ = given
            new, run = q.copy(), np.arange(len(q))
            new[run, state, action] += rate * (reward + value - q[run, state, action])
            return new

        later, own = discount * q[run, after], discount * q[run, state]
        going = np.where(ended, 0, 1)
        for wrong, hint in (
            (right(later.max(1)), "an episode that has ended has no future: leave it out there."),
            (right(later.max(1) * going / discount), "the future counts less: `discount`."),
            (right(later.mean(1) * going), "the mean over actions? It will take the best one."),
            (right(own.max(1) * going), "the future begins in `after`, not in `state`."),
            (right(later.max(1) * going, 1.0), "that jumps all the way: go the share `rate`."),
            (q, "nothing was learned: the tables are the old ones."),
        ):
            if same(found, wrong):
                raise Wrong(hint)
        expected = right(later.max(1) * going)
        if not same(np.where(expected == q, found, q), q):
            raise Wrong("more than one entry per agent changed: index all three, `[run, s, a]`.")
        compare(found, expected, "the right entries changed, but not to the right numbers.")


@exercise(
    "Both must turn: on which cell of the old board does a new cell lie, and which old action is "
    "the new `up`?",
    "`np.rot90(board)` of the numbered board says which old state lies where; what pointed right "
    "points up afterwards, so the new up is the old right: `q[states][:, [1, 2, 3, 0]]`.",
    right="states and actions turned together: the same knowledge in other words, as in lesson 06.",
)
def turned(answer: object) -> None:
    """``answer(q)``: a table (side * side, 4) for the board turned by `np.rot90`."""
    for side in (3, 8):
        q, board = np.random.default_rng(side).random((side * side, 4)), np.arange(side * side)
        states = np.rot90(board.reshape(side, side)).ravel()
        back, actions = np.rot90(board.reshape(side, side), -1).ravel(), [1, 2, 3, 0]
        found = numbers(call(answer, q), q.shape, "a table")
        for wrong, hint in (
            (q, "nothing was turned."),
            (q[states], "the states are right; but `up` still means the old up."),
            (q[:, actions], "the actions are right; but each state must move as well."),
            (q[back][:, actions], "actions right, states turned the other way round."),
            (q[states][:, [3, 0, 1, 2]], "states right, actions turned the other way round."),
            (q[back][:, [3, 0, 1, 2]], "both turn the other way: `np.rot90` is anticlockwise."),
        ):
            if same(found, wrong):
                raise Wrong(hint)
        compare(found, q[states][:, actions], f"on a board of side {side} that is not the turn.")
