"""Kill a download at many moments of its work; print what each left and how often it was whole.

Run as a program: ``python killed_downloads.py URL MANIFEST FOLDER EVERY``. Each download runs in a
forked process that kills itself at a line of the download module: the first at line number EVERY,
the second at twice that, until one comes to its end. Chunks are tiny, so that there are lines
between all the bytes of the file. One more, left alone, must find its way over what all of them
left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import tqdm.auto  # noqa: F401 - once here, and not in each fork

from course_lib import datasets, download


def die_after(lines: int) -> None:
    """Kill this process when it has run so many lines of the modules that download."""
    left = lines
    files = (download.__file__, datasets.__file__)

    def trace(frame: FrameType, event: str, argument: object) -> Callable | None:
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        left -= event == "line"
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def forked(url: str, lines: int | None) -> bool:
    """Download in a process of its own, killed after some lines; was it killed?"""
    child = os.fork()
    if child == 0:
        if lines is not None:
            die_after(lines)
        datasets.download("hymenoptera", url=url)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(url: str, manifest: Path, folder: Path, every: int) -> None:
    """Kill downloads at every so many lines, then let one be."""
    download.CHUNK = 256
    datasets.data_dir = lambda: folder
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the children's
    expected = download.read_manifest(manifest, top=datasets.HYMENOPTERA_TOP)
    kills, wrong = 0, []
    while forked(url, every * (kills + 1)):
        kills += 1
        left = folder / "hymenoptera"
        if left.exists():  # whole and verified, or not there at all
            wrong += download.verify_folder(left, expected)
            break
    forked(url, None)
    wrong += download.verify_folder(folder / "hymenoptera", expected)
    left = sorted(path.name for path in (folder / ".cache").iterdir() if path.suffix != ".lock")
    print(json.dumps({"kills": kills, "wrong": wrong, "left": left}), file=sys.__stdout__)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
