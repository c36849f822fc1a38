"""Three libraries that students would otherwise use, each as its own manual says.

Every one of them gets the course's network, the article's photos and transforms, its own loop, its
own loader processes, the same precision as ours where it can, and several batch sizes to choose
from. They come with the benchmark's extra, ``pip install -e ".[bench]"``.
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
import tomllib

import torch
from benchmarks import article
from benchmarks.tasks import Outcome, Stopwatch, Task, precision, warm_up
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_lib import datasets as course_datasets
from course_lib import paths
from course_lib.models import Classifier
from course_lib.training import pick_device, seed_everything

NEEDS = {"b": ("fastai",), "c": ("lightning",), "d": ("transformers", "accelerate")}
BATCH_SIZES = (16, 32, 64)
HEAD_RATE, BODY_RATE = 1e-3, 3e-4


def missing(contender: str) -> str | None:
    """How to install a peer; None where it is installed already."""
    absent = [name for name in NEEDS[contender] if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    project = tomllib.loads((paths.course_root() / "pyproject.toml").read_text(encoding="utf-8"))
    pins = project["project"]["optional-dependencies"]["bench"]
    wanted = [pin for pin in pins if re.split(r"[^\w-]", pin)[0] in NEEDS[contender]]
    return f"pip install {' '.join(wanted)}"


def run(task: Task) -> Outcome:
    """Train with the peer that the task names."""
    return {"b": fastai, "c": lightning, "d": hugging_face}[task.contender](task)


def _prepared(task: Task) -> tuple[Classifier, float]:
    """Return a network of the task, warmed up, and its learning rate."""
    model = task.model(len(course_datasets.scan(course_datasets.find(task.dataset)).classes))
    if task.measure == "frozen":
        model.backbone.requires_grad_(False)
    warm_up(model, task, task.batch_size)
    return model, HEAD_RATE if task.measure == "frozen" else BODY_RATE


def _outcome(task: Task, model: Classifier, images: int) -> Outcome:
    used = precision(task, model)
    return Outcome(batch_size=task.batch_size, images=images, precision=used)


def fastai(task: Task) -> Outcome:
    """``vision_learner`` and ``fit_one_cycle``; its mixed precision works on CUDA alone."""
    from fastai.vision.all import (
        Callback,
        FlipItem,
        ImageDataLoaders,
        Normalize,
        RandomResizedCrop,
        accuracy,
        vision_learner,
    )

    device = pick_device(task.device)
    model, rate = _prepared(task)
    shown = model.preprocessing
    seed_everything(task.seed)
    watch = Stopwatch(device)
    dls = ImageDataLoaders.from_folder(
        course_datasets.find(task.dataset),
        train="train",
        valid="val",
        bs=task.batch_size,
        num_workers=task.workers,
        device=device,
        item_tfms=[RandomResizedCrop(task.image_size, min_scale=0.08), FlipItem()],
        batch_tfms=Normalize.from_stats(shown.mean, shown.std),
    )
    outcome = _outcome(task, model, len(dls.train_ds) + len(dls.valid_ds))
    outcome.setup_seconds = watch.read()
    if device.type != "cuda":
        outcome.precision = "float32"

    class Lap(Callback):
        order = 99  # after the recorder

        def after_epoch(self) -> None:
            outcome.epoch_seconds.append(watch.read())
            outcome.accuracy.append(float(self.recorder.values[-1][-1]))

    # fast.ai cuts a network in front of its last pooling layer, so it is shown one to cut off.
    def arch(pretrained: bool) -> nn.Module:
        return nn.Sequential(model.backbone, nn.AdaptiveAvgPool2d(1))

    learn = vision_learner(
        dls,
        arch,
        normalize=False,
        custom_head=nn.Sequential(model.head),
        init=None,
        loss_func=nn.CrossEntropyLoss(),
        metrics=accuracy,
        cbs=[Lap()],
    )
    if task.measure != "frozen":
        learn.unfreeze()
    if outcome.precision == "bfloat16":
        learn.to_bf16()
    watch.read()
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(task.epochs, rate)
    return outcome


def lightning(task: Task) -> Outcome:
    """Fit a ``LightningModule`` with a ``Trainer``."""
    import lightning

    device = pick_device(task.device)
    model, rate = _prepared(task)
    lightning.seed_everything(task.seed, verbose=False)
    watch = Stopwatch(device)
    photos = article.image_datasets(task.dataset, model.preprocessing, task.image_size)
    options = {"batch_size": task.batch_size, "num_workers": task.workers}
    options["pin_memory"] = device.type == "cuda"
    train = DataLoader(photos["train"], shuffle=True, **options)
    val = DataLoader(photos["val"], **options)
    outcome = _outcome(task, model, sum(len(part) for part in photos.values()))
    outcome.setup_seconds = watch.read()

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = model

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            return F.cross_entropy(self.network(batch[0]), batch[1])

        def on_validation_epoch_start(self) -> None:
            self.right = torch.zeros((), device=self.device)

        def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
            self.right += (self.network(batch[0]).argmax(1) == batch[1]).sum()

        def on_validation_epoch_end(self) -> None:
            outcome.accuracy.append(self.right.item() / len(val.dataset))
            outcome.epoch_seconds.append(watch.read())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            trained = [p for p in self.parameters() if p.requires_grad]
            return torch.optim.AdamW(trained, lr=rate)

    trainer = lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=1,
        max_epochs=task.epochs,
        precision="bf16-mixed" if outcome.precision == "bfloat16" else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    module = Module()
    watch.read()
    trainer.fit(module, train, val)
    return outcome


def hugging_face(task: Task) -> Outcome:
    """``Trainer`` around the network and its loss."""
    import numpy as np
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    device = pick_device(task.device)
    model, rate = _prepared(task)
    seed_everything(task.seed)
    watch = Stopwatch(device)
    photos = article.image_datasets(task.dataset, model.preprocessing, task.image_size)
    outcome = _outcome(task, model, sum(len(part) for part in photos.values()))
    outcome.setup_seconds = watch.read()

    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model

        def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.network(pixel_values)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    def collate(batch: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
        images, labels = zip(*batch, strict=True)
        return {"pixel_values": torch.stack(images), "labels": torch.tensor(labels)}

    def accuracy(judged: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        logits, labels = judged
        return {"accuracy": float((logits.argmax(-1) == labels).mean())}

    class Lap(TrainerCallback):
        def on_evaluate(self, *_: object, metrics: dict[str, float], **__: object) -> None:
            outcome.epoch_seconds.append(watch.read())
            outcome.accuracy.append(metrics["eval_accuracy"])

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=task.batch_size,
            per_device_eval_batch_size=task.batch_size,
            num_train_epochs=task.epochs,
            learning_rate=rate,
            bf16=outcome.precision == "bfloat16",
            use_cpu=device.type == "cpu",
            dataloader_num_workers=task.workers,
            dataloader_pin_memory=device.type == "cuda",
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            remove_unused_columns=False,
            disable_tqdm=True,
            seed=task.seed,
        )
        trainer = Trainer(
            model=WithLoss(),
            args=arguments,
            train_dataset=photos["train"],
            eval_dataset=photos["val"],
            data_collator=collate,
            compute_metrics=accuracy,
            callbacks=[Lap()],
        )
        trainer.remove_callback(PrinterCallback)
        watch.read()
        trainer.train()
    return outcome
