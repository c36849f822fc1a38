import math

import torch
from notebook_code import definitions
from torch import nn

lesson = definitions("17", batch=2)


def source() -> object:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3)
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    end = nn.Sequential(nn.Conv2d(2, 3, 1), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    return lesson.Source(end.requires_grad_(False), nn.Linear(3, 2), torch.randn(3))


def test_statistics_are_stored_or_of_the_batch_and_one_subtraction_leaves_the_mean() -> None:
    end, x = source().end, torch.randn(8, 2, 4, 4) + 1
    assert torch.equal(lesson.adapting(end, math.inf)(x), end(x))
    torch.testing.assert_close(end.train()(x), lesson.adapting(end, 1)(x))
    assert lesson.share(4, 2) == 1 - 0.75**2
    found, x = source(), torch.randn(6, 2, 4, 4)
    z = lesson.seen(found.end, x)
    assert (lesson.answers(found, z) == found.head(z).argmax(dim=1).numpy()).all()
    by_day = int(found.head(found.mean).argmax())
    assert (lesson.answers(found, z, shift=1, size=1) == by_day).all()


def test_a_memory_keeps_how_pictures_differ_from_each_other() -> None:
    found = source()
    ready, (conv, norm, *_) = lesson.adapting(found.end, 4), found.end
    moments = torch.stack([norm.running_mean, norm.running_var + norm.running_mean**2])
    for x in torch.randn(9, 2, 4, 4).split(1):
        ready(x)
        moments = 0.75 * moments + torch.stack([conv(x), conv(x) ** 2]).mean(dim=(1, 3, 4)) / 4
    right = [moments[0], moments[1] - moments[0] ** 2]
    torch.testing.assert_close([ready[1].running_mean, ready[1].running_var], right)


def test_tent_lowers_the_entropy_with_a_copy() -> None:
    found, x = source(), torch.randn(6, 2, 4, 4).repeat(9, 1, 1, 1)
    before = [values.clone() for values in found.end.state_dict().values()]
    low, high = (lesson.tent(found, x, rate)[1] for rate in (0.1, 0.0))
    assert low < high and all(map(torch.equal, before, found.end.state_dict().values()))
