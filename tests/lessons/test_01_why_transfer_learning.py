"""Functions that lesson 01 writes out."""

import numpy as np
import torch
from notebook_code import definitions
from PIL import Image

from course_lib import styles


def noise() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    return Image.fromarray(pixels.astype("uint8"))


def test_the_camera_ages_from_photo_to_sketch() -> None:
    aged = definitions("01").aged
    photo, sketch = noise(), styles.restyle(noise(), "sketch")
    assert aged(photo, 0.0).tobytes() == photo.tobytes()
    assert aged(photo, 1.0).tobytes() == sketch.tobytes()
    half = (np.asarray(photo, float) + np.asarray(sketch, float)) / 2
    assert np.abs(np.asarray(aged(photo, 0.5)) - half).max() <= 1


def test_the_classifier_needs_signal_and_bears_constant_features() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 200)) + 3 * y[:, None] * (np.arange(200) < 20)
    x[:, -1] = 7.0  # constant
    classifier = definitions("01").classifier
    assert classifier().fit(x[:40], y[:40]).score(x[40:], y[40:]) > 0.9
    shuffled = rng.permutation(y)
    assert classifier().fit(x[:40], shuffled[:40]).score(x[40:], shuffled[40:]) < 0.8


def test_the_small_network_takes_any_size_of_image() -> None:
    class Listing:
        classes = ("a", "b", "c")

    network = definitions("01", listing=Listing).small_network()
    for side in (16, 64, 65):
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 3)
