"""A copy of the lessons, the server that serves it, and where pictures of the pages are kept."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import lab
import pytest
from playwright.sync_api import BrowserContext

from course_lib.datasets import course_root, data_dir


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a student opens; what the lessons import stays where it is."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(course_root() / "notebooks", folder / "notebooks")
    (folder / "data" / "insects").mkdir(parents=True)
    for name in ("README.md", "insects/contact_sheet.jpg"):
        shutil.copy(data_dir() / name, folder / "data" / name)
    return folder


# While the browser's driver runs, nothing else here can use asyncio, as tests of the runner do.
@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """The installed browser; without one, the tests that need it are skipped."""
    if lab.chromium() is None:
        pytest.skip(f"none of these browsers is installed: {', '.join(lab.BROWSERS)}")
    with lab.browser() as context:
        yield context


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Folder for pictures of the pages, if ``COURSE_SCREENSHOTS`` names one."""
    return Path(name).resolve() if (name := os.environ.get("COURSE_SCREENSHOTS")) else None
