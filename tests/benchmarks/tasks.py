"""What a contender of the speed benchmark is asked to do, and what it brings back."""

import copy
import os
import platform
import re
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from course_lib import devices, models, training

NAMES = {"a": "the article's loop", "b": "fast.ai Learner", "c": "PyTorch Lightning"}
NAMES |= {"d": "Hugging Face Trainer", "e": "course_lib", "f": "floor: passes only"}


@dataclass(frozen=True)
class Task:
    """One run of one contender, a letter of ``NAMES``.

    ``measure`` is "speed" (fine-tune everything), "frozen" (train the head), "accuracy" (fine-tune,
    however the contender does it best) or "growth". ``batch_size=None`` is the contender's own
    choice, and ``images`` the size of the made-up data set whose growth is measured.
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

    def model(self) -> models.Classifier:
        return models.build_model(self.backbone, pretrained=self.pretrained, seed=self.seed)


@dataclass
class Outcome:
    """What one run took and reached.

    Seconds of an epoch include validation; accuracy is a fraction of the validation images, after
    each epoch. ``images`` pass in one epoch, both parts together; ``device_memory`` is in bytes.
    """

    setup_seconds: float = 0.0
    epoch_seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    images: int = 0
    batch_size: int = 0
    precision: str = "float32"
    device_memory: int = 0
    memory: str = "–"

    @property
    def seconds(self) -> float:
        return self.setup_seconds + sum(self.epoch_seconds)

    @property
    def seconds_an_epoch(self) -> float:
        """Median of the epochs of this run; where there are several, the first is a warm-up."""
        return median(self.epoch_seconds[1:] or self.epoch_seconds)

    def seconds_to(self, accuracy: float) -> float | None:
        """Seconds, set-up included, until the validation accuracy first was at least this."""
        for epoch, reached in enumerate(self.accuracy, start=1):
            if reached >= accuracy - 1e-9:
                return self.setup_seconds + sum(self.epoch_seconds[:epoch])
        return None


class Clock:
    """Seconds since it was last read, all work on the device done; written into an outcome."""

    def __init__(self, device: torch.device, outcome: Outcome) -> None:
        self.device, self.outcome, self._last = device, outcome, time.perf_counter()

    def read(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        last, self._last = self._last, time.perf_counter()
        return self._last - last

    def opened(self) -> None:
        self.outcome.setup_seconds += self.read()

    def lap(self, accuracy: float | None = None) -> None:
        self.outcome.epoch_seconds.append(self.read())
        self.outcome.accuracy += [] if accuracy is None else [accuracy]

    def after_epoch(self, run: training.Run) -> None:
        self.lap(run.history.val_accuracy[-1])


def precision(task: Task, model: nn.Module) -> torch.dtype:
    """Type in which the course multiplies the network's matrices in this task."""
    device, backward = devices.pick_device(task.device), task.measure != "frozen"
    return devices.pick_precision(task.precision, device, model, backward=backward)


def begin(task: Task, batch_size: int) -> tuple[models.Classifier, Outcome, Clock]:
    """Build the network, pass through a copy, so that nobody pays for that; start the clock."""
    model, device = task.model(), devices.pick_device(task.device)
    dtype = precision(task, model)
    trial = copy.deepcopy(model).to(device).train()
    images = torch.zeros(batch_size, 3, task.image_size, task.image_size, device=device)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        logits = trial(images).float()
    F.cross_entropy(logits, torch.zeros(batch_size, dtype=int, device=device)).backward()
    del trial, images, logits
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    outcome = Outcome(batch_size=batch_size, precision=str(dtype).removeprefix("torch."))
    training.seed_everything(task.seed)
    return model, outcome, Clock(device, outcome)


def hardware() -> str:
    """Processor, cores and threads, vector instructions, graphics card, and the versions."""
    known = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    name = re.search(r"^model name\s*: (.*)$|\Z", known, re.MULTILINE)[1] or platform.machine()
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    packages = ("torch", "torchvision", "timm", "numpy", "pillow")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    cores += f", {torch.backends.cpu.get_cpu_capability()}"
    return f"{name}, {cores}, {card}; python {platform.python_version()}, {versions}"
