"""Plausible wrong answers to the exercises of lesson 19, and what is said about them."""

UPDATED = """def updated(q, state, action, reward, after, ended, rate, discount):
    q, run = q.copy(), np.arange(len(q))
    later = np.where(ended, 0, discount * q[run, after].max(1))
"""
MOVE = "    q[run, state, action] += rate * (reward + later - q[run, state, action])\n    return q"
TURNED = """def turned(q):
    board = np.arange(len(q)).reshape(int(len(q) ** 0.5), -1)
    states, back = np.rot90(board).ravel(), np.rot90(board, -1).ravel()
    return """

WRONG = {
    "updated": [
        (UPDATED + "    later = discount * q[run, after].max(1)\n" + MOVE, "has no future"),
        (UPDATED + "    later = later / discount\n" + MOVE, "counts less"),
        (UPDATED + "    later = ~ended * discount * q[run, after].mean(1)\n" + MOVE, "not"),
        (UPDATED + "    rate = 1\n" + MOVE, "the share `rate`"),
        (UPDATED + "    q[:, state, action] += rate\n    return q", "only `q[i, state[i]"),
        (UPDATED + "    reward = 0\n" + MOVE, "agent 3, `ended` True: 0.405 becomes 0.671, not"),
        (UPDATED + "    return q[run, state]", "expected"),
    ],
    "turned": [
        (TURNED + "q[states]", "right becomes up"),
        (TURNED + "q[:, [1, 2, 3, 0]]", "elsewhere"),
        (TURNED + "q[back][:, [3, 0, 1, 2]]", "puts the states elsewhere"),
        (TURNED + "q[states][:, [3, 0, 1, 2]]", "states right, actions wrong"),
    ],
}  # fmt: skip
