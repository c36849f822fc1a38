"""Divide a folder of classes at random into train/, val/ and, if wanted, test/."""

import shutil
from pathlib import Path

from course_lib import datasets, loaders


def split(folder: str | Path, val: float = 0.2, test: float = 0.0) -> Path:
    """Copy the images of ``FOLDER/<class>/`` to splits in the new ``FOLDER-split``; return that.

    Of each class ``val/`` and ``test/`` get these shares, one image at least. The course reads no
    ``test/``. Photos of one occasion may be divided: where that matters, divide by hand.
    """
    folder = Path(folder).expanduser().absolute()
    output = folder.with_name(f"{folder.name}-split")
    if not (val > 0 and test >= 0 and val + test < 1):
        raise ValueError(f"val is {val}, test is {test}: expected shares whose sum is below 1.")
    classes = [path.name for path in datasets.visible(folder) if path.is_dir()]
    if len(classes) < 2 or "train" in classes or output.exists():
        wanted = f"a folder for each of two or more classes, and no {output.name} beside them"
        raise ValueError(f"{folder} has {classes}: expected {wanted}.")
    rest = [path for name in classes for path in datasets.walk(folder / name)]
    rest = [path for path in rest if path.suffix.lower() in datasets.ENDINGS]
    parts, whole = {}, len(rest)
    for part, share in (("test", test), ("val", val)):
        if share:
            labels = [path.relative_to(folder).parts[0] for path in rest]
            left, taken = loaders.split(labels, share * whole / len(rest), seed=0)
            parts[part], rest = [rest[i] for i in taken], [rest[i] for i in left]
    parts["train"] = rest
    with datasets.written_whole(output) as unfinished:
        for part, paths in parts.items():
            for path in paths:
                target = unfinished / part / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
    return output
