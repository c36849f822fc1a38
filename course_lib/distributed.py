"""Many devices, one result: what torch's DistributedDataParallel leaves to its user.

``torchrun`` starts one process a device. Each holds a replica of the model and works on its share
of every batch; `DistributedDataParallel
<https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html>`_
averages their gradients, so that the replicas stay equal. The functions here see to the rest:
shares that differ in size are weighted by it, every image is counted once, and each image rolls
dice of its own, so that the result does not depend on how many processes took part.

Without ``torchrun`` everything here works in one process, and does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from course_lib import require


def rank() -> int:
    """Number of this process, from 0; 0 where there is only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes that train together, 1 or more."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def processes(device: str | torch.device = "auto") -> Iterator[str | torch.device]:
    """Join the processes that ``torchrun`` started, for as long as the block lasts.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` takes a CUDA device for each process where there is CUDA, else the CPU.
        ``"cuda"`` and ``"cpu"`` insist.

    Yields
    ------
    str or torch.device
        The device of this process; outside ``torchrun``, ``device`` as it was given.

    Raises
    ------
    ValueError
        If there are fewer CUDA devices than processes, or the device cannot be shared out.

    Notes
    -----
    Gradients travel by NCCL between CUDA devices and by gloo between CPUs.
    """
    if "LOCAL_RANK" not in os.environ:  # torchrun sets it
        yield device
        return
    own = _own_device(str(device))
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("cpu:gloo,cuda:nccl" if own.type == "cuda" else "gloo")
    try:
        yield own
    finally:
        dist.destroy_process_group()


def _own_device(device: str) -> torch.device:
    """Return the device of this process among those that ``torchrun`` started on this machine."""
    require.one_of("device", device, ("auto", "cpu", "cuda"), " for several processes")
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    wanted, there = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
    if wanted > there:
        raise ValueError(
            f"{wanted} processes were started on this machine, but it has {there} CUDA devices. "
            f"Use torchrun --nproc-per-node={max(there, 1)}, or device cpu."
        )
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


def replicate(model: nn.Module, device: str | torch.device) -> nn.Module:
    """Make a model one of several replicas that learn as one.

    Parameters
    ----------
    model : nn.Module
        The same in every process. Moved to the device, changed in place.
    device : str or torch.device
        From :func:`processes`.

    Returns
    -------
    nn.Module
        The model inside DistributedDataParallel; in a single process the model itself.

    Notes
    -----
    Gradients are averaged over images, not over processes, so that shares of different size do no
    harm. On CUDA, BatchNorm becomes `SyncBatchNorm
    <https://docs.pytorch.org/docs/stable/generated/torch.nn.SyncBatchNorm.html>`_, which in
    training mode sees the whole batch. There is none for the CPU: there each process normalises by
    its own share, and the running statistics are those of the first process. A frozen BatchNorm
    does the same everywhere.
    """
    if world_size() == 1:
        return model
    device = torch.device(device)
    if device.type == "cuda":
        model = with_sync_batchnorm(model)
    model.to(device, memory_format=torch.channels_last)  # before the buckets are laid out
    replica = DistributedDataParallel(model)
    weight = _ShareOfBatch()
    replica.register_forward_pre_hook(weight.measure)
    replica.register_comm_hook(weight, _mean_over_images)
    return replica


def with_sync_batchnorm(model: nn.Module) -> nn.Module:
    """Exchange the BatchNorm layers of a model for SyncBatchNorm, their weights kept.

    Notes
    -----
    timm's conversion and not torch's, which would drop the activation that timm's layers contain.
    """
    from timm.layers import convert_sync_batchnorm

    return convert_sync_batchnorm(model)


class _ShareOfBatch:
    """The fraction of the images of the current batch that this process has."""

    fraction = 1.0

    def measure(self, replica: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Ask the other processes how many images they have, before each step of training."""
        if replica.training:
            count = float(len(inputs[0]))
            self.fraction = count / total(count)


def _mean_over_images(share, bucket):  # torch refuses annotations that are strings
    """Average gradients of mean losses, weighted by the images that each mean is over."""
    gradient = bucket.buffer().mul_(share.fraction)
    done = dist.all_reduce(gradient, async_op=True).get_future()
    return done.then(lambda future: future.value()[0])


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside DistributedDataParallel, or the model itself."""
    return model.module if isinstance(model, DistributedDataParallel) else model


class Shares(Sampler[list[tuple[int, int]]]):
    """The part of every batch that this process works on; all processes together have all of it.

    Parameters
    ----------
    count : int
        Examples in the data set.
    batch_size : int
        Examples in a batch, over all processes together.
    generator : torch.Generator
        Equal in every process. Draws the order, and a seed for every example.

    Yields
    ------
    list of (int, int)
        Positions and seeds. The last batch may be smaller; one with fewer examples than processes
        is left out.
    """

    def __init__(self, count: int, batch_size: int, generator: torch.Generator) -> None:
        self.count, self.batch_size, self.generator = count, batch_size, generator

    def __len__(self) -> int:
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest >= world_size())

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = torch.randperm(self.count, generator=self.generator).tolist()
        seeds = torch.randint(2**62, (self.count,), generator=self.generator).tolist()
        drawn = list(zip(order, seeds, strict=True))
        for number in range(len(self)):
            batch = drawn[number * self.batch_size :][: self.batch_size]
            yield batch[rank() :: world_size()]


class OwnDice(Dataset):
    """A data set whose random transforms depend on a seed that comes with the position.

    Parameters
    ----------
    dataset : Dataset
        Its transforms draw from torch's global generator.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        position, seed = key
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.dataset[position]


class Share(Subset):
    """The part of a data set that this process works on; each example is in exactly one."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset, range(rank(), len(dataset), world_size()))


def train_loader(loader: DataLoader, batch_size: int) -> DataLoader:
    """Share a training loader out among the processes.

    Parameters
    ----------
    loader : DataLoader
        Whose data set and workers are used; it is shuffled anew.
    batch_size : int
        Examples in a batch, over all processes together.

    Returns
    -------
    DataLoader
        Every example comes with dice of its own: the same batches, augmented in the same way,
        however many processes share them.

    Raises
    ------
    ValueError
        If a batch or the data set is smaller than the number of processes.
    """
    require.whole("batch_size", batch_size, 1)
    _check_enough(batch_size, "images in a batch", "Use a larger batch size, or")
    _check_enough(len(loader.dataset), "training images", "Add images, or")
    generator = torch.Generator()
    shares = Shares(len(loader.dataset), batch_size, generator)
    return DataLoader(
        OwnDice(loader.dataset),
        batch_sampler=shares,
        generator=generator,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
    )


def eval_loader(loader: DataLoader) -> DataLoader:
    """Share an evaluation loader out among the processes, each example to exactly one.

    Parameters
    ----------
    loader : DataLoader
        In a fixed order, nothing random.

    Returns
    -------
    DataLoader
        For :func:`course_lib.training.predict`, which puts the predictions together again.

    Raises
    ------
    ValueError
        If there are fewer examples than processes.
    """
    _check_enough(len(loader.dataset), "images to evaluate", "Add images, or")
    return DataLoader(
        Share(loader.dataset),
        batch_size=loader.batch_size,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
    )


def _check_enough(count: int, what: str, advice: str) -> None:
    if count < world_size():
        raise ValueError(
            f"{world_size()} processes cannot share {count} {what}: each needs one at least. "
            f"{advice} start fewer processes."
        )


def total(value: float) -> float:
    """Sum of a number over all processes."""
    if world_size() == 1:
        return value
    numbers = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(numbers)
    return numbers.item()


def mean(value: float, count: int) -> float:
    """Mean of a number over all processes, weighted by how many examples each one's is over."""
    return value if world_size() == 1 else total(value * count) / total(count)


def from_each(value: Any) -> list[Any]:
    """Collect one value from every process, in the order of their ranks; every process gets all."""
    values = [value] * world_size()
    if world_size() > 1:
        dist.all_gather_object(values, value)
    return values


def put_together(loader: Any, results: Tensor) -> Tensor:
    """Join what the processes computed for their shares, in the order of the whole data set.

    Parameters
    ----------
    loader : iterable
        What the results are of.
    results : Tensor
        One row an example of this process's share.

    Returns
    -------
    Tensor
        One row an example of the data set, in every process; ``results`` themselves where the
        loader was not shared out.
    """
    if world_size() == 1 or not isinstance(getattr(loader, "dataset", None), Share):
        return results
    shares = from_each(results)
    joined = results.new_empty((sum(map(len, shares)), *results.shape[1:]))
    for number, share in enumerate(shares):
        joined[number :: world_size()] = share
    return joined
