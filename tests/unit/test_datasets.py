"""Names to folders, folders to listings; files that are written whole; whole numbers."""

import os
import stat
from pathlib import Path

import pytest
from torch import nn, optim
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from course_lib import datasets, features, loaders, models, training
from course_lib.datasets import Listing, find, scan, whole, written_whole

FILES = ["train/ants/1.jpg", "train/ants/2.jpg", "train/bees/3.jpg", "val/ants/4.jpg"]
FILES.append("val/bees/5.jpg")


@pytest.fixture(autouse=True)
def course(tmp_path, monkeypatch):
    """A course of its own for each test, without images; the tests start outside it, at home."""
    course, elsewhere = tmp_path / "course", tmp_path / "elsewhere"
    (course / "data").mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.setattr(datasets, "course_root", lambda: course)
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("HYMENOPTERA_DIR", raising=False)
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    return course


def write_files(folder: Path, names: list[str] = FILES) -> Path:
    """Write files that are no images: listings never open them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def message_of(error: type[Exception], call: object, *arguments: object) -> str:
    with pytest.raises(error) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_course_is_where_the_library_lies(monkeypatch):
    monkeypatch.undo()
    assert datasets.course_root() == Path(__file__).resolve().parents[2]
    assert datasets.data_dir() == datasets.course_root() / "data"
    monkeypatch.setattr(datasets, "__file__", "/site-packages/course_lib/datasets.py")
    assert "pip install -e ." in message_of(FileNotFoundError, datasets.course_root)


@pytest.mark.parametrize("name", datasets.KNOWN)
def test_a_name_goes_before_a_folder_of_that_name(name, course, tmp_path, monkeypatch):
    folder = course / "data" / name.replace("insects-", "insects/")
    folder = write_files(folder / "field" if name == "insects" else folder)
    other = write_files(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert find(name) == find(Path(name)) == folder and find(f"./{name}") == other


def test_a_folder_is_found_from_anywhere(course, tmp_path, monkeypatch):
    mine = write_files(tmp_path / "mine")
    write_files(course / "data" / "mine")
    assert find(mine) == find(str(mine)) == find("~/mine") == mine
    monkeypatch.chdir(tmp_path)
    assert find("mine") == mine
    assert "unknown dataset 'data/mine'" in message_of(ValueError, find, "data/mine")  # not here


@pytest.mark.parametrize("dataset", ["flowers", "", " ", "/no/such/folder", Path("no")])
def test_what_is_not_found_is_named(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(write_files(tmp_path / "mine", [*FILES, "photos.zip"]))
    said = "'photos.zip' is a file: unpack it, or sort what it lists. Known are insects"
    assert said in message_of(ValueError, find, "photos.zip")
    message = message_of(ValueError, find, dataset)  # an empty name is not this folder
    assert f"unknown dataset {str(dataset)!r}. Known are insects" in message
    assert message_of(ValueError, find, "inscets") == (
        "unknown dataset 'inscets': did you mean 'insects'? Known are insects, insects-studio, "
        "insects-dusk, hymenoptera; or a path of a folder with train/ and val/."
    )
    assert "did you mean 'hymenoptera'?" in message_of(ValueError, find, "HYMENOPTERA")


def test_missing_folders_are_named_and_the_variable_names_photos(course, tmp_path, monkeypatch):
    field = course / "data" / "insects" / "field"
    expected = f"{field} is not there. Get it back: 'git checkout -- data/insects'."
    assert message_of(FileNotFoundError, find, "insects") == expected
    field.mkdir(parents=True)
    assert "no train/ and no val/, only []. Get" in message_of(FileNotFoundError, find, "insects")
    message = message_of(FileNotFoundError, find, "hymenoptera")
    assert "python -m course_lib download hymenoptera" in message and "HYMENOPTERA_DIR" in message
    own, ours = write_files(tmp_path / "own"), write_files(course / "data" / "hymenoptera")
    for value, found in ((str(own), own), ("~/own", own), ("../own", own), ("", ours)):
        monkeypatch.setenv("HYMENOPTERA_DIR", value)
        assert find("hymenoptera").resolve() == found and find("hymenoptera").is_absolute()
    insects = write_files(course / "data" / "insects" / "field")
    monkeypatch.setenv("HYMENOPTERA_DIR", str(tmp_path / "gone"))
    message = message_of(FileNotFoundError, find, "hymenoptera")
    assert message.endswith("gone is not there. HYMENOPTERA_DIR says so: correct or unset it.")
    assert find("insects") == insects


def test_a_listing_has_what_image_folder_has_in_any_order_of_the_disk(tmp_path, monkeypatch):
    folder, iterdir = tmp_path / ".hidden" / "mine", Path.iterdir
    for split in ("train", "val"):
        for kind in ("jpg", "JPEG", "Png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"):
            for place in ("zebras", "Ants", "bees/Deep", "bees/Deep/er", "bees.d", "bees"):
                write_files(folder / split / place, [f"b.{kind}", f"a.{kind}", f"10.{kind}"])
        write_files(folder / split / "bees", ["x.gif", "x.HEIC", "jpg", "Thumbs.db", "x.gif.part"])
    monkeypatch.chdir(folder.parent)
    with pytest.warns(match=r"files not taken: 2 jpg, 2 \.heic, 2 \.gif, 2 \.part; 'audit'"):
        listing = scan("mine")
    assert listing.classes == ("Ants", "bees", "bees.d", "zebras")
    assert (*IMG_EXTENSIONS, ".jfif") == datasets.ENDINGS
    for split in ("train", "val"):
        reference = ImageFolder(str(folder / split))
        assert list(listing.classes) == reference.classes
        assert [(str(file), label) for file, label in listing.files[split]] == reference.samples

    monkeypatch.setattr(Path, "iterdir", lambda path: sorted(iterdir(path), reverse=True))
    assert scan(folder) == listing  # told once: here, warnings are errors


def test_what_is_hidden_is_left_out(tmp_path):
    folder = write_files(tmp_path / "mine")
    before = scan(folder)
    files = [[(folder / f, int("bees" in f)) for f in FILES if s in f] for s in ("train", "val")]
    assert before == Listing(("ants", "bees"), dict(zip(("train", "val"), files, strict=True)))
    assert before.counts("train") == {"ants": 2, "bees": 1}
    assert before.counts("val") == {"ants": 1, "bees": 1}
    write_files(folder, ["train/.ipynb_checkpoints/a.jpg", "train/ants/._a1.jpg"])
    write_files(folder, ["val/bees/.ipynb_checkpoints/deep/b2.jpg", "train/readme.jpg"])
    write_files(folder, ["train/__MACOSX/a.jpg", "train/ants/@eaDir/1.jpg/a.jpg"])
    assert scan(folder) == before


def test_folders_that_cannot_be_read_and_loops_of_links_are_named(tmp_path, monkeypatch):
    folder, iterdir = write_files(tmp_path / "mine"), Path.iterdir
    ants, bees = (folder / "train" / name for name in ("ants", "bees"))
    (bees / "more").symlink_to(ants)
    assert len(scan(folder).files["train"]) == 5
    assert len([*datasets.walk(ants / ".." / ".." / "train" / "ants")]) == 2  # not a loop
    (ants / "loop").symlink_to(bees)
    with pytest.raises(OSError, match=r"a link to a folder above it: .*train.ants.loop.more"):
        scan(folder)

    def locked(path):
        if path.name == "loop":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", locked)
    with pytest.raises(PermissionError, match=r"train.ants.loop"):
        scan(folder)


@pytest.mark.parametrize(("names", "said"), [
    ("train/a/1 test/a/1", "no val/, only ['test', 'train']. Rename test to val."),
    ("Train/a/1 Valid/a/1", "no train/ and no val/, only ['Train', 'Valid']. Rename Train to t"),
    ("train/a/1 test/a/1 validation/a/1", "Rename test or validation to val."),
    ("ants/1 bees/1", "only ['ants', 'bees']. 'python -m course_lib split \"{}\" --val 0.2' di"),
    ("mine/train/a/1 mine/val/a/2", "only ['mine']. Is {}/mine meant?"),
    ("../train/a/1 ../val/a/2 ants/1", "['a', 'ants']. Is {0.parent} meant?"),
    ("train/1.jpg val/.b/1.jpg", "has classes []: a classifier needs two folders"),
    ("train/a/1.jpg val/a/1.jpg", "has classes ['a']: a classifier needs two folders"),
    ("train/a/1 train/b/1 val/B/1 val/b/1", "different classes in train/ and val/, B, a in"),
    ("train/a/1.jpg train/b/1.jpg val/a/1.jpg val/b/1.txt", "class 'b' has no image in {}"),
])  # fmt: skip
def test_folders_that_make_no_data_set_are_named_with_what_helps(names, said, tmp_path):
    folder = write_files(tmp_path / "my" / "train", names.split())
    assert said.format(folder) in message_of((FileNotFoundError, ValueError), scan, folder)


@pytest.mark.parametrize("umask", [0o022, 0o077] if os.name == "posix" else [0])
def test_a_file_is_there_whole_or_as_it_was(umask, tmp_path):
    path, before = tmp_path / "new" / "file.txt", os.umask(umask)
    try:
        with written_whole(path) as unfinished:
            unfinished.write_text("first")
            assert unfinished != path and not path.exists()
        for error in (OSError, KeyboardInterrupt):
            with pytest.raises(error), written_whole(str(path)) as unfinished:
                unfinished.write_text("half")
                assert path.read_text() == "first"
                hidden = unfinished.relative_to(path.parent).parts[0]
                assert hidden.startswith(".file.txt-")  # what a kill would leave
                raise error
        assert [p.read_text() for p in path.parent.iterdir()] == ["first"]
        with written_whole(path) as unfinished:
            unfinished.write_text("second")
    finally:
        os.umask(before)
    assert [p.read_text() for p in path.parent.iterdir()] == ["second"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_whole_numbers():
    assert (whole("epochs", 0), whole("seed", 2**32 - 1), whole("count", 3, 3)) == (0, 2**32 - 1, 3)
    for value in (-1, 1.0, True, "1", None, float("nan"), 2**32, 2**70):
        expected = f"epochs is {value!r}: expected a whole number of 0 or more, below 2**32."
        assert message_of(ValueError, whole, "epochs", value) == expected
    assert "expected a whole number of 3 or more" in message_of(ValueError, whole, "count", 2, 3)


@pytest.mark.parametrize("seed", [-1, 2**70])
def test_every_door_refuses_a_seed_that_is_none(seed):
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters())
    for door in (
        lambda: training.seed_everything(seed),
        lambda: training.fit(model, [], epochs=1, optimizer=optimizer, seed=seed),
        lambda: loaders.make_loaders("insects", seed=seed),
        lambda: models.build_model(pretrained=False, seed=seed),
        lambda: features.views(model, None, seed=seed),
    ):
        assert message_of(ValueError, door).startswith(f"seed is {seed}: expected a whole number")
