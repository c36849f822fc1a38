"""Several processes: the same result as one, every image once, exact resume, clear errors."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import trained_together
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib import checkpoint, distributed, models
from course_lib.__main__ import main


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start two processes on this machine, with one thread each."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment)


def together(checkpoint: Path, result: Path, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    program = Path(trained_together.__file__)
    return torchrun(str(program), str(checkpoint), str(result), str(kill_at))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = together(folder / "run.ckpt", folder / "result.json")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())


def test_two_processes_learn_what_one_learns(undisturbed: dict) -> None:
    alone, two = trained_together.train(0.0), undisturbed["plain"]
    assert two["weights"] == pytest.approx(alone["weights"], abs=1e-5)
    for name, of_epochs in alone["history"].items():
        assert two["history"][name] == pytest.approx(of_epochs, abs=1e-5), name


def test_every_test_image_is_counted_once_and_in_order(undisturbed: dict) -> None:
    alone, two = trained_together.train(0.0), undisturbed["plain"]
    assert two["labels"] == alone["labels"] == [0, 1, 2, 0, 1, 2, 0]
    assert two["logits"] == pytest.approx(alone["logits"], abs=1e-5)


def test_replicas_stay_equal(undisturbed: dict) -> None:
    first, second = undisturbed["replicas"]
    assert first == second


def test_a_killed_run_ends_as_if_undisturbed(tmp_path: Path, undisturbed: dict) -> None:
    """Each process has its own dropout, and has drawn another number of times from its dice."""
    file, result = tmp_path / "run.ckpt", tmp_path / "result.json"
    assert together(file, result, kill_at=8).returncode != 0
    assert len(checkpoint.load(file)["history"]["seconds"]) == 2
    assert [path for path in tmp_path.iterdir() if path != file] == []
    done = together(file, result)
    assert done.returncode == 0, done.stderr
    assert json.loads(result.read_text())["dropout"] == undisturbed["dropout"]


def test_the_command_says_the_same_from_one_process_and_from_two(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["train", "--dataset", str(folder), "--backbone", "resnet10t", "--from-scratch"]
    options += ["--frozen", "--image-size", "32", "--batch-size", "7", "--device", "cpu"]
    options += ["--epochs", "2", "--learning-rate", "0.1", "--seed", "1"]  # 16 images: 7, 7, 2
    assert main(options) == 0
    alone = capsys.readouterr().out.splitlines()
    done = torchrun("-m", "course_lib", *options)
    assert done.returncode == 0, done.stderr
    two = done.stdout.splitlines()
    assert (alone[0], two[0]) == ("processes: 1 (cpu)", "processes: 2 (cpu)")
    assert len(alone) == len(two) == 5
    for one, other in zip(alone[2:4], two[2:4], strict=True):
        assert [float(n) for n in one.split()[:3]] == pytest.approx(
            [float(n) for n in other.split()[:3]], abs=2e-4
        )
    assert alone[4] == two[4]
    assert alone[4].endswith("(10 images)")


def test_the_command_resumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["train", "--dataset", str(folder), "--backbone", "resnet10t", "--from-scratch"]
    options += ["--frozen", "--image-size", "32", "--device", "cpu", "--no-augment"]
    file = folder / "run.ckpt"
    assert main([*options, "--epochs", "2"]) == 0
    whole = capsys.readouterr().out.splitlines()
    assert main([*options, "--epochs", "1", "--checkpoint", str(file)]) == 0
    capsys.readouterr()
    assert main([*options, "--epochs", "2", "--checkpoint", str(file)]) == 0
    found = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in found] == [line.split()[:3] for line in whole]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size", "0"], "batch_size is 0: expected a whole number of 1 or more"),
        (["--epochs", "-1"], "epochs is -1"),
        (["--learning-rate", "nan"], "learning_rate is nan"),
        (["--dataset", "wasps"], "wasps"),
        (["--device", "tpu"], "device is 'tpu'"),
    ],
)
def test_bad_options_end_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def rehearse(monkeypatch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    """Pretend to be one of several processes."""
    monkeypatch.setattr(distributed, "rank", lambda: rank)
    monkeypatch.setattr(distributed, "world_size", lambda: size)


@pytest.mark.parametrize(("size", "batches"), [(1, 4), (2, 4), (3, 3), (5, 3)])
def test_shares_make_up_the_batches(
    monkeypatch: pytest.MonkeyPatch, size: int, batches: int
) -> None:
    """17 examples in batches of 5 leave 2, which 3 processes cannot share."""
    loader = DataLoader(TensorDataset(torch.arange(17)))
    shares = []
    for rank in range(size):
        rehearse(monkeypatch, rank, size)
        sampler = distributed.train_loader(loader, 5).batch_sampler
        sampler.generator.manual_seed(0)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1]) == batches
    rehearse(monkeypatch, 0, 1)
    sampler.generator.manual_seed(0)
    whole = list(sampler)
    for number in range(batches):
        parts = [share[number] for share in shares]
        assert all(parts)
        assert sorted(itertools.chain(*parts)) == sorted(whole[number])


@pytest.mark.parametrize("workers", [0, 1])
def test_an_example_rolls_its_own_dice_and_leaves_the_others_alone(workers: int) -> None:
    data = distributed.OwnDice(trained_together.Noisy(5, noise=1.0))
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    keys = [[(3, 11), (4, 12)], [(3, 11)]]
    loader = DataLoader(data, batch_sampler=keys, num_workers=workers, generator=torch.Generator())
    (first, _), (second, _) = list(loader)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1] - data.dataset.x[4], first[0] - data.dataset.x[3])
    assert torch.equal(torch.rand(1), expected)


def test_too_many_processes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearse(monkeypatch, 0, 8)
    few = DataLoader(TensorDataset(torch.zeros(7, 4)))
    with pytest.raises(ValueError, match="8 processes cannot share 7 training images"):
        distributed.train_loader(few, 8)
    with pytest.raises(ValueError, match="8 processes cannot share 4 images in a batch"):
        distributed.train_loader(few, 4)
    with pytest.raises(ValueError, match="8 processes cannot share 7 images to evaluate"):
        distributed.eval_loader(few)


@pytest.mark.parametrize(
    ("device", "there", "message"),
    [
        ("auto", 2, "4 processes were started on this machine, but it has 2 CUDA devices"),
        (
            "cuda",
            0,
            "4 processes .* 0 CUDA devices. Use torchrun --nproc-per-node=1",
        ),
        ("mps", 0, "device is 'mps': expected auto, cpu, cuda for several processes"),
    ],
)
def test_too_few_devices_are_named(
    monkeypatch: pytest.MonkeyPatch, device: str, there: int, message: str
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    cuda = SimpleNamespace(is_available=lambda: there > 0, device_count=lambda: there)
    monkeypatch.setattr(torch, "cuda", cuda)
    with pytest.raises(ValueError, match=message), distributed.processes(device):
        pass


def test_each_process_is_given_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 4)
    monkeypatch.setattr(torch, "cuda", cuda)
    assert distributed._own_device("auto") == torch.device("cuda", 3)
    assert distributed._own_device("cpu") == torch.device("cpu")


def test_sync_batchnorm_keeps_weights_and_activation() -> None:
    """torch's own conversion would drop the activation inside timm's BatchNorm layers."""
    model = models.build_model("tf_efficientnet_lite0", 2, pretrained=False).eval()
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model(images)
        synchronised = distributed.with_sync_batchnorm(model)
        assert torch.equal(synchronised(images), before)
    layers = models.batchnorm_layers(synchronised).values()
    assert len(layers) == 49
    assert all(isinstance(layer, nn.SyncBatchNorm) for layer in layers)


def test_one_process_is_left_as_it_is() -> None:
    model = nn.Linear(4, 2)
    assert distributed.replicate(model, "cpu") is model
    assert distributed.from_each("a") == ["a"]
    assert distributed.total(2.5) == distributed.mean(2.5, 3) == 2.5
    with distributed.processes("cpu") as device:
        assert device == "cpu"
        assert (distributed.rank(), distributed.world_size()) == (0, 1)
