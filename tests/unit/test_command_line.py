"""Commands that other tests run in processes of their own, here with what they call replaced."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib import __main__ as cli
from course_lib import datasets, environment, paths, training
from course_lib.download import DownloadError


def row(ok: bool) -> environment.Row:
    return environment.Row("torch", "==2.14.1", "2.14.1" if ok else "1.0", ok)


@pytest.mark.parametrize("ok", [True, False])
def test_info(ok: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def find(name: str) -> Path:
        if name == "hymenoptera":
            raise FileNotFoundError("not fetched yet")
        return Path("data", name)

    monkeypatch.setattr(environment, "environment_report", lambda: [row(True), row(ok)])
    monkeypatch.setattr(datasets, "find", find)
    monkeypatch.setattr(training, "pick_device", lambda device: "cpu")
    assert cli.main(["info"]) == int(not ok)
    lines = capsys.readouterr().out.splitlines()
    found = "OK    torch  2.14.1" if ok else "FAIL  torch  1.0"
    assert lines[1] == f"{found}  (needed: ==2.14.1)"
    assert "device: cpu" in lines
    assert f"data set insects: {Path('data', 'insects')}" in lines
    assert "data set hymenoptera: not here (not fetched yet)" in lines


def test_check_asks_pytest_for_the_lessons_named(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: list[str], *, cwd: Path, check: bool) -> SimpleNamespace:
        commands.append((command[1:], cwd))
        return SimpleNamespace(returncode=5)

    monkeypatch.setattr(subprocess, "run", run)
    assert cli.main(["check"]) == 5
    assert cli.main(["check", "--only", "08,09"]) == 5
    plain = ["-m", "pytest", "tests/notebooks"]
    assert commands[0] == (plain, paths.course_root())
    assert commands[1][0] == [*plain, "-k", "08_full_fine_tuning or 09_frozen_features"]


def test_check_names_a_package_that_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["check"]) == 2
    assert "check needs pytest: pip install pytest" in capsys.readouterr().err


def test_download(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(datasets, "download", lambda name: Path(name))
    assert cli.main(["download", "hymenoptera"]) == 0

    def cut_off(name: str) -> Path:
        raise DownloadError("no network.\nOr without a download: …")

    monkeypatch.setattr(datasets, "download", cut_off)
    assert cli.main(["download", "hymenoptera"]) == 2
    assert capsys.readouterr().err == "course_lib: no network. Or without a download: …\n"


def test_an_interrupted_command_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupted(name: str) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "download", interrupted)
    assert cli.main(["download", "hymenoptera"]) == 130
    assert capsys.readouterr().err == "course_lib: interrupted\n"


def test_presets_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "presets.toml").write_text("[default")
    with pytest.raises(cli.runner.RunnerError, match=r"presets\.toml cannot be read: "):
        cli.runner.read_preset(tmp_path, "default")
