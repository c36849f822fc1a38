"""Features that are computed once and kept, heads that are trained on them, and image styles."""

import inspect
from pathlib import Path

import numpy as np
import PIL
import pytest
import timm
import torch
import torchvision
from PIL import Image
from PIL.ImageFilter import FIND_EDGES, GaussianBlur
from random_photos import save_photo
from torch import nn
from torch.optim import SGD
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from course_lib import datasets, features, loaders, models, styles, training


def small_model() -> models.Classifier:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return models.Classifier(backbone, nn.Linear(5, 2), loaders.Preprocessing())


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("COURSE_LIB_CACHE", str(cache))
    monkeypatch.setattr(models, "build_model", lambda name, image_size: small_model())
    return cache


@pytest.fixture
def passes(monkeypatch):
    """Grows with every pass of a backbone: what comes without one comes from the cache."""
    passes, extract = [], training.extract_features
    monkeypatch.setattr(training, "extract_features", lambda *a: passes.append(a) or extract(*a))
    return passes


def load(folder: Path, **changes: object) -> features.Domain:
    return features.load(folder, **{"image_size": 32, "device": "cpu", **changes})


def views(folder: Path, count: int = 2, augment: bool = True, **changes: object) -> tuple:
    size, model = changes.pop("image_size", 32), changes.pop("model", None) or small_model()
    made = loaders.make_loaders(folder, None, size, changes.pop("batch_size", 8), augment=augment)
    return features.views(model, made.train, count, **{"device": "cpu", **changes})


def test_a_domain_is_what_the_backbone_says(folder, passes):
    found, model = load(folder), small_model().eval()
    files = datasets.scan(folder).files["train"]
    photos = loaders.Photos(files, loaders.eval_transform(model.preprocessing, 32))
    with torch.inference_mode():
        expected = model.backbone(torch.stack([photos[i][0] for i in range(20)]))
    assert np.allclose(found.x, expected, atol=1e-6) and found.x.dtype == np.float32
    assert found.y.tolist() == [0] * 10 + [1] * 10 and found.classes == ("ants", "bees")
    assert (found.name, len(found)) == (str(folder), 20)
    night = load(folder, split="val", style="night")
    assert (night.name, len(night)) == (f"{folder}, night", 10)
    again = load(folder)
    assert len(passes) == 2 and np.array_equal(again.x, found.x)
    for wrong in ({"style": "nigth"}, {"image_size": 4}, {"device": "abacus"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is "):
            load(folder, **wrong)


def test_views_are_of_the_same_photos_each_cut_afresh(folder, passes):
    dice = torch.get_rng_state()
    x, y = views(folder, 3, precision="float32")  # of a loader that shuffles
    assert torch.equal(torch.get_rng_state(), dice)
    assert (x.dtype, x.shape, len(passes)) == (torch.float32, (3, 16, 5), 3)
    assert y.tolist() == [0] * 8 + [1] * 8 and not torch.allclose(x[0], x[1])
    made, model = loaders.make_loaders(folder, None, 32, 8), small_model()
    torch.manual_seed(0)
    in_order = DataLoader(made.train.dataset, 8)
    for view in x:
        expected, labels = training.extract_features(model, in_order, "cpu")
        assert torch.allclose(view, expected, atol=1e-6) and torch.equal(labels, y)
    torch.rand(1)
    again, labels = views(folder, 3, precision="float32")
    assert torch.equal(again, x) and torch.equal(labels, y) and len(passes) == 6


@pytest.mark.parametrize("changed", [
    *({"count": 3}, {"seed": 1}, {"image_size": 40}, {"augment": False}, {"batch_size": 4}),
    *({"precision": "bfloat16"}, np, PIL, timm, torch, torchvision, "loaders", "styles"),
    *("photos", "weights", "layers"),
])  # fmt: skip
def test_whatever_changes_the_features_changes_their_key(changed, folder, passes, monkeypatch):
    model = small_model()
    usual = {"count": 2, "precision": "float32", "model": model}
    for _ in range(2):
        views(folder, **usual)
    assert len(passes) == 2
    if changed == "photos":
        for path in sorted((folder / "train" / "ants").iterdir()):
            save_photo(path, seed=999)
    elif changed == "weights":
        model.backbone[0].bias.data.add_(1e-6)
    elif changed == "layers":  # with the same weights
        model.backbone[1] = nn.ReLU()
    elif isinstance(changed, str):
        module, real = getattr(features, changed), inspect.getsource
        monkeypatch.setattr(inspect, "getsource", lambda m: real(m) + "# other" * (m is module))
    elif not isinstance(changed, dict):
        monkeypatch.setattr(changed, "__version__", "99.0")
    views(folder, **usual | (changed if isinstance(changed, dict) else {}))
    assert len(passes) > 2


def test_all_that_a_transform_and_its_parts_hold_is_in_the_key(folder, passes):
    files, dark = datasets.scan(folder).files["val"], loaders.Preprocessing((0.1,) * 3)
    for p, scale in ((0.01, 1), (0.99, 1), (0.99, 0), (0.99, 0)):
        steps = [v2.RandomApply([v2.RandomApply([v2.ColorJitter(0.9)], p)], 1)]
        white = v2.LinearTransformation(scale * torch.eye(192), torch.zeros(192))
        steps += [*loaders.to_tensor(dark), v2.RandomApply([white], 1)]
        photos = loaders.Photos(files, v2.Compose([v2.Resize((8, 8)), *steps]))
        features.views(small_model(), DataLoader(photos, 5), device="cpu")
    assert len(passes) == 3


@pytest.mark.parametrize("damage", [b"", b"no array", b"\x93NUMPY\x01\0\xff\xff", None, "shape"])
def test_a_damaged_entry_is_computed_again(damage, folder, cache, passes):
    model = small_model().train()
    x, _ = views(folder, 1, model=model)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage if isinstance(damage, bytes) else whole[: len(whole) // 2])
    if damage == "shape":
        np.save(entry, x.numpy()[:, :3])
    model.head.bias.data.add_(1)  # the head has no say in the features
    assert torch.equal(views(folder, 1, model=model)[0], x) and len(passes) == 2
    assert entry.read_bytes() == whole and [*cache.iterdir()] == [entry] and model.training
    views(folder, 1, model=model)
    assert len(passes) == 2


def test_without_a_place_to_write_nothing_is_kept(folder, cache, passes, monkeypatch):
    cache.rmdir()
    cache.touch()  # a file where the folder should be
    x, _ = views(folder, 1)
    cache.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(np, "save", lambda *_: open("/no/space/left"))  # noqa: SIM115, PTH123
        assert torch.equal(views(folder, 1)[0], x) and [*cache.iterdir()] == []
    monkeypatch.delenv("COURSE_LIB_CACHE")
    monkeypatch.setattr(datasets, "data_dir", lambda: folder / "data")
    views(folder, 1)
    assert len(passes) == 3 and len([*(folder / "data/.cache/features").glob("*.npy")]) == 1


@pytest.mark.parametrize(
    "transform", [lambda photo: photo.float(), v2.Compose([v2.Lambda(torch.Tensor.float)])]
)
def test_a_transform_that_may_do_anything_is_not_cached(transform, folder, cache):
    files = [(path, 1) for path in sorted((folder / "val" / "bees").iterdir())]
    loader = DataLoader(loaders.Photos(files, transform), 2)
    x, y = features.views(small_model(), loader, device="cpu")
    assert x.shape == (1, 5, 5) and y.tolist() == [1] * 5 and not any(cache.iterdir())
    files[0][0].unlink()
    with pytest.raises(ValueError, match="1 images cannot be used"):
        features.views(small_model(), DataLoader(loaders.Photos(files, transform), 2))
    with pytest.raises(ValueError, match="count is 0: expected a whole number of 1"):
        features.views(small_model(), loader, 0)


def toy(labels: list[int]) -> features.Domain:
    x = np.arange(3.0 * len(labels)).reshape(len(labels), 3)
    return features.Domain("toy", x, np.array(labels, dtype=int), ("ants", "bees"))


def test_some_images_of_every_class_are_taken_and_batches_are_drawn_by_their_own_generator():
    part = toy([0, 1] * 3).take([4, 1])
    assert part.x.tolist() == [[12, 13, 14], [3, 4, 5]] and part.y.tolist() == [0, 1]
    assert len(toy([0, 1]).take([])) == 0
    chosen = [toy([0, 1] * 10).few(4, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2] and len(set(chosen[0])) == 8
    assert [i % 2 for i in chosen[0]] == [0] * 4 + [1] * 4
    for labels in ([], [1], [1, 1]):
        assert len(toy(labels).few(0, np.random.default_rng(0))) == 0
        with pytest.raises(ValueError, match="toy has 0 of 'ants', not 1"):
            toy(labels).few(1, np.random.default_rng(0))
    x = torch.arange(5 * 7).reshape(5, 7, 1).float()
    own = torch.Generator()
    made, drawn = features.FeatureBatches(x, torch.arange(7), 3, own), set()
    for epoch in range(60):
        own.manual_seed(epoch)
        batches = list(made)
        torch.rand(1)
        own.manual_seed(epoch)
        found, images = (torch.cat(part) for part in zip(*batches, strict=True))
        assert torch.equal(found, torch.cat([f for f, _ in made]))  # whatever others have drawn
        assert [len(f) for f, _ in batches] == [3, 3, 1] and len(made) == 3
        assert sorted(images.tolist()) == list(range(7)) != images.tolist()
        assert torch.equal(found[:, 0] % 7, images.float())
        drawn |= set(found[:, 0].tolist())
    assert len(drawn) == 35  # every view of every image
    still = features.FeatureBatches(x, torch.arange(7), 3)
    assert torch.cat([f for f, _ in still])[:, 0].tolist() == list(range(7))  # the first view
    for shape in ((6, 1), (7,), (2, 6, 1), (1, 1, 7, 1)):
        with pytest.raises(ValueError, match=r"features of shape \(.*\) do not fit 7 labels"):
            features.FeatureBatches(torch.zeros(shape), torch.arange(7), 1)
    with pytest.raises(ValueError, match="batch_size is 0: expected a whole number of 1 or more"):
        features.FeatureBatches(x, torch.arange(7), 0)


@pytest.mark.parametrize("count", [None, 3])
def test_a_head_learns_from_features_as_fit_would(count):
    torch.manual_seed(1)
    y = torch.arange(40) % 2
    x = torch.randn(count or 1, 40, 5) + y[:, None]
    model, other = small_model(), small_model().head
    before = models.fingerprint(model.backbone), models.fingerprint(model.head)
    train, options = ((x, y) if count else (x[0], y)), {"epochs": 5, "seed": 2}
    one, two = (SGD(head.parameters(), lr=0.1) for head in (model.head, other))
    found = features.fit_head(model.head, train, train, optimizer=one, batch_size=8, **options)
    order = features.FeatureBatches(x, y, 8, torch.Generator())
    expected = training.fit(other, order, [(x[0], y)], optimizer=two, device="cpu", **options)
    assert models.fingerprint(model.head) == models.fingerprint(other) != before[1]
    assert models.fingerprint(model.backbone) == before[0]
    assert found.val_loss == pytest.approx(expected.val_loss) and len(found.seconds) == 5


def picture(size: tuple[int, int] = (40, 32)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(pixels.astype("uint8"))


@pytest.mark.parametrize("style", styles.STYLES)
def test_a_style_keeps_size_and_input_and_repeats_itself(style):
    image = picture()
    before = image.tobytes()
    first, second = styles.restyle(image, style), styles.restyle(image, style)
    assert (first.size, first.mode) == (image.size, "RGB") and first is not image
    assert first.tobytes() == second.tobytes() and image.tobytes() == before
    assert (first.tobytes() == before) == (style == "photo")
    made = loaders.Preprocessing((0.0,) * 3, (1.0,) * 3)
    pipeline = styles.styled_transform(made, 32, style)
    pixels = v2.functional.pil_to_tensor(picture((80, 60)))
    _, resize, crop, *_ = styles.styled_transform(made, 32, "night").transforms
    expected = styles.restyle(crop(resize(picture((80, 60)))), style)
    difference = pipeline(pixels) * 255 - v2.functional.pil_to_tensor(expected)
    assert difference.abs().max() < (1.01 if style == "photo" else 0.01)


def test_styles_do_what_their_names_say():
    image = picture((224, 224))
    pixels = np.asarray(image, dtype=float)
    of = {s: np.asarray(styles.restyle(image, s), dtype=float) for s in styles.STYLES}
    gray = image.convert("L")
    assert np.ptp(of["gray"], axis=2).max() == 0 and np.array_equal(of["gray"][..., 0], gray)
    assert np.array_equal(of["fog"], np.floor(pixels * 0.25 + 185))
    assert np.array_equal(of["soft"], image.filter(GaussianBlur(2)))
    assert np.array_equal(of["edges"][..., 0], 255 - np.asarray(gray.filter(FIND_EDGES), float))
    drawn = np.asarray(gray, float) * 255 / np.maximum(gray.filter(GaussianBlur(6)), 1)
    assert np.abs(of["sketch"][..., 0] - np.floor(drawn.clip(0, 255))).max() <= 1
    dark = (pixels / 255) ** 1.6 * (0.35, 0.45, 0.8)
    noise = (of["night"] / 255 - dark)[dark > 0.3]  # where none is cut off at 0
    assert abs(noise.mean()) < 0.002 and noise.std() == pytest.approx(0.08, abs=0.002)
    with pytest.raises(ValueError, match="style is 'nigth': expected one of photo, gray, "):
        styles.restyle(image, "nigth")
