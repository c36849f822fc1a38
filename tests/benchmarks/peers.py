"""Three libraries that students would otherwise use, each as its own manual says.

Every one of them gets the course's network, the article's photos and transforms, its own loop, its
own loader processes, the same precision as ours where it can, and several batch sizes to choose
from. They come with the benchmark's extra, ``pip install -e ".[bench]"``.
"""

import importlib.util
import tempfile

import torch
from benchmarks import article
from benchmarks.tasks import Clock, Outcome, Task, begin
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_lib import datasets as course_datasets
from course_lib.models import Classifier

NEEDS = {"b": ("fastai",), "c": ("lightning",), "d": ("transformers", "accelerate")}
BATCH_SIZES = (16, 32, 64)
WORKERS, RATE = 2, 3e-4


def installed(contender: str) -> bool:
    return all(importlib.util.find_spec(name) for name in NEEDS[contender])


def run(task: Task) -> Outcome:
    """Train with the library that the task names."""
    model, outcome, clock = begin(task, task.batch_size)
    photos = article.image_datasets(task.dataset, model.preprocessing, task.image_size)
    outcome.images = sum(len(part) for part in photos.values())
    library = {"b": fastai, "c": lightning, "d": hugging_face}[task.contender]
    with tempfile.TemporaryDirectory() as folder:
        library(task, model, photos, clock, folder)
    return outcome


def fastai(task: Task, model: Classifier, photos: dict, clock: Clock, folder: str) -> None:
    """``Learner`` and ``fit_one_cycle``; its mixed precision works on CUDA alone."""
    from fastai.vision import all as vision

    class Recorded(vision.Callback):
        order = 99  # after the recorder

        def after_epoch(self) -> None:
            clock.lap(float(self.recorder.values[-1][-1]))

    clock.read()  # the import is no set-up
    folder, seen = course_datasets.find(task.dataset), model.preprocessing
    cut = [vision.RandomResizedCrop(task.image_size, min_scale=0.08), vision.FlipItem()]
    how = {"train": "train", "valid": "val", "bs": task.batch_size, "num_workers": task.workers}
    how |= {"item_tfms": cut, "batch_tfms": vision.Normalize.from_stats(seen.mean, seen.std)}
    dls = vision.ImageDataLoaders.from_folder(folder, device=clock.device, **how)
    how = {"metrics": vision.accuracy, "cbs": [Recorded()]}
    learn = vision.Learner(dls, model, nn.CrossEntropyLoss(), **how)
    if clock.device.type != "cuda":
        clock.outcome.precision = "float32"
    elif clock.outcome.precision == "bfloat16":
        learn.to_bf16()
    clock.opened()
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(task.epochs, RATE)


def lightning(task: Task, model: Classifier, photos: dict, clock: Clock, folder: str) -> None:
    """Fit a ``LightningModule`` with a ``Trainer``."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.right = model, 0

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            return F.cross_entropy(self.network(batch[0]), batch[1])

        def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
            self.right += (self.network(batch[0]).argmax(1) == batch[1]).sum()

        def on_validation_epoch_end(self) -> None:
            clock.lap(int(self.right) / len(photos["val"]))
            self.right = 0

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=RATE)

    clock.read()
    options = {"num_workers": task.workers, "pin_memory": clock.device.type == "cuda"}
    train = DataLoader(photos["train"], task.batch_size, shuffle=True, **options)
    val = DataLoader(photos["val"], task.batch_size, **options)
    quiet = ("enable_checkpointing", "enable_progress_bar", "enable_model_summary", "logger")
    how = dict.fromkeys(quiet, False) | {"devices": 1, "num_sanity_val_steps": 0}
    how["accelerator"] = "gpu" if clock.device.type == "cuda" else clock.device.type
    how["precision"] = "bf16-mixed" if clock.outcome.precision == "bfloat16" else "32-true"
    trainer = lightning.Trainer(max_epochs=task.epochs, **how)
    clock.opened()
    trainer.fit(Module(), train, val)


def hugging_face(task: Task, model: Classifier, photos: dict, clock: Clock, folder: str) -> None:
    """``Trainer`` around the network and its loss."""
    import transformers

    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model

        def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.network(pixel_values)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    class Recorded(transformers.TrainerCallback):
        def on_evaluate(self, *_: object, metrics: dict[str, float], **__: object) -> None:
            clock.lap(metrics["eval_accuracy"])

    def collate(batch: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
        images, labels = zip(*batch, strict=True)
        return {"pixel_values": torch.stack(images), "labels": torch.tensor(labels)}

    clock.read()
    how = {f"per_device_{part}_batch_size": task.batch_size for part in ("train", "eval")}
    how |= {"num_train_epochs": task.epochs, "learning_rate": RATE, "seed": task.seed}
    how |= {"bf16": clock.outcome.precision == "bfloat16", "use_cpu": clock.device.type == "cpu"}
    how |= {"dataloader_num_workers": task.workers, "remove_unused_columns": False}
    how |= {"dataloader_pin_memory": clock.device.type == "cuda", "disable_tqdm": True}
    how |= {"eval_strategy": "epoch", "save_strategy": "no", "report_to": "none"}
    trainer = transformers.Trainer(
        model=WithLoss(),
        args=transformers.TrainingArguments(output_dir=folder, **how),
        train_dataset=photos["train"],
        eval_dataset=photos["val"],
        data_collator=collate,
        compute_metrics=lambda of: {"accuracy": float((of[0].argmax(-1) == of[1]).mean())},
        callbacks=[Recorded()],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    clock.opened()
    trainer.train()
