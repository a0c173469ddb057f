"""Dense, activation, input and user-function layers."""

import inspect

import numpy as np

from fastnn import activations, ops
from fastnn.graph import declaration
from fastnn.layers.layer import Layer
from fastnn.saving import registry


class WeightedLayer(Layer):
    """What Dense and the convolutions share: kernel, bias, activation, and their regularizers and constraints."""

    def __init__(
        self,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = registry.get("initializer", kernel_initializer)
        self.bias_initializer = registry.get("initializer", bias_initializer)
        self.kernel_regularizer = registry.get("regularizer", kernel_regularizer)
        self.bias_regularizer = registry.get("regularizer", bias_regularizer)
        self.kernel_constraint = registry.get("constraint", kernel_constraint)
        self.bias_constraint = registry.get("constraint", bias_constraint)
        self.bias = None

    def add_kernel(self, shape, name="kernel"):
        return self.add_weight(
            shape,
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name=name,
        )

    def add_bias(self, size):
        if self.use_bias:
            self.bias = self.add_weight(
                (size,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def finish(self, y):
        """Bias and activation."""
        if self.bias is not None:
            y = y + self.bias
        return self.activation(y) if self.activation is not None else y

    def get_config(self):
        activation = self.activation if self.activation is not None else registry.get("activation", "linear")
        return {
            **super().get_config(),
            "activation": registry.serialize(activation),
            "use_bias": self.use_bias,
            "bias_initializer": registry.serialize(self.bias_initializer),
            "bias_regularizer": registry.serialize(self.bias_regularizer),
            "bias_constraint": registry.serialize(self.bias_constraint),
            "kernel_initializer": registry.serialize(self.kernel_initializer),
            "kernel_regularizer": registry.serialize(self.kernel_regularizer),
            "kernel_constraint": registry.serialize(self.kernel_constraint),
        }


@registry.register("layer")
class Dense(WeightedLayer):
    """``activation(x . kernel + bias)`` over the last axis.

    Parameters
    ----------
    units : int
        Size of the output's last axis.
    activation : str or callable, optional
    use_bias : bool
    kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, \
    kernel_constraint, bias_constraint : optional

    Input of shape (n, ..., k), output (n, ..., units); weights: kernel (k, units), bias (units,).
    """

    supports_masking = True

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        quantization_config=None,
        **kwargs,
    ):
        if quantization_config is not None:
            raise ValueError("Dense: quantization is not offered: leave quantization_config out")
        super().__init__(
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )
        self.units = positive_integer(units, "Dense: units")

    def build(self, input_shape):
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise self._wrong_input(
                "input of shape (n, features)", input_shape, "The number of features must be known."
            )
        self.kernel = self.add_kernel((input_shape[-1], self.units))
        self.add_bias(self.units)

    def _check_input(self, x):
        features = self.kernel.shape[0]
        if len(x.shape) < 2 or x.shape[-1] != features:
            repair = f"The layer was built for {features} features."
            if len(x.shape) != 2:
                repair = "Add Flatten() before it." if len(x.shape) > 2 else "One sample is x[None]."
            raise self._wrong_input(f"input of shape (n, {features})", x.shape, repair)

    def call(self, inputs):
        return self.finish(ops.matmul(inputs, self.kernel))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "quantization_config": None}


def positive_integer(value, what):
    """The value as an int, or an error that says what it is for."""
    whole = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and value == int(value)
    if not whole or value < 1:
        raise ValueError(f"{what} must be a positive integer, received {value!r}")
    return int(value)


@registry.register("layer")
class Identity(Layer):
    """The input as it is."""

    supports_masking = True

    def __init__(self, **kwargs):  # of its own: the defaults of Layer's are no part of the configuration
        super().__init__(**kwargs)

    def call(self, inputs):
        return inputs


@registry.register("layer")
class Activation(Layer):
    """An activation function as a layer.

    Parameters
    ----------
    activation : str or callable
    """

    supports_masking = True

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs):
        return self.activation(inputs)

    def get_config(self):
        return {**super().get_config(), "activation": registry.serialize(self.activation)}


@registry.register("layer")
class InputLayer(Layer):
    """The declared input of a model.

    Parameters
    ----------
    shape : tuple of int
        Without the batch axis.
    batch_size : int, optional
    dtype : str, optional
    batch_shape : tuple of int, optional
        In place of shape, with the batch axis.
    input_tensor : KerasTensor, optional
        Whose shape and dtype the input takes.
    sparse, ragged, optional : bool
        Only False.
    """

    supports_masking = True

    def __init__(
        self, shape=None, batch_size=None, dtype=None, sparse=None, ragged=None, batch_shape=None, input_tensor=None,
        optional=False, name=None, **kwargs,
    ):  # fmt: skip
        if sparse or ragged:
            raise ValueError("InputLayer: sparse and ragged inputs are not offered: pass dense arrays")
        if optional:
            raise ValueError("InputLayer: optional inputs are not offered: make a model for each set of inputs")
        if input_tensor is not None:
            _check_agrees(input_tensor, shape, batch_size, batch_shape, dtype)
            shape, batch_shape, dtype = None, input_tensor.shape, input_tensor.dtype
        super().__init__(name=name, dtype=dtype, **kwargs)
        if (shape is None) == (batch_shape is None):
            raise ValueError("InputLayer: give shape (without the batch axis) or batch_shape, one of the two")
        self.batch_shape = tuple(batch_shape) if batch_shape is not None else (batch_size, *_sizes(shape))
        self.built = True
        declaration.Node(self, (), {}, declaration.Sized(self.batch_shape, self.dtype))

    def __getstate__(self):
        return {**super().__getstate__(), "_inbound_nodes": self._inbound_nodes}

    def call(self, inputs):
        """The inputs, once they have the declared shape; a last axis of size 1 may be missing or be one too many."""
        shape, declared = tuple(inputs.shape), self.batch_shape
        if len(shape) + 1 == len(declared) and declared[-1] == 1:
            inputs = ops.expand_dims(inputs, -1)
        elif len(shape) == len(declared) + 1 and shape[-1] == 1:
            inputs = ops.squeeze(inputs, -1)
        sizes = zip(inputs.shape[1:], declared[1:], strict=False)
        if len(inputs.shape) != len(declared) or any(m is not None and n != m for n, m in sizes):
            repair = "Reshape the data, or change Input()."
            if shape == declared[1:]:
                repair = "One sample is x[None]: it has a batch axis too."
            elif len(shape) == len(declared) and shape[1:-1] == declared[1:-1]:
                repair = f"The model was built for {declared[-1]} features."
            raise self._wrong_input(f"an input of shape {('n', *declared[1:])}".replace("'", ""), shape, repair)
        return inputs

    def get_config(self):
        return {
            "batch_shape": self.batch_shape, "dtype": self.dtype, "sparse": False, "ragged": False, "optional": False,
            "name": self.name,
        }  # fmt: skip


def _check_agrees(tensor, shape, batch_size, batch_shape, dtype):
    """Raise for an input that shall be like a tensor and have another shape or dtype."""
    if getattr(tensor, "kind", None) != "declared":
        raise ValueError(
            f"Input: tensor must begin with Input(...) itself, received {type(tensor).__name__}: "
            "pass arrays to the model"
        )
    asked = batch_shape if batch_shape is not None else None if shape is None else (batch_size, *_sizes(shape))
    if (asked is not None and tuple(asked) != tensor.shape) or dtype not in (None, tensor.dtype):
        raise ValueError(
            f"Input: the tensor has shape {tensor.shape} and dtype {tensor.dtype}: leave shape and dtype out"
        )


def _sizes(shape):
    if isinstance(shape, int):
        raise ValueError(f"Input: shape must be a tuple such as ({shape},), received {shape}")
    return tuple(shape)


def Input(  # noqa: N802, Keras' name
    shape=None, batch_size=None, dtype=None, sparse=None, ragged=None, batch_shape=None, name=None, tensor=None,
    optional=False,
):  # fmt: skip
    """The declared input of a model; first in a `Sequential`, or called on by layers.

    Parameters
    ----------
    shape : tuple of int
        Without the batch axis, e.g. ``(28, 28, 1)``; None for a size that data tells.
    batch_size : int, optional
    dtype : str, optional
    batch_shape : tuple of int, optional
        In place of shape, with the batch axis.
    name : str, optional
    tensor : KerasTensor, optional
        Gives the input its shape and dtype.
    sparse, ragged, optional : bool
        Only False: inputs are dense arrays, and none may be missing.

    Returns
    -------
    KerasTensor
        Layers and functions of `fastnn.ops` called on it give further ones; ``Model(inputs, outputs)`` makes a model
        of them.
    """
    return InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name).output


@registry.register("layer")
class Lambda(Layer):
    """A function as a layer, written with `fastnn.ops`.

    A file never contains its code: loading needs the function in ``custom_objects`` or registered.

    Parameters
    ----------
    function : callable
    output_shape : tuple, optional
        Accepted as in Keras; the shape follows from tracing.
    mask : callable or array, optional
        The mask of the output, or ``mask(inputs, mask)``, which gives it.
    arguments : dict, optional
        Keyword arguments of the function.  It gets ``mask`` and ``training`` too, if it has such arguments.
    """

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **kwargs):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: expected a function, received {function!r}")
        self.function, self.arguments, self.output_shape_given = function, arguments or {}, output_shape
        self.mask = mask
        self.supports_masking = mask is not None

    def call(self, inputs, mask=None, training=None):
        taken = inspect.getfullargspec(self.function).args
        offered = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{k: v for k, v in offered.items() if k in taken})

    def compute_mask(self, inputs, mask=None):
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self):
        return {
            **super().get_config(),
            "function": registry.serialize(self.function),
            **({} if self.mask is None else {"mask": registry.serialize(self.mask)}),
            "arguments": self.arguments,
        }
