"""`Operation`, `Function`, `KerasTensor` and `InputSpec`, as programs written for Keras use them."""

import json
import pickle

import numpy as np
import pytest

import fastnn as keras
from fastnn import ops

X = np.arange(12, dtype=np.float32).reshape(4, 3)


@keras.saving.register_keras_serializable("test_operations")
class Scale(keras.Operation):
    def __init__(self, factor=2.0, name=None):
        super().__init__(name)
        self.factor = factor

    def call(self, x):
        return ops.multiply(x, self.factor)


@keras.saving.register_keras_serializable("test_operations")
class Halves(keras.Operation):
    """Two outputs, with shapes of its own saying."""

    def call(self, x):
        return x[:, :1], ops.sum(x, axis=-1)

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], 1), x.dtype), keras.KerasTensor(x.shape[:1], dtype=x.dtype)


# --- Operation ----------------------------------------------------------------------------------------
def test_an_operation_computes_on_arrays():
    np.testing.assert_array_equal(Scale(3.0)(X), 3 * X)
    with pytest.raises(NotImplementedError, match=r"Operation defines no call\(\)"):
        keras.Operation()(X)


def test_an_operation_stands_in_a_model_that_trains_and_is_saved(tmp_path):
    inputs = keras.Input((3,))
    scale = Scale(0.5, name="half")
    first, total = Halves()(keras.layers.Dense(3)(scale(inputs)))
    model = keras.Model(inputs, [first, total])
    assert (first.shape, total.shape) == ((None, 1), (None,))
    assert scale.input is inputs and scale.output.shape == (None, 3)
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Dense"]
    model.compile("sgd", ["mse", "mse"])
    model.fit(X, [X[:, :1], X[:, 0]], verbose=0)
    expected = model.predict(X, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(expected[1], (X / 2 @ kernel + bias).sum(-1), rtol=1e-5)
    model.save(tmp_path / "m.keras")
    others = [keras.saving.load_model(tmp_path / "m.keras"), pickle.loads(pickle.dumps(model))]
    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    for other in (*others, copied):
        for a, b in zip(other.predict(X, verbose=0), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    assert "half (Scale)" in capture_summary(model)


def capture_summary(model):
    lines = []
    model.summary(print_fn=lines.append)
    return "\n".join(lines)


def test_a_file_needs_the_class_of_an_operation(tmp_path):
    class Unknown(Scale):
        pass

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Unknown()(inputs))
    model.save(tmp_path / "m.keras")
    with pytest.raises(keras.ModelFormatError, match="Unknown class 'Unknown'"):
        keras.saving.load_model(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", custom_objects={"Unknown": Unknown})
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), 2 * X)


def test_configurations():
    assert Scale(4.0, name="s").get_config() == {"name": "s", "factor": 4.0}
    assert Scale.from_config({"name": "s", "factor": 4.0}).factor == 4.0
    assert Halves(name="h").get_config() == {"name": "h"}

    class Holds(keras.Operation):
        def __init__(self, array):
            super().__init__()

    with pytest.raises(NotImplementedError, match=r"arguments \['array'\] are no plain data"):
        Holds(X).get_config()
    with pytest.raises(ValueError, match="name must be a string without '/'"):
        Scale(name="a/b")


def test_layers_and_models_are_operations():
    assert issubclass(keras.layers.Layer, keras.Operation)
    with pytest.raises(AttributeError, match="has no input: it was not called on Input"):
        _ = Scale().input
    spec = keras.layers.Dense(4).compute_output_spec(keras.KerasTensor((None, 3)))
    assert (spec.shape, spec.dtype) == ((None, 4), "float32")
    assert Scale().compute_output_spec(keras.KerasTensor((2, None))).shape == (2, None)


# --- Function -----------------------------------------------------------------------------------------
def test_the_example_of_keras():
    first, second = keras.KerasTensor(shape=(None, 2, 3)), keras.KerasTensor(shape=(None, 2, 3))
    function = keras.Function(inputs=[first, second], outputs=ops.sigmoid(first + second))
    a, b = np.random.default_rng(0).random((2, 4, 2, 3), np.float32)
    np.testing.assert_allclose(function([a, b]), 1 / (1 + np.exp(-a - b)), rtol=1e-6)
    assert function.compute_output_shape([(7, 2, 3), (7, 2, 3)]) == (7, 2, 3)
    assert [len(function.inputs), len(function.outputs), len(function.operations)] == [2, 1, 4]


def test_structures_layers_and_inner_tensors():
    inputs = {"a": keras.Input((3,)), "b": keras.Input((3,))}
    dense = keras.layers.Dense(2)
    inner = dense(inputs["a"])
    function = keras.Function(inputs, {"sum": inputs["a"] + inputs["b"], "dense": inner})
    found = function({"b": X, "a": X})
    np.testing.assert_array_equal(found["sum"], 2 * X)
    np.testing.assert_allclose(found["dense"], X @ dense.get_weights()[0], rtol=1e-6)
    np.testing.assert_array_equal(keras.Function(inner, ops.exp(inner))(np.zeros((1, 2), np.float32)), [[1, 1]])
    with pytest.raises(ValueError, match=r"was called with an invalid input structure\. Expected input structure"):
        function([X, X])


def test_a_function_is_part_of_a_model():
    x = keras.KerasTensor((None, 3))
    function = keras.Function(x, ops.square(x) + 1.0)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, function(inputs))
    np.testing.assert_array_equal(model.predict(X, verbose=0), X * X + 1)


def test_functions_that_cannot_be():
    x, y = keras.KerasTensor((None, 3)), keras.KerasTensor((None, 3))
    with pytest.raises(ValueError, match="Function: inputs cannot be empty"):
        keras.Function([], x)
    with pytest.raises(ValueError, match="Function: the outputs depend on the input 'keras_tensor"):
        keras.Function(x, x + y)
    with pytest.raises(ValueError, match="Function: the same tensor stands twice"):
        keras.Function([x, x], x + 1)
    with pytest.raises(ValueError, match="no sparse or ragged"):
        keras.KerasTensor((3,), sparse=True)


def test_a_model_of_keras_tensors_has_inputs():
    x = keras.KerasTensor((None, 3))
    model = keras.Model(x, keras.layers.Dense(2)(x))
    again = keras.models.model_from_json(model.to_json())
    assert again.output_shape == (None, 2)
    assert json.loads(model.to_json())["config"]["layers"][0]["class_name"] == "InputLayer"
    assert isinstance(x, keras.KerasTensor) and isinstance(model.output, keras.KerasTensor)
    assert not isinstance(X, keras.KerasTensor)


# --- InputSpec ----------------------------------------------------------------------------------------
class Checked(keras.layers.Layer):
    def __init__(self, spec):
        super().__init__(name="checked")
        self.input_spec = spec

    def call(self, x):
        return keras.tree.flatten(x)[0]


Spec = keras.InputSpec
WRONG = "Input 0 with name 'None' of layer 'checked' is incompatible with the layer: "
SPECS = {  # specification, a shape that fits, one that does not, and Keras' message for it
    "ndim": (Spec(ndim=2), (4, 3), (4, 3, 1), "expected ndim=2, found ndim=3. Full shape received: (4, 3, 1)"),
    "max_ndim": (Spec(max_ndim=2), (4, 3), (4, 3, 1), "expected max_ndim=2, found ndim=3"),
    "min_ndim": (Spec(min_ndim=2), (4, 3), (4,), "expected min_ndim=2, found ndim=1. Full shape received: (4,)"),
    "axes": (
        Spec(min_ndim=2, axes={-1: 3}), (4, 3), (4, 2),
        "expected axis -1 of input shape to have value 3, but received input with shape (4, 2)",
    ),
    "shape": (Spec(shape=(None, 3)), (4, 3), (4, 2), "expected shape=(None, 3), found shape=(4, 2)"),
    "squeeze": (
        Spec(shape=(None, 28, 1), allow_last_axis_squeeze=True), (4, 28), (4, 27),
        "expected shape=(None, 28, 1), found shape=(4, 27)",
    ),
    "dtype": (Spec(dtype="float32"), (4, 3), None, "expected dtype=float32, found dtype=int64"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPECS)
def test_a_layer_checks_its_input(name):
    spec, right, wrong, message = SPECS[name]
    layer = Checked(spec)
    layer(np.ones(right, np.float32))
    layer(keras.Input(right[1:]))
    x = np.ones((4, 3), np.int64) if wrong is None else np.ones(wrong, np.float32)
    with pytest.raises(ValueError, match="is incompatible with the layer") as caught:
        layer(x)
    assert str(caught.value).startswith(WRONG + message)
    if wrong is not None:
        with pytest.raises(ValueError, match="is incompatible with the layer"):
            layer(keras.Input(wrong[1:]))


def test_structures_of_specifications():
    layer = Checked([Spec(ndim=2), None, Spec(ndim=1, optional=True)])
    layer([X, X, X[0]])
    layer([X, 3.0, None])
    with pytest.raises(ValueError, match=r'Layer "checked" expects 3 input\(s\), but it received 2 input tensors'):
        layer([X, X])
    layer = Checked([Spec(ndim=2, name="a"), Spec(ndim=1, name="b")])
    layer({"b": X[0], "a": X})
    with pytest.raises(ValueError, match=r'Missing data for input "b"\. You passed a data dictionary with keys'):
        layer({"a": X, "c": X})
    with pytest.raises(ValueError, match=r"expects 2 named input\(s\) with keys \['a', 'b'\]"):
        layer([X])


def test_specifications_that_cannot_be():
    with pytest.raises(TypeError, match="axes must be a dict with integer keys"):
        Spec(axes={"a": 1})
    with pytest.raises(ValueError, match="axis 2 is outside of an input with 2 axes"):
        Spec(ndim=2, axes={2: 1})
    spec = Spec(shape=(None, 3), dtype="float32")
    assert repr(spec) == "InputSpec(dtype=float32, shape=(None, 3), ndim=2)"
    assert keras.layers.InputSpec.from_config(spec.get_config()).get_config() == spec.get_config()
