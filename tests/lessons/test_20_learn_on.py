from collections import namedtuple

import torch
from notebook_code import definitions
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

lesson = definitions("20")
Task = namedtuple("Task", "x y known")


def photos(classes: list[int], seed: int) -> Task:
    y = torch.tensor(classes).repeat_interleave(20)
    x = 3 * torch.eye(6)[y] + torch.randn(len(y), 6, generator=torch.Generator().manual_seed(seed))
    return Task(x, y, max(classes) + 1)


TASKS = [photos([0, 1], 0), photos([2, 3], 1)]


def test_sums_give_the_library_s_discriminant_in_any_order_of_the_photos() -> None:
    x, y = torch.cat([t.x for t in TASKS]), torch.cat([t.y for t in TASKS])
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3, priors=[0.25] * 4).fit(x, y)
    w, offset = (part[0] for part in lesson.by_sums(TASKS, [0.3])[-1][1:])
    test = photos([0, 1, 2, 3], 2).x
    ours = (test @ w.T + offset).log_softmax(dim=1)
    expected = torch.tensor(theirs.predict_log_proba(test), dtype=torch.float32)
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-3)


def test_a_plain_head_forgets_replay_remembers_and_a_strong_pull_keeps_what_was_needed() -> None:
    old = photos([0, 1], 2)
    plain = lesson.learn(TASKS, [0.3, 1.0])[-1][1]
    mixed = lesson.learn(TASKS, [0.3, 1.0], kept=5)[-1][1]
    assert (lesson.right(old, 4, plain).mean(dim=1) < lesson.right(old, 4, mixed).mean(dim=1)).all()
    rows = lesson.learn(TASKS, [0.3], only_new=True)
    assert torch.equal(rows[0][1][:, :2], rows[1][1][:, :2])
    hold = lesson.ewc(torch.tensor([[[0.0]], [[1e9]]]))  # stable at any strength and rate
    (_, before), (_, after) = lesson.learn(TASKS, [1.0] * 2, hold)
    moved = (after - before) * (lesson.importance(before, TASKS[0]) > 1e-3)
    assert moved[0].norm() > 1 and moved[1].norm() < 1e-3 and (after - before)[1, 2:].norm() > 1
