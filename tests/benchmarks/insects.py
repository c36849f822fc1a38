"""How hard are the rendered insects? One table of figures for one domain.

    python tests/benchmarks/insects.py --domain field --image-size 128

Trains on all of ``train`` (the lessons' train and validation parts together) and measures on
``val``. Rows: what anything at all reaches (the majority), what colours, coarse pixels, edges and
spectra reach without seeing an insect, what frozen pretrained features reach, the same network with
random weights, the same network trained from scratch, and frozen features of a few images a class.
``--trained-on`` and ``--tested-on`` take another folder or domain, for shifts between domains.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks import hardware  # noqa: E402

from course_lib.loaders import Preprocessing, make_loaders  # noqa: E402
from course_lib.models import build_model  # noqa: E402
from course_lib.training import evaluate, extract_features, fit  # noqa: E402

NETWORK = "efficientnet_lite0"
DOMAINS = ("field", "studio", "dusk")
SHOTS = (1, 2, 5, 10, 20)
FEW_SHOT_C = 0.01
RANDOM_SEEDS = (0, 1, 2)

Array = NDArray[np.float64]
Split = tuple[Array, Array]
"""Inputs of shape (N, ...) and int labels of shape (N,)."""


def folder_of(domain: str) -> Path:
    """A domain's name, or any folder with train/ and val/."""
    return ROOT / "data" / "insects" / domain if domain in DOMAINS else Path(domain)


def gather(
    folder: Path, preprocessing: Preprocessing, image_size: int, through: Callable
) -> tuple[Split, Split]:
    """Pass all images of a folder through ``through``; return the train and the test split."""
    loaders = make_loaders(folder, preprocessing, image_size, augment=False)
    train, val, test = (through(part) for part in (loaders.train, loaders.val, loaders.test))
    joined = tuple(np.concatenate([a, b]) for a, b in zip(train, val, strict=True))
    return joined, test


def as_pixels(loader) -> Split:
    """Images of shape (N, size, size, 3), 0..1, and labels."""
    images, labels = zip(*((x.numpy(), y.numpy()) for x, y in loader), strict=True)
    return np.concatenate(images).transpose(0, 2, 3, 1).astype(float), np.concatenate(labels)


def mean_colour(images: Array) -> Array:
    """Mean of the three channels: (N, 3)."""
    return images.mean((1, 2))


def colour_histogram(images: Array, bins: int = 16) -> Array:
    """A histogram a channel: (N, 3 * bins)."""
    return (
        np.stack(
            [
                np.concatenate([np.histogram(image[..., c], bins, (0, 1))[0] for c in range(3)])
                for image in images
            ]
        )
        / images[0, ..., 0].size
    )


def joint_colour_histogram(images: Array, bins: int = 6) -> Array:
    """A histogram over all three channels at once: (N, bins ** 3)."""
    level = np.clip((images * bins).astype(int), 0, bins - 1)
    cell = (level[..., 0] * bins + level[..., 1]) * bins + level[..., 2]
    return np.stack([np.bincount(c.ravel(), minlength=bins**3) for c in cell]) / cell[0].size


def grey_pixels(images: Array, side: int = 16) -> Array:
    """The image as side x side grey pixels: (N, side * side)."""
    grey = images.mean(-1)
    step = grey.shape[1] // side
    grey = grey[:, : side * step, : side * step]
    return grey.reshape(len(grey), side, step, side, step).mean((2, 4)).reshape(len(grey), -1)


def gradient_histogram(images: Array, bins: int = 16) -> Array:
    """Directions of the grey gradient, weighted by its length: (N, bins)."""
    dy, dx = np.gradient(images.mean(-1), axis=(1, 2))
    angle, length = np.arctan2(dy, dx), np.hypot(dx, dy)
    return np.stack(
        [
            np.histogram(a, bins, (-np.pi, np.pi), weights=w)[0]
            for a, w in zip(angle, length, strict=True)
        ]
    )


def power_spectrum(images: Array, bins: int = 24) -> Array:
    """Log power of the grey image in rings of equal frequency: (N, bins)."""
    grey = images.mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    frequency = np.fft.fftfreq(grey.shape[1])
    ring = np.hypot(frequency[:, None], frequency[None]) / 0.5 * bins
    ring = np.clip(ring.astype(int), 0, bins)
    rings = [power[:, ring == number].mean(-1) for number in range(bins)]
    return np.log(np.stack(rings, axis=-1) + 1e-9)


BASELINES = {
    "mean colour": mean_colour,
    "colour histogram": colour_histogram,
    "joint colour histogram": joint_colour_histogram,
    "16x16 grey pixels": grey_pixels,
    "gradient directions": gradient_histogram,
    "power spectrum": power_spectrum,
}


def linear_accuracy(train: Split, test: Split, c: float | None = None) -> float:
    """Accuracy in % of logistic regression on standardised inputs.

    ``c`` is the inverse strength of the L2 penalty; None chooses it by 5-fold cross-validation on
    the training images.
    """
    if c is None:
        model = LogisticRegressionCV(
            Cs=np.logspace(-4, 1, 6),
            cv=5,
            max_iter=5000,
            scoring="accuracy",
            l1_ratios=(0,),
            use_legacy_attributes=False,
        )
    else:
        model = LogisticRegression(C=c, max_iter=5000)
    return 100 * make_pipeline(StandardScaler(), model).fit(*train).score(*test)


def few_shot(train: Split, test: Split, shots: int, draws: int) -> list[float]:
    """Accuracies in % of ``draws`` random training sets of ``shots`` images a class."""
    features, labels = train
    scores = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        chosen = [
            rng.choice(np.flatnonzero(labels == label), shots, replace=False)
            for label in np.unique(labels)
        ]
        chosen = np.concatenate(chosen)
        scores.append(linear_accuracy((features[chosen], labels[chosen]), test, FEW_SHOT_C))
    return scores


def frozen(folder: Path, image_size: int, pretrained: bool, seed: int) -> tuple[Split, Split]:
    """Features of the frozen network for both splits."""
    model = build_model(NETWORK, pretrained=pretrained, seed=seed)

    def through(loader) -> Split:
        features, labels = extract_features(model, loader, device="cpu")
        return features.numpy(), labels.numpy()

    return gather(folder, model.preprocessing, image_size, through)


def from_scratch(train_on: Path, test_on: Path, image_size: int, epochs: int, seed: int) -> float:
    """Accuracy in % of the network trained from random weights, best epoch by validation."""
    model = build_model(NETWORK, pretrained=False, seed=seed)
    options = {"image_size": image_size, "preprocessing": model.preprocessing, "seed": seed}
    loaders = make_loaders(train_on, **options)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    fit(
        model,
        loaders.train,
        loaders.val,
        epochs=epochs,
        optimizer=optimizer,
        scheduler=schedule,
        seed=seed,
        device="auto",
    )
    return 100 * evaluate(model, make_loaders(test_on, **options).test).accuracy


def row(name: str, scores: list[float], note: str = "") -> None:
    """Print one line: the mean, the standard deviation if there are several, a note."""
    spread = f"± {np.std(scores, ddof=1):4.1f}" if len(scores) > 1 else ""
    print(f"{name:<34} {np.mean(scores):5.1f} {spread:<7} {note}", flush=True)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--domain", default="field", help=f"{', '.join(DOMAINS)}, or a folder")
    parser.add_argument("--tested-on", help="another domain or folder to test on")
    parser.add_argument("--image-size", type=int, default=128, help="pixels (default: 128)")
    parser.add_argument("--draws", type=int, default=20, help="few-shot draws (default: 20)")
    parser.add_argument("--scratch-epochs", type=int, default=20, help="0 leaves this row out")
    parser.add_argument("--scratch-seeds", type=int, default=3, help="default: 3")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    options = parser.parse_args(arguments)
    for folder in (options.domain, options.tested_on or options.domain):
        if not (folder_of(folder) / "train").is_dir():
            parser.error(
                f"unknown domain {folder!r}: expected one of {', '.join(DOMAINS)} or a folder "
                "with train/ and val/. Check the name."
            )
    return options


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    began = time.perf_counter()
    train_on, test_on = folder_of(options.domain), folder_of(options.tested_on or options.domain)
    size = options.image_size

    def both(make: Callable[[Path], tuple[Split, Split]]) -> tuple[Split, Split]:
        train, test = make(train_on)
        return train, test if test_on == train_on else make(test_on)[1]

    plain = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    train, test = both(lambda folder: gather(folder, plain, size, as_pixels))
    tested = "" if test_on == train_on else f", tested on {options.tested_on}"
    print(f"{options.domain}{tested}: {len(train[1])} training and {len(test[1])} test images")
    print(f"at {size} px. Accuracy in %, mean ± standard deviation.\n")
    shares = np.bincount(test[1]) / len(test[1])
    row("majority class of the test images", [100 * float(shares.max())])
    for name, describe in BASELINES.items():
        score = linear_accuracy((describe(train[0]), train[1]), (describe(test[0]), test[1]))
        row(name, [score], "logistic regression")

    random = [
        linear_accuracy(*both(lambda f, seed=seed: frozen(f, size, False, seed)))
        for seed in RANDOM_SEEDS
    ]
    row("frozen, random weights", random, f"{len(random)} random networks")
    if options.scratch_epochs:
        scores = [
            from_scratch(train_on, test_on, size, options.scratch_epochs, seed)
            for seed in range(options.scratch_seeds)
        ]
        row("trained from scratch", scores, f"{options.scratch_epochs} epochs, seeds 0 ..")
    features, tests = both(lambda folder: frozen(folder, size, True, 0))
    for shots in SHOTS:
        scores = few_shot(features, tests, shots, options.draws)
        row(f"frozen pretrained, {shots} a class", scores, f"{options.draws} draws")
    row("frozen pretrained, all images", [linear_accuracy(features, tests)])
    seconds = time.perf_counter() - began
    print(f"\n{NETWORK}; {seconds:.0f} s on {hardware.describe()}")


if __name__ == "__main__":
    main()
