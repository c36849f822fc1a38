"""Functions that lesson 13 writes out."""

from types import SimpleNamespace

import numpy as np
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


@pytest.mark.parametrize(("sizes", "weights", "batchnorm", "frozen", "exact"), [
    ([6, 6], [1, 1], False, False, True),
    ([4, 4, 4], [1, 1, 1], False, False, True),
    ([8, 4], [1, 1], False, False, False),
    ([7, 3, 2], [7, 3, 2], False, False, True),
    ([6, 6], [1, 1], True, False, False),
    ([6, 6], [1, 1], True, True, True),
    ([12], [1], True, False, True),
])  # fmt: skip
def test_when_the_mean_of_the_shares_is_the_whole(sizes, weights, batchnorm, frozen, exact) -> None:
    off = lesson.distance(sizes, weights, batchnorm, frozen)
    assert off < 1e-12 if exact else off > 0.01


def test_losses_are_read_from_what_the_command_prints_and_a_failure_is_not_passed_over() -> None:
    known = {"train_loss": [1.5, 0.25], "val_accuracy": [0.5, 0.75], "seconds": [10.0, 9.5]}
    history = SimpleNamespace(best_epoch=1, **known)
    test = training.Predictions(torch.eye(2), torch.tensor([0, 1]))
    outcome = finetune.Outcome(history, test, 0, 2, torch.device("cpu"))
    assert lesson.losses(outcome.report()) == [1.5, 0.25]
    assert outcome.report().splitlines()[-1] == "test accuracy 1.000 (2 images)"
    with pytest.raises(RuntimeError, match="no_such_program"):
        lesson.launch("no_such_program.py", processes=1)


def test_the_test_images_stay_out_of_training_and_remedies_help_against_forgetting() -> None:
    given = definitions("13", images=torch.zeros(1797, 64), labels=torch.arange(1797) % 10)
    train, (old, new) = given.digits_split(0)
    assert sorted(torch.cat([train, old, new]).tolist()) == list(range(1797))
    assert set((old % 10).tolist()) == {0, 1, 2, 3, 4}
    assert set((new % 10).tolist()) == {5, 6, 7, 8, 9}
    alone, replayed, joint = lifetimes(0), lifetimes(5), lifetimes(None)
    assert alone.shape == replayed.shape == joint.shape == (16, 2)
    assert np.array_equal(alone[:8], replayed[:8])  # the past is the same
    assert alone[7, 0] > 0.9 and alone[7, 1] == 0
    assert alone[-1, 0] < 0.2 < 0.9 < min(replayed[-1, 0], joint[-1, 0])


def lifetimes(kept: int | None) -> np.ndarray:
    """Ten well separated clouds in place of the digits; accuracy on old and new, pass by pass."""
    labels = torch.arange(600) % 10
    noise = torch.randn(600, 64, generator=torch.Generator().manual_seed(0))
    images = nn.functional.one_hot(labels, 64) + 0.1 * noise
    return np.array(definitions("13", images=images, labels=labels).lifetime(0, kept))


def test_summaries_are_lines_of_their_own_and_every_topic_of_the_map_is_at_home() -> None:
    for shelf in lesson.SHELVES:
        lines = lesson.summaries(shelf)
        assert len(lines) == len(set(lines)) >= 40
        assert all(len(line.split()) >= 4 for line in lines)
    for topic, places in lesson.MAP.items():
        assert len(places) == len(lesson.FAMILIES), topic
        assert 2 in places and set(places) <= {0, 1, 2}, topic
