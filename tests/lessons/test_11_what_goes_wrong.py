"""Functions that lesson 11 writes out: each check passes on health and fails on its own fault."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from notebook_code import definitions
from torch import nn
from torch.nn import functional as F

from course_lib.checks import lesson_11
from course_lib.loaders import Preprocessing

TOY = nn.Module()  # stands for the lesson's pretrained model
TOY.preprocessing = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.5, 0.4, 0.3))
TOY.head = nn.Linear(1280, 1000)

FAULTS = {  # of the checks that the lesson gives
    "sees_the_photo": ("unscaled", "blue_first"),
    "labels_fit": ("out_of_step",),
    "overfits_eight_photos": ("softmax_first", "other_network"),
    "body_rests": ("awake",),
    "rate_as_planned": ("every_batch",),
    "answers_alike": ("still_training",),
    "left to the student": ("train_on_all", "thousand_classes", "hundredfold"),
}
EVERY_FAULT = sorted({fault for faults in FAULTS.values() for fault in faults})


def small_world() -> SimpleNamespace:
    rng = torch.Generator().manual_seed(0)
    pixels, labels = {}, {}
    for split, count in (("train", 60), ("test", 20)):
        labels[split] = torch.arange(count) * 2 // count
        photos = torch.randint(0, 120, (count, 3, 12, 12), generator=rng)
        photos[labels[split] == 1, 0] += 40  # the second class is redder
        photos[:, 2] += 60
        pixels[split] = photos.to(torch.uint8)
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    end = nn.Sequential(nn.Conv2d(8, 1280, 3), nn.BatchNorm2d(1280, momentum=0.5), nn.ReLU(), pool)
    return SimpleNamespace(pixels=pixels, labels=labels, body=body, end=end)


toy = small_world()
values = {"model": TOY, "where": torch.device("cpu"), "classes": ("ants", "bees"), **vars(toy)}
lesson = definitions("11", **values, batch_size=10, epochs=3, learning_rate=0.02, step_size=2)


def judged(**parts: object) -> dict[str, bool]:
    program, norm = lesson.program(**parts), TOY.preprocessing
    log = lesson.run(program, 0)
    seen = lesson.look(program.prepare, program.observe)
    photos, given = toy.pixels["train"], program.read(toy.labels["train"])
    features = photos.float().mean(dim=(2, 3)).numpy()
    eight = log.train_at[:4] + log.train_at[-4:]
    return {
        "sees_the_photo": lesson.sees_the_photo(program.prepare(photos[:32]), photos[:32], norm),
        "labels_fit": lesson.labels_fit(features, given.numpy()),
        "overfits_eight_photos": lesson.overfits_eight_photos(
            *program.build(0), program.criterion, seen.learn[eight], given[eight]
        ),
        "body_rests": seen.before == seen.after,
        "rate_as_planned": lesson.rate_as_planned(log.rates, [1, 1, 0.1]),
        "answers_alike": lesson.answers_alike(program.predict, log.network, seen.judge["train"]),
    }


def part_of(fault: str) -> dict[str, object]:
    every = lesson.FAULTS.values()
    (found,) = [parts for parts in every if next(iter(parts.values())).__name__ == fault]
    return found


def test_health_passes_and_the_faults_are_covered_and_dealt_as_the_checks_expect() -> None:
    assert all(judged().values())
    replaced = [pair for parts in lesson.FAULTS.values() for pair in parts.items()]
    assert sorted({sick.__name__ for _, sick in replaced}) == EVERY_FAULT
    assert all(vars(lesson.program())[part] is not sick for part, sick in replaced)
    dealt = lesson.dealt(lesson.FAULTS, 20568)
    assert dealt != list(lesson.FAULTS)
    assert dict(zip("ABCDEFGHIJK", dealt, strict=True)) == lesson_11.FAULTS
    double = lesson.dealt(lesson.FAULTS, 1010)
    assert {"L": set(double[:2]), "M": set(double[2:4])} == lesson_11.DOUBLES


@pytest.mark.parametrize("fault", EVERY_FAULT)
def test_each_fault_fails_its_checks_and_no_other(fault: str) -> None:
    failed = {check for check, passed in judged(**part_of(fault)).items() if not passed}
    given = {check for check, faults in FAULTS.items() if fault in faults}
    assert failed == given - {"left to the student"}


def test_a_photo_that_is_turned_or_dimmed_is_another_and_random_labels_never_fit() -> None:
    photos = toy.pixels["train"]
    seen = lesson.prepare(photos)
    assert lesson.sees_the_photo(seen, photos, TOY.preprocessing)
    assert not lesson.sees_the_photo(seen.flip(-1), photos, TOY.preprocessing)
    assert not lesson.sees_the_photo(lesson.prepare(photos // 2), photos, TOY.preprocessing)
    assert not lesson.sees_the_photo(seen, photos, Preprocessing())  # other constants
    assert not lesson.sees_the_photo(seen * math.nan, photos, TOY.preprocessing)
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.normal(size=(200, 5)) + 2 * y[:, None]
    assert lesson.labels_fit(x, y)
    assert not any(lesson.labels_fit(x, rng.permutation(y)) for _ in range(20))
    assert not lesson.labels_fit(np.ones((200, 5)), y)  # features that say nothing


def test_softmax_twice_has_a_floor_overfitting_needs_steps_and_answers_no_company() -> None:
    sure = torch.tensor([[1e4, -1e4]])
    floor = lesson.softmax_first(sure, torch.tensor([0])).item()
    assert floor == pytest.approx(math.log(1 + 1 / math.e))
    assert lesson.criterion(sure, torch.tensor([0])).item() == 0
    torch.manual_seed(0)
    network, maps, y = nn.Linear(20, 2), torch.randn(8, 20), torch.arange(8) % 2
    frozen = torch.optim.SGD(nn.Linear(20, 2).parameters(), 0.5)
    assert not lesson.overfits_eight_photos(network, frozen, F.cross_entropy, maps, y)
    alive = torch.optim.SGD(network.parameters(), 0.5)
    assert lesson.overfits_eight_photos(network, alive, F.cross_entropy, maps, y)
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 2))
    maps = torch.randn(12, 5)
    assert lesson.answers_alike(lesson.predict, network, maps)
    assert not lesson.answers_alike(lesson.still_training, network.train(), maps)
    no_norm = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 2)).train()
    assert not lesson.answers_alike(lesson.still_training, no_norm, maps)  # dropout alone


@pytest.mark.parametrize(("used", "good"), [
    ([1.0, 1.0, 0.1, 0.1], True), ([1.0, 0.1, 0.1, 0.01], False), ([1.0] * 4, False),
    ([5.0, 5.0, 0.5, 0.5], True),
])  # fmt: skip
def test_the_rate_is_compared_batch_by_batch(used: list[float], good: bool) -> None:
    assert lesson.rate_as_planned(used, [1, 0.1]) == good


def test_a_healthy_run_learns_and_repeats_itself() -> None:
    log = lesson.run(lesson.program(), 0)
    assert log.test > 0.8 and log.losses[-1] < log.losses[0] / 2
    assert len(log.losses) == len(log.rates) == 3 * (len(log.train_at) // 10)
    assert not set(log.train_at) & set(log.val_at)
    assert lesson.run(lesson.program(**part_of("other_network")), 0).test < log.test - 0.2
    first, second = (lesson.run(lesson.program(), 1) for _ in range(2))
    assert first.losses == second.losses != lesson.run(lesson.program(), 2).losses
