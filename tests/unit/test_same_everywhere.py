import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import torch

from course_lib import loaders, models, training


def train(folder: str, threads: int, workers: int) -> dict:
    """What a small network comes to in an epoch, and a hash of the images that it is tested on."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    made = loaders.make_loaders(folder, None, 32, 8, augment=False)
    test = torch.utils.data.DataLoader(made.test.dataset, 8, num_workers=workers)
    seen = b"".join(images.contiguous().numpy().tobytes() for images, _ in test)
    model = models.build_model("test_resnet", pretrained=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    options = {"epochs": 1, "optimizer": optimizer, "device": "cpu", "precision": "float32"}
    history = training.fit(model, made.train, made.val, **options)
    torch.set_num_threads(before)
    found = {"images": hashlib.sha256(seen).hexdigest(), "weights": models.fingerprint(model)}
    return found | {"loss": history.train_loss + history.val_loss}


def test_another_folder_another_process_spawned_workers_and_another_thread(folder, tmp_path):
    (elsewhere := tmp_path / "另 一个 folder").mkdir()
    one, two = (train(str(folder), threads, 0) for threads in (1, 2))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, __file__, str(folder)]
    printed = subprocess.check_output(command, cwd=elsewhere, env=environment)
    assert json.loads(printed) == one and two["images"] == one["images"]  # bit by bit
    for a, b in zip(one["loss"], two["loss"], strict=True):
        assert abs(a - b) <= 1e-4  # nats: sums in another order


if __name__ == "__main__":  # as Windows and macOS start processes: photos are sent by pickling
    multiprocessing.set_start_method("spawn")
    print(json.dumps(train(sys.argv[1], 1, workers=1)))
