from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import save_photo
from PIL import Image

from course_lib import loaders
from course_lib.loaders import Preprocessing


def test_shapes_counts_and_classes(folder: Path) -> None:
    made = loaders.make_loaders(folder, image_size=16, batch_size=6)
    assert made.classes == ("ants", "bees")
    sizes = [len(loader.dataset) for loader in (made.train, made.val, made.test)]
    assert sizes == [16, 4, 10]
    batches = list(made.train)
    assert [tuple(images.shape) for images, _ in batches] == [(6, 3, 16, 16)] * 2 + [(4, 3, 16, 16)]
    assert batches[0][0].dtype == torch.float32 and batches[0][1].dtype == torch.int64


def test_splits_are_disjoint_stratified_and_repeatable(folder: Path) -> None:
    one, again, other = (loaders.make_loaders(folder, image_size=16, seed=s) for s in (1, 1, 2))
    train, val = set(one.train.dataset.paths), set(one.val.dataset.paths)
    assert not train & val and len(train | val) == 20
    assert sorted(one.val.dataset.labels) == [0, 0, 1, 1]
    assert one.val.dataset.paths == again.val.dataset.paths
    assert one.val.dataset.paths != other.val.dataset.paths
    assert all("val" in path.parts for path in one.test.dataset.paths)


def test_only_the_training_images_are_augmented(folder: Path) -> None:
    made = loaders.make_loaders(folder, image_size=16)
    torch.manual_seed(0)
    assert not torch.equal(made.train.dataset[0][0], made.train.dataset[0][0])
    for loader in (made.val, made.test):
        assert torch.equal(loader.dataset[0][0], loader.dataset[0][0])


def test_without_augmentation_the_training_images_are_fixed_and_in_order(folder: Path) -> None:
    made = loaders.make_loaders(folder, image_size=16, augment=False)
    assert torch.equal(made.train.dataset[0][0], made.train.dataset[0][0])
    labels = torch.cat([batch_labels for _, batch_labels in made.train])
    assert labels.tolist() == made.train.dataset.labels


def test_shuffling_is_seeded(folder: Path) -> None:
    def order(seed: int) -> list[int]:
        made = loaders.make_loaders(folder, image_size=16, seed=seed)
        return torch.cat([labels for _, labels in made.train]).tolist()

    assert order(0) == order(0)
    assert any(order(0) != order(seed) for seed in (1, 2, 3))


def test_workers_give_the_same_batches(folder: Path) -> None:
    alone, helped = (
        loaders.make_loaders(folder, image_size=16, num_workers=n).test for n in (0, 1)
    )
    for (images, labels), (other_images, other_labels) in zip(alone, helped, strict=True):
        assert torch.equal(images, other_images) and torch.equal(labels, other_labels)


def test_unnormalise_is_the_inverse() -> None:
    preprocessing = Preprocessing(mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4))
    pixels = torch.rand(2, 3, 4, 5)
    normalise = loaders.to_tensor(preprocessing)[-1]
    assert torch.allclose(loaders.unnormalise(normalise(pixels), preprocessing), pixels, atol=1e-6)


def test_evaluation_pipeline_resizes_the_short_side_then_crops_the_centre() -> None:
    pixels = np.zeros((64, 128, 3), dtype="uint8")
    pixels[:, 48:80] = 255  # a white bar in the middle half of what the crop keeps
    pipeline = loaders.eval_transform(Preprocessing(mean=(0,) * 3, std=(1,) * 3), 56)
    out = pipeline(Image.fromarray(pixels))
    assert out.shape == (3, 56, 56)
    assert out[:, 28, 28].min() == 1.0 and out[:, 28, [0, -1]].max() == 0.0
    assert 30 <= int((out[0, 28] > 0.5).sum()) <= 34


@pytest.mark.parametrize(
    "made",
    [
        Image.new("L", (9, 7), 200),
        Image.new("RGBA", (9, 7), (200, 200, 200, 128)),
        Image.new("RGB", (9, 7), (200, 200, 200)).quantize(4),
        Image.new("LA", (9, 7), (200, 255)),
        Image.new("CMYK", (9, 7), (55, 55, 55, 0)),
        Image.fromarray(np.full((7, 9), 200 * 257, dtype="uint16")),
        Image.new("1", (9, 7), 1),
    ],
    ids=["grey", "rgba", "palette", "grey-alpha", "cmyk", "16-bit", "1-bit"],
)
def test_other_kinds_of_image_become_rgb(made: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / ("photo.tif" if made.mode == "CMYK" else "photo.png")
    made.save(path)
    opened = loaders.open_photo(path)
    assert (opened.mode, opened.size) == ("RGB", (9, 7))
    expected = 255 if made.mode == "1" else 200
    assert np.abs(np.asarray(opened).astype(int) - expected).max() <= 1


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (30, 10)).save(tmp_path / "turned.jpg", exif=exif)
    assert loaders.open_photo(tmp_path / "turned.jpg").size == (10, 30)


def test_one_pixel_is_enough(folder: Path) -> None:
    save_photo(folder / "train" / "ants" / "one.png", 0, size=(1, 1))
    made = loaders.make_loaders(folder, image_size=16)
    assert sum(len(images) for images, _ in made.train) == len(made.train.dataset)


def test_every_bad_file_is_named_before_training(folder: Path) -> None:
    (folder / "train" / "ants" / "note.jpg").write_text("this is no photo")
    save_photo(folder / "whole.jpg", 1, size=(300, 300))
    cut = (folder / "whole.jpg").read_bytes()[:2000]
    (folder / "val" / "bees" / "cut.jpg").write_bytes(cut)
    with pytest.raises(ValueError, match=r"2 of .* images cannot be used") as caught:
        loaders.make_loaders(folder, image_size=16, val_fraction=0.5)
    assert re.search(r"note\.jpg: not an image", str(caught.value))
    assert re.search(r"cut\.jpg: damaged image", str(caught.value))


def test_decompression_bombs_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"damaged image .*decompression bomb"):
        loaders.open_photo(folder / "train" / "ants" / "00.png")


def test_photos_beyond_the_budget_are_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [(path, 0) for path in sorted((folder / "train" / "ants").iterdir())]
    kept = [np.asarray(loaders.Photos(files, None).image(i)) for i in range(len(files))]
    loaders._open_photos.cache_clear()
    monkeypatch.setattr(loaders, "MEMORY_BUDGET", 3 * 40 * 32 * 3)
    photos = loaders.Photos(files, None)
    assert [image is not None for image in photos._images] == [True] * 3 + [False] * 7
    assert all(np.array_equal(kept[i], np.asarray(photos.image(i))) for i in range(len(files)))
    loaders._open_photos.cache_clear()


def test_a_changed_photo_is_read_again(folder: Path) -> None:
    path = folder / "train" / "ants" / "00.png"
    before = loaders.Photos([(path, 0)], None).image(0).size
    save_photo(path, 5, size=(50, 20))
    assert (before, loaders.Photos([(path, 0)], None).image(0).size) == ((40, 32), (50, 20))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image_size": 0}, "image_size is 0: expected a whole number of 8 or more"),
        ({"image_size": 32.0}, "image_size is 32.0"),
        ({"batch_size": 0}, "batch_size is 0: expected a whole number of 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"num_workers": -1}, "num_workers is -1"),
        ({"val_fraction": 0.0}, "val_fraction is 0.0: expected a finite number above 0"),
        ({"val_fraction": float("nan")}, "val_fraction is nan"),
        ({"val_fraction": 0.01}, "20 training images are too few"),
    ],
)
def test_bad_values_are_named(folder: Path, wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        loaders.make_loaders(folder, **{"image_size": 16, **wrong})
