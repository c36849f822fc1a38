from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_photos import save_photo
from torch.utils.data import DataLoader
from torchvision.transforms import v2

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


def test_validation_and_test_images_come_in_order(folder: Path) -> None:
    made = loaders.make_loaders(folder, image_size=16, val_fraction=0.5)
    for loader in (made.val, made.test):
        labels = torch.cat([batch_labels for _, batch_labels in loader])
        assert labels.tolist() == loader.dataset.labels == sorted(loader.dataset.labels)


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


def test_unnormalise_gives_what_can_be_shown() -> None:
    shown = loaders.unnormalise(torch.tensor([-9.0, 9.0]).expand(1, 3, 1, 2), Preprocessing())
    assert shown.aminmax() == (0.0, 1.0)


def test_sizes_and_shares_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="image_size is 7: expected a whole number of 8 or more"):
        loaders.train_transform(Preprocessing(), 7)
    with pytest.raises(ValueError, match=r"val_fraction is 0\.95"):
        loaders.split([0, 1] * 50, val_fraction=0.95, seed=0)


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


@pytest.mark.parametrize(("bad", "more"), [(10, None), (12, "and 2 more")])
def test_ten_bad_files_are_listed_and_the_others_counted(
    bad: int, more: str | None, folder: Path
) -> None:
    for number in range(bad):
        (folder / "train" / "ants" / f"note{number:02d}.jpg").write_text("this is no photo")
    with pytest.raises(ValueError, match=f"{bad} of .* images cannot be used") as caught:
        loaders.make_loaders(folder, image_size=16)
    _, *listed = str(caught.value).splitlines()
    assert [f"note{number:02d}.jpg: not" in listed[number] for number in range(10)] == [True] * 10
    assert [line.strip() for line in listed[10:]] == ([more] if more else [])


def test_decompression_bombs_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"damaged image .*decompression bomb"):
        loaders.open_photo(folder / "train" / "ants" / "00.png")


@pytest.fixture
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> dict:
    """No photo in memory yet, for this test alone."""
    opened: dict = {}
    monkeypatch.setattr(loaders, "_opened", opened)
    return opened


def ants(folder: Path) -> list[tuple[Path, int]]:
    return [(path, 0) for path in sorted((folder / "train" / "ants").iterdir())]


@pytest.mark.usefixtures("nothing_open")
def test_photos_beyond_the_budget_are_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = loaders.eval_transform(Preprocessing(), 16)
    every = [np.asarray(loaders.open_photo(path)) for path, _ in ants(folder)]
    monkeypatch.setattr(loaders, "MEMORY_BUDGET", 3 * 40 * 32 * 3)
    photos = loaders.Photos(ants(folder), plain)
    assert not photos.in_memory
    assert [kept is not None for kept in photos._pixels] == [True] * 3 + [False] * 7
    for i, expected in enumerate(every):
        assert np.array_equal(photos.image(i), expected)
        assert np.array_equal(photos.pixels(i).permute(1, 2, 0), expected)
    monkeypatch.setattr(loaders, "MEMORY_BUDGET", 10**9)
    monkeypatch.setattr(loaders, "_opened", {})
    rich = loaders.Photos(ants(folder), plain)
    assert rich.in_memory
    for (poor, _), (kept, _) in zip(photos.__getitems__(range(10)), rich, strict=False):
        assert torch.equal(poor, kept)


def test_the_budget_is_for_all_data_sets_together(
    folder: Path, nothing_open: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 40 * 32 * 3
    monkeypatch.setattr(loaders, "MEMORY_BUDGET", 6 * size)
    loaders.Photos(ants(folder)[:4], None)
    loaders.Photos(ants(folder)[4:8], None)  # two of the first four make room
    kept = sorted(path.name for (path, _, _), pixels in nothing_open.items() if pixels is not None)
    assert kept == [f"{i:02d}.png" for i in range(2, 8)]
    save_photo(folder / "wide.png", 0, size=(80, 32))
    loaders.Photos([(folder / "wide.png", 0)], None)  # twice as large: two make room for it
    assert sum(pixels is not None for pixels in nothing_open.values()) == 4 + 1
    again = loaders.Photos(ants(folder)[:4], None)  # reads the two again, or does without
    assert [np.asarray(again.image(i)).shape for i in range(4)] == [(32, 40, 3)] * 4


def test_photos_are_opened_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaders.make_loaders(folder, image_size=16)

    def refuse(path: Path) -> None:
        raise AssertionError(f"{path.name} was opened again")

    monkeypatch.setattr(loaders, "open_photo", refuse)
    made = loaders.make_loaders(folder, image_size=32, seed=5)
    assert sum(len(labels) for _, labels in made.train) == 16


def test_a_batch_is_what_its_photos_are(folder: Path) -> None:
    for augment in (False, True):
        data = loaders.make_loaders(folder, image_size=24, augment=augment).train.dataset
        torch.manual_seed(3)
        one_by_one = [data[i] for i in (4, 0, 9)]
        torch.manual_seed(3)
        together = data.__getitems__([4, 0, 9])
        for (image, label), (expected, expected_label) in zip(together, one_by_one, strict=True):
            assert torch.equal(image, expected) and label == expected_label


def test_other_transforms_are_given_a_pil_image(folder: Path) -> None:
    photos = loaders.Photos(ants(folder), lambda photo: torch.tensor(photo.size))
    batch, _ = next(iter(DataLoader(photos, 4)))
    assert batch.tolist() == [[40, 32]] * 4


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_in_memory_give_what_pillow_gives(folder: Path, interpolation: str) -> None:
    """To within one grey level: both resize in integers, and round twice."""
    photo = next(iter(ants(folder)))[0]
    in_memory = loaders.Photos([(photo, 0)], None).pixels(0)
    same = Preprocessing((0.0,) * 3, (1.0,) * 3, interpolation=interpolation)
    for made in (loaders.train_transform(same, 16), loaders.eval_transform(same, 16)):
        torch.manual_seed(0)
        fast = made(in_memory)
        torch.manual_seed(0)
        slow = made(loaders.open_photo(photo))
        assert (fast - slow).abs().max() <= 1.01 / 255


def resident(folder: Path, interpolation: str = "bilinear", **options: bool) -> tuple:
    prepared = Preprocessing(interpolation=interpolation)
    made = loaders.make_loaders(folder, prepared, image_size=16, batch_size=6, **options)
    return made, loaders.Resident(made.train, "cpu")


def test_a_resident_loader_is_iterated_like_a_data_loader(folder: Path) -> None:
    made, on_device = resident(folder)
    assert len(on_device) == len(made.train) == 3
    assert on_device.dataset is made.train.dataset and on_device.batch_size == 6
    made.train.generator.manual_seed(1)
    batches = list(on_device)
    made.train.generator.manual_seed(1)
    again = torch.cat([labels for _, labels in on_device])  # whatever other generators have drawn
    assert again.tolist() == torch.cat([labels for _, labels in batches]).tolist()
    assert [tuple(images.shape) for images, _ in batches] == [(6, 3, 16, 16)] * 2 + [(4, 3, 16, 16)]
    images, labels = batches[0]
    assert images.dtype == torch.float32 and labels.dtype == torch.int64
    assert images.is_contiguous(memory_format=torch.channels_last)
    seen = torch.cat([labels for _, labels in batches])
    assert sorted(seen.tolist()) == sorted(made.train.dataset.labels)
    brightness = torch.cat([images.mean(dim=(1, 2, 3)) for images, _ in batches])
    assert torch.equal(brightness > 0, seen == 1)  # bees are bright: labels stay with photos
    assert seen.tolist() != torch.cat([labels for _, labels in on_device]).tolist()


def test_without_augmentation_a_resident_loader_gives_the_same_bits(folder: Path) -> None:
    made, on_device = resident(folder, augment=False)
    for (images, labels), (expected, expected_labels) in zip(on_device, made.train, strict=True):
        assert torch.equal(images, expected) and torch.equal(labels, expected_labels)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [8, 16, 80])
def test_crops_on_the_device_are_torchvisions(
    folder: Path, interpolation: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same boxes and no flip: equal to within rounding twice, shrunk or enlarged."""
    prepared = Preprocessing((0.0,) * 3, (1.0,) * 3, interpolation=interpolation)
    made = loaders.make_loaders(folder, prepared, image_size=size, batch_size=4)
    on_device = loaders.Resident(made.train, "cpu")
    boxes = torch.tensor([[0, 0, 32, 40], [3, 5, 20, 30], [8, 0, 9, 12], [1, 30, 31, 10]])
    monkeypatch.setattr(loaders, "random_crops", lambda *_: boxes)
    monkeypatch.setattr(torch, "rand", torch.ones)
    cut = on_device._cut(on_device._photos[:4])
    for photo, box, found in zip(on_device._photos, boxes.tolist(), cut, strict=False):
        mode = loaders.InterpolationMode(interpolation)
        expected = v2.functional.resized_crop(photo, *box, [size, size], mode, antialias=True)
        difference = (found.int() - expected.int()).abs()
        assert difference.max() <= 2 and (difference > 1).float().mean() < 1e-3
    monkeypatch.setattr(torch, "rand", torch.zeros)
    assert torch.equal(on_device._cut(on_device._photos[:4]), cut.flip(3))


@pytest.mark.parametrize("size", [(375, 500), (60, 500), (500, 60)])
def test_crops_of_a_batch_are_drawn_like_torchvisions(size: tuple[int, int]) -> None:
    """Quantiles of area, shape and position agree with v2.RandomResizedCrop's own draws."""
    draws = 4000
    torch.manual_seed(0)
    crop = v2.RandomResizedCrop(16)
    photo = torch.zeros(3, *size)
    order = ("top", "left", "height", "width")
    drawn = [crop.make_params([photo]) for _ in range(draws)]
    singly = [[params[name] for name in order] for params in drawn]
    heights, widths = torch.tensor([size] * draws).T
    together = loaders.random_crops(heights, widths, crop.scale, crop.ratio).double()
    top, left, height, width = together.T
    assert top.min() >= 0 and (top + height).max() <= size[0]
    assert left.min() >= 0 and (left + width).max() <= size[1]
    shares = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)

    def described(boxes: torch.Tensor) -> torch.Tensor:
        top, left, height, width = boxes.T
        free = (size[0] - height).clamp(min=1), (size[1] - width).clamp(min=1)
        area, shape = height * width / (size[0] * size[1]), (width / height).log()
        return torch.stack([area, shape, top / free[0], left / free[1]]).quantile(shares, dim=1)

    expected = described(torch.tensor(singly).double())
    assert (described(together) - expected).abs().max() < 0.04


def test_a_gpu_is_used_only_where_the_photos_fit(
    folder: Path, nothing_open: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = loaders.make_loaders(folder, image_size=16, device="meta")  # a device without memory
    assert isinstance(made.train, loaders.Resident)
    assert made.train._photos[0].device.type == "meta"
    nothing_open.clear()
    monkeypatch.setattr(loaders, "MEMORY_BUDGET", 100)
    made = loaders.make_loaders(folder, image_size=16, device="meta")
    assert isinstance(made.train, DataLoader)
    if not torch.cuda.is_available():
        assert isinstance(loaders.make_loaders(folder, device="auto").train, DataLoader)


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
