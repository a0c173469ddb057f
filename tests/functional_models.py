"""Models of declared inputs and outputs, built with Keras or fastnn: `k` is either module."""


def shared(k):
    """One layer called twice, arithmetic, several inputs and outputs."""
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    dense = k.layers.Dense(3, name="shared")
    x, y = dense(a), dense(b)
    z = k.ops.relu(k.layers.Add(name="sum")([x, y]) * 2.0 + x)
    mean = k.ops.mean(z, axis=1, keepdims=True)
    return k.Model({"a": a, "b": b}, [k.layers.Dense(2, name="out")(z), mean], name="shared_model")


def operations(k):
    """Slices, shapes and products between layers."""
    x = a = k.Input((4, 6), name="a")
    x = k.ops.reshape(x[:, 1:3], (-1, 12))
    x = k.ops.softmax(k.ops.concatenate([x, x], axis=1))
    x = k.ops.expand_dims(x, 1)
    x = k.ops.matmul(x, k.ops.transpose(x, (0, 2, 1)))
    x = 1 - (-(k.ops.clip(x, 0.0, 1.0) ** 2))
    return k.Model(a, k.layers.Flatten(name="flat")(x), name="operations_model")


def nested(k):
    """A functional model and a Sequential as layers."""
    inside = k.Input((2,), name="inside")
    inner = k.Model(inside, k.layers.Dense(3, name="inner_dense", activation="tanh")(inside), name="inner")
    stack = k.Sequential([k.Input((4,), name="in"), k.layers.Dense(2, name="stack_dense")], name="stack")
    a = k.Input((4,), name="a")
    x = stack(a)
    return k.Model(a, k.layers.Concatenate(name="both")([inner(x), inner(x * 2.0)]), name="nested_model")


def residual(k):
    """Convolutions with a short cut."""
    x = image = k.Input((6, 6, 2), name="image")
    y = k.layers.Conv2D(2, 3, padding="same", name="conv")(x)
    y = k.layers.BatchNormalization(name="norm")(y)
    x = k.layers.Activation("relu", name="relu")(k.layers.Add(name="add")([x, y]))
    x = k.layers.GlobalAveragePooling2D(name="pool")(x)
    return k.Model(image, {"label": k.layers.Dense(3, name="label")(x), "pooled": x}, name="residual_model")


def merging(k):
    """Every merging layer."""
    a, b = k.Input((3,), name="a"), k.Input((3,), name="b")
    layers = ["Subtract", "Multiply", "Average", "Maximum", "Minimum"]
    merged = [getattr(k.layers, kind)(name=kind.lower())([a, b]) for kind in layers]
    dot = k.layers.Dot(axes=1, normalize=True, name="dot")([a, b])
    return k.Model([a, b], k.layers.Concatenate(name="all")([*merged, dot]), name="merging_model")


def attentive(k):
    """Attention with gates and groups of queries; layers that change what they see in training only."""
    x = a = k.Input((5, 4), name="a")
    x = k.layers.GroupQueryAttention(4, 4, 2, use_gate=True, name="grouped")(x, a)
    x = k.layers.MultiHeadAttention(2, 3, use_gate=True, use_bias=False, name="heads")(x, a)
    x = k.layers.Dropout(0.5, seed=3, name="drop")(x)
    x = k.layers.RandomBrightness((0.2, 0.2), seed=4, name="brightness")(k.layers.Reshape((5, 4, 1), name="image")(x))
    return k.Model(a, k.layers.Flatten(name="flat")(x), name="attentive_model")


MODELS = {f.__name__: f for f in (shared, operations, nested, residual, merging, attentive)}
