"""The speed benchmark: contenders run, the loop is the article's, the sums are right."""

import copy
import importlib.util
import itertools
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks import article, gpu, growth, ours, speed, tasks
from benchmarks.tasks import Outcome, Task
from random_photos import save_photo
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from course_lib import devices, features, models, training
from course_lib.loaders import Preprocessing

TASK = Task("speed", "a", "", "resnet18", False, 32, epochs=1, device="cpu", precision="float32")


@pytest.fixture
def photos(tmp_path: Path) -> str:
    for split, count in (("train", 4), ("val", 2)):
        for name in ("ants", "bees"):
            for i in range(count):
                save_photo(tmp_path / "photos" / split / name / f"{i}.png", len(name) + i)
    return str(tmp_path / "photos")


def here(task: Task) -> Outcome:
    return speed.measure(replace(task, workers=0))


def bench(*options: str, measure=here) -> int:
    return speed.main(["--image-size=32", "--device=cpu", "--repeats=1", *options], measure)


def test_contenders_are_compared_also_on_growing_copies_that_differ(photos, capsys, monkeypatch):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda kind: False)
    assert bench("--dataset", photos, "--measure", "speed", "--only", "a", "e", "f") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| (")]
    names = ["(a) the article's loop", "(e) course_lib", "(f) floor: passes only"]
    assert [row.split(" | ")[:2] for row in rows] == [[f"| {name}", "float32"] for name in names]
    monkeypatch.setitem(speed.GROWN, "backbone", "resnet18")
    assert bench("--quick", "--dataset", photos, "--measure", "growth") == 0
    shown = capsys.readouterr().out
    assert "## A data set that grows" in shown and shown.count(" before) |") == 2
    with growth.copies(photos, 40) as folder:
        files = sorted(Path(folder).rglob("*.jpg"))
        assert len({file.read_bytes() for file in files}) == len(files) == 40
        for split, count in (("train", 32), ("val", 8)):
            labels = [file.parent.name for file in files if file.parts[-3] == split]
            assert len(labels) == count and set(labels) == {"ants", "bees"}
    assert not Path(folder).exists()


@pytest.mark.filterwarnings("ignore:.*files not taken")  # the article's photos hold one .gif
def test_the_tables_of_a_gpu_are_made_on_a_cpu(capsys, monkeypatch):
    copies = growth.copies
    monkeypatch.setattr(growth, "copies", lambda dataset, images: copies(dataset, 30))
    monkeypatch.setattr(article, "WORKERS", 0)
    times = itertools.chain([0] * 6, itertools.repeat(1e6))  # there is time for five rows
    monkeypatch.setattr(gpu.time, "monotonic", lambda: next(times))
    options = ["--device", "cpu", "--quick", "--networks", models.EMBEDDED]
    gpu.main([*options, "--only", "aef"])
    gpu.main([*options, "--profile"])
    shown = capsys.readouterr().out
    for row in ("(a) the article's loop | float32 | 4", "(e) course_lib | float32 | 32"):
        assert f"| {row} |" in shown
    for row in ("(e) course_lib", "0 | the article's loop"):
        assert f"| {row} | no time left |" in shown
    assert "| passes alone |" in shown and "AdamW.step" in shown


def test_what_fails_or_is_not_installed_is_named_and_the_others_go_on(photos, capsys, monkeypatch):
    def measure(task: Task) -> Outcome:
        if task.contender == "a":
            raise RuntimeError("no more memory")
        return here(task)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bench("--dataset", photos, "--measure=speed", "--only", *"abcdf", measure=measure) == 1
    shown = capsys.readouterr().out
    assert "(a) the article's loop failed: no more memory" in shown
    assert "| (f) floor: passes only |" in shown
    assert all(f"{tasks.NAMES[letter]} is not installed." in shown for letter in "bcd")
    monkeypatch.setattr(speed, "measure", eval)  # in a child loaders start as they do everywhere
    started = "__import__('multiprocessing').get_start_method()"
    assert speed.in_child(started) == eval(started)


@pytest.mark.parametrize("kinds", [["auto"], ["auto", "float32"]])
def test_contenders_take_turns_and_peers_go_on_with_their_best_batch(kinds, monkeypatch):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda kind: len(kinds) == 2)
    options = speed.parse(["--repeats", "2", "--measure", "speed", "--device", "cpu"])
    options.batch_sizes = [8, 16]
    done, order = [], []
    for task in speed.plan(options, done, ["a", "c", "e"]):
        order.append((task.seed, task.contender, task.batch_size or task.precision))
        done.append((task, Outcome(epoch_seconds=[1.0 if task.batch_size == 16 else 2.0])))
    first = [(0, "a", "float32"), (0, "c", 8), (0, "c", 16), *[(0, "e", each) for each in kinds]]
    assert order == [*first, (1, "c", 16), *[(1, "e", each) for each in kinds], (1, "a", "float32")]


def known(contender: str, seconds: list[float], batch_size=None, **others) -> list[speed.Run]:
    task = replace(TASK, contender=contender, batch_size=batch_size)
    return [(task, Outcome(epoch_seconds=[s], images=100, **others)) for s in seconds]


def test_the_table_of_known_seconds_and_seconds_to_an_accuracy():
    runs = [
        *known("f", [8.0, 10.0, 9.0]),
        *known("f", [5.0], precision="bfloat16"),
        *known("a", [30.0, 29.0, 33.0]),
        *known("e", [10.0, 12.0, 11.0], setup_seconds=1.5),
        *known("e", [6.0], precision="bfloat16"),
        *known("c", [40.0], batch_size=8),
        *known("c", [20.0, 22.0], batch_size=16),
    ]
    rows = {(row["contender"][1], row["precision"]): row for row in speed.speed_rows(runs)}
    assert [letter for letter, _ in rows] == sorted("aceeff")
    columns = "seconds an epoch", "times as fast as (a)", "times the floor", "images/s"
    own = [rows["e", "float32"][column] for column in columns]
    assert own == ["11.0 (10.0–12.0)", "2.73", "1.22", "9"]  # 30 / 11, 11 / 9, 100 / 11
    assert rows["e", "bfloat16"]["times the floor"] == "1.20"  # 6 / 5
    assert rows["c", "float32"]["seconds an epoch"] == "21.0 (20.0–22.0)"
    outcome = Outcome(5.0, epoch_seconds=[1.0, 2.0, 4.0], accuracy=[0.5, 0.9, 0.8])
    assert outcome.seconds == 12.0 and outcome.seconds_an_epoch == 3.0
    assert [outcome.seconds_to(reached) for reached in (0.5, 0.9, 0.91)] == [6.0, 8.0, None]


@pytest.mark.parametrize("way", ["speed", "frozen", "accuracy"])
def test_ours_sees_the_articles_photos_and_forgets_its_features(way, photos, tmp_path, monkeypatch):
    monkeypatch.setenv(features.CACHE_DIR, str(tmp_path / "kept"))
    outcome = ours.run(replace(TASK, measure=way, contender="e", dataset=photos))
    laps = 2 if way == "accuracy" else 1
    assert outcome.images == 12 and len(outcome.epoch_seconds) == len(outcome.accuracy) == laps
    assert all(seconds > 0 for seconds in [outcome.setup_seconds, *outcome.epoch_seconds])
    assert not (tmp_path / "kept").exists()


def literal_train_model(model, dataloders, dataset_sizes, criterion, optimizer, scheduler, epochs):
    """The article's function as printed, without ``Variable``, prints and mean loss."""
    best_model_wts = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    for _epoch in range(epochs):
        for phase in ["train", "val"]:
            if phase == "train":
                scheduler.step()
            model.train(phase == "train")
            running_corrects = 0
            for inputs, labels in dataloders[phase]:
                optimizer.zero_grad()
                outputs = model(inputs)
                _, preds = torch.max(outputs.data, 1)
                loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
                running_corrects += torch.sum(preds == labels.data)
            epoch_acc = running_corrects / dataset_sizes[phase]
            if phase == "val" and epoch_acc > best_acc:
                best_acc = epoch_acc
                best_model_wts = copy.deepcopy(model.state_dict())
    model.load_state_dict(best_model_wts)
    return model


@pytest.mark.parametrize("frozen", [False, True])
def test_the_articles_loop_learns_the_weights_of_the_article(photos, frozen):
    folders = article.image_datasets(photos, Preprocessing(), 32)
    sizes = {x: len(folders[x]) for x in folders}

    def trained(train_model):
        model = models.build_model("resnet18", pretrained=False)
        model.backbone.requires_grad_(not frozen)
        learned = [p for p in model.parameters() if p.requires_grad]
        optimizer = optim.SGD(learned, lr=0.001, momentum=0.9)
        scheduler = lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
        training.seed_everything(3)
        loaders = {x: DataLoader(folders[x], batch_size=4, shuffle=True) for x in folders}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler")
            train_model(model, loaders, nn.CrossEntropyLoss(), optimizer, scheduler)
        return model.state_dict()

    found = trained(lambda *rest: list(article.train_model(*rest, 2)))
    literal = trained(lambda m, loaders, *rest: literal_train_model(m, loaders, sizes, *rest, 2))
    assert all(torch.equal(value, literal[name]) for name, value in found.items())
    start = models.build_model("resnet18", pretrained=False).state_dict()
    moved = {name for name in start if not torch.equal(start[name], literal[name])}
    assert "head.weight" in moved and "backbone.bn1.running_mean" in moved
    assert ("backbone.conv1.weight" in moved) != frozen


def test_the_articles_transforms_are_the_articles(tmp_path):
    for split in ("train", "val"):
        save_photo(tmp_path / split / "ants" / "0.png", 0, (300, 280))
    cuts = {"train": [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]}
    cuts["val"] = [transforms.Resize(256), transforms.CenterCrop(224)]
    constants = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    folders = article.image_datasets(str(tmp_path), Preprocessing(), 224)
    for split, cut in cuts.items():
        last = [transforms.ToTensor(), transforms.Normalize(*constants)]
        torch.manual_seed(0)
        expected = datasets.ImageFolder(tmp_path / split, transforms.Compose([*cut, *last]))[0][0]
        torch.manual_seed(0)
        assert torch.equal(folders[split][0][0], expected)
