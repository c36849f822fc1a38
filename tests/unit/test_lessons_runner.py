"""The runner, tried on tiny lessons."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib import __main__ as cli
from course_lib import environment, pages, paths, runner

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds for another process to end on a busy computer; less than they sleep
PRESETS = """
[default]
[smoke.all]
epochs = 1
rate = 1
[smoke."02"]
epochs = 2
[wrong."02"]
width = 3
[mistyped.all]
epochs = 1.5
[flat]
epochs = 1
[impatient]
cell_timeout = 3
[never]
cell_timeout = 0
"""
RESULT = (
    "from IPython.display import display\n"
    "display({'application/vnd.course.result+json': {%s}}, raw=True)"
)


def write_lesson(folder: Path, name: str, *sources: str, parameters: str = "epochs = 3") -> Path:
    """Write a lesson with a title, a parameters cell and some more cells."""
    cells = [new_markdown_cell(f"# Learn <{name}>\n\nText.")]
    cells += [new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """Folder with a space, Chinese characters and braces in its name, and two lessons."""
    folder = tmp_path / "迁移 学习 {course}" / "notebooks"
    folder.mkdir(parents=True)
    (folder / "presets.toml").write_text(PRESETS, encoding="utf-8")
    given = "epochs = 3  # times\nrate = 0.5\nshuffle = True\nname = 'insects'"
    write_lesson(folder, "02_second", RESULT % "'epochs': epochs, 'two': 2.0")
    write_lesson(
        folder,
        "01_first",
        RESULT % "'epochs': epochs, 'rate': rate, 'shuffle': shuffle, 'name': name",
        parameters=given,
    )
    return folder


@pytest.fixture
def course(notebooks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command line, pointed at the tiny lessons; gives the course's folder."""
    monkeypatch.setattr(paths, "notebooks_dir", lambda: notebooks)
    monkeypatch.setattr(paths, "course_root", lambda: notebooks.parent)
    return notebooks.parent


def test_runs_in_order_and_keeps_everything(notebooks: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in notebooks.iterdir()}
    folder, results = runner.run(notebooks, tmp_path / "输出 {x}")
    assert [r.lesson for r in results] == ["01_first", "02_second"]
    assert [r.status for r in results] == ["ok", "ok"], [r.error for r in results]
    assert results[0].numbers == {"epochs": 3, "rate": 0.5, "shuffle": True, "name": "insects"}
    assert results[1].numbers == {"epochs": 3, "two": 2.0}
    assert sorted(path.name for path in folder.iterdir()) == [
        "01_first.html",
        "01_first.ipynb",
        "02_second.html",
        "02_second.ipynb",
        "index.html",
        "summary.json",
    ]
    saved = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert saved["preset"] == "default"
    assert [lesson["numbers"] for lesson in saved["lessons"]] == [r.numbers for r in results]
    index = (folder / "index.html").read_text(encoding="utf-8")
    for name in ("01_first", "02_second"):
        assert f'<a href="{name}.html">Learn &lt;{name}&gt;</a>' in index
    assert "two = 2" in index
    table = pages.summary(results)
    assert table.index("01_first") < table.index("02_second")
    assert "epochs = 3, name = insects, rate = 0.5, shuffle = True" in table
    assert {path: path.read_bytes() for path in notebooks.iterdir()} == before


def test_preset_and_overrides_reach_the_lesson(notebooks: Path, tmp_path: Path) -> None:
    _, results = runner.run(
        notebooks,
        tmp_path,
        preset="smoke",
        overrides=[("name", 'a "b" \\ 蚂蚁'), ("shuffle", "false")],
    )
    assert results[0].numbers == {
        "epochs": 1,
        "rate": 1.0,
        "shuffle": False,
        "name": 'a "b" \\ 蚂蚁',
    }
    assert results[1].numbers["epochs"] == 2


def test_override_is_stronger_than_preset(notebooks: Path) -> None:
    lessons = runner.find_lessons(notebooks)
    preset, seconds = runner.read_preset(notebooks, "smoke")
    assert seconds == runner.CELL_TIMEOUT
    chosen = runner.plan(lessons, preset, [("epochs", "9"), ("rate", "1e-3")])
    assert chosen == [{"epochs": 9, "rate": 0.001}, {"epochs": 9}]
    assert type(runner.plan(lessons, preset)[0]["rate"]) is float


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ["-p", "epoch", "3"],
            ["'epoch'", "Did you mean 'epochs'", "epochs (int)", "rate (float)"],
        ),
        (["-p", "epochs", "many"], ["'epochs'", "a whole number", "'many'"]),
        (["-p", "epochs", "2.5"], ["'epochs'", "a whole number", "'2.5'"]),
        (["-p", "epochs", "true"], ["'epochs'", "a whole number"]),
        (["-p", "shuffle", "1"], ["'shuffle'", "true or false"]),
        (["-p", "rate", "fast"], ["'rate'", "a number"]),
        (["-p", "rate", "nan"], ["'rate'", "a number"]),
        (["--only", "2", "-p", "rate", "1"], ["no parameter 'rate'"]),
        (["--preset", "smok"], ["'smok'", "Did you mean 'smoke'"]),
        (["--preset", "wrong"], ["02_second", "'width'"]),
        (["--preset", "mistyped"], ["'epochs'", "1.5"]),
        (["--preset", "flat"], ["'epochs'", "[flat.all]"]),
        (["--only", "3"], ["no lesson '3'", "01_first, 02_second"]),
        (["--only", "02_secnd"], ["Did you mean '02_second'"]),
        (["--cell-timeout", "0"], ["--cell-timeout"]),
        (["--cell-timeout", "soon"], ["--cell-timeout"]),
        (["-p", "epochs"], ["expected 2 arguments"]),
        (["--unknown"], ["--unknown"]),
    ],
)
def test_wrong_request_is_one_line_and_writes_nothing(
    course: Path, capsys: pytest.CaptureFixture[str], given: list[str], expected: list[str]
) -> None:
    before = sorted(course.rglob("*"))
    try:
        code = cli.main(["run", *given])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("course_lib: ")
    assert err.count("\n") == 1
    for text in expected:
        assert text in err
    assert sorted(course.rglob("*")) == before


@pytest.mark.parametrize(
    "source",
    [
        "epochs = int(3)",
        "epochs = None",
        "epochs: int = 3",
        "epochs = [1]",
        "a = b = 1",
        "epochs = 1j",
        "import os",
        "epochs =",
    ],
)
def test_parameters_cell_must_be_plain(notebooks: Path, source: str) -> None:
    path = write_lesson(notebooks, "03_third", parameters=source)
    with pytest.raises(runner.RunnerError, match=r"03_third\.ipynb"):
        runner.read_lesson(path)


def test_parameters_are_read_without_running() -> None:
    source = "# comment\nepochs = 3  # note\nrate = -1e-3\nname = 'a=b'\nquick = False"
    assert runner.read_parameters(source) == {
        "epochs": 3,
        "rate": -0.001,
        "name": "a=b",
        "quick": False,
    }


def test_file_that_is_no_notebook(notebooks: Path) -> None:
    (notebooks / "03_third.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(runner.RunnerError, match=r"03_third\.ipynb cannot be read"):
        runner.find_lessons(notebooks)


def test_no_lessons(tmp_path: Path) -> None:
    with pytest.raises(runner.RunnerError, match="no lessons"):
        runner.find_lessons(tmp_path)


@pytest.mark.parametrize("wanted", [["2"], ["02"], ["02_second"]])
def test_only(notebooks: Path, wanted: list[str]) -> None:
    assert [lesson.name for lesson in runner.find_lessons(notebooks, wanted)] == ["02_second"]


def test_only_keeps_the_order_of_the_lessons(course: Path) -> None:
    options = cli.build_parser().parse_args(["run", "--only", "2,01", "--only", "02"])
    lessons = runner.find_lessons(course / "notebooks", cli._wanted(options))
    assert [lesson.name for lesson in lessons] == ["01_first", "02_second"]


def test_a_preset_may_say_how_long_a_cell_may_take(notebooks: Path, tmp_path: Path) -> None:
    write_lesson(notebooks, "03_slow", "import time\ntime.sleep(600)")
    _, results = runner.run(notebooks, tmp_path / "runs", preset="impatient", only=["03"])
    assert "after 3 s" in results[0].error
    with pytest.raises(runner.RunnerError, match=r"cell_timeout in \[never\] must be a number"):
        runner.read_preset(notebooks, "never")


FAILURES = {
    "raises": ("print('so far')\nraise ValueError('no ants\\nat all')", "ValueError: no ants"),
    "hangs": (
        "import time\ntime.sleep(600)",
        "CellTimeoutError: A cell timed out while it was being executed, after 5 s",
    ),
    "dies": ("import os\nos._exit(1)", "DeadKernelError: "),
}


@pytest.mark.parametrize("kind", list(FAILURES))
@pytest.mark.parametrize("preset", ["default", "smoke"])  # smoke injects a cell
def test_failing_lesson_does_not_stop_the_others(
    course: Path, capsys: pytest.CaptureFixture[str], kind: str, preset: str
) -> None:
    source, message = FAILURES[kind]
    write_lesson(course / "notebooks", "01_first", "print('begun')", source, "print('never')")
    impatient = ["--cell-timeout", "5"] if kind == "hangs" else []
    code = cli.main(["run", "--preset", preset, *impatient])
    out, err = capsys.readouterr()
    assert code == 1
    assert "Traceback" not in err
    first_line = source.partition("\n")[0]
    assert f"failed: 01_first, cell 3 ({first_line}): {message}" in out
    (folder,) = (course / "runs").iterdir()
    first, second = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["lessons"]
    assert (first["status"], first["cell"]) == ("failed", 3)
    assert (second["status"], second["cell"], second["error"]) == ("ok", None, "")
    partial = nbformat.read(folder / "01_first.ipynb", as_version=4)
    outputs = [output for cell in partial.cells for output in cell.get("outputs", [])]
    assert outputs[0].text == "begun\n"
    name = message.partition(":")[0]
    assert [output.get("ename") for output in outputs].count(name) == 1
    assert "never" not in str(outputs)
    assert name in (folder / "01_first.html").read_text(encoding="utf-8")
    assert message in (folder / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg"])
@pytest.mark.parametrize("alt", ["Two <ants> meet", 'Two "ants" meet'])
def test_pages_describe_their_figures(notebooks: Path, tmp_path: Path, mime: str, alt: str) -> None:
    source = (
        "from IPython.display import display\n"
        f"display({{{mime!r}: 'AAAA', 'text/plain': 'x'}}, raw=True,\n"
        f"        metadata={{{mime!r}: {{'alt': {alt!r}}}}})"
    )
    write_lesson(notebooks, "01_first", source)
    folder, _ = runner.run(notebooks, tmp_path, only=["1"])
    page = BeautifulSoup((folder / "01_first.html").read_text(encoding="utf-8"), "html.parser")
    assert [(image["alt"], image["src"]) for image in page.select("img")] == [
        (alt, f"data:{mime};base64,AAAA")
    ]
    assert page.title.string == "Learn <01_first>"


def test_two_runs_in_the_same_second_have_their_own_folders(tmp_path: Path) -> None:
    assert len({runner._new_folder(tmp_path) for _ in range(5)}) == 5


def test_environment_is_set_for_kernels_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_LIB_PROGRESS", "1")
    before = dict(os.environ)
    with runner.kernel_environment():
        assert os.environ["COURSE_LIB_PROGRESS"] == "0"
        assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    assert dict(os.environ) == before


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter started in a folder."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=given,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_from_another_folder_quietly_with_this_python(notebooks: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    seen = "import sys, pathlib, course_lib\n" + RESULT % (
        "'python': sys.executable, 'bar': __import__('os').environ['COURSE_LIB_PROGRESS'],"
        "'folder': pathlib.Path.cwd().name, 'lib': course_lib.__file__"
    )
    write_lesson(notebooks, "01_first", seen)
    done = python(
        "import sys; from course_lib import __main__ as cli, paths\n"
        f"from pathlib import Path; paths.notebooks_dir = lambda: Path({str(notebooks)!r})\n"
        "sys.exit(cli.main(['run', '--only', '1', '--output', 'runs']))",
        elsewhere,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    (folder,) = (elsewhere / "runs").iterdir()
    numbers = json.loads((folder / "summary.json").read_text("utf-8"))["lessons"][0]["numbers"]
    assert numbers == {
        "python": sys.executable,
        "bar": "0",
        "folder": "notebooks",
        "lib": str(ROOT / "course_lib" / "__init__.py"),
    }


def test_help_of_every_command_without_torch(tmp_path: Path) -> None:
    done = python(
        "import sys; from course_lib import __main__ as cli\n"
        "for words in ([], ['run'], ['check'], ['download'], ['info']):\n"
        "    try: cli.main([*words, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'papermill', 'nbconvert', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for word in ("run", "check", "download", "info", "--preset", "--cell-timeout", "--only"):
        assert word in done.stdout


def test_info_where_nothing_is_installed() -> None:
    command = [sys.executable, "-S", "-m", "course_lib", "info"]  # -S: no installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["FAIL", "torch", "not", "installed"] in [line[:4] for line in lines]
    assert "unknown" in done.stdout


def test_download_of_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["download", "bees"]) == 2
    assert capsys.readouterr().err.startswith("course_lib: ")


def test_environment_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"same": "2.14.1", "patch": "2.14.0+cpu", "minor": "2.13.1", "free": "9"}

    def version(name: str) -> str:
        if name not in installed:
            raise environment.importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(environment.importlib.metadata, "version", version)
    monkeypatch.setattr(environment.platform, "python_version", lambda: "3.10.2")
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n')
    (tmp_path / "requirements.txt").write_text(
        "# what the lessons import\n\n-e .\nsame==2.14.1  # why\npatch==2.14.1\n"
        'minor[extra]==2.14.1 ; python_version > "3"\nabsent==1.0.0\nfree\n'
        "\n# Tests.\nuntold==1.0\n"
    )
    assert environment.environment_report(tmp_path) == [
        ("python", ">=3.11", "3.10.2", False),
        ("same", "==2.14.1", "2.14.1", True),
        ("patch", "==2.14.1", "2.14.0+cpu", True),
        ("minor", "==2.14.1", "2.13.1", False),
        ("absent", "==1.0.0", "not installed", False),
        ("free", "any", "9", True),
    ]


def test_save_keeps_fresh_outputs_and_nothing_else(notebooks: Path) -> None:
    path = notebooks / "02_second.ipynb"
    before = nbformat.read(path, as_version=4)
    result = runner.save(runner.read_lesson(path))
    after = nbformat.read(path, as_version=4)
    assert result.status == "ok" and not list(notebooks.glob("*.tmp"))
    assert [cell.source for cell in after.cells] == [cell.source for cell in before.cells]
    code = [cell for cell in after.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2] and code[1].outputs
    assert set(after.metadata) == {"kernelspec", "language_info"}
    assert [dict(cell.metadata) for cell in after.cells] == [{}, {"tags": ["parameters"]}, {}]


def test_save_leaves_a_lesson_that_fails_as_it_was(course: Path, capsys) -> None:
    path = write_lesson(course / "notebooks", "03_broken", "print('begun')", "1 / 0")
    before = path.read_bytes()
    assert cli.main(["save", "--only", "03"]) == 1
    assert path.read_bytes() == before and not list(path.parent.glob("*.tmp"))
    assert "03_broken, cell 3 (1 / 0): ZeroDivisionError" in capsys.readouterr().out


# ------------------------------------------------------------------------------------- resume

MARK = "import pathlib\nwith pathlib.Path('ran.txt').open('a') as file: file.write({!r})"


@pytest.fixture
def counted(course: Path) -> Path:
    """Three lessons that note that they ran; the second fails while a file ``broken`` is there."""
    notebooks = course / "notebooks"
    write_lesson(notebooks, "01_first", MARK.format("1"), RESULT % "'one': epochs")
    broken = "assert not pathlib.Path('broken').exists(), 'still broken'"
    write_lesson(notebooks, "02_second", MARK.format("2"), broken)
    write_lesson(notebooks, "03_third", MARK.format("3"))
    (notebooks / "broken").touch()
    return course


def ran(course: Path) -> str:
    """Numbers of the lessons that have run since the last look."""
    file = course / "notebooks" / "ran.txt"
    text = file.read_text() if file.exists() else ""
    file.unlink(missing_ok=True)
    return text


def lessons_of(course: Path) -> list[tuple[str, str]]:
    """Names and states in the summary of the one run there is."""
    (folder,) = (course / "runs").iterdir()
    about = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return [(lesson["lesson"][:2], lesson["status"]) for lesson in about["lessons"]]


def test_resume_runs_what_failed_and_nothing_else(counted: Path, capsys) -> None:
    assert cli.main(["run", "-p", "epochs", "7", "--jobs", "1"]) == 1
    assert ran(counted) == "123"
    assert lessons_of(counted) == [("01", "ok"), ("02", "failed"), ("03", "ok")]
    (counted / "notebooks" / "broken").unlink()
    capsys.readouterr()
    assert cli.main(["run", "--resume"]) == 0
    assert ran(counted) == "2"
    assert lessons_of(counted) == [("01", "ok"), ("02", "ok"), ("03", "ok")]
    assert "one = 7" in capsys.readouterr().out  # what was kept is in the table
    assert cli.main(["run", "--resume"]) == 0
    assert ran(counted) == ""


def test_resume_runs_again_what_has_changed(counted: Path) -> None:
    (counted / "notebooks" / "broken").unlink()
    assert cli.main(["run"]) == 0
    ran(counted)
    (folder,) = (counted / "runs").iterdir()
    write_lesson(counted / "notebooks", "01_first", MARK.format("one"))
    (folder / "02_second.html").unlink()
    assert cli.main(["run", "--jobs", "1", "--resume", str(folder)]) == 0
    assert ran(counted) == "one2"
    presets = counted / "notebooks" / "presets.toml"
    presets.write_text(PRESETS.replace("[default]", "[default.'03']\nepochs = 4"), "utf-8")
    assert cli.main(["run", "--jobs", "1", "--resume", str(folder)]) == 0
    assert ran(counted) == "3"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--resume"], "there is no run in"),
        (["--resume", "nowhere"], "nowhere holds no run: No such file"),
        (["--resume", "--only", "1"], "give no --only, --preset or -p"),
        (["--resume", "--preset", "smoke"], "give no --only, --preset or -p"),
    ],
)
def test_a_run_that_cannot_be_resumed_is_one_line(
    course: Path, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert cli.main(["run", *given]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (course / "runs").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"preset": "default"}'])
def test_a_damaged_summary_is_named(course: Path, capsys, text: str) -> None:
    folder = course / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(text)
    assert cli.main(["run", "--resume"]) == 2
    assert "summary.json is damaged, or of an older course" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["summary.json"]


def command_line(notebooks: Path, *given: str) -> list[str]:
    """Command that runs the tiny lessons in a process of its own."""
    code = (
        "import signal, sys; from pathlib import Path\n"
        "from course_lib import __main__ as cli, paths\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
        f"paths.notebooks_dir = lambda: Path({str(notebooks)!r})\n"
        f"paths.course_root = lambda: Path({str(notebooks.parent)!r})\n"
        f"sys.exit(cli.main({list(given)!r}))"
    )
    return [sys.executable, "-c", code]


def wait_for(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Wait until a process has done something, however slow the computer is."""
    while not condition():
        assert process.poll() is None, "it ended before it did"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=lambda kind: kind.name)
def test_an_interrupted_run_keeps_what_it_has_and_goes_on(
    counted: Path, kind: signal.Signals
) -> None:
    import psutil

    notebooks, begun = counted / "notebooks", counted / "notebooks" / "begun"
    slow = "import time, pathlib\npathlib.Path('begun').touch()\n"
    slow += "while pathlib.Path('broken').exists(): time.sleep(0.05)\n"
    write_lesson(notebooks, "02_second", MARK.format("2"), slow)
    command = command_line(notebooks, "run", "--jobs", "1")
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_for(process, begun.exists)
            kernels = psutil.Process(process.pid).children(recursive=True)
            twice = subprocess.run(
                command_line(notebooks, "run", "--resume"), capture_output=True, encoding="utf-8"
            )
            process.send_signal(kind)
            said = process.communicate(timeout=PATIENCE)[1].decode()
        finally:
            process.kill()
    assert twice.returncode == 2 and "is still going on: wait for it" in twice.stderr
    assert kernels and not psutil.wait_procs(kernels, timeout=PATIENCE)[1], "a kernel is left"
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert said == "course_lib: interrupted; 'run --resume' goes on from here\n"
    assert ran(counted) == "12"
    (notebooks / "broken").unlink()
    done = subprocess.run(
        command_line(notebooks, "run", "--resume", "--jobs", "1"),
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ran(counted) == "23"
    assert lessons_of(counted) == [("01", "ok"), ("02", "ok"), ("03", "ok")]
    assert [result in done.stdout for result in ("01_first", "02_second", "03_third")] == [True] * 3


def test_lessons_run_two_at_a_time(counted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "cores", lambda: 6)
    meet = """
import os, pathlib, time
pathlib.Path({own!r}).touch()
end = time.monotonic() + 600
while not pathlib.Path({other!r}).exists():
    assert time.monotonic() < end, "the other never came"
    time.sleep(0.02)
assert os.environ["OMP_NUM_THREADS"] == "3"
"""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    write_lesson(counted / "notebooks", "01_first", meet.format(own="one", other="two"))
    write_lesson(counted / "notebooks", "02_second", meet.format(own="two", other="one"))
    assert cli.main(["run"]) == 0
    assert lessons_of(counted) == [("01", "ok"), ("02", "ok"), ("03", "ok")]
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("options", [["--only", "01"], ["--only", "01", "--jobs", "2"]])
def test_a_lesson_that_runs_alone_has_all_cores(
    counted: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setattr(runner, "cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    code = "import os\nassert 'OMP_NUM_THREADS' not in os.environ"
    write_lesson(counted / "notebooks", "01_first", code)
    assert cli.main(["run", *options]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")
def test_an_interrupt_ends_all_lessons_that_run(counted: Path) -> None:
    import psutil

    notebooks = counted / "notebooks"
    slow = (
        "import pathlib, subprocess, sys\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "process = subprocess.Popen(command, start_new_session=True)\n"  # as torchrun does
        "pathlib.Path('begun{}').touch()\n"
        "process.wait()"
    )
    for name in ("02_second", "03_third"):
        write_lesson(notebooks, name, slow.format(name[:2]))
    command = command_line(notebooks, "run", "--jobs", "2")
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_for(process, lambda: len(list(notebooks.glob("begun*"))) == 2)
            kernels = psutil.Process(process.pid).children(recursive=True)  # and what they started
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=PATIENCE)[1].decode()
        finally:
            process.kill()
    assert (process.returncode, said[:25]) == (130, "course_lib: interrupted; ")
    assert len(kernels) == 4 and not psutil.wait_procs(kernels, timeout=PATIENCE)[1]
    assert lessons_of(counted) == [("01", "ok")]


def test_a_full_disk_ends_the_run_and_keeps_what_has_been_run(
    counted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (counted / "notebooks" / "broken").unlink()
    write_text = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if "03_third" in path.name or "03_third" in text:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_text(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert cli.main(["run", "--jobs", "1"]) == 2
    err = capsys.readouterr().err
    assert "cannot be written: No space left on device. Lessons that have been run are kept" in err
    assert "then go on with 'run --resume'" in err
    monkeypatch.undo()
    for name in ("notebooks_dir", "course_root"):
        folder = counted / "notebooks" if name == "notebooks_dir" else counted
        monkeypatch.setattr(paths, name, lambda folder=folder: folder)
    assert lessons_of(counted) == [("01", "ok"), ("02", "ok")]
    ran(counted)
    assert cli.main(["run", "--resume"]) == 0
    assert ran(counted) == "3"


def test_a_disk_that_fills_up_inside_a_lesson_ends_the_run(
    counted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import papermill

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(papermill, "execute_notebook", full)
    assert cli.main(["run"]) == 2
    assert "No space left on device. Lessons that have been run" in capsys.readouterr().err
    assert lessons_of(counted) == []


def test_a_folder_that_cannot_be_written_is_answered_with_another(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (course / "runs").write_text("a file where the folder should be")
    assert cli.main(["run"]) == 2
    err = capsys.readouterr().err
    assert f"{course / 'runs'} cannot be written: Not a directory. Name another folder" in err


@pytest.mark.skipif(sys.platform == "win32", reason="/dev/null is no place to live")
@pytest.mark.parametrize("home", ["/dev/null", None])
def test_no_home_folder_is_needed(notebooks: Path, home: str | None) -> None:
    import_all = "import matplotlib, IPython\nmatplotlib.get_cachedir()"
    write_lesson(notebooks, "01_first", import_all)
    given = {name: value for name, value in os.environ.items() if name != "HOME"}
    given |= {"HOME": home} if home else {}
    done = subprocess.run(
        command_line(notebooks, "run", "--only", "1"),
        env={**given, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (notebooks.parent / "runs").iterdir()
    assert "stderr" not in (folder / "01_first.ipynb").read_text(encoding="utf-8")


def test_a_user_without_a_home_folder_is_given_one_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with runner.kernel_environment():
        folders = {os.environ[name] for name in runner.HOMES}
        assert len(folders) == 1 and all(Path(folder).is_dir() for folder in folders)
    assert not any(Path(folder).exists() for folder in folders)
    assert runner.HOMES[0] not in os.environ
