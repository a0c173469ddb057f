"""Single pictures: every kind of file which is read, and many kinds which are refused."""

import builtins
import io
import os
import random
import socket
import struct
import sys
import zlib

import numpy as np
import pytest

from fastnn.data import image
from fastnn.data.image import PictureError, array_to_img, img_to_array, load_img, open_picture, save_img


@pytest.mark.parametrize("file_format", image.FORMATS)
@pytest.mark.parametrize("name", ["x.png", "no ending"])
def test_formats_are_told_by_their_content(tmp_path, encoded, photo, file_format, name):
    (tmp_path / name).write_bytes(encoded(file_format))
    loaded = open_picture(tmp_path / name, "RGB")
    assert loaded.mode == "RGB" and loaded.size == (40, 30)
    assert np.abs(img_to_array(loaded) - img_to_array(photo())).mean() < 12


@pytest.mark.parametrize("file_format", ["TIFF", "WEBP", "PPM", "ICO", "PCX", "TGA", "EPS", "JPEG2000"])
def test_other_formats_are_refused(tmp_path, encoded, file_format):
    try:
        data = encoded(file_format)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {file_format}")
    (tmp_path / "x.jpg").write_bytes(data)
    with pytest.raises(PictureError, match=r"x\.jpg.*PNG, JPEG, BMP or GIF"):
        open_picture(tmp_path / "x.jpg")


@pytest.mark.parametrize("start", [b"8BPS\0\1" + bytes(6) + b"\0\3" + bytes(40), b"SIMPLE  =" + b" " * 2880, b""])
def test_psd_fits_and_empty_files_are_refused(tmp_path, start):
    (tmp_path / "x.png").write_bytes(start)
    with pytest.raises(PictureError):
        open_picture(tmp_path / "x.png")


def png(width, height, rows=b"\0\0"):
    """Return a grey PNG file which announces a size."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(9460, 9460), (13_380, 13_380), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)])
def test_bombs_are_not_decoded(Image, monkeypatch, size):
    loaded = []
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda self: loaded.append(self))
    with pytest.raises(PictureError, match="pixels"):
        open_picture(io.BytesIO(png(*size)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # a user may have switched Pillow's own limit off
    with pytest.raises(PictureError, match="pixels are more than"):
        open_picture(io.BytesIO(png(*size)))
    assert loaded == []


def test_gif_frame_larger_than_its_canvas(Image, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    gif = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    gif += b"," + struct.pack("<HHHHB", 60_000, 60_000, 60_000, 60_000, 0) + b"\2\2\x44\1\0;"
    with pytest.raises(PictureError):
        open_picture(io.BytesIO(gif))


@pytest.mark.parametrize("file_format", image.FORMATS)
def test_mutated_files_are_read_or_refused(encoded, file_format):
    original = encoded(file_format)
    draw = random.Random(file_format)
    refused = 0
    for _ in range(150):
        data = bytearray(original)
        for _ in range(draw.choice((1, 3, 20))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        if draw.random() < 0.3:
            del data[draw.randrange(len(data)) :]
        try:
            assert open_picture(io.BytesIO(bytes(data)), "RGB").mode == "RGB"
        except PictureError:
            refused += 1
    assert refused > 5


@pytest.mark.parametrize("file_format", image.FORMATS)
def test_truncated_files_are_refused(encoded, file_format):
    data = encoded(file_format)
    with pytest.raises(PictureError):
        open_picture(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_only_regular_files(Image, tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
        for name in ("fifo.png", "folder.png", "socket.png", "missing.png", "/dev/zero"):
            with pytest.raises(PictureError, match=name):
                open_picture(tmp_path / name)


def test_colours(Image):
    def load(picture, color_mode, file_format="PNG", **options):
        stream = io.BytesIO()
        picture.save(stream, file_format, **options)
        return np.asarray(load_img(stream, color_mode)).reshape(-1).tolist()

    deep = Image.fromarray(np.array([[0x1234, 0xFFFF, 0x00FF]], np.uint16))
    assert load(deep, "grayscale") == [0x12, 0xFF, 0]
    assert load(deep, "rgb") == [0x12] * 3 + [0xFF] * 3 + [0] * 3
    glass = Image.fromarray(np.array([[[10, 20, 30, 0], [40, 50, 60, 255]]], np.uint8))
    assert load(glass, "rgb") == [10, 20, 30, 40, 50, 60]
    assert load(glass, "rgba") == [10, 20, 30, 0, 40, 50, 60, 255]
    palette = Image.fromarray(np.array([[1, 0]], np.uint8))
    palette.putpalette([9, 8, 7, 1, 2, 3])
    assert load(palette, "rgb") == [1, 2, 3, 9, 8, 7]
    assert load(palette, "rgb", transparency=b"\xff\x00") == [1, 2, 3, 9, 8, 7]
    assert load(palette, "rgba", transparency=b"\xff\x00") == [1, 2, 3, 0, 9, 8, 7, 255]
    assert load(Image.fromarray(np.array([[True, False]])), "grayscale") == [255, 0]
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.allclose(load(cmyk, "rgb", "JPEG", quality=100)[:3], [255, 0, 0], atol=4)


def test_first_frame_of_an_animation(Image):
    stream = io.BytesIO()
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    first.save(stream, "GIF", save_all=True, append_images=[second])
    assert load_img(stream).getpixel((0, 0)) == (255, 0, 0)


def test_rotation_in_exif_data_is_not_applied(Image, photo):
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    photo().save(stream, "JPEG", exif=exif)
    assert load_img(stream).size == (40, 30)


def test_no_warning_from_a_palette_with_transparency(Image, recwarn):
    stream = io.BytesIO()
    palette = Image.fromarray(np.array([[1, 0]], np.uint8))
    palette.putpalette([9, 8, 7, 1, 2, 3])
    palette.save(stream, "PNG", transparency=b"\xff\x00")
    load_img(stream)
    assert not recwarn.list


def test_load_img_resizes(photo, tmp_path):
    photo().save(tmp_path / "x.png")
    for interpolation in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"):
        assert load_img(str(tmp_path / "x.png"), "rgb", (12, 10), interpolation).size == (10, 12)
    square = load_img(tmp_path / "x.png", target_size=(30, 30), keep_aspect_ratio=True)
    np.testing.assert_array_equal(np.asarray(square), np.asarray(photo())[:, 5:35])
    assert load_img(os.fsencode(tmp_path / "x.png")).size == (40, 30)


def test_stream_stays_open(encoded):
    stream = io.BytesIO(encoded("PNG"))
    load_img(stream)
    assert not stream.closed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"color_mode": "bgr"}, "color_mode.*'rgb'"), ({"interpolation": "cubic"}, "interpolation.*'bicubic'")],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_img("x.png", **arguments)


def test_wrong_path():
    with pytest.raises(TypeError, match="path"):
        load_img(3)


def test_img_to_array(photo):
    x = img_to_array(photo())
    assert x.shape == (30, 40, 3) and x.dtype == np.float32 and x.flags.writeable
    assert img_to_array(photo(), data_format="channels_first").shape == (3, 30, 40)
    assert img_to_array(photo(mode="L"), dtype="uint8").shape == (30, 40, 1)
    assert img_to_array(photo(mode="L"), "channels_first").shape == (1, 30, 40)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_array_to_img_and_back(photo, mode):
    x = img_to_array(photo(mode=mode))
    picture = array_to_img(x, scale=False)
    assert picture.mode == mode
    np.testing.assert_array_equal(img_to_array(picture), x)
    picture = array_to_img(x.transpose(2, 0, 1), "channels_first", scale=False)
    np.testing.assert_array_equal(img_to_array(picture), x)


def test_array_to_img_scales(Image):
    x = np.linspace(-3, 5, 48).reshape(4, 4, 3)
    scaled = img_to_array(array_to_img(x))
    assert scaled.min() == 0 and scaled.max() == 255
    np.testing.assert_array_equal(scaled, np.floor(((x - x.min()) / 8 * 255).astype(np.float32)))
    assert img_to_array(array_to_img(np.full((2, 2, 1), 7.0))).max() == 0
    assert array_to_img(np.full((2, 2, 1), 1000), scale=False).mode == "I"


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4, 3), (4, 4, 2)])
def test_array_to_img_refuses_other_shapes(Image, shape):
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        array_to_img(np.zeros(shape))


def test_save_img(tmp_path, photo):
    x = img_to_array(photo(mode="RGBA"))
    save_img(tmp_path / "x.png", x, scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(tmp_path / "x.png", "rgba")), x)
    for path, file_format in ((tmp_path / "x.jpg", None), (tmp_path / "y", "jpg"), (io.BytesIO(), "jpeg")):
        with pytest.warns(UserWarning, match="RGB"):
            save_img(path, x, file_format=file_format, quality=50)
    assert load_img(tmp_path / "y").size == (40, 30)


def test_without_pillow(monkeypatch, tmp_path):
    original = builtins.__import__

    def no_pillow(name, *arguments):
        if name.startswith("PIL"):
            raise ImportError(name)
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", no_pillow)
    for name in [name for name in sys.modules if name.split(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r'pip install "fastnn-cpu\[images\]"'):
        load_img(tmp_path / "x.png")
