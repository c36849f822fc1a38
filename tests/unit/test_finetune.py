"""Fine-tuning: several processes learn what one learns, and a killed run goes on bit by bit."""

import itertools
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trained_together
from random_photos import save_photo
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib import devices, models
from course_lib.tools import export, finetune
from course_lib.tools.cli import main


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked")
    command = [sys.executable, trained_together.__file__, str(tmp_path_factory.mktemp("runs"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return json.loads(subprocess.check_output(command, env=environment))


def same(one: dict, other: dict) -> bool:
    return all(one[name] == other[name] for name in ("fingerprint", "history", "logits", "labels"))


def test_the_number_of_processes_and_kills_at_random_moments_change_nothing(found: dict) -> None:
    (alone,) = found["1"]
    assert alone["labels"] == [0, 0, 0, 0, 1, 1, 1]
    for result in itertools.chain(found["2"], found["4"], found["two, then one"]):
        assert result["labels"] == alone["labels"]
        for name in ("weights", "logits"):
            np.testing.assert_allclose(result[name], alone[name], atol=1e-5, err_msg=name)
        for name, values in alone["history"].items():
            np.testing.assert_allclose(result["history"][name], values, atol=1e-5, err_msg=name)
    steps = {name: [result["steps"] for result in found[name]] for name in ("1", "2", "4")}
    assert steps == {"1": [28], "2": [28] * 2, "4": [28] * 4}  # 195 photos by 32 make 7 an epoch
    assert found["two, then one"][0]["steps"] == 14
    assert found["died"] == [None, None] and found["half"] == 2
    assert [result["steps"] for result in found["went on"]] == [10, 10]
    one, other = found["two"]  # their dropout and BatchNorm differ; weights and statistics do not
    assert all(same(one, result) for result in (other, *found["went on"]))
    random = found["random"]
    assert all(same(result, random["whole"]) for result in random["ended"])
    assert len(random["ended"]) >= 3 and random["resumed"] >= 10 and random["writing"] >= 1


def test_the_command_says_the_same_with_torchrun(folder, capsys) -> None:
    options = ["train", "--dataset", str(folder), "--backbone", "resnet10t", "--from-scratch"]
    options += ["--frozen", "--image-size", "32", "--batch-size", "7", "--device", "cpu"]
    options += ["--epochs", "2", "--learning-rate", "0.1", "--seed", "1"]
    assert main(options) == 0
    alone = capsys.readouterr().out.splitlines()
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    how = {"text": True, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    two = subprocess.check_output([*start, "-m", "course_lib", *options], **how).splitlines()
    assert (alone[0], two[0]) == ("processes: 1 (cpu)", "processes: 2 (cpu)")
    assert len(alone) == len(two) == 5 and alone[4] == two[4]
    for one, other in zip(alone[2:4], two[2:4], strict=True):
        numbers = [[float(number) for number in line.split()[:3]] for line in (one, other)]
        assert numbers[0] == pytest.approx(numbers[1], abs=2e-4)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> finetune.Settings:
    monkeypatch.setattr(models, "build_model", trained_together.tiny)
    made = trained_together.photos(tmp_path, 16, 4)
    return replace(made, epochs=1, checkpoint=tmp_path / "new folder" / "run.ckpt")


def test_more_epochs_go_on_and_a_finished_run_is_left_alone(settings: finetune.Settings) -> None:
    whole = finetune.run(replace(settings, checkpoint=None, epochs=9))
    finetune.run(replace(settings, epochs=5))
    torch.manual_seed(99)  # whatever happens in between
    for name in (".run.ckpt-killed__", ".run.ckpt-2-abcd1234"):  # left by a killed write; another's
        settings.checkpoint.with_name(name).mkdir()
    settings.checkpoint.with_name(".run.ckpt-my_notes").touch()
    parts = finetune.run(replace(settings, epochs=9))  # the learning rate falls after seven
    assert parts.history.learning_rate == whole.history.learning_rate
    assert parts.history.train_loss == whole.history.train_loss
    assert torch.equal(parts.test.logits, whole.test.logits)
    again = finetune.run(replace(settings, epochs=2))
    assert again.history == parts.history  # seconds too
    assert "\nnothing was trained: 9 epochs were done before\ntest accuracy" in again.report()
    assert "nothing" not in parts.report() and parts.begun == 5
    there = sorted(path.name for path in settings.checkpoint.parent.iterdir())
    assert there == [".run.ckpt-2-abcd1234", ".run.ckpt-my_notes", "run.ckpt"]


def test_a_run_goes_on_in_the_precision_it_began_in(settings, monkeypatch) -> None:
    real = devices.pick_precision
    with monkeypatch.context() as elsewhere:
        half = lambda asked, *a, **how: real(asked.replace("auto", "bfloat16"), *a, **how)  # noqa: E731
        elsewhere.setattr(devices, "pick_precision", half)
        whole = finetune.run(replace(settings, checkpoint=None, epochs=2)).history
        finetune.run(settings)
    assert finetune.run(replace(settings, epochs=2)).history.train_loss == whole.train_loss
    plain = finetune.run(replace(settings, checkpoint=None, epochs=2)).history
    assert plain.train_loss != whole.train_loss


def test_a_checkpoint_of_another_run_is_refused_by_name(settings: finetune.Settings) -> None:
    finetune.run(settings)
    before, folder = settings.checkpoint.read_bytes(), Path(settings.dataset)
    others = {"backbone": "noisy", "seed": 1, "frozen": True, "batch_size": 8, "augment": False}
    others |= {"learning_rate": 0.02, "image_size": 24, "pretrained": False}
    for name, value in others.items():
        with pytest.raises(ValueError, match=rf"is of {name} .*, not {name} {value!r}: go"):
            finetune.run(replace(settings, **{name: value}))
    (folder / "train").rename(folder / "moved")  # the same images, elsewhere
    for split in ("moved", "val"):
        shutil.copytree(folder / split, folder / "new" / split.replace("moved", "train"))
    elsewhere = replace(settings, dataset=str(folder / "new"), workers=0)
    assert finetune.run(elsewhere).begun == 1
    save_photo(folder / "new" / "val" / "ants" / "000.png", 99, (16, 16))  # one other, of 20
    with pytest.raises(ValueError, match=r"images '20 \(SHA-256 \w+…\)', not images '20 \(SHA"):
        finetune.run(elsewhere)
    for split in ("train", "val"):
        (folder / "new" / split / "ants").rename(folder / "new" / split / "wasps")
    with pytest.raises(ValueError, match=r"classes \('ants', 'bees'\), images .*'wasps'\), images"):
        finetune.run(elsewhere)
    assert settings.checkpoint.read_bytes() == before


def test_what_is_no_checkpoint_is_refused_and_not_executed(settings, tmp_path, monkeypatch) -> None:
    class Planted:
        def __reduce__(self) -> tuple:  # what unpickling would run
            return os.mkdir, ("executed",)

    monkeypatch.chdir(tmp_path)
    finetune.run(settings)
    whole = settings.checkpoint.read_bytes()
    torch.save({"about": {}, "model": Planted()}, "planted.ckpt")
    torch.save({"model": {}}, "other.ckpt")
    contents = [Path("planted.ckpt").read_bytes(), Path("other.ckpt").read_bytes()]
    contents += [pickle.dumps(Planted()), b"", whole[: len(whole) // 3], whole[:-100]]
    for content in contents:
        settings.checkpoint.write_bytes(content)
        with pytest.raises(ValueError, match=r"run\.ckpt is not a whole checkpoint of this course"):
            finetune.run(settings)
    assert not Path("executed").exists()


@pytest.mark.parametrize(("options", "message"), [
    (["--batch-size", "0"], "batch_size is 0: expected a whole number of 1 or more"),
    (["--epochs", "-1"], "epochs is -1"),
    (["--learning-rate", "nan"], "learning_rate is nan"),
    (["--dataset", "wasps"], "wasps"),
    (["--device", "tpu"], "device is 'tpu'"),
    (["--checkpoint", "."], "cannot be written: it is a folder"),
    (["--checkpoint", "a_file/run.ckpt"], "a_file is no folder that you can write to"),
    (["--checkpoint", "m.safetensors"], "models, and only they, end in .safetensors"),
    (["--model", "m.onnx"], "models, and only they, end in .safetensors"),
    (["--model", "m.v1"], "argument --model: "),
    (["--model", "locked/below/m.safetensors"], "locked is no folder that you can write to"),
    (["--dataset", "data/insects/field"], f"data{os.sep}insects{os.sep}field'"),  # none here
])  # fmt: skip
def test_bad_options_end_in_a_line_before_training(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a_file").touch()
    Path("locked").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: Path(p).name != "locked" and access(p, mode))
    monkeypatch.setattr(finetune.training, "_train_one_epoch", lambda *_: pytest.fail("trains"))
    with pytest.raises(SystemExit) as end:
        sys.exit(main(["train", "--epochs", "1", *options]))
    said = capsys.readouterr().err
    assert end.value.code == 2 and message in said and said.count("\n") == 1


def test_what_train_writes_predict_reads(folder, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    options = ["train", "--dataset", ".", "--backbone", "test_vit", "--from-scratch"]
    options += ["--image-size", "48", "--device", "cpu", "--epochs", "1", "--checkpoint=~/a/run"]
    mask = os.umask(0o026)
    try:
        assert main([*options, "--model=~/a/m.safetensors"]) == 0
    finally:
        os.umask(mask)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder / "a").iterdir()}
    assert modes == dict.fromkeys(["run", "m.safetensors"], 0o640 if os.name == "posix" else 0o666)
    said = capsys.readouterr().out
    assert main([*options, "--model", "again.safetensors"]) == 0  # of a run that is over
    assert "nothing was trained: 1 epochs" in capsys.readouterr().out and "nothing" not in said
    kept, again = (export.load(path).model for path in ("a/m.safetensors", "again.safetensors"))
    assert models.fingerprint(kept) == models.fingerprint(again)
    accuracy = float(said.split("test accuracy ")[1].split()[0])
    assert main(["predict", "~/a/m.safetensors", "val"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    right = [Path(path).parent.name == label for path, label, _ in lines]
    assert len(lines) == 10 and sum(right) / 10 == accuracy


@pytest.mark.parametrize("size", [1, 2, 4])
def test_shares_make_up_even_batches(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    shares = []
    for rank in range(size):
        monkeypatch.setattr(finetune, "place", lambda rank=rank: (rank, size))
        sampler = finetune.Shares(17, 5)
        sampler.generator.manual_seed(0)
        shares.append(list(sampler))
        assert len(sampler) == 4 and sampler.own == sum(map(len, shares[-1]))
    batches = [list(itertools.chain(*parts)) for parts in zip(*shares, strict=True)]
    assert list(map(len, batches)) == [5, 4, 4, 4] and all(map(all, shares))
    assert sorted(position for batch in batches for position, _ in batch) == list(range(17))
    monkeypatch.setattr(finetune, "place", lambda: (0, 8))
    with pytest.raises(ValueError, match="8 processes cannot share a batch of 4 images"):
        finetune.Shares(17, 5)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_example_rolls_its_own_dice_and_leaves_the_others_alone(workers: int) -> None:
    class Dice(TensorDataset):
        def __getitem__(self, position: int) -> tuple:
            return position, torch.rand(1).item()

    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    keys = [[[3, 11], [4, 12]], [[3, 11]]]
    data = finetune.OwnDice(Dice(torch.zeros(5)))
    loader = DataLoader(data, batch_sampler=keys, num_workers=workers, generator=torch.Generator())
    (positions, first), (_, second) = list(loader)
    assert positions.tolist() == [3, 4] and first[0] == second[0] != first[1]
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(("device", "there", "expected"), [
    ("auto", 2, "4 processes were started on this machine, but it has 2 CUDA devices"),
    ("cuda", 0, "4 processes .* 0 CUDA devices. Use torchrun --nproc-per-node=1"),
    ("mps", 0, "device is 'mps': expected auto, cpu, cuda for several processes"),
    ("auto", 4, torch.device("cuda", 3)),
    ("auto", 0, torch.device("cpu")),
    ("cpu", 4, torch.device("cpu")),
])  # fmt: skip
def test_each_process_is_given_its_own_device(monkeypatch, device, there, expected) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(finetune.dist, name, lambda *_: None)
    if isinstance(expected, torch.device):
        with finetune.processes(device) as own:
            assert own == expected
    else:
        with pytest.raises(ValueError, match=expected), finetune.processes(device):
            pass


def test_sync_batchnorm_keeps_weights_and_activation() -> None:
    """torch's own conversion would drop the activation inside timm's BatchNorm layers."""
    model = models.build_model("tf_efficientnet_lite0", 2, pretrained=False).eval()
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model(images)
        synchronised = finetune.convert_sync_batchnorm(model)
        assert torch.equal(synchronised(images), before)
    assert sum(isinstance(layer, nn.SyncBatchNorm) for layer in synchronised.modules()) == 49
