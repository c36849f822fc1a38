"""One run of fine-tuning, in one process or in many, that goes on where it was killed.

The recipe is the article's, with the epoch chosen on validation images and one look at the test
images. Processes of ``torchrun`` share each batch, and every image rolls dice of its own, so their
number does not matter, to within rounding, unless BatchNorm learns on CPUs.
"""

import glob
import hashlib
import math
import os
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from timm.layers import convert_sync_batchnorm  # torch's own drops the activations of timm's layers
from torch import Generator, Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset

from course_lib import datasets, devices, loaders, models, training
from course_lib.tools import export

MAY_CHANGE = {"dataset", "epochs", "workers", "device", "checkpoint", "model"}  # of the settings


@dataclass(frozen=True)
class Settings:
    """What to train, and how; the same in every process."""

    dataset: str = "insects"
    backbone: str = models.EMBEDDED
    epochs: int = 3
    batch_size: int = 32  # at most so many images in a step, over all processes together
    learning_rate: float = 0.01  # of the first seven epochs
    image_size: int = 128
    frozen: bool = False  # train the head alone
    pretrained: bool = True
    augment: bool = True
    seed: int = 0  # of the split, the head, the order and the crops
    workers: int = 0  # processes that load images, for each that trains
    device: str = "auto"
    checkpoint: Path | None = None  # holds the run after every epoch; one that is there goes on
    model: Path | None = None  # gets the trained classifier, as `export.save` writes it


@dataclass(frozen=True)
class Outcome:
    """What came of a run, as the first process saw it, and who this process was in it."""

    history: training.History
    test: training.Predictions
    rank: int
    processes: int
    device: torch.device
    begun: int = 0  # epochs that the checkpoint held already

    def report(self) -> str:
        """Epochs and test accuracy, in a few lines."""
        history = self.history
        lines = [f"processes: {self.processes} ({self.device.type})"]
        lines += ["epoch  training loss  validation accuracy  seconds"] * bool(history.seconds)
        rows = zip(history.train_loss, history.val_accuracy, history.seconds, strict=True)
        for number, (loss, accuracy, seconds) in enumerate(rows):
            kept = "  kept" * (number == history.best_epoch)
            lines.append(f"{number + 1:5}  {loss:13.4f}  {accuracy:19.3f}  {seconds:7.1f}{kept}")
        if self.begun == len(history.seconds):
            lines.append(f"nothing was trained: {self.begun} epochs were done before")
        accuracy, count = self.test.metrics.accuracy, len(self.test.labels)
        return "\n".join([*lines, f"test accuracy {accuracy:.3f} ({count} images)"])


def run(settings: Settings) -> Outcome:
    """Fine-tune a network, together with the other processes of ``torchrun`` if there are any."""
    if not 0 < settings.learning_rate < math.inf:
        raise ValueError(f"learning_rate is {settings.learning_rate}: expected a number above 0.")
    with processes(settings.device) as device:
        rank, size = place()
        if rank > 0:
            os.environ["COURSE_LIB_PROGRESS"] = "0"  # one bar is enough
        listing = datasets.scan(datasets.find(settings.dataset))
        classes, pixels, batch = listing.classes, settings.image_size, settings.batch_size
        drawn = {"pretrained": settings.pretrained, "seed": settings.seed, "image_size": pixels}
        alone = models.build_model(settings.backbone, len(classes), **drawn)
        how = {"augment": settings.augment, "seed": settings.seed, "num_workers": settings.workers}
        splits = loaders.make_loaders(listing, alone.preprocessing, pixels, batch, **how)
        photos, shares = OwnDice(splits.train.dataset), Shares(len(splits.train.dataset), batch)
        how = {"num_workers": settings.workers, "pin_memory": device.type == "cuda"}
        train = DataLoader(photos, batch_sampler=shares, generator=shares.generator, **how)
        if settings.frozen:
            models.freeze_backbone(alone)
        alone.to(device, memory_format=torch.channels_last)
        model: nn.Module = replicate(alone) if size > 1 else alone
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = SGD(trained, settings.learning_rate, momentum=0.9)
        scheduler = StepLR(optimizer, step_size=7, gamma=0.1)
        parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        precision = str(devices.pick_precision("auto", device, model)).removeprefix("torch.")
        run, begun, file = None, 0, settings.checkpoint
        about = identity(settings, listing) if file is not None else {}
        if file is not None and Path(file).exists():
            run, precision = restore(file, about, parts, shares.generator)
            begun = len(run.history.seconds)

        def after_epoch(run: training.Run) -> None:
            history = run.history
            for values in (history.train_loss, history.train_accuracy):
                seen, counts = zip(*from_each((values[-1], shares.own)), strict=True)
                values[-1] = float(np.average(seen, weights=counts))  # whoever saw them
            if file is not None:
                state = {name: part.state_dict() for name, part in parts.items()}
                state |= {**vars(run), "history": asdict(history), "precision": precision}
                dice = torch.get_rng_state(), torch.cuda.get_rng_state_all()
                dice = from_each((*dice, shares.generator.get_state()))
                if rank == 0:
                    for left in file.parent.glob(f".{glob.escape(file.name)}-????????"):
                        shutil.rmtree(left, ignore_errors=True)  # left by a kill
                    with datasets.written_whole(file) as part:
                        torch.save({**state, "about": about, "dice": dice}, part)

        how = {"device": device, "precision": precision, "run": run, "after_epoch": after_epoch}
        how |= {"epochs": settings.epochs, "seed": settings.seed}
        history = training.fit(**parts, train=train, val=splits.val, **how)
        history, test = from_each((history, training.predict(model, splits.test, device)))[0]
        if settings.model is not None and rank == 0:
            export.save(settings.model, export.Exported(alone, classes, settings.backbone, pixels))
        return Outcome(history, test, rank, size, device, begun)


def identity(settings: Settings, listing: datasets.Listing) -> dict[str, Any]:
    """All that must be as it was when a run goes on: settings, classes, and every image's bytes."""
    digest, count = hashlib.sha256(), sum(map(len, listing.files.values()))
    for split, files in listing.files.items():
        for path, label in files:
            digest.update(ascii((split, label, path.name)).encode() + path.read_bytes())
    images = f"{count} (SHA-256 {digest.hexdigest()[:12]}…)"
    same = {name: value for name, value in asdict(settings).items() if name not in MAY_CHANGE}
    return {"classes": listing.classes, "images": images, **same}


def restore(path: Path, about: dict, parts: dict, order: Generator) -> tuple[training.Run, str]:
    """Put parts and dice back to a checkpoint of this `identity`; its progress and precision."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # nothing is executed
        was = {name: state["about"][name] for name in about}
    except Exception as error:  # bytes that make no sense make the reader raise nearly everything
        why = f"({textwrap.shorten(repr(error), 300)}). Delete it, or name another file."
        raise ValueError(f"{path} is not a whole checkpoint of this course {why}") from None
    if differ := [name for name in about if was[name] != about[name]]:
        old, new = (", ".join(f"{n} {each[n]!r}" for n in differ) for each in (was, about))
        raise ValueError(f"{path} is of {old}, not {new}: go on with that, or name another.")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    dice, cuda, drawn = state["dice"][place()[0] % len(state["dice"])]
    torch.set_rng_state(dice)
    torch.cuda.set_rng_state_all(cuda[: torch.cuda.device_count()])
    order.set_state(drawn)
    history = training.History(**state["history"])
    return training.Run(history, state["best"], state["best_weights"]), state["precision"]


def place() -> tuple[int, int]:
    """Number of this process, from 0, and how many train together."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


@contextmanager
def processes(device: str) -> Iterator[torch.device]:
    """Join the processes that ``torchrun`` started, if it did; yield the device of this one."""
    if "LOCAL_RANK" not in os.environ:  # torchrun sets it
        yield devices.pick_device(device)
        return
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is {device!r}: expected auto, cpu, cuda for several processes.")
    own = torch.device("cpu")
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        there, started = torch.cuda.device_count(), int(os.environ["LOCAL_WORLD_SIZE"])
        if started > there:
            what = f"{started} processes were started on this machine, but it has {there} CUDA"
            advice = f"torchrun --nproc-per-node={max(there, 1)}, or device cpu"
            raise ValueError(f"{what} devices. Use {advice}.")
        own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(own)
    dist.init_process_group("cpu:gloo,cuda:nccl" if own.type == "cuda" else "gloo")
    try:
        yield own
    finally:
        dist.destroy_process_group()


def from_each(value: Any) -> list[Any]:
    """Collect one value from every process, in the order of their ranks; every process gets all."""
    values = [value] * place()[1]
    if len(values) > 1:
        dist.all_gather_object(values, value)
    return values


def replicate(model: nn.Module) -> DistributedDataParallel:
    """Let a model learn as one with those of the other processes; its weights keep their names."""
    # On CPUs, BatchNorm sees a share of the batch, and evaluation uses the first's statistics.
    if next(model.parameters()).is_cuda:
        model = convert_sync_batchnorm(model)
    replica, fraction = DistributedDataParallel(model), [1.0]

    def measure(replica: nn.Module, inputs: tuple[Tensor]) -> None:
        if replica.training:  # then all processes take part
            fraction[0] = len(inputs[0]) / sum(from_each(len(inputs[0])))

    def mean_over_images(fraction, bucket):  # torch refuses annotations that are strings
        done = dist.all_reduce(bucket.buffer().mul_(fraction[0]), async_op=True).get_future()
        return done.then(lambda future: future.value()[0])

    replica.register_forward_pre_hook(measure)
    replica.register_comm_hook(fraction, mean_over_images)
    replica.state_dict, replica.load_state_dict = model.state_dict, model.load_state_dict
    return replica


class Shares:
    """Of every batch the part of this process: positions, each with a seed for the image's dice."""

    def __init__(self, count: int, batch_size: int) -> None:
        self.count, self.batches = count, math.ceil(count / batch_size)
        self.generator = Generator()  # to be seeded alike in all processes
        self.rank, self.size = place()
        if (smallest := count // self.batches) < self.size:
            what = f"{self.size} processes cannot share a batch of {smallest} images"
            raise ValueError(f"{what}: use larger batches, more images or fewer processes.")

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[list[int]]]:
        order = torch.randperm(self.count, generator=self.generator)
        seeds = torch.randint(2**62, (self.count,), generator=self.generator)
        batches = torch.stack([order, seeds], dim=1).tensor_split(self.batches)
        mine = [batch[self.rank :: self.size].tolist() for batch in batches]
        self.own = sum(map(len, mine))
        yield from mine


class OwnDice(Dataset):
    """A data set whose random transforms depend on a seed that comes with the position."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, key: list[int]) -> Any:
        position, seed = key
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.dataset[position]
