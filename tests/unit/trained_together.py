"""Fine-tune small networks in forked processes, some of which die; print what came of each.

Run it as ``python trained_together.py FOLDER``. A fork costs less than to import torch anew.
"""

import json
import os
import random
import signal
import socket
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch
from random_photos import save_photo
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_lib import loaders, models
from course_lib.tools import finetune

BUILT: list[models.Classifier] = []


def tiny(name: str, classes: int, *, seed: int, **_: object) -> models.Classifier:
    """In place of ``build_model``: a linear one, or one with dropout and BatchNorm ('noisy')."""
    torch.manual_seed(seed)
    noisy = [nn.BatchNorm1d(8), nn.Dropout(0.3)] * (name == "noisy")
    body = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, 8), *noisy)
    BUILT.append(models.Classifier(body, nn.Linear(8, classes), loaders.Preprocessing()))
    return BUILT[-1]


def photos(folder: Path, train: int, test: int) -> finetune.Settings:
    """Save as many training and test photos of both classes; settings to train on them."""
    for split, count in (("train", train), ("val", test)):
        for i in range(count):
            save_photo(folder / split / ("ants", "bees")[i % 2] / f"{i:03}.png", i, (16, 16))
    small = {"image_size": 16, "learning_rate": 0.01, "device": "cpu", "epochs": 4}
    return finetune.Settings(str(folder), "linear", **small)


class Moments:
    """Counts its calls; this process dies at the one of number ``last`` (0: never)."""

    def __init__(self, last: int) -> None:
        self.last, self.count = last, 0

    def __call__(self, *_: object) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def train(settings: finetune.Settings, last_step: int, last_call: int) -> dict:
    """Fine-tune, and die before a step of the optimiser or at a call of a Python function."""
    steps, calls = Moments(last_step), Moments(last_call)
    register_optimizer_step_pre_hook(steps)
    sys.setprofile(calls if last_call else None)
    outcome = finetune.run(settings)
    sys.setprofile(None)
    weights = torch.cat([p.detach().flatten() for p in BUILT[-1].parameters()]).tolist()
    history = {name: value for name, value in asdict(outcome.history).items() if name != "seconds"}
    found = {"weights": weights, "history": history, "logits": outcome.test.logits.tolist()}
    found |= {"fingerprint": models.fingerprint(BUILT[-1]), "labels": outcome.test.labels.tolist()}
    return {**found, "steps": steps.count, "calls": calls.count}


def together(processes: int, settings: finetune.Settings, step: int = 0, call: int = 0) -> list:
    """What several forked processes come to; of those that die or fail, None. The last may die."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    results = [Path(settings.dataset, f"{rank}.json") for rank in range(processes)]
    for rank, result in enumerate(results):
        result.unlink(missing_ok=True)
        if os.fork() == 0:
            if processes > 1:
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": str(rank)}
                os.environ |= {"LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
            last = rank == processes - 1
            try:
                result.write_text(json.dumps(train(settings, step * last, call * last)), "utf-8")
            finally:
                os._exit(0)
    for _ in results:
        os.wait()
    return [json.loads(r.read_text("utf-8")) if r.exists() else None for r in results]


def killed_at_random(settings: finetune.Settings, kills: int) -> dict:
    """Train once undisturbed, then again and again, dying at random calls, so many in all."""
    file = Path(settings.checkpoint)
    (whole,) = together(1, settings, call=-1)
    file.unlink()
    found, moments = {"whole": whole, "ended": [], "resumed": 0, "writing": 0}, random.Random(0)
    while kills >= 0:  # the last one is left alone, and comes to its end
        found["resumed"] += file.exists()
        last = moments.randrange(1, whole["calls"] * 2 // 3) if kills else 0
        (result,) = together(1, settings, call=last)
        if result is None:
            found["writing"] += len(list(file.parent.glob(".*")))
        else:
            found["ended"].append(result)
            file.unlink()
        kills -= result is None or kills == 0
    return found


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    models.build_model = tiny
    kept = replace(photos(folder / "any", 10, 2), checkpoint=folder / "any.ckpt")
    for epochs in (1, 2):
        finetune.run(replace(kept, epochs=epochs))  # what is imported on the way is there then
    many = photos(folder / "many", 244, 7)  # 195 to train on, 49 to validate
    found = {str(n): together(n, many) for n in (1, 2, 4)}
    kept = replace(many, checkpoint=folder / "many.ckpt")
    together(2, replace(kept, epochs=2))
    found["two, then one"] = together(1, kept)
    few = replace(photos(folder / "few", 40, 7), batch_size=7, backbone="noisy")
    found["random"] = killed_at_random(replace(few, checkpoint=folder / "few" / "1.ckpt"), 20)
    file = folder / "two.ckpt"
    found["two"], kept = together(2, few), replace(few, checkpoint=file)
    found["died"] = together(2, kept, step=12)  # in the third of four epochs
    found["half"] = len(torch.load(file)["history"]["seconds"])
    found["went on"] = together(2, kept)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
