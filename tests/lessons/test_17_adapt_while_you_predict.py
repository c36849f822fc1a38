"""Functions that lesson 17 writes out."""

import math

import torch
from notebook_code import definitions
from torch import nn

lesson = definitions("17", where=torch.device("cpu"))


def source() -> object:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3)
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    end = nn.Sequential(nn.Conv2d(2, 3, 1), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    return lesson.Source(end, nn.Linear(3, 2), torch.randn(3))


def test_statistics_are_stored_the_batch_s_own_or_between() -> None:
    end, x = source().end, torch.randn(8, 2, 4, 4) + 1
    assert torch.equal(lesson.adapting(end, math.inf)(x), end(x))
    usual = end.train()(x)  # moves the stored statistics, so the order matters
    torch.testing.assert_close(lesson.adapting(end, 1)(x), usual)
    assert lesson.share(4, 2) == 1 - 0.75**2


def test_the_running_mean_moves_with_the_batches() -> None:
    found, x = source(), torch.randn(6, 2, 4, 4)
    assert (lesson.predict(found, x) == found.head(found.end(x)).argmax(1).numpy()).all()
    alone = lesson.predict(found, x, shift=1, size=1)  # every feature becomes the day's mean
    assert (alone == int(found.head(found.mean).argmax())).all()


def test_tent_changes_scale_and_shift_of_a_copy() -> None:
    found, x = source(), torch.randn(6, 2, 4, 4)
    before = [p.clone() for p in found.end.state_dict().values()]
    low, high = (lesson.tent(found, x, rate, 9)[1] for rate in (0.1, 0.0))
    assert low < high
    assert all(map(torch.equal, before, found.end.state_dict().values()))
