"""The course from the command line: a function for each command, described by its docstring.

Nothing is imported before a command needs it, so that help and ``info`` come at once.
"""

import argparse
import importlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

Options = argparse.Namespace


def run(options: Options) -> int:
    """Run lessons and make a page of each.

    Copies of the lessons are run in their order. Executed notebooks, their pages, index.html and
    summary.json go to a new folder. Ends with 1 if a lesson failed.
    """
    from course_lib.tools import lessons

    notebooks, output = course_root() / "notebooks", options.output or course_root() / "runs"
    asked = {"preset": options.preset, "overrides": options.overrides, "only": options.only}
    if options.resume is None:
        asked["preset"] = options.preset or "default"
    elif any(asked.values()):
        raise ValueError(
            "--resume goes on with what was asked for then: give no --only, --preset or -p"
        )
    else:
        asked = lessons.asked_before(output, Path(options.resume) if options.resume else None)
    how = {"cell_timeout": options.cell_timeout, "jobs": options.jobs}
    folder, results = lessons.run(notebooks, output, **asked, **how)
    print(lessons.summary(results))
    print(f"pages: {folder / 'index.html'}")
    return int(any(result.error for result in results))


def save(options: Options) -> int:
    """Run lessons afresh and save their outputs in them.

    For authors: run lessons with their own parameters and replace their saved outputs. A lesson in
    which a cell fails is left as it was; ends with 1 then.
    """
    from course_lib import progress
    from course_lib.tools import lessons

    found = lessons.find_lessons(course_root() / "notebooks", options.only)
    results = [lessons.save(lesson) for lesson in progress.bar(found, "lessons")]
    print(lessons.summary(results))
    return int(any(result.error for result in results))


def check(options: Options) -> int:
    """Tell whether the saved outputs still hold.

    Run the lessons again and compare every output with the saved one; check their structure too.
    Needs pytest and nbval.
    """
    from course_lib.tools import lessons

    for package in ("pytest", "nbval"):
        importlib.import_module(package)
    command = [sys.executable, "-m", "pytest", "tests/notebooks"]
    if options.only:
        found = lessons.find_lessons(course_root() / "notebooks", options.only)
        command += ["-k", " or ".join(lesson.name for lesson in found)]
    return subprocess.run(command, cwd=course_root(), check=False).returncode


def verdicts(options: Options) -> int:
    """Answer every lesson's questions on three data sets.

    Run the lessons on insects rendered anew and on the article's photos, and write
    notebooks/VERDICTS.md: those answers beside the saved ones.
    """
    from course_lib.tools import verdicts

    output = options.output or course_root() / "runs" / "verdicts"
    print(verdicts.collect(course_root() / "notebooks", output, options.only))
    return 0


def book(options: Options) -> int:
    """Make a site of all lessons, to be read without a network.

    It shows the lessons as they were executed, with contents, search, a dark mode and copy buttons,
    opens from the disk and loads nothing from elsewhere. Ends with 1 if something on a page is not
    right, such as a link that leads nowhere.
    """
    from course_lib.tools import book

    output = options.output or course_root() / "runs" / "book"
    warnings = book.build(options.lessons or course_root() / "notebooks", output)
    print(*warnings, sep="\n", end="\n" * bool(warnings), file=sys.stderr)
    print(f"book: {output.resolve() / 'index.html'}")
    return int(bool(warnings))


def download(options: Options) -> int:
    """Fetch a data set.

    It goes into data/, whole and compared with what was published.
    """
    from course_lib.tools import download

    print(f"data set {options.name}: {download.download(options.name)}")
    return 0


def train(options: Options) -> int:
    """Fine-tune a network, on one device or on many.

    It is judged once on the test images. For one process on each of N devices: 'torchrun
    --standalone --nproc-per-node=N -m course_lib train' and the same options.
    """
    from course_lib.tools import finetune

    given = {name: value for name, value in vars(options).items() if name != "command"}
    outcome = finetune.run(finetune.Settings(**given))
    if outcome.rank == 0:  # the first of several processes speaks for all
        print(outcome.report())
    return 0


def audit(options: Options) -> int:
    """Tell what is wrong with a folder of images.

    Open every image of a data set, and name those that are unreadable, doubled, misplaced or
    scarce. Changes nothing. Ends with 1 if there is anything to name.
    """
    from course_lib.tools import audit

    found = audit.audit(options.dataset)
    print(*found.lines(), sep="\n", end="\n" if found.problems else "")
    print(f"{len(found.pictures)} readable images, {len(found.kept)} left to train and test on")
    return int(bool(found.problems))


def predict(options: Options) -> int:
    """Tell what a trained model sees in photos.

    Print path, class and probability of photos, separated by tabs. Ends with 1 if a photo could not
    be read; the others are answered all the same.
    """
    from course_lib import devices
    from course_lib.tools import export

    exported = export.load(options.model, devices.pick_device(options.device))
    failed = False
    for photo in options.photos:
        try:
            label, probability = export.classify(exported, photo)
        except (ValueError, OSError) as error:
            complain(error)
            failed = True
        else:
            print(photo, label, f"{probability:.3f}", sep="\t", flush=True)
    return int(failed)


def bench(options: Options) -> int:
    """Measure how fast the training is, beside the article's and others'."""
    script = course_root() / "tests" / "benchmarks" / "speed.py"
    return subprocess.run([sys.executable, str(script), *options.rest], check=False).returncode


def info(options: Options) -> int:
    """Tell what is installed, and whether it is what the course needs.

    List packages that are missing or of another version, device and data. Ends with 1 if there are.
    """
    from course_lib.tools import info

    print(info.report())
    from course_lib import datasets, devices  # after that: torch may be what is missing

    print(f"device: {devices.pick_device('auto')}")
    for name in datasets.KNOWN:
        try:
            print(f"data set {name}: {datasets.find(name)}")
        except OSError as error:
            print(f"data set {name}: not here ({error})")
    return int(bool(info.check()))


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
    return [part.strip() for part in text.split(",") if part.strip()]


def build_parser() -> Parser:
    """Describe the commands and their options."""
    parser = Parser(prog="python -m course_lib", description="Run and check the course.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(function: Callable[[Options], int], **settings: Any) -> Callable[..., None]:
        """Add a command; return what adds an option to it: name, what it takes, help."""
        title, _, text = function.__doc__.partition("\n\n")
        command = commands.add_parser(
            function.__name__, help=title.removesuffix("."), description=text or title, **settings
        )
        command.set_defaults(command=function)
        return lambda name, metavar, help, **how: command.add_argument(
            name, metavar=metavar, help=help, **how
        )

    option = add(run)
    option("--preset", "NAME", "of presets.toml: default, smoke (does everything run?) or article")
    given = "a parameter for every lesson that has it, as in '-p epochs 5'; may be repeated"
    option("-p", ("NAME", "VALUE"), given, dest="overrides", nargs=2, action="append", default=[])
    limit = "a cell that takes longer fails (default: what the preset says, else 1800)"
    option("--cell-timeout", "SECONDS", limit, type=positive)
    option("--jobs", "N", "lessons that run at a time (default: 2); 1 to time them", type=positive)
    option("--output", "FOLDER", "where to put the run (default: runs/)", type=Path)
    again = "go on with the newest run, or that in FOLDER: what failed, is missing or has changed"
    option("--resume", "FOLDER", again, nargs="?", const="")
    chosen = "these lessons, as in '--only 08' or '--only 07,08'; may be repeated"
    answers = add(verdicts)
    answers("--output", "FOLDER", "where the runs go (default: runs/verdicts)", type=Path)
    for command in (option, add(save), add(check), answers):
        command("--only", "NN", chosen, type=names, action="extend", default=[])
    option = add(book)
    option("--lessons", "FOLDER", "executed lessons, such as a run's (default: saved)", type=Path)
    option("--output", "FOLDER", "where the site goes, replaced (default: runs/book)", type=Path)
    add(download)("name", "NAME", "hymenoptera, the photos of the article")
    option = add(train, argument_default=argparse.SUPPRESS)  # the defaults are those of Settings
    option("--dataset", "NAME", "insects (default), hymenoptera, or a folder with train/ and val/")
    option("--backbone", "NAME", "efficientnet_lite0 (default), resnet18, or a name of timm")
    option("--epochs", "N", "passes over the training images (default: 3)", type=int)
    option("--batch-size", "N", "images per step, of all processes (default: 32)", type=int)
    option("--learning-rate", "RATE", "of the first seven epochs (default: 0.01)", type=float)
    option("--image-size", "PIXELS", "side of the images (default: 128)", type=int)
    option("--seed", "N", "of the split, the head, the order, the crops (default: 0)", type=int)
    option("--workers", "N", "processes that load images, per process (default: 0)", type=int)
    option("--device", "NAME", "auto (default), cpu, cuda or mps")
    option("--checkpoint", "FILE", "keeps the run; one that was killed goes on there", type=Path)
    switch = commands.choices["train"].add_argument
    switch("--frozen", action="store_true", help="train the head alone")
    scratch, plain = "start from random weights", "no random crops and flips"
    switch("--from-scratch", dest="pretrained", action="store_false", help=scratch)
    switch("--no-augment", dest="augment", action="store_false", help=plain)
    add(audit)("dataset", "FOLDER", "a folder with train/ and val/")
    option = add(predict)
    option("model", "MODEL", "a .safetensors file that lesson 12 saved")
    option("photos", "PHOTO", "image files", nargs="+")
    option("--device", "NAME", "auto (default), cpu, cuda or mps", default="auto")
    add(bench, add_help=False)  # the benchmark has options of its own: 'bench --help'
    add(info)
    return parser


def course_root() -> Path:
    """Folder of the course; asked of `datasets`, which are not imported for help's sake alone."""
    from course_lib import datasets

    return datasets.course_root()


def complain(error: object) -> None:
    """Say in one line what is wrong."""
    print(f"course_lib: {' '.join(str(error).split())}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the person at the keyboard got wrong ends in one line and 2."""
    parser = build_parser()
    options, others = parser.parse_known_args(arguments)
    if options.command is bench:
        options.rest = others
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        return options.command(options)
    except ImportError as error:
        complain(f"{error}: python -m pip install -r requirements.txt brings it")
    except (ValueError, RuntimeError, FloatingPointError, OSError) as error:
        complain(error)
    except KeyboardInterrupt:
        advice = "; 'run --resume' goes on from here" if options.command is run else ""
        print(f"course_lib: interrupted{advice}", file=sys.stderr)
        return 130
    return 2
