"""From folders of photos to batches: on the CPU as torchvision makes them, and as a GPU does."""

import re
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from random_photos import save_photo
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode, v2

from course_lib import datasets, devices, loaders, on_device
from course_lib.loaders import Preprocessing

PLAIN = loaders.eval_transform(Preprocessing(), 16)
OTHER = Preprocessing((0.1, 0.5, 0.9), (0.2, 0.3, 0.4), 0.7, "bicubic")
IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224 / 256, "bilinear")


def images_of(folder: Path, name: str = "ants") -> list[tuple[Path, int]]:
    return [(path, int(name == "bees")) for path in sorted((folder / "train" / name).iterdir())]


def torchvisions(data: loaders.Photos, made: Preprocessing, size: int, random: bool) -> DataLoader:
    """The same photos, order and dice through torchvision alone."""
    mode = InterpolationMode(made.interpolation)
    cut = [v2.Resize(round(size / made.crop_fraction), mode), v2.CenterCrop(size)]
    if random:
        cut = [v2.RandomResizedCrop(size, interpolation=mode), v2.RandomHorizontalFlip()]
    scaled = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(made.mean, made.std)]
    pipeline = v2.Compose([v2.PILToTensor(), *cut, *scaled])
    root, same = data.paths[0].parents[1], lambda path: Path(path) in data.paths
    chosen = ImageFolder(root, pipeline, is_valid_file=same)
    return DataLoader(chosen, 6, random, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("made", [None, OTHER])
def test_batches_are_torchvisions(folder, made, in_memory):
    found = loaders.make_loaders(folder, made, 16, 6, seed=3, in_memory=in_memory)
    assert found.classes == ("ants", "bees")
    assert [len(part) for part in (found.train, found.val, found.test)] == [3, 1, 2]
    for part in (found.train, found.val, found.test):
        random = part is found.train
        expected = torchvisions(part.dataset, made or IMAGENET, 16, random)
        for _ in range(2):  # epochs
            torch.manual_seed(5)
            ours = list(part)
            torch.manual_seed(5)
            for (images, labels), (wanted, truth) in zip(ours, expected, strict=True):
                assert torch.equal(images, wanted) and torch.equal(labels, truth)
            assert (images.dtype, images.shape[1:]) == (torch.float32, (3, 16, 16))


def test_what_is_always_cut_alike_is_cut_once_and_parts_are_disjoint_and_of_one_seed(folder):
    kept, anew = (loaders.make_loaders(folder, None, 16, in_memory=m) for m in (True, False))
    for part in (kept.val, kept.test, anew.val):
        before = next(iter(part))[0]
        part.dataset.transform = v2.Compose([v2.RandomInvert(1), *PLAIN.transforms])
        assert torch.equal(next(iter(part))[0], before) == (part is not anew.val)
    one, again, other = (loaders.make_loaders(folder, image_size=16, seed=s) for s in (1, 1, 2))
    train, val = set(one.train.dataset.paths), set(one.val.dataset.paths)
    assert not train & val and len(train | val) == 20
    assert one.val.dataset.labels == [0, 0, 1, 1] and one.test.dataset.labels == [0] * 5 + [1] * 5
    assert one.val.dataset.paths == again.val.dataset.paths != other.val.dataset.paths
    assert all("val" in path.parts for path in one.test.dataset.paths)
    orders = [torch.cat([y for _, y in made.train]).tolist() for made in (one, again, other)]
    assert orders[0] == orders[1] != orders[2]
    train, val = loaders.split([0] * 30 + [1] * 10, 0.2, seed=0)
    assert (train, val) == (sorted(train), sorted(val)) and sorted(train + val) == list(range(40))
    assert sum(position >= 30 for position in val) == 2 and len(val) == 8
    assert (train, val) == loaders.split(["ants"] * 30 + ["bees"] * 10, 0.2, seed=0)


@pytest.mark.parametrize("counts", [(60, 2), (4,) * 10, (2, 2), (2, 90, 3), (100, 100)])
@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.99])
def test_every_class_is_on_both_sides_of_a_split(counts, share):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    for seed in range(10):
        parts = loaders.split(labels, share, seed)
        assert sorted(parts[0] + parts[1]) == list(range(len(labels)))
        assert all({labels[i] for i in part} == set(labels) for part in parts)
    with pytest.raises(ValueError, match="one image of class 'ants' cannot be split: two are"):
        loaders.split(["bees"] * 9 + ["ants"], share, 0)


def test_no_batch_has_one_photo_none_is_unjudged_and_without_augmentation_all_are_cut_alike(folder):
    assert [len(y) for _, y in loaders.make_loaders(folder, None, 16, 5).train] == [5] * 3  # of 16
    made = loaders.make_loaders(folder, image_size=16, batch_size=3, augment=False)
    assert [len(y) for part in (made.train, made.val) for _, y in part] == [3] * 5 + [1, 3, 1]
    alone = loaders.make_loaders(folder, image_size=16, batch_size=1, num_workers=2).train
    assert (len(alone), alone.num_workers) == (16, 2)
    assert next(iter(loaders.make_loaders(folder).test))[0].shape[1:] == (3, 128, 128)
    listing = datasets.scan(folder)  # what an audit hands on
    plain = loaders.make_loaders(listing, None, 16, batch_size=99, augment=False).train
    (images, labels), photos = next(iter(plain)), plain.dataset
    assert labels.tolist() == photos.labels == sorted(photos.labels) and len(labels) == 16
    assert torch.equal(images, torch.stack([PLAIN(photos.pixels(i)) for i in range(16)]))


def test_unnormalise_is_the_inverse_and_other_pipelines_are_given_the_photo_as_bytes(folder):
    pixels = torch.rand(2, 3, 4, 5) * 2 - 0.5
    back = loaders.unnormalise(loaders.to_tensor(OTHER)[-1](pixels), OTHER)
    assert torch.allclose(back, pixels.clamp(0, 1), atol=1e-6)
    photos = loaders.Photos(images_of(folder, "bees"), lambda photo: photo)
    pixels, label = photos[3]
    assert (pixels.dtype, pixels.shape, label, len(photos)) == (torch.uint8, (3, 32, 40), 1, 10)
    assert np.array_equal(np.asarray(photos.image(3)), pixels.movedim(0, 2))
    assert photos.image(3).tobytes() == Image.open(photos.paths[3]).tobytes()
    part = photos.part([4, 3], PLAIN)
    assert part.paths == [photos.paths[4], photos.paths[3]] and part.labels == [1, 1]
    assert torch.equal(part[1][0], PLAIN(pixels))


def test_photos_are_opened_once_and_shared_while_in_use(folder, monkeypatch):
    opened, open_photo = [], loaders.open_photo
    monkeypatch.setattr(loaders, "open_photo", lambda path: opened.append(path) or open_photo(path))
    made = loaders.make_loaders(folder, image_size=16)
    again = loaders.make_loaders(folder, image_size=32, seed=5)
    list(made.train), list(again.train), list(again.val)
    assert len(opened) == 30
    before = made.test.dataset.image(0)
    save_photo(made.test.dataset.paths[0], 5, size=(50, 20))
    assert loaders.Photos(datasets.scan(folder).files["val"], PLAIN).image(0).size == (50, 20)
    assert made.test.dataset.image(0) == before and len(opened) == 31  # it keeps what it has
    del made, again
    photos = loaders.Photos(images_of(folder), PLAIN, in_memory=False)
    photos[0], photos[0]
    assert len(opened) == 33  # nobody kept it


def test_an_interrupted_reading_stops_at_once(folder, monkeypatch):
    seen, stop = [], Mock(side_effect=KeyboardInterrupt)  # where a person waits, at the bar
    read = lambda _, i: (seen.append(i), time.sleep(0.01))  # noqa: E731
    monkeypatch.setattr(loaders.Photos, "pixels", read)
    monkeypatch.setattr(loaders.progress, "bar", stop)
    with pytest.raises(KeyboardInterrupt):
        loaders.Photos(files := images_of(folder) * 100, PLAIN).open()
    assert len(seen) < len(files)  # not all, as the bar's end would have waited for


@pytest.mark.parametrize("bad", [3, 10, 12])
def test_all_bad_files_are_named_before_training(bad, folder):
    save_photo(folder / "whole.jpg", 1, size=(300, 300))
    (folder / "val" / "bees" / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:2000])
    (folder / "train" / "bees" / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    for number in range(bad - 2):
        (folder / "train" / "ants" / f"note{number:02d}.jpg").write_text("this is no photo")
    for _ in range(2):  # nothing bad is remembered as good
        with pytest.raises(ValueError, match=f"^{bad} images cannot be used; remove or") as caught:
            loaders.make_loaders(folder, image_size=16)
        _, *listed = str(caught.value).splitlines()
        assert "ants/note00.jpg: not an image that Pillow can read" in listed[0]
        if bad > 10:
            assert len(listed) == 11 and listed[-1] == "  and more"
        else:
            assert len(listed) == bad and "val/bees/cut.jpg: damaged image (" in listed[-1]
            assert "No such file" in listed[-2] and "bees/gone.jpg" in listed[-2]


@pytest.mark.parametrize(("name", "value", "message"), [
    ("image_size", 7, "image_size is 7: expected a whole number of 8 or more"),
    ("image_size", 32.0, "image_size is 32.0"),
    ("batch_size", 0, "batch_size is 0: expected a whole number of 1 or more"),
    ("device", "abacus", "device is 'abacus': this machine has "),
    ("val_fraction", 1.0, "val_fraction is 1.0: expected a share between 0 and 1."),
    ("val_fraction", 0, "val_fraction is 0: expected a share between 0 and 1."),
])  # fmt: skip
def test_bad_values_are_named(folder, name, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        loaders.make_loaders(folder, **{"image_size": 16, name: value})


def resident(photos: loaders.Photos, random: bool = True, batch_size: int = 6) -> object:
    generator = torch.Generator().manual_seed(0)
    return on_device.DeviceLoader(photos, batch_size, random, generator, "cpu")


def test_photos_live_on_a_gpu_if_they_may(folder, monkeypatch):
    made = loaders.make_loaders(folder, image_size=16, batch_size=6)
    for part in (made.val, made.test):
        for ours, theirs in zip(resident(part.dataset, False), part, strict=True):
            assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])
    monkeypatch.setattr(devices, "pick_device", lambda device: torch.device("meta"))
    made = loaders.make_loaders(folder, image_size=16, device="cuda")
    assert [part.shuffle for part in (made.train, made.val, made.test)] == [True, False, False]
    assert made.train._photos.device.type == "meta" and made.train._photos.dtype == torch.uint8
    assert made.train.generator.initial_seed() == 0 and made.train.batch_size == 32
    made = loaders.make_loaders(folder, image_size=16, device="cuda", in_memory=False)
    assert isinstance(made.train, DataLoader)


@pytest.fixture
def uneven(folder):
    for number, size in enumerate([(30, 50), (64, 20)]):
        save_photo(folder / "train" / "bees" / f"0{number}.png", number, size)
    train = loaders.train_transform(Preprocessing(), 16)
    return loaders.Photos(images_of(folder) + images_of(folder, "bees"), train)


def test_an_epoch_on_a_gpu_shows_every_photo_once(uneven):
    loader = resident(uneven)
    epochs = [list(loader) for _ in range(2)]
    loader.generator.manual_seed(0)
    orders = [torch.cat([y for _, y in epoch]).tolist() for epoch in (*epochs, list(loader))]
    assert orders[0] == orders[2] != orders[1]
    for epoch, order in zip(epochs, orders, strict=False):
        assert [len(images) for images, _ in epoch] == [6, 6, 6, 2] and len(loader) == 4
        images = torch.cat([images for images, _ in epoch])
        assert (images.dtype, images.shape) == (torch.float32, (20, 3, 16, 16))
        assert (images.mean(dim=(1, 2, 3)) > 0).int().tolist() == order  # bees are bright
        assert sorted(order) == uneven.labels
    judged = loaders.Photos(images_of(uneven.paths[0].parents[2]), PLAIN)
    odd = uneven.part(range(19), uneven.transform)
    training = (uneven, 19, [19]), (uneven, 1, [1] * 20), (odd, 2, [2] * 9)
    for photos, size, sizes in (*training, (judged, 9, [9, 1])):
        loader = resident(photos, photos is not judged, size)  # one photo alone stops BatchNorm
        assert [len(images) for images, _ in loader] == sizes and len(loader) == len(sizes)


@pytest.mark.parametrize("size", [8, 16, 80])
def test_crops_on_a_gpu_are_torchvisions(uneven, size, monkeypatch):
    boxes = torch.tensor([[0, 0, 20, 30], [3, 5, 17, 25], [8, 0, 9, 12], [1, 20, 19, 10]] * 5)
    monkeypatch.setattr(on_device, "random_boxes", lambda sides, crop: boxes.float())
    uneven.transform = loaders.train_transform(Preprocessing((0.0,) * 3, (1.0,) * 3), size)
    cut = {}
    for rolled in (0.0, 1.0):  # below a half: flipped
        monkeypatch.setattr(torch, "rand", lambda *s, r=rolled, **_: torch.full(s, r))
        cut[rolled] = torch.cat([images for images, _ in resident(uneven)])
    assert torch.equal(cut[0.0], cut[1.0].flip(3))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0)).tolist()
    for place, found in zip(order, cut[1.0], strict=True):
        pixels, box = uneven.pixels(place), boxes[place].tolist()
        exact = v2.functional.resized_crop(pixels / 255, *box, [size, size], antialias=True)
        assert torch.allclose(found, exact, atol=1e-5)
        rounded = v2.functional.resized_crop(pixels, *box, [size, size], antialias=True)
        assert (found - rounded / 255).abs().max() < 1.01 / 255


def test_large_photos_are_made_smaller_for_a_gpu(tmp_path, monkeypatch):
    ramp = np.linspace(0, 255, 900).astype("uint8")
    Image.fromarray(np.tile(ramp[None, :, None], (300, 1, 3))).save(tmp_path / "wide.png")
    save_photo(tmp_path / "bees.png", 1)
    files = [(tmp_path / "wide.png", 0), (tmp_path / "bees.png", 1)]
    train = loaders.train_transform(Preprocessing((0.0,) * 3, (1.0,) * 3), 16)
    loader = resident(loaders.Photos(files, train))
    assert loader._sides.tolist() == [[170, 512], [32, 40]]
    assert loader._photos.shape == (2, 3, 170, 512)
    monkeypatch.setattr(on_device, "random_boxes", lambda s, _: torch.cat([s * 0, s], 1).float())
    monkeypatch.setattr(torch, "rand", torch.ones)
    (images, labels), *_ = loader
    expected = (torch.arange(16) + 0.5) / 16
    assert (images[labels.tolist().index(0), 0, 8] - expected).abs().max() < 0.01


@pytest.mark.parametrize("size", [(375, 500), (300, 300)])
def test_boxes_are_drawn_like_torchvisions(size):
    crop, shares = v2.RandomResizedCrop(16), torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    torch.manual_seed(0)
    drawn = [crop.make_params([torch.zeros(3, *size)]) for _ in range(2000)]
    singly = torch.tensor([[p[n] for n in ("top", "left", "height", "width")] for p in drawn])
    described = []
    for boxes in (singly, on_device.random_boxes(torch.tensor([size] * 2000), crop)):
        top, left, height, width = boxes.float().T
        free = (size[0] - height).clamp(min=1), (size[1] - width).clamp(min=1)
        area, shape = height * width / (size[0] * size[1]), (width / height).log()
        places = top / free[0], left / free[1]
        described.append(torch.stack([area, shape, *places]).quantile(shares, dim=1))
    assert (described[1] - described[0]).abs().max() < 0.05


def test_boxes_lie_inside_photos_of_any_shape():
    sides = torch.tensor([(1, 1), (2, 500), (500, 2), (8, 8)] * 200)
    boxes = on_device.random_boxes(sides, v2.RandomResizedCrop(16))
    start, length = boxes.split(2, dim=1)
    assert start.min() == 0 and length.min() == 1 and torch.equal(boxes, boxes.round())
    assert (start + length <= sides).all()
