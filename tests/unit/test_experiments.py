"""Experiments over seeds, their tables and their figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from course_lib import experiments, plots
from course_lib.features import Domain


def run(seed: int, labels: int, noise: float = 0.0) -> dict[str, float]:
    return {"ours": labels + seed + noise, "theirs": 2.0 * labels}


@pytest.fixture
def frame() -> pd.DataFrame:
    return experiments.trials(run, 3, labels=[1, 10])


def test_one_row_a_seed_setting_and_method(frame: pd.DataFrame) -> None:
    assert list(frame.columns) == ["labels", "seed", "method", "score"]
    assert len(frame) == 2 * 3 * 2
    first = frame.iloc[:4].to_dict("list")
    assert first["labels"] == [1] * 4
    assert first["seed"] == [0, 0, 1, 1]
    assert first["method"] == ["ours", "theirs"] * 2
    assert first["score"] == [1, 2, 2, 2]


def test_every_combination_of_settings_is_run() -> None:
    two = experiments.trials(run, 1, labels=[1, 2], noise=[0.0, 0.5])
    ours = two[two["method"] == "ours"]
    assert ours[["labels", "noise"]].values.tolist() == [[1, 0], [1, 0.5], [2, 0], [2, 0.5]]
    assert len(experiments.trials(lambda seed: {"a": 1.0}, 4)) == 4


def test_linear_algebra_has_one_thread_during_trials_and_its_own_number_afterwards() -> None:
    def threads() -> set[int]:
        return {
            library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
        }

    with threadpool_limits(2, "blas"):
        seen = experiments.trials(lambda seed: {"threads": max(threads())}, 1)["score"].tolist()
        assert (seen, threads()) == ([1], {2})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda seed: {"a": 1.0}, 0), "seeds is 0"),
        ((lambda seed: {}, 2), "returned no score"),
    ],
)
def test_empty_experiments_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        experiments.trials(*arguments)


def test_setting_without_values_is_named() -> None:
    with pytest.raises(ValueError, match="labels has no value to try"):
        experiments.trials(run, 1, labels=[])


def test_summary_has_a_row_a_method_and_a_column_a_setting(frame: pd.DataFrame) -> None:
    lines = experiments.summary(frame, "labels", digits=1).data.splitlines()
    assert lines[0] == "| method | labels 1 | labels 10 |"
    assert lines[2:] == ["| ours | 2.0 ± 1.0 | 11.0 ± 1.0 |", "| theirs | 2.0 ± 0.0 | 20.0 ± 0.0 |"]
    pooled = experiments.summary(frame[frame["labels"] == 1], digits=1).data.splitlines()
    assert pooled[2] == "| ours | 2.0 ± 1.0 |"


def test_summary_marks_what_was_not_run(frame: pd.DataFrame) -> None:
    partial = frame[(frame["method"] == "ours") | (frame["labels"] == 1)]
    assert experiments.summary(partial, "labels").data.splitlines()[3].endswith("| – |")


def test_summary_of_one_seed_has_no_spread() -> None:
    one = experiments.trials(run, 1, labels=[3])
    assert "| ours | 3.000 |" in experiments.summary(one).data


def test_summary_ends_with_the_trivial_answer(frame: pd.DataFrame) -> None:
    lines = experiments.summary(frame, "labels", 2, baseline=("coin", 0.5)).data.splitlines()
    assert lines[-1] == "| coin | 0.50 | 0.50 |"
    lines = experiments.summary(frame, baseline=("coin", 0.5)).data.splitlines()
    assert lines[-1] == "| coin | 0.500 |"


def test_mean_is_over_the_runs_named(frame: pd.DataFrame) -> None:
    assert experiments.mean(frame, "ours", labels=10) == 11
    assert experiments.mean(frame, "theirs") == 11
    with pytest.raises(ValueError, match=r"no run of 'mine', labels=10: there are ours, theirs"):
        experiments.mean(frame, "mine", labels=10)
    with pytest.raises(ValueError, match="labels=7"):
        experiments.mean(frame, "ours", labels=7)


def test_curves_show_means_and_bands(frame: pd.DataFrame) -> None:
    figure = plots.curves(
        frame, "labels", title="T", xlabel="X", log_x=True, baseline=("majority", 0.5)
    )
    axis = figure.axes[0]
    ours, theirs, baseline = axis.get_lines()
    assert ours.get_xydata().tolist() == [[1, 2], [10, 11]]
    assert theirs.get_marker() != ours.get_marker()
    assert baseline.get_label() == "majority"
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["ours", "theirs", "majority"]
    band = axis.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1, 12)
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "10"]


def test_curves_of_one_seed_have_no_band() -> None:
    one = experiments.trials(run, 1, labels=[1, 2])
    band = plots.curves(one, "labels", title="", xlabel="").axes[0].collections[0].get_paths()[0]
    assert np.isfinite(band.vertices).all()


def toy(name: str, width: int = 2) -> Domain:
    x = np.arange(6.0 * width).reshape(6, width)
    return Domain(name, x, np.arange(6) % 2, ("ants", "bees"))


def test_domains_are_told_apart_by_look_and_classes_by_colour() -> None:
    views = {"before": [toy("day"), toy("night")], "after": [toy("day"), toy("night")]}
    figure = plots.domains(views, title="T")
    assert [axis.get_title() for axis in figure.axes] == ["before", "after"]
    day_ants, day_bees, night_ants, _ = figure.axes[0].collections
    assert day_ants.get_offsets().tolist() == [[0, 1], [4, 5], [8, 9]]
    assert len(day_ants.get_facecolors()) == 1
    assert len(night_ants.get_facecolors()) == 0
    assert not np.array_equal(day_ants.get_edgecolors(), day_bees.get_edgecolors())
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["day: ants", "day: bees", "night: ants", "night: bees"]


def test_domains_need_two_dimensions() -> None:
    with pytest.raises(ValueError, match=r"wide: .*\(6, 3\).*Project"):
        plots.domains({"view": [toy("wide", 3)]}, title="")


def test_curves_over_whole_numbers_have_no_ticks_between_them() -> None:
    frame = experiments.trials(lambda seed, layers: {"m": layers}, 1, layers=[0, 1, 2])
    axis = plots.curves(frame, "layers", title="", xlabel="layers").axes[0]
    assert all(tick == int(tick) for tick in axis.get_xticks())
