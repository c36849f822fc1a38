import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from random_photos import save_photo
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from course_lib import loaders, models, training
from course_lib.tools import export
from course_lib.tools.cli import main

CLASSES = ("ants", "bees \udce9", "Wildbienen ✿")  # the second: as a name that is not UTF-8
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


def test_everything_comes_back_with_the_logits_of_a_fresh_process(exported, file, photos):
    loaded = export.load(file)
    assert (loaded.classes, loaded.backbone, loaded.image_size) == (CLASSES, "resnet18", SIZE)
    assert loaded.model.preprocessing == exported.model.preprocessing
    assert models.fingerprint(loaded.model) == models.fingerprint(exported.model)
    assert not loaded.model.training
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    code = (
        "import json, sys, torch; from course_lib.tools import export;"
        f"torch.set_num_threads({torch.get_num_threads()});"
        "print(json.dumps(export.logits(export.load(sys.argv[1]), sys.argv[2:]).tolist()))"
    )
    command = [sys.executable, "-c", code, str(file), *map(str, photos)]
    here = export.logits(exported, photos)
    assert json.loads(subprocess.check_output(command)) == here.tolist()
    assert here.shape == (3, 3) and len(here.unique()) == 9
    transform = loaders.eval_transform(exported.model.preprocessing, SIZE)
    data = torch.utils.data.DataLoader(loaders.Photos([(p, 0) for p in photos], transform), 3)
    together = training.predict(exported.model, data, "cpu").logits
    alone = torch.cat([export.logits(exported, [photo]) for photo in photos])
    assert torch.equal(export.logits(exported, photos), alone)
    assert torch.allclose(together, alone, atol=1e-5)


def test_names_must_fit_the_outputs(exported: export.Exported) -> None:
    for classes in (("a", "b"), ("a", "b", "b")):
        with pytest.raises(ValueError, match="expected 3 different names"):
            export.Exported(exported.model, classes, "resnet18", SIZE)
    with pytest.raises(ValueError, match="image_size is 0"):
        export.Exported(exported.model, CLASSES, "resnet18", 0)


@pytest.mark.parametrize(("changes", "message"), [
    ({"format": "course_lib model 9"}, "of another program, or of another version"),
    ({"backbone": "resnet34"}, r"Missing key\(s\) in state_dict: .backbone\."),
    ({"backbone": "resnet17"}, r"resnet17"),
    ({"backbone": "hf-hub:somebody/model"}, "hf-hub:somebody/model"),
    ({"classes": '["ants", "bees"]'}, r"mismatch for head\.weight"),
    ({"classes": '["ants", "ants", "bees"]'}, "expected 3 different names"),
    ({"classes": "[1, 2, 3]"}, r"the classes are \[1, 2, 3\]"),
    ({"classes": "ants"}, "Expecting value"),
    ({"image_size": "0"}, "image_size is 0"),
    ({"preprocessing": "{}"}, "mean"),
    ({"preprocessing": '{"mean": [0, 0, 0], "std": [1, 0, 1]}'}, "division by zero"),
    ({"preprocessing": '{"mean": [0, NaN, 0], "std": [1, 1, 1]}'}, "no image comes out"),
    ({"preprocessing": '{"mean": [0, 0], "std": [1, 1, 1]}'}, "must match the size"),
    ({"preprocessing": '{"mean": [0, 0, 0], "std": [1, 1, 1], "x": 1}'}, "unexpected keyword"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(file, tmp_path, changes, message) -> None:
    with safe_open(file, "pt") as opened:
        metadata = {**opened.metadata(), **changes}
    save_file(load_file(file), tmp_path / "other.safetensors", metadata)
    with pytest.raises(ValueError, match=rf"other\.safetensors is not a whole .*{message}"):
        export.load(tmp_path / "other.safetensors")


def test_what_is_no_model_file_is_refused_and_no_pickle_is_ever_opened(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, burglar = file.read_bytes(), b"cos\nmkdir\n(Vbroken_in\ntR."  # a pickle that runs mkdir
    for content in (burglar, b"", whole[:5], whole[:1000], whole[:-1]):
        Path("model.pt").write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.pt is not a whole model file"):
            export.load("model.pt")
    assert not Path("broken_in").exists()
    for path in (tmp_path, "nowhere.safetensors"):
        with pytest.raises(ValueError, match="there is no model file"):
            export.load(path)


def test_a_failed_save_keeps_the_older_file(exported, tmp_path, monkeypatch) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "model.safetensors"
    path.write_bytes(b"older")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        export.save(path, exported)
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["m.onnx", "mine.v1", "mine", ".safetensors"])
def test_no_two_kinds_of_file_share_a_name(name: str, exported, tmp_path, monkeypatch) -> None:
    """mine.v1 and mine.v2 would both become mine.onnx, and m.onnx would replace itself."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=rf"{name}: expected a name that ends in \.safetensors"):
        export.save(Path("~", name), exported)
    with pytest.raises(ValueError, match=r"expected a name that ends in \.onnx"):
        export.save_onnx("~/mine.safetensors", exported)
    export.save("~/mine.v2.safetensors", exported)
    assert export.load("~/mine.v2.safetensors").classes == CLASSES
    assert [path.name for path in tmp_path.iterdir()] == ["mine.v2.safetensors"]


def test_onnx_gives_the_same_logits_for_any_batch(exported, photos, tmp_path) -> None:
    from onnxruntime import InferenceSession

    exported.model.train()
    export.save_onnx(tmp_path / "model.onnx", exported)
    assert exported.model.training
    exported.model.eval()
    assert list(tmp_path.iterdir()) == [tmp_path / "model.onnx"]
    session = InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map.items() >= exported.metadata().items()
    images = torch.stack([export.read(exported, photo) for photo in photos])
    for count in (1, 3):
        (found,) = session.run(["logits"], {"images": images[:count].numpy()})
        expected = export.logits(exported, photos[:count]).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_command_answers_every_photo_that_is_one(exported, file, photos, tmp_path, capsys):
    def predict(*arguments: object) -> tuple[int, str, str]:
        return main(["predict", "--device", "cpu", *map(str, arguments)]), *capsys.readouterr()

    answers = ""
    for photo in photos:
        logits = export.logits(exported, [photo])[0]
        name, probability = CLASSES[logits.argmax()], logits.softmax(0).max()
        answers += f"{photo}\t{name}\t{probability:.3f}\n"
    answers = answers.replace("\udce9", "\\udce9")
    assert predict(file, *photos) == (0, answers, "")
    folder = photos[0].parent
    (folder / "notes.txt").touch()
    save_photo(folder / ".hidden" / "a.png", 3)
    assert predict(file, folder) == predict(file, folder / "new*") == (0, answers, "")
    code, out, err = predict(file, folder / "old*.png", folder)
    assert (code, out, len(err.splitlines())) == (1, answers, 1) and "old*.png: there is no" in err
    (tmp_path / "note.jpg").write_text("no photo")
    (tmp_path / "nothing").mkdir()
    lost = [tmp_path / name for name in ("note.jpg", "lost.jpg", "nothing")]
    code, out, err = predict(file, *lost, *photos)
    assert (code, out, len(err.splitlines())) == (1, answers, 3)
    assert "note.jpg: not an image" in err and "nothing: there is no image in this folder" in err
    assert "lost.jpg: there is no file of this name" in err
    code, out, err = predict(photos[0], photos[0])
    assert (code, out, len(err.splitlines())) == (2, "", 1) and "is not a whole model file" in err
    assert predict("--device", "gpu", file, photos[0])[0] == 2


def test_a_narrow_encoding_and_names_that_are_not_utf8_stop_nothing(file, photos, tmp_path) -> None:
    names = [tmp_path / "蚂蚁.png", tmp_path / "d\udce9j\udce0 vu.png"]  # the bytes of Latin-1
    try:
        for name in names:
            shutil.copy(photos[0], name)
    except OSError:
        pytest.skip("the disk allows no such name")
    command = [sys.executable, "-m", "course_lib", "predict", str(file), *names]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    said = subprocess.check_output(command, text=True, env=environment)
    assert [line.split("\t")[0] for line in said.splitlines()] == [
        f"{tmp_path}{os.sep}{shown}" for shown in (r"\u8682\u8681.png", r"d\udce9j\udce0 vu.png")
    ]
