"""Every example runs alone, as its reader would start it, and prints what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastnn

EXAMPLES = Path(__file__).parents[2] / "examples"
REAL_DATA = Path(os.environ.get("FASTNN_DATA") or Path(__file__).parents[3] / "shared" / "data")
LIBRARY = Path(fastnn.__file__).parents[1]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(tmp_path):
    """Run an example in an empty folder; return what it printed."""

    def run(name, *arguments, code=0, **environment):
        result = subprocess.run(
            [sys.executable, EXAMPLES / name, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(LIBRARY), **environment},
            capture_output=True,
            text=True,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout

    return run


def percentage(text, after=""):
    """Return the first percentage behind some words, as a number from 0 to 1."""
    return float(re.search(rf"{after}([\d.]+)%", text).group(1)) / 100


def is_picture(path):
    """Say whether a file is a PNG with something in it."""
    data = path.read_bytes()
    return data.startswith(PNG) and len(data) > 10_000


def photograph(path, colour, rng):
    """Write a noisy JPEG of one colour."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    noise = rng.integers(-60, 60, (40, 50, 3))
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)


def test_perceptron(run):
    printed = run("perceptron.py")
    step = "w1 0.70 -> 0.78   w2 -0.30 -> -0.26   loss 0.56 -> 0.48"
    assert re.search(rf"by hand +{step}\nwith a model +{step}\n", printed)


def test_perceptron_bias(run):
    printed = run("perceptron_bias.py")
    assert "weights [ 2. -3.], bias [0.5], loss 0.000000" in printed


def test_mlp_digits(run):
    printed = run("mlp_digits.py", "--samples", 500, "--epochs", 2)
    assert "Total params: 101,770" in printed
    assert percentage(printed, r"\n") > 0.5


def test_convnet_on_digits(run):
    printed = run("convnet.py", "--samples", 600, "--epochs", 2)
    assert percentage(printed, "digits: ") > 0.4


def test_convnet_on_colour_pictures(run, tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        y = rng.integers(0, 10, 100, np.uint8)
        x = rng.integers(0, 80, (100, 32, 32, 3), np.uint8) + 17 * y[:, None, None, None]
        (tmp_path / "cifar10").mkdir(exist_ok=True)
        np.savez(tmp_path / "cifar10" / f"cifar10_{part}.npz", x=x, y=y)
    printed = run("convnet.py", "--data", "cifar10", "--epochs", 1, FASTNN_DATA=str(tmp_path))
    assert "cifar10:" in printed
    assert "of 100 test pictures recognised" in printed


def test_cats_dogs_on_generated_pictures(run, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    rng = np.random.default_rng(0)
    for part in ("train", "validation"):
        for name, colour in (("cat", (200, 90, 60)), ("dog", (60, 90, 200))):
            for i in range(12):
                photograph(tmp_path / "pets" / part / name / f"{i}.jpg", colour, rng)
    printed = run("cats_dogs.py", "--data", "pets", "--size", 48, "--batch", 8, "--epochs", 2, "--out", "seen")
    assert "of the validation pictures recognised" in printed
    assert is_picture(tmp_path / "seen" / "cats_dogs.png")


def test_demo_says_which_check_failed(run, tmp_path):
    pytest.importorskip("matplotlib")
    printed = run("demo.py", "--samples", 100, "--epochs", 1, "--reference-steps", 2, code=1)
    assert re.search(r"FAILED +[\d.]+% of the test digits read correctly", printed)
    assert printed.count("ok    ") == 2
    assert is_picture(tmp_path / "demo" / "digits.png")
    assert (tmp_path / "demo" / "digits.keras").exists()


@pytest.mark.slow
def test_demo(run):
    pytest.importorskip("matplotlib")
    printed = run("demo.py")
    assert printed.count("ok    ") == 3
    assert percentage(printed, "ok +") >= 0.98


@pytest.mark.slow
def test_cats_dogs_on_photographs(run):
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    folder = REAL_DATA / "cats_dogs"
    if not folder.is_dir():
        pytest.skip(f"no photographs in {folder}; set FASTNN_DATA")
    printed = run("cats_dogs.py", "--data", folder)
    assert percentage(printed, r"\n") > 0.7
