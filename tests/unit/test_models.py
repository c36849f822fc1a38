"""Backbones and heads: real weights and missing ones, seeds, freezing, fingerprints."""

import os
import socket
from unittest.mock import Mock
from urllib.error import HTTPError, URLError

import pytest
import timm
import torch
import torchvision
from torch import nn

from course_lib import datasets, loaders, models
from course_lib.loaders import Preprocessing

WEIGHTS = "resnet18-f37072fd.pth"  # the article's, as torch.hub calls them
SILENCE = [URLError("no route"), TimeoutError("10 s")]


@pytest.fixture(scope="module")
def embedded():
    return models.build_model(num_classes=None).eval()


def test_the_installed_weights_know_imagenet_and_each_network_has_its_preprocessing(embedded):
    """The real weights: a rendered ant is taken for some insect, not for any of 1000 things."""
    files = datasets.scan(datasets.find("insects")).files["val"][::8]
    photos = loaders.Photos(files, loaders.eval_transform(embedded.preprocessing, 224))
    with torch.inference_mode():
        logits = embedded(torch.stack([photos[i][0] for i in range(len(photos))]))
    said = logits[:, [310, 309]].argmax(dim=1)
    assert (said == torch.tensor(photos.labels)).float().mean() >= 0.7
    insects = range(300, 327)  # beetles, flies, bees, ants, grasshoppers, moths …
    assert sum(int(c) in insects for c in logits.argmax(dim=1)) >= len(files) / 3
    half, mean, std = (0.5, 0.5, 0.5), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert embedded.preprocessing == Preprocessing(half, half, 0.875, "bicubic")
    article, other = (models.build_model(n, pretrained=False) for n in ("resnet18", "resnet10t"))
    assert article.preprocessing == Preprocessing(mean, std, 224 / 256, "bilinear")
    assert other.preprocessing == Preprocessing(mean, std, 0.875, "bicubic")


@pytest.mark.parametrize(
    ("name", "features"), [("resnet18", 512), ("test_resnet", 96), ("efficientnet_lite0", 1280)]
)
def test_a_backbone_makes_features_and_a_head_logits(name, features):
    model = models.build_model(name, 3, pretrained=False).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert model.backbone(images).shape == (2, features)
        assert torch.equal(model(images), model.head(model.backbone(images)))
    assert (model.head.in_features, model.head.out_features) == (features, 3)


@pytest.mark.parametrize("make", [torchvision.models.resnet18, timm.models.test_resnet])
def test_the_two_halves_compute_what_the_whole_one_did(make):
    images = torch.randn(2, 3, 32, 32)
    torch.manual_seed(3)
    whole = make().eval()
    halves = models.build_model(make.__name__, None, pretrained=False, seed=3).eval()
    with torch.inference_mode():
        assert torch.equal(whole(images), halves(images))


def test_a_seed_decides_what_is_random_and_leaves_the_dice_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    made = [models.build_model("test_resnet", pretrained=False, seed=s) for s in (3, 3, 4)]
    assert torch.equal(torch.rand(3), expected)
    for half in ("backbone", "head"):
        same, again, other = (models.fingerprint(getattr(model, half)) for model in made)
        assert same == again != other
    heads = (models.build_model(**how).head.weight.view(2, 1280) for how in ({}, {"seed": 1}))
    assert not torch.equal(*heads)


# A small member of each of 23 families, of which 13 are made for one size: not the 96 pixels here.
FAMILIES = """vit_tiny_patch16_224 deit_tiny_distilled_patch16_224 vit_small_patch14_dinov2
vit_base_patch16_siglip_224 eva02_tiny_patch14_224 swin_tiny_patch4_window7_224 levit_128s
mixer_s32_224 cait_xxs24_224 pit_ti_distilled_224 coat_lite_tiny gcvit_xxtiny
maxvit_rmlp_pico_rw_256 xcit_nano_12_p16_224 convnext_atto regnetx_002 mobilenetv3_small_050
densenet121 dla46_c repvit_m0_9 ghostnet_050 edgenext_xx_small mambaout_femto"""


@pytest.mark.parametrize("name", FAMILIES.split())
def test_every_family_of_timm_classifies_images_of_any_size(name):
    model = models.build_model(name, 3, pretrained=False, image_size=96).train()
    images = torch.randn(2, 3, 96, 96)
    assert model(images).shape == (2, 3)  # as in training, where some have two heads
    with torch.inference_mode():
        assert model.eval().backbone(images).shape == (2, model.head.in_features)


BAD_REQUESTS = [
    ("resnet81", {}, "'resnet81': no name that timm knows, as 'resnet18' would be"),
    ("efficientnetlite0", {}, "as 'efficientnet_lite0' would be"),
    ("???", {}, "as 'efficientnet_lite0' would be"),
    ("resnet18", {"num_classes": 0}, "num_classes is 0: expected a whole number of 1 or more"),
    ("resnet18", {"num_classes": 2.0}, "num_classes is 2.0"),
    ("efficientformer_l1", {"image_size": 96}, r"224 pixels: with image_size 96 .* \(\w*Error\(.T"),
    ("halonet26t", {"image_size": 96}, r"for 256 pixels: with image_size 96 .* \(AssertionError"),
    ("test_resnet", {}, r"'test_resnet', .* head gets no row of features \(ValueError\(.too many"),
    ("levit_128s", {"num_classes": None}, "'levit_128s', which does not end in one linear la"),
]


@pytest.mark.parametrize(("name", "how", "message"), BAD_REQUESTS)
def test_bad_requests_are_named_before_a_download(name, how, message, hub, monkeypatch):
    if name == "test_resnet":
        monkeypatch.setattr(timm.models.ResNet, "forward_head", lambda network, maps, **_: maps)
    with pytest.raises(ValueError, match=message) as no:
        models.build_model(name, **{"pretrained": name != "levit_128s", **how})
    assert "\n" not in str(no.value)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    no_network = Mock(side_effect=OSError("no network in this test"))
    for place, name in ((socket.socket, "connect"), (socket, "getaddrinfo")):
        monkeypatch.setattr(place, name, no_network)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_the_articles_weights_are_taken_from_the_folder_of_torch_hub(hub):
    torch.manual_seed(1)
    stand_in = torchvision.models.resnet18()
    torch.save(stand_in.state_dict(), hub / WEIGHTS)
    halves = models.build_model("resnet18", None)
    assert torch.equal(halves.head.weight, stand_in.fc.weight)
    assert torch.equal(halves.backbone.conv1.weight, stand_in.conv1.weight)
    fresh = models.build_model("resnet18", 2)
    assert torch.equal(fresh.backbone.conv1.weight, stand_in.conv1.weight)


@pytest.mark.parametrize("damage", ["cut", "empty", "other network", "planted"])
def test_weights_that_are_not_the_articles_are_refused(damage, hub):
    class Planted:
        def __reduce__(self) -> tuple:  # what unpickling would run
            return os.mkdir, (str(hub / "executed"),)

    planted, other = {"conv1.weight": Planted()}, nn.Linear(3, 2).state_dict()
    torch.save(planted if damage == "planted" else other, hub / WEIGHTS)
    if damage in ("cut", "empty"):
        os.truncate(hub / WEIGHTS, 500 * (damage == "cut"))
    with pytest.raises(models.WeightsUnavailable, match=r"'resnet18' could not be had \(.+\)\. "):
        models.build_model("resnet18")
    assert not (hub / "executed").exists()


@pytest.mark.parametrize("name", ["resnet18", "test_resnet"])
def test_missing_weights_are_one_sentence_at_once_and_never_random_ones(name, hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waits {seconds} s"))
    before = models.constants.HF_HUB_OFFLINE
    message = f"the pretrained weights of {name!r}"
    with pytest.raises(models.WeightsUnavailable, match=message) as no:
        models.build_model(name)
    assert "connect to the internet once" in str(no.value) and "\n" not in str(no.value)
    assert "Or use 'efficientnet_lite0': its weights are installed" in str(no.value)
    address = f"https://download.pytorch.org/models/{WEIGHTS} into {hub}. Or"
    assert (address in str(no.value)) == (name == "resnet18")
    assert list(hub.iterdir()) == [] and models.constants.HF_HUB_OFFLINE is before


@pytest.mark.parametrize("answer", [None, HTTPError("", 403, "no", None, None), *SILENCE])
def test_the_hub_is_asked_for_weights_only_if_it_answers(answer, monkeypatch):
    made, create = [], timm.create_model
    urlopen = Mock(side_effect=answer)

    def stand_in(name: str, pretrained: bool = False) -> nn.Module:
        if pretrained:
            made.append((pretrained, models.constants.HF_HUB_OFFLINE))
        return create(name)

    monkeypatch.setattr(models, "urlopen", urlopen)
    monkeypatch.setattr(models.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(timm, "create_model", stand_in)
    models.build_model("test_resnet")
    assert made == [(True, answer in SILENCE)] and models.constants.HF_HUB_OFFLINE is False
    urlopen.assert_called_once_with(models.constants.ENDPOINT, timeout=10)
    monkeypatch.setattr(models.constants, "HF_HUB_OFFLINE", True)
    models.build_model("test_resnet")
    assert made[1:] == [(True, True)] and models.constants.HF_HUB_OFFLINE
    urlopen.assert_called_once()


def small_model() -> models.Classifier:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return models.Classifier(nn.Sequential(*layers), nn.Linear(4, 2), Preprocessing())


def test_what_is_frozen_stays_as_it_was():
    model = small_model().train()
    model.backbone.requires_grad_(False)
    before = models.fingerprint(model.backbone)
    model(torch.randn(4, 3, 8, 8))  # without gradients alone BatchNorm still moves
    assert models.fingerprint(model.backbone) != before
    model.backbone.requires_grad_(True)
    assert models.freeze_backbone(model) is model
    before = models.fingerprint(model.backbone), models.fingerprint(model.head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for mode in (True, False, True):
        assert model.train(mode) is model
        assert model.head.training is mode and not any(m.training for m in model.backbone.modules())
        model(torch.randn(4, 3, 8, 8)).sum().backward()
        optimizer.step()
    assert models.fingerprint(model.backbone) == before[0]
    assert models.fingerprint(model.head) != before[1]
    assert all(w.requires_grad != n.startswith("backbone") for n, w in model.named_parameters())
    assert not models.freeze_backbone(small_model().eval()).head.training


@pytest.mark.parametrize(
    "name", ["backbone.0.weight", "head.bias", "backbone.1.running_var", "names", "more"]
)
def test_a_fingerprint_sees_every_bit(name):
    torch.manual_seed(0)
    model = small_model()
    before = models.fingerprint(model)
    assert models.fingerprint(model.to(memory_format=torch.channels_last)) == before
    if name == "names":
        model.stem = model.backbone
        del model.backbone
    elif name == "more":
        model.register_buffer("more", torch.zeros(0))
    else:
        model.state_dict()[name][0].view(torch.int32).bitwise_xor_(1)
    assert models.fingerprint(model) != before and len(before) == 16
