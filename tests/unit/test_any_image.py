"""Images of all shapes and kinds, whole and damaged, as Hypothesis draws them."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
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
PAIRS = [(kind, mode) for kind, modes in KINDS.items() for mode in modes]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("any image") / "photo.jpg"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


def made_up(kind: str, mode: str, width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed)
    if mode.startswith("I"):
        deep = pixels.integers(0, 2**16, (height, width))
        return Image.fromarray(deep.astype("int32" if mode == "I" else "uint16"))
    rgb = Image.fromarray(pixels.integers(0, 256, (height, width, 3)).astype("uint8"))
    image = rgb.convert(mode)
    if mode == "P" and kind == "PNG" and seed % 2:
        image.info["transparency"] = bytes(range(0, 200, 50))
    return image


sides = st.integers(1, 40)
images = st.builds(
    lambda pair, *shape: (made_up(*pair, *shape), pair[0]),
    *(st.sampled_from(PAIRS), sides, sides, st.integers(0, 9)),
)


@pytest.mark.parametrize(("kind", "mode"), PAIRS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_whole_image_becomes_rgb_of_its_colours(kind, mode, seed, place):
    for shape in ((1, 1), (40, 3), (9, 30)):
        image = made_up(kind, mode, *shape, seed)
        place.write_bytes(saved(image, kind))
        opened = loaders.open_photo(place)
        assert (opened.mode, opened.size) == ("RGB", shape)
        if kind in ("JPEG", "WEBP"):  # lossy
            continue
        image.info.clear()  # what is half transparent keeps its colour
        if mode.startswith("I"):  # scaled, where Pillow would clip
            image = Image.fromarray((np.asarray(image) / 257).round().astype("uint8"))
        assert np.array_equal(np.asarray(opened), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(10))
def test_every_exif_orientation_is_undone_or_left_out(orientation, kind, place):
    exif = Image.Exif()
    exif[0x0112] = orientation
    place.write_bytes(saved(Image.new("RGB", (30, 10)), kind, exif=exif))
    expected = (10, 30) if orientation in (5, 6, 7, 8) else (30, 10)
    assert loaders.open_photo(place).size == expected


def test_deep_pictures_look_as_with_eight_bits_or_are_refused_and_odd_exif_is_ignored(place):
    grey = np.random.default_rng(0).permutation(256).reshape(16, 16)
    for kind, factors in (("uint16", (1, 16, 257)), ("int32", (257,)), ("float32", (1 / 255, 257))):
        for factor in factors:
            Image.fromarray((grey * factor).astype(kind)).save(place, "TIFF")
            opened = np.asarray(loaders.open_photo(place)).astype(int)
            assert np.abs(opened - grey[:, :, None]).max() <= 1, (kind, factor)
    for values in ((-0.5, 1), (0, np.nan), (0, np.inf), (0, 70_000)):
        Image.fromarray(np.array([values], dtype="float32")).save(place, "TIFF")
        with pytest.raises(ValueError, match=r"damaged image \(values of .*, not 0 to 65535"):
            loaders.open_photo(place)
    place.write_bytes(png(1, 1, 16, b"\0" + struct.pack(">HHH", 4096, 0, 65535)))
    assert loaders.open_photo(place).getpixel((0, 0)) == (16, 0, 255)
    place.write_bytes(png(1, 1, 16, b"\0" + struct.pack(">HHH", 4095, 0, 255)))
    with pytest.raises(ValueError, match="12 of 16 bits or less: save it with 8"):
        loaders.open_photo(place)
    odd = struct.pack("<4sIHHHIHHHHII", b"II*", 8, 2, 274, 3, 1, 6, 0, 282, 2, 1, 8)  # a text
    for exif, size in ((odd, (10, 30)), (b"nonsense", (30, 10))):
        Image.new("RGB", (30, 10)).save(place, "JPEG", exif=b"Exif\0\0" + exif + bytes(4))
        assert loaders.open_photo(place).size == size


def png(width: int, height: int, bits: int, pixels: bytes) -> bytes:
    """A PNG file of colours, written by hand: Pillow writes none with 16 bits."""
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    for name, part in ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")):
        checked = name + part
        content += struct.pack(">I", len(part)) + checked + struct.pack(">I", zlib.crc32(checked))
    return content


def read_or_refused(place: Path, content: bytes) -> None:
    """An image, or one ValueError that begins with the path; nothing else."""
    place.write_bytes(content)
    with warnings.catch_warnings(action="ignore"):  # of Pillow, on odd but readable files
        try:
            assert loaders.open_photo(place).mode == "RGB"
        except ValueError as error:
            assert str(error).startswith(f"{place}: ")


@given(images, st.floats(0, 1), st.binary(max_size=12), st.integers(0, 12))
def test_damaged_images_are_read_or_refused_by_name(place, made, where, put_in, cut_out):
    whole = saved(*made)
    start = int(where * len(whole))
    read_or_refused(place, whole[:start] + put_in + whole[start + cut_out :])
    read_or_refused(place, whole[:start])


STARTS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"RIFF", b"P6 "]


@given(st.sampled_from(STARTS), st.binary(max_size=200))
def test_bytes_that_are_no_image_are_refused_by_name(place, start, rest):
    read_or_refused(place, start + rest)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_large_photos_are_read_and_decompression_bombs_refused_unread(place, monkeypatch):
    for side in (14_000, 60_000, 2**31 - 1):
        place.write_bytes(png(side, side, 8, b""))  # the pixels are missing
        with pytest.raises(ValueError, match=r"photo\.jpg: too large: .*Image.MAX_IMAGE_PIXELS$"):
            loaders.open_photo(place)
    Image.new("RGB", (30, 10)).save(place, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 249)  # of a phone: 1.2 times what Pillow likes
    assert loaders.open_photo(place).size == (30, 10)


def test_a_missing_file_is_called_missing_and_a_text_no_image(place, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg: No such file or directory$"):
        loaders.open_photo(place.with_name("gone.jpg"))
    with monkeypatch.context() as patched, pytest.raises(PermissionError, match="jpg: Not yours"):
        patched.setattr(Image, "open", Mock(side_effect=PermissionError(13, "Not yours")))
        loaders.open_photo(place)
    for content in (b"", b"this is no photo"):
        place.write_bytes(content)
        with pytest.raises(ValueError, match=r"photo\.jpg: not an image that Pillow can read$"):
            loaders.open_photo(place)
