"""Checkpoints of a training run: whole or absent, and nothing in them is ever executed.

A checkpoint is a file of tensors, numbers, strings and containers of these. It is read with
``torch.load(weights_only=True)``, which refuses anything else, and written beside its place first
and then moved there, so that a run killed at any moment leaves the last whole checkpoint.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

FORMAT = "course_lib checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says why and what to do."""


def save(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint as a whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to write or replace; its folder is made where it is missing.
    state : mapping
        Tensors, numbers, strings, None, and lists, tuples and dictionaries of these.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; an older checkpoint is kept then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")  # one name: what a killed run left is overwritten
    try:
        with part.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Parameters
    ----------
    path : str or Path
        File that :func:`save` wrote.

    Returns
    -------
    dict
        What was given to :func:`save`.

    Raises
    ------
    CheckpointError
        If the file is damaged, holds anything but data, or comes from another program.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}.") from None
    except Exception as error:
        raise CheckpointError(
            f"{path} is not a whole checkpoint of plain data, so it was not read ({error}). "
            "Delete it, or name another file, to start afresh."
        ) from None
    if not isinstance(state, dict) or state.pop("format", None) != FORMAT:
        raise CheckpointError(
            f"{path} is no checkpoint of this course's training. Name another file."
        )
    return state


def random_state(generator: torch.Generator | None = None) -> dict[str, Any]:
    """Return the state of every random generator that training draws from.

    Parameters
    ----------
    generator : torch.Generator, optional
        Of the training loader.

    Returns
    -------
    dict
        Of Python, NumPy, torch on the CPU and every CUDA device, and the loader.
    """
    _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - see training
    return {
        "python": random.getstate(),
        "numpy": (torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "loader": None if generator is None else generator.get_state(),
    }


def set_random_state(state: Mapping[str, Any], generator: torch.Generator | None = None) -> None:
    """Put every random generator back to where :func:`random_state` found it."""
    random.setstate(state["python"])
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    if generator is not None and state["loader"] is not None:
        generator.set_state(state["loader"])


def check_fits(model: nn.Module, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise if weights are not those of a model of this kind.

    Parameters
    ----------
    model : nn.Module
        The model that is to be trained.
    weights : mapping of str to Tensor
        A ``state_dict``.
    path : str or Path
        Where the weights come from, for the message.

    Raises
    ------
    CheckpointError
        If names or shapes differ.
    """
    expected = model.state_dict()
    if expected.keys() != weights.keys():
        odd = sorted(expected.keys() ^ weights.keys())
        raise CheckpointError(
            f"{path} belongs to another model: {len(odd)} weights are only in one of the two, "
            f"such as {odd[0]!r}. Build the model it was made with, or name another file."
        )
    for name, tensor in expected.items():
        if tensor.shape != weights[name].shape:
            raise CheckpointError(
                f"{path} belongs to a model of another shape: {name!r} is "
                f"{tuple(weights[name].shape)} there and {tuple(tensor.shape)} here. If it is the "
                "head, the number of classes differs. Name another file."
            )
