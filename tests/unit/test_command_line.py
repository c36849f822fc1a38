"""Commands with what they call replaced, and what they say of the installation."""

import os
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock, call

import pytest

from course_lib import datasets, devices
from course_lib.tools import cli, download, info, lessons

ROOT = Path(__file__).resolve().parents[2]


def test_info_says_what_is_not_as_it_should_be(tmp_path, monkeypatch) -> None:
    installed = {"same": "2.14.1", "patch": "2.14.0+cpu", "minor": "2.13.1", "free": "9"}

    def version(name: str) -> str:
        if name not in installed:
            raise info.importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(info.importlib.metadata, "version", version)
    monkeypatch.setattr(info.platform, "python_version", lambda: "3.10.2")
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n')
    (tmp_path / "requirements.txt").write_text(
        "# what the lessons import\n\n-e .\nsame==2.14.1  # why\npatch==2.14.1\n"
        'minor[extra]==2.14.1 ; python_version > "3"\nabsent==1.0.0\nfree\nlost\n'
        "\n# Tests.\nuntold==1.0\n"
    )
    assert info.report(tmp_path).splitlines() == [
        "3 of 6 packages as pinned",
        "Python is 3.10.2: the course needs 3.11 or newer",
        "minor is 2.13.1: pip install minor==2.14.1",
        "absent is not installed: pip install absent==1.0.0",
        "lost is not installed: pip install lost",
    ]
    installed.update(minor="2.14.9", absent="1.0", lost="1")
    monkeypatch.setattr(info.platform, "python_version", lambda: "3.11.0")
    assert info.check(tmp_path) == [] and info.report(tmp_path) == "6 of 6 packages as pinned"


@pytest.mark.parametrize("problems", [[], ["torch is 1.0"]])
def test_info(problems: list[str], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def find(name: str) -> Path:
        if name == "hymenoptera":
            raise FileNotFoundError("not fetched yet")
        return Path("data", name)

    monkeypatch.setattr(info, "check", lambda root=None: problems)
    monkeypatch.setattr(datasets, "find", find)
    monkeypatch.setattr(devices, "pick_device", lambda device: "cpu")
    assert cli.main(["info"]) == len(problems)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("packages as pinned") and lines[1:-5] == problems
    assert "device: cpu" in lines and f"data set insects: {Path('data', 'insects')}" in lines
    assert "data set hymenoptera: not here (not fetched yet)" in lines


def test_info_where_nothing_is_installed_and_help_and_the_runner_without_heavy_packages() -> None:
    command = [sys.executable, "-S", "-m", "course_lib", "info"]  # -S: no installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2 and done.stderr.startswith("course_lib: No module named ")
    assert done.stdout.startswith("0 of ") and "\ntorch is not installed: pip" in done.stdout
    code = """
import sys
from course_lib.tools import cli
for name in ("", *"run save check book download train audit predict info".split()):
    try: cli.main(f"{name} --help".split())
    except SystemExit as end: assert end.code == 0
heavy = {"torch", "matplotlib", "pandas", "sklearn"}
print((heavy | {"papermill", "nbconvert"}) & set(sys.modules))
from course_lib import datasets, progress
from course_lib.tools import info, lessons
print(heavy & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.endswith("set()\nset()\n"), done.stderr
    words = "run save check book download train audit predict bench info --preset --cell-timeout "
    for word in f"{words} --only --jobs --resume --from-scratch --lessons".split():
        assert f" {word} " in done.stdout or f"[{word} " in done.stdout, word


def test_check_asks_pytest_for_the_lessons_named(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Mock(return_value=Mock(returncode=5))
    monkeypatch.setattr(subprocess, "run", run)
    assert cli.main(["check"]) == cli.main(["check", "--only", "08,09"]) == 5
    plain = [sys.executable, "-m", "pytest", "tests/notebooks"]
    named = [*plain, "-k", "08_full_fine_tuning or 09_frozen_features"]
    assert run.mock_calls == [call(words, cwd=ROOT, check=False) for words in (plain, named)]


@pytest.mark.parametrize(("command", "package"), [("check", "nbval"), ("book", "myst_nb")])
def test_a_missing_package_is_named_with_its_remedy(command, package, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert cli.main([command]) == 2
    said = capsys.readouterr().err
    assert f"import of {package} halted" in said and "pip install -r requirements.txt" in said


def test_download(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(download, "download", lambda name: Path("data", name))
    assert cli.main(["download", "hymenoptera"]) == 0
    assert capsys.readouterr().out == f"data set hymenoptera: {Path('data', 'hymenoptera')}\n"
    for error, code, said in (
        (RuntimeError("no network.\nWithout: …"), 2, "no network. Without: …"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ):
        monkeypatch.setattr(download, "download", Mock(side_effect=error))
        assert cli.main(["download", "hymenoptera"]) == code
        assert capsys.readouterr().err == f"course_lib: {said}\n"


def test_typed_paths_mean_what_they_mean_where_the_person_stands(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("2024").mkdir()
    expected = {
        "insects": "insects",  # names of data sets and of lessons' own stay
        "grounds": "grounds",
        "2024": str(tmp_path / "2024"),
        "data/insects/field": str(tmp_path / "data" / "insects" / "field"),  # not the course's
        "./insects": str(tmp_path / "insects"),
        "~/mine": str(tmp_path / "home" / "mine"),
    }
    assert {text: cli.dataset(text) for text in expected} == expected
    paths = {"~": tmp_path / "home", "~/a": tmp_path / "home" / "a", "~b": Path("~b")}
    assert {text: cli.path(text) for text in paths} == paths
    given = {}
    monkeypatch.setattr(lessons, "run", lambda *_, **how: (given.update(how), (tmp_path, []))[1])
    assert cli.main(["run", "-p", "dataset", "2024", "-p", "model_file", "m.safetensors"]) == 0
    assert given["overrides"] == [("dataset", expected["2024"]), ("model_file", "m.safetensors")]
    for wrong in (["run", "-p", "model_file", "m.onnx"], ["audit", "x" * 300]):
        assert cli.main(wrong) == 2
    with pytest.raises(SystemExit, match="2"):
        cli.main(["save", "--only", " , "])


@pytest.mark.parametrize(("change", "again"), [
    (lambda image: None, False),
    (lambda image: (image.write_text("bee"), os.utime(image, (1, 1))), True),
    (lambda image: image.with_name("b.png").touch(), True),
    (Path.unlink, True),
])  # fmt: skip
def test_resume_runs_again_where_images_have_changed(change, again, tmp_path, monkeypatch, capsys):
    image, folder, given = tmp_path / "mine" / "train" / "ants" / "a.png", tmp_path / "run", {}
    for place in (image.parent, folder):
        place.mkdir(parents=True)
    image.write_text("ant")
    time.sleep(0.05)  # longer than a tick of the disk's clock
    (folder / "01_a.ipynb").touch()
    time.sleep(0.05)
    change(image)
    before = [lessons.Result("01_a", "A", {"dataset": str(tmp_path / "mine")}, "")]
    before += [lessons.Result("02_b", "B", {"dataset": "insects"}, "")]
    monkeypatch.setattr(lessons, "asked_before", lambda *_: {"folder": folder, "before": before})
    monkeypatch.setattr(lessons, "run", lambda *_, **how: (given.update(how), (folder, []))[1])
    assert cli.main(["run", "--resume"]) == 0
    assert [result.lesson for result in given["before"]] == ["01_a"] * (not again) + ["02_b"]
    assert ("01_a: the images in " in capsys.readouterr().out) is again
