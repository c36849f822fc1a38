"""The program of lesson 08: it runs alone, equals `training.fit`, and is what the lesson shows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
import torchvision
from random_photos import save_photo
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader

from course_lib import datasets, loaders, models, training

NOTEBOOKS = datasets.course_root() / "notebooks"
PROGRAM = NOTEBOOKS / "plain_program.py"
TEXT = PROGRAM.read_text(encoding="utf-8")
SIZE, BATCH, EPOCHS, RATE = 32, 8, 4, 0.001
HEAD = {"fc.weight": "head.weight", "fc.bias": "head.bias"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of noise, from which little can be learned, so that the best epoch is not the last."""
    folder = tmp_path_factory.mktemp("photos")
    for split, count in (("train", 23), ("val", 10)):
        for start, name in enumerate(("first", "second")):
            for i in range(count - start):
                save_photo(folder / split / name / f"{i:02}.png", 500 * start + i + len(split))
    torch.manual_seed(1)
    torch.save(torchvision.models.resnet18().state_dict(), folder / "weights.pt")
    return folder


def run(place: Path, folder: Path, *settings: object) -> tuple[dict, str]:
    """Run a copy of the program in an empty folder, offline; what it saved and what it printed."""
    place.mkdir()
    shutil.copy(PROGRAM, place / "program.py")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    env |= {"HTTPS_PROXY": "http://127.0.0.1:9", "TORCH_HOME": str(place / "hub")}
    given = ["--size", SIZE, "--batch", BATCH, "--rate", RATE, "--folder", folder, *settings]
    command = [sys.executable, "-I", "-W", "error", "program.py", *map(str, given)]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = {"program.py", "batch.png", "predictions.png", "model.pt"}
    assert {path.name for path in place.glob("*.p*")} == written
    return torch.load(place / "model.pt"), done.stdout


@pytest.fixture(scope="module")
def alone(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    settings = ["--epochs", EPOCHS, "--weights", photos / "weights.pt"]
    return run(tmp_path_factory.mktemp("alone") / "here", photos, *settings)[0]


def with_fit(folder: Path, held_out: list[int], frozen: bool) -> tuple[dict, training.History]:
    torch.manual_seed(0)
    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load(folder / "weights.pt"))
    head, network.fc = torch.nn.Linear(512, 2), torch.nn.Identity()
    model = models.Classifier(network, head, loaders.Preprocessing())
    if frozen:
        models.freeze_backbone(model)
    found = datasets.scan(folder).files["train"]
    plain = loaders.eval_transform(model.preprocessing, SIZE)
    everything = loaders.Photos(found, plain)
    kept = [place for place in range(len(found)) if place not in held_out]
    part = everything.part(kept, loaders.train_transform(model.preprocessing, SIZE))
    train = DataLoader(part, BATCH, shuffle=True, generator=torch.Generator())
    val = DataLoader(everything.part(held_out, plain, fixed=True), BATCH)
    optimizer = torch.optim.AdamW([{"params": half.parameters()} for half in (network, head)])
    schedule = OneCycleLR(optimizer, [RATE, 10 * RATE], EPOCHS * len(train))
    how = {"scheduler": schedule, "scheduler_step": "batch", "device": "cpu", "seed": 0}
    how |= {"epochs": EPOCHS, "precision": "float32", "optimizer": optimizer}
    history = training.fit(model, train, val, **how)
    return model.state_dict(), history


@pytest.mark.parametrize("frozen", [False, True])
def test_the_program_learns_what_fit_learns(alone, photos, frozen, tmp_path) -> None:
    start, saved = torch.load(photos / "weights.pt"), alone
    if frozen:
        settings = ["--epochs", EPOCHS, "--weights", photos / "weights.pt", "--frozen", 1]
        saved, _ = run(tmp_path / "frozen", photos, *settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the program had, or sums differ in their last digits
    ours, history = with_fit(photos, saved["val"], frozen)
    torch.set_num_threads(threads)
    assert frozen or history.best_epoch < EPOCHS - 1  # or it would not matter which is kept
    assert [epoch["accuracy"] for epoch in saved["history"]] == history.val_accuracy
    assert [e["loss"] for e in saved["history"]] == pytest.approx(history.val_loss, rel=1e-3)
    for name, weights in saved["weights"].items():
        fitted = ours[HEAD.get(name, f"backbone.{name}")]
        apart = (weights - fitted).double().norm().item()
        moved = (fitted - start[name]).double().norm().item() if name not in HEAD else 0.1
        assert apart <= 0.01 * moved, f"{name}: {apart} apart, moved by {moved}"
        assert (moved == 0) is (frozen and name not in HEAD), name


def test_another_seed_is_another_split_and_random_weights_are_announced(alone, photos, tmp_path):
    saved, told = run(tmp_path / "offline", photos, "--epochs", 1, "--seed", 1)
    assert "this starts from RANDOM ones" in told and "test accuracy" in told
    assert saved["classes"] == ["first", "second"]
    assert sorted(saved["val"]) != sorted(alone["val"])
    for held_out in (saved["val"], alone["val"]):  # a fifth of 23 photos, and of 22
        assert sum(place < 23 for place in held_out) == len(held_out) - 5 == 5


def test_the_program_is_short_and_the_lesson_is_it_in_pieces_and_shows_it_whole() -> None:
    assert len(TEXT.splitlines()) <= 120 and "course_lib" not in TEXT
    (path,) = NOTEBOOKS.glob("08_*.ipynb")
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    lesson = {line for cell in cells for line in cell.source.splitlines()}
    # All but the settings and the files written.
    for line in TEXT.partition("given = parser.parse_args()\n")[2].splitlines():
        if line and "savefig" not in line and not line.startswith(("#", "saved", "torch.save")):
            assert line in lesson, line
    outputs = [output for cell in cells for output in cell.outputs if "data" in output]
    assert f"```python\n{TEXT}```" in [o.data.get("text/markdown", "") for o in outputs]
