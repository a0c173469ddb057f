"""Pictures of models as Graphviz texts."""

import sys

import pytest

import fastnn as keras
from fastnn.models import drawing


def model():
    keras.utils.clear_session()  # names of operations are counted
    inputs = keras.Input((4,), name="in")
    inner = keras.Sequential([keras.Input((3,), name="inner_in"), keras.layers.Dense(2, name="deep")], name="inner")
    x = keras.layers.Dense(3, "relu", name='a "b"')(inputs)
    return keras.Model(inputs, keras.layers.Concatenate(name="joined")([inner(x), x * 2.0]), name="m")


def test_boxes_and_arrows(tmp_path):
    keras.utils.plot_model(
        model(), tmp_path / "m.dot", show_shapes=True, show_layer_names=True, show_layer_activations=True, rankdir="LR",
        show_trainable=True, show_dtype=True,
    )  # fmt: skip
    text = (tmp_path / "m.dot").read_text()
    assert "rankdir=LR" in text
    dense = r'"a \"b\"" [label="a \"b\" (Dense)\nactivation: relu\ndtype: float32\noutput: (None, 3)\ntrainable"];'
    for line in (
        dense,
        r'"in" -> "a \"b\"";',
        '"inner" -> "joined";',
        r'"a \"b\"" -> "inner";',
        '"multiply" -> "joined";',
    ):
        assert line in text
    assert "deep" not in text


def test_models_in_models():
    text = drawing.dot_text(model(), expand_nested=True)
    assert 'subgraph "cluster_inner" {' in text
    assert '"inner/inner_in" -> "inner/deep";' in text


def test_sequential():
    text = drawing.dot_text(keras.Sequential([keras.layers.Dense(2, name="x"), keras.layers.ReLU(name="y")]))
    assert text.count("->") == 1
    assert '"x" -> "y";' in text


def test_what_cannot_be_drawn(monkeypatch, tmp_path):
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="only models made as Model"):
        drawing.dot_text(Own())
    with pytest.raises(ValueError, match="expand_nested"):
        keras.utils.model_to_dot(model(), subgraph=True)
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match="pip install pydot"):
        keras.utils.plot_model(model(), tmp_path / "m.png")


def test_pydot_reads_it():
    pydot = pytest.importorskip("pydot")
    dot = keras.utils.model_to_dot(model())
    assert isinstance(dot, pydot.Dot)
    assert len(dot.get_edges()) == 5
