"""Rows of a learned table, and dense layers over any axes."""

import re

from fastnn import ops
from fastnn.graph.masks import carry
from fastnn.layers.core import WeightedLayer, positive_integer
from fastnn.layers.layer import Layer, dtype_name
from fastnn.saving import registry


@registry.register("layer")
class Embedding(Layer):
    """A row of a learned table for each integer: (n, ...) to (n, ..., output_dim).

    Parameters
    ----------
    input_dim : int
        Rows of the table; inputs lie in 0..input_dim-1.
    output_dim : int
    embeddings_initializer, embeddings_regularizer, embeddings_constraint : optional
    mask_zero : bool
        Input 0 stands for a missing element: layers that know masks leave it out.
    weights : array or list with one array, optional
        The table.

    Weights: embeddings (input_dim, output_dim).
    """

    def __init__(
        self, input_dim, output_dim, embeddings_initializer="uniform", embeddings_regularizer=None,
        embeddings_constraint=None, mask_zero=False, weights=None, lora_rank=None, lora_alpha=None,
        quantization_config=None, **kwargs,
    ):  # fmt: skip
        if lora_rank is not None or lora_alpha is not None or quantization_config is not None:
            raise ValueError("Embedding: LoRA and quantization are not offered: leave these arguments out")
        kwargs.pop("input_length", None)  # programs for older Keras give it; the length follows from the data
        super().__init__(**kwargs)
        self.input_dim = positive_integer(input_dim, "Embedding: input_dim")
        self.output_dim = positive_integer(output_dim, "Embedding: output_dim")
        self.embeddings_initializer = registry.get("initializer", embeddings_initializer)
        self.embeddings_regularizer = registry.get("regularizer", embeddings_regularizer)
        self.embeddings_constraint = registry.get("constraint", embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) else [weights])

    def build(self, input_shape=None):
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim), self.embeddings_initializer, regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint, name="embeddings",
        )  # fmt: skip

    def call(self, inputs):
        return ops.take(self.embeddings, ops.cast(inputs, "int32"), axis=0)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self):
        return {
            **super().get_config(), "input_dim": self.input_dim, "output_dim": self.output_dim,
            "embeddings_initializer": registry.serialize(self.embeddings_initializer),
            "embeddings_regularizer": registry.serialize(self.embeddings_regularizer),
            "activity_regularizer": registry.serialize(self.activity_regularizer),
            "embeddings_constraint": registry.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero, "quantization_config": None,
        }  # fmt: skip


@registry.register("layer")
class ReversibleEmbedding(Embedding):
    """An `Embedding` that also goes back, from vectors to one logit for each row of the table (arXiv 1608.05859).

    Parameters
    ----------
    input_dim, output_dim, embeddings_initializer, embeddings_regularizer, embeddings_constraint, mask_zero :
        As of `Embedding`.
    tie_weights : bool
        Back by the transposed table; else by a kernel of its own.
    reverse_dtype : str, optional
        Float type of the way back.
    logit_soft_cap : float, optional
        Logits become ``tanh(logits / cap) * cap``.

    Call it with ``reverse=True`` to go back: (n, ..., output_dim) to (n, ..., input_dim).

    Weights: embeddings (input_dim, output_dim); reverse_embeddings (output_dim, input_dim) unless tied.
    """

    supports_masking = True

    def __init__(
        self, input_dim, output_dim, tie_weights=True, embeddings_initializer="uniform", embeddings_regularizer=None,
        embeddings_constraint=None, mask_zero=False, reverse_dtype=None, logit_soft_cap=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            input_dim, output_dim, embeddings_initializer, embeddings_regularizer, embeddings_constraint, mask_zero,
            **kwargs,
        )  # fmt: skip
        self.tie_weights, self.logit_soft_cap = tie_weights, logit_soft_cap
        self.reverse_dtype = reverse_dtype if reverse_dtype is None else dtype_name(reverse_dtype)

    def build(self, input_shape=None):
        super().build(input_shape)
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            self.reverse_embeddings = self.add_weight(shape, self.embeddings_initializer, name="reverse_embeddings")

    def call(self, inputs, reverse=False):
        if not reverse:
            rows = super().call(inputs)
            carry(rows, super().compute_mask(inputs))
            return rows
        kernel = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        if self.reverse_dtype is not None:
            inputs, kernel = ops.cast(inputs, self.reverse_dtype), ops.cast(kernel, self.reverse_dtype)
        logits = ops.matmul(inputs, kernel)
        return logits if self.logit_soft_cap is None else ops.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap

    def compute_mask(self, inputs, mask=None):
        """None: rows carry their mask already, logits have none."""

    def get_config(self):
        names = ("tie_weights", "reverse_dtype", "logit_soft_cap")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.register("layer")
class EinsumDense(WeightedLayer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Parameters
    ----------
    equation : str
        Such as ``"abc,cd->abd"`` or ``"...x,xy->...y"``.
    output_shape : int or tuple
        Sizes of the result without the batch axis; None where the input has the letter.
    bias_axes : str, optional
        Letters of the result along which the bias differs.
    activation, kernel_initializer, ... : as `Dense`
    """

    def __init__(
        self, equation, output_shape, activation=None, bias_axes=None, kernel_initializer="glorot_uniform",
        bias_initializer="zeros", kernel_regularizer=None, bias_regularizer=None, kernel_constraint=None,
        bias_constraint=None, lora_rank=None, lora_alpha=None, gptq_unpacked_column_size=None,
        quantization_config=None, **kwargs,
    ):  # fmt: skip
        if any(v is not None for v in (lora_rank, lora_alpha, gptq_unpacked_column_size, quantization_config)):
            raise ValueError("EinsumDense: LoRA and quantization are not offered: leave these arguments out")
        super().__init__(
            activation, bias_axes is not None, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, kernel_constraint=kernel_constraint, bias_constraint=bias_constraint, **kwargs,
        )  # fmt: skip
        self.equation, self.bias_axes = equation, bias_axes
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)

    def build(self, input_shape):
        """The kernel has the sizes of its letters: from the input, or else from output_shape."""
        match = re.fullmatch(r"([^,>]*),([^,>]*)->([^,>]*)", self.equation.replace(" ", ""))
        if match is None:
            raise ValueError(f"{self}: equation must look like 'abc,cd->abd', received {self.equation!r:.100}")
        source, kernel, target = match.groups()
        sizes = _sizes_from_the_back(source, input_shape)
        sizes |= {k: n for k, n in _sizes_from_the_back(target, self.partial_output_shape).items() if n is not None}
        try:
            shape = tuple(sizes[letter] for letter in kernel)
        except KeyError as error:
            raise ValueError(f"{self}: no size is known for letter {error} of the kernel") from None
        self.kernel = self.add_kernel(shape)
        if self.bias_axes is None:
            return
        letters = target.replace("...", "")
        first = min(letters.index(letter) for letter in self.bias_axes)
        bias = tuple(sizes[c] if c in self.bias_axes else 1 for c in letters[first:])
        self.bias = self.add_weight(
            bias, self.bias_initializer, regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            name="bias",
        )  # fmt: skip

    def call(self, inputs):
        return self.finish(ops.einsum(self.equation, inputs, self.kernel))

    def get_config(self):
        config = super().get_config()
        del config["use_bias"]
        return {
            **config, "equation": self.equation, "output_shape": self.partial_output_shape,
            "bias_axes": self.bias_axes, "quantization_config": None,
            "activity_regularizer": registry.serialize(self.activity_regularizer),
        }  # fmt: skip


def _sizes_from_the_back(letters, shape):
    """{letter: size}, matched from the last axis; before an ellipsis from the first."""
    before, dots, after = letters.partition("...")
    if not dots:
        before, after = "", letters
    sizes = dict(zip(reversed(after), reversed(shape), strict=False))
    return sizes | dict(zip(before, shape, strict=False))
