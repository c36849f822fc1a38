"""Functions that lesson 12 writes out, and the folder that it builds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from notebook_code import definitions
from sklearn.metrics import balanced_accuracy_score

from course_lib import datasets
from course_lib.tools import audit

CLASSES = ("bark", "leaf", "paper", "soil", "stone")
lesson = definitions("12")


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "grounds"
    lesson.gather(folder)
    return folder


def paths(found: audit.Audit, kind: str) -> list[Path]:
    return [problem.path for problem in found.problems if problem.kind == kind]


def test_the_folder_is_what_the_lesson_says_and_every_fault_planted_is_found(grounds: Path) -> None:
    found = audit.audit(grounds)
    assert {problem.kind for problem in found.problems} == {"imbalance"}
    listing = datasets.scan(grounds)
    assert listing.classes == CLASSES
    counts = [listing.counts(split) for split in datasets.SPLITS]
    assert counts[0]["soil"] == 10 and counts[0]["paper"] > 3 * counts[0]["bark"]
    assert all(max(count, key=count.get) == "paper" for count in counts)
    assert sum(picture.grey for picture in found.pictures) >= len(found.pictures) // 9
    assert {picture.size for picture in found.pictures} == {(256, 256), (256, 176)}
    of_class = {name: [p.grey for p in found.pictures if p.label == name] for name in CLASSES}
    assert all(0 < np.mean(greys) < 0.4 for greys in of_class.values())
    lesson.plant(grounds)
    found = audit.audit(grounds)
    counts = {"unreadable": 7, "not taken": 1, "two labels": 2, "in train and val": 1}
    assert found.counts() == counts | {"class names": 1, "look alike": 2, "imbalance": 2}
    assert [path.name for path in paths(found, "in train and val")] == ["copy.jpg"]
    assert {path.name for path in paths(found, "look alike")} == lesson.SEEN_TWICE
    left = {path for split in datasets.SPLITS for path, _ in found.listing().files[split]}
    before = {path for split in datasets.SPLITS for path, _ in listing.files[split]}
    assert left - set(paths(found, "look alike")) == before - set(paths(found, "two labels"))


def test_scores_are_those_of_scikit_learn() -> None:
    labels, predicted = torch.tensor([[0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 0, 2]])
    lesson = definitions("12", classes=("a", "b", "c"))
    found = lesson.scores(labels, predicted)
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["balanced"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["recalls"].tolist() == pytest.approx([0.75, 0.5, 1.0])
    assert lesson.scores(labels, torch.zeros(7, dtype=int))["balanced"] == pytest.approx(1 / 3)


def test_every_remedy_helps_a_rare_class_seeds_repeat_and_validation_trains_nothing() -> None:
    labels = torch.tensor([0] * 190 + [1] * 10)
    features = torch.randn(200, 1280, generator=torch.Generator().manual_seed(0)) * 0.05
    features[:, 0] += labels * 3
    given = {"features": features, "labels": labels, "test_features": features}
    given |= {"test_labels": labels, "rarest": 1, "epochs": 6, "seen": {"same": (features,) * 2}}
    lesson = definitions("12", classes=("many", "few"), learning_rate=0.02, **given)
    (heads, held_out), (again, _), (other, _) = (lesson.candidates(seed) for seed in (0, 0, 1))
    few, rare = lesson.EPOCHS[0], lesson.features[lesson.labels == 1]
    found = {name: head(rare).argmax(dim=1).sum() for name, head in heads.items()}  # 1: the rare
    for way in ("class weights", "resampling", "logit adjustment"):
        assert found[way, few, 2.0] > found["plain", few, 0.0]
    for name, head in heads.items():
        assert torch.equal(head.weight, again[name].weight)
        assert not torch.equal(head.weight, other[name].weight)
    rows = list(lesson.measured(0))
    plain, sized = [r for r in rows if r["method"] == "plain"], list(lesson.by_size(0))
    assert (len(plain), len(rows)) == (len(lesson.EPOCHS), len(lesson.EPOCHS) * 10)
    for name in ("epochs", "val", "score", "rare"):  # as many pixels: the same heads
        assert [row[name] for row in sized] == [row[name] for row in plain]
    lesson.features[held_out] += 100
    again, _ = lesson.candidates(0)
    assert all(torch.equal(heads[name].weight, again[name].weight) for name in heads)
