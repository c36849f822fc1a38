"""Train small networks, alone or under ``torchrun``, and write down what came of it.

Run as a program: ``trained_together.py CHECKPOINT RESULT KILL_AT``. The process with rank 1 kills
itself in training step number KILL_AT; 0 means that none does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from course_lib import distributed, training


class Noisy(Dataset):
    """Points with fresh noise from torch's global generator at every look, like augmentation."""

    def __init__(self, count: int, noise: float = 0.0) -> None:
        self.y = torch.arange(count) % 3
        generator = torch.Generator().manual_seed(count)
        self.x = torch.randn(count, 4, generator=generator) + self.y[:, None]
        self.noise = noise

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        return self.x[position] + self.noise * torch.randn(4), int(self.y[position])


class Fatal(nn.CrossEntropyLoss):
    """Cross-entropy that kills the second process in the middle of a step."""

    def __init__(self, kill_at: int) -> None:
        super().__init__()
        self.steps_left = kill_at

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        self.steps_left -= 1
        if self.steps_left == 0 and distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(logits, labels)


def train(dropout: float, checkpoint: Path | None = None, kill_at: int = 0) -> dict[str, Any]:
    """Fit a network with a frozen BatchNorm; 23 examples in batches of 8: the last share is 4 + 3.

    Only the history, the weights and the predictions of the first process are returned.
    """
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
    model = nn.Sequential(body, nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3))
    body.eval().train = lambda mode=True: body  # as models.Classifier does when it is frozen
    train = distributed.train_loader(DataLoader(Noisy(23, noise=0.5)), 8)
    val, test = (distributed.eval_loader(DataLoader(Noisy(n), 4)) for n in (9, 7))
    replica = distributed.replicate(model, "cpu")
    optimizer = torch.optim.SGD(replica.parameters(), lr=0.1, momentum=0.9)
    history = training.fit(
        replica,
        train,
        val,
        epochs=4,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0),
        criterion=Fatal(kill_at),
        device="cpu",
        seed=3,
        checkpoint=checkpoint,
    )
    found = training.predict(replica, test, "cpu")
    return {
        "weights": torch.cat([p.detach().flatten() for p in model.parameters()]).tolist(),
        "history": {name: value for name, value in asdict(history).items() if name != "seconds"},
        "logits": found.logits.flatten().tolist(),
        "labels": found.labels.tolist(),
    }


def main(checkpoint: Path, result: Path, kill_at: int) -> None:
    """Train one network without dropout, and one with dropout and a checkpoint."""
    torch.set_num_threads(1)
    with distributed.processes("cpu"):
        found = {} if kill_at else {"plain": train(0.0)}
        found["dropout"] = train(0.5, checkpoint, kill_at)
        found["replicas"] = distributed.from_each(found["dropout"]["weights"])
        if distributed.rank() == 0:
            result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
