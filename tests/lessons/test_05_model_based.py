"""Functions that lesson 05 writes out."""

import numpy as np
import pytest
import torch
from notebook_code import definitions
from torch import nn

lesson = definitions("05", momentum=0.9, where="cpu")


@pytest.fixture(scope="module")
def layers() -> list[nn.Module]:
    torch.manual_seed(0)
    pool = nn.Sequential(nn.Conv2d(5, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    chain = [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5)), pool]
    return [layer.eval() for layer in chain]


def clouds(seed: int, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 2
    return torch.randn(count, 4, generator=rng) + 2.0 * y[:, None], y


def test_the_pieces_of_the_backbone_say_what_the_whole_says() -> None:
    model = lesson.models.build_model("efficientnet_lite0", 2, pretrained=False, seed=0).eval()
    pieces = lesson.layers_of(model.backbone)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = nn.Sequential(*pieces)(x)
        torch.testing.assert_close(found, model.backbone(x))
    assert len(pieces) == 18


def test_one_pass_keeps_means_and_maps_and_training_the_top_leaves_the_layers(layers) -> None:
    x = torch.randn(35, 3, 8, 8)  # more than one batch, the last one ragged
    means, maps = lesson.pass_once(layers, x, depths=(0, 1, 3))
    assert [m.shape for m in means] == [(35, 4), (35, 5), (35, 6)]
    with torch.no_grad():
        first = layers[0](x)
        torch.testing.assert_close(torch.from_numpy(means[0]), first.mean(dim=(2, 3)))
        torch.testing.assert_close(maps[1], layers[1](first))
        torch.testing.assert_close(maps[0], layers[2](layers[1](first)))
    assert torch.equal(maps[3], x)
    before = [p.clone() for layer in layers for p in layer.state_dict().values()]
    x, y = torch.randn(20, 4, 6, 6), torch.arange(20) % 2
    top = lesson.top_of(layers, 2, 2, seed=0, width=6)
    statistics = top[0][1].running_mean.clone()
    start = top[0][0].weight.clone()
    lesson.train(top, x, y, 0.1, 5, seed=0)
    after = [p for layer in layers for p in layer.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(top[0][1].running_mean, statistics)  # evaluation mode
    assert not torch.equal(top[0][0].weight, start)


def test_training_learns_repeats_itself_clips_its_steps_and_has_a_rate_for_the_head() -> None:
    (x, y), (x_test, y_test) = clouds(0), clouds(1)
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 2))
        assert lesson.accuracy(network, x_test, y_test) < 0.8
        runs.append(lesson.train(network, x, y, 0.05, 60, seed=3))
        assert lesson.accuracy(network, x_test, y_test) > 0.85
    assert runs[0] == runs[1] and len(runs[0]) == 60 and runs[0][-1] < runs[0][0] / 2
    (x, y), network = clouds(0), nn.Sequential(nn.Linear(4, 2))
    before = nn.utils.parameters_to_vector(network.parameters()).clone()
    lesson.train(network, 1e4 * x, y, 0.5, 1, seed=0, clip=1.0)
    moved = nn.utils.parameters_to_vector(network.parameters()) - before
    assert moved.norm().item() == pytest.approx(0.5, rel=1e-3)
    (x, y), network = clouds(0), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    body, head = network[0].weight.clone(), network[1].weight.clone()
    lesson.train(network, x, y, 0.0, 3, seed=0, head_rate=0.1)
    assert torch.equal(network[0].weight, body) and not torch.equal(network[1].weight, head)


def test_few_are_drawn_of_each_class_and_constant_features_say_nothing() -> None:
    truth = np.arange(30) % 3
    chosen = lesson.few(truth, 4, seed=0)
    assert np.bincount(truth[chosen]).tolist() == [4, 4, 4] and len(set(chosen)) == 12
    assert chosen.tolist() != lesson.few(truth, 4, seed=1).tolist()
    y = np.arange(20) % 2
    assert lesson.linear_probe(np.ones((20, 3)), y, np.ones((20, 3)), y) == 0.5


@pytest.mark.parametrize("factor", [1e-4, 1.0, 1e4])
def test_the_probe_does_not_care_for_units(factor: float) -> None:
    (x, y), (x_test, y_test) = ((a.numpy(), b.numpy()) for a, b in (clouds(0), clouds(1)))
    assert lesson.linear_probe(factor * x, y, factor * x_test, y_test) > 0.9


@pytest.mark.parametrize(("channels", "side"), [(3, 48), (1, 8)])
def test_the_small_network(channels: int, side: int) -> None:
    network = lesson.small_cnn(channels, (4, 8), side, 5, seed=0)
    assert network(torch.zeros(2, channels, side, side)).shape == (2, 5)
    assert network[0](torch.zeros(2, channels, side, side)).shape == (2, 64)
    same, other = (lesson.small_cnn(channels, (4, 8), side, 5, seed=s) for s in (0, 1))
    assert torch.equal(network[1].weight, same[1].weight)
    assert not torch.equal(network[1].weight, other[1].weight)


def test_renewed_layers_forget_and_measure_their_statistics() -> None:
    x = 5 + 3 * torch.randn(64, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1))
    old, head = network[0].weight.clone(), network[2].weight.clone()
    assert lesson.renew(network, x, seed=1) is network and not network.training
    assert not torch.equal(network[0].weight, old) and torch.equal(network[2].weight, head)
    with torch.no_grad():
        out = network[:2](x)
    torch.testing.assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(out.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-2, rtol=0)
