"""What runs the course: ``cli`` names the commands, and is the first file to open.

A module is imported when it is first asked for, so that help and ``info`` come at once.
"""

import importlib.util
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
