import csv
import hashlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.insects.renderer import dataset, expose, photograph, render
from data.insects.renderer.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
INSECTS = ROOT / "data" / "insects"
DOMAINS = ("field", "studio", "dusk")
COUNTS = {("train", "ants"): 123, ("train", "bees"): 121, ("val", "ants"): 70, ("val", "bees"): 83}


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    """Path relative to data/insects -> pixels, of every committed photograph."""
    files = sorted(file for domain in DOMAINS for file in (INSECTS / domain).rglob("*.*"))
    return {file.relative_to(INSECTS).as_posix(): dataset.read_pixels(file) for file in files}


@pytest.fixture(scope="module")
def index() -> dict[str, dict[str, str]]:
    with (INSECTS / "index.csv").open(newline="", encoding="utf-8") as stream:
        return {row["path"]: row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("domain", DOMAINS)
def test_counts_and_names(domain):
    for (split, label), count in COUNTS.items():
        names = sorted(path.name for path in (INSECTS / domain / split / label).iterdir())
        assert names == [f"{label[:-1]}_{number:03d}.jpg" for number in range(count)]
    assert {path.parts[-2:] for path in INSECTS.glob(f"{domain}/*/*")} == COUNTS.keys()


def test_photos_are_distinct_jpegs_of_the_manifest_no_scene_is_in_both_splits_dusk_is_dark(photos):
    for path in photos:
        with Image.open(INSECTS / path) as photo:
            assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (256, 256)), path
    assert len({hashlib.sha256(p.tobytes()).digest() for p in photos.values()}) == len(photos)
    assert sum((INSECTS / path).stat().st_size for path in photos) <= 20e6
    assert (INSECTS / "contact_sheet.jpg").stat().st_size <= 400e3
    digests = {path: hashlib.sha256((INSECTS / path).read_bytes()).hexdigest() for path in photos}
    expected = [f"{digests[path]}  {path}" for path in sorted(photos)]
    assert (INSECTS / "manifest.sha256").read_text(encoding="utf-8").splitlines() == expected
    small = {path: thumbnail(pixels) for path, pixels in photos.items()}
    train, val = ({p: small[p] for p in small if f"/{s}/" in p} for s in ("train", "val"))
    alike = np.argwhere(np.stack([*train.values()]) @ np.stack([*val.values()]).T > ALIKE)
    assert [([*train][first], [*val][second]) for first, second in alike] == []
    means = {path: pixels.mean() for path, pixels in photos.items()}
    field, dusk = (np.array([means[p] for p in means if p[:4] == d]) for d in ("fiel", "dusk"))
    assert np.median(dusk) < 0.75 * np.median(field)
    assert min(field.min(), dusk.min()) >= 18 and max(field.max(), dusk.max()) <= 225


def thumbnail(pixels: np.ndarray, side: int = 32) -> np.ndarray:
    """A grey thumbnail of mean 0 and length 1, which exposure and noise leave alike."""
    grey = pixels.mean(-1).reshape(side, len(pixels) // side, side, -1).mean((1, 3)).ravel()
    grey -= grey.mean()
    return grey / np.linalg.norm(grey)


ALIKE = 0.97  # correlation of thumbnails from which two photographs count as the same scene


def test_insects_are_visible_no_seed_is_used_twice_and_field_and_dusk_are_paired(photos, index):
    assert list(index) == sorted(photos)
    for path, row in index.items():
        assert [row["domain"], row["split"], row["label"]] == path.split("/")[:-1]
        for name in ("visible_share", "image_share", "contrast"):
            assert float(row[name]) >= getattr(photograph, f"LEAST_{name.upper()}"), path
    used = {(row["label"], row["seed"], row["split"]) for row in index.values()}
    assert len({use[:2] for use in used}) == len(used)
    likeness = {}
    for path in (path for path, row in index.items() if row["domain"] == "field"):
        twin = path.replace("field", "dusk", 1)
        for name in ("seed", "sub_seed", "scene", "visible_share", "image_share", "contrast"):
            assert index[path][name] == index[twin][name], path
        likeness[path] = thumbnail(photos[path]) @ thumbnail(photos[twin])
        assert likeness[path] > 0.6, f"{path} and {twin} do not show one scene"
    assert np.median([likeness[path] for path in likeness if "/val/" in path]) > ALIKE


def test_an_invisible_insect_is_refused_and_drawn_again_until_it_gives_up(monkeypatch):
    clear = {"visible_share": 0.9, "image_share": 0.1, "contrast": 0.3}
    assert photograph.Visibility(**clear).is_enough()
    for weak in clear:
        assert not photograph.Visibility(**(clear | {weak: 0.001})).is_enough(), weak
    hidden = expose("ants", (20, 1, 1))
    assert hidden.sub_seed == 0
    enough = hidden.visibility.visible_share + 0.1
    monkeypatch.setattr(photograph, "LEAST_VISIBLE_SHARE", enough)
    again = expose("ants", (20, 1, 1))
    assert again.sub_seed > 0 and again.visibility.visible_share >= enough
    monkeypatch.setattr(photograph, "TRIES", 1)
    with pytest.raises(RuntimeError, match=r"no scene of 1 showed the insect .* another seed"):
        expose("ants", (20, 1, 1))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("label", ["ants", "bees"])
def test_the_renderer_still_makes_the_committed_photo(label, domain, photos, index):
    path = f"{domain}/val/{label}/{label[:-1]}_{ {'ants': 4, 'bees': 7}[label]:03d}.jpg"
    pixels = render(label, dataset.parse_seed(index[path]["seed"]), domain)
    again = dataset.read_pixels(io.BytesIO(dataset.encode_jpeg(pixels))).astype(int)
    differs = np.abs(again - photos[path].astype(int)).max(-1) > 1
    assert differs.mean() <= 1e-3  # other processors round the last bit otherwise, now and then


def test_same_seed_same_photo_other_seed_another():
    first = render("bees", seed=3, domain="studio")
    assert (first.shape, first.dtype) == ((256, 256, 3), np.uint8)
    assert np.array_equal(first, render("bees", seed=3, domain="studio"))
    for other in (render("bees", 4, "studio"), render("ants", 3, "studio")):
        assert (first != other).mean() > 0.3


def test_masks_are_of_committed_scenes_and_what_the_renderer_knows(index, tmp_path, monkeypatch):
    stored = np.load(INSECTS / "masks.npz")
    masks = np.unpackbits(stored["bits"], axis=-1).astype(bool)
    assert masks.shape == (160, 64, 64) and (INSECTS / "masks.npz").stat().st_size < 100e3
    for path, mask in zip(stored["paths"], masks, strict=True):
        assert mask.mean() > float(index[f"field/{path}"]["image_share"]) - 0.01
    monkeypatch.setattr(dataset, "MASKED", 1)
    assert main(["--masks", str(tmp_path / "again.npz")]) == 0
    again = np.load(tmp_path / "again.npz")
    for path, bits in zip(again["paths"], again["bits"], strict=True):
        assert (bits == stored["bits"][list(stored["paths"]).index(path)]).mean() > 0.99


@pytest.mark.parametrize(("arguments", "message"), [
    ({"label": "wasps"}, "unknown label 'wasps': expected one of ants, bees"),
    ({"domain": "night"}, "unknown domain 'night': expected one of field, studio, dusk"),
    ({"seed": -1}, "seed -1 is not usable: expected a whole number >= 0"),
    ({"seed": ()}, "seed () is not usable: expected a whole number >= 0"),
    ({"seed": (1, 2.5)}, "seed (1, 2.5) is not usable: expected a whole number >= 0"),
])  # fmt: skip
def test_render_refuses(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        render(**({"label": "ants", "seed": 1, "domain": "field"} | arguments))


def test_command_writes_photos_that_are_not_in_the_committed_set(tmp_path, photos):
    out = tmp_path / "more"
    arguments = ["--domain", "studio", "--seed", "20", "--count", "1", "--out", str(out)]
    command = [sys.executable, "-m", "data.insects.renderer", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert written == ["ants/ant_000.jpg", "bees/bee_000.jpg"]
    committed = np.stack([thumbnail(p) for path, p in photos.items() if "studio" in path])
    for path in written:
        assert (committed @ thumbnail(dataset.read_pixels(out / path))).max() < ALIKE


@pytest.mark.parametrize(("arguments", "message"), [
    (["--domain", "night"], "unknown domain 'night': expected one of field, studio, dusk"),
    (["--count", "0"], "--count is 0: expected a whole number >= 1"),
    (["--count", "-3"], "--count is -3: expected a whole number >= 1"),
    (["--seed", "-1"], "--seed is -1: expected a whole number >= 0"),
    (["--processes", "0"], "--processes is 0: expected a whole number >= 1"),
    (["--all", "--count", "2"], "--all and --count were both given"),
    (["--all", "--seed", "2"], "--all and --seed were both given"),
    (["--all", "--domain", "dusk"], "--all and --domain were both given"),
    (["--all", "--domain", "night"], "unknown domain 'night'"),
])  # fmt: skip
def test_command_refuses(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dataset, "photograph_all", lambda *_: pytest.fail("it went on to render"))
    out = tmp_path / "new"
    assert main(["--out", str(out), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not out.exists()


def test_command_refuses_a_missing_folder_one_in_use_and_one_without_photos(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    for arguments, message in (
        (["--count", "1"], "no folder to write to"),
        (["--count", "1", "--out", tmp_path], f"the folder {tmp_path} is not empty"),
        (["--contact-sheet", tmp_path / "s.jpg", "--out", tmp_path], "no photograph"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
