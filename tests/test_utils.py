"""keras.utils' names, and the labels behind two of them."""

import subprocess
import sys

import numpy as np
import pytest

from fastnn import layers, utils
from fastnn.graph.program import Program


def test_every_name_is_there():
    for name in utils._HOMES:
        assert callable(getattr(utils, name))
        assert name in dir(utils)
    with pytest.raises(AttributeError, match="plot_models"):
        utils.plot_models  # noqa: B018


def test_nothing_is_imported_before_it_is_used():
    code = "import sys, fastnn.utils; print({'PIL', 'h5py'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_config():
    config = utils.Config(rate=0.1)
    config.seed, config["b"] = 3, "x"
    assert (config.rate, config["seed"], len(config), list(config)) == (0.1, 3, 3, ["b", "rate", "seed"])
    assert config.get("none", 5) == 5
    assert config.pop("b") == "x"
    assert config.as_dict() == {"rate": 0.1, "seed": 3}
    assert config.to_json() == '{"rate": 0.1, "seed": 3}'
    config.freeze()
    for change in (lambda: setattr(config, "seed", 4), lambda: config.update(seed=4), lambda: config.pop("seed")):
        with pytest.raises(ValueError, match="frozen"):
            change()
    config.unfreeze()
    del config["seed"]
    assert "seed" not in config
    assert not config.frozen
    with pytest.raises(AttributeError, match="no value 'speed'"):
        config.speed  # noqa: B018


def test_dtype_names():
    for dtype in ("float32", np.float32, np.dtype("float32"), float, None):
        assert utils.standardize_dtype(dtype) == "float32"
    assert [utils.standardize_dtype(t) for t in (int, bool, str)] == ["int32", "bool", "string"]
    with pytest.raises(ValueError, match="'float33' is not a dtype"):
        utils.standardize_dtype("float33")


def test_tensors_of_models():
    a, b = layers.Input((2,)), layers.Input((2,))
    c = layers.Dense(3)(layers.Add()([a, b * 2.0]))
    assert utils.is_keras_tensor(c)
    assert not utils.is_keras_tensor(np.ones(2))
    assert [t is x for t, x in zip(utils.get_source_inputs(c), (a, b), strict=True)] == [True, True]
    with pytest.raises(ValueError, match="expected what Input"):
        utils.get_source_inputs(np.ones(2))


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        ([0, 2], None, [[1, 0, 0], [0, 0, 1]]),
        ([[0], [1]], 2, [[1, 0], [0, 1]]),
        ([[0, 1], [1, 0]], None, [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]),
        (1, 3, [0, 1, 0]),
        (np.array([1.0]), None, [[0, 1]]),
    ],
)
def test_to_categorical(labels, classes, expected):
    rows = utils.to_categorical(labels, classes)
    assert rows.dtype == np.float64  # as in Keras
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_to_categorical_refuses_labels_outside(labels):
    with pytest.raises(IndexError, match=r"outside 0\.\.2"):
        utils.to_categorical(labels, 3)


def test_to_categorical_in_a_program():
    with Program() as program:
        rows = utils.to_categorical(program.input((4, 1), "int32"), 3)
    assert rows.shape == (4, 3)


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0, order=1), [[1, 1], [0, 0]])
    assert x[0, 0] == 3


def test_clear_session_counts_names_anew():
    utils.clear_session()
    assert [layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    utils.clear_session()
    assert layers.Dense(1).name == "dense"
