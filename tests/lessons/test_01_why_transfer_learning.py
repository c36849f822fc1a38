"""Functions that lesson 01 writes out."""

from types import SimpleNamespace

import numpy as np
import torch
from notebook_code import definitions
from PIL import Image

from course_lib import styles

lesson = definitions("01", listing=SimpleNamespace(classes=("a", "b", "c")))


def test_the_camera_ages_the_classifier_needs_signal_and_the_network_takes_any_size() -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype("uint8"))
    sketch = styles.restyle(photo, "sketch")
    assert lesson.aged(photo, 0.0).tobytes() == photo.tobytes()
    assert lesson.aged(photo, 1.0).tobytes() == sketch.tobytes()
    half = (np.asarray(photo, float) + np.asarray(sketch, float)) / 2
    assert np.abs(np.asarray(lesson.aged(photo, 0.5)) - half).max() <= 1
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 200)) + 3 * y[:, None] * (np.arange(200) < 20)
    x[:, -1] = 7.0  # constant
    assert lesson.classifier().fit(x[:40], y[:40]).score(x[40:], y[40:]) > 0.9
    shuffled = rng.permutation(y)
    assert lesson.classifier().fit(x[:40], shuffled[:40]).score(x[40:], shuffled[40:]) < 0.8
    network = lesson.small_network()
    for side in (16, 64, 65):
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 3)
