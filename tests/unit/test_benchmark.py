"""The speed benchmark: contenders run, the loop is the article's, the sums are right."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks import article, growth, ours, peers, results, speed, tasks, unit
from benchmarks.tasks import Outcome, Task
from random_photos import save_photo
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from course_lib import checkpoint, features, models, paths, training
from course_lib.__main__ import main
from course_lib.loaders import Preprocessing

TASK = Task("speed", "a", "", "resnet18", False, 32, epochs=1, device="cpu", precision="float32")
OPTIONS = (
    *("--backbone", "resnet18", "--weights", "random", "--image-size", "32", "--device", "cpu"),
    *("--epochs", "1", "--repeats", "1", "--seeds", "1"),
)


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """Eight photos to train on and four to validate on."""
    for split, count in (("train", 4), ("val", 2)):
        for name in ("ants", "bees"):
            for i in range(count):
                save_photo(tmp_path / "photos" / split / name / f"{i}.png", len(name) + i)
    return str(tmp_path / "photos")


def here(task: Task, _: Path) -> Outcome:
    """Run a task in this process, without workers."""
    return unit.measure(replace(task, workers=0))


def run(*options: str, measure=here) -> int:
    return speed.main([*OPTIONS, *options], measure)


# ---------------------------------------------------------------- from end to end


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def bfloat16(request, monkeypatch):
    """Whether the machine has instructions for bfloat16: without them, then with them."""
    monkeypatch.setattr(training, "_has_bfloat16", lambda device: request.param)
    return request.param


def test_three_contenders_run_and_are_not_run_again(photos, tmp_path, capsys, bfloat16):
    options = ("--dataset", photos, "--only", "a,e,f", "--output", str(tmp_path / "out"))
    measures = ("--measure", "speed,frozen,accuracy")
    assert run(*options, *measures) == 0
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert page in capsys.readouterr().out
    for name in ("(a) the article's loop", "(e) course_lib", "(f) floor: passes only"):
        assert f"| {name} |" in page
    for title in ("## Fine-tuning", "## Training the head", "## Time to accuracy"):
        assert title in page

    def never(task: Task, folder: Path) -> Outcome:
        raise AssertionError(f"{task} is run again")

    assert run(*options, *measures, measure=never) == 0
    stored = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    both = 2 if bfloat16 else 0  # ours and the floor in float32 as well
    assert len(stored["runs"]) == 3 + both + 2 + 2
    for entry in stored["runs"]:
        assert entry["outcome"]["images"] == 12
        assert all(seconds > 0 for seconds in entry["outcome"]["epoch_seconds"])
        assert len(entry["outcome"]["accuracy"]) == (
            0 if entry["task"]["contender"] == "f" else len(entry["outcome"]["epoch_seconds"])
        )


def test_a_growing_data_set(photos, tmp_path):
    options = ("--dataset", photos, "--measure", "growth", "--sizes", "10,20")
    assert run(*options, "--output", str(tmp_path / "out")) == 0
    assert (tmp_path / "out" / "growth.png").stat().st_size > 10_000
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| 10 |" in page and "| 20 |" in page and "(growth.png)" in page


@pytest.mark.parametrize("contender", ["e", "f"])
def test_the_network_is_built_once(contender, photos, monkeypatch):
    """Building costs as much as a batch: the clock must not see it."""
    built, build = [], models.build_model
    monkeypatch.setattr(models, "build_model", lambda *a, **k: built.append(a) or build(*a, **k))
    unit.measure(replace(TASK, contender=contender, dataset=photos))
    assert len(built) == 1


def test_copies_differ_in_bytes_and_have_every_class(photos):
    with growth.copies(photos, 40) as folder:
        files = sorted(folder.rglob("*.jpg"))
        assert len({file.read_bytes() for file in files}) == len(files) == 40
        for split, count in (("train", 32), ("val", 8)):
            labels = [file.parent.name for file in files if file.parts[-3] == split]
            assert len(labels) == count and set(labels) == {"ants", "bees"}
    assert not folder.exists()


def test_a_run_that_fails_is_named_and_the_others_go_on(photos, tmp_path, capsys):
    def measure(task: Task, folder: Path) -> Outcome:
        if task.contender == "a":
            raise speed.RunFailed("no more memory")
        return here(task, folder)

    options = ("--dataset", photos, "--measure", "speed", "--only", "a,f")
    assert run(*options, "--output", str(tmp_path / "out"), measure=measure) == 1
    shown = capsys.readouterr().out
    assert "| (a) the article's loop | failed: no more memory |" in shown
    assert "| (f) floor: passes only |" in shown


def test_a_child_says_why_it_failed(tmp_path):
    with pytest.raises(speed.RunFailed, match="unknown dataset 'nowhere'"):
        speed.in_child(replace(TASK, contender="f", dataset="nowhere"), tmp_path)


def test_a_peer_that_is_not_installed_is_named(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    options = ("--dataset", photos, "--measure", "speed", "--only", "b,c,d,f")
    assert run(*options, "--output", str(tmp_path / "out")) == 0
    shown = capsys.readouterr().out
    for name, command in (
        ("(b) fast.ai vision_learner", "fastai=="),
        ("(c) PyTorch Lightning", "lightning=="),
        ("(d) Hugging Face Trainer", "transformers=="),
    ):
        assert f"| {name} | not installed: pip install {command}" in shown
    assert "accelerate==" in shown


def test_results_of_another_machine_are_not_added_to(tmp_path):
    mine = results.Results(tmp_path, "this machine")
    mine.add(TASK, Outcome(epoch_seconds=[1.0]))
    assert results.Results(tmp_path, "this machine").find(TASK).epoch_seconds == [1.0]
    with pytest.raises(results.OtherMachine, match="was measured on: this machine"):
        results.Results(tmp_path, "another machine")
    mine.path.write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no measurements"):
        results.Results(tmp_path, "this machine")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--only", "a,z"), "'z' is none of a, b, c, d, e, f"),
        (("--measure", "seed"), "'seed' is none of speed, frozen, accuracy, growth"),
        (("--dataset", "insectz"), "did you mean 'insects'"),
        (("--epochs", "0"), "'0' is not a whole number above 0"),
        (("--device", "abacus"), "device is 'abacus'"),
    ],
)
def test_bad_options_are_named(options, message, capsys):
    with pytest.raises(SystemExit):
        speed.parse(options)
    assert message in capsys.readouterr().err


def test_contenders_take_turns_and_peers_go_on_with_their_best_batch(tmp_path, bfloat16):
    options = speed.parse(["--repeats", "2", "--measure", "speed", "--device", "cpu"])
    options.batch_sizes = [8, 16]
    done = results.Results(tmp_path, "")
    order = []
    for task in speed.plan(options, done, ["a", "c", "e"]):
        order.append((task.seed, task.contender, task.batch_size or task.precision))
        done.add(task, Outcome(epoch_seconds=[1.0 if task.batch_size == 16 else 2.0]))
    ours = ["auto", "float32"] if bfloat16 else ["auto"]
    first = [(0, "a", "float32"), (0, "c", 8), (0, "c", 16), *[(0, "e", each) for each in ours]]
    assert order == [*first, (1, "c", 16), *[(1, "e", each) for each in ours], (1, "a", "float32")]


# ---------------------------------------------------------------- sums and tables


def known(contender: str, seconds: list[float], **others) -> list[results.Run]:
    """Runs of one epoch of 100 images, one a number of seconds."""
    settings = {"precision": "float32" if contender == "a" else "auto"}
    settings["batch_size"] = others.pop("batch_size", None)
    return [
        (
            replace(TASK, contender=contender, seed=seed, **settings),
            Outcome(epoch_seconds=[s], images=100, accuracy=[0.9], batch_size=32, **others),
        )
        for seed, s in enumerate(seconds)
    ]


def test_the_table_of_known_seconds():
    runs = [
        *known("f", [8.0, 10.0, 9.0]),
        *known("a", [30.0, 29.0, 33.0]),
        *known("e", [10.0, 12.0, 11.0], setup_seconds=1.5, memory=5_000_000),
        *known("c", [40.0], batch_size=8),
        *known("c", [20.0, 22.0], batch_size=16),
    ]
    rows = {row["contender"]: row for row in results.speed_rows(runs, {"b": "not here"})}
    letters = [name[1] for name in rows]
    assert letters == sorted(letters) == ["a", "b", "c", "e", "f"]
    own = rows["(e) course_lib"]
    assert own["seconds an epoch"] == "11.0 (10.0–12.0)"
    assert own["times as fast as (a)"] == "2.73"  # 30 / 11
    assert own["set-up included"] == "2.40"  # 30 / 12.5
    assert own["times the floor"] == "1.22"  # 11 / 9
    assert own["images/s"] == "9.1"  # 100 / 11
    assert own["accuracy"] == "0.900 ± 0.000"
    assert own["set-up, s"] == "1.50 (1.50–1.50)"
    assert own["memory, MB"] == "5"
    assert rows["(c) PyTorch Lightning"]["seconds an epoch"] == "21.0 (20.0–22.0)"
    assert rows["(c) PyTorch Lightning"]["times as fast as (a)"] == "1.43"  # 30 / 21
    assert rows["(b) fast.ai vision_learner"]["seconds an epoch"] == "not here"


def test_each_precision_has_its_own_floor():
    runs = [
        *known("a", [30.0]),
        *known("e", [6.0], precision="bfloat16"),
        *known("f", [5.0], precision="bfloat16"),
    ]
    task, outcome = known("f", [20.0])[0]
    runs.append((replace(task, precision="float32"), outcome))
    rows = {row["contender"]: row for row in results.speed_rows(runs, {})}
    assert rows["(e) course_lib"]["times the floor"] == "1.20"  # 6 / 5
    assert rows["(a) the article's loop"]["times the floor"] == "1.50"  # 30 / 20
    assert rows["(f) floor: passes only, float32"]["times as fast as (a)"] == "1.50"


def test_the_head_is_timed_from_a_cold_start():
    def frozen(contender: str, setup: float, seconds: list[float]) -> results.Run:
        accuracy = [0.8, 0.95, 0.9]
        outcome = Outcome(setup_seconds=setup, epoch_seconds=seconds, accuracy=accuracy)
        return replace(TASK, measure="frozen", contender=contender, epochs=3), outcome

    runs = [frozen("a", 0.0, [20.0] * 3), frozen("e", 1.7, [0.1] * 3)]
    article_row, own = results.frozen_rows(runs, {})
    assert article_row["3 epochs, s"] == "60.0"
    assert own["times as fast as (a)"] == "30.00"  # 60 / 2.0
    assert own["accuracy, last epoch"] == "0.900" and own["best epoch"] == "0.950"


def test_seconds_to_an_accuracy():
    outcome = Outcome(setup_seconds=5.0, epoch_seconds=[1.0, 2.0, 4.0], accuracy=[0.5, 0.9, 0.8])
    assert outcome.seconds == 12.0
    assert outcome.seconds_to(0.5) == 6.0
    assert outcome.seconds_to(0.9) == 8.0
    assert outcome.seconds_to(0.91) is None


def test_time_to_accuracy_is_to_the_best_epoch_of_the_article():
    def reached(contender: str, setup: float, seconds: float, *accuracy: float) -> results.Run:
        task = replace(TASK, measure="accuracy", contender=contender, epochs=3)
        seconds = [seconds] * len(accuracy)
        return task, Outcome(setup_seconds=setup, epoch_seconds=seconds, accuracy=list(accuracy))

    slow = reached("a", 0.0, 10.0, 0.7, 0.9, 0.8)
    (row,) = results.accuracy_rows([slow, reached("e", 1.0, 0.5, 0.8, 0.9)], {})
    assert row["(a): best of 3 epochs"] == "0.900"
    assert row["(e): seconds to the same"] == "2.00"
    assert row["times as fast"] == "10.0"  # 20 / 2
    assert row["of 3 epochs"] == "15.0"  # 30 / 2
    (row,) = results.accuracy_rows([slow, reached("e", 1.0, 0.5, 0.8, 0.8)], {})
    assert row["(e): seconds to the same"] == "not in 2 epochs (best 0.800)"


def test_the_floor_passes_as_many_batches_as_the_loaders_give(photos, monkeypatch):
    monkeypatch.setattr(ours, "BATCH_SIZE", 3)
    model = models.build_model("resnet18", pretrained=False)
    train, val = ours.photo_loaders(replace(TASK, dataset=photos), model)
    for loader in (train, val):
        sizes = [len(labels) for _, labels in loader]
        assert sizes == ours.batch_sizes(len(loader.dataset))


def test_features_come_from_a_cold_cache_and_are_forgotten(photos, tmp_path, monkeypatch):
    monkeypatch.setenv(features.CACHE_DIR, str(tmp_path / "kept"))
    ours.run(replace(TASK, measure="frozen", contender="e", dataset=photos))
    assert not (tmp_path / "kept").exists()
    assert os.environ[features.CACHE_DIR] == str(tmp_path / "kept")


# ---------------------------------------------------------------- the article's loop


def literal_train_model(model, dataloders, dataset_sizes, criterion, optimizer, scheduler, epochs):
    """The article's function as printed, without its prints and without ``Variable``."""
    best_model_wts = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    for _epoch in range(epochs):
        for phase in ["train", "val"]:
            if phase == "train":
                scheduler.step()
                model.train(True)
            else:
                model.train(False)
            running_loss = 0.0
            running_corrects = 0
            for data in dataloders[phase]:
                inputs, labels = data
                optimizer.zero_grad()
                outputs = model(inputs)
                _, preds = torch.max(outputs.data, 1)
                loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
                running_loss += loss.item() * inputs.size(0)
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

    def trained(train_model):
        model = models.build_model("resnet18", pretrained=False)
        model.backbone.requires_grad_(not frozen)
        optimizer = optim.SGD(
            [p for p in model.parameters() if p.requires_grad], lr=0.001, momentum=0.9
        )
        scheduler = lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
        training.seed_everything(3)
        loaders = {x: DataLoader(folders[x], batch_size=4, shuffle=True) for x in folders}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler")
            train_model(model, loaders, nn.CrossEntropyLoss(), optimizer, scheduler)
        return model.state_dict()

    def literally(model, loaders, *rest):
        literal_train_model(model, loaders, {x: len(folders[x]) for x in folders}, *rest, 2)

    ours_, theirs = trained(lambda *rest: list(article.train_model(*rest, 2))), trained(literally)
    assert all(torch.equal(value, theirs[name]) for name, value in ours_.items())
    start = models.build_model("resnet18", pretrained=False).state_dict()
    moved = {name for name in start if not torch.equal(start[name], theirs[name])}
    assert "head.weight" in moved and "backbone.bn1.running_mean" in moved
    assert ("backbone.conv1.weight" in moved) != frozen


def test_the_articles_frozen_run_trains_the_head_and_moves_batchnorm(photos, tmp_path):
    task = replace(TASK, measure="frozen", dataset=photos)
    article.run(task, tmp_path / "kept.pt", report=lambda line: None)
    after = checkpoint.load(tmp_path / "kept.pt")["model"]
    before = models.build_model("resnet18", pretrained=False).state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"head.weight", "backbone.bn1.running_mean"} <= moved
    assert not [
        name for name, _ in task.model(2).backbone.named_parameters() if f"backbone.{name}" in moved
    ]


def test_the_articles_transforms_are_the_articles(tmp_path):
    for split in ("train", "val"):
        save_photo(tmp_path / split / "ants" / "0.png", 0, (300, 280))
    literal = {
        "train": transforms.Compose(
            [
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        ),
        "val": transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        ),
    }
    folders = article.image_datasets(str(tmp_path), Preprocessing(), 224)
    for split, transform in literal.items():
        torch.manual_seed(0)
        expected = datasets.ImageFolder(tmp_path / split, transform)[0][0]
        torch.manual_seed(0)
        assert torch.equal(folders[split][0][0], expected)


def test_an_interrupted_run_of_the_articles_loop_goes_on(photos, tmp_path):
    quiet = {"report": lambda line: None}
    task = replace(TASK, dataset=photos, epochs=1)
    article.run(task, tmp_path / "stopped.pt", **quiet)
    task = replace(task, epochs=2)
    resumed = article.run(task, tmp_path / "stopped.pt", **quiet)
    straight = article.run(task, tmp_path / "straight.pt", **quiet)
    assert len(resumed.epoch_seconds) == 2 and resumed.accuracy == straight.accuracy
    weights = [checkpoint.load(tmp_path / name)["model"] for name in ("stopped.pt", "straight.pt")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_warming_up_leaves_the_network_as_it_was():
    model = models.build_model("resnet18", pretrained=False)
    before = models.fingerprint(model)
    tasks.warm_up(model, TASK, 2)
    assert models.fingerprint(model) == before
    assert all(p.grad is None for p in model.parameters())


def test_pins_of_every_peer_stand_in_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for letter, packages in peers.NEEDS.items():
        hint = peers.missing(letter)
        assert all(f" {name}==" in hint for name in packages)


# ---------------------------------------------------------------- the command


def test_the_command_hands_its_options_on(monkeypatch):
    asked = []

    def run(command, check):
        asked.append(command[1:])
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    assert main(["bench", "--quick", "--only", "a,e"]) == 3
    ((script, *options),) = asked
    assert Path(script) == Path(speed.__file__) and options == ["--quick", "--only", "a,e"]


def test_without_the_repository_the_command_says_what_it_needs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path)
    assert main(["bench"]) == 2
    shown = capsys.readouterr().err
    assert "speed.py" in shown and "full copy of the repository" in shown


def test_other_commands_still_refuse_what_they_do_not_know(capsys):
    with pytest.raises(SystemExit):
        main(["info", "--quick"])
    assert "unrecognized arguments: --quick" in capsys.readouterr().err
