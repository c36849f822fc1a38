"""Where to compute, and in which numbers: what a lesson asks of the machine it runs on."""

import ctypes
import platform
from functools import cache

import torch
from torch import Tensor, nn

Device = str | torch.device


def pick_device(device: Device = "auto") -> torch.device:
    """Return the device named; for ``"auto"`` CUDA, else Apple's MPS, else the CPU."""
    here = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.mps.is_available() + ["cpu"]
    if str(device) == "auto":
        return torch.device(here[0])
    if str(device).split(":")[0] not in here:
        raise ValueError(f"device is {str(device)!r}: this machine has {' and '.join(here)}.")
    return torch.device(device)


def pick_precision(
    precision: str, device: torch.device, model: nn.Module, *, backward: bool = True
) -> torch.dtype:
    """Return the type to multiply in: ``"float32"``, ``"bfloat16"``, or ``"auto"``, the faster one.

    Weights and loss stay float32: nothing needs scaling (Kalamkar et al., arXiv:1905.12322).
    """
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    found = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    depthwise = any(layer.groups == layer.in_channels > 1 for layer in found)
    gains = bool(found) and not (backward and depthwise and device.type == "cpu")
    return torch.bfloat16 if gains and _has_bfloat16(device.type) else torch.float32


@cache
def _has_bfloat16(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return kind == "cpu" and any(getattr(torch.cpu, name, bool)() for name in asked)


def to_device(inputs: Tensor, device: torch.device) -> Tensor:
    """Move a batch, images in the memory layout that convolutions like best (channels last)."""
    layout = torch.channels_last if inputs.ndim == 4 else torch.preserve_format
    return inputs.to(device, non_blocking=True, memory_format=layout)


@cache
def reuse_memory() -> None:
    """Tell glibc, mallopt(3), to keep large blocks, or Linux clears every page for each batch."""
    if platform.libc_ver()[0] == "glibc":
        for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            ctypes.CDLL(None).mallopt(option, 2**31 - 1)
