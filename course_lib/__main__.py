"""The course from the command line: ``python -m course_lib --help``."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from course_lib import environment, pages, paths, progress, runner

TRAIN_OPTIONS = (
    ("--dataset", str, "NAME", "insects (default), hymenoptera, or a folder with train/ and val/"),
    ("--backbone", str, "NAME", "efficientnet_lite0 (default), or one of torchvision or timm"),
    ("--epochs", int, "N", "passes over the training images (default: 3)"),
    ("--batch-size", int, "N", "images in a step, over all processes together (default: 32)"),
    ("--learning-rate", float, "RATE", "of the first seven epochs (default: 0.01)"),
    ("--image-size", int, "PIXELS", "side of the images (default: 128)"),
    ("--seed", int, "N", "of the split, the head, the order and the crops (default: 0)"),
    ("--workers", int, "N", "processes that load images, for each that trains (default: 0)"),
    ("--device", str, "NAME", "auto (default), cpu, cuda or mps"),
    ("--checkpoint", Path, "FILE", "holds the run; one that was killed goes on where it ended"),
)


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


def build_parser() -> Parser:
    """Describe the commands and their options."""
    parser = Parser(prog="python -m course_lib", description="Run and check the course.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "run",
        help="run lessons and make a page of each",
        description="Run copies of the lessons in their order. Executed notebooks, their pages, "
        "index.html and summary.json go to a new folder. Ends with 1 if a lesson failed.",
    )
    _add_only(command)
    command.add_argument(
        "--preset",
        metavar="NAME",
        help="parameters from notebooks/presets.toml: default, smoke (is anything broken? "
        "minutes) or article (the article's photos, network and settings)",
    )
    command.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter for every lesson that has it, as in '-p epochs 5'; may be repeated",
    )
    command.add_argument(
        "--cell-timeout",
        type=positive,
        metavar="SECONDS",
        help="a cell that takes longer fails (default: what the preset says, else 1800)",
    )
    command.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="lessons that run at a time (default: 2, if there are two cores); give 1 to measure "
        "how long each takes",
    )
    command.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where to put the run (default: runs/)"
    )
    command.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="go on with the newest run, or the one in FOLDER, as it was asked for: lessons that "
        "succeeded and have not changed are not run again",
    )
    command.set_defaults(command=run)

    command = commands.add_parser(
        "save",
        help="run lessons afresh and save their outputs in them",
        description="For authors: run lessons with their own parameters and replace their saved "
        "outputs. A lesson in which a cell fails is left as it was; ends with 1 then.",
    )
    _add_only(command)
    command.set_defaults(command=save)

    command = commands.add_parser(
        "check",
        help="do the saved outputs still hold?",
        description="Run the lessons again and compare every output with the saved one; check "
        "their structure too. Needs pytest and nbval.",
    )
    _add_only(command)
    command.set_defaults(command=check)

    command = commands.add_parser(
        "book",
        help="make a site of all lessons, to be read without a network",
        description="Make a site of the lessons as they were executed, with contents, search, a "
        "dark mode and copy buttons. It opens from the disk and loads nothing from elsewhere. Ends "
        "with 1 if something on a page is not right, such as a link that leads nowhere.",
    )
    command.add_argument(
        "--lessons",
        type=Path,
        metavar="FOLDER",
        help="executed lessons, such as those of a run (default: the saved ones, in notebooks/)",
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to put the site; an earlier one is replaced (default: runs/book)",
    )
    command.set_defaults(command=book)

    command = commands.add_parser(
        "download",
        help="fetch a data set",
        description="Fetch a data set into data/ and verify every file of it.",
    )
    command.add_argument("name", metavar="NAME", help="hymenoptera, the photos of the article")
    command.set_defaults(command=download)

    command = commands.add_parser(
        "train",
        argument_default=argparse.SUPPRESS,  # the defaults are those of finetune.Settings
        help="fine-tune a network, on one device or on many",
        description="Fine-tune a network and judge it once on the test images, in one process. "
        "For one process on each of N devices: 'torchrun --standalone --nproc-per-node=N -m "
        "course_lib train' and the same options.",
    )
    for name, kind, metavar, text in TRAIN_OPTIONS:
        command.add_argument(name, type=kind, metavar=metavar, help=text)
    command.add_argument("--frozen", action="store_true", help="train the head alone")
    for name, dest, text in (
        ("--from-scratch", "pretrained", "start from random weights"),
        ("--no-augment", "augment", "no random crops and flips"),
    ):
        command.add_argument(name, dest=dest, action="store_false", help=text)
    command.set_defaults(command=train)

    command = commands.add_parser(
        "audit",
        help="what is wrong with a folder of images?",
        description="Open every image of a data set, and name those that are unreadable, doubled, "
        "misplaced or scarce. Changes nothing. Ends with 1 if there is anything to name.",
    )
    command.add_argument("dataset", metavar="FOLDER", help="a folder with train/ and val/")
    command.set_defaults(command=look_through)

    command = commands.add_parser(
        "predict",
        help="what does a trained model say about these photos?",
        description="Print path, class and probability of photos, separated by tabs. Ends with 1 "
        "if a photo could not be read; the others are answered all the same.",
    )
    command.add_argument("model", metavar="MODEL", help="a .safetensors file that lesson 12 saved")
    command.add_argument("photos", nargs="+", metavar="PHOTO", help="image files")
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    command.set_defaults(command=predict)

    command = commands.add_parser(
        "bench",
        add_help=False,  # the benchmark has options of its own: 'bench --help'
        help="how fast is the training, beside the article's and others'?",
    )
    command.set_defaults(command=bench)

    command = commands.add_parser(
        "info",
        help="what is installed, and is it what the course needs?",
        description="List versions, device and data. Ends with 1 if a requirement is not met.",
    )
    command.set_defaults(command=info)
    return parser


def _add_only(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NN",
        help="these lessons, as in '--only 08' or '--only 07,08'; may be repeated",
    )


def _wanted(options: argparse.Namespace) -> list[str]:
    return [part.strip() for text in options.only for part in text.split(",") if part.strip()]


def run(options: argparse.Namespace) -> int:
    """Run lessons; 1 if one failed."""
    output = options.output or paths.course_root() / "runs"
    asked = {
        "preset": options.preset,
        "overrides": [(name, value) for name, value in options.parameters],
        "only": _wanted(options),
    }
    where = (paths.notebooks_dir(), output)
    how = {"cell_timeout": options.cell_timeout, "jobs": options.jobs}
    try:
        if options.resume is None:
            asked["preset"] = options.preset or "default"
            folder, results = runner.run(*where, **how, **asked)
        elif any(asked.values()):
            raise runner.RunnerError(
                "--resume goes on with what was asked for then: give no --only, --preset or -p"
            )
        else:
            named = Path(options.resume) if options.resume else None
            folder, results = runner.resume(*where, named, **how)
    except KeyboardInterrupt:
        print("course_lib: interrupted; 'run --resume' goes on from here", file=sys.stderr)
        return 130
    print(pages.summary(results))
    print(f"pages: {folder / 'index.html'}")
    return int(any(result.error for result in results))


def save(options: argparse.Namespace) -> int:
    """Save fresh outputs in lessons; 1 if one failed."""
    lessons = runner.find_lessons(paths.notebooks_dir(), _wanted(options))
    results = [runner.save(lesson) for lesson in progress.bar(lessons, "lessons")]
    print(pages.summary(results))
    return int(any(result.error for result in results))


def check(options: argparse.Namespace) -> int:
    """Compare saved outputs with new ones; the exit code is pytest's."""
    for package in ("pytest", "nbval"):
        if importlib.util.find_spec(package) is None:
            raise runner.RunnerError(f"check needs {package}: pip install {package}")
    command = [sys.executable, "-m", "pytest", "tests/notebooks"]
    if wanted := _wanted(options):
        names = [lesson.name for lesson in runner.find_lessons(paths.notebooks_dir(), wanted)]
        command += ["-k", " or ".join(names)]
    return subprocess.run(command, cwd=paths.course_root(), check=False).returncode


def book(options: argparse.Namespace) -> int:
    """Make a site of the lessons; 1 if Sphinx warned of something."""
    from course_lib import book

    output = options.output or paths.course_root() / "runs" / "book"
    warnings = book.build(options.lessons or paths.notebooks_dir(), output)
    print(*warnings, sep="\n", end="\n" * bool(warnings), file=sys.stderr)
    print(f"book: {output.resolve() / 'index.html'}")
    return int(bool(warnings))


def download(options: argparse.Namespace) -> int:
    """Fetch a data set."""
    from course_lib import datasets

    try:
        datasets.download(options.name)
    except (ValueError, RuntimeError) as error:  # no such name, or it could not be fetched
        raise runner.RunnerError(str(error)) from None
    return 0


def train(options: argparse.Namespace) -> int:
    """Fine-tune a network; the first of several processes speaks for all."""
    from course_lib import finetune

    given = {name: value for name, value in vars(options).items() if name != "command"}
    try:
        outcome = finetune.run(finetune.Settings(**given))
    except (ValueError, RuntimeError, FloatingPointError) as error:
        raise runner.RunnerError(str(error)) from None
    if outcome.rank == 0:
        print(outcome.report())
    return 0


def look_through(options: argparse.Namespace) -> int:
    """Audit a data set; 1 if something is wrong with it."""
    from course_lib import audit

    try:
        found = audit.audit(options.dataset)
    except ValueError as error:
        raise runner.RunnerError(str(error)) from None
    print(*found.lines(), sep="\n", end="\n" if found.problems else "")
    print(f"{len(found.pictures)} readable images, {len(found.kept)} left to train and test on")
    return int(bool(found.problems))


def predict(options: argparse.Namespace) -> int:
    """Classify photos; 1 if one could not be read."""
    from course_lib import export, training

    try:
        exported = export.load(options.model, training.pick_device(options.device))
    except ValueError as error:  # no such model, or no such device
        raise runner.RunnerError(str(error)) from None
    failed = False
    for photo in options.photos:
        try:
            label, probability = export.classify(exported, photo)
        except (ValueError, OSError) as error:
            print(f"course_lib: {' '.join(str(error).split())}", file=sys.stderr)
            failed = True
        else:
            print(photo, label, f"{probability:.3f}", sep="\t", flush=True)
    return int(failed)


def bench(options: argparse.Namespace) -> int:
    """Run the speed benchmark with whatever options it was given; the exit code is its own."""
    script = paths.course_root() / "tests" / "benchmarks" / "speed.py"
    if not script.is_file():
        raise runner.RunnerError(
            f"bench needs {script}, which is not there: the benchmark is part of the course's "
            "repository, not of the installed package. Run it in a full copy of the repository."
        )
    return subprocess.run([sys.executable, str(script), *options.rest], check=False).returncode


def info(options: argparse.Namespace) -> int:
    """Print what is installed; 1 if a requirement is not met."""
    rows = environment.environment_report()
    width = max(len(row.name) for row in rows)
    for row in rows:
        verdict = "OK  " if row.ok else "FAIL"
        print(f"{verdict}  {row.name:<{width}}  {row.found}  (needed: {row.needed})")
    try:
        from course_lib import datasets, training
    except ImportError as error:  # said above as well, package by package
        print(f"device and data sets: unknown ({error})")
        return 1
    print(f"device: {training.pick_device('auto')}")
    for name in datasets.names():
        try:
            print(f"data set {name}: {datasets.find(name)}")
        except OSError as error:
            print(f"data set {name}: not here ({error})")
    return int(not all(row.ok for row in rows))


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
    except (runner.RunnerError, OSError) as error:
        print(f"course_lib: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("course_lib: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
