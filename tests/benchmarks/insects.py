"""How hard are the rendered insects? One table of figures for one domain.

    python tests/benchmarks/insects.py --domain field --image-size 128

Trains on all of ``train`` (the lessons' train and validation parts together) and measures on
``val``. Rows: what anything at all reaches (the majority), what colours, coarse pixels, edges and
spectra reach without seeing an insect, what frozen pretrained features reach, the same network with
random weights, the same network trained from scratch, and frozen features of a few images a class.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_lib.loaders import Preprocessing, make_loaders
from course_lib.models import EMBEDDED, build_model
from course_lib.training import evaluate, extract_features, fit

ROOT = Path(__file__).resolve().parents[2]
Split = tuple[np.ndarray, np.ndarray]  # inputs, (N, …), and labels, (N,)


def histogram(values: np.ndarray, bins: int, ends: tuple, weights: np.ndarray | None = None):
    """A histogram per row: (N, bins)."""
    weights = [None] * len(values) if weights is None else weights
    rows = zip(values, weights, strict=True)
    return np.stack([np.histogram(v, bins, ends, weights=w)[0] for v, w in rows])


def joint_colours(images: np.ndarray, bins: int = 6) -> np.ndarray:
    level = np.clip((images * bins).astype(int), 0, bins - 1) @ [bins * bins, bins, 1]
    return np.stack([np.bincount(c.ravel(), minlength=bins**3) for c in level]) / level[0].size


def grey_pixels(images: np.ndarray, side: int = 16) -> np.ndarray:
    step = images.shape[1] // side
    grey = images.mean(-1)[:, : side * step, : side * step]
    return grey.reshape(len(grey), side, step, side, step).mean((2, 4)).reshape(len(grey), -1)


def gradient_directions(images: np.ndarray) -> np.ndarray:
    dy, dx = np.gradient(images.mean(-1), axis=(1, 2))
    return histogram(np.arctan2(dy, dx), 16, (-np.pi, np.pi), np.hypot(dx, dy))


def power_spectrum(images: np.ndarray, bins: int = 24) -> np.ndarray:
    """Log power of the grey image in rings of equal frequency: (N, bins)."""
    grey = images.mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    frequency = np.fft.fftfreq(grey.shape[1])
    ring = (np.hypot(frequency[:, None], frequency[None]) / 0.5 * bins).astype(int)
    return np.log(np.stack([power[:, ring == n].mean(-1) for n in range(bins)], axis=-1) + 1e-9)


BASELINES = {
    "mean colour": lambda images: images.mean((1, 2)),
    "colour histogram": lambda images: np.concatenate(
        [histogram(images[..., c], 16, (0, 1)) / images[0, ..., 0].size for c in range(3)], axis=1
    ),
    "joint colour histogram": joint_colours,
    "16x16 grey pixels": grey_pixels,
    "gradient directions": gradient_directions,
    "power spectrum": power_spectrum,
}


def accuracy(train: Split, test: Split, c: float | None = None) -> float:
    """Of logistic regression on standardised inputs; ``c=None`` is chosen by cross-validation."""
    if c is None:
        known = {"scoring": "accuracy", "l1_ratios": (0,), "use_legacy_attributes": False}
        model = LogisticRegressionCV(Cs=np.logspace(-4, 1, 6), cv=5, max_iter=5000, **known)
    else:
        model = LogisticRegression(C=c, max_iter=5000)
    return make_pipeline(StandardScaler(), model).fit(*train).score(*test)


def few_shot(train: Split, test: Split, shots: int, seed: int) -> float:
    """Accuracy after training on ``shots`` random images per class."""
    rng = np.random.default_rng(seed)
    each = [np.flatnonzero(train[1] == label) for label in np.unique(train[1])]
    chosen = np.concatenate([rng.choice(there, shots, replace=False) for there in each])
    return accuracy((train[0][chosen], train[1][chosen]), test, 0.01)


def from_scratch(train_on: Path, test_on: Path, size: int, epochs: int, seed: int) -> float:
    """Test accuracy of the network trained from random weights, best epoch by validation."""
    model = build_model(pretrained=False, seed=seed)
    options = {"image_size": size, "preprocessing": model.preprocessing, "seed": seed}
    loaders = make_loaders(train_on, **options)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    settings = {"epochs": epochs, "optimizer": optimizer, "scheduler": schedule, "seed": seed}
    fit(model, loaders.train, loaders.val, **settings)
    return evaluate(model, make_loaders(test_on, **options).test).accuracy


def rows(options: argparse.Namespace) -> Iterator[tuple[str, list[float], str]]:
    """Name, accuracies and a note, row by row."""
    folders = [options.domain, options.tested_on or options.domain]
    folders = [ROOT / "data" / "insects" / f if "/" not in f else Path(f) for f in folders]
    size = options.image_size

    def both(preprocessing: Preprocessing, through: Callable) -> tuple[Split, Split]:
        made = [make_loaders(f, preprocessing, size, augment=False) for f in folders]
        parts = [through(part) for part in (made[0].train, made[0].val, made[1].test)]
        return tuple(map(np.concatenate, zip(*parts[:2], strict=True))), parts[2]

    def pixels(loader) -> Split:
        images, labels = map(np.concatenate, zip(*((x, y) for x, y in loader), strict=True))
        return images.transpose(0, 2, 3, 1).astype(float), labels

    def frozen(seed: int = 0, pretrained: bool = False) -> tuple[Split, Split]:
        model = build_model(pretrained=pretrained, seed=seed)
        device = {"device": "cpu"}
        return both(
            model.preprocessing,
            lambda loader: [part.numpy() for part in extract_features(model, loader, **device)],
        )

    train, test = both(Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), pixels)
    shares = np.bincount(test[1]) / len(test[1])
    yield "majority class of the test images", [shares.max()], f"{len(train[1])} to train on"
    for name, describe in BASELINES.items():
        described = [(describe(images), labels) for images, labels in (train, test)]
        yield name, [accuracy(*described)], "logistic regression"
    yield "frozen, random weights", [accuracy(*frozen(seed)) for seed in range(3)], "3 networks"
    epochs = options.scratch_epochs
    if epochs:
        scores = [from_scratch(*folders, size, epochs, s) for s in range(options.scratch_seeds)]
        yield "trained from scratch", scores, f"{epochs} epochs"
    train, test = frozen(pretrained=True)
    for shots in (1, 2, 5, 10, 20):
        scores = [few_shot(train, test, shots, seed) for seed in range(options.draws)]
        yield f"frozen pretrained, {shots} per class", scores, f"{options.draws} draws"
    yield "frozen pretrained, all images", [accuracy(train, test)], EMBEDDED


def main() -> None:
    """Print the table: accuracies in %, mean ± standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--domain", default="field", help="field, studio, dusk, or path/to/folder")
    parser.add_argument("--tested-on", help="another domain or folder to test on")
    parser.add_argument("--image-size", type=int, default=128, help="pixels (default: 128)")
    parser.add_argument("--draws", type=int, default=20, help="few-shot draws (default: 20)")
    parser.add_argument("--scratch-epochs", type=int, default=20, help="0 leaves this row out")
    parser.add_argument("--scratch-seeds", type=int, default=3, help="default: 3")
    for name, scores, note in rows(parser.parse_args()):
        spread = f"± {100 * np.std(scores, ddof=1):4.1f}" if len(scores) > 1 else ""
        print(f"{name:<34} {100 * np.mean(scores):5.1f} {spread:<7} {note}", flush=True)


if __name__ == "__main__":
    main()
