"""Shared helpers at their edges: constant features, one image, none, one class, more dimensions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from course_lib import experiments, plots, training
from course_lib.features import Domain


def domain(x: np.ndarray, y: list[int], classes: tuple[str, ...] = ("ants", "bees")) -> Domain:
    return Domain("toy", np.asarray(x, dtype=np.float32), np.array(y, dtype=np.int64), classes)


NONE = domain(np.empty((0, 2)), [])
ONE = domain(np.ones((1, 2)), [1])
CONSTANT = domain(np.ones((4, 2)), [0, 1, 0, 1])
ONE_CLASS = domain(np.arange(8).reshape(4, 2), [1, 1, 1, 1])
WIDE = domain(np.arange(80).reshape(4, 20), [0, 1, 0, 1])


@pytest.mark.parametrize("toy", [NONE, ONE, CONSTANT, ONE_CLASS])
def test_any_domain_can_be_drawn_in_the_plane(toy: Domain) -> None:
    figure = plots.domains({"view": [CONSTANT, toy]}, title="T")
    drawn = [len(points.get_offsets()) for points in figure.axes[0].collections]
    assert drawn[2:] == [int((toy.y == number).sum()) for number in (0, 1)]
    figure.canvas.draw()  # no warning of empty or constant data


@pytest.mark.parametrize(
    ("toy", "there"), [(NONE, {0: 0, 1: 0}), (ONE, {0: 0, 1: 1}), (ONE_CLASS, {0: 0, 1: 4})]
)
def test_a_draw_from_too_few_images_names_the_class(toy: Domain, there: dict[int, int]) -> None:
    assert len(toy.few(0, np.random.default_rng(0))) == 0
    with pytest.raises(ValueError, match=f"toy has only {there[0]} of 'ants'"):
        toy.few(1, np.random.default_rng(0))


def test_more_dimensions_than_images() -> None:
    chosen = WIDE.few(1, np.random.default_rng(0))
    assert WIDE.take(chosen).x.shape == (2, 20)
    with pytest.raises(ValueError, match=r"\(4, 20\) cannot be drawn in a plane"):
        plots.domains({"view": [WIDE]}, title="")


def frame(methods: int, seeds: int = 2) -> pd.DataFrame:
    scores = {f"method {i}": float(i) for i in range(methods)}
    return experiments.trials(lambda seed, n: scores, seeds, n=[1, 2])


def many_classes() -> Domain:
    names = tuple(map(str, range(7)))
    return domain(np.ones((7, 2)), list(range(7)), names)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.curves(frame(7), "n", title="", xlabel=""), "7 methods to draw: .* 1 to 6"),
        (lambda: plots.curves(frame(1)[:0], "n", title="", xlabel=""), "0 methods to draw"),
        (lambda: plots.accuracy_bars({}, title=""), "0 bars to draw"),
        (lambda: plots.accuracy_bars({str(i): [1.0] for i in range(7)}, title=""), "7 bars"),
        (lambda: plots.accuracy_bars({"a": []}, title=""), "'a' has no accuracy to average"),
        (lambda: plots.history({}, title=""), "0 runs to draw"),
        (lambda: plots.domains({}, title=""), "0 views to draw"),
        (lambda: plots.domains({"view": []}, title=""), "0 domains to draw"),
        (lambda: plots.domains({"view": [ONE] * 4}, title=""), "4 domains to draw: .* 1 to 3"),
        (lambda: plots.domains({"view": [many_classes()]}, title=""), "7 classes to draw"),
        (lambda: experiments.summary(frame(1)[:0]), "there is no run to sum up"),
        (lambda: experiments.mean(frame(1)[:0], "a"), "no run of 'a'"),
    ],
)
def test_nothing_and_too_much_are_refused_not_dropped(draw: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw()


def test_scores_that_do_not_vary_have_no_spread() -> None:
    table = experiments.summary(frame(1), "n").data
    assert table.splitlines()[2] == "| method 0 | 0.000 ± 0.000 | 0.000 ± 0.000 |"
    band = plots.curves(frame(1), "n", title="", xlabel="").axes[0].collections[0]
    assert np.ptp(band.get_paths()[0].vertices[:, 1]) == 0


def test_runs_of_no_epoch_and_of_one_can_be_drawn() -> None:
    one = training.History([1.0], [0.5], [], [], [0.1], [1.0], 0)
    figure = plots.history({"none": training.History(), "one": one}, title="")
    figure.canvas.draw()


def test_metrics_of_one_class_and_of_one_image() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    all_bees = training.Predictions(logits, torch.tensor([1, 1]))
    assert all_bees.metrics.accuracy == 0.5
    assert training.Predictions(logits[:1], torch.tensor([0])).metrics.accuracy == 1.0
    axis = plots.confusion_matrix(all_bees, ("ants", "bees"), title="").axes[0]
    assert axis.images[0].get_array().tolist() == [[0, 0], [1, 1]]
