"""Styles, and feature vectors that are computed once and kept on disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_photos import save_photo
from torch.utils.data import DataLoader

from course_lib import features, loaders, models, styles, training


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv(features.CACHE_DIR, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every pass of a backbone an error: what comes now comes from the cache."""

    def refuse(*_: object) -> None:
        raise AssertionError("the backbone was run")

    monkeypatch.setattr(training, "extract_features", refuse)


def load(folder: Path, **changes: object) -> features.Domain:
    options = {"split": "train", "style": "photo", "image_size": 32, "device": "cpu", **changes}
    return features.load(folder, **options)


def picture(size: tuple[int, int] = (40, 32)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(pixels.astype("uint8"))


@pytest.mark.parametrize("style", styles.STYLES)
def test_a_style_keeps_size_and_input_and_repeats_itself(style: str) -> None:
    image = picture()
    before = image.tobytes()
    first, second = styles.restyle(image, style), styles.restyle(image, style)
    assert (first.size, first.mode) == (image.size, "RGB")
    assert first.tobytes() == second.tobytes()
    assert image.tobytes() == before
    assert (first.tobytes() == before) == (style == "photo")


def test_styles_do_what_their_names_say() -> None:
    image = picture((224, 224))
    pixels = np.asarray(image, dtype=float)
    of = {s: np.asarray(styles.restyle(image, s), dtype=float) for s in styles.STYLES}
    assert np.array_equal(of["negative"], 255 - pixels)
    assert np.ptp(of["gray"], axis=2).max() == 0
    assert of["night"].mean() < 0.5 * pixels.mean()
    assert of["night"][..., 2].mean() > of["night"][..., 0].mean()  # blue
    assert of["fog"].std() < 0.3 * pixels.std()
    assert of["fog"].mean() > 200
    assert of["soft"].std() < 0.5 * pixels.std()
    flat = Image.new("RGB", (40, 32), (90, 90, 90))
    for style in ("sketch", "edges"):  # lines only: a flat surface is white paper
        inner = np.asarray(styles.restyle(flat, style))[2:-2, 2:-2]
        assert inner.min() == 255


def test_unknown_style_is_named() -> None:
    with pytest.raises(ValueError, match=r"style is 'nigth'.*Did you mean 'night'"):
        styles.restyle(picture(), "nigth")


def test_features_are_what_the_backbone_says(folder: Path) -> None:
    domain = load(folder)
    model = models.build_model()
    plain = loaders.make_loaders(folder, model.preprocessing, 32, augment=False).test
    x, y = training.extract_features(model, plain, "cpu")
    assert np.allclose(load(folder, split="val").x, x, atol=1e-5)
    assert load(folder, split="val").y.tolist() == y.tolist()
    assert (domain.x.dtype, domain.x.shape) == (np.float32, (20, 1280))
    assert domain.classes == ("ants", "bees")
    assert len(domain) == 20


@pytest.mark.usefixtures("no_backbone")
def test_first_call_runs_the_backbone(folder: Path) -> None:
    with pytest.raises(AssertionError, match="was run"):
        load(folder)


def test_cache_returns_the_same_bits(
    folder: Path, own_cache: Path, request: pytest.FixtureRequest
) -> None:
    first = load(folder)
    request.getfixturevalue("no_backbone")
    second = load(folder)
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.y, second.y)
    assert [path.suffix for path in own_cache.iterdir()] == [".npz"]


def test_whatever_changes_the_features_changes_the_key(folder: Path) -> None:
    first = load(folder)
    for changed in (
        load(folder, style="night"),
        load(folder, image_size=48),
        load(folder, pretrained=False),
    ):
        assert not np.allclose(first.x, changed.x)
    save_photo(folder / "train" / "ants" / "00.png", seed=999)
    assert not np.allclose(first.x[0], load(folder).x[0])
    assert np.allclose(first.x[1:], load(folder).x[1:], atol=1e-5)


@pytest.mark.parametrize("damage", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_damaged_entry_is_computed_again(folder: Path, own_cache: Path, damage: bytes) -> None:
    first = load(folder)
    (entry,) = own_cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage or whole[: len(whole) // 2])
    assert np.array_equal(load(folder).x, first.x)
    assert entry.read_bytes()[:2] == b"PK"
    assert len(entry.read_bytes()) == len(whole)


def test_entry_of_other_photos_is_not_believed(folder: Path, own_cache: Path) -> None:
    first = load(folder)
    (entry,) = own_cache.iterdir()
    np.savez(entry, x=first.x[:3])
    assert np.array_equal(load(folder).x, first.x)


def test_without_a_place_to_write_nothing_is_kept(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cache.write_text("a file where the folder should be")
    assert load(folder).x.shape == (20, 1280)
    own_cache.unlink()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert load(folder).x.shape == (20, 1280)
    assert list(own_cache.iterdir()) == []


def test_default_cache_lies_in_the_course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(features.CACHE_DIR)
    assert features._cache_dir().parts[-3:] == ("data", ".cache", "features")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"split": "test"}, r"split is 'test': expected train or val"),
        ({"style": "noon"}, r"style is 'noon'"),
        ({"image_size": 4}, r"image_size is 4"),
        ({"backbone": "resnet81"}, r"resnet81"),
        ({"device": "abacus"}, r"device is 'abacus'"),
    ],
)
def test_bad_arguments_are_named(folder: Path, wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(folder, **wrong)


def views(folder: Path, count: int = 1, augment: bool = False, **changes: object) -> tuple:
    model = models.build_model()
    size = changes.pop("image_size", 32)
    made = loaders.make_loaders(folder, model.preprocessing, size, augment=augment)
    return features.views(model, made.train, count, device="cpu", **changes)


def test_a_view_is_what_the_backbone_says(folder: Path) -> None:
    x, y = views(folder, precision="float32")
    model = models.build_model()
    plain = loaders.make_loaders(folder, model.preprocessing, 32, augment=False).train
    expected, labels = training.extract_features(model, plain, "cpu")
    assert (x.dtype, x.shape) == (torch.float32, (1, 16, 1280))
    assert torch.equal(x[0], expected) and torch.equal(y, labels)


def test_views_are_of_the_same_photos_and_differ(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def brightness(_: object, loader: DataLoader, *__: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat([images.mean(dim=(2, 3)) for images, _ in loader]), torch.empty(0)

    monkeypatch.setattr(training, "extract_features", brightness)
    x, y = views(folder, 3, augment=True)  # a shuffled loader
    assert x.shape == (3, 16, 3) and y.tolist() == sorted(y.tolist())
    assert x[:, y == 1].min() > x[:, y == 0].max()  # bees are bright: labels stay with photos
    assert not torch.allclose(x[0], x[1])


def test_views_come_from_the_cache_and_leave_the_dice_alone(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    dice = torch.get_rng_state()
    first, labels = views(folder, 2, augment=True)
    assert torch.equal(torch.get_rng_state(), dice)
    request.getfixturevalue("no_backbone")
    second, again = views(folder, 2, augment=True)
    assert torch.equal(first, second) and torch.equal(labels, again)


@pytest.mark.usefixtures("no_backbone")
@pytest.mark.parametrize(
    "changes",
    [
        {"count": 3},
        {"seed": 1},
        {"image_size": 40},
        {"augment": False},
        {"precision": "bfloat16"},
    ],
)
def test_whatever_changes_the_views_changes_their_key(
    folder: Path, changes: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = {"count": 2, "augment": True, "precision": "float32"}

    def pretend(*_: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(16, 5), torch.zeros(16)

    with monkeypatch.context() as patched:
        patched.setattr(training, "extract_features", pretend)
        views(folder, **usual)
    views(folder, **usual)
    with pytest.raises(AssertionError, match="was run"):
        views(folder, **{**usual, **changes})


def test_a_transform_that_may_do_anything_is_not_cached(folder: Path, own_cache: Path) -> None:
    model = models.build_model()
    pipeline = loaders.eval_transform(model.preprocessing, 32)
    files = [(path, 1) for path in sorted((folder / "val" / "bees").iterdir())]
    photos = loaders.Photos(files, lambda photo: pipeline(photo))
    x, y = features.views(model, DataLoader(photos, 2), device="cpu")
    assert x.shape == (1, 5, 1280) and y.tolist() == [1] * 5
    assert not own_cache.exists()


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seed": -1}, {"precision": "half"}])
def test_bad_arguments_of_views_are_named(folder: Path, wrong: dict) -> None:
    ((name, _),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is"):
        views(folder, **wrong)


def domain(count: int = 6) -> features.Domain:
    y = np.arange(count) % 2
    return features.Domain("toy", np.arange(count * 3.0).reshape(count, 3), y, ("ants", "bees"))


def test_take_keeps_the_order_asked_for() -> None:
    part = domain().take([4, 1])
    assert part.x.tolist() == [[12, 13, 14], [3, 4, 5]]
    assert part.y.tolist() == [0, 1]
    assert len(domain().take([])) == 0


def test_few_draws_from_every_class_without_repeats() -> None:
    toy = domain(20)
    chosen = toy.few(4, np.random.default_rng(0))
    assert toy.y[chosen].tolist() == [0] * 4 + [1] * 4
    assert len(set(chosen.tolist())) == 8
    assert chosen.tolist() == toy.few(4, np.random.default_rng(0)).tolist()
    assert chosen.tolist() != toy.few(4, np.random.default_rng(1)).tolist()
    assert toy.few(0, np.random.default_rng(0)).tolist() == []


def test_few_says_which_class_has_too_few() -> None:
    with pytest.raises(ValueError, match=r"4 images a class.* toy has only 3 of 'ants'"):
        domain().few(4, np.random.default_rng(0))


def test_key_knows_the_version_of_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, files = models.build_model(pretrained=False), [(folder / "train/ants/00.png", 0)]
    arguments = (files, model, torch.device("cpu"), torch.float32, "photo", 32)
    before = features._key(*arguments)
    assert before == features._key(*arguments)
    monkeypatch.setattr(torch, "__version__", "99.0")
    assert before != features._key(*arguments)
    assert os.sep not in before
