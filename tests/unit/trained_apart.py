"""Train on a folder of photos with spawned workers; print what came out.

Run as a program: ``python trained_apart.py FOLDER THREADS WORKERS``. Windows and macOS start
processes this way: a new interpreter, to which the data set is sent by pickling.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys

import torch

from course_lib import loaders, models, training

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    folder, threads, workers = sys.argv[1:]
    torch.set_num_threads(int(threads))
    made = loaders.make_loaders(folder, None, 32, 8, num_workers=int(workers), augment=False)
    seen = b"".join(images.contiguous().numpy().tobytes() for images, _ in made.test)
    model = models.build_model("resnet10t", 2, pretrained=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    options = {"epochs": 1, "optimizer": optimizer, "device": "cpu", "precision": "float32"}
    history = training.fit(model, made.train, made.val, **options)
    result = {"start_method": multiprocessing.get_start_method()}
    result |= {"test_images": hashlib.sha256(seen).hexdigest()}
    result |= {"weights": models.fingerprint(model), "loss": history.train_loss + history.val_loss}
    print(json.dumps(result))
