"""Names to folders, folders to listings, and the download of the article's photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from local_site import (
    FILES,
    PATIENCE,
    Site,
    answer,
    good_entries,
    half_then_wait,
    write_files,
    write_manifest,
    zip_of,
)

from course_lib import datasets
from course_lib import download as download_module
from course_lib.datasets import Listing, download, find, names, scan
from course_lib.download import DownloadError

OWN_COPY = os.environ.get("HYMENOPTERA_DIR")


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of its own for each test, without images; the tests start outside it."""
    monkeypatch.setenv("COURSE_LIB_PROGRESS", "0")
    monkeypatch.delenv("HYMENOPTERA_DIR", raising=False)
    course, elsewhere = tmp_path / "course", tmp_path / "elsewhere"
    (course / "data").mkdir(parents=True)
    elsewhere.mkdir()
    write_manifest(course / "data" / "hymenoptera.sha256")
    monkeypatch.setattr(datasets, "course_root", lambda: course)
    monkeypatch.setattr(datasets, "data_dir", lambda: course / "data")
    monkeypatch.chdir(elsewhere)
    return course


def message_of(error: type[Exception], call: object, *arguments: object, **options: object) -> str:
    with pytest.raises(error) as caught:
        call(*arguments, **options)  # type: ignore[operator]
    return str(caught.value)


def test_import_does_not_load_torch() -> None:
    code = "import sys, course_lib.datasets; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# -------------------------------------------------------------------------------------- find


def test_names_begin_with_the_default() -> None:
    assert names() == ["insects", "insects-studio", "insects-dusk", "hymenoptera"]


@pytest.mark.parametrize(
    ("name", "below_data"),
    [
        ("insects", "insects/field"),
        ("insects-studio", "insects/studio"),
        ("insects-dusk", "insects/dusk"),
        ("hymenoptera", "hymenoptera"),
    ],
)
def test_find_a_known_name(name: str, below_data: str, course: Path) -> None:
    folder = write_files(course / "data" / below_data)
    assert find(name) == folder
    assert find(name).is_absolute()


def test_find_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_files(tmp_path / "mine")
    assert find(folder) == folder
    assert find(str(folder)) == folder
    monkeypatch.chdir(tmp_path)
    assert find("mine") == folder
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert find("~/mine") == folder


def test_find_a_relative_folder_from_anywhere(course: Path) -> None:
    folder = write_files(course / "data" / "mine")
    assert find("data/mine") == folder


def test_known_name_goes_before_a_folder_of_that_name(
    tmp_path: Path, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(course / "data" / "insects" / "field")
    other = write_files(tmp_path / "insects")
    monkeypatch.chdir(tmp_path)
    assert find("insects") == folder
    assert find("./insects") == other
    assert find(Path("insects")) == other


def test_find_an_unknown_name() -> None:
    message = message_of(ValueError, find, "inscets")
    assert message == (
        "unknown dataset 'inscets': did you mean 'insects'? Known are insects, insects-studio, "
        "insects-dusk, hymenoptera; or a path of a folder with train/ and val/."
    )
    assert "did you mean 'hymenoptera'?" in message_of(ValueError, find, "HYMENOPTERA")
    assert "did you mean" not in message_of(ValueError, find, "flowers")


@pytest.mark.parametrize("dataset", ["", " ", "/no/such/folder", Path("no", "folder")])
def test_find_nothing(dataset: str | Path) -> None:
    message = message_of(ValueError, find, dataset)
    assert f"unknown dataset {str(dataset)!r}" in message
    assert "a path of a folder with train/ and val/" in message


def test_find_an_empty_name_in_a_folder_with_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_files(tmp_path / "mine"))
    assert find(".") == Path.cwd()
    message_of(ValueError, find, "")


def test_find_a_file(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"")
    assert "unknown dataset" in message_of(ValueError, find, tmp_path / "photos.zip")


def test_find_a_folder_without_splits(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "train").mkdir(parents=True)
    message = message_of(FileNotFoundError, find, folder)
    assert message == (
        f"{folder} has no val/: expected train/<class>/ and val/<class>/ with images."
    )
    (folder / "train").rmdir()
    assert f"{folder} has no train/ and no val/" in message_of(FileNotFoundError, find, folder)


def test_find_insects_that_were_deleted(course: Path) -> None:
    message = message_of(FileNotFoundError, find, "insects-dusk")
    assert "dataset 'insects-dusk'" in message
    assert str(course / "data" / "insects" / "dusk") in message
    assert "git checkout -- data/insects" in message


def test_find_hymenoptera_before_it_was_fetched(course: Path) -> None:
    message = message_of(FileNotFoundError, find, "hymenoptera")
    assert f"{course / 'data' / 'hymenoptera'} is not there" in message
    assert "python -m course_lib download hymenoptera" in message
    assert "set the environment variable HYMENOPTERA_DIR" in message
    assert "'insects'" in message
    (course / "data" / "hymenoptera").mkdir()
    assert "has no train/ and no val/" in message_of(FileNotFoundError, find, "hymenoptera")


def test_find_hymenoptera_by_variable(
    tmp_path: Path, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = write_files(course / "data" / "hymenoptera")
    own = write_files(tmp_path / "own")
    monkeypatch.setenv("HYMENOPTERA_DIR", str(own))
    assert find("hymenoptera") == own
    monkeypatch.setenv("HYMENOPTERA_DIR", "")
    assert find("hymenoptera") == fetched


@pytest.mark.parametrize("call", [find, download])
def test_wrong_variable(call: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = str(tmp_path / "own")
    monkeypatch.setenv("HYMENOPTERA_DIR", value)
    message = message_of(FileNotFoundError, call, "hymenoptera")
    assert f"HYMENOPTERA_DIR is set to {value!r}, but there is no such folder" in message
    write_files(tmp_path / "own" / "hymenoptera_data")
    message = message_of(FileNotFoundError, call, "hymenoptera")
    assert "but that folder has no train/ and no val/" in message
    assert f"Set it to {tmp_path / 'own' / 'hymenoptera_data'}." in message
    (tmp_path / "own" / "train").mkdir()
    assert "but that folder has no val/" in message_of(FileNotFoundError, call, "hymenoptera")


# ---------------------------------------------------------------------------------- download


def test_download(site: Site, course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = site.put("/photos.zip", answer(zip_of(good_entries())))
    folder = download("hymenoptera", url=url)
    assert folder == course / "data" / "hymenoptera" == find("hymenoptera")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == set(FILES)
    assert "5 files downloaded and verified" in capsys.readouterr().out
    left = [p.name for p in (course / "data" / ".cache").iterdir() if p.suffix != ".lock"]
    assert left == []


def test_second_download_does_nothing(
    site: Site, course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = site.put("/photos.zip", answer(zip_of(good_entries())))
    first = download("hymenoptera", url=url)
    capsys.readouterr()
    assert download("hymenoptera", url=url) == first
    assert len(site.seen) == 1
    assert "already there, 5 files verified" in capsys.readouterr().out


def test_damaged_copy_is_reported_and_left_alone(site: Site, course: Path) -> None:
    folder = write_files(course / "data" / "hymenoptera")
    (folder / "val/bees/b2.jpg").unlink()
    (folder / "train/ants/a1.jpg").write_bytes(b"damaged")
    message = message_of(DownloadError, download, "hymenoptera", url=site.put("/photos.zip"))
    assert message == (
        f"{folder} is damaged, 2 of 5 files: train/ants/a1.jpg has other content than expected; "
        f"val/bees/b2.jpg is missing. Delete {folder}, then download again."
    )
    assert site.seen == []
    assert (folder / "train/ants/a1.jpg").read_bytes() == b"damaged"


def test_report_of_much_damage_is_short(course: Path) -> None:
    (course / "data" / "hymenoptera").mkdir()
    many = {f"val/bees/{number}.jpg": "0" * 64 for number in range(30)}
    write_manifest(course / "data" / "hymenoptera.sha256", many)
    message = message_of(DownloadError, download, "hymenoptera")
    assert "30 of 30 files" in message
    assert message.count("is missing") == 5
    assert "; and 25 more. Delete" in message


@pytest.mark.parametrize(
    "page",
    [
        answer(status=404),
        answer(b"<html>Log in</html>", kind="text/html"),
        answer(b"<html>Log in</html>"),
        answer(zip_of(good_entries() | {"hymenoptera_data/val/bees/b2.jpg": b"other"})),
    ],
    ids=["404", "web page", "web page called a zip", "other content"],
)
def test_failed_download_leaves_nothing_and_names_the_way_without_network(
    page: object, site: Site, course: Path
) -> None:
    url = site.put("/photos.zip", page)  # type: ignore[arg-type]
    message = message_of(DownloadError, download, "hymenoptera", url=url)
    assert f"get {url} on another computer, unpack it" in message
    assert "HYMENOPTERA_DIR to the folder hymenoptera_data" in message
    left = [p for p in (course / "data").rglob("*") if p.suffix != ".lock" and p.name != ".cache"]
    assert left == [course / "data" / "hymenoptera.sha256"]


def test_download_checks_the_copy_that_the_variable_names(
    site: Site,
    tmp_path: Path,
    course: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = write_files(tmp_path / "own")
    monkeypatch.setenv("HYMENOPTERA_DIR", str(own))
    url = site.put("/photos.zip")
    assert download("hymenoptera", url=url) == own
    assert f"HYMENOPTERA_DIR is set; 5 files verified in {own}" in capsys.readouterr().out
    (own / "val/bees/b2.jpg").write_bytes(b"damaged")
    message = message_of(DownloadError, download, "hymenoptera", url=url)
    assert "val/bees/b2.jpg has other content" in message
    assert "unset HYMENOPTERA_DIR" in message
    assert site.seen == []
    assert not (course / "data" / "hymenoptera").exists()


@pytest.mark.parametrize("name", ["insects", "insects-studio", "insects-dusk"])
def test_nothing_to_download_for_the_insects(name: str) -> None:
    message = message_of(ValueError, download, name)
    assert message == f"{name!r} is part of the course: there is nothing to download."


def test_download_an_unknown_name() -> None:
    message = message_of(ValueError, download, "flowers")
    assert message == "cannot download 'flowers': only 'hymenoptera' can be downloaded."


def test_no_other_process_enters_during_a_download(
    site: Site, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys; from pathlib import Path; from course_lib.download import locked\n"
        "with locked(Path(sys.argv[1]), timeout=0.05): print('entered')"
    )
    lock = course / "data" / ".cache" / "hymenoptera.lock"
    fetch, said = datasets.fetch, []

    def watched(url: str, target: Path) -> Path:
        command = [sys.executable, "-c", code, str(lock)]
        said.append(subprocess.run(command, capture_output=True, text=True, check=False).stderr)
        return fetch(url, target)

    monkeypatch.setattr(datasets, "fetch", watched)
    download("hymenoptera", url=site.put("/photos.zip", answer(zip_of(good_entries()))))
    assert len(said) == 1
    assert "another process has held" in said[0]


def test_two_processes_download_once(site: Site, course: Path) -> None:
    url = site.put("/photos.zip", half_then_wait(zip_of(good_entries())))
    code = (
        "import sys; from pathlib import Path; from course_lib import datasets\n"
        "datasets.data_dir = lambda: Path(sys.argv[1])\n"
        "print('started', flush=True)\n"
        "datasets.download('hymenoptera', url=sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(course / "data"), url]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **options) as one:  # type: ignore[call-overload]
        assert site.half_sent.wait(PATIENCE)
        with subprocess.Popen(command, **options) as two:  # type: ignore[call-overload]
            assert two.stdout.readline() == "started\n"
            site.go_on.set()
            said = one.communicate()[0] + two.communicate()[0]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert "5 files downloaded and verified" in said
    assert "already there, 5 files verified" in said
    assert len(site.seen) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")
def test_a_download_killed_anywhere_leaves_all_or_nothing(site: Site, course: Path) -> None:
    url = site.put("/photos.zip", answer(zip_of(good_entries())))
    program, data = Path(__file__).with_name("killed_downloads.py"), course / "data"
    arguments = [url, str(data / "hymenoptera.sha256"), str(data), "15"]
    command = [sys.executable, str(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["kills"] >= 30
    assert (found["wrong"], found["left"]) == ([], [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("place", [".hymenoptera_data.zip.part", "hymenoptera.part"])
def test_a_full_disk_leaves_nothing_and_says_what_to_do(
    place: str, site: Site, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = course / "data" / ".cache"
    if place.endswith("zip.part"):
        cache.mkdir()
        (cache / place).symlink_to("/dev/full")
    else:  # the disk is full by the time the photos are unpacked
        write_all, full = download_module._write_all, Path("/dev/full")

        def full_below(file: IO[bytes], chunk: bytes) -> None:
            if place in Path(file.name).parts:
                with full.open("wb", buffering=0) as file:
                    file.write(chunk)
            write_all(file, chunk)

        monkeypatch.setattr(download_module, "_write_all", full_below)
    url = site.put("/photos.zip", answer(zip_of(good_entries())))
    message = message_of(DownloadError, download, "hymenoptera", url=url)
    assert place in message
    assert "cannot be written: No space left on device. Free some space, then try" in message
    assert "Or without a download from here: get" in message
    left = [p for p in (course / "data").rglob("*") if p.suffix != ".lock" and p.name != ".cache"]
    assert left == [course / "data" / "hymenoptera.sha256"]


def test_a_course_that_cannot_be_written_names_the_way_around(site: Site, course: Path) -> None:
    (course / "data" / ".cache").write_text("a file where the folder should be")
    message = message_of(DownloadError, download, "hymenoptera", url=site.put("/photos.zip"))
    assert ".cache cannot be written" in message
    assert "HYMENOPTERA_DIR" in message


# -------------------------------------------------------------------------------------- scan


def test_scan(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine")
    assert scan(folder) == Listing(
        classes=("ants", "bees"),
        files={
            "train": [
                (folder / "train/ants/a1.jpg", 0),
                (folder / "train/ants/a2.jpg", 0),
                (folder / "train/bees/b1.jpg", 1),
            ],
            "val": [(folder / "val/ants/a3.jpg", 0), (folder / "val/bees/b2.jpg", 1)],
        },
    )
    assert scan(str(folder)).counts("train") == {"ants": 2, "bees": 1}
    assert scan(folder).counts("val") == {"ants": 1, "bees": 1}


def test_scan_relative_folder_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert scan("mine") == scan(folder)


def test_scan_takes_what_image_folder_takes(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for split in ("train", "val"):
        for kind in ("jpg", "JPEG", "Png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"):
            for place in ("zebras", "Ants", "bees/deep", "bees/deep/er", "bees.d", "bees"):
                write_files(folder / split / place, [f"b.{kind}", f"a.{kind}", f"10.{kind}"])
        write_files(folder / split / "bees", ["x.gif", "x.txt", "jpg", "Thumbs.db", "x.jpg.part"])
    image_folder = pytest.importorskip("torchvision.datasets").ImageFolder
    listing = scan(folder)
    assert listing.classes == ("Ants", "bees", "bees.d", "zebras")
    for split in ("train", "val"):
        reference = image_folder(str(folder / split))
        assert list(listing.classes) == reference.classes
        assert [(str(file), number) for file, number in listing.files[split]] == reference.samples


def test_scan_does_not_depend_on_the_order_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(tmp_path / "mine")
    write_files(folder, [f"train/ants/{place}/{i}.jpg" for place in "ab" for i in range(3)])
    walk, iterdir = os.walk, Path.iterdir
    orders = []
    for backwards in (False, True):

        def disk_walk(*args: object, backwards: bool = backwards, **options: object) -> list:
            found = sorted(walk(*args, **options), reverse=backwards)  # type: ignore[call-overload]
            return [(w, d, sorted(f, reverse=backwards)) for w, d, f in found]

        def disk_iterdir(path: Path, backwards: bool = backwards) -> list[Path]:
            return sorted(iterdir(path), reverse=backwards)

        monkeypatch.setattr(os, "walk", disk_walk)
        monkeypatch.setattr(Path, "iterdir", disk_iterdir)
        orders.append(scan(folder))
    assert orders[0] == orders[1]


def test_extensions_are_those_of_torchvision() -> None:
    folder = pytest.importorskip("torchvision.datasets.folder")
    assert datasets.IMAGE_EXTENSIONS == folder.IMG_EXTENSIONS


def test_scan_skips_what_is_hidden(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine")
    before = scan(folder)
    write_files(folder, ["train/.ipynb_checkpoints/a.jpg", "train/ants/._a1.jpg"])
    write_files(folder, ["val/bees/.ipynb_checkpoints/b2.jpg", "train/ants/imageNotFound.gif"])
    write_files(folder, ["train/readme.jpg"])
    assert scan(folder) == before


def test_scan_inside_a_hidden_folder(tmp_path: Path) -> None:
    assert len(scan(write_files(tmp_path / ".hidden")).files["train"]) == 3


def test_scan_missing_split(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", ["train/ants/a.jpg", "train/bees/b.jpg"])
    message = message_of(FileNotFoundError, scan, folder)
    assert message == f"{folder} has no val/: a dataset needs train/ and val/."
    assert "no train/ and no val/" in message_of(FileNotFoundError, scan, tmp_path / "none")


def test_scan_no_class_folder(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", ["train/a.jpg", "val/.hidden/a.jpg"])
    message = message_of(FileNotFoundError, scan, folder)
    assert f"{folder / 'train'} has no class folder" in message


def test_scan_only_one_class(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", ["train/ants/a.jpg", "val/ants/a.jpg"])
    message = message_of(ValueError, scan, folder)
    assert f"{folder} has only one class, 'ants'" in message


def test_scan_class_without_images(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine")
    (folder / "val/bees/b2.jpg").rename(folder / "val/bees/b2.txt")
    message = message_of(ValueError, scan, folder)
    assert f"class 'bees' has no image in {folder / 'val' / 'bees'}" in message
    assert ".jpg .jpeg .png" in message


def test_scan_different_classes(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine")
    write_files(folder, ["train/wasps/w.jpg", "train/flies/f.jpg", "val/Bees/b.jpg"])
    message = message_of(ValueError, scan, folder)
    assert message == (
        f"{folder}: the splits have different classes: train/ lacks Bees; val/ lacks flies, wasps."
    )


# ------------------------------------------------------------------------------ real datasets


@pytest.mark.skipif(not OWN_COPY, reason="HYMENOPTERA_DIR is not set: no copy of the photos here")
def test_real_photos(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from course_lib import paths

    monkeypatch.setenv("HYMENOPTERA_DIR", str(OWN_COPY))
    monkeypatch.setattr(datasets, "data_dir", paths.data_dir)
    folder = download("hymenoptera")
    assert "397 files verified" in capsys.readouterr().out
    listing = scan(folder)
    assert find("hymenoptera") == folder
    assert listing.counts("train") == {"ants": 123, "bees": 121}
    assert listing.counts("val") == {"ants": 70, "bees": 83}
    assert all(file.suffix != ".gif" for split in listing.files.values() for file, _ in split)
