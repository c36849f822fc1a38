"""Functions that lesson 14 writes out."""

import numpy as np
import pytest
import torch
from notebook_code import definitions

from course_lib.training import Predictions

lesson = definitions("14", own=50, maps={})


def test_the_right_quarter_is_covered_and_what_is_removed_is_gone_and_nothing_else() -> None:
    images = torch.ones(2, 3, 4, 4)
    hot = torch.arange(16.0).view(1, 1, 4, 4).repeat(2, 1, 1, 1)
    covered = lesson.cover(images, hot)
    assert torch.all(covered[:, :, 3] == 0) and torch.all(covered[:, :, :3] == 1)
    assert torch.all(lesson.cover(images, -hot)[:, :, 0] == 0)
    assert lesson.cover(images, hot, share=0.5).sum() == 2 * 3 * 8
    centre = lesson.cover(images, lesson.centre_square(images))
    assert torch.all(centre[:, :, 1:3, 1:3] == 0) and centre.sum() == 2 * 3 * 12
    rng = torch.Generator().manual_seed(0)
    x, directions = torch.randn(8, 30, generator=rng), torch.randn(3, 30, generator=rng)
    left = lesson.without(x, directions)
    torch.testing.assert_close(left @ directions.T, torch.zeros(8, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(lesson.without(left, directions), left, atol=1e-5, rtol=0)
    assert torch.linalg.matrix_rank(x - left) == 3


def predictions(probability: list[float], right: list[bool]) -> Predictions:
    """Two classes; the answer is always class 1, with the probability given."""
    p = torch.tensor(probability)
    return Predictions(torch.stack([1 - p, p], dim=1).log(), torch.tensor(right).long())


def test_calibration_error_by_hand_luck_of_few_photos_and_the_temperature_of_blown_up_logits():
    given = predictions([0.92, 0.98, 0.71, 0.79], [True, True, True, False])
    expected = [[2, 0.75, 0.5], [2, 0.95, 1.0]]
    np.testing.assert_allclose(lesson.reliability(given), expected, atol=1e-6)
    assert lesson.ece(given) == pytest.approx((2 * 0.25 + 2 * 0.05) / 4)
    together = predictions([1.0, 0.94], [True, True])  # the last bin is closed above
    np.testing.assert_allclose(lesson.reliability(together), [[2, 0.97, 1.0]], atol=1e-6)
    assert lesson.ece(predictions([1.0, 1.0], [True, False])) == pytest.approx(0.5)
    logits = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(2000, dtype=torch.long)
    few, many = (lesson.luck(Predictions(logits[:n], labels[:n]), times=20) for n in (50, 2000))
    assert 0 < many < 0.03 < 0.06 < few
    rng = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 3, generator=rng)
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=rng).flatten()
    for factor in (0.25, 4.0):
        blown_up = Predictions(honest * factor, labels)
        found = lesson.temperature(blown_up)
        assert found == pytest.approx(factor, rel=0.05)
        scaled = lesson.scaled(blown_up, found)
        assert torch.equal(scaled.classes, blown_up.classes) and lesson.ece(scaled) < 0.01
