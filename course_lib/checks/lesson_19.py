"""Exercises of lesson 19, transfer by acting."""

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "Only `q[i, state[i], action[i]]` changes for agent i. What should it have been?",
    "The target is the reward, plus `discount * q[run, after].max(1)` if the episode goes on.",
    right="one correction of a whole crowd of agents: that is all of Q-learning.",
)
def updated(answer: object) -> None:
    """``answer(q, state, action, reward, after, ended, rate, discount)``: the new tables."""
    for seed in (0, 1):
        rng, run = np.random.default_rng(seed), np.arange(4 + seed)
        q, reward, ended = rng.random((len(run), 5, 4)), rng.random(len(run)), run % 2 == 1
        state, action, after = rng.integers((5, 4, 5), size=(len(run), 3)).T
        found = numbers(call(answer, q, state, action, reward, after, ended, 0.7, 0.9), q.shape)
        best, expected, on, entry = q[run, after].max(1), q.copy(), ~ended, (run, state, action)
        for later, rate, hint in (
            (0.9 * best, 0.7, "an episode that has ended has no future: leave it out there."),
            (best * on, 0.7, "the future counts less: `discount`."),
            ((0.9 * best - reward) * on, 0.7, "a reward may come on the way, too: always add it."),
            (0.9 * best.max() * on, 0.7, "each agent has a best action: `max` along the actions."),
            (0.9 * best * on, 1.0, "that jumps all the way: go the share `rate`."),
            (0.9 * best * on, 0.7, ""),
        ):
            expected[entry] = (1 - rate) * q[entry] + rate * (reward + later)
            if hint and same(found, expected):
                raise Wrong(hint)
        compare(np.where(expected == q, found, q), q, "only `q[i, state[i], action[i]]` changes.")
        i = abs(found - expected)[entry].argmax()
        old, new, got = (f"{each[entry][i]:.3f}" for each in (q, expected, found))
        compare(found, expected, f"agent {i}, `ended` {ended[i]}: {old} becomes {new}, not {got}.")


@exercise(
    "States and actions both turn. What pointed right points up afterwards.",
    "`states = np.rot90(board).ravel()`, for the board of numbers 0, 1, …, says where each lies.",
    right="the same knowledge in other words, as in lesson 06.",
)
def turned(answer: object) -> None:
    """``answer(q)``: a table (side * side, 4) for the board turned by `np.rot90`."""
    for side in (3, 8):
        q, board = np.random.default_rng(side).random((side * side, 4)), np.arange(side * side)
        found, states = numbers(call(answer, q), q.shape), np.rot90(board.reshape(side, -1)).ravel()
        compare(np.sort(found), np.sort(q[states]), "`np.rot90` puts the states elsewhere.")
        compare(found, q[states][:, [1, 2, 3, 0]], "states right, actions wrong: right becomes up.")
