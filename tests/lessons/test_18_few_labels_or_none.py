import numpy as np
import pytest
import torch
from notebook_code import definitions
from torch.nn import functional as F

lesson = definitions("18")


def test_simclr_finds_partners_by_their_cosine_and_the_three_terms_of_vicreg() -> None:
    a, b = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    z, losses = F.normalize(torch.cat([a, b]), dim=1), []
    for i in range(10):
        rivals = [z[i] @ z[k] / 0.5 for k in range(10) if k != i]
        losses.append(torch.stack(rivals).logsumexp(0) - z[i] @ z[(i + 5) % 10] / 0.5)
    for times in (1, 3):
        found = lesson.simclr(times * a, b, temperature=0.5)
        torch.testing.assert_close(found, torch.stack(losses).mean())
    wide = 2 * torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])  # uncorrelated, deviation > 1
    assert lesson.vicreg(wide, wide) == 0
    assert lesson.vicreg(wide, wide + 1).item() == pytest.approx(25)
    point = torch.ones(4, 2)
    assert lesson.vicreg(point, point).item() == pytest.approx(25 * 0.99)  # √(0 + 0.0001)
    assert lesson.vicreg(point, point, variance=0.0) == 0
    line = wide[:, :1].expand(4, 2)  # covariance 16/3 twice, in two views, over two features
    assert lesson.vicreg(line, line).item() == pytest.approx(2 * (16 / 3) ** 2)


def test_a_view_without_reach_is_the_picture_itself() -> None:
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    still = {"turn": 0, "shift": 0, "scale": 0, "shear": 0, "noise": 0}
    np.testing.assert_allclose(lesson.augment(x, **still), x, atol=1e-5)
    assert not torch.allclose(lesson.augment(x), x, atol=0.1)
