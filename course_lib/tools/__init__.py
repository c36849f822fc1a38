"""What runs the course: ``cli`` names the commands, and is the first file to open.

No lesson is in here, and nothing that lessons import depends on it. A module is imported when it is
first asked for, so that help and ``info`` come at once.
"""

import importlib
from types import ModuleType

MODULES = ("audit", "book", "download", "export", "finetune", "grade", "info", "lessons")
MODULES += ("slides", "translate", "verdicts")


def __getattr__(name: str) -> ModuleType:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
