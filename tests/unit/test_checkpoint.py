"""Checkpoints: exact resume, whole or absent, plain data only."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib import checkpoint, models, training


def loader(classes: int = 2, count: int = 24) -> DataLoader:
    x = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, torch.arange(count) % classes)
    return DataLoader(data, 8, shuffle=True, generator=torch.Generator())


def network(width: int = 6, classes: int = 2) -> nn.Sequential:
    torch.manual_seed(1)
    layers = [
        nn.Linear(4, width),
        nn.BatchNorm1d(width),
        nn.Dropout(0.5),
        nn.Linear(width, classes),
    ]
    return nn.Sequential(*layers)


def fit(
    model: nn.Module,
    epochs: int,
    file: Path | None,
    *,
    seed: int = 0,
    plateau: bool = False,
    stepped: bool = True,
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
) -> training.History:
    data = loader(classes=model[-1].out_features)
    chosen = optimizer(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(chosen, 2) if stepped else None
    if plateau:
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(chosen, patience=0)
    return training.fit(
        model,
        data,
        data,
        epochs=epochs,
        optimizer=chosen,
        scheduler=scheduler,
        device="cpu",
        seed=seed,
        checkpoint=file,
    )


@pytest.mark.parametrize("plateau", [False, True])
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_a_run_in_two_parts_equals_a_run_in_one(
    tmp_path: Path, plateau: bool, optimizer: type[torch.optim.Optimizer]
) -> None:
    whole, parts = network(), network()
    expected = fit(whole, 5, None, plateau=plateau, optimizer=optimizer)
    file = tmp_path / "new folder" / "run.ckpt"
    fit(parts, 2, file, plateau=plateau, optimizer=optimizer)
    torch.manual_seed(99)  # whatever happens in between
    again = network()
    found = fit(again, 5, file, plateau=plateau, optimizer=optimizer)
    assert models.fingerprint(again) == models.fingerprint(whole)
    assert found.train_loss == expected.train_loss
    assert found.val_accuracy == expected.val_accuracy
    assert found.learning_rate == expected.learning_rate
    assert found.best_epoch == expected.best_epoch


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first, second = network(), network()
    done = fit(first, 3, tmp_path / "run.ckpt")
    assert fit(second, 3, tmp_path / "run.ckpt").train_loss == done.train_loss
    assert models.fingerprint(first) == models.fingerprint(second)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")
def test_a_run_killed_twenty_times_ends_as_if_undisturbed(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_at_random.py")
    command = [sys.executable, str(program), str(tmp_path), "20"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["ended"] and all(each == found["whole"] for each in found["ended"])
    assert found["kills"] == 20
    assert found["left"] == []


def test_a_failed_write_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.ckpt"
    checkpoint.save(file, {"epoch": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(file, {"epoch": 2})
    assert checkpoint.load(file) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [file]


class Planted:
    """What a malicious file would run when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("by", ["torch", "pickle"])
def test_a_planted_checkpoint_is_refused_and_not_executed(tmp_path: Path, by: str) -> None:
    file, marker = tmp_path / "run.ckpt", tmp_path / "executed"
    if by == "torch":
        torch.save({"format": checkpoint.FORMAT, "model": Planted(marker)}, file)
    else:
        file.write_bytes(pickle.dumps(Planted(marker)))
    with pytest.raises(checkpoint.CheckpointError, match="not a whole checkpoint of plain data"):
        fit(network(), 1, file)
    assert not marker.exists()


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    file = tmp_path / "run.ckpt"
    fit(network(), 1, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(checkpoint.CheckpointError, match=r"run\.ckpt is not a whole checkpoint"):
        fit(network(), 2, file)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"model": network().state_dict()}, tmp_path / "other.pth")
    with pytest.raises(checkpoint.CheckpointError, match="no checkpoint of this course"):
        fit(network(), 1, tmp_path / "other.pth")
    with pytest.raises(checkpoint.CheckpointError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "missing")


def test_a_checkpoint_of_something_else_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.ckpt"
    fit(network(), 1, file)
    before = file.read_bytes()
    cases = [
        (lambda: fit(network(width=7), 2, file), "another shape: '0.weight' is (6, 4) there"),
        (lambda: fit(network(classes=3), 2, file), "the number of classes differs"),
        (lambda: fit(nn.Sequential(nn.Linear(4, 2)), 2, file), "belongs to another model"),
        (lambda: fit(network(), 2, file, seed=1), "a run with seed 0, not 1"),
        (lambda: fit(network(), 2, file, stepped=False), "of a run with a scheduler"),
        (lambda: fit(network(), 2, file, optimizer=Halved), "does not fit this optimiser"),
    ]
    for run, message in cases:
        with pytest.raises(checkpoint.CheckpointError) as error:
            run()
        assert message in str(error.value)
    assert file.read_bytes() == before


def Halved(parameters: object, lr: float) -> torch.optim.Optimizer:
    """An optimiser over a part of the parameters only."""
    return torch.optim.Adam(list(parameters)[:2], lr=lr)
