"""The course from the command line: a function for each command, described by its docstring.

A command that returns True, or another number than 0, ends with that as the exit status.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from course_lib import datasets, tools

Options = argparse.Namespace
MISTAKES = (ValueError, RuntimeError, ArithmeticError, OSError, argparse.ArgumentTypeError)
ENDS = """It ends with 1 if something is wrong, such as a cell that failed, a link that leads
nowhere, an image that cannot be read or a missing package, and with 2 if it cannot be done."""


def run(options: Options) -> bool:
    """Run copies of the lessons: their pages, index.html and summary.json go to a new folder."""
    output = options.output or datasets.course_root() / "runs"
    overrides = [(n, dataset(v) if n == "dataset" else v) for n, v in options.overrides]
    if file := dict(overrides).get("model_file"):
        target(file, models=True, what="parameter 'model_file': ")
    asked = {"preset": options.preset, "overrides": overrides, "only": options.only}
    asked |= {"language": options.lang} if options.lang != "en" else {}
    if options.resume is None:
        asked["preset"] = options.preset or "default"
    elif any(asked.values()):
        raise ValueError("--resume goes on as asked then: give no --only, --preset, --lang or -p")
    else:
        asked = tools.lessons.asked_before(output, path(options.resume) if options.resume else None)
        asked["before"] = [old for old in asked["before"] if not outdated(old, asked["folder"])]
    how = {"cell_timeout": options.cell_timeout, "jobs": options.jobs}
    folder, results = tools.lessons.run(notebooks(), output, **asked, **how)
    print(tools.lessons.summary(results), f"pages: {folder / 'index.html'}", sep="\n")
    return any(result.error for result in results)


def notebooks() -> Path:
    """Folder of the lessons."""
    return datasets.course_root() / "notebooks"


def outdated(result: Any, folder: Path) -> bool:
    """Whether a person's own images have changed since a lesson was run on them; if so, say it."""
    own, copy = Path(result.parameters.get("dataset", "")), folder / f"{result.lesson}.ipynb"
    if not (own.is_absolute() and copy.exists()):
        return False
    stats = [place.stat(follow_symlinks=place.exists()) for place in (own, *own.rglob("*"))]
    newest = max(max(stat.st_mtime, stat.st_ctime) for stat in stats)
    if changed := newest > copy.stat().st_mtime - result.seconds:
        print(f"{result.lesson}: the images in {own} have changed: it is run again")
    return changed


def save(options: Options) -> bool:
    """Run lessons afresh and save their outputs in them, unless a cell fails (for authors)."""
    from course_lib import progress

    found = tools.lessons.find_lessons(notebooks(), options.only)
    results = [tools.lessons.save(lesson) for lesson in progress.bar(found, "lessons")]
    print(tools.lessons.summary(results))
    return any(result.error for result in results)


def check(options: Options) -> int:
    """Run lessons again, compare every output with the saved one, and check their structure."""
    for package in ("pytest", "nbval"):
        importlib.import_module(package)
    command = [sys.executable, "-m", "pytest", "tests/notebooks"]
    if options.only:
        found = tools.lessons.find_lessons(notebooks(), options.only)
        command += ["-k", " or ".join(lesson.name for lesson in found)]
    return subprocess.run(command, cwd=datasets.course_root(), check=False).returncode


def verdicts(options: Options) -> None:
    """Answer the lessons' questions on new insects and on photos too: notebooks/VERDICTS.md."""
    output = options.output or datasets.course_root() / "runs" / "verdicts"
    print(tools.verdicts.collect(notebooks(), output, options.only))


def book(options: Options) -> bool:
    """Make a site of all lessons as they were executed, to be read without a network."""
    kind = "slides" if options.slides else "book"
    output = options.output or datasets.course_root() / "runs" / kind
    if options.slides:
        there = notebooks() if options.lang == "en" else notebooks() / options.lang
        print(*tools.slides.build(options.lessons or there, output), sep="\n")
        return False
    warnings = tools.book.build(options.lessons or notebooks(), output, options.lang)
    print(*warnings, sep="\n", end="\n" * bool(warnings), file=sys.stderr)
    print(f"book: {output.resolve() / 'index.html'}")
    return bool(warnings)


def translate(options: Options) -> bool:
    """Bring the Chinese lessons up to date, and list the cells that want a translator."""
    wanted = tools.translate.translate(notebooks(), "zh", options.only, options.accept)
    print(*wanted, sep="\n", end="\n" * bool(wanted))
    return bool(wanted)


def grade(options: Options) -> None:
    """Judge the exercises of submitted notebooks, each in a process of its own: for practice."""
    rows = tools.grade.grade(options.folder, options.output, notebooks(), options.seconds)
    right = sum(row["state"] == "right" for row in rows)
    print(f"{options.output}: {right} of {len(rows)} exercises are right")


def download(options: Options) -> None:
    """Fetch a data set into data/, compared with what was published."""
    print(f"data set {options.name}: {tools.download.download(options.name)}")


def train(options: Options) -> None:
    """Fine-tune a network, on one device or on many; judge it once on the test images.

    For one process on each of N devices: 'torchrun --standalone --nproc-per-node=N -m course_lib
    train' and the same options.
    """
    given = {name: value for name, value in vars(options).items() if name != "command"}
    outcome = tools.finetune.run(tools.finetune.Settings(**given))
    if outcome.rank == 0:  # the first of several processes speaks for all
        print(outcome.report())


def audit(options: Options) -> bool:
    """Tell which images of a folder are unreadable, doubled, alike, misplaced or scarce."""
    found = tools.audit.audit(options.dataset, options.likeness)
    print(*found.lines(), sep="\n", end="\n" if found.problems else "")
    print(f"{len(found.pictures)} readable images, {len(found.kept)} left to train and test on")
    return bool(found.problems)


def split(options: Options) -> None:
    """Copy a folder of classes, divided at random into train/ and val/, to a new one beside it."""
    folder = tools.audit.split(options.folder, options.val, options.test)
    print(f"{folder} is made: go on with 'python -m course_lib audit \"{folder}\"'")


def predict(options: Options) -> bool:
    """Tell what a trained model sees in photos: path, class and probability, separated by tabs."""
    exported, failed = tools.export.load(options.model, options.device), False
    for photo in (photo for given in options.photos for photo in photos(given)):
        try:
            label, probability = tools.export.classify(exported, photo)
        except (ValueError, OSError) as error:
            complain(error)
            failed = True
        else:
            print(photo, label, f"{probability:.3f}", sep="\t", flush=True)
    return failed


def photos(given: Path) -> Iterator[Path]:
    """A file, the images in a folder, or what a pattern means that the shell left alone."""
    root = Path(given.anchor)
    matches = [] if given.exists() else sorted(root.glob(str(given.relative_to(root))))
    for found in matches or [given]:
        inside = datasets.walk(found) if found.is_dir() else ()
        yield from [p for p in inside if p.suffix.lower() in datasets.ENDINGS] or [found]


def bench(options: Options) -> int:
    """Measure how fast the training is, beside the article's and others'."""
    script = datasets.course_root() / "tests" / "benchmarks" / "speed.py"
    return subprocess.run([sys.executable, str(script), *options.rest], check=False).returncode


def info(options: Options) -> bool:
    """Tell what is installed, on which device and data, and whether it is what the course needs."""
    print(tools.info.report())
    from course_lib import devices  # after that: torch may be what is missing

    print(f"device: {devices.pick_device('auto')}")
    for name in datasets.KNOWN:
        try:
            there = datasets.find(name)
        except OSError as error:
            there = f"not here ({error})"
        print(f"data set {name}: {there}")
    return bool(tools.info.check())


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong with the command and where help is; end with 2."""
        self.exit(2, f"course_lib: {message} (help: {self.prog} --help)\n")


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def names(text: str) -> list[str]:
    """Read numbers or names with commas between them."""
    if not (found := [part.strip() for part in text.split(",") if part.strip()]):
        raise argparse.ArgumentTypeError("no lesson is named")
    return found


def path(text: str) -> Path:
    """Read a path, in which ``~`` is the person's home, also where the shell left it alone."""
    return Path.home() / text[2:] if text[:2] in ("~", "~/") else Path(text)


def dataset(text: str) -> str:
    """Read a name of a data set, or a path, which starts where the person stands."""
    is_path = "/" in text or os.sep in text or path(text).exists()
    return str(path(text).absolute()) if is_path and text not in ("", *datasets.KNOWN) else text


def target(text: str, models: bool = False, what: str = "") -> Path:
    """Read the path of a file to write, and refuse at once what would fail after the training."""
    file = path(text).absolute()
    there = next(folder for folder in file.parents if folder.exists())
    if file.is_dir() or not (there.is_dir() and os.access(there, os.W_OK)):
        why = "it is a folder" if file.is_dir() else f"{there} is no folder that you can write to"
        raise argparse.ArgumentTypeError(f"{what}{file} cannot be written: {why}")
    if (file.suffix == ".safetensors") != models:
        why = "models, and only they, end in .safetensors"
        raise argparse.ArgumentTypeError(f"{what}{file}: {why}")
    return file


def build_parser() -> Parser:
    """Describe the commands and their options."""
    parser = Parser(prog="python -m course_lib", description="Run and check the course.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(function: Callable[[Options], int | None], **settings: Any) -> Callable[..., None]:
        """Add a command; return what adds an option to it: name, what it takes, help."""
        title, _, text = function.__doc__.partition("\n\n")
        settings |= {"help": title.removesuffix("."), "description": text or title, "epilog": ENDS}
        command = commands.add_parser(function.__name__, **settings)
        command.set_defaults(command=function)
        return lambda name, takes, help, type=str, **how: command.add_argument(
            name, help=help, **how, **({"metavar": takes, "type": type} if takes else {})
        )

    option = add(run)
    option("--preset", "NAME", "of presets.toml: default, smoke (does everything run?) or article")
    given = "a parameter for every lesson that has it, as in '-p epochs 5'; may be repeated"
    option("-p", ("NAME", "VALUE"), given, dest="overrides", nargs=2, action="append", default=[])
    option("--cell-timeout", "SECONDS", "a cell that takes longer fails (default: 7200)", positive)
    option("--jobs", "N", "lessons that run at a time (default: 2); 1 to time them", positive)
    option("--output", "FOLDER", "where to put the run (default: runs/)", path)
    again = "go on with the newest run, or that in FOLDER: what failed, is missing or has changed"
    option("--resume", "FOLDER", again, nargs="?", const="")
    language = {"choices": ("en", "zh"), "default": "en"}
    option("--lang", None, "en (default), or zh for the lessons in Chinese", **language)
    answers = add(verdicts)
    answers("--output", "FOLDER", "where the runs go (default: runs/verdicts)", path)
    chosen = "these lessons, as in '--only 08' or '--only 07,08'; may be repeated"
    translation = add(translate)
    translation("--accept", None, "all is translated as it should be now", action="store_true")
    for command in (option, add(save), add(check), answers, translation):
        command("--only", "NN", chosen, names, action="extend", default=[])
    option = add(grade)
    option("folder", "FOLDER", "holds the notebooks, in subfolders by student if you like", path)
    option("--output", "FILE", "the table (default: grades.csv)", target, default="grades.csv")
    option("--seconds", "N", "that an exercise may take (default: 30)", positive, default=30)
    option = add(book)
    option("--lang", None, "the language in front: en (default) or zh", **language)
    option("--slides", None, "slides of each lesson instead", action="store_true")
    option("--lessons", "FOLDER", "executed lessons, such as a run's (default: saved)", path)
    option("--output", "FOLDER", "where the site goes, replaced (default: runs/book)", path)
    add(download)("name", "NAME", "hymenoptera, the photos of the article")
    option = add(train, argument_default=argparse.SUPPRESS)  # the defaults are those of Settings
    option("--dataset", "NAME", "insects (default), hymenoptera, or a folder's path", dataset)
    option("--backbone", "NAME", "efficientnet_lite0 (default), resnet18, or a name of timm")
    option("--epochs", "N", "passes over the training images (default: 3)", int)
    option("--batch-size", "N", "images per step, of all processes (default: 32)", int)
    option("--learning-rate", "RATE", "of the first seven epochs (default: 0.01)", float)
    option("--image-size", "PIXELS", "side of the images (default: 128)", int)
    option("--seed", "N", "of the split, the head, the order, the crops (default: 0)", int)
    option("--workers", "N", "processes that load images, per process (default: 0)", int)
    option("--device", "NAME", "auto (default), cpu, cuda or mps")
    option("--checkpoint", "FILE", "keeps the run; one that was killed goes on there", target)
    option("--model", "FILE.safetensors", "the model, for 'predict'", partial(target, models=True))
    option("--frozen", None, "train the head alone", action="store_true")
    option("--from-scratch", None, "random weights first", dest="pretrained", action="store_false")
    option("--no-augment", None, "no random crops or flips", dest="augment", action="store_false")
    option = add(audit)
    option("dataset", "FOLDER", "a folder with train/ and val/", dataset)
    option("--likeness", "SHARE", "correlation that is named (default: 0.97)", float, default=0.97)
    option = add(split)
    option("folder", "FOLDER", "a folder with a folder of images for each class", path)
    option("--val", "SHARE", "of each class for val/ (default: 0.2)", float, default=0.2)
    option("--test", "SHARE", "for test/, which the course leaves alone", float, default=0.0)
    option = add(predict)
    option("model", "MODEL", "a .safetensors file of lesson 12 or 'train --model'", path)
    option("photos", "PHOTO", "images, folders of them, patterns such as '*.jpg'", path, nargs="+")
    option("--device", "NAME", "auto (default), cpu, cuda or mps", default="auto")
    add(bench, add_help=False)  # the benchmark has options of its own: 'bench --help'
    add(info)
    return parser


def complain(error: object) -> None:
    """Say in one line what is wrong."""
    print(f"course_lib: {' '.join(str(error).split())}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the person at the keyboard got wrong ends in one line and 2."""
    for stream in (sys.stdout, sys.stderr):  # whatever their encoding, any name can be printed
        if hasattr(stream, "reconfigure"):  # not a notebook's, nor one in memory
            stream.reconfigure(errors="backslashreplace")
    parser, options = build_parser(), None
    try:
        options, others = parser.parse_known_args(arguments)
        if options.command is bench:
            options.rest = others
        elif others:
            parser.error(f"unrecognized arguments: {' '.join(others)}")
        return int(options.command(options) or 0)
    except ImportError as error:
        complain(f"{error}: python -m pip install -r requirements.txt brings it")
    except MISTAKES as error:
        complain(error)
    except KeyboardInterrupt:
        advice = "; 'run --resume' goes on from here" if options and options.command is run else ""
        print(f"course_lib: interrupted{advice}", file=sys.stderr)
        return 130
    return 2
