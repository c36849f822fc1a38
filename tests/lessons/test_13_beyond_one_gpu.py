from types import SimpleNamespace

import pytest
import torch
from notebook_code import definitions
from torch import nn

from course_lib import training
from course_lib.tools import finetune

SHAPE = {"x": torch.randn(12, 4, dtype=torch.double), "y": torch.arange(12) % 2}
lesson = definitions("13", **SHAPE)


def test_the_gradient_is_that_of_the_mean_loss_and_when_the_mean_of_the_shares_is_it() -> None:
    model = nn.Linear(4, 2).double()
    found = lesson.gradient(model, SHAPE["x"], SHAPE["y"])
    nn.functional.cross_entropy(model(SHAPE["x"]), SHAPE["y"]).backward()
    assert torch.equal(found, torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert lesson.distance([6, 6], [1, 1], False, False) < 1e-12
    assert lesson.distance([4, 4, 4], [1, 1, 1], False, False) < 1e-12
    assert lesson.distance([8, 4], [1, 1], False, False) > 0.01
    assert lesson.distance([7, 3, 2], [7, 3, 2], False, False) < 1e-12
    assert lesson.distance([6, 6], [1, 1], True, False) > 0.01
    assert lesson.distance([6, 6], [1, 1], True, True) < 1e-12
    assert lesson.distance([12], [1], True, False) < 1e-12


def test_losses_are_read_from_what_the_command_prints() -> None:
    history = SimpleNamespace(
        train_loss=[1.5, 0.25], val_accuracy=[0.5, 0.75], seconds=[10.0, 9.5], best_epoch=1
    )
    test = training.Predictions(torch.eye(2), torch.tensor([0, 1]))
    outcome = finetune.Outcome(history, test, 0, 2, torch.device("cpu"))
    assert lesson.losses(outcome.report()) == [1.5, 0.25]
    assert outcome.report().splitlines()[-1] == "test accuracy 1.000 (2 images)"


def test_runs_fail_or_are_killed_and_a_whole_checkpoint_leads_to_the_same_weights(tmp_path) -> None:
    with pytest.raises(RuntimeError, match="no_such_program"):
        lesson.launch("no_such_program.py", processes=1)
    file = tmp_path / "run.ckpt"
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    assert lesson.kill_after_a_checkpoint(["-c", code, str(file)], file) != 0
    never = tmp_path / "never.ckpt"  # a run that fails before is not waited for
    assert lesson.kill_after_a_checkpoint(["-c", "raise SystemExit(3)"], never) == 3
    whole = lesson.train(lesson.begin(), 6)
    assert torch.equal(lesson.stopped(*lesson.STATE), whole)
    for left_out in lesson.STATE:
        kept = [name for name in lesson.STATE if name != left_out]
        assert lesson.off(lesson.stopped(*kept), whole) > 1e-3, left_out


def test_every_topic_of_the_map_is_at_home_somewhere() -> None:
    for topic, places in lesson.MAP.items():
        assert len(places) == len(lesson.FAMILIES), topic
        assert 2 in places and set(places) <= {0, 1, 2}, topic
    assert 0 < lesson.LATER < len(lesson.MAP)
