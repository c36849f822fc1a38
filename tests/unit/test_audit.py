import io
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from random_photos import save_photo

from course_lib import datasets, loaders
from course_lib.tools import audit
from course_lib.tools.cli import main

CLASSES = ("ants", "bees", "flies", "mites", "wasps")


def photo(seed: int, size: tuple[int, int] = (80, 64)) -> Image.Image:
    """A picture with large shapes in it, as photos have; pure noise would not survive resizing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype("uint8")
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Five classes of 11 training and 5 test pictures, some grey, all sizes different."""
    for split, count in (("train", 11), ("val", 5)):
        for number, name in enumerate(CLASSES):
            (tmp_path / "five" / split / name).mkdir(parents=True)
            for i in range(count):
                made = photo(1000 * (split == "val") + 100 * number + i, (50 + 3 * i, 90 - 4 * i))
                made = made.convert("L") if i % 4 == 0 else made
                made.save(tmp_path / "five" / split / name / f"{i:02d}.{'png' if i % 2 else 'jpg'}")
    return tmp_path / "five"


def plant(root: Path) -> dict[Path, str]:
    """Seven files that are no images, and three training files that show a test picture.

    Each path with what is to be said of it.
    """
    train, val, whole = root / "train", root / "val", io.BytesIO()
    photo(1, (400, 300)).save(whole, "JPEG")
    contents = {
        train / "ants" / "empty.jpg": (b"", "an empty file"),
        train / "bees" / "cut.jpeg": (whole.getvalue()[:4000], "damaged"),
        train / "flies" / "note.JPG": (b"to be photographed\n", "a text with"),
        train / "wasps" / "scan.png": (b"%PDF-1.7 \xff", "a PDF"),
        val / "mites" / "zipped.png": (b"PK\x03\x04\xff", "a zip archive"),
        val / "wasps" / "page.webp": (b"\n  \n<!DOCTYPE html><title>404</title>", "a web page"),
    }
    for path, (content, _) in contents.items():
        path.write_bytes(content)
    (val / "ants" / "album.png").mkdir()
    copied, again = train / "bees" / "copied.png", train / "flies" / "again.jpg"
    mirrored = train / "mites" / "mirrored.png"
    shutil.copyfile(val / "bees" / "01.png", copied)
    bright = ImageEnhance.Brightness(Image.open(val / "flies" / "03.png").convert("RGB"))
    bright.enhance(1.1).save(again, quality=40)
    ImageOps.mirror(Image.open(val / "mites" / "02.jpg")).resize((40, 60)).save(mirrored)
    said = {path: what for path, (_, what) in contents.items()}
    said |= {copied: "pixel by pixel the same as val/bees/01.png", again: "as val/flies/03.png"}
    return said | {mirrored: "mirrored", val / "ants" / "album.png": "a folder with"}


def test_everything_planted_is_found_named_and_left_out(
    five: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = audit.audit(five)
    assert whole.problems == () and len(whole.pictures) == len(whole.kept) == 80
    assert whole.listing() == datasets.scan(five)
    assert main(["audit", str(five)]) == 0
    assert capsys.readouterr().out == "80 readable images, 80 left to train and test on\n"
    planted = plant(five)
    found = audit.audit(five)
    assert found.counts() == {"unreadable": 7, "in train and val": 3}
    said = {problem.path: problem.detail for problem in found.problems}
    assert said.keys() == planted.keys()
    for path, what in planted.items():
        assert what in said[path], path
    assert found.listing() == whole.listing()
    loaders.make_loaders(found.listing(), image_size=16)
    with pytest.raises(ValueError, match="images cannot be used"):
        loaders.make_loaders(five, image_size=16)
    assert main(["audit", str(five)]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == found.lines() and last == "83 readable images, 80 left to train and test on"
    rows = {row["class"]: row for row in found.table()}
    assert list(rows) == list(CLASSES)
    counts = {"readable": 17, "left in train": 11, "left in val": 5}
    assert rows["bees"] == {
        "class": "bees", **counts, "grey": "29%", "shorter side": "50 to 66"
    }  # fmt: skip


def test_other_files_that_cannot_be_read(five: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(path: Path) -> Image.Image:
        if path.name == "strange.png":
            raise struct.error("unpack requires 4 bytes")  # a decoder may raise anything
        return real(path)

    real = loaders.open_photo
    monkeypatch.setattr(loaders, "open_photo", stumble)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    (five / "train" / "ants" / "lost.png").symlink_to(five / "nowhere.png")
    os.mkfifo(five / "train" / "bees" / "pipe.jpg")
    (five / "train" / "flies" / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic\xff")
    photo(0, (200, 120)).save(five / "train" / "mites" / "huge.png")
    (five / "train" / "wasps" / "strange.png").write_bytes(b"\xff")
    said = ["a link to nothing", "not a regular file", "HEIC", "bomb", "unpack requires 4 bytes"]
    found = audit.audit(five)
    assert found.counts() == {"unreadable": 5}
    assert all(what in line for what, line in zip(said, found.lines(), strict=True))


def test_of_copies_in_a_split_the_first_is_left_and_of_two_labels_none(five: Path) -> None:
    ants, bees = five / "train" / "ants", five / "train" / "bees"
    made = [photo(3, (59, 78)).resize((20, 30)), ImageOps.grayscale(photo(3, (59, 78)))]
    made += [ImageEnhance.Brightness(photo(3, (59, 78))).enhance(0.7)]
    for number, image in enumerate(made):
        image.save(ants / f"copy{number}.jpg", quality=60)
    shutil.copyfile(ants / "01.png", ants / "zz.png")
    shutil.copyfile(ants / "05.png", bees / "wrong.png")
    found = audit.audit(five)
    names = ["copy0.jpg", "copy1.jpg", "copy2.jpg", "zz.png"]
    assert {path.name for path in found.paths("duplicate")} == set(names)
    assert sum(line.endswith("as train/ants/03.png") for line in found.lines()) == 3
    assert found.paths("two labels") == [ants / "05.png", bees / "wrong.png"]
    assert len(found.problems) == 6
    left = {path for path, _ in found.listing().files["train"]}
    assert {ants / "01.png", ants / "03.png"} < left
    assert not left & {ants / "05.png", bees / "wrong.png"}


def test_plain_pictures_are_no_doubles_of_each_other(five: Path) -> None:
    for shade in (10, 200):
        made = Image.new("RGB", (32, 32), (shade, 20, 30))
        made.paste((shade + 1, 21, 31), (0, 0, 16, 32))  # so faint that nobody sees it
        made.save(five / "train" / "ants" / f"{shade}.png")
    assert audit.audit(five).problems == ()


def test_the_threshold_keeps_the_insects_apart_and_joins_their_copies(tmp_path: Path) -> None:
    source = datasets.find("insects-studio") / "train" / "bees"
    # The first two are more alike than any other pair of the course's pictures.
    names = [source / f"bee_{number:03d}.jpg" for number in (27, 81, 0, 1, 2)]
    for seed in range(4):
        save = tmp_path / ("train", "val")[seed % 2] / ("ants", "bees")[seed // 2]
        save.mkdir(parents=True)
        photo(seed).save(save / "any.png")
    for path in names:
        shutil.copyfile(path, tmp_path / "train" / "bees" / path.name)
        Image.open(path).resize((85, 85)).save(tmp_path / "val" / "bees" / path.name, quality=30)
    assert audit.audit(tmp_path).counts()["in train and val"] == len(names)
    shutil.rmtree(tmp_path / "val" / "bees")
    assert "duplicate" not in audit.audit(tmp_path).counts()


def test_classes_that_are_not_whole_and_files_that_are_not_taken(five: Path) -> None:
    (five / "val" / "wasps").rename(five / "val" / "Wasp s")
    (five / "train" / "extra").mkdir()
    for i in range(1, 11):
        (five / "train" / "mites" / f"{i:02d}.{'png' if i % 2 else 'jpg'}").unlink()
    for path in ("stray.png", "ants/phone.heic", "ants/.DS_Store", ".ipynb_checkpoints/a.jpg"):
        (five / "train" / path).parent.mkdir(exist_ok=True)
        (five / "train" / path).write_bytes(b"")
    found = audit.audit(five)
    suffixes = " ".join(datasets.IMAGE_EXTENSIONS)
    left_out = "so the class is left out"
    assert found.lines() == [
        f"not taken: train/ants/phone.heic: its name ends in none of {suffixes}",
        "not taken: train/stray.png: lies beside the class folders, not in one",
        f"class names: train/extra: there is no val/extra, {left_out}",
        f"class names: train/wasps: there is no val/wasps (is val/Wasp s meant?), {left_out}",
        f"class names: val/Wasp s: there is no train/Wasp s (is train/wasps meant?), {left_out}",
        "class left out: train/mites: 1 images left, needed is 2 at least",
    ]
    assert found.listing().classes == CLASSES[:3]
    save_photo(five / "train" / "mites" / "new.png", 5)
    assert audit.audit(five).lines()[5:] == [
        "few images: train/mites: only 2 images: a single one decides much",
        "imbalance: train/mites: 11 images of 'ants', only 2 of 'mites'",
    ]
    for name in CLASSES[1:4]:
        shutil.rmtree(five / "val" / name)
    with pytest.raises(ValueError, match=r"leaves 1 classes .* not taken: train/ants/phone"):
        audit.audit(five).listing()


def test_no_such_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError, match="has no train/ and no val/"):
        audit.audit(tmp_path)
    with pytest.raises(ValueError, match="near is 2"):
        audit.audit("insects", near=2)
    assert main(["audit", str(tmp_path / "nowhere")]) == 2
    assert "unknown dataset" in capsys.readouterr().err
