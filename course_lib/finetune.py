"""One run of fine-tuning from beginning to end, in one process or in many.

The recipe is the article's: stochastic gradient descent with momentum, the learning rate divided by
ten every seven epochs, the epoch chosen on validation images, the test images looked at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from course_lib import datasets, distributed, loaders, models, require, training


@dataclass(frozen=True)
class Settings:
    """What to train, and how.

    Attributes
    ----------
    dataset : str
        See :func:`course_lib.datasets.find`.
    backbone : str
        See :func:`course_lib.models.build_model`.
    epochs : int
        Passes over the training images, 0 or more.
    batch_size : int
        Images in a step, over all processes together.
    learning_rate : float
        Of the first epochs, above 0.
    image_size : int
        Side of the square images, in pixels, 8 or more.
    frozen : bool
        Train the head alone.
    pretrained : bool
        Start from ImageNet weights, or from random ones.
    augment : bool
        Random crops and flips of the training images.
    seed : int
        Of the split, the head, the order and the crops.
    workers : int
        Processes that load images, for each process that trains.
    device : str
        See :func:`course_lib.distributed.processes`.
    checkpoint : Path or None
        See :func:`course_lib.training.fit`.
    """

    dataset: str = "insects"
    backbone: str = models.EMBEDDED
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 0.01
    image_size: int = 128
    frozen: bool = False
    pretrained: bool = True
    augment: bool = True
    seed: int = 0
    workers: int = 0
    device: str = "auto"
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run; every process is told the same, but for the seconds.

    Attributes
    ----------
    history : History
        One entry an epoch, over the images of all processes.
    test : Predictions
        For every test image once, in the order of the folder, with the best epoch's weights.
    rank, processes : int
        Number of this process, from 0, and how many trained together.
    device : torch.device
        Where this process computed.
    """

    history: training.History
    test: training.Predictions
    rank: int
    processes: int
    device: torch.device

    def report(self) -> str:
        """Epochs and test accuracy, in a few lines."""
        history = self.history
        lines = [f"processes: {self.processes} ({self.device.type})"]
        lines += ["epoch  training loss  validation accuracy  seconds"] * bool(history.seconds)
        rows = zip(history.train_loss, history.val_accuracy, history.seconds, strict=True)
        for number, (loss, accuracy, seconds) in enumerate(rows):
            kept = "  kept" if number == history.best_epoch else ""
            lines.append(f"{number + 1:5}  {loss:13.4f}  {accuracy:19.3f}  {seconds:7.1f}{kept}")
        accuracy, count = self.test.metrics.accuracy, len(self.test.labels)
        return "\n".join([*lines, f"test accuracy {accuracy:.3f} ({count} images)"])


def run(settings: Settings) -> Outcome:
    """Fine-tune a network, together with the other processes of ``torchrun`` if there are any.

    Parameters
    ----------
    settings : Settings
        The same in every process.

    Returns
    -------
    Outcome
        Does not depend on the number of processes, to within rounding, unless BatchNorm learns on
        CPUs; see :func:`course_lib.distributed.replicate`.

    Raises
    ------
    FileNotFoundError, ValueError, FloatingPointError, WeightsUnavailable
        If settings, images or checkpoint are not as they should be; see the functions it calls.
    """
    require.parameters(epochs=settings.epochs, learning_rate=settings.learning_rate)
    with distributed.processes(settings.device) as device:
        if distributed.rank() > 0:
            os.environ["COURSE_LIB_PROGRESS"] = "0"  # one bar is enough
        device = training.pick_device(device)
        classes = datasets.scan(datasets.find(settings.dataset)).classes
        model = models.build_model(
            settings.backbone, len(classes), pretrained=settings.pretrained, seed=settings.seed
        )
        splits = loaders.make_loaders(
            settings.dataset,
            model.preprocessing,
            settings.image_size,
            settings.batch_size,
            augment=settings.augment,
            seed=settings.seed,
            num_workers=settings.workers,
        )
        train = distributed.train_loader(splits.train, settings.batch_size)
        val, test = distributed.eval_loader(splits.val), distributed.eval_loader(splits.test)
        if settings.frozen:
            models.freeze_backbone(model)
        replica = distributed.replicate(model, device)
        trained = [p for p in replica.parameters() if p.requires_grad]
        optimizer = SGD(trained, settings.learning_rate, momentum=0.9)
        history = training.fit(
            replica,
            train,
            val,
            epochs=settings.epochs,
            optimizer=optimizer,
            scheduler=StepLR(optimizer, step_size=7, gamma=0.1),
            device=device,
            seed=settings.seed,
            checkpoint=settings.checkpoint,
        )
        found = training.predict(replica, test, device)
        rank, size = distributed.rank(), distributed.world_size()
        return Outcome(history, found, rank, size, device)
