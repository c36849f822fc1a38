"""Experiments over seeds, and the tables and sentences that are made of them."""

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from course_lib import report


def run(seed: int, labels: int, noise: float = 0.0) -> dict[str, float]:
    return {"ours": labels + seed + noise, "theirs": 2.0 * labels}


@pytest.fixture
def frame():
    return report.trials(run, 3, labels=[1, 10])


def test_one_row_per_setting_seed_and_method_means_of_the_runs_named_and_a_summary(frame):
    assert list(frame.columns) == ["labels", "seed", "method", "score"] and len(frame) == 12
    first = [[1, 0, "ours", 1], [1, 0, "theirs", 2], [1, 1, "ours", 2], [1, 1, "theirs", 2]]
    assert frame[:4].values.tolist() == first
    two = report.trials(run, 1, labels=[1, 2], noise=[0.0, 0.5])
    ours = two[two["method"] == "ours"]
    assert ours[["labels", "noise"]].values.tolist() == [[1, 0], [1, 0.5], [2, 0], [2, 0.5]]
    assert report.trials(lambda seed: {"a": seed}, 4)["score"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="seeds is 0: expected a whole number of 1 or more"):
        report.trials(run, 0, labels=[1])
    assert report.mean(frame, "ours", labels=10) == report.mean(frame, "theirs") == 11
    assert report.mean(frame, "ours", labels=10, seed=2) == 12
    with pytest.raises(ValueError, match=r"'mine' with {'labels': 10}, only \['ours', 'theirs']"):
        report.mean(frame, "mine", labels=10)
    with pytest.raises(ValueError, match="'labels': 7"):
        report.mean(frame, "ours", labels=7)
    assert report.mean_std([0.5, 0.7, 0.9]) == "0.700 ± 0.200"
    assert report.mean_std([0.25], digits=2) == "0.25"
    with pytest.raises(ValueError, match="at least one"):
        report.mean_std([])
    lines = report.summary(frame.iloc[[*range(6, 12), *range(6)]], "labels", 1).data.splitlines()
    assert lines[0] == "| method | labels 10 | labels 1 |"  # as they come
    assert lines[2:] == ["| ours | 11.0 ± 1.0 | 2.0 ± 1.0 |", "| theirs | 20.0 ± 0.0 | 2.0 ± 0.0 |"]
    pooled = report.summary(frame[frame["labels"] == 1], baseline=("coin", 0.5)).data
    head, rows = pooled.split("\n|---|---|\n")
    assert head == "| method | mean ± std |"
    assert rows == "| ours | 2.000 ± 1.000 |\n| theirs | 2.000 ± 0.000 |\n| coin | 0.500 |"
    renamed = frame.rename(columns={"labels": "per_class"})
    partial = renamed[(renamed["method"] == "ours") | (renamed["per_class"] == 1)]
    lines = report.summary(partial, "per_class", 2, ("coin", 0.5)).data.splitlines()
    assert lines[0] == "| method | per class 1 | per class 10 |"
    assert lines[-2:] == ["| theirs | 2.00 ± 0.00 | – |", "| coin | 0.50 | 0.50 |"]
    assert "| ours | 3.000 |" in report.summary(report.trials(run, 1, labels=[3])).data
    with pytest.raises(ValueError, match="at least one row"):
        report.summary(frame[:0])


def test_linear_algebra_has_one_thread_during_trials_and_its_own_number_afterwards():
    def threads() -> set[int]:
        return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        seen = report.trials(lambda seed: {"threads": max(threads())}, 1)["score"].tolist()
        assert (seen, threads()) == ([1], {2})


def test_a_table_has_the_same_columns_in_every_row_and_tuning_looks_at_validation_only():
    made = report.table([{"name": "a", "share": 0.5}, {"name": "b", "share": 2}])
    assert made.data == "| name | share |\n|---|---|\n| a | 0.500 |\n| b | 2 |"
    for rows in ([], [{"a": 1}, {"b": 2}], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]):
        with pytest.raises(ValueError, match="at least one row, and the same columns"):
            report.table(rows)

    def run(seed, rate, labels):
        return {"a": (-abs(rate - 2 - seed), 10 * rate + labels), "b": (0.5, rate)}

    tuned = report.tuned(report.trials(run, 2, rate=[1, 2, 3], labels=[0, 1]), "rate")
    a, b = tuned[tuned["method"] == "a"], tuned[tuned["method"] == "b"]
    rows = a[["labels", "seed", "rate", "score"]].values.tolist()
    assert sorted(rows) == [[0, 0, 2, 20], [0, 1, 3, 30], [1, 0, 2, 21], [1, 1, 3, 31]]
    assert b["rate"].tolist() == [1] * 4
    runs = report.trials(lambda seed, clip, w: {"a": (w, w)}, 1, clip=[None, 1.0], w=[1, 2])
    assert report.tuned(runs, "w")["score"].tolist() == [2, 2]
    assert "| a | 1.500 ± 0.707 | 1.500 ± 0.707 |" in report.summary(runs, "clip").data


def paired(a: list[float], b: list[float]) -> report.Comparison:
    frame = report.trials(lambda seed: {"a": a[seed], "b": b[seed]}, len(a))
    return report.compare(frame, "a", "b", margin=0.01)


def test_a_comparison_is_of_pairs_and_a_verdict_says_a_bool_or_a_paired_difference(capsys):
    found = paired([0.80, 0.90, 0.70], [0.70, 0.79, 0.61])
    assert found.difference == pytest.approx(0.10)
    assert found.error == pytest.approx(0.01 / 3**0.5) and found.seeds == 3
    frame = report.trials(lambda seed, labels: {"a": labels + seed, "b": seed}, 4, labels=[1, 3])
    found = report.compare(frame, "a", "b")
    assert (found.difference, found.seeds, found.margin) == (2, 4, 0)
    report.verdict("the weights are equal", torch.tensor(True))
    report.verdict("Does freezing win?", report.Comparison(0.0421, 0.0141, 5))
    report.verdict("By 1 point?", report.Comparison(0.5, 0.045, 2, 0.01))
    report.verdict("Once?", report.Comparison(0.5, float("nan"), 1))
    assert capsys.readouterr().out.splitlines() == [
        "the weights are equal: True",
        "Does freezing win? holds: +0.042 ± 0.014 (5 seeds)",
        "By 1 point? too close to call: +0.500 ± 0.045 (2 seeds), margin +0.010",
        "Once? too close to call: +0.500 (1 seed)",
    ]


@pytest.mark.parametrize(("a", "b", "answer"), [
    ([0.80, 0.90, 0.70], [0.70, 0.79, 0.61], "holds"),
    ([0.70, 0.79, 0.61], [0.80, 0.90, 0.70], "does not hold"),
    ([0.80, 0.90, 0.70], [0.81, 0.88, 0.69], "too close to call"),
    ([0.715, 0.803, 0.621], [0.70, 0.79, 0.61], "too close to call"),  # above 0, not above 0.01
    ([0.9], [0.1], "too close to call"),  # one seed says nothing of the next
    ([0.9, 0.9, float("nan")], [0.1, 0.1, 0.1], "too close to call"),
])  # fmt: skip
def test_an_answer_needs_the_whole_interval_on_one_side_of_the_margin(a, b, answer):
    assert paired(a, b).answer == answer
