"""Figures: each has a title, labelled axes, colours safe for colour-blind readers, and alt text.

Every function draws and returns a matplotlib figure; ``show`` puts it into the notebook together
with a text that says what it shows, for readers who cannot see it.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_lib.features import Domain
from course_lib.training import History, Predictions

# The palette of Okabe & Ito (2008), https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"),
    "#777777",
)
PHOTOS = "photos"  # label of figures that are mostly photos
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
MARKERS = "osD^vP"


def show(figure: Figure, alt: str) -> None:
    """Put a figure into the notebook, with its description.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to show.
    alt : str
        One or two full sentences saying what the figure shows. Screen readers read them, terminals
        print them, and nbval compares them.
    """
    kind = "jpeg" if figure.get_label() == PHOTOS else "png"  # photos are large as PNG
    options = {"quality": 88} if kind == "jpeg" else {}
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format=kind, dpi=80, bbox_inches="tight", facecolor="white", pil_kwargs=options
    )
    mime = f"image/{kind}"
    bundle = {mime: base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt}
    display(bundle, metadata={mime: {"alt": alt}}, raw=True)


def _tell_apart(what: str, count: int, most: int = len(PALETTE)) -> None:
    """Refuse to draw nothing, or more than can be told apart."""
    if not 1 <= count <= most:
        raise ValueError(f"there are {count} {what} to draw: expected 1 to {most} in one figure.")


def _as_array(image: Tensor | Image.Image) -> np.ndarray:
    """Return pixels of shape (H, W, 3): of a PIL image as they are, of a tensor clipped to 0..1."""
    if isinstance(image, Tensor):
        return image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    return np.asarray(image)


def image_grid(
    images: Sequence[Tensor | Image.Image],
    titles: Sequence[str] = (),
    *,
    title: str = "",
    columns: int = 6,
    colors: Sequence[str] = (),
) -> Figure:
    """Draw images in rows.

    Parameters
    ----------
    images : sequence of Tensor or PIL.Image.Image
        Tensors are float32 of shape (3, H, W) in [0, 1]: un-normalise them first.
    titles : sequence of str
        One a picture, or none.
    title : str
        Above all.
    columns : int
        Pictures in a row.
    colors : sequence of str
        Frame and title colour of each picture, or none for no frames.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not len(images):
        raise ValueError("there is no image to draw.")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    cell = 1.55
    figure = Figure(
        figsize=(columns * cell, rows * (cell + 0.3 * bool(titles)) + 0.4), label=PHOTOS
    )
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
    for number, image in enumerate(images):
        axis = axes[number]
        axis.imshow(_as_array(image))
        color = colors[number] if colors else "black"
        if titles:
            axis.set_title(titles[number], fontsize=8, color=color)
        if colors:
            axis.set_frame_on(True)
            for edge in axis.spines.values():
                edge.set(color=color, linewidth=3)
    figure.tight_layout()
    return figure


def predictions_grid(
    images: Sequence[Tensor | Image.Image],
    predictions: Predictions,
    classes: Sequence[str],
    which: Sequence[int],
    *,
    title: str,
    columns: int = 6,
) -> Figure:
    """Draw images with what the model said, right and wrong told apart by mark, word and colour.

    Parameters
    ----------
    images : sequence of Tensor or PIL.Image.Image
        The pictures numbered ``which``, in that order.
    predictions : Predictions
        Of the whole split.
    classes : sequence of str
        Class names.
    which : sequence of int
        Positions in ``predictions``.
    title : str
        Above all.
    columns : int
        Pictures in a row.

    Returns
    -------
    matplotlib.figure.Figure
        A blue frame and ✓ where right, an orange frame and ✗ where wrong.
    """
    titles, colors = [], []
    for index in which:
        said, true = int(predictions.classes[index]), int(predictions.labels[index])
        share = float(predictions.probabilities[index, said])
        right = said == true
        titles.append(
            f"✓ {classes[said]} {share:.0%}"
            if right
            else f"✗ {classes[said]} {share:.0%}\nis {classes[true]}"
        )
        colors.append(BLUE if right else RED)
    return image_grid(images, titles, title=title, columns=columns, colors=colors)


def history(histories: Mapping[str, History], *, title: str) -> Figure:
    """Draw loss and accuracy over epochs, training dashed and validation solid.

    Parameters
    ----------
    histories : mapping of str to History
        One or several runs by name.
    title : str
        Above all.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels; a dot marks the epoch whose weights were kept.
    """
    _tell_apart("runs", len(histories))
    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    figure.suptitle(title, fontsize=11)
    loss_axis, accuracy_axis = figure.subplots(1, 2)
    for (name, run), color in zip(histories.items(), PALETTE, strict=False):
        epochs = range(1, len(run.train_loss) + 1)
        loss_axis.plot(epochs, run.train_loss, ".--", color=color, label=f"{name}, training")
        accuracy_axis.plot(epochs, run.train_accuracy, ".--", color=color)
        if run.val_loss:
            loss_axis.plot(epochs, run.val_loss, ".-", color=color, label=f"{name}, validation")
            accuracy_axis.plot(epochs, run.val_accuracy, ".-", color=color)
        if run.val_loss and run.best_epoch is not None:
            best = run.best_epoch
            accuracy_axis.plot(best + 1, run.val_accuracy[best], "o", color=color)
    loss_axis.set(xlabel="epoch", ylabel="cross-entropy (nats)")
    loss_axis.set_ylim(bottom=0)
    accuracy_axis.set(xlabel="epoch", ylabel="accuracy", ylim=(0.3, 1.02))
    longest = max((len(run.train_loss) for run in histories.values()), default=0)
    for axis in (loss_axis, accuracy_axis):
        axis.set_xlim(0.5, max(longest, 1) + 0.5)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right center")
    return figure


def confusion_matrix(predictions: Predictions, classes: Sequence[str], *, title: str) -> Figure:
    """Draw how many images of each class were given each label.

    Parameters
    ----------
    predictions : Predictions
        Of one split.
    classes : sequence of str
        Class names.
    title : str
        Above all.

    Returns
    -------
    matplotlib.figure.Figure
        Rows are true classes, columns predicted ones (`scikit-learn's
        <https://scikit-learn.org/stable/modules/model_evaluation.html#confusion-matrix>`_ layout).
    """
    from sklearn.metrics import ConfusionMatrixDisplay

    figure = Figure(figsize=(3.8, 3.4))
    axis = figure.subplots()
    ConfusionMatrixDisplay.from_predictions(
        *(predictions.labels.numpy(), predictions.classes.numpy()),
        labels=range(len(classes)),
        display_labels=classes,
        cmap="Blues",
        colorbar=False,
        ax=axis,
    )
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
    """Draw mean accuracies as bars, every single run as a dot.

    Parameters
    ----------
    results : mapping of str to sequence of float
        Accuracies in [0, 1], one a seed, by name.
    title : str
        Above all.
    baseline : (str, float), optional
        Name and height of a dashed line, such as the share of the majority class.
    label : str
        Of the y axis.

    Returns
    -------
    matplotlib.figure.Figure
    """
    _tell_apart("bars", len(results))
    if empty := [name for name, runs in results.items() if not len(runs)]:
        raise ValueError(f"{empty[0]!r} has no accuracy to average: run at least one seed.")
    figure = Figure(figsize=(1.2 + 1.5 * len(results), 3.8), layout="constrained")
    axis = figure.subplots()
    for x, (runs, color) in enumerate(zip(results.values(), PALETTE, strict=False)):
        mean = sum(runs) / len(runs)
        axis.bar(x, mean, width=0.6, color=color, alpha=0.75)
        axis.plot([x] * len(runs), runs, "o", color="black", markersize=4)
        axis.text(x, 0.03, f"{mean:.2f}", ha="center", fontsize=11)
    if baseline is not None:
        name, height = baseline
        axis.axhline(height, color=GREY, linestyle="--", label=name)
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
    """Draw one line a method: the mean over seeds, in a band of one standard deviation.

    Parameters
    ----------
    frame : pandas.DataFrame
        From :func:`course_lib.experiments.trials`; ``x`` is one of its columns.
    x : str
        Column of numbers along the horizontal axis.
    title, xlabel, ylabel : str
        Texts of the figure.
    log_x : bool
        Logarithmic horizontal axis, with the values that occur as its ticks.
    baseline : (str, float), optional
        Name and height of a dashed line, such as the share of the majority class.

    Returns
    -------
    matplotlib.figure.Figure
        Lines differ in colour and in marker.
    """
    _tell_apart("methods", frame["method"].nunique())
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axis = figure.subplots()
    look = zip(frame["method"].unique(), PALETTE, MARKERS, strict=False)
    for method, color, marker in look:
        runs = frame[frame["method"] == method].groupby(x)["score"].agg(["mean", "std"])
        spread = runs["std"].fillna(0)
        axis.plot(runs.index, runs["mean"], marker=marker, color=color, label=method)
        low, high = runs["mean"] - spread, runs["mean"] + spread
        axis.fill_between(runs.index, low, high, color=color, alpha=0.15, linewidth=0)
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


def domains(views: Mapping[str, Sequence[Domain]], *, title: str) -> Figure:
    """Draw domains in two dimensions, side by side in several views.

    Parameters
    ----------
    views : mapping of str to sequence of Domain
        Panel title to the domains in it, each with ``x`` of shape (N, 2).
    title : str
        Above all.

    Returns
    -------
    matplotlib.figure.Figure
        The colour of a point is its class; points of the first domain are filled, those of the
        second are hollow, those of a third are crosses.

    Raises
    ------
    ValueError
        If a domain does not have two dimensions, or if there are more domains or classes than can
        be told apart.
    """
    looks = ("filled", "hollow", "cross")
    _tell_apart("views", len(views))
    for shown in views.values():
        _tell_apart("domains", len(shown), len(looks))
        _tell_apart("classes", max(len(domain.classes) for domain in shown))
    figure = Figure(figsize=(0.6 + 3.4 * len(views), 3.7), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(1, len(views), squeeze=False)[0]
    for axis, (name, shown) in zip(axes, views.items(), strict=True):
        for domain, look in zip(shown, looks, strict=False):
            if domain.x.shape[1:] != (2,):
                raise ValueError(
                    f"{domain.name}: features of shape {domain.x.shape} cannot be drawn in a "
                    "plane. Project them to two columns first, for example with PCA."
                )
            for number, color in zip(range(len(domain.classes)), PALETTE, strict=False):
                points = domain.x[domain.y == number]
                axis.scatter(
                    *points.T,
                    s=22,
                    marker="x" if look == "cross" else "o",
                    facecolors="none" if look == "hollow" else color,
                    edgecolors=None if look == "cross" else color,
                    alpha=0.8,
                    label=f"{domain.name}: {domain.classes[number]}",
                )
        axis.set(xlabel="first direction", ylabel="second direction", title=name)
        axis.title.set_fontsize(10)
    entries = figure.axes[0].get_legend_handles_labels()
    figure.legend(*entries, loc="outside lower center", ncols=4, fontsize=8)
    return figure
