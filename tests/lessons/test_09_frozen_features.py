"""Lesson 09: recordings that stand for training, and bytes that are counted."""

import torch
from notebook_code import definitions
from torch import nn

from course_lib import devices, loaders, models, training

CPU = torch.device("cpu")


def test_a_recording_is_what_the_head_would_see_in_training() -> None:
    preprocessing = models.build_model().preprocessing
    given = {"device": "cpu", "classes": ("ants", "bees"), "preprocessing": preprocessing}
    lesson = definitions("09", place=CPU, image_size=32, **given)
    (x, labels), drifted = lesson.record(1)

    model, seen = models.build_model(seed=7), []
    model.backbone.requires_grad_(False)
    model.backbone.register_forward_hook(lambda body, given, made: seen.append(made.detach()))
    batches = loaders.make_loaders("insects", preprocessing, 32, 4, seed=1)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
    training.seed_everything(1)
    model.train()
    for images, truth in batches.train:
        nn.functional.cross_entropy(model(devices.to_device(images, CPU)), truth).backward()
        optimizer.step()
    assert len(x) == len(labels) == len(batches.train.dataset)
    torch.testing.assert_close(torch.cat(seen), x)
    judged, _ = training.extract_features(model, batches.val, "cpu")
    torch.testing.assert_close(judged, drifted[0], rtol=1e-3, atol=1e-3)


def test_full_fine_tuning_is_the_recipe_of_lesson_08() -> None:
    given = {"device": "cpu", "image_size": 32, "epochs": 1, "classes": ("ants", "bees")}
    lesson = definitions("09", preprocessing=models.build_model().preprocessing, **given)
    assert lesson.fine_tune(1, 0.3) == definitions("08", **given).run("today's recipe", 0.3, 1)


def test_bytes_for_the_backward_pass_and_for_the_optimiser() -> None:
    lesson = definitions("09", place=CPU)
    kept, state = lesson.megabytes(nn.Linear(8, 2), torch.zeros(16, 8))
    assert kept * 1e6 == 4 * 16 * 8 and round(state * 1e6) == 12 * (8 * 2 + 2)
    assert lesson.megabytes(nn.Linear(8, 2).requires_grad_(False), torch.zeros(16, 8)) == (0, 0)
    assert round(lesson.megabytes(nn.BatchNorm1d(8), torch.zeros(16, 8))[0] * 1e6) == 4 * 8 * 18
