"""Figures, and the bars that people see while they wait."""

import base64
import importlib
import io
import itertools
from types import SimpleNamespace

import IPython
import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib.backends.backend_agg import RendererAgg
from nbconvert.filters import markdown2html
from PIL import Image

from course_lib import plots, progress, report
from course_lib.training import Predictions


@pytest.mark.parametrize(("environment", "notebook", "watched"), [
    ({"COURSE_LIB_PROGRESS": "1"}, True, True),
    ({"COURSE_LIB_PROGRESS": "0", "JPY_SESSION_NAME": "lesson.ipynb"}, True, False),
    ({"JPY_SESSION_NAME": "lesson.ipynb"}, True, True),
    ({"VSCODE_PID": "1"}, True, True),
    ({}, True, False),
    ({"JPY_SESSION_NAME": "lesson.ipynb"}, False, False),
])  # fmt: skip
def test_bars_are_drawn_only_for_people(environment, notebook, watched, monkeypatch):
    for name in ("COURSE_LIB_PROGRESS", *progress.WATCHED_KERNEL):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shell = SimpleNamespace(**({"kernel": None} if notebook else {}))
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    assert (progress.in_notebook(), progress.is_watched()) == (notebook, watched)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: True))
    assert progress.is_watched() is (watched or not notebook)


@pytest.mark.parametrize("watched", ["0", "1"])
def test_a_bar_passes_everything_through_and_asks_once(watched, monkeypatch, capsys):
    class Counting(list):
        iterators = 0

        def __iter__(self):
            self.iterators += 1  # a second one would draw from a DataLoader's generator
            return super().__iter__()

    monkeypatch.setenv("COURSE_LIB_PROGRESS", watched)
    items = Counting([1, 2])
    assert list(progress.bar(items, "counting")) == [1, 2] and items.iterators == 1
    assert list(progress.bar(iter("ab"), "unsized", total=2)) == ["a", "b"]
    said = capsys.readouterr().err
    assert ("counting" in said, "/2" in said.split("unsized")[-1]) == (watched == "1",) * 2
    assert "\n" not in said  # when it ends, it wipes its line


def test_the_bars_of_a_cell_share_outputs_and_leave_them_empty(monkeypatch):
    shown: list[list[str]] = []
    shell = SimpleNamespace(execution_count=1, kernel=None)

    def display(bundle: dict[str, str], raw: bool, display_id: bool) -> SimpleNamespace:
        texts = [bundle["text/plain"]]
        shown.append(texts)
        return SimpleNamespace(update=lambda new, raw: texts.append(new["text/plain"]))

    monkeypatch.setenv("COURSE_LIB_PROGRESS", "1")
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(IPython.display, "display", display)
    for _ in progress.bar(range(30), "outer"):
        assert list(progress.bar("ab", "inner")) == ["a", "b"]
    assert len(shown) == 2
    for texts, name in zip(shown, ("outer", "inner"), strict=True):
        assert [text for text in texts if text.startswith(f"{name}:   0%")] and texts[-1] == ""
    shell.execution_count = 2
    assert list(progress.bar("ab", "another cell")) == ["a", "b"] and len(shown) == 3
    interrupted = progress.bar("ab", "interrupted")
    next(interrupted)
    shell.execution_count = 3
    interrupted.close()
    assert len(shown) == 3


def frame(methods: int = 2, seeds: int = 3, **grid: list) -> pd.DataFrame:
    def run(seed: int, n: int) -> dict:
        return {f"method {i}": n * (i + 1.0) + seed * (i == 0) for i in range(methods)}

    return report.trials(run, seeds, **(grid or {"n": [1, 10]}))


def curves(frame: pd.DataFrame, **options: object) -> plots.Figure:
    return plots.curves(frame, "n", title="T", xlabel="X", **options)


def test_photos_are_shown_as_jpeg_and_drawings_as_png_with_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda *data, **how: shown.append((*data, how)))
    grid = plots.image_grid([torch.rand(3, 8, 8), Image.new("RGB", (8, 8))], ["a", "b"], title="T")
    bars = plots.accuracy_bars({"a": [0.5, 0.7]}, title="T", baseline=("majority", 0.5))
    for figure, kind in ((grid, "jpeg"), (bars, "png")):
        plots.show(figure, alt="Alt.")
        data, how = shown.pop()
        assert set(data) == {f"image/{kind}", "text/plain"} and data["text/plain"] == "Alt."
        assert how == {"metadata": {f"image/{kind}": {"alt": "Alt."}}, "raw": True}
        image = Image.open(io.BytesIO(base64.b64decode(data[f"image/{kind}"])))
        assert image.format == kind.upper() and round(image.info["dpi"][0]) == 144 < image.width


def test_a_grid_draws_images_in_rows_tells_right_from_wrong_and_the_matrix_counts_true_rows():
    images = [torch.full((3, 4, 4), i / 5) for i in range(7)]
    names = [str(i) for i in range(7)]
    figure = plots.image_grid(images, names, columns=3, title="T", colors=["red"] * 7)
    assert figure.get_suptitle() == "T" and len(figure.axes) == 9
    assert [len(axis.images) for axis in figure.axes] == [1] * 7 + [0] * 2
    assert [axis.get_title() for axis in figure.axes[:7]] == names
    assert [axis.get_frame_on() for axis in figure.axes] == [True] * 7 + [False] * 2
    figure.draw_without_rendering()
    first, second = figure.axes[0].get_window_extent(), figure.axes[3].title.get_window_extent()
    assert min(first.size) > 120 and 0 < first.y0 - second.y1 < 40  # titles have room, no more
    drawn = [axis.images[0].get_array().mean() for axis in figure.axes[:7]]
    assert drawn == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1])  # beyond white is white
    assert len(plots.image_grid(images[:2]).axes) == 2
    logits = torch.tensor([[2.0, 0.0], [9.0, 9.0], [0.0, 1.0], [0.0, 3.0]])
    said, images = Predictions(logits, torch.tensor([0, 1, 0, 1])), [torch.zeros(3, 4, 4)] * 3
    figure = plots.predictions_grid(images, said, ("ants", "bees"), [0, 2, 3], title="T")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["✓ ants 88%", "✗ bees 73%\nis ants", "✓ bees 95%"]
    edges = [axis.spines["left"].get_edgecolor() for axis in figure.axes]
    assert edges[0] == edges[2] != edges[1] and figure.get_suptitle() == "T"
    assert [x.title.get_color() for x in figure.axes] == [plots.BLUE, plots.RED, plots.BLUE]
    logits = torch.tensor([[0.0, 1.0, 0.0]] * 3)  # of three classes, one was never there
    lopsided = Predictions(logits, torch.tensor([0, 0, 1]))
    axis = plots.confusion_matrix(lopsided, ("ants", "bees", "flies"), title="T").axes[0]
    assert axis.images[0].get_array().tolist() == [[0, 2, 0], [0, 1, 0], [0, 0, 0]]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["ants", "bees", "flies"]
    assert axis.get_title() == "T"


def apart(labels: list, side: str = "x") -> bool:
    """Whether drawn names are large enough to be read, and none runs into the next."""
    boxes = [label.get_window_extent() for label in labels if label.get_fontsize() >= 7]
    ends = sorted((getattr(box, f"{side}0"), getattr(box, f"{side}1")) for box in boxes)
    return len(ends) == len(labels) and all(a[1] <= b[0] for a, b in itertools.pairwise(ends))


@pytest.mark.parametrize("count", [2, 10, 50])
def test_figures_can_be_read_however_many_classes(count):
    names, all_right = [f"a class, number {i}" for i in range(count)], torch.arange(count)
    figure = plots.confusion_matrix(Predictions(torch.eye(count), all_right), names, title="T")
    bars = plots.accuracy_bars({name: [0.1] for name in names}, title="T")
    for drawn in (figure, bars):
        drawn.draw_without_rendering()
        assert apart(drawn.axes[0].get_xticklabels()) and max(drawn.get_size_inches()) < 16
    axis = figure.axes[0]
    numbers = [text for text in axis.texts if text.get_visible()]  # of many, those that are there
    assert len(numbers) == (count**2 if count <= 10 else count)
    assert apart(axis.get_yticklabels(), "y") and len(bars.axes[0].patches) == count
    assert numbers[0].get_window_extent().width < axis.get_window_extent().width / count


DRAW = {
    "matrix": lambda p, names: plots.confusion_matrix(p, names, title="T"),
    "grid": lambda p, names: plots.predictions_grid([torch.ones(3, 4, 4)], p, names, [0], title=""),
    "bars": lambda p, names: plots.accuracy_bars({name: [1.0] for name in names}, title="T"),
    "line": lambda p, names: plots.accuracy_bars({"a": [1]}, title="T", baseline=(names[0], 0.5)),
    "curve": lambda p, names: curves(frame(1).replace("method 0", names[0])),
}


@pytest.mark.parametrize("kind", DRAW)
def test_names_are_drawn_as_they_are(kind, monkeypatch):
    """Two dollars would be mathematics; what is drawn is caught where text becomes glyphs."""
    drawn, draw = [], RendererAgg.draw_text
    note = lambda self, *what, **how: (drawn.append(what[3]), draw(self, *what, **how))  # noqa: E731
    monkeypatch.setattr(RendererAgg, "draw_text", note)
    monkeypatch.setattr("matplotlib.mathtext.MathTextParser.parse", lambda *_: pytest.fail("math"))
    figure = DRAW[kind](Predictions(torch.eye(2), torch.tensor([0, 1])), ("US$5 or $10", "a|b <b>"))
    figure.draw(RendererAgg(400, 300, 72))
    assert "US$5 or $10" in "\n".join(drawn)


def test_names_in_tables_stay_and_signs_of_no_font_are_noted_once(tmp_path, monkeypatch, capsys):
    page = BeautifulSoup(markdown2html(report.table([{"n": "$5|$6 <b>"}]).data), "html.parser")
    assert [cell.text for cell in page.find_all("td")] == ["$5|$6 <b>"]
    assert not any("$5" in text for text in page.strings)  # MathJax pairs dollars of one text
    monkeypatch.setattr(plots, "display", lambda *_, **__: None)
    monkeypatch.setattr(plots, "NOTED", [])
    monkeypatch.setitem(plots.rcParams, "font.family", ["DejaVu Sans"])
    for name in ("蜜蜂", "蚂蚁"):
        plots.show(plots.accuracy_bars({name: [0.5]}, title="T"), alt="Alt.")
    assert capsys.readouterr().out.count("In figures boxes stand for signs") == 1
    bad, found = tmp_path / "simsun.ttf", plots.font_manager.findSystemFonts
    bad.write_bytes(b"no font")
    monkeypatch.setattr(plots.font_manager, "findSystemFonts", lambda: [str(bad), *found()])
    assert importlib.reload(plots).rcParams["font.family"][0] == "DejaVu Sans"
    figure = plots.Figure(layout="constrained", figsize=(0.1, 0.1))
    figure.subplots(3, 3)
    with pytest.warns(UserWarning, match="constrained_layout not applied"):
        plots.show(figure, alt="Alt.")


def test_bars_are_means_dots_are_runs_and_curves_have_deviations():
    runs, baseline = {"a": [0.5, 0.7], "b": [0.9]}, ("majority", 0.25)
    figure = plots.accuracy_bars(runs, title="T", baseline=baseline)
    (axis,) = figure.axes
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.6, 0.9])
    assert [list(line.get_ydata()) for line in axis.lines] == [[0.5, 0.7], [0.9], [0.25, 0.25]]
    assert axis.get_ylim()[0] == 0 and axis.get_ylim()[1] >= 1 and axis.get_title() == "T"
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["a", "b"]
    assert [text.get_text() for text in axis.texts] == ["0.60", "0.90"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["majority"]
    assert axis.patches[0].get_facecolor() != axis.patches[1].get_facecolor()
    assert axis.get_ylabel() == "accuracy on the test images"
    (axis,) = (figure := curves(frame(), log_x=True, baseline=("majority", 0.5))).axes
    one, two, baseline = axis.get_lines()
    assert one.get_xydata().tolist() == [[1, 2], [10, 11]]
    assert two.get_marker() != one.get_marker() and two.get_color() != one.get_color()
    assert list(baseline.get_ydata()) == [0.5, 0.5]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["majority", "method 0", "method 1"]
    ends = [[list(part[:, 1]) for part in bars.get_segments()] for bars in axis.collections]
    assert ends == [[[1, 3], [10, 12]], [[2, 2], [20, 20]]]  # no spread where nothing varies
    places = [line.get_transform().transform((1, 1))[0] for line in (one, two)]
    assert -9 < places[0] - (at := axis.transData.transform((1, 1))[0]) < 0 < places[1] - at < 9
    assert [tick.get_text() for tick in axis.get_xticklabels(which="both")] == ["1", "10"]
    assert (axis.get_title(), axis.get_xlabel(), axis.get_xscale()) == ("T", "X", "log")
    whole = curves(frame(seeds=1, n=[0, 1, 2])).axes[0]  # there is no layer 2.5
    assert all(tick == int(tick) for tick in whole.get_xticks()) and whole.get_ylabel()
    assert np.isfinite(whole.collections[0].get_segments()).all() and whole.get_xscale() == "linear"
    shares = curves(frame(seeds=1, n=[0.0, 0.1, 0.2])).axes[0].get_xticks()
    assert any(share != int(share) for share in shares)


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: curves(frame(7)), "7 methods to draw: expected 1 to 6"),
    (lambda: curves(frame()[:0]), "0 methods to draw"),
    (lambda: plots.accuracy_bars({}, title=""), "empty"),
    (lambda: plots.accuracy_bars({"a": []}, title=""), "at least one data point"),
])  # fmt: skip
def test_nothing_and_too_much_are_refused_not_dropped(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
