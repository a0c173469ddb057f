"""KerasFileEditor: what it shows, what it changes, and that files it makes are read."""

import numpy as np
import pytest

import fastnn
from fastnn import layers
from fastnn.saving import KerasFileEditor, ModelFormatError


def model(units=4):
    made = fastnn.Sequential(
        [layers.Input((5, 3)), layers.Bidirectional(layers.LSTM(2)), layers.Dense(units), layers.Dense(2)]
    )
    made.compile("sgd", "mse")
    return made


@pytest.fixture(params=["model.keras", "model.weights.h5"])
def path(request, tmp_path):
    found = tmp_path / request.param
    made = model()
    made.save(found) if request.param.endswith(".keras") else made.save_weights(found)
    return found


def test_what_is_saved_unchanged_has_the_same_weights(path, tmp_path):
    first, second = model(), model()
    first.load_weights(path)
    editor = KerasFileEditor(path)
    editor.save(tmp_path / "again.weights.h5")
    editor.resave_weights(str(tmp_path / "again.weights.h5"))
    second.load_weights(tmp_path / "again.weights.h5")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_file_holds_beside_the_weights(path):
    editor = KerasFileEditor(str(path))
    if path.suffix == ".keras":
        assert editor.config["class_name"] == "Sequential" and editor.metadata["keras_version"].startswith("3.")
    else:
        assert editor.config is None and editor.metadata is None
    assert editor.filepath == str(path)


def test_summary_shows_every_object_and_weight(path, capsys):
    KerasFileEditor(path).summary()
    lines = capsys.readouterr().out.splitlines()
    assert "    bidirectional" in lines and "    dense_1" in lines
    assert "      0: shape=(4, 2), dtype=float32" in lines


def test_compare_finds_what_differs(path, capsys):
    editor, same = KerasFileEditor(path), model()
    assert editor.compare(same) == {"status": "success", "error_count": 0, "match_count": 12}
    assert editor.compare(model(units=3)) == {"status": "error", "error_count": 3, "match_count": 9}
    assert "weight /layers/dense/0 has the shape (4, 4) in the file and (4, 3) in the model" in capsys.readouterr().out
    editor.delete_object("layers/dense")
    editor.delete_weight("dense_1", "1")
    editor.add_object("layers/more", {"0": np.zeros(3)})
    assert editor.compare(same)["error_count"] == 3
    said = capsys.readouterr().out
    assert "object /layers/dense is only in the model" in said and "object /layers/more is only in the file" in said
    assert "weight /layers/dense_1/1 is only in the model" in said
    with pytest.raises(ValueError, match="no weights yet"):
        editor.compare(fastnn.Sequential([layers.Dense(1)]))


def test_changes_arrive_in_a_model(path, tmp_path):
    editor, kernel = KerasFileEditor(path), np.full((4, 2), 7.0, np.float32)
    editor.rename_object("dense_1", "last")
    editor.rename_object("layers/dense", "dense_1")
    editor.rename_object("dense_1", "dense")
    editor.rename_object("last", "dense_1")
    editor.delete_weight("layers/dense_1", "0")
    editor.add_weights("dense_1", {"0": kernel})
    kernel[...] = 0  # a copy was taken
    editor.save(tmp_path / "new.weights.h5")
    first, second = model(), model()
    first.load_weights(path)
    second.load_weights(tmp_path / "new.weights.h5")
    np.testing.assert_array_equal(second.layers[-1].get_weights()[0], np.full((4, 2), 7.0))
    for a, b in zip(first.get_weights()[:-2], second.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda e: e.rename_object("dense", "dense_1"), "already"),
        (lambda e: e.rename_object("dense", "a/b"), "without a path"),
        (lambda e: e.rename_object("nothing", "b"), "0 objects"),
        (lambda e: e.delete_object("layers/nothing"), "there is no object"),
        (lambda e: e.delete_object("cell"), "2 objects are called 'cell': give its path"),
        (lambda e: e.delete_object("layers/dense/0/x"), "no object '0'"),
        (lambda e: e.delete_weight("dense", "5"), "has the weights"),
        (lambda e: e.delete_weight("layers/bidirectional", "forward_layer"), "no 'forward_layer'"),
        (lambda e: e.add_object("nowhere/a", {}), "no object 'nowhere'"),
        (lambda e: e.add_object("layers/a", [1]), "as a dict"),
        (lambda e: e.add_object("layers/a", {"0": "text"}), "expected numbers"),
        (lambda e: e.add_weights("dense", {"a/b": 1}), "without a path"),
        (lambda e: e.save("x.h5"), "must end in"),
    ],
)
def test_wrong_calls_change_nothing(path, change, message, capsys):
    editor = KerasFileEditor(path)
    with pytest.raises(ValueError, match=message):
        change(editor)
    assert editor.compare(model())["status"] == "success"


def test_wrong_files_are_refused(tmp_path):
    hostile = tmp_path / "a.weights.h5"
    h5py = pytest.importorskip("h5py")
    with h5py.File(hostile, "w") as file:
        file["a"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(ModelFormatError, match="links"):
        KerasFileEditor(hostile)
    for first, second in (("a/vars/b", "a/b/vars/0"), ("a/b/vars/0", "a/vars/b"), ("a/0", "a/vars/0")):
        with h5py.File(hostile, "w") as file:
            file[first], file[second] = np.zeros(2), np.zeros(2)
        with pytest.raises(ModelFormatError, match=r"a weight and an object|stands there twice"):
            KerasFileEditor(hostile)
    with pytest.raises(ModelFormatError, match="must end in"):
        KerasFileEditor(tmp_path / "a.h5")
    with pytest.raises(FileNotFoundError):
        KerasFileEditor(tmp_path / "none.keras")


def test_a_failed_save_leaves_the_old_file(path, tmp_path, monkeypatch):
    editor, target = KerasFileEditor(path), tmp_path / "new.weights.h5"
    target.write_bytes(b"old")
    editor.weights_dict["layers"]["dense"]["0"] = np.array(["no number"], object)
    with pytest.raises((TypeError, ValueError)):
        editor.save(target)
    assert target.read_bytes() == b"old"
