"""What random models are made of: a row for each class that fastnn shares with Keras, with values for its options.

A value is printed into a program by `repr`; `Code` is printed as it stands, and `One` is drawn anew from another table.
An option that is a key of several words ("mean variance") gives its arguments together, a tuple at a time. An option
whose default Keras knows is left out of most programs. `test_table.py` fails when a class, or an option of one, is
missing here, unless `LEFT_OUT` or `OPTIONS_LEFT_OUT` says why. This file imports neither library.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

Options = dict[str, list]


class Code(str):
    """A value that is an expression: printed into the program without quotes."""

    __repr__ = str.__str__


@dataclass(frozen=True)
class One:
    """A value drawn anew: an object of a family, for weights of a form: matrix, tensor or vector."""

    family: str
    form: str = ""


def one(family, form=""):
    return [One(family, form)]


# --------------------------------------------------------------------------------------------------- activations

ACTIVATIONS = [
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh",
    "tanh_shrink",
]  # fmt: skip

# ------------------------------------------------------------------- initializers, regularizers, constraints

SEED: Options = {"seed": [None, 7]}
AXES: Options = {"input_axes output_axes": [((0,), (1,))]}
MATRIX, TENSOR, VECTOR = "matrix", "tensor", "vector"


@dataclass(frozen=True)
class Part:
    """A class for weights: for which forms of them it is made, and its options."""

    name: str
    options: Options = field(default_factory=dict)
    forms: tuple = (MATRIX, TENSOR, VECTOR)


INITIALIZERS = [
    Part("Zeros", forms=(VECTOR,)),
    Part("Ones", forms=(VECTOR,)),
    Part("Constant", {"value": [0.25, -0.5, 1]}, (VECTOR,)),
    Part("Identity", {"gain": [0.5, 2.0]}, (MATRIX,)),
    Part("RandomNormal", {"mean": [0.1], "stddev": [0.2]} | SEED),
    Part("TruncatedNormal", {"mean": [0.1], "stddev": [0.2]} | SEED),
    Part("RandomUniform", {"minval": [-0.3], "maxval": [0.2]} | SEED),
    Part(
        "VarianceScaling",
        {
            "scale": [0.5, 2.0],
            "mode": ["fan_in", "fan_out", "fan_avg"],
            "distribution": ["truncated_normal", "untruncated_normal", "uniform"],
        }
        | SEED | AXES,
        (MATRIX, TENSOR),
    ),
    *(Part(f"{of}{kind}", SEED | AXES, (MATRIX, TENSOR))
      for of in ("Glorot", "He", "Lecun") for kind in ("Normal", "Uniform")),
    Part("Orthogonal", {"gain": [0.5]} | SEED, (MATRIX, TENSOR)),
]  # fmt: skip

REGULARIZERS = [
    Part("L1", {"l1": [0.02]}),
    Part("L2", {"l2": [0.02]}),
    Part("L1L2", {"l1": [0.02], "l2": [0.03]}),
    Part("OrthogonalRegularizer", {"factor": [0.02], "mode": ["rows", "columns"]}, (MATRIX,)),
]

CONSTRAINTS = [
    Part("MaxNorm", {"max_value": [0.4, 1], "axis": [-1, [0]]}),
    Part("NonNeg"),
    Part("UnitNorm", {"axis": [-1]}),
    Part("MinMaxNorm", {"min_value": [0.2], "max_value": [0.5], "rate": [0.5], "axis": [-1]}),
]


def weight(name, form):
    """The three options of a weight: how it begins, its penalty, its constraint."""
    families = ("initializer", "regularizer", "constraint")
    return {f"{name}_{family}": one(f"{family}s", form) for family in families}


# ---------------------------------------------------------------------------------------------------- layers

Shape = tuple
Rule = Callable[[dict, Shape], bool]  # (options with defaults, shape of the input) -> may this be drawn?


@dataclass(frozen=True)
class Layer:
    """A layer: the ranks of tensors it takes (batch included), its options, what must hold of them.

    takes, gives: "real", or "ids" for integers below IDS. random: draws numbers in training, so models with it only
    predict. call: how it is called where that is not `layer(x)`: such a layer stands in Functional models only.
    """

    name: str
    ranks: tuple
    options: Options = field(default_factory=dict)
    rule: Rule = lambda o, shape: True
    takes: str = "real"
    gives: Callable[[dict], str] = lambda o: "real"
    random: Callable[[dict], bool] = lambda o: False
    call: tuple = ()
    always: tuple = ()


IDS = 10
ANY, RANK3, RANK4, RANK5 = (2, 3, 4, 5), (3,), (4,), (5,)
BY_RANK = {"1D": RANK3, "2D": RANK4, "3D": RANK5}
ACTIVATION: Options = {"activation": ACTIVATIONS}
BIAS = {"use_bias": [False], **weight("bias", VECTOR)}
ACTIVITY: Options = {"activity_regularizer": ["l2", Code("regularizers.L1(0.01)")]}
FORMAT: Options = {"data_format": ["channels_last"]}


def per_axis(value, shape):
    return value if isinstance(value, tuple) else (value,) * (len(shape) - 2)


def window_fits(size):
    """The window lies in the image, or padding makes it so; strides and dilation are not both above 1."""

    def rule(o, shape):
        sizes = per_axis(o[size], shape)
        strides = per_axis(1 if o["strides"] is None else o["strides"], shape)
        dilation = per_axis(o.get("dilation_rate", 1), shape)
        spans = [(s - 1) * d + 1 for s, d in zip(sizes, dilation, strict=True)]
        inside = o["padding"] != "valid" or all(span <= n for span, n in zip(spans, shape[1:-1], strict=True))
        groups = o.get("groups", 1)
        whole = shape[-1] % groups == 0 and o.get("filters", groups) % groups == 0
        return inside and whole and (max(strides) == 1 or max(dilation) == 1)

    return rule


def transpose_fits(o, shape):
    strides, dilation = per_axis(o["strides"], shape), per_axis(o["dilation_rate"], shape)
    more = per_axis(0 if o["output_padding"] is None else o["output_padding"], shape)
    return (max(strides) == 1 or max(dilation) == 1) and all(m < s for m, s in zip(more, strides, strict=True))


def pairs(kind, one_axis, uneven):
    """Values of an option by rank: a number, and a tuple with one for each axis."""
    return [*one_axis, *([] if kind == "1D" else [uneven[: int(kind[0])]])]


def conv(kind, name):
    return {
        "kernel_size": pairs(kind, [1, 2, 3], (2, 3, 1)),
        "strides": pairs(kind, [2, 3], (2, 1, 2)),
        "dilation_rate": pairs(kind, [2], (1, 2, 1)),
        **FORMAT, **ACTIVATION, **BIAS, **ACTIVITY, **weight(name, TENSOR),
    }  # fmt: skip


CONVOLUTIONS = [
    *(
        Layer(f"Conv{kind}", BY_RANK[kind],
              {"filters": [2, 3, 4], "padding": ["same", *(["causal"] if kind == "1D" else [])], "groups": [2],
               **conv(kind, "kernel")}, window_fits("kernel_size"))
        for kind in BY_RANK
    ),
    *(
        Layer(f"Conv{kind}Transpose", BY_RANK[kind],
              {"filters": [2, 3], "padding": ["same"], "output_padding": [1], **conv(kind, "kernel")}, transpose_fits)
        for kind in BY_RANK
    ),
    *(
        Layer(f"DepthwiseConv{kind}", BY_RANK[kind],
              {"depth_multiplier": [2], "padding": ["same"], **conv(kind, "depthwise")}, window_fits("kernel_size"))
        for kind in ("1D", "2D")
    ),
    *(
        Layer(f"SeparableConv{kind}", BY_RANK[kind],
              {"filters": [2, 3], "depth_multiplier": [2], "padding": ["same"], **conv(kind, "depthwise"),
               **weight("pointwise", TENSOR)}, window_fits("kernel_size"))
        for kind in ("1D", "2D")
    ),
]  # fmt: skip


def pool_fits(kind):
    """Averages only where Keras 3.15 on PyTorch can compute them: see README.md."""
    fits = window_fits("pool_size")

    def rule(o, shape):
        sizes = per_axis(o["pool_size"], shape)
        strides = per_axis(o["strides"] or o["pool_size"], shape)
        axes = list(zip(shape[1:-1], sizes, strides, strict=True))
        padding = [max(0, (-(-n // t) - 1) * t + s - n) for n, s, t in axes]
        if any(p % 2 for p in padding):  # repeats the numbers at the edges, in windows of two of them alone
            wrong = any(p and s > 2 and n > 1 for p, (n, s, _) in zip(padding, axes, strict=True))
        else:
            wrong = len(axes) == 3 and any(s > n for n, s, _ in axes)
        return fits(o, shape) and not (kind == "Average" and o["padding"] == "same" and wrong)

    return rule


KEEPDIMS: Options = {"keepdims": [True]}
POOLING = [
    *(
        Layer(f"{kind}Pooling{rank}", BY_RANK[rank],
              {"pool_size": pairs(rank, [2, 3], (2, 1, 2)), "strides": [1, 2, 3], "padding": ["same"], **FORMAT},
              pool_fits(kind))
        for kind in ("Max", "Average") for rank in BY_RANK
    ),
    *(
        Layer(f"Global{kind}Pooling{rank}", BY_RANK[rank], KEEPDIMS | FORMAT)
        for kind in ("Max", "Average") for rank in BY_RANK
    ),
    *(
        Layer(f"Adaptive{kind}Pooling{rank}", BY_RANK[rank],
              {"output_size": pairs(rank, [1, 2, 3, 7], (2, 3, 1)), **FORMAT})
        for kind in ("Max", "Average") for rank in BY_RANK
    ),
]  # fmt: skip

RATE: Options = {"rate": [0.0, 0.0, 0.3], **SEED}


def is_noisy(o):
    return bool(o.get("rate", o.get("stddev", 1)))


REGULARIZATION = [
    Layer("Dropout", ANY, RATE | {"noise_shape": [Code("(None, 1)")]}, lambda o, s: len(s) == 2, random=is_noisy),
    Layer("AlphaDropout", ANY, RATE | {"noise_shape": [Code("(None, 1)")]}, lambda o, s: len(s) == 2, random=is_noisy),
    Layer("GaussianDropout", ANY, RATE, random=is_noisy),
    Layer("GaussianNoise", ANY, {"stddev": [0.0, 0.3], **SEED}, random=is_noisy),
    Layer("SpatialDropout1D", RANK3, RATE, random=is_noisy),
    Layer("SpatialDropout2D", RANK4, RATE | FORMAT, random=is_noisy),
    Layer("SpatialDropout3D", RANK5, RATE | FORMAT, random=is_noisy),
    Layer("ActivityRegularization", ANY, {"l1": [0.01], "l2": [0.02]}),
    Layer("Rescaling", ANY, {"scale": [0.5, -2.0], "offset": [1.0]}),
]

NORM = {"epsilon": [0.01], "center": [False], "scale": [False], **weight("beta", VECTOR), **weight("gamma", VECTOR)}


def layer_normalization_fits(o, shape):
    """The last axes, as Keras 3.15 on PyTorch takes others for these."""
    axes = o["axis"] if isinstance(o["axis"], list) else [o["axis"]]
    last = {len(shape) - 1 - i for i in range(len(axes))}
    return {a % len(shape) for a in axes if abs(a) < len(shape)} == last


NORMALIZATION = [
    Layer(
        "BatchNormalization",
        ANY,
        {
            **NORM, "axis": [-1, 1], "momentum": [0.9, 0.5], "moving_mean_initializer": one("initializers", VECTOR),
            "moving_variance_initializer": ["ones", Code("initializers.Constant(0.5)")],
        },
    ),
    Layer("LayerNormalization", ANY, {**NORM, "axis": [1, [1], [-1], [-2, -1], [1, 2]]}, layer_normalization_fits),
    Layer("GroupNormalization", ANY, {**NORM, "groups": [1, 2, -1], "axis": [-1]},
          lambda o, shape: o["groups"] < 0 or shape[o["axis"]] % o["groups"] == 0),
    Layer("RMSNormalization", ANY, {"axis": [-1, 1], "epsilon": [0.01]},
          lambda o, shape: o["axis"] == -1 or len(shape) == 2),  # as for LayerNormalization
    Layer("UnitNormalization", ANY, {"axis": [-1, 1]}),
]  # fmt: skip

RESHAPING = [
    Layer("Flatten", ANY, FORMAT),
    Layer("Reshape", ANY, {"target_shape": [(-1,), (2, -1), (-1, 1), (1, 2, -1)]},
          lambda o, shape: shape[1] * shape[-1] % 2 == 0 or 2 not in o["target_shape"]),
    Layer("Permute", ANY, {"dims": [(1,), (2, 1), (1, 3, 2), (3, 1, 2), (4, 2, 1, 3)]},
          lambda o, shape: len(o["dims"]) == len(shape) - 1),
    Layer("RepeatVector", (2,), {"n": [1, 3]}),
    *(
        Layer(f"ZeroPadding{kind}", BY_RANK[kind],
              {"padding": [2, *{"1D": [(1, 2)], "2D": [(1, 2), ((1, 0), (0, 2))],
                                "3D": [(1, 0, 2), ((1, 0), (0, 2), (1, 1))]}[kind]], **FORMAT})
        for kind in BY_RANK
    ),
    *(
        Layer(f"Cropping{kind}", BY_RANK[kind],
              {"cropping": [1, *{"1D": [(1, 2), (0, 1)], "2D": [(1, 0), ((1, 0), (0, 2))],
                                 "3D": [(1, 0, 1), ((1, 0), (0, 1), (1, 1))]}[kind]],
               **({} if kind == "1D" else FORMAT)}, lambda o, shape: min(shape[1:-1]) > 3, always=("cropping",))
        for kind in BY_RANK
    ),
    Layer("UpSampling1D", RANK3, {"size": [1, 3]}),
    Layer("UpSampling2D", RANK4, {"size": [1, 3, (1, 2)], "interpolation": ["bilinear"], **FORMAT}),
    Layer("UpSampling3D", RANK5, {"size": [1, (1, 2, 1)], **FORMAT}),
]  # fmt: skip

EMBEDDING: Options = {"input_dim": [IDS, 13], "output_dim": [1, 3, 4], "mask_zero": [True],
                      **weight("embeddings", MATRIX)}  # fmt: skip


def einsum_fits(o, shape):
    """Sizes of the input that stand in output_shape; Keras needs them there, where fastnn sees them in the input."""
    if o["equation"] in ("abc,bcd->abd", "abc,cd->abd", "abc,cde->abde"):
        return o["output_shape"][0] == shape[1]
    return o["equation"] != "abc,bd->adc" or o["output_shape"][1] == shape[2]


BASIC = [
    Layer("Dense", ANY, {"units": [1, 3, 4, 17], **ACTIVATION, **BIAS, **ACTIVITY, **weight("kernel", MATRIX)}),
    Layer("Dense", ANY, {"units": [3, 5], **ACTIVATION}, always=("activation",)),
    Layer("EinsumDense", RANK3,
          {"equation output_shape bias_axes": [
              ("abc,cd->abd", (4, 4), "d"), ("abc,bcd->abd", (4, 3), None),
              ("abc,bcd->abd", (5, 3), None), ("abc,cde->abde", (4, 2, 3), "de"), ("...x,xy->...y", 3, "y"),
              ("abc,bd->adc", (3, 2), "d")],
           **ACTIVATION, **weight("kernel", TENSOR), **weight("bias", VECTOR)}, einsum_fits),
    Layer("Activation", ANY, ACTIVATION),
    Layer("Identity", ANY),
    Layer("ReLU", ANY, {"max_value": [0.5, 6.0], "negative_slope": [0.1], "threshold": [0.2]}),
    Layer("LeakyReLU", ANY, {"negative_slope": [0.1]}),
    Layer("ELU", ANY, {"alpha": [0.5]}),
    Layer("PReLU", ANY, {**weight("alpha", TENSOR), "shared_axes": [[1]]}, lambda o, shape: len(shape) > 2),
    Layer("PReLU", (2,), weight("alpha", VECTOR)),
    Layer("Softmax", ANY, {"axis": [1, -1]}),
    Layer("Embedding", (2,), EMBEDDING, takes="ids"),
    Layer("Embedding", (2,), EMBEDDING, takes="ids", always=("mask_zero",)),
    Layer("ReversibleEmbedding", (2,), EMBEDDING | {"logit_soft_cap": [5.0], "tie_weights": [False]}, takes="ids"),
    Layer("Masking", RANK3, {"mask_value": [0.0, 0.5]}),
]  # fmt: skip

CELL = {
    "units": [1, 2, 3], "activation": ["relu", "sigmoid", "softsign", "linear"], "dropout": [0.0],
    "recurrent_dropout": [0.0], **BIAS, **weight("kernel", MATRIX), **weight("recurrent", MATRIX), **SEED,
}  # fmt: skip
GATED = {"recurrent_activation": ["hard_sigmoid", "tanh"]}
OF_CELL = {"SimpleRNN": CELL, "LSTM": CELL | GATED | {"unit_forget_bias": [False]},
           "GRU": CELL | GATED | {"reset_after": [False]}}  # fmt: skip
SEQUENCES: Options = {"return_sequences": [True], "go_backwards": [True], "unroll": [True]}
USE_CUDNN = {"SimpleRNN": {}, "LSTM": {"use_cudnn": [False]}, "GRU": {"use_cudnn": [False]}}
STATES: Options = {"return_state": [True]}
STATEFUL: Options = {"stateful": [True]}


def fixed(o, shape):
    """A state kept from batch to batch needs batches of one size."""
    return not o["stateful"] or shape[0] is not None


def is_stateful(o):
    """Models with a state only predict: Keras on PyTorch changes it in place, before it computes gradients."""
    return o.get("stateful", False)


CONV_LSTM = {
    "filters": [1, 2], "kernel_size": [1, 2], "strides": [2], "padding": ["same"], "dilation_rate": [2],
    "activation": ["relu", "softsign"], "dropout": [0.0], "recurrent_dropout": [0.0], "return_sequences": [True],
    "go_backwards": [True], "unit_forget_bias": [False], **GATED, **BIAS, **weight("kernel", TENSOR),
    **weight("recurrent", TENSOR), **SEED, **FORMAT, **ACTIVITY, **STATEFUL,
}  # fmt: skip


def conv_lstm_fits(o, shape):
    inner = (shape[0], *shape[2:])
    return window_fits("kernel_size")(o, inner)


RECURRENT = [
    *(Layer(name, RANK3, o | SEQUENCES | STATEFUL | USE_CUDNN[name] | ({} if name == "SimpleRNN" else ACTIVITY), fixed,
            random=is_stateful)
      for name, o in OF_CELL.items()),
    *(Layer(name, RANK3, {"units": o["units"], **SEQUENCES, **STATEFUL}, fixed, random=is_stateful,
            always=("stateful",))
      for name, o in OF_CELL.items()),
    *(
        Layer(name, RANK3, {"units": o["units"], **SEQUENCES, **STATES}, always=("return_state",), call=("({0})[0]",
          "({0})[-1]"))
        for name, o in OF_CELL.items()
    ),
    Layer("RNN", RANK3, {"cell": one("cells"), **SEQUENCES, **STATEFUL, "zero_output_for_mask": [True]}, fixed,
          random=is_stateful),
    Layer("RNN", RANK3, {"cell": one("cells"), **SEQUENCES, **STATES}, always=("return_state",), call=("({0})[0]",)),
    Layer("Bidirectional", RANK3,
          {"layer backward_layer": [
              *((Code(f"layers.{name}(3, return_sequences={s})"), None) for name in OF_CELL for s in (False, True)),
              *((Code(f"layers.{name}(3)"), Code(f"layers.{name}(3, go_backwards=True)")) for name in OF_CELL)],
           "merge_mode": ["concat", "sum", "mul", "ave"]}),
    Layer("TimeDistributed", (3, 4, 5), {"layer": one("inner layers")},
          lambda o, shape: all(size > 1 for size in shape[2:-1])),  # for the windows of the inner layers
    # in training no gradient flows through the normalization, as docs/keras-compatibility.md says
    Layer("SpectralNormalization", ANY,
          {"layer": [Code("layers.Dense(3)"), Code("layers.Dense(2, activation='tanh')")], "power_iterations": [2]},
          random=lambda o: True),
    *(Layer(f"ConvLSTM{kind}", (rank,), CONV_LSTM, lambda o, shape: fixed(o, shape) and conv_lstm_fits(o, shape),
            random=is_stateful)
      for kind, rank in (("1D", 4), ("2D", 5), ("3D", 6))),
]  # fmt: skip
CELLS = [
    *(Part(f"{name}Cell", o) for name, o in OF_CELL.items()),
    Part("StackedRNNCells", {"cells": [Code("[layers.LSTMCell(2), layers.GRUCell(3)]"),
                                       Code("[layers.SimpleRNNCell(3), layers.SimpleRNNCell(3)]")]}),
]  # fmt: skip
# What TimeDistributed repeats, by the rank of the whole input.
INNER = {
    3: ["layers.Dense(3, activation='tanh')", "layers.LayerNormalization()", "layers.Activation('relu')"],
    4: ["layers.Conv1D(2, 2)", "layers.Dense(2)", "layers.Flatten()", "layers.GlobalMaxPooling1D()", "layers.GRU(2)"],
    5: ["layers.Conv2D(2, 2)", "layers.MaxPooling2D((2, 1))", "layers.Flatten()", "layers.Permute((2, 1, 3))"],
}

TWO_OR_THREE = ("([{0}, {1}])", "([{0}, {1}, {2}])")
HEADS = {
    **BIAS, **ACTIVITY, **weight("kernel", TENSOR), "dropout": [0.0], "use_gate": [True], "sliding_window": [2],
    "flash_attention": [False], **SEED,
}  # fmt: skip
MHA_CALLS = ("({0}, {1})", "({0}, {1}, {2})", "({0}, {1}, use_causal_mask=True)")
ATTENTION = [
    Layer("Attention", RANK3, {"use_scale": [True], "score_mode": ["concat"], "dropout": [0.0], **SEED},
          call=(*TWO_OR_THREE, "([{0}, {1}], use_causal_mask=True)")),
    Layer("AdditiveAttention", RANK3, {"use_scale": [False], "dropout": [0.0]}, call=TWO_OR_THREE),
    Layer("MultiHeadAttention", RANK3,
          {"num_heads": [1, 2], "key_dim": [2, 3], "value_dim": [4], "output_shape": [5], "attention_axes": [[1]],
            **HEADS},
          call=MHA_CALLS),
    Layer("GroupQueryAttention", RANK3,
          {"head_dim": [2, 3], "num_query_heads num_key_value_heads": [(2, 1), (4, 2), (2, 2)], **HEADS},
            call=MHA_CALLS,
          always=("num_query_heads num_key_value_heads",)),
]  # fmt: skip

MERGING = [
    *(Layer(name, ANY, call=("([{0}, {1}])", "([{0}, {1}, {2}])")) for name in ("Add", "Multiply", "Average",
      "Maximum", "Minimum")),
    Layer("Subtract", ANY, call=("([{0}, {1}])",)),
    Layer("Concatenate", ANY, {"axis": [1, -1, -2]}, lambda o, shape: o["axis"] != -2 or len(shape) > 2,
      call=("([{0}, {1}])", "([{0}, {1}, {2}])")),
    Layer("Dot", (2, 3), {"axes": [1, -1, (1, 1)], "normalize": [True]}, call=("([{0}, {1}])",)),
]  # fmt: skip

MODES: Options = {"output_mode": ["one_hot", "multi_hot", "count"]}
PREPARATION = [
    Layer("Normalization", ANY, {"mean variance": [(0.5, 2.0)], "axis": [None], "invert": [True]},
          always=("mean variance", "axis")),
    Layer("Discretization", (2,), {"bin_boundaries": [[-0.5, 0.1, 0.7]], **MODES}, always=("bin_boundaries",),
          gives=lambda o: "ids" if o["output_mode"] == "int" else "real"),
    Layer("CategoryEncoding", (2,), {"num_tokens": [IDS], **MODES}, takes="ids", always=("num_tokens",),
          rule=lambda o, shape: o["output_mode"] != "one_hot"),
    Layer("Resizing", RANK4,
          {"height": [3, 7], "width": [4, 6], "interpolation": ["bilinear", "nearest", "bicubic"],
           "crop_to_aspect_ratio": [True], "pad_to_aspect_ratio": [True], "fill_value": [0.5], "antialias": [True],
             **FORMAT},
          lambda o, shape: not (o["crop_to_aspect_ratio"] and o["pad_to_aspect_ratio"])),
    Layer("CenterCrop", RANK4, {"height": [2, 3], "width": [2, 3], **FORMAT}, lambda o, shape: min(shape[1:3]) >= 3),
]  # fmt: skip

FILL = {
    "fill_mode": ["constant", "nearest", "wrap"],
    "interpolation": ["nearest"],
    "fill_value": [0.5],
    **SEED,
    **FORMAT,
}
FACTOR: Options = {"factor": [0.2, (0.1, 0.3)]}
PAIR: Options = {"factor": [(0.1, 0.3), (0.0, 0.2)]}  # one number means another range: docs/keras-compatibility.md
VALUES: Options = {"value_range": [(0, 1)], **SEED}


def is_color(o, shape):
    return shape[-1] == 3


def augmentation(name, options, rule=lambda o, shape: True):
    return Layer(name, RANK4, options, rule, random=lambda o: True)


AUGMENTATION = [
    augmentation("RandomFlip", {"mode": ["horizontal", "vertical"], **SEED, **FORMAT}),
    augmentation("RandomRotation", FACTOR | FILL),
    augmentation("RandomTranslation", {"height_factor": [0.2], "width_factor": [(-0.1, 0.2)], **FILL}),
    augmentation("RandomZoom", {"height_factor": [0.2], "width_factor": [(-0.1, 0.2)], **FILL}),
    augmentation("RandomShear", {"x_factor": [(0.0, 0.2)], "y_factor": [(0.1, 0.3)], **FILL}),
    # Keras 3.15 crops in training alone: predict() gets larger images than the layer announces.
    augmentation("RandomCrop", {"height": [2], "width": [2], **SEED, **FORMAT}, lambda o, s: s[1] == s[2] == 2),
    augmentation("RandomBrightness", FACTOR | VALUES),
    augmentation("RandomContrast", PAIR | VALUES),
    augmentation("RandomColorDegeneration", PAIR | VALUES | FORMAT, is_color),
    augmentation("RandomSaturation", PAIR | VALUES | FORMAT, is_color),
    augmentation("RandomHue", FACTOR | VALUES | FORMAT, is_color),
    augmentation("RandomSharpness", FACTOR | VALUES | FORMAT, is_color),
    augmentation("RandomInvert", FACTOR | VALUES | FORMAT, is_color),
    augmentation("RandomPosterization", {"factor": [3], **VALUES, **FORMAT}, is_color),
    augmentation("RandomGrayscale", {"factor": [0.3], **SEED, **FORMAT}, is_color),
    augmentation("RandomColorJitter",
                 {"brightness_factor": [0.2], "contrast_factor": [0.2], "saturation_factor": [(0.2, 0.6)],
                  "hue_factor": [0.1], **VALUES, **FORMAT}, is_color),
    augmentation("RandomErasing", {"factor": [0.5], "scale": [(0.1, 0.2)], "fill_value": [0.5], **VALUES, **FORMAT},
      is_color),
    augmentation("Solarization", {"addition_factor": [0.1], "threshold_factor": [0.2], **VALUES}),
    augmentation("AutoContrast", {"value_range": [(0, 1)]}),
    augmentation("Equalization", {"value_range": [(0, 1)], "bins": [16], **FORMAT}, is_color),
    augmentation("ContrastLimitedAdaptiveHistogramEqualization",
                 {"value_range": [(0, 1)], "clip_limit": [2.0], "tile_grid_size": [(2, 2)], **FORMAT}, is_color),
    augmentation("AugMix", {"num_chains": [2], "chain_depth": [2], "factor": [0.2, (0.1, 0.3)], "alpha": [0.5],
                            "all_ops": [False], "interpolation": ["nearest"], **VALUES, **FORMAT}, is_color),
    augmentation("RandAugment", {"num_ops": [1], "factor": [0.2, (0.1, 0.3)], "interpolation": ["nearest"], **VALUES,
                                 **FORMAT}, is_color),
    augmentation("CutMix", FACTOR | SEED | FORMAT),
    augmentation("MixUp", {"alpha": [0.4]} | SEED | FORMAT),
    augmentation("RandomGaussianBlur", {**FACTOR, "kernel_size": [5, (3, 5)], "sigma": [0.5, (0.2, 0.5)], **VALUES,
                                        **FORMAT}, is_color),
    augmentation("RandomElasticTransform",
                 {**FACTOR, "scale": [0.5, (0.2, 0.5)], "interpolation": ["nearest"], "fill_mode": ["constant"],
                  "fill_value": [0.5], **VALUES, **FORMAT}, is_color),
    augmentation("RandomPerspective", {**FACTOR, "scale": [0.5], "interpolation": ["nearest"], "fill_value": [0.5],
                                       **SEED, **FORMAT}),
    augmentation("Pipeline", {"layers": [Code("[layers.RandomFlip('horizontal'), layers.Rescaling(0.5)]"),
                                         Code("[layers.RandomBrightness(0.1, value_range=(0, 1))]")]}),
]  # fmt: skip

LAYERS = [
    *BASIC, *CONVOLUTIONS, *POOLING, *REGULARIZATION, *NORMALIZATION, *RESHAPING, *RECURRENT, *ATTENTION, *MERGING,
    *PREPARATION, *AUGMENTATION,
]  # fmt: skip

# Operations between the layers of a Functional model.
EXPRESSIONS = [
    "{0} * 2.0", "1 - {0}", "{0} / 3.0 + 0.5", "-{0}", "abs({0})", "{0}[:, 1:]", "{0}[:, :2]", "{0} + {1}", "{0} - {1}",
    "{0} * {1}", "ops.tanh({0})", "ops.square({0})", "ops.exp(ops.tanh({0}))", "ops.mean({0}, axis=1, keepdims=True)",
    "ops.max({0}, axis=-1, keepdims=True)", "ops.sum({0}, axis=1, keepdims=True)",
      "ops.concatenate([{0}, {1}], axis=-1)",
    "ops.maximum({0}, {1})", "ops.softmax({0})", "ops.expand_dims({0}, 1)", "ops.relu({0} - 0.1)",
]  # fmt: skip

# ------------------------------------------------------------------------------------------- losses, metrics


@dataclass(frozen=True)
class Measure:
    """A loss or a metric: pairs (activation of the last layer, kind of targets) that it is for, and its options.

    heads: linear, sigmoid, softmax, softplus, unit (rows of length 1). targets: real, positive, sign, binary, one_hot,
    label, distribution, sequence (labels for CTC). rule: of the options and the shape of the outputs.
    """

    name: str
    pairs: tuple
    options: Options = field(default_factory=dict)
    rule: Rule = lambda o, shape: True
    always: tuple = ()


REAL, POSITIVE, SIGN = ("linear", "real"), ("softplus", "positive"), ("linear", "sign")
BINARY, BINARY_LOGITS = ("sigmoid", "binary"), ("linear", "binary")
ONE_HOT, ONE_HOT_LOGITS = ("softmax", "one_hot"), ("linear", "one_hot")
LABEL, LABEL_LOGITS = ("softmax", "label"), ("linear", "label")
DISTRIBUTION = ("softmax", "distribution")
LOGITS: Options = {"from_logits": [True]}
SMOOTH: Options = {"label_smoothing": [0.1]}
LAST: Options = {"axis": [-1]}
REDUCTION: Options = {"reduction": ["sum", "mean", "mean_with_sample_weight", "sum_over_batch_size"]}


def several(o, shape):
    return shape[-1] > 1


def of_rows(o, shape):
    return len(shape) == 2 and shape[-1] > 1


def either(name, without, logits, options, rule=lambda o, shape: True):
    """A cross-entropy of probabilities and of logits."""
    return [Measure(name, without, options, rule), Measure(name, logits, options | LOGITS, rule, ("from_logits",))]


REGRESSION = ("MeanSquaredError", "MeanAbsoluteError")
LOSSES = [
    *(Measure(name, (REAL, POSITIVE, BINARY, ONE_HOT), REDUCTION) for name in (*REGRESSION, "LogCosh")),
    *(Measure(f"Mean{name}Error", (POSITIVE,), REDUCTION) for name in ("AbsolutePercentage", "SquaredLogarithmic")),
    Measure("Huber", (REAL, BINARY), REDUCTION | {"delta": [0.3]}),
    Measure("CosineSimilarity", (REAL,), REDUCTION | {"axis": [1]}, several),
    Measure("Hinge", (SIGN, BINARY_LOGITS), REDUCTION),
    Measure("SquaredHinge", (SIGN, BINARY_LOGITS), REDUCTION),
    Measure("CategoricalHinge", (ONE_HOT_LOGITS,), REDUCTION, several),
    Measure("Poisson", (POSITIVE,), REDUCTION),
    Measure("KLDivergence", (DISTRIBUTION,), REDUCTION, several),
    *either("BinaryCrossentropy", (BINARY,), (BINARY_LOGITS,), REDUCTION | SMOOTH | {"axis": [1]}),
    *either("BinaryFocalCrossentropy", (BINARY,), (BINARY_LOGITS,),
            REDUCTION | SMOOTH | {"axis": [1], "apply_class_balancing": [True], "alpha": [0.4], "gamma": [1.5]}),
    *either("CategoricalCrossentropy", (ONE_HOT, DISTRIBUTION), (ONE_HOT_LOGITS,), REDUCTION | SMOOTH | LAST, several),
    *either("CategoricalFocalCrossentropy", (ONE_HOT,), (ONE_HOT_LOGITS,),
            REDUCTION | SMOOTH | LAST | {"alpha": [0.4], "gamma": [1.5]}, several),
    *either("SparseCategoricalCrossentropy", (LABEL,), (LABEL_LOGITS,), REDUCTION | LAST | {"ignore_class": [0]},
            lambda o, shape: several(o, shape) and len(shape) < 4),  # images: PyTorch fails in some layouts
    Measure("CategoricalGeneralizedCrossEntropy", (LABEL,), REDUCTION | {"q": [0.3]}, several),
    Measure("Dice", (BINARY, ONE_HOT), REDUCTION | {"axis": [-1, 1]}, several),
    Measure("Tversky", (BINARY, ONE_HOT), REDUCTION | {"alpha": [0.3], "beta": [0.6], "axis": [-1, 1]}, several),
    Measure("Circle", (("unit", "label"),), REDUCTION | {"gamma": [2.0, 10.0], "margin": [0.3],
      "remove_diagonal": [False]},
            of_rows),
    Measure("CTC", (("linear", "sequence"),), REDUCTION, lambda o,
      shape: len(shape) == 3 and shape[1] > 3 and shape[2] > 3),
]  # fmt: skip
# Losses by name, with the classes whose pairs they are for.
LOSS_NAMES = {
    "mse": "MeanSquaredError", "mae": "MeanAbsoluteError", "mean_squared_error": "MeanSquaredError",
    "huber": "Huber", "log_cosh": "LogCosh", "mape": "MeanAbsolutePercentageError",
    "binary_crossentropy": "BinaryCrossentropy", "categorical_crossentropy": "CategoricalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy", "kl_divergence": "KLDivergence",
    "poisson": "Poisson", "hinge": "Hinge", "crossentropy": "BinaryCrossentropy",
}  # fmt: skip

THRESHOLDS: Options = {"thresholds": [0.3, [0.2, 0.6]]}
CLASS: Options = {"class_id": [0, 1]}
TARGET: Options = {"target_class_ids": [[0], [0, 1]]}
ALL_REAL, ALL_BINARY, ALL_ONE_HOT = (REAL, POSITIVE), (BINARY,), (ONE_HOT, ONE_HOT_LOGITS)
METRICS = [
    *(Measure(name, ALL_REAL) for name in (*REGRESSION, "RootMeanSquaredError", "LogCoshError")),
    *(Measure(f"Mean{name}Error", (POSITIVE,)) for name in ("AbsolutePercentage", "SquaredLogarithmic")),
    Measure("CosineSimilarity", ALL_REAL, {"axis": [1]}, several),
    Measure("R2Score", (REAL,), {"class_aggregation": ["variance_weighted_average"], "num_regressors": [1]}, of_rows),
    Measure("PearsonCorrelation", (REAL,), {"axis": [-1]}, several),
    Measure("ConcordanceCorrelation", (REAL,), {"axis": [-1]}, several),
    Measure("Accuracy", (REAL, BINARY)),
    Measure("BinaryAccuracy", (BINARY,), {"threshold": [0.4]}),
    Measure("CategoricalAccuracy", ALL_ONE_HOT, {}, several),
    Measure("SparseCategoricalAccuracy", (LABEL, LABEL_LOGITS), {}, several),
    Measure("TopKCategoricalAccuracy", ALL_ONE_HOT, {"k": [1, 2]}, several, ("k",)),
    Measure("SparseTopKCategoricalAccuracy", (LABEL, LABEL_LOGITS), {"k": [1, 2]}, several, ("k",)),
    *(Measure(name, (BINARY,), THRESHOLDS)
      for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")),
    *(Measure(name, (BINARY, ONE_HOT), THRESHOLDS | CLASS | {"top_k": [1, 2]}, several) for name in ("Precision",
      "Recall")),
    *(Measure(f"{a}At{b}", (BINARY,), {b.lower(): [0.3, 0.7], "num_thresholds": [11], **CLASS}, several)
      for a, b in (("Sensitivity", "Specificity"), ("Specificity", "Sensitivity"), ("Precision", "Recall"), ("Recall",
        "Precision"))),
    Measure("AUC", (BINARY,),
            {"num_thresholds": [11], "curve": ["PR"], "summation_method": ["minoring", "majoring"],
             "thresholds": [[0.2, 0.5, 0.7]], "multi_label num_labels label_weights": [(True, 3, None), (True, 3, [0.2,
               0.3, 0.5])]},
            lambda o, shape: not o["multi_label"] or (shape[-1] == 3 and len(shape) == 2)),
    Measure("AUC", (BINARY_LOGITS,), LOGITS, always=("from_logits",)),
    *(Measure(name, (BINARY, ONE_HOT), {"average": ["micro", "macro", "weighted"], "threshold": [0.4], **beta}, of_rows)
      for name, beta in (("F1Score", {}), ("FBetaScore", {"beta": [0.5, 2.0]}))),
    Measure("BinaryIoU", (BINARY,), {**TARGET, "threshold": [0.4]}),
    *(Measure(name, (LABEL,), {"num_classes": [4], "sparse_y_true": [True], "sparse_y_pred": [False],
      "ignore_class": [0],
                               "axis": [-1], **target}, lambda o, shape: shape[-1] == 4, ("sparse_y_pred",))
      for name, target in (("IoU", TARGET), ("MeanIoU", {}))),
    *(Measure(name, (ONE_HOT,), {"num_classes": [4], "ignore_class": [0], "sparse_y_pred": [False], "axis": [-1],
      **target},
              lambda o, shape: shape[-1] == 4) for name, target in (("OneHotIoU", TARGET), ("OneHotMeanIoU", {}))),
    Measure("Hinge", (SIGN, BINARY_LOGITS)),
    Measure("SquaredHinge", (SIGN, BINARY_LOGITS)),
    Measure("CategoricalHinge", (ONE_HOT_LOGITS,), {}, several),
    Measure("KLDivergence", (DISTRIBUTION,), {}, several),
    Measure("Poisson", (POSITIVE,)),
    *either("BinaryCrossentropy", (BINARY,), (BINARY_LOGITS,), SMOOTH),
    *either("CategoricalCrossentropy", (ONE_HOT, DISTRIBUTION), (ONE_HOT_LOGITS,), SMOOTH | {"axis": [-1]}, several),
    *either("SparseCategoricalCrossentropy", (LABEL,), (LABEL_LOGITS,), {"ignore_class": [0], "axis": [-1]}, several),
]  # fmt: skip
METRIC_NAMES = {
    "accuracy": (BINARY, ONE_HOT, LABEL, ONE_HOT_LOGITS, LABEL_LOGITS), "acc": (BINARY, ONE_HOT, LABEL),
    "mse": ALL_REAL, "mae": ALL_REAL, "AUC": (BINARY,), "cosine_similarity": (REAL,),
}  # fmt: skip

# ------------------------------------------------------------------------------------ optimizers, schedules

EVERY: Options = {
    "learning_rate": [0.01, 0.02, 0.05, One("schedules")], "weight_decay": [0.01, 0.1], "clipnorm": [0.1, 0.5],
    "clipvalue": [0.01, 0.1], "global_clipnorm": [0.1, 0.5], "use_ema": [True], "ema_momentum": [0.5],
    "ema_overwrite_frequency": [2], "loss_scale_factor": [16.0], "gradient_accumulation_steps": [2],
}  # fmt: skip
BETAS: Options = {"beta_1": [0.8], "beta_2": [0.95], "epsilon": [1e-4]}
OPTIMIZERS = {
    "SGD": {"momentum": [0.5, 0.9], "nesterov": [True]},
    "RMSprop": {"rho": [0.8], "momentum": [0.5], "epsilon": [1e-4], "centered": [True]},
    "Adam": BETAS | {"amsgrad": [True]},
    "AdamW": BETAS | {"amsgrad": [True]},
    "Adamax": BETAS,
    "Nadam": BETAS,
    "Lamb": BETAS,
    "Lion": {"beta_1": [0.8], "beta_2": [0.95]},
    "Adadelta": {"rho": [0.8], "epsilon": [1e-4]},
    "Adagrad": {"initial_accumulator_value": [0.3], "epsilon": [1e-4]},
    "Adafactor": {
        "beta_2_decay": [-0.5], "epsilon_1": [1e-8], "epsilon_2": [0.01], "clip_threshold": [0.5],
          "relative_step": [False],
    },
    "Ftrl": {
        "learning_rate": [0.01, 0.02, 0.05, One("schedules", "above 0")],  # it divides by the rate
        "learning_rate_power": [-0.3], "initial_accumulator_value": [0.3], "l1_regularization_strength": [0.01],
        "l2_regularization_strength": [0.01], "l2_shrinkage_regularization_strength": [0.01], "beta": [0.1],
    },
    "Muon": {
        "adam_beta_1": [0.8], "adam_beta_2": [0.95], "adam_weight_decay": [0.01], "epsilon": [1e-5],
          "adam_lr_ratio": [0.5],
        "momentum": [0.9], "ns_steps": [3], "nesterov": [False], "rms_rate": [0.3], "exclude_embeddings": [False],
        "exclude_layers": [["dense"]], "muon_a muon_b muon_c": [(3.0, -4.0, 1.5)],
    },
    "MultiOptimizer": {"optimizer_map": [One("optimizer maps")], "loss_scale_factor": [16.0]},
    "LossScaleOptimizer": {
        "inner_optimizer": [One("inner optimizers")], "initial_scale": [8.0], "dynamic_growth_steps": [2],
    },
}  # fmt: skip
OF_OTHERS = ("MultiOptimizer", "LossScaleOptimizer")  # have only options of their own
PATTERNS = [".*kernel", ".*(bias|beta)", "[^/]*"]  # keys of an OptimizerMap


def optimizer_options(name):
    """All options of an optimizer."""
    return OPTIMIZERS[name] if name in OF_OTHERS else EVERY | OPTIMIZERS[name]


SCHEDULES = {
    "ExponentialDecay": {"initial_learning_rate": [0.05], "decay_steps": [2], "decay_rate": [0.5], "staircase": [True]},
    "InverseTimeDecay": {"initial_learning_rate": [0.05], "decay_steps": [2], "decay_rate": [0.5], "staircase": [True]},
    "PiecewiseConstantDecay": {"boundaries values": [([1, 3], [0.05, 0.02, 0.01])]},
    "PolynomialDecay": {"initial_learning_rate": [0.05], "decay_steps": [3], "end_learning_rate": [0.01],
      "power": [0.5],
                        "cycle": [True]},
    "CosineDecay": {"initial_learning_rate": [0.02], "decay_steps": [3], "alpha": [0.1],
      "warmup_target warmup_steps": [(0.05, 2)]},
    "CosineDecayRestarts": {"initial_learning_rate": [0.05], "first_decay_steps": [2], "t_mul": [1.0], "m_mul": [0.5],
      "alpha": [0.1]},
}  # fmt: skip
FALL_TO_0 = {"CosineDecay"}

# -------------------------------------------------------------------------------------------------- left out

LEFT_OUT = {
    "layers": {
        "Input": "every program begins with one",
        "InputSpec": "no layer, but what one expects: tests/models/test_operations.py",
        "InputLayer": "Input makes one; its configuration is compared with every model",
        "Layer": "abstract", "Wrapper": "abstract",
        "Lambda": "its function is Python code, which no file may hold",
        "Hashing": "Keras needs TensorFlow for it", "HashedCrossing": "Keras needs TensorFlow for it",
        "MaxNumBoundingBoxes": "takes bounding boxes, no tensor",
        "StringLookup": "text: Keras needs TensorFlow for it", "IntegerLookup": "Keras needs TensorFlow for it",
        "TextVectorization": "text: Keras needs TensorFlow for it",
    },
    "activations": {
        "glu": "halves its input, which Keras' Activation does not tell",
        "sparsemax": "its gradient at the kink differs between Keras' own backends: tests/golden/README.md",
        "threshold": "takes arguments, so it is no activation by name",
    },
    "losses": {"Loss": "abstract", "LossFunctionWrapper": "abstract"},
    "metrics": {
        "Metric": "abstract", "MeanMetricWrapper": "takes a function, which Keras writes another way",
          "Mean": "of values, not of targets and outputs",
          "Sum": "of values, not of targets and outputs",
    },
    "optimizers": {
        "Optimizer": "abstract",
        "ScheduleFreeAdamW": "Keras 3.15 on PyTorch reads the old momentum after it has changed it in place",
        "OptimizerMap": "drawn within MultiOptimizer",
    },
    "schedules": {"LearningRateSchedule": "abstract"},
    "initializers": {"Initializer": "abstract", "RandomInitializer": "abstract"},
    "regularizers": {"Regularizer": "abstract"},
    "constraints": {"Constraint": "abstract"},
}  # fmt: skip
OPTIONS_LEFT_OUT = {
    "ReversibleEmbedding": {"reverse_dtype": "float32 is what the tolerances are made for"},
    "*": {
        "name": "the grammar names some layers", "dtype": "float32 is what the tolerances are made for",
        "trainable": "the grammar freezes some layers", "autocast": "no effect in float32",
        "quantization_config": "refused", "lora_rank": "refused", "lora_alpha": "refused", "sparse": "refused",
        "gptq_unpacked_column_size": "refused",
    },
    "BatchNormalization": {
        "synchronized": "of several machines", "renorm": "refused", "renorm_clipping": "refused",
          "renorm_momentum": "refused",
    },
    "LayerNormalization": {"rms_scaling": "deprecated in Keras: RMSNormalization"},
    "SimpleRNN": {"activity_regularizer": "Keras 3.15 takes it and does not use it"},
    "Embedding": {"weights": "gone after building"},
    **{f"ConvLSTM{kind}": {"return_state": "with it, several tensors come out: drawn for other recurrent layers"}
       for kind in ("1D", "2D", "3D")},
    "Discretization": {"num_bins": "is adapted", "epsilon": "is adapted"},
    "Resizing": {"fill_mode": "has one value"},
    "SparseTopKCategoricalAccuracy": {"from_sorted_ids": "takes sorted ids instead of outputs"},
    "Bidirectional": {"weights": "gone after building"},
    **{name: {"sparse_y_true": "its targets are one-hot"} for name in ("OneHotIoU", "OneHotMeanIoU")},
}  # fmt: skip
