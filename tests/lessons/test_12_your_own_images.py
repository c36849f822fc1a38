"""Functions that lesson 12 writes out, and the folder that it builds."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from notebook_code import definitions
from sklearn.metrics import balanced_accuracy_score

from course_lib import datasets
from course_lib.tools import audit

CLASSES = ("bark", "leaf", "paper", "soil", "stone")


@pytest.fixture(scope="module")
def lesson() -> SimpleNamespace:
    return definitions("12")


@pytest.fixture(scope="module")
def grounds(lesson: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "grounds"
    lesson.gather(folder)
    return folder


def test_the_folder_is_what_the_lesson_says(grounds: Path) -> None:
    found = audit.audit(grounds)
    assert {problem.kind for problem in found.problems} == {"imbalance"}
    listing = datasets.scan(grounds)
    assert listing.classes == CLASSES
    counts = [listing.counts(split) for split in datasets.SPLITS]
    assert counts[0]["soil"] == 10 and counts[0]["paper"] > 3 * counts[0]["bark"]
    assert all(max(count, key=count.get) == "paper" for count in counts)
    grey = sum(picture.grey for picture in found.pictures)
    assert grey >= len(found.pictures) // 9
    assert {picture.size for picture in found.pictures} == {(256, 256), (256, 176)}
    of_class = {name: [p.grey for p in found.pictures if p.label == name] for name in CLASSES}
    assert all(0 < np.mean(greys) < 0.4 for greys in of_class.values())


def test_every_fault_that_is_planted_is_found(lesson: SimpleNamespace, grounds: Path) -> None:
    whole = datasets.scan(grounds)
    lesson.plant(grounds)
    found = audit.audit(grounds)
    assert found.counts() == {
        "unreadable": 7,
        "two labels": 2,
        "in train and val": 3,
        "class names": 1,
        "imbalance": 2,
    }
    assert [path.name for path in found.paths("in train and val")] == [
        "copy.jpg",
        "from_chat.jpg",
        "mirrored.jpg",
    ]
    left = {path for split in datasets.SPLITS for path, _ in found.listing().files[split]}
    before = {path for split in datasets.SPLITS for path, _ in whole.files[split]}
    assert left == before - set(found.paths("two labels"))


def test_scores_are_those_of_scikit_learn() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    lesson = definitions("12", test_labels=labels, classes=("a", "b", "c"))
    predicted = torch.tensor([0, 0, 0, 1, 1, 0, 2])
    found = lesson.scores(predicted)
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["balanced"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["recalls"].tolist() == pytest.approx([0.75, 0.5, 1.0])
    assert lesson.scores(torch.zeros(7, dtype=int))["balanced"] == pytest.approx(1 / 3)


def test_weights_help_a_rare_class_and_seeds_repeat() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 190 + [1] * 10)
    features = torch.randn(200, 1280, generator=generator) * 0.05
    features[:, 0] += labels * 3
    lesson = definitions(
        "12", features=features, labels=labels, classes=("many", "few"), learning_rate=0.05
    )

    def said_few(weighted: bool, seed: int = 0) -> torch.Tensor:
        return lesson.train_head(seed, 3, weighted)(features).detach()

    assert torch.equal(said_few(True), said_few(True))
    assert not torch.equal(said_few(True), said_few(True, seed=1))
    rare = labels == 1
    plain, weighted = (said_few(w).argmax(1)[rare].float().mean() for w in (False, True))
    assert weighted > plain + 0.5
