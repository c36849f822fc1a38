"""Train with a checkpoint in processes that are killed, and once undisturbed; print both results.

Run as a program: ``python killed_at_random.py FOLDER KILLS``. It imports torch once and forks, so
that a killed process costs a fraction of a second. Prints the fingerprints of the weights of
the undisturbed run and of all that were killed on their way, and how many processes were killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib import models, training


def train(checkpoint: Path, result: Path) -> None:
    """Fit a network with dropout, momentum, a scheduler and shuffled data; write the outcome."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.arange(64) % 3
    loader = DataLoader(TensorDataset(x, y), 8, shuffle=True, generator=torch.Generator())
    val = DataLoader(TensorDataset(x, y), 64)
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 3))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=8 * 60)
    history = training.fit(
        network,
        loader,
        val,
        epochs=60,
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_step="batch",
        device="cpu",
        seed=5,
        checkpoint=checkpoint,
    )
    found = [models.fingerprint(network), history.train_loss, history.val_loss, history.best_epoch]
    result.write_text(json.dumps(found), encoding="utf-8")


def forked(checkpoint: Path, result: Path, patience: float | None) -> bool:
    """Train in a process of its own, killed after some seconds; was it killed?"""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            train(checkpoint, result)
        finally:
            os._exit(0)
    if patience is not None:
        time.sleep(patience)
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(folder: Path, kills: int) -> None:
    """Compare runs that are killed, ``kills`` times in all, with one that is left alone."""
    start = time.perf_counter()
    forked(folder / "whole.ckpt", folder / "whole.json", None)
    seconds = time.perf_counter() - start
    checkpoint, result = folder / "killed.ckpt", folder / "killed.json"
    moments, killed, ended, patience = random.Random(0), 0, [], 0.0
    while patience is not None:  # the last process is not killed: the last run comes to its end
        patience = moments.uniform(0.02, 2.5 * seconds / kills) if killed < kills else None
        if forked(checkpoint, result, patience):
            killed += 1
        else:  # it has come to its end: the next begins anew
            ended.append(json.loads(result.read_text(encoding="utf-8")))
            checkpoint.unlink()
            result.unlink()
    whole = json.loads((folder / "whole.json").read_text(encoding="utf-8"))
    left = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
    print(json.dumps({"whole": whole, "ended": ended, "kills": killed, "left": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
