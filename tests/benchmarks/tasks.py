"""What a contender of the speed benchmark is asked to do, and what it brings back."""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

from course_lib import models, training

NAMES = {
    "a": "the article's loop",
    "b": "fast.ai vision_learner",
    "c": "PyTorch Lightning",
    "d": "Hugging Face Trainer",
    "e": "course_lib",
    "f": "floor: passes only",
}


@dataclass(frozen=True)
class Task:
    """One run of one contender, in a process of its own.

    Attributes
    ----------
    measure : str
        ``"speed"`` (fine-tune everything), ``"frozen"`` (train the head), ``"accuracy"``
        (fine-tune, however the contender does it best) or ``"growth"``.
    contender : str
        A letter of ``NAMES``.
    dataset : str
        Trained on its ``train`` folder, validated on its ``val`` folder.
    batch_size : int or None
        None is the contender's own choice.
    precision : str
        ``"auto"`` or ``"float32"``.
    workers : int
        Processes that load photos, where the contender has such.
    images : int
        Of the made-up data set whose growth is measured; 0 elsewhere.
    """

    measure: str
    contender: str
    dataset: str
    backbone: str
    pretrained: bool
    image_size: int
    epochs: int
    device: str
    seed: int = 0
    batch_size: int | None = None
    precision: str = "auto"
    workers: int = 0
    images: int = 0

    def model(self, classes: int) -> models.Classifier:
        """Build the network, the same for every contender."""
        return models.build_model(
            self.backbone, classes, pretrained=self.pretrained, seed=self.seed
        )


@dataclass
class Outcome:
    """What one run took and reached.

    Attributes
    ----------
    setup_seconds : float
        Opening the photos and whatever else precedes the first epoch, the model's weights aside.
    epoch_seconds : list of float
        Validation included; they add up to the whole time of the training call.
    accuracy : list of float
        On the validation images after each epoch, fractions in [0, 1]; empty for the floor.
    images : int
        Passed in one epoch, training and validation together.
    batch_size : int
    precision : str
    memory : int or None
        Peak of the process, in bytes; None where the system does not tell.
    memory_before : int or None
        Peak before the first photo was opened, where a task has an eye on it.
    memory_trained : int or None
        Peak until the end of training, before features were made.
    device_memory : int or None
        Peak of the graphics card, in bytes.
    features : int or None
        Bytes of the features that were made.
    parts : dict
        Seconds of single parts, by name, where a task has such.
    """

    setup_seconds: float = 0.0
    epoch_seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    images: int = 0
    batch_size: int = 0
    precision: str = "float32"
    memory: int | None = None
    memory_before: int | None = None
    memory_trained: int | None = None
    device_memory: int | None = None
    features: int | None = None
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From the first photo opened to the last epoch done."""
        return self.setup_seconds + sum(self.epoch_seconds)

    @property
    def seconds_an_epoch(self) -> float:
        """Mean over the epochs of this run."""
        return sum(self.epoch_seconds) / len(self.epoch_seconds)

    def seconds_to(self, accuracy: float) -> float | None:
        """Seconds, set-up included, until the validation accuracy first was at least this."""
        passed = self.setup_seconds
        for seconds, reached in zip(self.epoch_seconds, self.accuracy, strict=True):
            passed += seconds
            if reached >= accuracy - 1e-9:
                return passed
        return None


def peak_memory() -> int | None:
    """Largest memory this process ever held, in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Stopwatch:
    """Seconds since the last reading, all work on the device done."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._last = time.perf_counter()

    def read(self) -> float:
        """Seconds since the last reading or the start."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def precision(task: Task, model: nn.Module) -> str:
    """Name of the type in which the course multiplies the network's matrices in this task."""
    backward = task.measure != "frozen"
    picked = training.pick_precision(task.precision, task.device, model, backward=backward)
    return str(picked).removeprefix("torch.")


def autocast(task: Task, model: nn.Module) -> torch.autocast:
    """Return a context in which the network computes in that precision; it can be used again."""
    device = training.pick_device(task.device)
    mixed = precision(task, model) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed)


def warm_up(model: nn.Module, task: Task, batch_size: int) -> None:
    """Run one pass forward and backward on a copy, so that no contender pays for the first one."""
    device = training.pick_device(task.device)
    trial = copy.deepcopy(model).to(device).train()
    images = torch.zeros(batch_size, 3, task.image_size, task.image_size, device=device)
    with autocast(task, trial):
        logits = trial(images)
    loss = F.cross_entropy(logits.float(), torch.zeros(batch_size, dtype=int, device=device))
    if loss.requires_grad:
        loss.backward()
