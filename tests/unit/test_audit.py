from __future__ import annotations

import io
import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from random_photos import save_photo

from course_lib import __main__, audit, datasets, loaders, training

CLASSES = ("ants", "bees", "flies", "mites", "wasps")


def photo(seed: int, size: tuple[int, int] = (80, 64)) -> Image.Image:
    """A picture with large shapes in it, as photos have; pure noise would not survive resizing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype("uint8")
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Five classes of 11 training and 5 test pictures, some grey, all sizes different."""
    root = tmp_path / "five"
    for split, count in (("train", 11), ("val", 5)):
        for number, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                seed = 1000 * (split == "val") + 100 * number + i
                made = photo(seed, (50 + 3 * i, 90 - 4 * i))
                made = made.convert("L") if i % 4 == 0 else made
                made.save(root / split / name / f"{i:02d}.{'png' if i % 2 else 'jpg'}")
    return root


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nearly nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def plant_unreadable(root: Path) -> dict[Path, str]:
    """Seven files that no network can be trained on; each path with what is to be said of it."""
    train, val = root / "train", root / "val"
    whole = io.BytesIO()
    photo(1, (400, 300)).save(whole, "JPEG")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("photo.jpg", whole.getvalue())
    planted = {
        train / "ants" / "empty.jpg": (b"", "an empty file"),
        train / "bees" / "cut.jpeg": (whole.getvalue()[:4000], "damaged image"),
        train / "flies" / "note.JPG": (b"to be photographed\n", "a text with"),
        val / "mites" / "zipped.png": (zipped.getvalue(), "a zip archive"),
        val / "wasps" / "page.webp": (b"<!DOCTYPE html><title>404</title>", "a web page"),
        train / "wasps" / "huge.png": (png_of_size(60_000, 60_000), "bomb"),
    }
    for path, (content, _) in planted.items():
        path.write_bytes(content)
    (val / "ants" / "album.png").mkdir()
    said = {path: what for path, (_, what) in planted.items()}
    return {**said, val / "ants" / "album.png": "a folder with"}


def plant_across(root: Path) -> dict[Path, str]:
    """Three training files that show a test picture: copied, saved anew, mirrored and shrunk."""
    train, val = root / "train", root / "val"
    copied = train / "bees" / "copied.png"
    shutil.copyfile(val / "bees" / "01.png", copied)
    again = train / "flies" / "again.jpg"
    brighter = ImageEnhance.Brightness(Image.open(val / "flies" / "03.png").convert("RGB"))
    brighter.enhance(1.1).save(again, quality=40)
    mirrored = train / "mites" / "mirrored.png"
    ImageOps.mirror(Image.open(val / "mites" / "02.jpg")).resize((40, 60)).save(mirrored)
    return {copied: "pixel by pixel", again: "nearly the same", mirrored: "mirrored"}


def test_a_whole_folder_has_no_problem_and_the_listing_of_scan(five: Path) -> None:
    found = audit.audit(five)
    assert found.problems == ()
    assert found.listing() == datasets.scan(five)
    assert len(found.pictures) == len(found.kept) == 80


def test_everything_planted_is_found_named_and_trained_without(five: Path) -> None:
    expected = datasets.scan(five)
    unreadable, across = plant_unreadable(five), plant_across(five)
    found = audit.audit(five)
    assert found.counts() == {"unreadable": 7, "in train and val": 3}
    said = {problem.path: problem.detail for problem in found.problems}
    assert said.keys() == unreadable.keys() | across.keys()
    for path, what in {**unreadable, **across}.items():
        assert what in said[path], path
    assert any("val/flies/03.png" in line for line in found.lines())
    listing = found.listing()
    assert listing == expected
    with pytest.raises(ValueError, match="images cannot be used"):
        loaders.make_loaders(five, image_size=16)
    made = loaders.make_loaders(listing, image_size=16, batch_size=8)
    assert [len(part.dataset) for part in (made.train, made.val, made.test)] == [44, 11, 25]
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    training.fit(model, made.train, made.val, epochs=1, optimizer=optimizer, device="cpu")
    assert training.predict(model, made.test, "cpu").logits.shape == (25, 5)


def test_links_to_nothing_and_pipes(five: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes in this file system")
    (five / "train" / "ants" / "lost.png").symlink_to(five / "nowhere.png")
    os.mkfifo(five / "val" / "bees" / "pipe.jpg")
    found = audit.audit(five)
    assert [problem.detail for problem in found.problems] == [
        "a link to nothing",
        "not a regular file",
    ]
    assert found.counts() == {"unreadable": 2}


def test_a_decoder_may_raise_anything(five: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(path: Path) -> Image.Image:
        if path.name == "01.png":
            raise struct.error("unpack requires 4 bytes")
        return Image.open(path).convert("RGB")

    monkeypatch.setattr(loaders, "open_photo", stumble)
    found = audit.audit(five)
    assert found.counts()["unreadable"] == 10
    assert "unpack requires 4 bytes" in found.problems[0].detail


def test_duplicates_within_a_split_leave_the_first(five: Path) -> None:
    train = five / "train" / "ants"
    for copy in ("zz1.png", "zz2.png"):
        shutil.copyfile(train / "01.png", train / copy)
    found = audit.audit(five)
    assert found.paths("duplicate") == [train / "zz1.png", train / "zz2.png"]
    assert found.listing() == audit.audit(five).listing()
    assert train / "01.png" in [path for path, _ in found.listing().files["train"]]
    assert all(line.endswith("as train/ants/01.png") for line in found.lines())


def test_of_pictures_with_two_labels_none_is_left(five: Path) -> None:
    one, other = five / "train" / "ants" / "01.png", five / "train" / "bees" / "wrong.png"
    shutil.copyfile(one, other)
    found = audit.audit(five)
    assert found.paths("two labels") == [one, other]
    assert not {one, other} & {path for path, _ in found.listing().files["train"]}


def test_resaved_pictures_are_found_and_different_ones_are_not(five: Path) -> None:
    path = five / "train" / "ants" / "03.png"
    for number, made in enumerate(
        (
            photo(3, (59, 78)).resize((20, 30)),
            ImageOps.grayscale(photo(3, (59, 78))),
            ImageEnhance.Brightness(photo(3, (59, 78))).enhance(0.7),
        )
    ):
        made.save(five / "train" / "ants" / f"copy{number}.jpg", quality=60)
    found = audit.audit(five)
    assert len(found.paths("duplicate")) == 3 and len(found.problems) == 3
    assert all("train/ants/03.png" in line for line in found.lines())
    assert path not in found.paths("duplicate")


def test_plain_pictures_are_no_doubles_of_each_other(five: Path) -> None:
    for shade in (10, 200):
        made = Image.new("RGB", (32, 32), (shade, 20, 30))
        made.paste((shade + 1, 21, 31), (0, 0, 16, 32))  # so faint that nobody sees it
        made.save(five / "train" / "ants" / f"{shade}.png")
    assert audit.audit(five).problems == ()


def test_the_threshold_keeps_the_insects_apart_and_joins_their_copies(tmp_path: Path) -> None:
    source = datasets.find("insects-studio")
    # The first two are more alike than any other pair of the course's pictures.
    names = [source / "train" / "bees" / f"bee_{number:03d}.jpg" for number in (27, 81, 0, 1, 2)]
    places = [tmp_path / split / label for split in ("train", "val") for label in ("ants", "bees")]
    for seed, place in enumerate(places):
        place.mkdir(parents=True)
        photo(seed).save(place / "any.png")
    for path in names:
        shutil.copyfile(path, tmp_path / "train" / "bees" / path.name)
        small = Image.open(path).resize((85, 85))
        small.save(tmp_path / "val" / "bees" / path.name, quality=30)
    assert len(audit.audit(tmp_path).paths("in train and val")) == len(names)
    shutil.rmtree(tmp_path / "val" / "bees")
    assert "duplicate" not in audit.audit(tmp_path).counts()


def test_class_names_that_differ_between_the_splits(five: Path) -> None:
    (five / "val" / "wasps").rename(five / "val" / "Wasp s")
    (five / "train" / "extra").mkdir()
    found = audit.audit(five)
    names = {problem.path.name: problem.detail for problem in found.problems}
    assert set(names) == {"wasps", "Wasp s", "extra"}
    assert (
        names["wasps"] == "there is no val/wasps (is val/Wasp s meant?), so the class is left out"
    )
    assert "meant" not in names["extra"]
    assert found.listing().classes == CLASSES[:4]


def test_small_classes_and_imbalance(five: Path) -> None:
    for i in range(1, 11):
        (five / "train" / "mites" / f"{i:02d}.{'png' if i % 2 else 'jpg'}").unlink()
    found = audit.audit(five)
    assert found.counts() == {"class left out": 1}
    save_photo(five / "train" / "mites" / "new.png", 5)
    found = audit.audit(five)
    assert found.counts() == {"few images": 1, "imbalance": 1}
    assert found.lines() == [
        "few images: train/mites: only 2 images: a single one decides much",
        "imbalance: train/mites: 11 images of 'ants', only 2 of 'mites'",
    ]
    assert found.listing().counts("train")["mites"] == 2


def test_files_that_are_not_taken(five: Path) -> None:
    (five / "train" / "stray.png").write_bytes(b"")
    (five / "train" / "ants" / "phone.heic").write_bytes(b"")
    (five / "train" / "ants" / ".DS_Store").write_bytes(b"")
    (five / "train" / ".ipynb_checkpoints").mkdir()
    found = audit.audit(five)
    assert [path.name for path in found.paths("not taken")] == ["phone.heic", "stray.png"]


def test_fewer_than_two_classes_left(five: Path) -> None:
    for name in CLASSES[1:]:
        shutil.rmtree(five / "val" / name)
    with pytest.raises(ValueError, match=r"leaves 1 classes .* class names: train/bees"):
        audit.audit(five).listing()


def test_the_table_counts_what_is_found_and_left(five: Path) -> None:
    plant_across(five)
    rows = {row["class"]: row for row in audit.audit(five).table()}
    assert list(rows) == list(CLASSES)
    assert rows["bees"] == {
        "class": "bees",
        "readable": 17,
        "left in train": 11,
        "left in val": 5,
        "grey": "29%",
        "shorter side": "50 to 66",
    }


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown dataset"):
        audit.audit(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no train/ and no val/"):
        audit.audit(tmp_path)
    with pytest.raises(ValueError, match="near is 2"):
        audit.audit("insects", near=2)


def test_the_command_names_every_problem(five: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["audit", str(five)]) == 0
    assert capsys.readouterr().out == "80 readable images, 80 left to train and test on\n"
    planted = plant_unreadable(five) | plant_across(five)
    assert __main__.main(["audit", str(five)]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert len(lines) == len(planted) == 10
    assert all(any(path.name in line for line in lines) for path in planted)
    assert last == "83 readable images, 80 left to train and test on"
    assert __main__.main(["audit", str(five / "nowhere")]) == 2
    assert "unknown dataset" in capsys.readouterr().err
