"""How hard are the rendered insects? One table of figures for one domain.

    python tests/benchmarks/insects.py --domain field --image-size 128

Trains on all of ``train`` (the lessons' train and validation parts together) and measures on
``val``. Rows: the larger class; what colours, coarse pixels, edges and spectra reach without seeing
an insect; the network frozen, with random weights and pretrained; and trained from scratch.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_lib.loaders import Preprocessing, make_loaders
from course_lib.models import build_model
from course_lib.training import evaluate, extract_features, fit

DOMAINS = Path(__file__).resolve().parents[2] / "data" / "insects"
Split = tuple[np.ndarray, np.ndarray]  # inputs, (N, …), and labels, (N,)


def histogram(values: np.ndarray, bins: int, ends: tuple, weights: np.ndarray | None = None):
    rows = zip(values, [None] * len(values) if weights is None else weights, strict=True)
    return np.stack([np.histogram(v, bins, ends, weights=w)[0] for v, w in rows])


def mean_colour(images: np.ndarray) -> np.ndarray:
    return images.mean((1, 2))


def colour_histogram(images: np.ndarray, bins: int = 16) -> np.ndarray:
    each = [histogram(images[..., channel], bins, (0, 1)) for channel in range(3)]
    return np.concatenate(each, axis=1) / images[0, ..., 0].size


def joint_colour_histogram(images: np.ndarray, bins: int = 6) -> np.ndarray:
    level = np.clip((images * bins).astype(int), 0, bins - 1) @ [bins * bins, bins, 1]
    return np.stack([np.bincount(c.ravel(), minlength=bins**3) for c in level]) / level[0].size


def grey_pixels(images: np.ndarray, side: int = 16) -> np.ndarray:
    step = images.shape[1] // side
    grey = images.mean(-1)[:, : side * step, : side * step]
    return grey.reshape(len(grey), side, step, side, step).mean((2, 4)).reshape(len(grey), -1)


def gradient_directions(images: np.ndarray, bins: int = 16) -> np.ndarray:
    dy, dx = np.gradient(images.mean(-1), axis=(1, 2))
    return histogram(np.arctan2(dy, dx), bins, (-np.pi, np.pi), np.hypot(dx, dy))


def power_spectrum(images: np.ndarray, bins: int = 24) -> np.ndarray:
    """Log power of the grey image in rings of equal frequency: (N, bins)."""
    grey = images.mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    frequency = np.fft.fftfreq(grey.shape[1])
    ring = (np.hypot(frequency[:, None], frequency[None]) / 0.5 * bins).astype(int)
    return np.log(np.stack([power[:, ring == n].mean(-1) for n in range(bins)], axis=-1) + 1e-9)


SHAPES = (grey_pixels, gradient_directions, power_spectrum)


def accuracy(train: Split, test: Split, c: float | None = None) -> float:
    """Of logistic regression on standardised inputs; ``c=None`` is chosen by cross-validation."""
    model = LogisticRegression(C=c or 1.0, max_iter=5000)
    if c is None:
        known = {"scoring": "accuracy", "l1_ratios": (0,), "use_legacy_attributes": False}
        model = LogisticRegressionCV(Cs=np.logspace(-4, 1, 6), cv=5, max_iter=5000, **known)
    return make_pipeline(StandardScaler(), model).fit(*train).score(*test)


def few_shot(train: Split, test: Split, shots: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    each = [np.flatnonzero(train[1] == label) for label in np.unique(train[1])]
    chosen = np.concatenate([rng.choice(there, shots, replace=False) for there in each])
    return accuracy((train[0][chosen], train[1][chosen]), test, 0.01)


def from_scratch(folders: list[Path], size: int, epochs: int, seed: int) -> float:
    """Accuracy on the second folder's test images, after the best epoch by validation."""
    model = build_model(pretrained=False, seed=seed)
    train_on, test_on = (make_loaders(f, model.preprocessing, size, seed=seed) for f in folders)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    settings = {"epochs": epochs, "optimizer": optimizer, "scheduler": schedule, "seed": seed}
    fit(model, train_on.train, train_on.val, **settings)
    return evaluate(model, test_on.test).accuracy


def rows(folders: list[Path], size: int, scratch_epochs: int) -> Iterator[tuple[str, list[float]]]:
    """Name and accuracies, row by row."""

    def both(preprocessing: Preprocessing, through: Callable) -> tuple[Split, Split]:
        made = [make_loaders(f, preprocessing, size, augment=False) for f in folders]
        parts = [tuple(through(p)) for p in (made[0].train, made[0].val, made[1].test)]
        return tuple(map(np.concatenate, zip(*parts[:2], strict=True))), parts[2]

    def pixels(loader) -> Split:
        images, labels = map(np.concatenate, zip(*loader, strict=True))
        return images.transpose(0, 2, 3, 1).astype(float), labels

    def frozen(seed: int = 0, pretrained: bool = False) -> tuple[Split, Split]:
        model = build_model(pretrained=pretrained, seed=seed)
        return both(model.preprocessing, lambda part: map(np.array, extract_features(model, part)))

    train, test = both(Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), pixels)
    yield "larger class of the test images", [max(np.bincount(test[1])) / len(test[1])]
    for describe in (mean_colour, colour_histogram, joint_colour_histogram, *SHAPES):
        described = [(describe(images), labels) for images, labels in (train, test)]
        yield f"{describe.__name__.replace('_', ' ')}, logistic", [accuracy(*described)]
    yield "frozen, random weights", [accuracy(*frozen(seed)) for seed in range(3)]
    if scratch_epochs:
        scores = [from_scratch(folders, size, scratch_epochs, seed) for seed in range(3)]
        yield f"from scratch, {scratch_epochs} epochs", scores
    train, test = frozen(pretrained=True)
    for shots in (1, 2, 5, 10, 20):
        scores = [few_shot(train, test, shots, seed) for seed in range(20)]
        yield f"frozen pretrained, {shots} per class", scores
    yield "frozen pretrained, all images", [accuracy(train, test)]


def main() -> None:
    """Print the table: accuracies in %, mean ± standard deviation over draws or seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--domain", default="field", help="field, studio, dusk, or path/to/folder")
    parser.add_argument("--tested-on", help="another domain or folder to test on")
    parser.add_argument("--image-size", type=int, default=128, help="pixels (default: 128)")
    parser.add_argument("--scratch-epochs", type=int, default=20, help="0 leaves this row out")
    options = parser.parse_args()
    names = (options.domain, options.tested_on or options.domain)
    folders = [Path(name) if "/" in name else DOMAINS / name for name in names]
    for name, scores in rows(folders, options.image_size, options.scratch_epochs):
        spread = f" ± {100 * np.std(scores, ddof=1):.1f} ({len(scores)})" if scores[1:] else ""
        print(f"{name:<44}{100 * np.mean(scores):5.1f}{spread}", flush=True)


if __name__ == "__main__":
    main()
