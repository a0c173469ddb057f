"""What the tests of pictures share."""

import io

import numpy as np
import pytest


@pytest.fixture
def Image():
    """The module PIL.Image."""
    return pytest.importorskip("PIL.Image")


@pytest.fixture
def photo(Image):
    """A function which makes a smooth coloured picture from a seed."""

    def make(seed=0, size=(40, 30), mode="RGB"):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
        return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)

    return make


@pytest.fixture
def encoded(photo):
    """A function which returns the bytes of a picture file."""

    def make(file_format, **arguments):
        stream = io.BytesIO()
        photo(**arguments).save(stream, file_format)
        return stream.getvalue()

    return make


@pytest.fixture
def folder(tmp_path):
    """A folder with the classes 'ant' and 'bee', 7 and 5 pictures whose red channel is their number."""
    Image = pytest.importorskip("PIL.Image")
    number = 0
    for name, count in (("bee", 5), ("ant", 7)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("RGB", (8, 6), (number, 100 if name == "bee" else 0, 0)).save(tmp_path / name / f"{i}.png")
            number += 1
    return tmp_path
