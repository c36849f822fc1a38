"""What importing and running the default path do, and do not do."""

import subprocess
import sys

import pytest

QUIET = """
import socket

def refuse(*address, **options):
    raise AssertionError(f"the network was asked for {address[-1]}")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse
"""
DEFAULT_PATH = """
import importlib, pkgutil
import course_lib

for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import torch
from course_lib import datasets, loaders, models

listing = datasets.scan(datasets.find("insects"))
model = models.build_model("efficientnet_lite0", len(listing.classes))
photos = loaders.Photos(listing.files["val"][:2], loaders.eval_transform(model.preprocessing, 64))
print(tuple(model.eval()(torch.stack([photos[0][0], photos[1][0]])).shape))
"""


def run(code: str) -> str:
    command = [sys.executable, "-W", "error::ImportWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_default_path_asks_nobody_and_the_test_would_notice_a_question() -> None:
    assert run(QUIET + DEFAULT_PATH) == "(2, 2)\n"
    with pytest.raises(AssertionError, match="the network was asked"):
        run(QUIET + "import urllib.request; urllib.request.urlopen('https://example.com')")
