"""paths, progress, require, report and plots."""

from __future__ import annotations

import base64
import io
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import IPython
import pytest
import torch
from PIL import Image

from course_lib import paths, plots, progress, report, require, training

ROOT = Path(__file__).resolve().parents[2]


def test_the_course_is_found_from_anywhere(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.course_root() == ROOT
    assert paths.data_dir() == ROOT / "data" and paths.notebooks_dir() == ROOT / "notebooks"


def test_an_installed_copy_finds_the_checkout_around_it(tmp_path: Path, monkeypatch) -> None:
    elsewhere = tmp_path / "site-packages" / "course_lib" / "paths.py"
    monkeypatch.setattr(paths, "__file__", str(elsewhere))
    monkeypatch.chdir(ROOT / "notebooks")
    assert paths.course_root() == ROOT
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="folder was not found from"):
        paths.course_root()


def test_importing_the_library_does_not_import_torch() -> None:
    code = "import course_lib, course_lib.datasets, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("environment", "watched"),
    [
        ({"COURSE_LIB_PROGRESS": "1"}, True),
        ({"COURSE_LIB_PROGRESS": "0", "JPY_SESSION_NAME": "lesson.ipynb"}, False),
        ({"JPY_SESSION_NAME": "lesson.ipynb"}, True),
        ({}, False),
    ],
)
def test_bars_are_drawn_only_for_people(environment: dict, watched: bool, monkeypatch) -> None:
    for name in ("COURSE_LIB_PROGRESS", *progress.WATCHED_KERNEL):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    assert progress.is_watched() is watched


def test_a_bar_passes_everything_through(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COURSE_LIB_PROGRESS", "1")
    assert list(progress.bar(range(3), "counting")) == [0, 1, 2]
    assert "counting" in capsys.readouterr().err
    monkeypatch.setenv("COURSE_LIB_PROGRESS", "0")
    assert list(progress.bar(iter("ab"), "quiet", total=2)) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_the_bars_of_a_cell_share_outputs_and_leave_them_empty(monkeypatch) -> None:
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
        assert [text for text in texts if text.startswith(f"{name}:   0%")]
        assert texts[-1] == ""
    shell.execution_count = 2
    assert list(progress.bar("ab", "another cell")) == ["a", "b"]
    assert len(shown) == 3
    interrupted = progress.bar("ab", "interrupted")
    next(interrupted)
    shell.execution_count = 3
    interrupted.close()
    assert len(shown) == 3


@pytest.mark.parametrize("watched", ["0", "1"])
def test_a_bar_never_changes_what_a_seeded_loader_yields(watched: str, monkeypatch) -> None:
    class Counting(list):
        iterators = 0

        def __iter__(self):
            self.iterators += 1
            return super().__iter__()

    monkeypatch.setenv("COURSE_LIB_PROGRESS", watched)
    items = Counting([1, 2])
    assert list(progress.bar(items, "counting")) == [1, 2] and items.iterators == 1


def test_good_values_pass() -> None:
    assert require.whole("epochs", 0) == 0
    assert require.number("rate", 1e-3, above=0.0) == 1e-3
    assert require.one_of("device", "cpu", ("cpu", "cuda")) == "cpu"
    require.parameters(epochs=3, learning_rate=0.1, head_learning_rate=1, scratch_epochs=2, seed=0)


@pytest.mark.parametrize("value", [-1, 1.0, "1", True, None, math.nan])
def test_whole_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r"epochs is .*: expected a whole number of 0 or more"):
        require.whole("epochs", value)


@pytest.mark.parametrize("value", [0.0, 2.0, "1", True, None, math.nan, math.inf])
def test_number_refuses(value: object) -> None:
    with pytest.raises(ValueError, match="expected a finite number above 0 and at most 1"):
        require.number("gamma", value, above=0.0, at_most=1.0)


def test_one_of_offers_the_closest() -> None:
    with pytest.raises(ValueError, match=r"is 'insect': expected bees, insects\..*'insects'\?"):
        require.one_of("dataset", "insect", ("insects", "bees"))
    with pytest.raises(ValueError, match="expected one of 20 names or a folder"):
        require.one_of("dataset", "x", [f"name{i}" for i in range(20)], " or a folder")


def test_all_bad_parameters_are_listed_at_once() -> None:
    with pytest.raises(ValueError, match=r"epochs is -1.*learning_rate is nan"):
        require.parameters(epochs=-1, learning_rate=math.nan, seeds=3)
    with pytest.raises(TypeError, match="no rule for 'colour'"):
        require.parameters(colour=3)


def test_mean_std() -> None:
    assert report.mean_std([0.5, 0.7, 0.9]) == "0.700 ± 0.200"
    assert report.mean_std([0.25], digits=2) == "0.25"
    with pytest.raises(ValueError, match="no values"):
        report.mean_std([])


def test_table() -> None:
    made = report.table([{"name": "a", "share": 0.5}, {"name": "b", "share": 2}])
    assert made.data == "| name | share |\n|---|---|\n| a | 0.500 |\n| b | 2 |"
    for rows in ([], [{"a": 1}, {"b": 2}]):
        with pytest.raises(ValueError, match="at least one row"):
            report.table(rows)


def test_verdict_prints_a_plain_bool(capsys) -> None:
    report.verdict("frozen beats scratch", torch.tensor(0.9) > 0.8)
    assert capsys.readouterr().out == "frozen beats scratch: True\n"


@pytest.fixture
def displayed(monkeypatch) -> list[tuple[dict, dict]]:
    """What would go into the notebook: pairs of data and metadata."""
    outputs: list[tuple[dict, dict]] = []

    def record(data: dict, metadata: dict | None = None, raw: bool = False) -> None:
        assert raw
        outputs.append((data, metadata or {}))

    monkeypatch.setattr(report, "display", record)
    monkeypatch.setattr(plots, "display", record)
    return outputs


def test_key_numbers_reach_the_runner(displayed: list) -> None:
    report.key_numbers({"frozen": 0.9})
    data, _ = displayed[0]
    assert data[report.RESULT_MIME] == {"frozen": 0.9}
    assert "| frozen | 0.900 |" in data["text/plain"]


def some_predictions() -> training.Predictions:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 3.0]])
    return training.Predictions(logits, torch.tensor([0, 0, 1, 1]))


def test_photos_are_shown_as_jpeg_and_drawings_as_png_with_alt_text(displayed: list) -> None:
    grid = plots.image_grid([torch.rand(3, 8, 8), Image.new("RGB", (8, 8))], ["a", "b"], title="T")
    bars = plots.accuracy_bars({"a": [0.5, 0.7]}, title="T", baseline=("majority", 0.5))
    for figure, kind in ((grid, "jpeg"), (bars, "png")):
        plots.show(figure, alt=f"A {kind} made by a test.")
        data, metadata = displayed.pop()
        assert set(data) == {f"image/{kind}", "text/plain"}
        assert metadata[f"image/{kind}"]["alt"] == data["text/plain"] == f"A {kind} made by a test."
        shown = Image.open(io.BytesIO(base64.b64decode(data[f"image/{kind}"])))
        assert shown.format == kind.upper() and shown.width > 100


def test_a_grid_draws_every_image_in_rows() -> None:
    images = [torch.full((3, 4, 4), i / 10) for i in range(7)]
    figure = plots.image_grid(images, [str(i) for i in range(7)], columns=3, title="seven")
    assert len(figure.axes) == 9
    assert [len(axis.images) for axis in figure.axes] == [1] * 7 + [0] * 2
    assert [axis.get_title() for axis in figure.axes[:7]] == [str(i) for i in range(7)]
    assert figure.axes[3].images[0].get_array().mean() == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no image to draw"):
        plots.image_grid([])


def test_right_and_wrong_differ_in_mark_word_and_colour() -> None:
    figure = plots.predictions_grid(
        [torch.zeros(3, 4, 4)] * 3, some_predictions(), ("ants", "bees"), [0, 1, 3], title="T"
    )
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["✓ ants 88%", "✗ bees 73%\nis ants", "✓ bees 95%"]
    edges = [axis.spines["left"].get_edgecolor() for axis in figure.axes]
    assert edges[0] == edges[2] != edges[1]


def test_the_confusion_matrix_counts_true_classes_in_rows() -> None:
    figure = plots.confusion_matrix(some_predictions(), ("ants", "bees"), title="T")
    axis = figure.axes[0]
    assert axis.images[0].get_array().tolist() == [[1, 1], [1, 1]]
    lopsided = training.Predictions(torch.tensor([[0.0, 1.0]] * 3), torch.tensor([0, 0, 1]))
    axis = plots.confusion_matrix(lopsided, ("ants", "bees"), title="T").axes[0]
    assert axis.images[0].get_array().tolist() == [[0, 2], [0, 1]]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")


def test_history_curves_carry_the_numbers() -> None:
    run = training.History([1.0, 0.5], [0.5, 0.8], [1.1, 0.7], [0.4, 0.6], [0.1] * 2, [1.0] * 2, 1)
    figure = plots.history({"run": run}, title="T")
    loss, accuracy = figure.axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[1.0, 0.5], [1.1, 0.7]]
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[0.5, 0.8], [0.4, 0.6], [0.6]]
    assert loss.get_xlim() == (0.5, 2.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "run, training",
        "run, validation",
    ]


def test_bars_are_means_and_dots_are_runs() -> None:
    figure = plots.accuracy_bars({"a": [0.5, 0.7], "b": [0.9]}, title="T")
    (axis,) = figure.axes
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.6, 0.9])
    assert [list(line.get_ydata()) for line in axis.lines] == [[0.5, 0.7], [0.9]]
