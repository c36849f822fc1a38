"""Images of all shapes and kinds, whole and damaged, as Hypothesis draws them."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from course_lib import loaders

KINDS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"),
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "PPM": ("L", "RGB"),
}
TURNED = (5, 6, 7, 8)  # EXIF orientations in which width and height change places


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A file that each example writes anew."""
    return tmp_path_factory.mktemp("any image") / "photo.jpg"


@st.composite
def images(draw: st.DrawFn) -> tuple[Image.Image, str]:
    """An image of random shape, mode and pixels, and a format that can hold it."""
    pairs = [(kind, mode) for kind, modes in KINDS.items() for mode in modes]
    kind, mode = draw(st.sampled_from(pairs))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    pixels = np.random.default_rng(draw(st.integers(0, 9)))
    if mode in ("I;16", "I"):
        top = {"I;16": 2**16, "I": 2**17}[mode]
        deep = pixels.integers(0, top, (height, width))
        return Image.fromarray(deep.astype("uint16" if mode == "I;16" else "int32")), kind
    rgb = Image.fromarray(pixels.integers(0, 256, (height, width, 3)).astype("uint8"))
    made = rgb.convert(mode)
    if mode == "P" and kind == "PNG" and draw(st.booleans()):
        made.info["transparency"] = bytes(range(0, 200, 50))
    return made, kind


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


@settings(max_examples=150)
@given(images())
def test_every_whole_image_becomes_rgb_of_the_same_size(place, made):
    image, kind = made
    place.write_bytes(saved(image, kind))
    opened = loaders.open_photo(place)
    assert (opened.mode, opened.size) == ("RGB", image.size)
    if kind == "PNG" and image.mode == "RGB":
        assert np.array_equal(np.asarray(opened), np.asarray(image))
    if image.mode in ("I;16", "I"):
        expected = np.asarray(image).astype(int).clip(0, 65535) // 257
        assert np.array_equal(np.asarray(opened)[..., 0], expected)
    made_of_it = loaders.eval_transform(loaders.Preprocessing(), 8)(opened)
    assert made_of_it.shape == (3, 8, 8) and bool(made_of_it.isfinite().all())


@given(st.integers(0, 20), st.integers(1, 30), st.integers(1, 30), st.sampled_from(["JPEG", "PNG"]))
def test_every_exif_orientation_is_undone_or_left_out(place, orientation, width, height, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    place.write_bytes(saved(Image.new("RGB", (width, height)), kind, exif=exif))
    expected = (height, width) if orientation in TURNED else (width, height)
    assert loaders.open_photo(place).size == expected


def read_or_refused(place: Path, content: bytes) -> None:
    """An image, or one ValueError of one line that begins with the path; nothing else."""
    place.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, on odd but readable files
        try:
            opened = loaders.open_photo(place)
        except ValueError as error:
            assert str(error).startswith(f"{place}: ")
            return
    assert opened.mode == "RGB"
    assert min(opened.size) >= 1


@given(images(), st.floats(0, 1), st.binary(max_size=12), st.integers(0, 12))
def test_damaged_images_are_read_or_refused_by_name(place, made, where, put_in, cut_out):
    whole = saved(*made)
    start = int(where * len(whole))
    read_or_refused(place, whole[:start] + put_in + whole[start + cut_out :])
    read_or_refused(place, whole[:start])


@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"RIFF", b"P6 "]
    ),
    st.binary(max_size=200),
)
def test_bytes_that_are_no_image_are_refused_by_name(place, start, rest):
    read_or_refused(place, start + rest)


def png_that_claims(width: int, height: int) -> bytes:
    """The beginning of a PNG of so many pixels; the pixels are not there."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


@pytest.mark.parametrize("side", [10_000, 60_000, 2**31 - 1])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs_are_refused_unread(place, side):
    place.write_bytes(png_that_claims(side, side))
    with pytest.raises(ValueError, match=r"photo\.jpg: damaged image \(.*bomb"):
        loaders.open_photo(place)


@pytest.mark.parametrize("kind", ["CMYK", "L", "LA", "P", "RGBA", "1", "I;16"])
def test_colours_stay_what_they_are(kind, place):
    grey = Image.new("RGB", (9, 7), (200, 200, 200))
    deep = Image.fromarray(np.full((7, 9), 200 * 257, dtype="uint16"))
    made = {"I;16": deep, "P": grey.quantize(4)}.get(kind) or grey.convert(kind)
    if kind == "RGBA":
        made.putalpha(128)  # what is half transparent keeps its colour
    if kind == "1":
        made = Image.new("1", (9, 7), 1)
    place.write_bytes(saved(made, "TIFF" if kind == "CMYK" else "PNG"))
    pixels = np.asarray(loaders.open_photo(place)).astype(int)
    assert np.abs(pixels - (255 if kind == "1" else 200)).max() <= 1


def test_a_missing_file_is_called_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg: there is no such file$"):
        loaders.open_photo(tmp_path / "gone.jpg")


@pytest.mark.parametrize("content", [b"", b"this is no photo"])
def test_a_file_of_another_kind_is_no_image(content, place):
    place.write_bytes(content)
    with pytest.raises(ValueError, match=r"photo\.jpg: not an image that Pillow can read$"):
        loaders.open_photo(place)
