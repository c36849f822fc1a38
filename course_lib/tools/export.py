"""A trained classifier and what its use takes, in one file that runs no code when it is read.

Its format is `safetensors <https://huggingface.co/docs/safetensors>`_; a pickle could run code.
"""

import copy
import json
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from course_lib import datasets, devices, loaders, models, training

FORMAT = "course_lib model 1"


@dataclass(frozen=True)
class Exported:
    """A classifier, and what its use takes beside the weights."""

    model: models.Classifier
    classes: tuple[str, ...]  # names of the outputs, in order
    backbone: str  # as `models.build_model` knows it
    image_size: int  # side in pixels

    def __post_init__(self) -> None:
        datasets.whole("image_size", self.image_size, 8)
        outputs = self.model.head.out_features
        if len(self.classes) != outputs or len(set(self.classes)) != outputs:
            what = f"expected {outputs} different names, one for each output of the model."
            raise ValueError(f"classes are {list(self.classes)}: {what}")

    def metadata(self) -> dict[str, str]:
        """All but the weights, as texts: what both kinds of file hold beside them."""
        seen, classes = json.dumps(asdict(self.model.preprocessing)), json.dumps(self.classes)
        about = {"format": FORMAT, "backbone": self.backbone, "preprocessing": seen}
        return {**about, "classes": classes, "image_size": str(self.image_size)}


def save(path: str | Path, exported: Exported) -> None:
    """Write a classifier into one safetensors file, whole or not at all."""
    path = _named(path, ".safetensors")
    weights = exported.model.state_dict()
    for name, tensor in weights.items():  # the format knows no shared memory and no channels-last
        weights[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    with datasets.written_whole(path) as part:
        part.write_bytes(to_bytes(weights, exported.metadata()))  # save_file would hide it: 0600


def _named(path: str | Path, ending: str) -> Path:
    """The path with ``~`` read, if it has its ending: no two kinds of file may share a name."""
    path = Path(path).expanduser()
    if path.suffix != ending:
        raise ValueError(f"{path}: expected a name that ends in {ending}.")
    return path


def load(path: str | Path, device: str | torch.device = "cpu") -> Exported:
    """Read a classifier that `save` wrote, in evaluation mode; anything else is a ValueError."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no model file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            exported = _described(file.metadata() or {})
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        exported.model.load_state_dict(weights)
    except Exception as error:  # what makes no sense can make every step of this stumble
        why = f"not a whole model file of this course ({textwrap.shorten(str(error), 300)})"
        only = "Only files are read that lesson 12 or 'train --model' wrote"
        raise ValueError(f"{path} is {why}. {only}: a pickle (.pt, .pth) could run code.") from None
    exported.model.to(devices.pick_device(device), memory_format=torch.channels_last).eval()
    return exported


def _described(metadata: dict[str, str]) -> Exported:
    """Build the classifier that a file's metadata describe, with random weights."""
    if metadata.get("format") != FORMAT:
        raise ValueError("it is of another program, or of another version of the course")
    names = ("classes", "preprocessing", "image_size")
    classes, stored, size = (json.loads(metadata[name]) for name in names)
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"the classes are {classes!r}")
    stored |= {name: tuple(stored[name]) for name in ("mean", "std")}
    how = {"pretrained": False, "image_size": size}
    model = models.build_model(metadata["backbone"], len(classes), **how)
    model.preprocessing = loaders.Preprocessing(**stored)
    black = torch.zeros(3, 8, 8, dtype=torch.uint8)
    if not loaders.eval_transform(model.preprocessing, size)(black).isfinite().all():
        raise ValueError(f"with the normalisation {stored} no image comes out")
    return Exported(model, tuple(classes), metadata["backbone"], size)


def read(exported: Exported, photo: str | Path) -> Tensor:
    """One photo as the model wants to see it: float32, (3, image_size, image_size), normalised."""
    photo = Path(photo)
    if not photo.is_file():  # not there; or a pipe, which would be waited for
        what = "image in this folder" if photo.is_dir() else "file of this name"
        raise FileNotFoundError(f"{photo}: there is no {what}")
    transform = loaders.eval_transform(exported.model.preprocessing, exported.image_size)
    return transform(torch.from_numpy(np.array(loaders.open_photo(photo))).movedim(2, 0))


def logits(exported: Exported, photos: Sequence[str | Path]) -> Tensor:
    """Logits of photos, float32, (N, classes), on the CPU; each is looked at by itself."""
    device = next(exported.model.parameters()).device
    batches = ((read(exported, photo)[None], torch.zeros(1, dtype=torch.int64)) for photo in photos)
    return training.predict(exported.model, batches, device).logits


def classify(exported: Exported, photo: str | Path) -> tuple[str, float]:
    """Name of the most probable class of a photo, and its probability from 0 to 1."""
    probability, best = logits(exported, [photo])[0].softmax(dim=0).max(dim=0)
    return exported.classes[best], float(probability)


def save_onnx(path: str | Path, exported: Exported) -> None:
    """Write one ONNX file, from ``images``, any number of what `read` makes, to ``logits``."""
    path = _named(path, ".onnx")
    images = torch.zeros(2, 3, exported.image_size, exported.image_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own insides
        model, one = copy.deepcopy(exported.model).cpu().eval(), torch.export.Dim("batch")
        model.apply(lambda layer: setattr(layer, "inplace", False))  # same graph, a third sooner
        names = {"input_names": ["images"], "output_names": ["logits"]}
        how = {"dynamic_shapes": ({0: one},), "dynamo": True, "verbose": False}
        program = torch.onnx.export(model, (images,), **names, **how)
    program.model.metadata_props.update(exported.metadata())
    with datasets.written_whole(path) as part:
        program.save(part, external_data=False)
