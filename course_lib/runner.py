"""Run the lessons without opening them: parameters checked first, then one page per lesson.

A lesson is a notebook ``NN_name.ipynb``. Its parameters are the plain values in the cell tagged
``parameters``. papermill runs a copy with other values; the lesson itself is never changed.
A cell hands its key numbers to the runner with ``course_lib.report.key_numbers``.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import errno
import hashlib
import json
import logging
import math
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from course_lib import progress
from course_lib.pages import Result, Value, index_page, lesson_page

LESSON_PATTERN = "[0-9][0-9]_*.ipynb"
SUMMARY = "summary.json"


class RunnerError(ValueError):
    """What was asked for cannot be run; the message is for the person who asked."""


@dataclass(frozen=True)
class Lesson:
    """A lesson and the default values of its parameters."""

    path: Path
    title: str
    parameters: dict[str, Value]

    @property
    def name(self) -> str:
        """File name without its ending, such as ``08_full_fine_tuning``."""
        return self.path.stem


def read_parameters(source: str) -> dict[str, Value]:
    """Read the values in a parameters cell without running it.

    Parameters
    ----------
    source : str
        Lines ``name = value`` with a bool, int, float or string each; comments may stand between.

    Returns
    -------
    dict of str to bool, int, float or str
        The values in their order.

    Raises
    ------
    RunnerError
        If a line is anything else.
    """
    values: dict[str, Value] = {}
    try:
        for line in ast.parse(source).body:
            match line:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    values[name] = ast.literal_eval(value)
                case _:
                    raise ValueError
            if type(values[name]) not in (bool, int, float, str):
                raise ValueError
    except SyntaxError as error:
        raise RunnerError(f"the parameters cell is not Python: {error}") from None
    except ValueError:
        raise RunnerError(
            f"in the parameters cell, {ast.unparse(line)!r} is no plain value"
        ) from None
    return values


def read_lesson(path: Path) -> Lesson:
    """Read a lesson's title and parameters from its notebook."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        prose = [_source(cell) for cell in cells if cell["cell_type"] == "markdown"]
        headings = [line[2:].strip() for line in _lines(prose) if line.startswith("# ")]
        tagged = [_source(cell) for cell in cells if "parameters" in _tags(cell)]
        return Lesson(path, (headings or [path.stem])[0], read_parameters("\n".join(tagged)))
    except (ValueError, KeyError, TypeError) as error:
        raise RunnerError(f"{path.name} cannot be read: {error}") from None


def _source(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])


def _lines(texts: Iterable[str]) -> Iterator[str]:
    return (line for text in texts for line in text.splitlines())


def _tags(cell: Mapping[str, Any]) -> Sequence[str]:
    return cell.get("metadata", {}).get("tags", [])


def find_lessons(folder: Path, only: Iterable[str] = ()) -> list[Lesson]:
    """Lessons of a folder in their order.

    Parameters
    ----------
    folder : Path
        The folder ``notebooks/``.
    only : iterable of str
        Numbers (``8`` or ``08``) or names of the wanted lessons; all of them when empty.

    Returns
    -------
    list of Lesson
        At least one.

    Raises
    ------
    RunnerError
        If there is no lesson, or none with a wanted number or name.
    """
    found = sorted(folder.glob(LESSON_PATTERN))
    if not found:
        raise RunnerError(f"no lessons NN_name.ipynb in {folder}")
    chosen = set()
    for wanted in only:
        number = wanted.zfill(2)
        matching = [path for path in found if wanted == path.stem or number == path.stem[:2]]
        if not matching:
            names = [path.stem for path in found]
            near = _did_you_mean(wanted, names)
            raise RunnerError(f"no lesson {wanted!r}.{near} There are {', '.join(names)}")
        chosen.update(matching)
    return [read_lesson(path) for path in found if not only or path in chosen]


CELL_TIMEOUT = 1800  # seconds a cell may take, where neither the caller nor the preset says so


def read_preset(folder: Path, name: str) -> tuple[dict[str, dict[str, Value]], int]:
    """Read one preset of ``presets.toml``.

    Returns
    -------
    tuple of (dict, int)
        Tables ``all`` and ``NN`` with values by name; seconds that a cell may take.
    """
    try:
        presets = tomllib.loads((folder / "presets.toml").read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RunnerError(f"presets.toml cannot be read: {error}") from None
    if name not in presets:
        near = _did_you_mean(name, presets)
        raise RunnerError(f"no preset {name!r}.{near} There are {', '.join(presets)}")
    tables = dict(presets[name])
    cell_timeout = tables.pop("cell_timeout", CELL_TIMEOUT)
    if type(cell_timeout) is not int or cell_timeout < 1:
        raise RunnerError(f"presets.toml: cell_timeout in [{name}] must be a number of seconds")
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise RunnerError(f'presets.toml: {key!r} belongs in [{name}.all] or [{name}."NN"]')
    return tables, cell_timeout


def plan(
    lessons: Sequence[Lesson],
    preset: Mapping[str, Mapping[str, Value]],
    overrides: Sequence[tuple[str, str]] = (),
) -> list[dict[str, Value]]:
    """Choose the values that each lesson is run with, and refuse what no lesson understands.

    Parameters
    ----------
    lessons : sequence of Lesson
        The lessons to run.
    preset : mapping
        The tables that `read_preset` returned.
    overrides : sequence of (str, str)
        Names and values as typed on the command line; stronger than the preset.

    Returns
    -------
    list of dict
        For each lesson the values that replace its own.

    Raises
    ------
    RunnerError
        If no lesson has a parameter of that name, or the value has another type.
    """
    kinds: dict[str, set[str]] = {}
    for lesson in lessons:
        for name, value in lesson.parameters.items():
            kinds.setdefault(name, set()).add(type(value).__name__)
    for name, _ in overrides:
        if name not in kinds:
            listed = ", ".join(f"{key} ({'/'.join(sorted(kinds[key]))})" for key in sorted(kinds))
            near = _did_you_mean(name, kinds)
            raise RunnerError(f"no parameter {name!r}.{near} There are {listed or 'none'}")
    plans = []
    for lesson in lessons:
        own = preset.get(lesson.name[:2], {})
        if unknown := sorted(set(own) - set(lesson.parameters)):
            raise RunnerError(f"the preset gives {lesson.name} an unknown parameter {unknown[0]!r}")
        values = {**preset.get("all", {}), **own, **dict(overrides)}
        typed = dict(overrides)
        plans.append(
            {
                name: _convert(name, values[name], default, name in typed)
                for name, default in lesson.parameters.items()
                if name in values
            }
        )
    return plans


def _convert(name: str, value: Value, default: Value, typed: bool) -> Value:
    """Give a value the type of the parameter's default, or refuse it."""
    kind = type(default)
    with contextlib.suppress(ValueError, KeyError):
        if typed and kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if (typed or type(value) is int) and kind is float and math.isfinite(float(value)):
            return float(value)
        if typed and kind is not float:
            return kind(value)
        if type(value) is kind:
            return value
    wanted = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")
    raise RunnerError(f"parameter {name!r} is {wanted} (default {default!r}), not {value!r}")


def _did_you_mean(wrong: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(wrong, list(names), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


# Folders below the home folder in which kernels, IPython and matplotlib want to write.
HOMES = ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # full, over the quota, read-only


def cores() -> int:
    """Number of processor cores that this process may use."""
    import joblib

    return joblib.cpu_count()


@contextlib.contextmanager
def kernel_environment(jobs: int = 1) -> Iterator[None]:
    """Set what kernels inherit: no bars, this course, and the Python that runs this.

    Parameters
    ----------
    jobs : int
        How many kernels work at a time. Where that is more than one, each is given its share of
        the cores, unless ``OMP_NUM_THREADS`` says otherwise.
    """
    before = dict(os.environ)
    course, jupyter = Path(__file__).resolve().parents[1], Path(sys.prefix, "share", "jupyter")
    for name, first in (("PYTHONPATH", course), ("JUPYTER_PATH", jupyter)):
        os.environ[name] = os.pathsep.join(filter(None, [str(first), before.get(name)]))
    os.environ["COURSE_LIB_PROGRESS"] = "0"
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a debugger's advice, in each kernel
    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // jobs)))
    homeless = None
    if not _home_can_be_written():
        homeless = tempfile.mkdtemp(prefix="course_lib-")
        os.environ.update(dict.fromkeys(HOMES, homeless))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        if homeless:
            shutil.rmtree(homeless, ignore_errors=True)


def _home_can_be_written() -> bool:
    try:
        return os.access(Path.home(), os.W_OK | os.X_OK)
    except RuntimeError:  # a user without any home
        return False


def run_lesson(lesson: Lesson, values: dict[str, Value], folder: Path, cell_timeout: int) -> Result:
    """Run a copy of one lesson in a folder, and make its page, whatever happens in it.

    To be called in a :func:`kernel_environment`.

    Parameters
    ----------
    lesson : Lesson
        The lesson.
    values : dict
        Values that replace its own.
    folder : Path
        Where the executed notebook and its page go; it exists.
    cell_timeout : int
        Seconds after which a cell that has not ended fails.

    Returns
    -------
    Result
        With status ``"failed"`` if a cell raised, ran too long or ended its kernel.
    """
    import nbformat
    import papermill
    import zmq
    from traitlets.config import Config

    private = Config()  # nobody else on this computer can read what the kernel is told
    private.KernelManager.transport_encryption = "auto" if zmq.has("curve") else "disabled"
    result = Result(lesson.name, lesson.title, values, sha256=_sha256(lesson))
    copy = folder / lesson.path.name
    bar = {"desc": lesson.name, "leave": False} if progress.is_watched() else False
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            nbformat.read(lesson.path, as_version=4),
            str(copy).replace("{", "{{").replace("}", "}}"),  # papermill formats the path
            parameters=values,
            kernel_name="python3",
            language="python",
            progress_bar=bar,
            cwd=lesson.path.parent,
            execution_timeout=cell_timeout,
            config=private,
            extra_arguments=["--IPKernelApp.log_level=50"],  # else it logs being shut down
        )
    except papermill.PapermillExecutionError as error:
        result.error = f"{error.ename}: {error.evalue}".strip()
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise  # the lessons after this one would fare no better
        # A cell out of time, or a kernel that died or never started.
        result.error = f"{type(error).__name__}: {error}"
    result.seconds = round(time.perf_counter() - started, 1)
    if result.error:
        result.status = "failed"
        result.error = result.error.splitlines()[0]
    if copy.exists():
        executed = nbformat.read(copy, as_version=4)
        if result.error:
            _mark_failure(result, executed)
            nbformat.write(executed, copy)
        result.numbers = _key_numbers(executed)
        _write(copy.with_suffix(".html"), lesson_page(executed, lesson.title))
    return result


def _mark_failure(result: Result, executed: Any) -> None:
    """Find the cell that ran last, and show the error there if papermill does not."""
    from nbformat.v4 import new_output

    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    cells = [cell for cell in cells if "injected-parameters" not in _tags(cell)]
    begun = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    if begun:
        failed, result.cell = begun[-1], len(begun)
        result.source = failed.source.partition("\n")[0]
        name, _, text = result.error.partition(": ")
        if name not in [output.get("ename") for output in failed.outputs]:
            shown = {"ename": name, "evalue": text, "traceback": [result.error]}
            failed.outputs.append(new_output("error", **shown))


def _key_numbers(executed: Any) -> dict[str, Any]:
    """Collect what the cells displayed as results."""
    from course_lib.report import RESULT_MIME

    outputs = (output for cell in executed.cells for output in cell.get("outputs", []))
    results = (output.get("data", {}).get(RESULT_MIME, {}) for output in outputs)
    return {name: value for result in results for name, value in result.items()}


def run(
    notebooks: Path,
    output: Path,
    *,
    preset: str = "default",
    overrides: Sequence[tuple[str, str]] = (),
    only: Sequence[str] = (),
    cell_timeout: int | None = None,
    jobs: int | None = None,
) -> tuple[Path, list[Result]]:
    """Run lessons in their order, two at a time where there are cores for it.

    Two lessons on one core each end sooner than one after the other on both cores: much of a
    lesson is work for one core only, such as imports and figures.

    Parameters
    ----------
    notebooks : Path
        Folder of the lessons and of ``presets.toml``.
    output : Path
        Folder in which a new folder for this run is made.
    preset : str
        Name of a table in ``presets.toml``.
    overrides : sequence of (str, str)
        Names and values of parameters, stronger than the preset.
    only : sequence of str
        Numbers or names of the lessons to run; all when empty.
    cell_timeout : int, optional
        Seconds that a cell may take. None: what the preset says, else `CELL_TIMEOUT`.
    jobs : int, optional
        Number of lessons that run at a time, at most; each has its share of the cores. None: two,
        or one where there is only one core.

    Returns
    -------
    tuple of (Path, list of Result)
        The folder of this run, with an executed notebook and a page for each lesson,
        ``index.html`` and ``summary.json``; and the results in the order of the lessons.

    Raises
    ------
    RunnerError
        If lessons, preset or parameters are not as expected; nothing has been written then.
    """
    request = {"preset": preset, "overrides": list(overrides), "only": list(only)}
    work = _prepare(notebooks, request)
    return _run_in(_new_folder(output.resolve()), work, request, cell_timeout, jobs, [])


def resume(
    notebooks: Path,
    output: Path,
    folder: Path | None = None,
    cell_timeout: int | None = None,
    jobs: int | None = None,
) -> tuple[Path, list[Result]]:
    """Go on with a run that was interrupted or in which lessons failed.

    Lessons that succeeded are not run again, unless they or the values they are to be run with
    have changed since.

    Parameters
    ----------
    notebooks : Path
        Folder of the lessons and of ``presets.toml``.
    output : Path
        Folder of the runs.
    folder : Path, optional
        Folder of the run to go on with; the newest in ``output`` by default.
    cell_timeout, jobs : int, optional
        See :func:`run`.

    Returns
    -------
    tuple of (Path, list of Result)
        As :func:`run` returns; the results of the first part of the run among them.

    Raises
    ------
    RunnerError
        If there is no run to go on with, or it is still going on.
    """
    if folder is None:
        begun = sorted(output.glob(f"*/{SUMMARY}"), key=lambda path: path.stat().st_mtime_ns)
        if not begun:
            raise RunnerError(f"there is no run in {output} to go on with: start one without it")
        folder = begun[-1].parent
    folder = folder.resolve()
    try:
        about = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        request = {name: about[name] for name in ("preset", "overrides", "only")}
        before = [Result(**result) for result in about["lessons"]]
    except OSError as error:
        raise RunnerError(f"{folder} holds no run: {error.strerror} ({SUMMARY})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunnerError(
            f"{folder / SUMMARY} is damaged, or of an older course: {error}. Start a new run"
        ) from None
    return _run_in(folder, _prepare(notebooks, request), request, cell_timeout, jobs, before)


def _prepare(
    notebooks: Path, request: Mapping[str, Any]
) -> tuple[list[tuple[Lesson, dict[str, Value]]], int]:
    """Lessons that a request names, each with its values; and the seconds a cell may take."""
    lessons = find_lessons(notebooks, request["only"])
    tables, allowed = read_preset(notebooks, request["preset"])
    plans = plan(lessons, tables, request["overrides"])
    return list(zip(lessons, plans, strict=True)), allowed


def _run_in(
    folder: Path,
    work: tuple[list[tuple[Lesson, dict[str, Value]]], int],
    request: Mapping[str, Any],
    cell_timeout: int | None,
    jobs: int | None,
    before: Sequence[Result],
) -> tuple[Path, list[Result]]:
    """Run in a folder what has not succeeded there before; after each lesson, say how far it is."""
    lessons, allowed = work
    done = {result.lesson: result for result in before}

    def note() -> list[Result]:
        results = [done[lesson.name] for lesson, _ in lessons if lesson.name in done]
        about = {**request, "started": folder.name, "lessons": [asdict(r) for r in results]}
        _write(folder / SUMMARY, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        _write(folder / "index.html", index_page(folder, results))
        return results

    try:
        with _alone_in(folder):
            results = note()  # an interrupted run can be found from its first moment on
            calls = [
                (lesson, values, folder, cell_timeout or allowed)
                for lesson, values in lessons
                if not _still_holds(done.get(lesson.name), lesson, values, folder)
            ]
            # A lesson that runs alone is given all cores.
            jobs = min(jobs or min(2, cores()), max(1, len(calls)))
            with kernel_environment(jobs):
                ended = _as_they_end(run_lesson, calls, jobs)
                for result in progress.bar(ended, "lessons", total=len(calls)):
                    done[result.lesson] = result
                    results = note()
    except OSError as error:
        raise RunnerError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}. Lessons "
            f"that have been run are kept in {folder}. Mend that, then go on with 'run --resume'"
        ) from None
    return folder, results


def _as_they_end(
    function: Callable[..., Result], calls: Sequence[tuple], jobs: int
) -> Iterator[Result]:
    """Make some calls at a time, in their order, and yield what they return as they end.

    Whatever stops this early, such as Ctrl-C or a full disk, ends the kernels that still work, and
    what they have started.
    """
    import psutil

    started_here = psutil.Process().children
    before = started_here(recursive=True)
    with ThreadPoolExecutor(jobs) as pool:
        begun = [pool.submit(_in_its_thread, function, *call) for call in calls]
        try:
            for call in as_completed(begun):
                yield call.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            logging.disable()  # that kernels die is no news now
            try:
                while not all(call.done() for call in begun):
                    for process in set(started_here(recursive=True)).difference(before):
                        with contextlib.suppress(psutil.NoSuchProcess):
                            process.kill()
                    time.sleep(0.05)
            finally:
                logging.disable(logging.NOTSET)
            raise


def _in_its_thread(function: Callable[..., Result], *given: Any) -> Result:
    """Call a function and close the event loop that Jupyter has made for this thread."""
    from jupyter_core.utils import ensure_event_loop

    try:
        return function(*given)
    finally:
        ensure_event_loop().close()


def _still_holds(
    result: Result | None, lesson: Lesson, values: dict[str, Value], folder: Path
) -> bool:
    """Whether a lesson need not be run again."""
    if result is None or result.status != "ok":
        return False
    there = [(folder / lesson.path.name).with_suffix(kind) for kind in (".ipynb", ".html")]
    same = (result.sha256, result.parameters) == (_sha256(lesson), values)
    return same and all(path.is_file() for path in there)


def _sha256(lesson: Lesson) -> str:
    return hashlib.sha256(lesson.path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    """Write a text as a whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep a second process from going on with the same run."""
    from filelock import FileLock, Timeout

    file = folder / ".lock"
    try:
        lock = FileLock(file, timeout=0)
        lock.acquire()
    except Timeout:
        raise RunnerError(f"the run in {folder} is still going on: wait for it") from None
    try:
        yield
    finally:
        lock.release()
        file.unlink(missing_ok=True)


def _new_folder(output: Path) -> Path:
    """Make a folder named after this moment; a second one of the same second gets a number."""
    stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    number = 1
    while True:
        folder = output / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise RunnerError(
                f"{output} cannot be written: {error.strerror}. Name another folder with --output"
            ) from None


def save(lesson: Lesson, cell_timeout: int = CELL_TIMEOUT) -> Result:
    """Run a lesson afresh with its own parameters and keep its outputs in the lesson itself.

    Parameters
    ----------
    lesson : Lesson
        The lesson; its file is replaced only if every cell succeeded.
    cell_timeout : int
        Seconds that a cell may take.

    Returns
    -------
    Result
        With status ``"failed"`` if a cell failed; the lesson is then as it was.
    """
    import nbformat

    with tempfile.TemporaryDirectory() as folder, kernel_environment():
        result = run_lesson(lesson, {}, Path(folder), cell_timeout)
        if not result.error:
            executed = nbformat.read(Path(folder, lesson.path.name), as_version=4)
            _strip(executed)
            fresh = lesson.path.with_suffix(".tmp")
            nbformat.write(executed, fresh)
            fresh.replace(lesson.path)
    return result


def _strip(executed: Any) -> None:
    """Take out what differs from run to run and says nothing about the lesson."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    executed.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    for cell in executed.cells:
        kept = {"jupyter": cell.metadata.get("jupyter"), "tags": cell.metadata.get("tags")}
        cell.metadata = {name: value for name, value in kept.items() if value}
