import io
import os
import re
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from random_photos import save_photo

from course_lib import datasets, loaders
from course_lib.tools import audit
from course_lib.tools.cli import main

CLASSES = ("ants", "bees", "flies", "mites", "wasps")
RANDOM = np.random.default_rng(0)


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
    said |= {copied: "pixel by pixel the same as val/bees/01.png", again: "like val/flies/03.png"}
    said |= {mirrored: "like val/mites/02.jpg, mirrored", val / "ants/album.png": "a folder with"}
    return said


def test_everything_planted_is_named_and_what_is_no_other_picture_left_out(five, capsys):
    whole = audit.audit(five)
    assert whole.problems == () and len(whole.pictures) == len(whole.kept) == 80
    assert whole.listing() == datasets.scan(five) and main(["audit", str(five)]) == 0
    assert capsys.readouterr().out == "80 readable images, 80 left to train and test on\n"
    planted = plant(five)
    found = audit.audit(five)
    assert found.counts() == {"unreadable": 7, "in train and val": 1, "look alike": 2}
    said = {problem.path: problem.detail for problem in found.problems}
    assert said.keys() == planted.keys()
    for path, what in planted.items():
        assert what in said[path], path
    assert found.listing().files["val"] == whole.listing().files["val"]
    left, before = ({path for path, _ in a.listing().files["train"]} for a in (found, whole))
    assert {path.name for path in left - before} == {"again.jpg", "mirrored.png"} and left > before
    loaders.make_loaders(found.listing(), image_size=16)
    with pytest.raises(ValueError, match="images cannot be used"):
        loaders.make_loaders(five, image_size=16)
    assert main(["audit", str(five)]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == found.lines() and last == "83 readable images, 82 left to train and test on"
    rows = {row["class"]: row for row in found.table()}
    assert list(rows) == list(CLASSES)
    counts = {"readable": 17, "left in train": 11, "left in val": 5}
    assert rows["bees"] == {"class": "bees", **counts, "grey": "29%", "shorter side": "50 to 66"}


def test_other_files_that_cannot_be_read(five, monkeypatch):
    def stumble(path: Path) -> Image.Image:
        if path.name == "strange.png":
            raise struct.error("unpack requires 4 bytes")  # a decoder may raise anything
        return real(path)

    real = loaders.open_photo
    monkeypatch.setattr(loaders, "open_photo", stumble)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    (five / "train" / "ants" / "lost.png").symlink_to(five / "nowhere.png")
    os.mkfifo(five / "train" / "bees" / "pipe.jpg")
    phone = "\udcff.jpg" if sys.platform == "linux" else "phone.jpg"  # a name that is no Unicode
    (five / "train" / "flies" / phone).write_bytes(b"\0\0\0\x18ftypheic\xff")
    photo(0, (200, 120)).save(five / "train" / "mites" / "huge.png")
    (five / "train" / "wasps" / "strange.png").write_bytes(b"\xff")
    said = ["a link to nothing", "not a regular", "HEIC", "too large", "unpack requires 4"]
    lines = audit.audit(five).lines()
    assert all(what in line for what, line in zip(said, lines, strict=True))
    assert all(line.startswith("unreadable: ") and line.encode() for line in lines)


def test_of_copies_in_a_split_the_first_is_left_and_of_two_labels_none(five):
    ants, bees, exif = five / "train" / "ants", five / "train" / "bees", Image.Exif()
    exif[0x0112] = 3  # the same pixels when turned
    Image.open(ants / "03.png").rotate(180).save(ants / "zz.png", exif=exif)
    shutil.copyfile(ants / "05.png", bees / "wrong.png")
    assert audit.audit(five).lines() == [
        "duplicate: train/ants/zz.png: pixel by pixel the same as train/ants/03.png",
        "two labels: train/ants/05.png: pixel by pixel the same as train/bees/wrong.png",
        "two labels: train/bees/wrong.png: pixel by pixel the same as train/ants/05.png",
    ]
    for number in range(8):
        shutil.copyfile(ants / "01.png", ants / f"copy{number}.png")
    assert "much left out: .: over a tenth of all" in audit.audit(five).lines()[0]


def tomato(color: tuple[int, int, int]) -> Image.Image:
    """A picture from a box for pictures: all alike, but for the colour."""
    image, (x, y) = Image.new("RGB", (64, 64), (225, 222, 215)), RANDOM.integers(29, 36, 2)
    ImageDraw.Draw(image).ellipse((x - 19, y - 19, x + 19, y + 19), fill=color)
    pixels = np.asarray(image) * RANDOM.uniform(0.8, 1.1) + RANDOM.normal(0, 6, (64, 64, 3))
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def test_what_looks_alike_is_named_and_kept(tmp_path):
    for split, count in (("train", 20), ("val", 8)):
        for name, color in (("ripe", (190, 40, 30)), ("green", (70, 120, 40))):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                tomato(color).save(tmp_path / split / name / f"{i}.png")
    found = audit.audit(tmp_path)
    assert found.counts() == {"look alike": audit.SHOWN + 1} and len(found.kept) == 56
    *shown, last = found.lines()
    assert last.startswith("look alike: .: ") and last.endswith(" more pairs")
    for line in shown:  # the gravest: in train and val; never in two colours
        assert line.startswith("look alike: train/") and " like val/" in line
        assert line.count("ripe") in (0, 2)


def test_a_chain_stays_and_what_is_plain_or_mirrored_in_another_class(five):
    ants = five / "train" / "ants"
    for number in range(9):
        Image.blend(photo(5001), photo(5002), number / 8).save(ants / f"{number}.png")
    ImageOps.mirror(Image.open(ants / "09.png")).save(five / "train" / "bees" / "d.png")
    for shade in (10, 200):
        made = Image.new("RGB", (32, 32), (shade, 20, 30))
        made.paste((shade + 1, 21, 31), (0, 0, 16, 32))  # so faint that nobody sees it
        made.save(ants / f"plain{shade}.png")
    found = audit.audit(five)
    pairs = {tuple(re.findall(r"/(\d)\.png", line)) for line in found.lines()}
    assert ("0", "1") in pairs <= {(str(i), str(i + 1)) for i in range(8)}
    assert len(found.kept) == 92
    ImageOps.mirror(Image.open(ants / "09.png")).save(ants / "same class.png")
    (five / "train" / "bees" / "d.png").unlink()
    line = audit.audit(five).lines()[0]
    assert "train/ants/09.png: 1.00 like train/ants/same class.png, mi" in line


def test_the_threshold_keeps_the_insects_apart_and_joins_their_copies(five):
    source = datasets.find("insects-studio") / "train" / "bees"
    # The first two are among the most alike of the course's pictures.
    for path in (source / f"bee_{number:03d}.jpg" for number in (27, 81, 0, 1, 2)):
        shutil.copyfile(path, five / "train" / "bees" / path.name)
        Image.open(path).resize((85, 85)).save(five / "val" / "bees" / path.name, quality=30)
    found = audit.audit(five)
    assert found.counts() == {"look alike": 5} and len(found.kept) == 90
    assert audit.audit(five, likeness=1).problems == ()


def test_classes_that_are_not_whole_and_files_that_are_not_taken(five):
    (five / "val" / "wasps").rename(five / "val" / "Wasp s")
    for folder in ("train/extra", "train/f\u00e9e", "val/fe\u0301e"):
        (five / folder).mkdir()
    (five / "val" / "bees" / "loop").symlink_to(five / "val" / "bees")
    for i in range(1, 11):
        (five / "train" / "mites" / f"{i:02d}.{'png' if i % 2 else 'jpg'}").unlink()
    others = ("stray.png", "ants/phone.heic", "ants/x.HEIC", "ants/.DS_Store", "__MACOSX/a.jpg")
    for path in (*others, "ants/@eaDir/a.jpg/SYNO.jpg", ".ipynb_checkpoints/a.jpg"):
        (five / "train" / path).parent.mkdir(parents=True, exist_ok=True)
        (five / "train" / path).write_bytes(b"")
    found = audit.audit(five)
    left_out, nothing = "so the class is left out", "nothing of this class was looked at"
    form = "in this Unicode form (NFC or NFD), but in the other"
    assert found.lines() == [
        "much left out: .: over a tenth of all: see why, below",
        "not taken: train/ants/phone.heic: 2 that end in '.heic' are not read: save as .jpg",
        "not taken: train/stray.png: lies beside the class folders, not in one",
        f"unreadable: val/bees/loop: a link to a folder above it: {nothing}",
        f"class names: train/extra: there is no val/extra, {left_out}",
        f"class names: train/f\u00e9e: there is no val/f\u00e9e {form}: rename one, {left_out}",
        f"class names: train/wasps: there is no val/wasps (is val/Wasp s meant?), {left_out}",
        f"class names: val/Wasp s: there is no train/Wasp s (is train/wasps meant?), {left_out}",
        f"class names: val/fe\u0301e: there is no train/fe\u0301e {form}: rename one, {left_out}",
        "class left out: val/bees: 0 images left, needed is 1 at least",
        "class left out: train/mites: 1 images left, needed is 2 at least",
    ]
    assert found.listing().classes == ("ants", "flies")
    save_photo(five / "train" / "mites" / "new.png", 5)
    few, uneven = audit.audit(five).lines()[10:]
    assert few == "few images: train/mites: only 2 images: a single one decides much"
    assert uneven == "imbalance: train/mites: 11 images of 'ants', only 2 of 'mites'"
    for path in ("train/\u00e9", "val/\u00e9", "train/e\u0301", "val/e\u0301"):
        (five / path).mkdir()
    assert "class names: train/e\u0301: also in Unicode NFC: join them" in audit.audit(five).lines()
    for name in CLASSES[2:4]:
        shutil.rmtree(five / "val" / name)
    with pytest.raises(ValueError, match=r"leaves 1 classes .* not taken: train/ants/phone"):
        audit.audit(five).listing()


def test_the_audit_and_the_loaders_need_the_same_number_of_images(five):
    for split, least in audit.LEAST.items():
        paths = sorted((five / split / "wasps").iterdir())
        for path in paths[least:]:
            path.unlink()
        loaders.make_loaders(five, image_size=16)
        assert audit.audit(five).listing().classes == CLASSES
        content = paths[0].read_bytes()
        paths[0].unlink()
        assert audit.audit(five).listing().classes == CLASSES[:4]
        with pytest.raises(ValueError, match="class 'wasps'"):
            loaders.make_loaders(five, image_size=16)
        paths[0].write_bytes(content)


@pytest.mark.parametrize(("test", "sizes"), [(0.0, [44, 11, 0]), (0.4, [22, 11, 22])])
def test_a_folder_of_classes_is_divided_by_copying(five, test, sizes, capsys):
    flat, made = five / "train", five / "train-split"
    (flat / "ants" / "notes.txt").write_text("to be kept")
    assert main(["split", str(flat), "--val", "0.2", "--test", str(test)]) == 0
    images = [sorted(made.glob(f"{part}/*/*.[jp]*")) for part in ("train", "val", "test")]
    assert [len(paths) for paths in images] == sizes and len([*flat.glob("*/*.[jp]*")]) == 55
    assert len({path.read_bytes() for paths in images for path in paths}) == 55
    with pytest.warns(match=r"not taken: 1 \.txt"):
        assert datasets.scan(made).classes == CLASSES
    for number in range(4):
        save_photo(five / "tiny" / "ab"[number % 2] / f"{number}.png", number)
    for said, *wrong in (
        ("too few images in ['a', 'b']", "split", f"{five}/train/../tiny", "--test", "0.2"),
        ("no train-split beside", "split", str(flat)),
        ("images in ['tiny', 'train', 'train-split', 'val']", "split", str(five)),
        ("expected shares whose sum is below 1", "split", str(flat), "--val", "1"),
        ("has no train/ and no val/", "audit", str(flat)),
        ("unknown dataset", "audit", str(five / "nowhere")),
        ("likeness is 2.0", "audit", "insects", "--likeness", "2"),
    ):
        assert main(wrong) == 2 and said in capsys.readouterr().err
