from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from random_photos import save_photo
from safetensors.torch import load_file, save_file

from course_lib import loaders, models, training
from course_lib.tools import export
from course_lib.tools.cli import main

CLASSES = ("ants", "bees", "Wildbienen ✿")
SIZE = 32


@pytest.fixture(scope="module")
def exported() -> export.Exported:
    """A classifier with random weights, its BatchNorm statistics moved, as after training."""
    model = models.build_model("resnet18", len(CLASSES), pretrained=False)
    torch.manual_seed(1)
    model.to(memory_format=torch.channels_last).train()
    with torch.no_grad():
        model(torch.randn(8, 3, SIZE, SIZE))
    model.preprocessing = loaders.Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 0.8, "bicubic")
    return export.Exported(model.eval(), CLASSES, "resnet18", SIZE)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("new photos")
    for seed, size in enumerate([(40, 32), (64, 90), (31, 31)]):
        save_photo(folder / f"new {seed}.png", seed, size)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def file(exported: export.Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "below" / "model.safetensors"
    export.save(path, exported)
    return path


def test_everything_comes_back(exported: export.Exported, file: Path) -> None:
    loaded = export.load(file)
    assert (loaded.classes, loaded.backbone, loaded.image_size) == (CLASSES, "resnet18", SIZE)
    assert loaded.model.preprocessing == exported.model.preprocessing
    assert models.fingerprint(loaded.model) == models.fingerprint(exported.model)
    assert not loaded.model.training
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_fresh_process_gives_the_same_logits_bit_by_bit(
    exported: export.Exported, file: Path, photos: list[Path]
) -> None:
    code = (
        "import json, sys; from course_lib import export; import torch;"
        f"torch.set_num_threads({torch.get_num_threads()});"
        "print(json.dumps(export.logits(export.load(sys.argv[1]), sys.argv[2:]).tolist()))"
    )
    command = [sys.executable, "-c", code, str(file), *map(str, photos)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    there, here = torch.tensor(json.loads(done.stdout)), export.logits(exported, photos)
    assert torch.equal(there, here)
    assert here.shape == (3, 3) and len(here.unique()) == 9


def test_logits_are_those_of_evaluation_and_independent_of_company(
    exported: export.Exported, photos: list[Path]
) -> None:
    transform = loaders.eval_transform(exported.model.preprocessing, SIZE)
    data = torch.utils.data.DataLoader(loaders.Photos([(p, 0) for p in photos], transform), 3)
    together = training.predict(exported.model, data, "cpu").logits
    alone = [export.logits(exported, [photo])[0] for photo in photos]
    assert torch.equal(export.logits(exported, photos), torch.stack(alone))
    assert torch.allclose(together, torch.stack(alone), atol=1e-5)


def test_classify_names_the_largest(exported: export.Exported, photos: list[Path]) -> None:
    label, probability = export.classify(exported, photos[0])
    expected = export.logits(exported, photos[:1])[0].softmax(0)
    assert (label, probability) == (CLASSES[expected.argmax()], expected.max().item())


def test_names_must_fit_the_outputs(exported: export.Exported) -> None:
    for classes in (("a", "b"), ("a", "b", "b")):
        with pytest.raises(ValueError, match="expected 3 different names"):
            export.Exported(exported.model, classes, "resnet18", SIZE)
    with pytest.raises(ValueError, match="image_size is 0"):
        export.Exported(exported.model, CLASSES, "resnet18", 0)


def rewritten(file: Path, new: Path, **changes: str | None) -> Path:
    """A copy of a model file with other metadata; None takes an entry out."""
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        metadata = {**opened.metadata(), **changes}
    kept = {key: value for key, value in metadata.items() if value is not None}
    save_file(load_file(file), new, kept)
    return new


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": None}, "not a model of this course"),
        ({"format": "course_lib model 9"}, "not a model of this course"),
        ({"backbone": "resnet34"}, r"belongs to another model.*The file says backbone 'resnet34'"),
        ({"backbone": "resnet17"}, r"backbone is 'resnet17'.*Did you mean"),
        ({"backbone": "hf-hub:somebody/model"}, "backbone is 'hf-hub:somebody/model'"),
        ({"classes": '["ants", "bees"]'}, r"another shape: 'head.weight' is \(3, 512\) there"),
        ({"classes": '["ants", "ants", "bees"]'}, "expected 3 different names"),
        ({"classes": "[1, 2, 3]"}, r"the classes are \[1, 2, 3\]"),
        ({"classes": "ants"}, "description is damaged"),
        ({"classes": None}, "description is damaged"),
        ({"image_size": "0"}, "image_size is 0"),
        ({"preprocessing": "{}"}, "description is damaged"),
        ({"preprocessing": '{"mean": [0, 0, 0], "std": [1, 0, 1]}'}, "the normalisation is"),
        ({"preprocessing": '{"mean": [0, NaN, 0], "std": [1, 1, 1]}'}, "the normalisation is"),
        ({"preprocessing": '{"mean": [0, 0], "std": [1, 1, 1]}'}, "the normalisation is"),
        ({"preprocessing": '{"mean": [0, 0, 0], "std": [1, 1, 1], "x": 1}'}, "unexpected keyword"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(map(str, value.items())),
)
def test_a_file_that_does_not_fit_is_refused(
    file: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(export.ModelFileError, match=message):
        export.load(rewritten(file, tmp_path / "other.safetensors", **changes))


class Burglar:
    """What a pickle can do to whoever loads it."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("broken_in"),))


def test_no_pickle_is_ever_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.pt").write_bytes(pickle.dumps(Burglar()))
    torch.save({"x": torch.zeros(1)}, "weights.pth")
    for name in ("model.pt", "weights.pth"):
        with pytest.raises(export.ModelFileError, match="is not a whole safetensors file"):
            export.load(name)
    assert not Path("broken_in").exists()


def test_a_file_cut_short_and_no_file(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    for length in (0, 5, 1000, file.stat().st_size - 1):
        cut.write_bytes(file.read_bytes()[:length])
        with pytest.raises(export.ModelFileError, match="is not a whole safetensors file"):
            export.load(cut)
    for path in (tmp_path, tmp_path / "nowhere.safetensors"):
        with pytest.raises(export.ModelFileError, match="there is no model file"):
            export.load(path)


def test_a_failed_save_keeps_the_older_file(
    exported: export.Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(weights: dict, path: Path, metadata: dict) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "model.safetensors"
    path.write_bytes(b"older")
    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        export.save(path, exported)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_onnx_gives_the_same_logits_for_any_batch(
    exported: export.Exported, photos: list[Path], tmp_path: Path
) -> None:
    import onnxruntime

    path = tmp_path / "model.onnx"
    exported.model.train()
    export.save_onnx(path, exported)
    assert exported.model.training
    exported.model.eval()
    assert list(tmp_path.iterdir()) == [path]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    assert stored.items() >= exported.metadata().items()
    images = torch.stack([export.read(exported, photo) for photo in photos])
    for count in (1, 3):
        (found,) = session.run(["logits"], {"images": images[:count].numpy()})
        expected = export.logits(exported, photos[:count]).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def predict(*arguments: object) -> int:
    return __main__.main(["predict", "--device", "cpu", *map(str, arguments)])


def test_the_command_names_path_class_and_probability(
    exported: export.Exported, file: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(file, *photos) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [str(photo) for photo in photos]
    for photo, (_, label, probability) in zip(photos, lines, strict=True):
        expected = export.classify(exported, photo)
        assert (label, probability) == (expected[0], f"{expected[1]:.3f}")


def test_the_command_goes_on_after_a_photo_that_is_none(
    file: Path, photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note.jpg").write_text("no photo")
    assert predict(file, photos[0], tmp_path / "note.jpg", tmp_path / "lost.jpg", photos[1]) == 1
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(p) for p in photos[:2]]
    assert len(err.splitlines()) == 2
    assert "note.jpg: not an image" in err and "lost.jpg: there is no file of this name" in err


def test_the_command_refuses_what_is_no_model(
    file: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos[0], photos[0]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert "is not a whole safetensors file" in err
    assert __main__.main(["predict", "--device", "gpu", str(file), str(photos[0])]) == 2
    assert "device is 'gpu'" in capsys.readouterr().err
