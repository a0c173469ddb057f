"""Folders of pictures: batches, labels, order, split, cache, and pictures which cannot be used."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fastnn.data.image import PictureError
from fastnn.data.image_folder import ImageFolder, image_dataset_from_directory

SMALL = {"image_size": (6, 8), "verbose": False}


def numbers(dataset):
    """Return the red values of all pictures of an epoch, their numbers, batch after batch."""
    return [images[:, 0, 0, 0].astype(int).tolist() for images, _ in dataset]


def flat(batches):
    """Return the numbers of all batches in one list."""
    return [number for batch in batches for number in batch]


def workers():
    """Return the names of the background threads."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fastnn-prefetch")]


def test_batches(folder):
    dataset = image_dataset_from_directory(folder, batch_size=5, shuffle=False, **SMALL)
    assert isinstance(dataset, ImageFolder) and len(dataset) == 3
    assert dataset.class_names == ["ant", "bee"]
    assert [os.path.relpath(path, folder) for path in dataset.file_paths[6:8]] == ["ant/6.png", "bee/0.png"]
    batches = list(dataset)
    assert [images.shape for images, _ in batches] == [(5, 6, 8, 3), (5, 6, 8, 3), (2, 6, 8, 3)]
    assert all(images.dtype == np.float32 and labels.dtype == np.int32 for images, labels in batches)
    for images, labels in batches:
        np.testing.assert_array_equal(images[:, 0, 0, 1] == 100, labels == 1)
    assert numbers(dataset) == [[5, 6, 7, 8, 9], [10, 11, 0, 1, 2], [3, 4]]


def test_label_modes(folder):
    def labels(**arguments):
        dataset = image_dataset_from_directory(folder, shuffle=False, **SMALL, **arguments)
        return next(iter(dataset))[1]

    expected = np.array([0] * 7 + [1] * 5)
    np.testing.assert_array_equal(labels(label_mode="int"), expected)
    binary, one_hot = labels(label_mode="binary"), labels(label_mode="categorical")
    assert binary.dtype == one_hot.dtype == np.float32
    np.testing.assert_array_equal(binary, expected[:, None])
    np.testing.assert_array_equal(one_hot, np.eye(2)[expected])
    np.testing.assert_array_equal(labels(labels=list(range(5, 17))), np.arange(5, 17))
    np.testing.assert_array_equal(labels(class_names=["bee", "ant"]), [0] * 5 + [1] * 7)
    for arguments in ({"label_mode": None}, {"labels": None}):
        dataset = image_dataset_from_directory(folder, **SMALL, **arguments)
        assert next(iter(dataset)).shape == (12, 6, 8, 3) and dataset.class_names is None


def test_channels(folder):
    for color_mode, channels in (("grayscale", 1), ("rgb", 3), ("rgba", 4)):
        images, _ = next(iter(image_dataset_from_directory(folder, color_mode=color_mode, **SMALL)))
        assert images.shape == (12, 6, 8, channels)
    last = image_dataset_from_directory(folder, seed=1, **SMALL)
    first = image_dataset_from_directory(folder, seed=1, data_format="channels_first", **SMALL)
    np.testing.assert_array_equal(next(iter(first))[0], next(iter(last))[0].transpose(0, 3, 1, 2))


def test_every_epoch_has_its_own_order(folder):
    def epochs(seed):
        dataset = image_dataset_from_directory(folder, seed=seed, batch_size=5, **SMALL)
        return [flat(numbers(dataset)) for _ in range(3)]

    first = epochs(4)
    assert first == epochs(4) != epochs(5)
    assert len({tuple(epoch) for epoch in first}) == 3
    assert all(sorted(epoch) == list(range(12)) for epoch in first)


def test_labels_follow_their_pictures(folder):
    for images, labels in image_dataset_from_directory(folder, seed=3, batch_size=5, **SMALL):
        np.testing.assert_array_equal(images[:, 0, 0, 1] == 100, labels == 1)


def test_seed_from_numpy(folder):
    orders = []
    for _ in range(2):
        np.random.seed(11)
        orders.append(numbers(image_dataset_from_directory(folder, **SMALL)))
    assert orders[0] == orders[1]


def test_split(folder, capsys):
    arguments = {"seed": 9, "validation_split": 0.25, "image_size": (6, 8), "batch_size": 4}
    training, validation = image_dataset_from_directory(folder, subset="both", **arguments)
    assert capsys.readouterr().out.splitlines() == [
        "Found 12 files belonging to 2 classes.",
        "Using 9 files for training.",
        "Using 3 files for validation.",
    ]
    paths = sorted(image_dataset_from_directory(folder, shuffle=False, **SMALL).file_paths)
    np.random.RandomState(9).shuffle(paths)  # what Keras does
    assert training.file_paths == paths[:-3] and validation.file_paths == paths[-3:]
    assert numbers(validation) == numbers(validation) and numbers(training) != numbers(training)
    for subset, whole in (("training", training), ("validation", validation)):
        part = image_dataset_from_directory(folder, subset=subset, **arguments)
        assert part.file_paths == whole.file_paths
    image_dataset_from_directory(folder, labels=None)
    assert capsys.readouterr().out.splitlines()[-1] == "Found 12 files."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "names"}, "labels"),
        ({"label_mode": "sparse"}, "label_mode"),
        ({"label_mode": "binary", "class_names": ["ant"]}, "two classes"),
        ({"label_mode": "categorical", "labels": [1, 2] * 6}, "from 0"),
        ({"labels": [0] * 12, "class_names": ["ant"]}, "class_names"),
        ({"class_names": ["wasp"]}, "class_names"),
        ({"color_mode": "cmyk"}, "color_mode"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": None}, "batch_size"),
        ({"image_size": (0, 3)}, "image_size"),
        ({"image_size": (3,)}, "image_size"),
        ({"image_size": 2.5}, "image_size"),
        ({"interpolation": "lanczos3"}, "interpolation.*'bicubic'"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "exclude"),
        ({"data_format": "nhwc"}, "data_format"),
        ({"validation_split": 0.2}, "together"),
        ({"subset": "training"}, "together"),
        ({"validation_split": 1.5, "subset": "both"}, "between 0 and 1"),
        ({"validation_split": 0.01, "subset": "both"}, "part empty"),
        ({"validation_split": 0.5, "subset": "half"}, "subset"),
        ({"validation_split": 0.5, "subset": "training"}, "seed"),
        ({"on_error": "ignore"}, "on_error"),
    ],
)
def test_wrong_arguments(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        image_dataset_from_directory(folder, **{"verbose": False, **arguments})


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        image_dataset_from_directory(tmp_path / "nowhere")


def test_proportions(Image, tmp_path):
    (tmp_path / "a").mkdir()
    half = np.zeros((10, 20, 3), np.uint8)
    half[:, :5] = 200
    Image.fromarray(half).save(tmp_path / "a" / "x.png")

    def left_edge(**arguments):
        dataset = image_dataset_from_directory(tmp_path, image_size=10, verbose=False, **arguments)
        return next(iter(dataset))[0][0, :, 0, 0].tolist()

    assert left_edge() == [200] * 10
    assert left_edge(crop_to_aspect_ratio=True) == [0] * 10
    assert left_edge(pad_to_aspect_ratio=True) == [0] * 2 + [200] * 5 + [0] * 3


@pytest.mark.parametrize("cached", [False, True])
def test_bad_pictures_are_named_and_left_out(folder, cached):
    (folder / "ant" / "2.png").write_bytes(b"no picture")
    (folder / "bee" / "0.png").write_bytes((folder / "bee" / "1.png").read_bytes()[:40])
    dataset = image_dataset_from_directory(folder, seed=2, batch_size=5, **SMALL)
    (folder / "bee" / "4.png").unlink()  # vanishes after it was listed
    dataset = dataset.cache() if cached else dataset
    with pytest.warns(UserWarning, match="It is skipped") as warned:
        batches = list(dataset)
    text = "".join(str(warning.message) for warning in warned)
    assert len(warned) == 3
    assert all(os.path.join(*name) in text for name in (("ant", "2.png"), ("bee", "0.png"), ("bee", "4.png")))
    assert sum(len(images) for images, _ in batches) == 9 and len(dataset) == 3
    for images, labels in batches:
        assert len(images) == len(labels)
        np.testing.assert_array_equal(images[:, 0, 0, 1] == 100, labels == 1)


def test_bad_pictures_are_named_once(folder, recwarn):
    (folder / "ant" / "2.png").write_bytes(b"no picture")
    dataset = image_dataset_from_directory(folder, **SMALL)
    for _ in range(3):
        list(dataset)
    assert len(recwarn.list) == 1


def test_batch_without_any_good_picture(folder):
    for i in range(5):
        (folder / "ant" / f"{i}.png").write_bytes(b"")
    dataset = image_dataset_from_directory(folder, shuffle=False, batch_size=5, **SMALL)
    with pytest.warns(UserWarning, match="skipped"):
        assert numbers(dataset) == [[10, 11, 0, 1, 2], [3, 4]]


def test_bad_pictures_as_errors(folder):
    (folder / "ant" / "2.png").write_bytes(b"no picture")
    dataset = image_dataset_from_directory(folder, on_error="raise", shuffle=False, batch_size=2, **SMALL)
    batches = iter(dataset)
    next(batches)
    with pytest.raises(PictureError, match=r"ant.*2\.png.*Remove it, or replace it"):
        next(batches)
    assert workers() == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_picture(folder):
    (folder / "ant" / "2.png").chmod(0)
    with pytest.warns(UserWarning, match="PermissionError"):
        list(image_dataset_from_directory(folder, **SMALL))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_file_replaced_by_a_fifo(folder):
    dataset = image_dataset_from_directory(folder, **SMALL)
    (folder / "ant" / "2.png").unlink()
    os.mkfifo(folder / "ant" / "2.png")
    with pytest.warns(UserWarning, match="not a regular file"):
        assert len(flat(numbers(dataset))) == 11


def test_other_errors_pass_through(folder, monkeypatch):
    dataset = image_dataset_from_directory(folder, **SMALL)

    def fail(path):
        raise MemoryError(path)

    monkeypatch.setattr(dataset, "_read", fail)
    with pytest.raises(MemoryError):
        list(dataset)
    assert workers() == []


def test_early_stop_leaves_no_thread(folder):
    dataset = image_dataset_from_directory(folder, batch_size=2, **SMALL)
    for _ in dataset:
        assert workers()
        break
    assert workers() == []
    batches = iter(dataset)
    next(batches)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt())
    assert workers() == []


INTERRUPTED = """
import signal, sys, time
from fastnn.data.image_folder import image_dataset_from_directory
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background of a shell ignore it
dataset = image_dataset_from_directory(sys.argv[1], batch_size=1)
try:
    while True:
        for _ in dataset:
            print("begun", flush=True)
            time.sleep(0.05)
except KeyboardInterrupt:
    unfinished = iter(dataset)
    next(unfinished)
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process")
def test_interrupt_from_the_keyboard(folder):
    root = str(Path(__file__).parents[2])
    program = [sys.executable, "-c", INTERRUPTED, str(folder)]
    environment = {**os.environ, "PYTHONPATH": root}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as process:
        while "begun" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 7


def test_two_loops_at_once(folder):
    dataset = image_dataset_from_directory(folder, batch_size=4, seed=0, **SMALL)
    together = list(zip(dataset, dataset, strict=True))
    for side in (0, 1):
        seen = [pair[side][0][:, 0, 0, 0].astype(int).tolist() for pair in together]
        assert sorted(flat(seen)) == list(range(12))
    assert workers() == []


def test_cache(folder):
    plain = image_dataset_from_directory(folder, seed=0, batch_size=5, **SMALL)
    cached = image_dataset_from_directory(folder, seed=0, batch_size=5, **SMALL)
    assert cached.cache() is cached and cached.cache() is cached
    first = [numbers(plain), numbers(cached)]
    next(iter(plain)), next(iter(cached))
    second = [numbers(plain), None]
    for path in cached.file_paths:
        os.unlink(path)
    second[1] = numbers(cached)
    assert first[0] == first[1] and second[0] == second[1]
    assert workers() == []


def test_map(folder):
    dataset = image_dataset_from_directory(folder, shuffle=False, batch_size=5, **SMALL).cache()
    halved = dataset.map(lambda x, y: (x / 2, y)).map(lambda x, y: (x, y + 1))
    for (x, y), (x_half, y_next) in zip(dataset, halved, strict=True):
        np.testing.assert_array_equal(x / 2, x_half)
        np.testing.assert_array_equal(y + 1, y_next)
    assert len(halved) == 3 and halved.class_names == ["ant", "bee"]
    images = image_dataset_from_directory(folder, labels=None, **SMALL).map(lambda x: x.shape)
    assert list(images) == [(12, 6, 8, 3)]
