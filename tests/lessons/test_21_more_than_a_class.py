import torch
from notebook_code import definitions
from torch import nn

lesson = definitions("21", side=4, image_size=64)


def test_intersection_over_union_the_cut_that_reaches_it_and_what_is_covered() -> None:
    true = torch.zeros(2, 64, 64, dtype=torch.bool)
    true[:, 16:48, 16:32] = True
    assert lesson.iou(true.roll(16, dims=2), true).tolist() == [0, 0]
    assert lesson.iou(true.roll(16, dims=2) | true, true).tolist() == [0.5, 0.5]
    share = nn.functional.adaptive_avg_pool2d(true[:, None].float(), 4).flatten(1)
    level, reached = lesson.best_cut(share, true)
    assert 0 < level < 1 and reached > 0.6
    left = lesson.cover(torch.ones(1, 3, 64, 64), torch.arange(16.0)[None])
    assert left[:, :, 48:].sum() == 0 and left[:, :, :48].min() == 1


def test_the_reader_finds_the_weights_that_made_the_shares() -> None:
    rng = torch.Generator().manual_seed(0)
    table, wanted = torch.randn(8, 16, 5, generator=rng), torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    gram, target = table.mT @ table, (table.mT @ (table @ wanted)[..., None])[..., 0]
    lesson = definitions("21", side=4, grams={"maps": gram}, targets={"maps": target})
    torch.testing.assert_close(lesson.reader("maps", [1, 4, 6], 1e-6), wanted, atol=1e-3, rtol=0)
    assert lesson.reader("maps", [1, 4, 6], 1e3).norm() < 0.1


def test_a_cell_does_what_its_plan_says() -> None:
    plan = [[(0, "same"), (0, "same")], [(1, "same"), (0, "same")], [(1, "same"), (1, "same")]]
    cell = lesson.Cell(plan, 4)
    cell.out = nn.Identity()
    x = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(cell(x), 7 * x)  # 3 and 4: no node reads these two
    assert lesson.stacked(plan, 2)(torch.rand(3, 1, 8, 8)).shape == (3, 10)
