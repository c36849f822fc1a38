"""Run the lessons without opening them: parameters checked at the door, then a page per lesson.

Parameters are plain values in the cell tagged ``parameters``; papermill runs a copy with others.
"""

import ast
import contextlib
import difflib
import errno
import hashlib
import json
import logging
import math
import os
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import filelock
import jinja2
import joblib
import nbformat
import papermill
import psutil
from jupyter_core.utils import ensure_event_loop
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_output
from papermill.translators import PythonTranslator

from course_lib import datasets, progress

Value = bool | int | float | str | list
Typed = Sequence[tuple[str, str]]  # names and values of parameters
Tables = dict[str, dict[str, Value]]  # of a preset: lesson, or "all", to parameters
KINDS = {bool: "true or false", int: "a whole number of 0 or more", float: "a finite number"}
KINDS |= {str: "a text", list: "a list"}
LESSON_PATTERN = "[0-9][0-9]_*.ipynb"
SUMMARY = "summary.json"
TEMPLATES = Path(__file__).with_name("templates")
VERDICT = re.compile(r"^(.+\?) ((?:holds|does not hold|too close to call): .+)$", re.MULTILINE)
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
QUIET = ["--IPKernelApp.log_level=50"]  # of a kernel, which else logs being shut down
CELL_TIMEOUT = 7200  # seconds a cell may take, where neither the caller nor the preset says so
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # full, over the quota, read-only


@dataclass(frozen=True)
class Lesson:
    """A lesson, and the default values of its parameters."""

    path: Path
    title: str
    parameters: dict[str, Value]
    sha256: str  # of its file, which tells whether it has changed since a run

    @property
    def name(self) -> str:
        """File name without its ending, such as ``08_full_fine_tuning``."""
        return self.path.stem


@dataclass
class Result:
    """What became of one lesson in a run."""

    lesson: str
    title: str
    parameters: dict[str, Value]
    sha256: str
    status: str = "ok"  # or "failed": a cell raised, took too long or ended its kernel
    seconds: float = 0.0
    verdicts: dict[str, str] = field(default_factory=dict)  # question to answer
    cell: int | None = None  # the failed cell, counted among the code cells of the saved lesson
    source: str = ""  # its first line
    error: str = ""


def read_parameters(source: str) -> dict[str, Value]:
    """Names and default values in a parameters cell, as papermill reads it: nothing is run."""
    found = {one.name: one.default for one in PythonTranslator.inspect(new_code_cell(source))}
    values, line = {}, source
    try:
        for line in map(ast.unparse, ast.parse(source).body):
            name = line.partition(" = ")[0]
            values[name] = ast.literal_eval(found[name])
            if type(values[name]) not in KINDS:
                raise ValueError
    except (KeyError, ValueError, SyntaxError):
        raise ValueError(f"in the parameters cell, {line!r} is no plain 'name = value'") from None
    return values


def read_lesson(path: Path) -> Lesson:
    """Read a lesson's title and parameters from its notebook."""
    try:
        content = path.read_bytes()
        cells = json.loads(content)["cells"]
        prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        titles = [line[2:].strip() for line in "\n".join(prose).split("\n") if line[:2] == "# "]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        source = "\n".join("".join(cell["source"]) for cell in tagged)
        values, digest = read_parameters(source), hashlib.sha256(content).hexdigest()
        return Lesson(path, (titles or [path.stem])[0], values, digest)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None


def find_lessons(folder: Path, only: Sequence[str] = ()) -> list[Lesson]:
    """Lessons of a folder in their order; of some numbers (``8`` or ``08``) or names, if given."""
    found = sorted(folder.glob(LESSON_PATTERN))
    if not found:
        raise ValueError(f"no lessons NN_name.ipynb in {folder}")
    asked = {wanted.zfill(2) for wanted in only}
    for wanted in only:
        if not any(wanted.zfill(2) in (path.stem, path.stem[:2]) for path in found):
            raise _unknown("lesson", wanted, {path.stem: path.stem for path in found})
    return [read_lesson(path) for path in found if not asked or asked & {path.stem, path.stem[:2]}]


def read_preset(folder: Path, name: str) -> tuple[Tables, int]:
    """Tables ``all`` and ``NN`` of one preset of ``presets.toml``; seconds that a cell may take."""
    try:
        presets = tomllib.loads((folder / "presets.toml").read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"presets.toml cannot be read: {error}") from None
    if name not in presets:
        raise _unknown("preset", name, {known: known for known in presets})
    tables = dict(presets[name])
    seconds = datasets.whole(f"cell_timeout of {name}", tables.pop("cell_timeout", CELL_TIMEOUT), 1)
    if odd := [key for key, table in tables.items() if not isinstance(table, dict)]:
        raise ValueError(f'presets.toml: {odd[0]!r} belongs in [{name}.all] or [{name}."NN"]')
    return tables, seconds


def plan(lessons: Sequence[Lesson], preset: Tables, overrides: Typed = ()) -> list[dict]:
    """Values that each lesson is run with instead of its own: the door, at which all is checked."""
    typed = dict(overrides)  # stronger than the preset
    every = {name: value for lesson in lessons for name, value in lesson.parameters.items()}
    known = {name: f"{name} ({type(value).__name__})" for name, value in sorted(every.items())}
    for name in typed.keys() - known.keys():
        raise _unknown("parameter", name, known)
    plans = []
    for lesson in lessons:
        own = preset.get(lesson.name[:2], {})
        for name in own.keys() - lesson.parameters.keys():
            raise ValueError(f"the preset gives {lesson.name} an unknown parameter {name!r}")
        given = {**preset.get("all", {}), **own, **typed}
        values = {}
        for name, default in lesson.parameters.items():
            if name in given:
                value = values[name] = _convert(name, given[name], default, name in typed)
                # A path starts where the person stands, but lessons run in their own folder.
                if name == "dataset" and value != default:
                    folder = datasets.find(value)
                    values[name] = value if value in datasets.KNOWN else str(folder)
                elif name == "model_file" and value:
                    values[name] = str(Path(value).expanduser().absolute())
        plans.append(values)
    return plans


def _convert(name: str, value: Value, default: Value, typed: bool = False) -> Value:
    """Give a value, perhaps a text as typed, the type of the parameter's default, or refuse it."""
    kind, read = type(default), value
    with contextlib.suppress(ValueError, SyntaxError, TypeError):
        if typed and kind is not str:
            read = ast.literal_eval({"true": "True", "false": "False"}.get(value.lower(), value))
        read = float(read) if kind is float and type(read) is int else read
        if kind is list and default and type(read) is list:
            read = [_convert(name, item, default[0]) for item in read]
        negative = kind is int and read < 0
        if type(read) is kind and not negative and (kind is not float or math.isfinite(read)):
            return read
    raise ValueError(f"parameter {name!r} is {KINDS[kind]} (default {default!r}), not {value!r}")


def _unknown(what: str, wrong: str, names: Mapping[str, str]) -> ValueError:
    """Say that there is no such thing, and what there is: ``names``, each as it is shown."""
    close = difflib.get_close_matches(wrong, list(names), n=1)
    near = f" Did you mean {close[0]!r}?" if close else ""
    return ValueError(f"no {what} {wrong!r}.{near} There are {', '.join(names.values()) or 'none'}")


@contextlib.contextmanager
def kernel_environment(jobs: int = 1) -> Iterator[None]:
    """Set what kernels inherit: no bars, this course and Python, and a share of the cores each."""
    course, jupyter = Path(__file__).resolve().parents[2], Path(sys.prefix, "share", "jupyter")
    # The second is a debugger's advice, in each kernel. At the end all is as before.
    with patch.dict(os.environ, COURSE_LIB_PROGRESS="0", PYDEVD_DISABLE_FILE_VALIDATION="1"):
        for name, first in (("PYTHONPATH", course), ("JUPYTER_PATH", jupyter)):
            os.environ[name] = os.pathsep.join(filter(None, [str(first), os.environ.get(name)]))
        if own := os.environ.get(datasets.HYMENOPTERA_DIR):
            os.environ[datasets.HYMENOPTERA_DIR] = str(Path(own).expanduser().absolute())
        if jobs > 1:
            os.environ.setdefault("OMP_NUM_THREADS", str(max(1, joblib.cpu_count() // jobs)))
        yield


def run_lesson(lesson: Lesson, values: dict[str, Value], folder: Path, cell_timeout: int) -> Result:
    """Run a copy of one lesson in a folder, in a `kernel_environment`, and make its page."""
    result = Result(lesson.name, lesson.title, values, lesson.sha256)
    copy = folder / lesson.path.name
    _log(f"{lesson.name}: started")
    started = time.perf_counter()
    how = {"kernel_name": "python3", "language": "python", "progress_bar": False}
    how |= {"cwd": lesson.path.parent, "execution_timeout": cell_timeout, "extra_arguments": QUIET}
    try:
        notebook = nbformat.read(lesson.path, as_version=4)
        path = str(copy).replace("{", "{{").replace("}", "}}")  # papermill formats it
        with contextlib.closing(ensure_event_loop()):  # Jupyter's, one for each thread
            papermill.execute_notebook(notebook, path, values, **how)
    except papermill.PapermillExecutionError as error:
        result.error = f"{error.ename}: {error.evalue}".strip()
    except Exception as error:  # a cell out of time, or a kernel that died or never started
        if getattr(error, "errno", None) in DISK_ERRORS:
            raise  # the lessons after this one would fare no better
        result.error = f"{type(error).__name__}: {error}"
    result.seconds = round(time.perf_counter() - started, 1)
    if result.error:
        result.status, result.error = "failed", result.error.splitlines()[0]
    if copy.exists():
        executed = nbformat.read(copy, as_version=4)
        code = [cell for cell in executed.cells if cell.cell_type == "code"]
        own = [cell for cell in code if "injected-parameters" not in cell.metadata.get("tags", [])]
        begun = [cell for cell in own if cell.metadata.get("papermill", {}).get("start_time")]
        if result.error and begun:  # find the cell that ran last, and show the error there
            result.cell, result.source = len(begun), begun[-1].source.partition("\n")[0]
            name, _, text = result.error.partition(": ")
            if name not in [output.get("ename") for output in begun[-1].outputs]:  # by papermill
                shown = {"ename": name, "evalue": text, "traceback": [result.error]}
                begun[-1].outputs.append(new_output("error", **shown))
            nbformat.write(executed, copy)
        result.verdicts = verdicts(executed)
        exporter = HTMLExporter(template_name="lab", template_file=str(TEMPLATES / "lesson.html"))
        page, _ = exporter.from_notebook_node(executed, {"metadata": {"name": lesson.title}})
        write(copy.with_suffix(".html"), page)
    _log(f"{lesson.name}: {result.status} after {result.seconds} s")
    return result


def _log(line: str) -> None:
    """Print a line where no terminal shows a bar, as in the log of CI, at once and in one piece."""
    if not sys.stderr.isatty():
        print(line + "\n", end="", flush=True)


def render(template: str, **values: Any) -> str:
    """Fill in a template; in one of HTML, the values are escaped."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    how = {"autoescape": template.endswith(".html"), "keep_trailing_newline": True}
    return jinja2.Template(text, **how).render(values)


def write(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    with datasets.written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def save(lesson: Lesson, cell_timeout: int = CELL_TIMEOUT) -> Result:
    """Run a lesson afresh, and keep its outputs in the lesson itself, unless a cell fails."""
    with tempfile.TemporaryDirectory() as folder, kernel_environment():
        result = run_lesson(lesson, {}, Path(folder), cell_timeout)
        if not result.error:
            executed = nbformat.read(Path(folder, lesson.path.name), as_version=4)
            # As JupyterLab has it, so that opening changes nothing, and without what is of one run.
            language = executed.metadata.language_info
            executed.metadata = {"kernelspec": KERNEL, "language_info": language}
            for cell in executed.cells:
                kept = {name: cell.metadata.get(name) for name in ("jupyter", "tags")}
                cell.metadata = {name: value for name, value in kept.items() if value}
            write(lesson.path, nbformat.writes(executed) + "\n")
    return result


def run(
    notebooks: Path,
    output: Path,
    *,
    preset: str = "default",
    overrides: Typed = (),
    only: Sequence[str] = (),
    cell_timeout: int | None = None,
    jobs: int | None = None,
    folder: Path | None = None,
    before: Sequence[Result] = (),
    language: str = "en",
) -> tuple[Path, list[Result]]:
    """Run lessons in a new folder in ``output``, or go on in ``folder`` with results of before."""
    lessons = find_lessons(notebooks if language == "en" else notebooks / language, only)
    tables, allowed = read_preset(notebooks, preset)
    plans = plan(lessons, tables, overrides)
    typed = dict(overrides)
    for values in plans:  # paths are absolute there: the run may be resumed from another folder
        typed |= {name: v for name, v in values.items() if name in typed and isinstance(v, str)}
    request = {"preset": preset, "overrides": [*typed.items()], "only": only, "language": language}
    if folder is None:
        folder = output.resolve() / datetime.now().isoformat("T", "milliseconds").replace(":", "-")
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            what = f"{output} cannot be written: {error.strerror}"
            raise ValueError(f"{what}. Name another folder with --output") from None
    work = list(zip(lessons, plans, strict=True))
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            return folder, _run_in(folder, work, request, cell_timeout or allowed, jobs, before)
    except filelock.Timeout:
        raise ValueError(f"the run in {folder} is still going on: wait for it") from None
    except OSError as error:
        what = f"{error.filename or folder} cannot be written: {error.strerror or error}"
        kept = f"Lessons that have been run are kept in {folder}"
        raise ValueError(f"{what}. {kept}. Fix that, then go on with 'run --resume'") from None


def asked_before(output: Path, folder: Path | None) -> dict[str, Any]:
    """What `run` needs to go on with the run in ``folder``, or with the newest in ``output``."""
    if folder is None:
        begun = sorted(output.glob(f"*/{SUMMARY}"), key=lambda path: path.stat().st_mtime_ns)
        if not begun:
            raise ValueError(f"there is no run in {output} to go on with: start one without it")
        folder = begun[-1].parent
    try:
        about = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        asked = {name: about[name] for name in ("preset", "overrides", "only", "language")}
        before = [Result(**result) for result in about["lessons"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{folder / SUMMARY} is missing, damaged, or of an older course"
        raise ValueError(f"{what} ({error}): start a new run") from None
    return {**asked, "folder": folder.resolve(), "before": before}


def _run_in(folder: Path, work: list, request: dict, limit: int, jobs, before) -> list[Result]:
    """Run in a folder what has not succeeded there before; after each lesson, say how far it is."""
    done = {result.lesson: result for result in before}

    def note() -> list[Result]:
        results = [done[lesson.name] for lesson, _ in work if lesson.name in done]
        now = request | {"started": folder.name, "lessons": [asdict(done[n]) for n in sorted(done)]}
        write(folder / SUMMARY, json.dumps(now, indent=2, ensure_ascii=False) + "\n")
        write(folder / "index.html", render("index.html", folder=folder, results=results))
        return results

    results = note()  # an interrupted run can be found from its first moment on
    calls = []
    for lesson, values in work:
        was, copy = done.get(lesson.name), folder / lesson.path.name
        good = was and (was.status, was.sha256, was.parameters) == ("ok", lesson.sha256, values)
        if not (good and copy.is_file() and copy.with_suffix(".html").is_file()):
            calls.append((lesson, values, folder, limit))
    # Much of a lesson is work for one core, such as imports; one that runs alone has all cores.
    jobs = min(jobs or min(2, joblib.cpu_count()), max(1, len(calls)))
    ended = progress.bar(_as_they_end(calls, jobs), "lessons", total=len(calls))
    with kernel_environment(jobs):
        for result in ended:
            done[result.lesson] = result
            results = note()
    return results


def _as_they_end(calls: Sequence[tuple], jobs: int) -> Iterator[Result]:
    """Run some lessons at a time; Ctrl-C or a full disk ends their kernels, and all these began."""
    started_here = psutil.Process().children
    before = started_here(recursive=True)
    with ThreadPoolExecutor(jobs) as pool:
        begun = [pool.submit(run_lesson, *call) for call in calls]
        try:
            for call in as_completed(begun):
                yield call.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            logging.disable()  # that kernels die is no news now
            while not all(call.done() for call in begun):
                for process in set(started_here(recursive=True)).difference(before):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                wait(begun, timeout=0.05)
            logging.disable(logging.NOTSET)
            raise


def verdicts(executed: Any) -> dict[str, str]:
    """Questions of an executed lesson that `report.verdict` answered, with their answers."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    return dict(VERDICT.findall("\n".join(output.get("text", "") for output in outputs)))


def summary(results: Sequence[Result]) -> str:
    """Table of the results for the terminal, each with its verdicts, and then the failures."""
    return render("summary.txt", results=results).rstrip("\n")
