"""What a measurement was made on, in one line."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "timm", "scikit-learn", "numpy", "pillow")


def processor() -> str:
    """Name of the CPU, as well as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe() -> str:
    """Processor, cores and threads, vector instructions, graphics card, and the versions."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    vectors = torch.backends.cpu.get_cpu_capability()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    listed = ", ".join([f"python {platform.python_version()}", *versions])
    return f"{processor()}, {cores}, {vectors}, {device}; {listed}"
