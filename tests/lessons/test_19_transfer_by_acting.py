import numpy as np
from notebook_code import definitions

lesson = definitions("19", hope=0.2, target_steps=50)
EMPTY = lesson.make(np.zeros((2, 8, 8), bool), [63, 0])


def truth(worlds) -> np.ndarray:
    sure = np.eye(64)[worlds.table]
    return lesson.plan(0.9 * sure + 0.1 * sure.mean(axis=2, keepdims=True), worlds.goal)


def test_walls_stop_a_step_and_a_true_plan_is_the_best_on_its_and_the_mapped_world() -> None:
    q = truth(EMPTY)
    beside = 0.025 * lesson.DISCOUNT * q[0, [54, 61, 62]].max(axis=1).sum()
    np.testing.assert_allclose(q[0, 62, 1], 0.925 + beside, atol=1e-5)
    learned, reached = lesson.learn(EMPTY, q, 4000, rate=0.05, epsilon=0.1)
    assert np.abs(learned - q).max() < 0.15
    assert reached.mean(axis=0).min() > 0.1  # open boards: less than ten steps to the goal
    walls = lesson.new_walls(np.random.default_rng(0))
    q = truth(lesson.make([walls]))
    for states, actions in lesson.SYMMETRIES:
        there = lesson.make([walls.ravel()[states].reshape(8, 8)], (states == 63).argmax())
        np.testing.assert_allclose(lesson.mapped(q, (states, actions)), truth(there), atol=1e-5)
    q[0, 63, 0] = 9  # at the goal nobody acts: it is no cell to agree on
    assert lesson.agreement(lesson.Old(q, None), lesson.make([walls])) == 1
    moves = lesson.step_table(np.arange(64).reshape(8, 8) == 1)[[0, 9, 63]].tolist()
    assert moves == [[0, 0, 8, 0], [9, 10, 17, 8], [55, 63, 63, 62]]
