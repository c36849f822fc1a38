"""Functions that lesson 13 writes out."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from notebook_code import definitions
from torch import nn

from course_lib import training
from course_lib.tools import finetune

SHAPE = {"x": torch.randn(12, 4, dtype=torch.double), "y": torch.arange(12) % 2}
lesson = definitions("13", **SHAPE)


def test_gradient_is_that_of_the_mean_loss() -> None:
    model = nn.Linear(4, 2).double()
    found = lesson.gradient(model, SHAPE["x"], SHAPE["y"])
    nn.functional.cross_entropy(model(SHAPE["x"]), SHAPE["y"]).backward()
    assert torch.equal(found, torch.cat([p.grad.flatten() for p in model.parameters()]))


@pytest.mark.parametrize(
    ("sizes", "weights", "batchnorm", "frozen", "exact"),
    [
        ([6, 6], [1, 1], False, False, True),
        ([4, 4, 4], [1, 1, 1], False, False, True),
        ([8, 4], [1, 1], False, False, False),
        ([7, 3, 2], [7, 3, 2], False, False, True),
        ([6, 6], [1, 1], True, False, False),
        ([6, 6], [1, 1], True, True, True),
        ([12], [1], True, False, True),
    ],
)
def test_when_the_mean_of_the_shares_is_the_whole(
    sizes: list[int], weights: list[int], batchnorm: bool, frozen: bool, exact: bool
) -> None:
    off = lesson.distance(sizes, weights, batchnorm, frozen)
    assert off < 1e-12 if exact else off > 0.01


def test_losses_are_read_from_what_the_command_prints() -> None:
    history = SimpleNamespace(
        train_loss=[1.5, 0.25], val_accuracy=[0.5, 0.75], seconds=[10.0, 9.5], best_epoch=1
    )
    test = training.Predictions(torch.eye(2), torch.tensor([0, 1]))
    outcome = finetune.Outcome(history, test, 0, 2, torch.device("cpu"))
    assert lesson.losses(outcome.report()) == [1.5, 0.25]
    assert outcome.report().splitlines()[-1] == "test accuracy 1.000 (2 images)"


def test_a_failing_process_is_not_passed_over() -> None:
    with pytest.raises(RuntimeError, match="no_such_program"):
        lesson.launch("no_such_program.py", processes=1)


def test_only_a_checkpoint_with_everything_leads_to_the_same_weights() -> None:
    whole = lesson.train(lesson.begin(), 6)
    assert torch.equal(lesson.stopped(*lesson.STATE), whole)
    for left_out in lesson.STATE:
        kept = [name for name in lesson.STATE if name != left_out]
        assert lesson.off(lesson.stopped(*kept), whole) > 1e-3, left_out


def test_a_run_is_killed_once_its_checkpoint_is_there(tmp_path: Path) -> None:
    file = tmp_path / "run.ckpt"
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    assert lesson.kill_after_a_checkpoint(["-c", code, str(file)], file) != 0
    never = tmp_path / "never.ckpt"  # a run that fails before is not waited for
    assert lesson.kill_after_a_checkpoint(["-c", "raise SystemExit(3)"], never) == 3


def test_every_topic_of_the_map_is_at_home_somewhere() -> None:
    for topic, places in lesson.MAP.items():
        assert len(places) == len(lesson.FAMILIES), topic
        assert 2 in places and set(places) <= {0, 1, 2}, topic
    assert 0 < lesson.LATER < len(lesson.MAP)
