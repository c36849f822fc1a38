"""Where things are, whatever folder the reader started from.

JupyterLab starts a notebook in ``notebooks/``, papermill in the folder of its caller, nbval in the
notebook's own folder. All of them find the course through this module.
"""

from __future__ import annotations

from pathlib import Path


def course_root() -> Path:
    """Folder of the course: the one that holds ``notebooks/``, ``course_lib/`` and ``data/``.

    Returns
    -------
    Path
        Absolute path.

    Raises
    ------
    FileNotFoundError
        If neither the folder above this package nor the working directory or any folder above it
        is a checkout of the course.
    """
    here = Path(__file__).resolve().parent.parent
    for folder in (here, Path.cwd().resolve(), *Path.cwd().resolve().parents):
        if (folder / "notebooks").is_dir() and (folder / "data" / "README.md").is_file():
            return folder
    raise FileNotFoundError(
        f"the course's folder was not found from {Path.cwd()}: expected a folder with notebooks/ "
        "and data/README.md. Start from inside the course, or install it with 'pip install -e .' "
        "from its folder."
    )


def data_dir() -> Path:
    """Folder ``data/`` of the course, as an absolute path."""
    return course_root() / "data"


def notebooks_dir() -> Path:
    """Folder ``notebooks/`` of the course, as an absolute path."""
    return course_root() / "notebooks"
