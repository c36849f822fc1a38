"""Figures in colours that colour-blind readers can tell apart, shown with a text that says it."""

import base64
import io
import math
import statistics
from collections.abc import Mapping, Sequence

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_lib.training import Predictions

# The palette of Okabe & Ito (2008), https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "#777777"
PHOTOS = "photos"  # label of figures that are mostly photos, which are large as PNG
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
MARKERS = "osD^vP"


def show(figure: Figure, alt: str) -> None:
    """Put a figure into the notebook, with a sentence or two that say what it shows."""
    kind = "jpeg" if figure.get_label() == PHOTOS else "png"
    buffer, quality = io.BytesIO(), {"quality": 88} if kind == "jpeg" else {}
    figure.savefig(buffer, format=kind, dpi=144, bbox_inches="tight", pil_kwargs=quality)
    mime = f"image/{kind}"
    bundle = {mime: base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt}
    display(bundle, metadata={mime: {"alt": alt}}, raw=True)


def _tell_apart(what: str, count: int, most: int = len(PALETTE)) -> None:
    if not 1 <= count <= most:
        raise ValueError(f"there are {count} {what} to draw: expected 1 to {most} in one figure.")


def image_grid(
    images: Sequence[Tensor | Image.Image],
    titles: Sequence[str] = (),
    *,
    title: str = "",
    columns: int = 6,
    colors: Sequence[str] = (),
) -> Figure:
    """Draw images in rows: PIL images, or tensors (3, H, W) from 0 to 1; frames of ``colors``."""
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    height = rows * (1.85 if titles else 1.55) + 0.4
    figure = Figure(figsize=(columns * 1.55, height), label=PHOTOS)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set(xticks=[], yticks=[], frame_on=False)
    for number, (axis, image) in enumerate(zip(axes, images, strict=False)):
        if isinstance(image, Tensor):
            image = image.cpu().clamp(0, 1).movedim(0, 2).numpy()
        axis.imshow(image)
        color = colors[number] if colors else "black"
        if titles:
            axis.set_title(titles[number], fontsize=8, color=color)
        if colors:
            axis.set_frame_on(True)
            axis.spines[:].set(color=color, linewidth=3)
    figure.tight_layout()
    return figure


def predictions_grid(
    images: Sequence[Tensor | Image.Image],
    predictions: Predictions,
    classes: Sequence[str],
    which: Sequence[int],
    *,
    title: str,
) -> Figure:
    """Draw images ``which`` with what the model said: blue and ✓ if right, orange and ✗ if not."""
    titles, colors = [], []
    for index in which:
        said, true = int(predictions.classes[index]), int(predictions.labels[index])
        text = f"{classes[said]} {float(predictions.probabilities[index, said]):.0%}"
        titles.append(f"✓ {text}" if said == true else f"✗ {text}\nis {classes[true]}")
        colors.append(BLUE if said == true else RED)
    return image_grid(images, titles, title=title, colors=colors)


def confusion_matrix(predictions: Predictions, classes: Sequence[str], *, title: str) -> Figure:
    """Draw how many images of each class (rows) were given each label (columns)."""
    from sklearn.metrics import ConfusionMatrixDisplay

    axis = (figure := Figure(figsize=(3.8, 3.4))).subplots()
    names = {"labels": range(len(classes)), "display_labels": classes}
    pairs = predictions.labels.numpy(), predictions.classes.numpy()
    ConfusionMatrixDisplay.from_predictions(*pairs, **names, cmap="Blues", colorbar=False, ax=axis)
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.set_title(title, fontsize=11)
    figure.tight_layout()
    return figure


def accuracy_bars(
    results: Mapping[str, Sequence[float]],
    *,
    title: str,
    baseline: tuple[str, float] | None = None,
    label: str = "accuracy on the test images",
) -> Figure:
    """Draw mean accuracies as bars, every run as a dot, and a ``baseline`` as a dashed line."""
    _tell_apart("bars", len(results))
    figure = Figure(figsize=(1.2 + 1.5 * len(results), 3.8), layout="constrained")
    axis = figure.subplots()
    for x, (runs, color) in enumerate(zip(results.values(), PALETTE, strict=False)):
        mean = statistics.fmean(runs)
        axis.bar(x, mean, width=0.6, color=color, alpha=0.75)
        axis.plot([x] * len(runs), runs, "o", color="black", markersize=4)
        axis.text(x, 0.03, f"{mean:.2f}", ha="center", fontsize=11)
    if baseline is not None:
        axis.axhline(baseline[1], color=GREY, linestyle="--", label=baseline[0])
        figure.legend(loc="outside lower center", fontsize=8)
    axis.set_xticks(range(len(results)), list(results))
    axis.set(ylabel=label, ylim=(0, 1.04))
    axis.set_title(title, fontsize=11)
    return figure


def curves(
    frame: pd.DataFrame,
    x: str,
    *,
    title: str,
    xlabel: str,
    ylabel: str = "accuracy on the test images",
    log_x: bool = False,
    baseline: tuple[str, float] | None = None,
) -> Figure:
    """Draw a line per method of `report.trials`, over one of its columns.

    It is the mean over seeds, in a band of one standard deviation; a ``baseline`` is dashed.
    """
    _tell_apart("methods", frame["method"].nunique())
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axis = figure.subplots()
    for method, color, marker in zip(frame["method"].unique(), PALETTE, MARKERS, strict=False):
        runs = frame[frame["method"] == method].groupby(x)["score"].agg(["mean", "std"])
        mean, spread = runs["mean"], runs["std"].fillna(0)
        axis.plot(runs.index, mean, marker=marker, color=color, label=method)
        axis.fill_between(runs.index, mean - spread, mean + spread, color=color, alpha=0.15, lw=0)
    if baseline is not None:
        axis.axhline(baseline[1], color=GREY, linestyle="--", label=baseline[0])
    if log_x:
        axis.set_xscale("log")
        ticks = sorted(frame[x].unique())
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    elif pd.api.types.is_integer_dtype(frame[x]):
        axis.xaxis.get_major_locator().set_params(integer=True)  # there is no layer 2.5
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(alpha=0.3)
    axis.set_title(title, fontsize=11)
    axis.legend(fontsize=8)
    return figure
