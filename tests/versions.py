"""Try the course with the Pythons that are on this computer, and with the oldest and newest torch.

Run as a program: ``python tests/versions.py [--keep FOLDER] [TESTS…]``. For every Python from 3.11
to 3.13 that is found, and once more with the oldest torch, it copies the course, makes a virtual
environment, installs requirements.txt, runs the tests (tests/unit unless named), and prints a line
and what failed. Ends with 1 if anything did. Needs the package index and some gigabytes for each.
The workflow does the same for every change; this is for trying before.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
OLDEST = {"torch": "2.11.0", "torchvision": "0.26.0"}


def interpreters() -> dict[str, str]:
    """Version to program, of the Pythons on the search path and those that pyenv keeps."""
    found = {}
    for version in PYTHONS:
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
        for program in (shutil.which(f"python{version}"), *map(str, kept)):
            test = [program, "-c", "import venv"]
            if program and not subprocess.run(test, capture_output=True, check=False).returncode:
                found[version] = program
                break
    return found


def copy_of_the_course(folder: Path, oldest: bool) -> Path:
    """A copy of this tree, whose requirements name the oldest torch if that is asked for."""
    course = folder / "course"
    shutil.rmtree(course, ignore_errors=True)  # one that was kept may be of another day
    kept = ("*venv*", "Python-*")
    left_out = shutil.ignore_patterns("*cache*", ".git", "*.egg-info", "runs", *kept)
    shutil.copytree(ROOT, course, ignore=left_out)
    path = course / "requirements.txt"
    text = path.read_text(encoding="utf-8")
    for name, version in OLDEST.items() if oldest else ():
        text = re.sub(rf"^{name}==.*$", f"{name}=={version}", text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return course


def tried(program: str, folder: Path, oldest: bool, tests: list[str]) -> str:
    """Install and test in a new environment; the last line that was printed, and what failed."""
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    course = copy_of_the_course(folder, oldest)
    install = [python, "-m", "pip", "install", "-q", "-r", "requirements.txt", "-e", "."]
    test = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    for step in ([program, "-m", "venv", folder / "venv"], install, test):
        done = subprocess.run(step, cwd=course, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines() or [str(step)]
            named = [line for line in said if line.startswith(("FAILED", "ERROR"))]
            return "\n  ".join([f"FAIL: {said[-1]}", *named])
    return done.stdout.strip().splitlines()[-1]


def main() -> int:
    """Try everything there is; print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the environments here")
    parser.add_argument("tests", nargs="*", default=["tests/unit"])
    options = parser.parse_args()
    there, failed = interpreters(), False
    runs = [(version, there.get(version), False) for version in PYTHONS]
    runs.append((PYTHONS[0], there.get(PYTHONS[0]), True))
    with tempfile.TemporaryDirectory() as temporary:
        for version, program, oldest in runs:
            name = f"Python {version}, {'oldest' if oldest else 'newest'} torch"
            if program is None:
                print(f"{name}: not here")
                continue
            folder = (options.keep or Path(temporary)) / name.replace(",", "").replace(" ", "-")
            said = tried(program, folder, oldest, options.tests)
            failed = failed or said.startswith("FAIL")
            print(f"{name}: {said}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
