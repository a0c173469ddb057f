"""Attention: every query gets the mean of the values, weighted by how well their keys fit."""

import math

import numpy as np

from fastnn import ops, random
from fastnn.graph.masks import carry
from fastnn.layers.core import positive_integer
from fastnn.layers.embedding import EinsumDense
from fastnn.layers.layer import Layer
from fastnn.saving import registry

_EXCLUDED = 1e9  # taken from the scores of values that must not be seen


@registry.register("layer")
class Attention(Layer):
    """softmax(query . key) . value (arXiv 1508.04025); called with [query, value] or [query, value, key].

    Parameters
    ----------
    use_scale : bool
        A learned factor for the scores.
    score_mode : {"dot", "concat"}
        The product of query and key, or the sum of tanh(query + key) over the features.
    dropout : float
        Part of the weights that is left out in training.

    Shapes: query (n, t, k), value (n, s, v), key (n, s, k); output (n, t, v), scores (n, t, s).
    """

    def __init__(self, use_scale=False, score_mode="dot", dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f'Attention: score_mode must be "dot" or "concat", received {score_mode!r}')
        self.use_scale, self.score_mode, self.dropout, self.seed = use_scale, score_mode, dropout, seed
        self.generator = random.SeedGenerator(seed) if dropout > 0 else None
        self.scale = self.concat_score_weight = None

    def build(self, input_shape):
        if not isinstance(input_shape, list) or len(input_shape) not in (2, 3):
            raise ValueError(f"{self}: call it with a list [query, value] or [query, value, key]")
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def scores(self, query, key):
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
            return scores if self.scale is None else scores * self.scale
        total = ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
        if self.scale is not None:
            total = total * self.scale
        return self.concat_score_weight * ops.sum(ops.tanh(total), -1)

    def call(self, inputs, mask=None, return_attention_scores=False, training=False, use_causal_mask=False):
        query, value, key = (*inputs, inputs[1])[:3] if len(inputs) == 2 else inputs
        scores = self.scores(query, key)
        query_mask, value_mask = (*(mask or ()), None, None)[:2]
        seen = None if value_mask is None else ops.expand_dims(value_mask, -2)
        if use_causal_mask:
            earlier = np.tril(np.ones(scores.shape[-2:], bool))
            seen = earlier if seen is None else ops.logical_and(seen, earlier)
        if seen is not None:
            scores = ops.where(seen, scores, scores - _EXCLUDED)
        weights = ops.softmax(scores)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, None, self.generator)
        y = ops.matmul(weights, value)
        if query_mask is not None:
            y = y * ops.cast(ops.expand_dims(query_mask, -1), y.dtype)
        return (y, weights) if return_attention_scores else y

    def compute_mask(self, inputs, mask=None):
        return mask[0] if mask is not None else None

    def get_config(self):
        return {
            **super().get_config(), "use_scale": self.use_scale, "score_mode": self.score_mode,
            "dropout": self.dropout, "seed": self.seed,
        }  # fmt: skip


@registry.register("layer")
class AdditiveAttention(Attention):
    """Attention whose scores are the sum of scale * tanh(query + key) over the features (arXiv 1409.0473).

    Weights: scale (k,), with use_scale.
    """

    def __init__(self, use_scale=True, dropout=0.0, **kwargs):
        kwargs.pop("score_mode", None)
        super().__init__(use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape):
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def scores(self, query, key):
        total = ops.tanh(ops.expand_dims(query, -2) + ops.expand_dims(key, -3))
        return ops.sum(total if self.scale is None else total * self.scale, -1)

    def get_config(self):
        config = super().get_config()
        del config["score_mode"]
        return config


class _Heads(Layer):
    """What multi-head layers share: projections to heads and back, masks, dropout."""

    supports_masking = True
    regularizes_own_activity = False  # the dense layers' is regularized, in Keras one layer's own too

    def __init__(
        self, dropout, use_bias, sliding_window, flash_attention, kernel_initializer, bias_initializer,
        kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, use_gate,
        seed, **kwargs,
    ):  # fmt: skip
        self.dense_activity_regularizer = registry.get("regularizer", activity_regularizer)
        own = self.dense_activity_regularizer if self.regularizes_own_activity else None
        super().__init__(activity_regularizer=own, **kwargs)
        if sliding_window is not None and (not isinstance(sliding_window, int) or sliding_window <= 0):
            raise ValueError(f"{type(self).__name__}: sliding_window must be a positive integer or None")
        self.dropout, self.use_bias, self.sliding_window = dropout, use_bias, sliding_window
        self.flash_attention, self.use_gate, self.seed = flash_attention, use_gate, seed
        self.kernel_initializer = registry.get("initializer", kernel_initializer)
        self.bias_initializer = registry.get("initializer", bias_initializer)
        self.kernel_regularizer = registry.get("regularizer", kernel_regularizer)
        self.bias_regularizer = registry.get("regularizer", bias_regularizer)
        self.kernel_constraint = registry.get("constraint", kernel_constraint)
        self.bias_constraint = registry.get("constraint", bias_constraint)
        self.generator = random.SeedGenerator(seed) if dropout > 0 else None

    def projection(self, equation, shape, name, bias_axes, activation=None):
        """A dense layer from or to the heads, with the layer's own initializers, regularizers, constraints."""
        dense = EinsumDense(
            equation, shape, activation, bias_axes if self.use_bias else None, self.kernel_initializer,
            self.bias_initializer, self.kernel_regularizer, self.bias_regularizer, self.kernel_constraint,
            self.bias_constraint, activity_regularizer=self.dense_activity_regularizer, name=name, dtype=self.dtype,
        )  # fmt: skip
        dense.supports_masking = True  # no warning: the masks of its inputs are used by the attention
        return dense

    def attend(self, query, key, value, mask, training, with_weights):
        """(output, weights) for heads side by side: query (n, t, h, k), key (n, s, h, k), value (n, s, h, v).

        A query that sees nothing gets the mean of all values, but where dropout or the user looks at the weights: there
        they are zeros.  Keras has two ways to compute these cases.
        """
        scores = ops.einsum("btnh,bsnh->bnts", query * (1.0 / math.sqrt(query.shape[-1])), key)
        if mask is not None:
            mask = ops.expand_dims(mask, 1) if mask.ndim == 3 else mask
            scores = ops.where(mask, scores, -3e38)
        weights = ops.softmax(scores)
        if mask is not None and (with_weights or self.dropout > 0):
            weights = ops.where(mask, weights, 0.0)
        kept = weights
        if training and self.dropout > 0:
            kept = random.dropout(weights, self.dropout, None, self.generator)
        return ops.einsum("bnts,bsnh->btnh", kept, value), weights

    def mask_of(self, query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask):
        """All masks as one of shape (n or 1, t, s), or None."""
        t, s = query.shape[1], value.shape[1]
        masks = [] if attention_mask is None else [attention_mask]
        masks += [m[:, :, None] for m in (query_mask,) if m is not None]
        masks += [m[:, None, :] for m in (value_mask, key_mask) if m is not None]
        distance = np.arange(t)[:, None] - np.arange(s)[None, :]
        if use_causal_mask:
            masks.append((distance >= 0)[None])
        if self.sliding_window is not None:
            masks.append((np.abs(distance) < self.sliding_window)[None])
        total = None
        for mask in masks:
            total = mask if total is None else ops.logical_and(total, mask)
        return total

    def get_config(self):
        config = {
            **super().get_config(), "dropout": self.dropout, "use_bias": self.use_bias, "use_gate": self.use_gate,
            "sliding_window": self.sliding_window, "seed": self.seed,
            "activity_regularizer": registry.serialize(self.dense_activity_regularizer),
        }  # fmt: skip
        for name in ("kernel", "bias"):
            for what in ("initializer", "regularizer", "constraint"):
                config[f"{name}_{what}"] = registry.serialize(getattr(self, f"{name}_{what}"))
        return config


@registry.register("layer")
class MultiHeadAttention(_Heads):
    """Attention in several learned projections side by side (arXiv 1706.03762).

    Called with query (n, t, k), value (n, s, v) and, unless it is the value, key (n, s, k); gives (n, t, output).

    Parameters
    ----------
    num_heads, key_dim : int
        Projections, and features of query and key in each.
    value_dim : int, optional
        Features of the value in each; key_dim unless given.
    dropout : float
        Part of the weights that is left out in training.
    output_shape : int, optional
        Features of the output, those of the query unless given.
    sliding_window : int, optional
        A query sees what is nearer than this.
    use_gate : bool
        Multiply the heads' outputs by a learned sigmoid of the query.
    attention_axes, flash_attention : optional
        Only sequences (attention over axis 1); there is one method.
    """

    def __init__(
        self, num_heads, key_dim, value_dim=None, dropout=0.0, use_bias=True, output_shape=None, attention_axes=None,
        sliding_window=None, flash_attention=None, kernel_initializer="glorot_uniform", bias_initializer="zeros",
        kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
        bias_constraint=None, use_gate=False, seed=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            dropout, use_bias, sliding_window, flash_attention, kernel_initializer, bias_initializer,
            kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, use_gate,
            seed, **kwargs,
        )  # fmt: skip
        self.num_heads = positive_integer(num_heads, "MultiHeadAttention: num_heads")
        self.key_dim = positive_integer(key_dim, "MultiHeadAttention: key_dim")
        self.value_dim = value_dim or key_dim
        self.output_size = (output_shape,) if isinstance(output_shape, int) else output_shape
        self.attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        if self.attention_axes not in (None, (1,), [1]):
            raise ValueError(f"MultiHeadAttention: attention is over axis 1, received {attention_axes!r}")

    def build(self, query_shape, value_shape, key_shape=None):
        if len(query_shape) != 3 or len(value_shape) != 3:
            raise ValueError(f"{self}: expected sequences (n, t, k), received {query_shape} and {value_shape}")
        self.attention_axes = (1,)
        heads, key, value = self.num_heads, self.key_dim, self.value_dim
        out = self.output_size or (query_shape[-1],)
        letters = "de"[: len(out)]
        self.query_dense = self.projection("abc,cde->abde", (None, heads, key), "query", "de")
        self.key_dense = self.projection("abc,cde->abde", (None, heads, key), "key", "de")
        if self.use_gate:
            self._gate_dense = self.projection("abc,cde->abde", (None, heads, value), "gate", "de", "sigmoid")
            self._gate_dense.build(query_shape)
        self.value_dense = self.projection("abc,cde->abde", (None, heads, value), "value", "de")
        self.output_dense = self.projection(f"abfc,fc{letters}->ab{letters}", (None, *out), "attention_output", letters)
        self.query_dense.build(query_shape)
        self.key_dense.build(key_shape or value_shape)
        self.value_dense.build(value_shape)
        self.output_dense.build((None, query_shape[1], heads, value))

    def call(
        self, query, value, key=None, query_mask=None, value_mask=None, key_mask=None, attention_mask=None,
        return_attention_scores=False, training=None, use_causal_mask=False,
    ):  # fmt: skip
        mask = self.mask_of(query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
        for x in (query, value, value if key is None else key):
            carry(x, None)  # as in Keras: whoever is called on these later sees no mask, a sum with the output neither
        q, k, v = self.query_dense(query), self.key_dense(value if key is None else key), self.value_dense(value)
        y, weights = self.attend(q, k, v, mask, training, return_attention_scores)
        if self.use_gate:
            y = y * self._gate_dense(query)
        y = self.output_dense(y)
        return (y, weights) if return_attention_scores else y

    def get_config(self):
        return {
            **super().get_config(), "num_heads": self.num_heads, "key_dim": self.key_dim,
            "value_dim": self.value_dim, "output_shape": self.output_size, "attention_axes": self.attention_axes,
        }  # fmt: skip


@registry.register("layer", aliases=("GroupedQueryAttention",), name="GroupQueryAttention")
class GroupedQueryAttention(_Heads):
    """Multi-head attention in which groups of queries share a head of key and value (arXiv 2305.13245).

    Parameters
    ----------
    head_dim, num_query_heads, num_key_value_heads : int
        The heads of the query are a multiple of those of key and value.
    dropout, sliding_window, ... : as `MultiHeadAttention`
    """

    regularizes_own_activity = True

    def __init__(
        self, head_dim, num_query_heads, num_key_value_heads, dropout=0.0, use_bias=True, sliding_window=None,
        flash_attention=None, kernel_initializer="glorot_uniform", bias_initializer="zeros", kernel_regularizer=None,
        bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, bias_constraint=None,
        use_gate=False, seed=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            dropout, use_bias, sliding_window, flash_attention, kernel_initializer, bias_initializer,
            kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, use_gate,
            seed, **kwargs,
        )  # fmt: skip
        self.head_dim, self.num_query_heads, self.num_key_value_heads = head_dim, num_query_heads, num_key_value_heads
        if num_query_heads % num_key_value_heads:
            raise ValueError("GroupQueryAttention: num_query_heads must be a multiple of num_key_value_heads")

    def build(self, query_shape, value_shape, key_shape=None):
        many, few, size = self.num_query_heads, self.num_key_value_heads, self.head_dim
        self._query_dense = self.projection("bqm,muh->bquh", (None, many, size), "query", "uh")
        self._key_dense = self.projection("bkm,mvh->bkvh", (None, few, size), "key", "vh")
        if self.use_gate:
            self._gate_dense = self.projection("bqm,muh->bquh", (None, many, size), "gate", "uh", "sigmoid")
            self._gate_dense.build(query_shape)
        self._value_dense = self.projection("bkm,mvh->bkvh", (None, few, size), "value", "vh")
        self._output_dense = self.projection("bquh,uhm->bqm", (None, query_shape[-1]), "attention_output", "m")
        self._query_dense.build(query_shape)
        self._key_dense.build(key_shape or value_shape)
        self._value_dense.build(value_shape)
        self._output_dense.build((None, query_shape[1], many, size))

    def call(
        self, query, value, key=None, query_mask=None, value_mask=None, key_mask=None, attention_mask=None,
        return_attention_scores=False, training=None, use_causal_mask=False,
    ):  # fmt: skip
        mask = self.mask_of(query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
        group = self.num_query_heads // self.num_key_value_heads
        q = self._query_dense(query)
        k = ops.repeat(self._key_dense(value if key is None else key), group, 2)
        v = ops.repeat(self._value_dense(value), group, 2)
        y, weights = self.attend(q, k, v, mask, training, return_attention_scores)
        if self.use_gate:
            y = y * self._gate_dense(query)
        y = self._output_dense(y)
        return (y, weights) if return_attention_scores else y

    def get_config(self):
        return {
            **super().get_config(), "head_dim": self.head_dim, "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
        }  # fmt: skip
