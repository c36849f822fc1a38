"""Three libraries that students would otherwise use, each as its own manual says.

Every one of them gets the course's network, the article's photos and transforms, its own loop, its
own loader processes, the same precision as ours where it can, and several batch sizes to choose
from. They come with the benchmark's extra, ``pip install -e ".[bench]"``.
"""

from __future__ import annotations

import importlib.util
import tempfile

import torch
from benchmarks import article
from benchmarks.tasks import Outcome, Stopwatch, Task, warm_up
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_lib import datasets as course_datasets
from course_lib import devices
from course_lib.models import Classifier
from course_lib.training import seed_everything

NEEDS = {"b": ("fastai",), "c": ("lightning",), "d": ("transformers", "accelerate")}
BATCH_SIZES = (16, 32, 64)
HEAD_RATE, BODY_RATE = 1e-3, 3e-4


def installed(contender: str) -> bool:
    """Whether all packages of a peer are there."""
    return all(importlib.util.find_spec(name) for name in NEEDS[contender])


def run(task: Task) -> Outcome:
    """Train with the peer that the task names."""
    model = task.model()
    if task.measure == "frozen":
        model.backbone.requires_grad_(False)
    used = warm_up(model, task, task.batch_size)
    seed_everything(task.seed)
    outcome = Outcome(batch_size=task.batch_size, precision=used)
    watch = Stopwatch(devices.pick_device(task.device))
    rate = HEAD_RATE if task.measure == "frozen" else BODY_RATE
    {"b": fastai, "c": lightning, "d": hugging_face}[task.contender](
        task, model, rate, outcome, watch
    )
    return outcome


def fastai(
    task: Task, model: Classifier, rate: float, outcome: Outcome, watch: Stopwatch
) -> None:
    """``vision_learner`` and ``fit_one_cycle``; its mixed precision works on CUDA alone."""
    from fastai.vision import all as vision

    watch.read()
    dls = vision.ImageDataLoaders.from_folder(
        course_datasets.find(task.dataset),
        train="train",
        valid="val",
        bs=task.batch_size,
        num_workers=task.workers,
        device=watch.device,
        item_tfms=[
            vision.RandomResizedCrop(task.image_size, min_scale=0.08),
            vision.FlipItem(),
        ],
        batch_tfms=vision.Normalize.from_stats(model.preprocessing.mean, model.preprocessing.std),
    )
    outcome.setup_seconds = watch.read()
    outcome.images = len(dls.train_ds) + len(dls.valid_ds)
    if watch.device.type != "cuda":
        outcome.precision = "float32"

    class Lap(vision.Callback):
        order = 99  # after the recorder

        def after_epoch(self) -> None:
            outcome.epoch_seconds.append(watch.read())
            outcome.accuracy.append(float(self.recorder.values[-1][-1]))

    # fast.ai cuts a network in front of its last pooling layer, so it is shown one to cut off.
    def arch(pretrained: bool) -> nn.Module:
        return nn.Sequential(model.backbone, nn.AdaptiveAvgPool2d(1))

    learn = vision.vision_learner(
        dls,
        arch,
        normalize=False,
        custom_head=nn.Sequential(model.head),
        init=None,
        loss_func=nn.CrossEntropyLoss(),
        metrics=vision.accuracy,
        cbs=[Lap()],
    )
    if task.measure != "frozen":
        learn.unfreeze()
    if outcome.precision == "bfloat16":
        learn.to_bf16()
    watch.read()
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(task.epochs, rate)


def lightning(
    task: Task, model: Classifier, rate: float, outcome: Outcome, watch: Stopwatch
) -> None:
    """Fit a ``LightningModule`` with a ``Trainer``."""
    import lightning

    lightning.seed_everything(task.seed, verbose=False)
    watch.read()
    photos = article.image_datasets(task.dataset, model.preprocessing, task.image_size)
    options = {"batch_size": task.batch_size, "num_workers": task.workers}
    options["pin_memory"] = watch.device.type == "cuda"
    train = DataLoader(photos["train"], shuffle=True, **options)
    val = DataLoader(photos["val"], **options)
    outcome.setup_seconds = watch.read()
    outcome.images = sum(len(part) for part in photos.values())

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
            return torch.optim.AdamW([p for p in self.parameters() if p.requires_grad], lr=rate)

    trainer = lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(watch.device.type, watch.device.type),
        devices=1,
        max_epochs=task.epochs,
        precision="bf16-mixed" if outcome.precision == "bfloat16" else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    watch.read()
    trainer.fit(Module(), train, val)


def hugging_face(
    task: Task, model: Classifier, rate: float, outcome: Outcome, watch: Stopwatch
) -> None:
    """``Trainer`` around the network and its loss."""
    import transformers

    watch.read()
    photos = article.image_datasets(task.dataset, model.preprocessing, task.image_size)
    outcome.setup_seconds = watch.read()
    outcome.images = sum(len(part) for part in photos.values())

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

    class Lap(transformers.TrainerCallback):
        def on_evaluate(self, *_: object, metrics: dict[str, float], **__: object) -> None:
            outcome.epoch_seconds.append(watch.read())
            outcome.accuracy.append(metrics["eval_accuracy"])

    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=task.batch_size,
            per_device_eval_batch_size=task.batch_size,
            num_train_epochs=task.epochs,
            learning_rate=rate,
            bf16=outcome.precision == "bfloat16",
            use_cpu=watch.device.type == "cpu",
            dataloader_num_workers=task.workers,
            dataloader_pin_memory=watch.device.type == "cuda",
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            remove_unused_columns=False,
            disable_tqdm=True,
            seed=task.seed,
        )
        trainer = transformers.Trainer(
            model=WithLoss(),
            args=arguments,
            train_dataset=photos["train"],
            eval_dataset=photos["val"],
            data_collator=collate,
            compute_metrics=lambda judged: {
                "accuracy": float((judged[0].argmax(-1) == judged[1]).mean())
            },
            callbacks=[Lap()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        watch.read()
        trainer.train()
