"""The results that the README quotes: frozen, fine-tuned and from scratch, with their baselines.

    python tests/benchmarks/reference.py --dataset insects --image-size 224

Every run chooses its epoch on validation photos and is judged once on the test photos (the data
set's ``val`` folder). One row a strategy, mean and standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date

import torch
from torch.utils.data import DataLoader, TensorDataset

from course_lib import loaders, models, progress, report, training


def fine_tune(options: argparse.Namespace, seed: int, pretrained: bool, epochs: int) -> float:
    """Test accuracy after training every layer with AdamW and a one-cycle schedule."""
    model = models.build_model(options.backbone, pretrained=pretrained, seed=seed)
    splits = loaders.make_loaders(
        options.dataset, model.preprocessing, options.image_size, batch_size=16, seed=seed
    )
    body = {"params": model.backbone.parameters(), "lr": 3e-4 if pretrained else 3e-3}
    head = {"params": model.head.parameters(), "lr": 1e-2 if pretrained else 3e-3}
    optimizer = torch.optim.AdamW([body, head])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [body["lr"], head["lr"]], total_steps=epochs * len(splits.train)
    )
    training.fit(
        model,
        splits.train,
        splits.val,
        epochs=epochs,
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_step="batch",
        seed=seed,
    )
    return training.evaluate(model, splits.test).accuracy


def frozen(options: argparse.Namespace, seed: int) -> float:
    """Test accuracy of a linear head on the features of the untouched backbone."""
    model = models.build_model(options.backbone, seed=seed)
    splits = loaders.make_loaders(
        options.dataset, model.preprocessing, options.image_size, 32, augment=False, seed=seed
    )
    features = {
        name: training.extract_features(model, loader)
        for name, loader in (("train", splits.train), ("val", splits.val), ("test", splits.test))
    }
    batches = DataLoader(
        TensorDataset(*features["train"]), 16, shuffle=True, generator=torch.Generator()
    )
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.01, momentum=0.9)
    training.fit(model.head, batches, [features["val"]], epochs=30, optimizer=optimizer, seed=seed)
    return training.evaluate(model.head, [features["test"]]).accuracy


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="insects")
    parser.add_argument("--backbone", default=models.EMBEDDED)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=4, help="of fine-tuning")
    parser.add_argument("--scratch-epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    strategies = {
        "frozen features": lambda seed: frozen(options, seed),
        "full fine-tuning": lambda seed: fine_tune(options, seed, True, options.epochs),
        "from scratch": lambda seed: fine_tune(options, seed, False, options.scratch_epochs),
    }
    test = loaders.make_loaders(options.dataset, image_size=options.image_size).test.dataset.labels
    majority = max(test.count(label) for label in set(test)) / len(test)
    print("| strategy | test accuracy | seconds a run |\n|---|---|---|")
    for name, strategy in strategies.items():
        start = time.perf_counter()
        accuracies = [strategy(seed) for seed in progress.bar(range(options.seeds), name)]
        seconds = (time.perf_counter() - start) / options.seeds
        print(f"| {name} | {report.mean_std(accuracies)} | {seconds:.0f} |", flush=True)
    print(f"| always the larger class | {majority:.3f} | 0 |")
    device = training.pick_device()
    where = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    print(
        f"\n{options.dataset}, {options.backbone}, {options.image_size} px, {options.seeds} seeds, "
        f"{options.scratch_epochs} epochs from scratch; {device.type} {where or platform.machine()}"
        f", {torch.get_num_threads()} threads, torch {torch.__version__}, {date.today()}"
    )


if __name__ == "__main__":
    main()
