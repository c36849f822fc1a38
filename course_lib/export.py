"""A trained classifier in one file, with all that it takes to use it somewhere else.

Weights alone are not a classifier: without the names of the classes, the size of the images and the
normalisation nobody can use them, and with a wrong one they answer wrongly without complaint. So
all of it goes into one `safetensors <https://huggingface.co/docs/safetensors>`_ file. Such a file
holds numbers and text; reading it runs no code, unlike a pickle (``.pt``, ``.pth``).
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib import checkpoint, loaders, models, require, training
from course_lib.loaders import Preprocessing

FORMAT = "course_lib model 1"


class ModelFileError(ValueError):
    """A model file cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Exported:
    """A classifier and what one must know to use it.

    Attributes
    ----------
    model : Classifier
        With the preprocessing that its images need.
    classes : tuple of str
        Names of its outputs, in their order.
    backbone : str
        Name of the network, see :func:`course_lib.models.build_model`.
    image_size : int
        Side of the images it was trained on, in pixels.
    """

    model: models.Classifier
    classes: tuple[str, ...]
    backbone: str
    image_size: int

    def __post_init__(self) -> None:
        require.whole("image_size", self.image_size, 8)
        outputs = self.model.head.out_features
        if len(self.classes) != outputs or len(set(self.classes)) != outputs:
            raise ValueError(
                f"classes are {list(self.classes)}: expected {outputs} different names, one for "
                "each output of the model."
            )

    def metadata(self) -> dict[str, str]:
        """All but the weights, as texts: what both kinds of file hold beside them."""
        return {
            "format": FORMAT,
            "backbone": self.backbone,
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "image_size": json.dumps(self.image_size),
            "preprocessing": json.dumps(asdict(self.model.preprocessing)),
        }


def save(path: str | Path, exported: Exported) -> None:
    """Write a classifier into one safetensors file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to write or replace, usually ending in ``.safetensors``; its folder is made where it
        is missing.
    exported : Exported
        Every parameter and buffer of its model is written.

    Raises
    ------
    OSError
        If the file cannot be written; an older one is kept then.
    """
    from safetensors.torch import save_file

    # Copies, each in plain order: the format knows no shared memory and no channels-last.
    weights = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in exported.model.state_dict().items()
    }
    with _whole(path) as part:
        save_file(weights, part, metadata=exported.metadata())


def load(path: str | Path, device: str | torch.device = "cpu") -> Exported:
    """Read a classifier that :func:`save` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : str or Path
        The file.
    device : str or torch.device
        See :func:`course_lib.training.pick_device`.

    Returns
    -------
    Exported
        Its model in evaluation mode, on the device; its logits are those of the model saved, bit
        for bit on the same kind of device with as many threads.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is damaged, of another program, or its weights do not fit
        the network that it names.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"there is no model file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is not a whole safetensors file ({error}). Only such files are read: a pickle "
            "(.pt, .pth) could run code. Save the model with course_lib.export.save."
        ) from None
    if metadata.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} holds weights, but not a model of this course: expected the metadata that "
            "course_lib.export.save writes."
        )
    try:
        classes = json.loads(metadata["classes"])
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError(f"the classes are {classes!r}")
        model = models.build_model(metadata["backbone"], len(classes), pretrained=False)
        model.preprocessing = _preprocessing(json.loads(metadata["preprocessing"]))
        image_size = json.loads(metadata["image_size"])
        exported = Exported(model, tuple(classes), metadata["backbone"], image_size)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path} is a model file, but its description is damaged or from another version of "
            f"the course ({error}). Save the model anew."
        ) from None
    try:
        checkpoint.check_fits(model, weights, path)
    except checkpoint.CheckpointError as error:
        raise ModelFileError(f"{error} The file says backbone {exported.backbone!r}.") from None
    model.load_state_dict(weights)
    model.to(training.pick_device(device), memory_format=torch.channels_last).eval()
    return exported


def _preprocessing(stored: dict[str, object]) -> Preprocessing:
    """Preprocessing from a model file, its values checked."""
    mean, std = (tuple(float(value) for value in stored.pop(name)) for name in ("mean", "std"))
    found = Preprocessing(mean, std, **stored)
    numbers = [*mean, *std, require.number("crop_fraction", found.crop_fraction, 0.0, 1.0)]
    if len(numbers) != 7 or not all(map(math.isfinite, numbers)) or min(std) <= 0:
        raise ValueError(f"the normalisation is mean {mean}, std {std}")
    require.one_of("interpolation", found.interpolation, ("bilinear", "bicubic"))
    return found


def read(exported: Exported, photo: str | Path) -> Tensor:
    """One photo as the model wants to see it.

    Parameters
    ----------
    exported : Exported
        Its image size and its model's preprocessing are used.
    photo : str or Path
        An image file.

    Returns
    -------
    Tensor
        float32, shape (3, image_size, image_size), normalised: what
        :func:`course_lib.loaders.eval_transform` makes of it.

    Raises
    ------
    ValueError
        If the file is no image; the message names it.
    FileNotFoundError
        If there is no file of this name, or it is a folder.
    """
    photo = Path(photo)
    if not photo.is_file():  # not there; or a pipe, which would be waited for
        raise FileNotFoundError(f"{photo}: there is no file of this name")
    transform = loaders.eval_transform(exported.model.preprocessing, exported.image_size)
    pixels = np.array(loaders.open_photo(photo))
    return transform(torch.from_numpy(pixels).movedim(2, 0))


def logits(exported: Exported, photos: Sequence[str | Path]) -> Tensor:
    """Logits of photos, each looked at by itself.

    Parameters
    ----------
    exported : Exported
        The classifier; it computes on the device that it is on.
    photos : sequence of str or Path
        Image files.

    Returns
    -------
    Tensor
        float32, shape (N, number of classes), on the CPU. What is said of a photo does not depend
        on the others, not by a bit.

    Raises
    ------
    ValueError, FileNotFoundError
        See :func:`read`.
    """
    device = next(exported.model.parameters()).device
    unknown = torch.zeros(1, dtype=torch.int64)
    batches = ((read(exported, photo)[None], unknown) for photo in photos)
    return training.predict(exported.model, batches, device).logits


def classify(exported: Exported, photo: str | Path) -> tuple[str, float]:
    """Name of the most probable class of a photo, and its probability in [0, 1].

    Parameters and errors are those of :func:`logits`, for one photo.
    """
    probabilities = logits(exported, [photo])[0].softmax(dim=0)
    best = int(probabilities.argmax())
    return exported.classes[best], float(probabilities[best])


def save_onnx(path: str | Path, exported: Exported) -> None:
    """Write a classifier as one ONNX file, which programs without torch can run.

    Parameters
    ----------
    path : str or Path
        File to write or replace, usually ending in ``.onnx``.
    exported : Exported
        The model's input is ``images``, float32 of shape (batch, 3, image_size, image_size),
        normalised; its output is ``logits``. The rest lies in the file's metadata.

    Raises
    ------
    OSError
        If the file cannot be written; an older one is kept then.

    Notes
    -----
    `torch.onnx.export <https://docs.pytorch.org/docs/stable/onnx_export.html>`_; the number of
    images in a batch is left open.
    """
    model = exported.model
    was_training, device = model.training, next(model.parameters()).device
    size = exported.image_size
    examples = torch.zeros(2, 3, size, size, device=device)
    batch = torch.export.Dim("batch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the exporter's own insides
            program = torch.onnx.export(
                model.eval(),
                (examples,),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: batch},),
                dynamo=True,
                verbose=False,
            )
    finally:
        model.train(was_training)
    program.model.metadata_props.update(exported.metadata())
    with _whole(path) as part:
        program.save(part, external_data=False)


@contextmanager
def _whole(path: str | Path) -> Iterator[Path]:
    """Yield a place beside a file; what is written there becomes the file, unless it fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")  # one name: what a killed run left is overwritten
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
