"""The one download of the course: the photos of the article."""

import os
import shutil
import tempfile
from http.client import HTTPException
from pathlib import Path

from torch.hub import download_url_to_file

from course_lib import datasets, progress

URL = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"  # of 47,286,322 bytes
SHA256 = "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209"
FAILURES = (OSError, RuntimeError, HTTPException)


def download(name: str, url: str = URL) -> Path:
    """Fetch the article's 397 photos (47 MB) into ``data/``, if need be; return their folder."""
    if name != "hymenoptera":
        raise ValueError(f"{name!r} cannot be downloaded: only 'hymenoptera' can, and need be.")
    folder = datasets.data_dir() / datasets.KNOWN[name]
    if os.environ.get(datasets.HYMENOPTERA_DIR) or (folder / "train").exists():
        return datasets.find(name)
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".hymenoptera-") as scratch:
            archive = Path(scratch, "photos.zip")
            _fetch(url, archive)
            shutil.unpack_archive(archive, scratch)
            Path(scratch, "hymenoptera_data").rename(folder)
    except FAILURES as error:
        if (folder / "train").exists():  # another process was faster
            return folder
        way = f"set {datasets.HYMENOPTERA_DIR} to the folder hymenoptera_data that comes out"
        other = f"Without a network: get it on another computer, unpack it, and {way}."
        raise RuntimeError(f"{url} could not be fetched ({error}). {other}") from error
    return folder


def _fetch(url: str, archive: Path) -> None:
    """Download the archive, in three tries, and make sure that it is the published one."""
    for tries_left in (2, 1, 0):
        try:
            return download_url_to_file(url, str(archive), SHA256, progress.is_watched())
        except FAILURES:  # often a connection that broke off, which may show as too few bytes only
            if not tries_left:
                raise
