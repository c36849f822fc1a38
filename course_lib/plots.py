"""Figures in colours that colour-blind readers can tell apart, shown with a text that says it."""

import base64
import io
import logging
import statistics
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pandas as pd
from IPython.display import display
from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation
from PIL import Image
from torch import Tensor

from course_lib.training import Predictions

# The palette of Okabe & Ito (2008), https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "#777777"
PHOTOS = "photos"  # label of figures that are mostly photos, which are large as PNG
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
MARKERS = "osD^vP"
# What the usual font has no signs for, Chinese names perhaps, is drawn in one of these, if any.
WIDE = ("cjk", "wqy", "simhei", "simsun", "msyh", "pingfang", "hiragino", "arialuni")
logging.getLogger("matplotlib.font_manager").setLevel("ERROR")  # fonts have other weights
rcParams["font.family"] = ["DejaVu Sans"]
wide = sorted(f for f in font_manager.findSystemFonts() if any(w in f.lower() for w in WIDE))
for file in wide[:3]:
    with suppress(Exception):  # a damaged one
        font_manager.fontManager.addfont(file)
        rcParams["font.family"] += [font_manager.get_font(file).family_name]
NOTED: list[str] = []  # that signs are lacking: once is enough


def show(figure: Figure, alt: str) -> None:
    """Put a figure into the notebook, with a sentence or two that say what it shows."""
    kind = "jpeg" if figure.get_label() == PHOTOS else "png"
    buffer, quality = io.BytesIO(), {"quality": 88} if kind == "jpeg" else {}
    with warnings.catch_warnings(record=True, action="always") as said:
        figure.savefig(buffer, format=kind, dpi=144, bbox_inches="tight", pil_kwargs=quality)
    boxes = [warning for warning in said if "missing from font" in str(warning.message)]
    for warning in [warning for warning in said if warning not in boxes]:
        warnings.warn(warning.message, stacklevel=2)
    if boxes and not NOTED:
        NOTED.append("In figures boxes stand for signs that no font here has: install one,")
        print(*NOTED, "such as Noto Sans CJK for Chinese, and run this again.")
    mime = f"image/{kind}"
    bundle = {mime: base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt}
    display(bundle, metadata={mime: {"alt": alt}}, raw=True)


def _plain(name: object, width: int = 99) -> str:
    """A name as it is, where a dollar would start mathematics; in lines of some width."""
    lines = str(name).replace("$", r"\$").splitlines()
    return "\n".join(textwrap.fill(line, width) for line in lines)


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
    rows = -(-len(images) // columns)
    titles = [_plain(name, 24) for name in titles]
    height = rows * (1.55 + 0.16 * max((name.count("\n") + 2 for name in titles), default=0)) + 0.4
    figure = Figure(figsize=(columns * 1.55, height), label=PHOTOS, layout="tight")
    figure.suptitle(title, fontsize=11)
    bare = {"xticks": [], "yticks": [], "frame_on": False}
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw=bare).ravel()
    for number, (axis, image) in enumerate(zip(axes, images, strict=False)):
        if isinstance(image, Tensor):
            image = image.cpu().clamp(0, 1).movedim(0, 2).numpy()
        axis.imshow(image)
        color = colors[number] if colors else "black"
        axis.set_title(titles[number] if titles else "", fontsize=8, color=color)
        axis.set_frame_on(bool(colors))
        axis.spines[:].set(color=color, linewidth=3)
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

    count, longest = len(classes), max(map(len, classes))
    side, small = 1.4 + 0.07 * longest + max(2, min(0.45 * count, 11)), min(10, 400 / count)
    axis = (figure := Figure(figsize=(side, side), layout="constrained")).subplots()
    pairs = predictions.labels.numpy(), predictions.classes.numpy()
    names = {"labels": range(count), "display_labels": [_plain(name) for name in classes]}
    turned = {"xticks_rotation": "vertical" if count * longest > 24 else "horizontal"}
    how = {"cmap": "Blues", "colorbar": False, "text_kw": {"fontsize": small}, **turned}
    drawn = ConfusionMatrixDisplay.from_predictions(*pairs, **names, **how, ax=axis)
    for number in drawn.text_.ravel()[drawn.confusion_matrix.ravel() == 0]:
        number.set_visible(count <= 10)  # of many, those that are there stand out
    axis.tick_params(labelsize=small)
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.set_title(title, fontsize=11)
    return figure


def accuracy_bars(
    results: Mapping[str, Sequence[float]], *, title: str, baseline: tuple[str, float] | None = None
) -> Figure:
    """Draw mean accuracies as bars, every run as a dot, and a ``baseline`` as a dashed line."""
    count, longest = len(results), max(map(len, results))
    turned = count > 4 and count * longest > 110
    size = min(1.2 + 1.5 * count, 12), 3.8 + turned * 0.08 * longest
    axis = (figure := Figure(figsize=size, layout="constrained")).subplots()
    for x, (runs, color) in enumerate(zip(results.values(), PALETTE * count, strict=False)):
        mean = statistics.fmean(runs)
        axis.bar(x, mean, width=0.6, color=color, alpha=0.75)
        axis.plot([x] * len(runs), runs, "o", color="black", markersize=4)
        axis.text(x, 0.03, f"{mean:.2f}", ha="center", fontsize=min(11, 200 / count))
    if baseline is not None:
        axis.axhline(baseline[1], color=GREY, linestyle="--", label=_plain(baseline[0]))
        figure.legend(loc="outside lower center", fontsize=8)
    names = [_plain(name, 99 if turned else 24) for name in results]
    axis.set_xticks(range(count), names, rotation=90 * turned)
    axis.set(ylabel="accuracy on the test images", ylim=(0, 1.04))
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
    """Draw methods of `report.trials` over a column, means and deviations, side by side."""
    if not 1 <= (count := frame["method"].nunique()) <= len(PALETTE):
        raise ValueError(f"there are {count} methods to draw: expected 1 to {len(PALETTE)}.")
    axis = (figure := Figure(figsize=(7.2, 4.2), layout="constrained")).subplots()
    for i, (method, rows) in enumerate(frame.groupby("method", sort=False)):
        runs = rows.groupby(x)["score"].agg(["mean", "std"]).fillna({"std": 0})
        look = {"marker": MARKERS[i], "color": PALETTE[i], "elinewidth": 1, "label": _plain(method)}
        aside = ScaledTranslation((i - (count - 1) / 2) / 15, 0, figure.dpi_scale_trans)
        for part in axis.errorbar(runs.index, runs["mean"], runs["std"], **look).get_children():
            part.set_transform(axis.transData + aside)
    if baseline is not None:
        axis.axhline(baseline[1], color=GREY, linestyle="--", label=_plain(baseline[0]))
    if log_x:
        axis.set_xscale("log")
        axis.set_xticks(ticks := sorted(frame[x].unique()), [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    elif pd.api.types.is_integer_dtype(frame[x]):
        axis.xaxis.get_major_locator().set_params(integer=True)  # there is no layer 2.5
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure
