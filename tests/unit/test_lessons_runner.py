"""The runner, tried on tiny lessons; where no kernel is needed, a stand-in runs them."""

import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import nbformat
import psutil
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell
from notebook_code import write_notebook

from course_lib import datasets
from course_lib.tools import cli, lessons

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds for another process to end on a busy computer; less than they sleep
PRESETS = """
default = {}
smoke = {cell_timeout = 500, all = {epochs = 1, rate = 1}, 05 = {epochs = 2}}
wrong = {02 = {width = 3}}
mistyped = {all = {epochs = 1.5}}
flat = {epochs = 1}
never = {cell_timeout = 0}
"""
RESULT = "for q, a in {%s}.items(): print(f'{q}? holds: {a}')\n"
FIGURE = "display({%r: 'AAAA', 'text/plain': 'x'}, raw=True, metadata={%r: {'alt': %r}})\n"
ALTS = {"image/png": "Two <ants> meet", "image/jpeg": 'Two "ants" meet'}
GIVEN = "epochs = 3  # times\nrate = 0.5\nshuffle = True\nname = 'a'\ncounts = [1, 2]"
SEEN = RESULT % (
    "'python': sys.executable, 'bar': __import__('os').environ['COURSE_LIB_PROGRESS'],"
    "'folder': pathlib.Path.cwd().name, 'lib': course_lib.__file__, 'epochs': epochs"
)


def answers(said: dict) -> dict[str, str]:
    return {f"{question}?": f"holds: {answer}" for question, answer in said.items()}


def write_lesson(folder: Path, name: str, *sources: str, parameters: str = "epochs = 3") -> Path:
    cells = [new_markdown_cell(f"# Learn <i>{name}</i>\n\nText.")]
    if parameters:
        cells += [new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    return write_notebook(folder / f"{name}.ipynb", *cells, *sources)


def new_course(folder: Path) -> Path:
    course = folder / "迁移 学习 {course}"
    (course / "notebooks").mkdir(parents=True)
    (course / "notebooks" / "presets.toml").write_text(PRESETS, encoding="utf-8")
    return course


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command line, pointed at two tiny lessons; gives the course's folder."""
    course = new_course(tmp_path)
    write_lesson(course / "notebooks", "01_first", "1 + 1", parameters=GIVEN)
    paths = "epochs = 3\ndataset = 'grounds'\nmodel_file = ''"
    write_lesson(course / "notebooks", "02_second", "2 + 2", parameters=paths)
    monkeypatch.setattr(datasets, "course_root", lambda: course)
    monkeypatch.chdir(tmp_path)
    return course


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Runs lessons without kernels: notes their names, fails in those that are ``broken``."""
    noted = SimpleNamespace(ran=[], broken=set(), before=lambda lesson: None)

    def run(lesson: lessons.Lesson, values: dict, folder: Path, limit: int) -> lessons.Result:
        noted.before(lesson.name)
        noted.ran.append(lesson.name[:2])
        result = lessons.Result(lesson.name, lesson.title, values, lesson.sha256)
        if lesson.name[:2] in noted.broken:
            result.status, result.error = "failed", "Broken: still"
        result.verdicts, result.seconds = {"epochs?": f"holds: {values.get('epochs', 3)}"}, limit
        for kind in ("ipynb", "html"):
            (folder / f"{lesson.name}.{kind}").touch()
        return result

    monkeypatch.setattr(lessons, "run_lesson", run)
    return noted


@pytest.mark.parametrize(("given", "expected"), [
    (["-p", "epoch", "3"], ["'epoch'", "Did you mean 'epochs'", "epochs (int), model"]),
    *((["-p", "epochs", text], ["'epochs'", "a whole number of 0 or more", repr(text)])
      for text in ("many", "2.5", "true", "-1")),
    (["-p", "shuffle", "1"], ["'shuffle'", "true or false"]),
    *((["-p", "rate", text], ["'rate'", "a finite number"]) for text in ("fast", "1e999")),
    *((["-p", "counts", text], ["'counts'", "a list"]) for text in ("3", "[1, 'two']")),
    (["--only", "2", "-p", "rate", "1"], ["no parameter 'rate'"]),
    (["-p", "dataset", "insect"], ["unknown dataset 'insect': did you mean 'insects'?"]),
    (["-p", "dataset", ""], ["unknown dataset ''"]),
    (["-p", "dataset", "."], ["no train/"]),
    (["-p", "model_file", "."], ["'model_file'", "it is a folder"]),
    (["-p", "model_file", "a_file/m.safetensors"], ["'model_file'", "a_file is no folder"]),
    (["--preset", "smok"], ["'smok'", "Did you mean 'smoke'"]),
    (["--preset", "wrong"], ["02_second", "'width'"]),
    (["--preset", "mistyped"], ["'epochs'", "1.5"]),
    (["--preset", "flat"], ["'epochs'", "[flat.all]"]),
    (["--preset", "never"], ["cell_timeout of never is 0: expected a whole number of 1"]),
    (["--only", "3"], ["no lesson '3'", "01_first, 02_second"]),
    (["--only", "02_secnd"], ["Did you mean '02_second'"]),
    *((["--cell-timeout", text], ["--cell-timeout"]) for text in ("0", "soon")),
    (["-p", "epochs"], ["expected 2 arguments"]),
    (["--unknown"], ["--unknown"]),
    (["--resume"], ["there is no run in"]),
    (["--resume", "nowhere"], ["nowhere", "summary.json is missing, damaged", "No such file"]),
    (["--resume", "--only", "1"], ["give no --only, --preset, --lang or -p"]),
    (["--resume", "--preset", "smoke"], ["give no --only, --preset, --lang or -p"]),
    (["--output", "a_file"], ["a_file cannot be written: Not a directory. Name another"]),
])  # fmt: skip
def test_a_wrong_request_is_one_line_and_writes_nothing(course, capsys, given, expected) -> None:
    Path("a_file").touch()
    before = sorted(Path.cwd().rglob("*"))
    with pytest.raises(SystemExit, match=r"\A2\Z"):
        sys.exit(cli.main(["run", *given]))
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and err.startswith("course_lib: ")
    assert [text for text in expected if text not in err] == [], err
    assert sorted(Path.cwd().rglob("*")) == before


def test_parameters_are_read_and_what_is_typed_is_stronger_than_presets_and_takes_the_type(course):
    found = lessons.find_lessons(course / "notebooks")
    tables, seconds = lessons.read_preset(course / "notebooks", "smoke")
    assert seconds == 500 and lessons.read_preset(course / "notebooks", "default") == ({}, 7200)
    typed = [("epochs", "8"), ("epochs", "9"), ("shuffle", "FALSE"), ("counts", "[5]")]
    first, second = lessons.plan(found, tables, typed)
    assert first == {"epochs": 9, "rate": 1.0, "shuffle": False, "counts": [5]}
    assert second == {"epochs": 9} and type(first["rate"]) is float
    typed = [("name", "7"), ("rate", "1e-3")]
    assert lessons.plan(found, {}, typed)[0] == {"rate": 0.001, "name": "7"}
    source = "# comment\nepochs = 3  # note\nrate = -1e-3\nname = 'a b'\nquick = False\nmany = [1]"
    read = lessons.read_parameters(source)
    assert read == {"epochs": 3, "rate": -0.001, "name": "a b", "quick": False, "many": [1]}
    assert lessons.read_parameters("") == {}


def test_paths_start_where_the_person_stands(course, stand_in, tmp_path, monkeypatch) -> None:
    insects = course / "data" / datasets.KNOWN["insects"]
    for folder in (Path("mine"), Path("home", "yours"), insects):
        for split in ("train", "val"):
            (folder / split).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (lesson,) = lessons.find_lessons(course / "notebooks", ["2"])
    for name, value, expected in (
        ("dataset", "mine", tmp_path / "mine"),
        ("dataset", "~/yours", tmp_path / "home" / "yours"),
        ("dataset", "grounds", "grounds"),  # the lesson's own
        ("dataset", "insects", "insects"),
        ("model_file", "new/m.st", tmp_path / "new" / "m.st"),
        ("model_file", "~/m.st", tmp_path / "home" / "m.st"),
        ("model_file", "", ""),
    ):
        assert lessons.plan([lesson], {}, [(name, value)]) == [{name: str(expected)}]
    stand_in.broken.add("02")
    assert cli.main(["run", "-p", "dataset", "mine", "-p", "epochs", "7", "--only", "2"]) == 1
    monkeypatch.chdir(tmp_path / "home")  # a run is resumed with the same folder from anywhere
    stand_in.broken.clear()
    assert cli.main(["run", "--resume"]) == 0
    (done,) = lessons.asked_before(course / "runs", None)["before"]
    assert done.parameters == {"epochs": 7, "dataset": str(tmp_path / "mine")}
    assert states(course) == "02"


@pytest.mark.parametrize(
    "value",
    ["int(3)", "None", "a = 1", "1j", "", "'a=b'", "'a#b'", "3\nimport os", "3\nfirst: int = 3"],
)
def test_a_parameters_cell_must_be_plain(course: Path, value: str) -> None:
    path = write_lesson(course, "03_third", parameters=f"epochs = {value}")
    with pytest.raises(ValueError, match=r"03_third\.ipynb cannot be read: in the parameters cell"):
        lessons.read_lesson(path)


def test_files_that_cannot_be_read_are_named(course: Path, tmp_path: Path) -> None:
    damaged = r"summary\.json is missing, damaged, or of an older c"
    for text in ("{", "[]", '{"preset": "default"}'):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(ValueError, match=damaged):
            lessons.asked_before(course, tmp_path)
    (course / "notebooks" / "03_third.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"03_third\.ipynb cannot be read"):
        lessons.find_lessons(course / "notebooks")
    (tmp_path / "presets.toml").write_text("[default")
    with pytest.raises(ValueError, match=r"presets\.toml cannot be read: "):
        lessons.read_preset(tmp_path, "default")
    with pytest.raises(ValueError, match="no lessons"):
        lessons.find_lessons(tmp_path)


@pytest.mark.parametrize("wanted", [["--only", "2"], ["--only", "02"], ["--only", "02_second"]])
def test_only(course: Path, stand_in: SimpleNamespace, wanted: list[str]) -> None:
    assert cli.main(["run", *wanted]) == 0 and stand_in.ran == ["02"]
    assert cli.main(["run", "--jobs", "1", "--only", "2,01", *wanted]) == 0
    assert stand_in.ran == ["02", "01", "02"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run of four lessons, of which one raises and one ends its kernel; all that came of it."""
    course = new_course(tmp_path_factory.mktemp("run"))
    notebooks = course / "notebooks"
    shown = RESULT % "'epochs': epochs, 'rate': rate, 'shuffle': shuffle, 'name': name"
    figures = "".join(FIGURE % (mime, mime, alt) for mime, alt in ALTS.items())
    raising = ("print('begun')", "raise ValueError('no ants\\nat all')", "print('never')")
    write_lesson(notebooks, "01_first", shown, figures, parameters=GIVEN)
    write_lesson(notebooks, "02_raises", *raising)
    write_lesson(notebooks, "03_dies", "print('begun')", "import os\nos._exit(1)", parameters="")
    write_lesson(notebooks, "05_last", "import sys, pathlib, course_lib\n" + SEEN)
    lesson_files = {path: path.read_bytes() for path in notebooks.iterdir()}
    out, err = io.StringIO(), io.StringIO()
    given = ["--preset", "smoke", "-p", "name", 'a "b" \\ 蚂蚁', "-p", "shuffle", "false"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "course_root", lambda: course)
        patch.delenv("COURSE_LIB_PROGRESS", raising=False)
        before = dict(os.environ)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(["run", *given, "--output", str(course / "输出 {x}")])
        assert dict(os.environ) == before
    assert {path: path.read_bytes() for path in notebooks.iterdir()} == lesson_files
    (folder,) = (course / "输出 {x}").iterdir()
    about = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    results = {lesson["lesson"]: lesson for lesson in about["lessons"]}
    index = BeautifulSoup((folder / "index.html").read_text("utf-8"), "html.parser")
    said = {"out": out.getvalue(), "err": err.getvalue(), "index": index}
    return SimpleNamespace(code=code, folder=folder, results=results, about=about, **said)


def test_a_run_keeps_all_logs_it_and_describes_figures_with_this_python_in_its_folder(finished):
    assert (finished.code, finished.err) == (1, "")
    assert list(finished.results) == ["01_first", "02_raises", "03_dies", "05_last"]
    files = {f"{name}.{kind}" for name in finished.results for kind in ("html", "ipynb")}
    left = {path.name for path in finished.folder.iterdir()}
    assert left == files | {"index.html", "summary.json", ".lock"}
    assert finished.about["preset"] == "smoke"
    said = {"epochs": 1, "rate": 1.0, "shuffle": False, "name": 'a "b" \\ 蚂蚁'}
    assert finished.results["01_first"]["verdicts"] == answers(said)
    index = finished.index
    links = {link["href"]: link.text for link in index.select("th a")}
    assert links == {f"{name}.html": f"Learn <i>{name}</i>" for name in finished.results}
    for question, answer in answers(said).items():
        assert f"{question} {answer}" in index.text
        assert f"\n    {question} {answer}\n" in finished.out
    assert f"pages: {finished.folder / 'index.html'}\n" in finished.out
    lines = finished.out.partition("lesson  ")[0].splitlines()
    for name, result in finished.results.items():
        begins = lines.index(f"{name}: started")
        assert begins < lines.index(f"{name}: {result['status']} after {result['seconds']} s")
    assert len(lines) == 2 * len(finished.results)
    text = (finished.folder / "01_first.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    found = {image["src"]: image["alt"] for image in page.select("img")}
    assert found == {f"data:{mime};base64,AAAA": alt for mime, alt in ALTS.items()}
    assert page.title.string == "Learn <i>01_first</i>"
    said = {"python": sys.executable, "bar": "0", "folder": "notebooks", "epochs": 2}
    said |= {"lib": str(ROOT / "course_lib" / "__init__.py")}
    assert finished.results["05_last"]["verdicts"] == answers(said)


@pytest.mark.parametrize(("name", "cell", "line", "error"), [
    ("02_raises", 3, "raise ValueError('no ants\\nat all')", "ValueError: no ants"),
    ("03_dies", 2, "import os", "DeadKernelError: "),
])  # fmt: skip
def test_a_failing_lesson_shows_how_far_it_came(finished, name, cell, line, error) -> None:
    assert finished.results["05_last"]["status"] == "ok"  # the others go on
    result = finished.results[name]
    assert (result["status"], result["cell"], result["source"]) == ("failed", cell, line)
    failure = f"failed: {name}, cell {cell} ({line}): {error}"
    assert failure in finished.out and failure in finished.index.text
    partial = nbformat.read(finished.folder / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in partial.cells for output in cell.get("outputs", [])]
    assert outputs[0].text == "begun\n" and "never" not in str(outputs)
    kind = error.partition(":")[0]
    assert [output.get("ename") for output in outputs].count(kind) == 1
    assert kind in (finished.folder / f"{name}.html").read_text(encoding="utf-8")


def test_a_cell_that_takes_too_long_fails_and_save_keeps_fresh_outputs_only(course, capsys):
    write_lesson(course / "notebooks", "04_hangs", "import time\ntime.sleep(600)", parameters="")
    assert cli.main(["run", "--only", "4", "--cell-timeout", "1"]) == 1
    said = "failed: 04_hangs, cell 1 (import time): CellTimeoutError: A cell timed out"
    assert said in capsys.readouterr().out
    path = write_lesson(course / "notebooks", "02_second", "2 + 2")
    broken = write_lesson(course / "notebooks", "03_broken", "print('begun')", "1 / 0")
    before, was_broken = nbformat.read(path, as_version=4), broken.read_bytes()
    assert cli.main(["save", "--only", "02,03"]) == 1 and broken.read_bytes() == was_broken
    assert "03_broken, cell 3 (1 / 0): ZeroDivisionError" in capsys.readouterr().out
    after = nbformat.read(path, as_version=4)
    assert [cell.source for cell in after.cells] == [cell.source for cell in before.cells]
    assert [cell.get("execution_count") for cell in after.cells] == [None, 1, 2]
    assert after.cells[2].outputs and set(after.metadata) == {"kernelspec", "language_info"}
    assert [dict(cell.metadata) for cell in after.cells] == [{}, {"tags": ["parameters"]}, {}]
    assert {path.suffix for path in path.parent.iterdir()} == {".ipynb", ".toml"}


@pytest.fixture
def six(course: Path) -> Path:
    for number in range(3, 7):
        write_lesson(course / "notebooks", f"0{number}_more", "1")
    return course


def states(course: Path) -> str:
    """Numbers of the lessons in the summary of the one run there is; minus: failed."""
    (folder,) = (course / "runs").iterdir()
    about = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".lock"]
    return " ".join("-" * (r["status"] != "ok") + r["lesson"][:2] for r in about["lessons"])


def test_resume_runs_what_failed_is_missing_or_has_changed(six, stand_in, capsys) -> None:
    stand_in.broken.add("02")
    assert cli.main(["run", "-p", "epochs", "7", "--cell-timeout", "9"]) == 1
    assert states(six) == "01 -02 03 04 05 06"
    (folder,) = (six / "runs").iterdir()
    stand_in.broken.clear()
    write_lesson(six / "notebooks", "03_more", "another")
    (folder / "04_more.html").unlink()
    (folder / "05_more.ipynb").unlink()
    presets = six / "notebooks" / "presets.toml"
    presets.write_text(PRESETS.replace("default = {}", "default = {01 = {rate = 4}}"), "utf-8")
    stand_in.ran.clear()
    capsys.readouterr()
    assert cli.main(["run", "--jobs", "1", "--resume"]) == 0
    assert stand_in.ran == ["01", "02", "03", "04", "05"] and states(six) == "01 02 03 04 05 06"
    table = capsys.readouterr().out.splitlines()
    kept = [line.split() for line in table if "0" in line[:1]]  # what was kept is there as well
    assert [line[1] for line in kept] == 5 * ["7200.0"] + ["9.0"]
    assert {line.strip() for line in table if "epochs?" in line} == {"epochs? holds: 7"}
    assert cli.main(["run", "--resume", str(folder)]) == 0
    assert stand_in.ran == ["01", "02", "03", "04", "05"]
    again = lessons.asked_before(six / "runs", folder) | {"only": ["02"]}
    assert len(lessons.run(six / "notebooks", six / "runs", **again)[1]) == 1
    assert states(six) == "01 02 03 04 05 06"  # runs of the others are not forgotten


def test_only_one_process_is_in_a_run(course: Path, stand_in: SimpleNamespace, capsys) -> None:
    stand_in.before = lambda lesson: cli.main(["run", "--resume"])
    assert cli.main(["run", "--only", "1"]) == 0 and stand_in.ran == ["01"]
    assert "is still going on: wait for it" in capsys.readouterr().err
    # Who waits for the file .lock has it open: were it gone, the next one would lock another.
    assert states(course) == "01"


def test_lessons_run_two_at_a_time_under_a_bar(course, stand_in, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COURSE_LIB_PROGRESS", "1")
    monkeypatch.setattr(lessons.joblib, "cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    both, threads = threading.Barrier(2, timeout=60), []

    def meet(lesson: str) -> None:
        both.wait()
        threads.append(os.environ["OMP_NUM_THREADS"])

    stand_in.before = meet
    assert cli.main(["run"]) == 0 and "lessons:   0%" in capsys.readouterr().err
    assert threads == ["3", "3"] and "OMP_NUM_THREADS" not in os.environ
    stand_in.before = lambda lesson: threads.append("OMP_NUM_THREADS" in os.environ)
    assert cli.main(["run", "--only", "01", "--jobs", "2"]) == 0  # alone: it has all cores
    assert cli.main(["run", "--jobs", "1"]) == 0 and threads[2:] == [False, False, False]


def test_a_full_disk_ends_a_run_and_keeps_what_has_run(six, stand_in, monkeypatch, capsys) -> None:
    write_text = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if "04_more" in text:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_text(path, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert cli.main(["run", "--jobs", "1"]) == 2
    err = capsys.readouterr().err
    assert "cannot be written: No space left on device. Lessons that have been run are kept" in err
    assert "then go on with 'run --resume'" in err and err.count("\n") == 1
    assert states(six) == "01 02 03"
    stand_in.ran.clear()
    assert cli.main(["run", "--resume"]) == 0 and stand_in.ran == ["04", "05", "06"]


def test_a_disk_that_fills_up_inside_a_lesson_ends_the_run(course, monkeypatch, capsys) -> None:
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(lessons.papermill, "execute_notebook", full)
    assert cli.main(["run"]) == 2 and states(course) == ""
    assert "No space left on device. Lessons that have been run" in capsys.readouterr().err


MARK = "import pathlib\nwith pathlib.Path('ran.txt').open('a') as file: file.write({!r})"
SLOW = """
import pathlib, subprocess, sys, time
if pathlib.Path('broken').exists():
    other = [sys.executable, '-c', 'import time; time.sleep(600)']
    subprocess.Popen(other, start_new_session=True)  # as torchrun does
    pathlib.Path('begun{0}').touch()
    time.sleep(600)
"""
COMMAND = """
import signal, sys; from pathlib import Path
from course_lib import datasets; from course_lib.tools import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
datasets.course_root = lambda: Path(sys.argv[1])
sys.exit(cli.main(["run", "--jobs", "2"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=lambda kind: kind.name)
def test_an_interrupted_run_keeps_what_it_has_and_resumes(course, monkeypatch, capsys, kind):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebooks = course / "notebooks"
    write_lesson(notebooks, "01_first", MARK.format("1"))
    for name in ("02_second", "03_third"):
        write_lesson(notebooks, name, MARK.format(name[1]), SLOW.format(name[1]))
    (notebooks / "broken").touch()
    command, said, started = [sys.executable, "-c", COMMAND, course], Path("said"), []
    with said.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            while len(list(notebooks.glob("begun*"))) < 2:
                assert process.poll() is None, "it ended before the lessons began"
                time.sleep(0.02)
            started = psutil.Process(process.pid).children(recursive=True)
            kernels = [one for one in started if "ipykernel_launcher" in one.cmdline()]
            assert len(kernels) == 2 and len(started) == 4
            process.send_signal(kind)
            process.wait(PATIENCE)
            ended = started if kind == signal.SIGINT else kernels
            assert not psutil.wait_procs(ended, timeout=PATIENCE)[1], "a process is left"
        finally:
            for one in (process, *started):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
    if kind == signal.SIGINT:
        assert process.returncode == 130
        advice = "course_lib: interrupted; 'run --resume' goes on from here\n"
        assert said.read_text().endswith(" s\n" + advice)
    assert states(course) == "01"
    (notebooks / "broken").unlink()
    (notebooks / "ran.txt").unlink()
    assert cli.main(["run", "--resume", "--jobs", "1"]) == 0
    assert (notebooks / "ran.txt").read_text() == "23" and states(course) == "01 02 03"
    assert capsys.readouterr().out.startswith("02_second: started\n02_second: ok after ")
