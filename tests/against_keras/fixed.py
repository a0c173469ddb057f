"""Models with which `make test-keras` begins: those that once differed, and those that random models do without."""

FIXED = {
    "a metric of logits beside a focal loss of smoothed targets": """
model = Sequential([Input((4,)), layers.Dense(5)])
model.compile(
    optimizer="sgd",
    loss=losses.CategoricalFocalCrossentropy(from_logits=True, label_smoothing=0.1),
    metrics=[metrics.CategoricalHinge()],
)
targets, weighted, trains = ["one_hot"], False, True
""",
    "files with factors of augmentation": """
model = Sequential([
    Input((5, 5, 3)),
    layers.RandomSharpness(0.2),
    layers.Solarization(0.1, 0.2),
    layers.RandomInvert(0.2),
    layers.Flatten(),
    layers.Dense(2),
])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real"], False, False
""",
    "the gate of GroupQueryAttention": """
x = Input((6, 3))
y = layers.GroupQueryAttention(head_dim=2, num_query_heads=4, num_key_value_heads=2, use_gate=True)(x, x)
model = Model([x], [layers.Dense(2)(y)])
model.compile(optimizer="adam", loss="mse")
targets, weighted, trains = ["real"], False, True
""",
    "activities of attention layers": """
x = Input((6, 3))
y = layers.GroupQueryAttention(head_dim=2, num_query_heads=2, num_key_value_heads=1, activity_regularizer="l2")(x, x)
z = layers.MultiHeadAttention(num_heads=2, key_dim=2, activity_regularizer="l2")(x, x)
model = Model([x], [layers.Dense(2)(y + z)])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real"], False, True
""",
    "the fixed batch size of attention": """
x = Input((6, 3), batch_size=4)
y = layers.MultiHeadAttention(num_heads=2, key_dim=2)(x, x)
z = layers.GroupQueryAttention(head_dim=2, num_query_heads=2, num_key_value_heads=1)(x, x)
model = Model([x], [layers.Dense(2)(y + z)])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real"], False, True
""",
    "initial states of recurrent layers": """
x = Input((5, 3))
y, h, c = layers.LSTM(4, return_state=True)(x)
y = layers.LSTM(4, return_sequences=True)(x, initial_state=[h, c])
z = layers.GRU(4)(sequences=y, initial_state=h)
z = z + layers.SimpleRNN(4)(y, [h])
z = layers.Concatenate()([z, layers.Bidirectional(layers.GRU(4))(y, initial_state=[h, c])])
model = Model([x], [layers.Dense(2)(z)])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real"], False, True
""",
    "attention called by the names of its arguments": """
x = Input((6, 3))
y = layers.MultiHeadAttention(num_heads=2, key_dim=2)(query=x, value=x)
z = layers.MultiHeadAttention(num_heads=2, key_dim=2)(y, value=x, key=y)
z = layers.GroupQueryAttention(head_dim=2, num_query_heads=2, num_key_value_heads=1)(value=x, query=z)
z = layers.Attention()(inputs=[z, x])
model = Model([x], [layers.Dense(2)(inputs=z)])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real"], False, True
""",
}

# With Keras on JAX alone: what random models do without, as Keras on PyTorch gets it wrong. README.md says how.
NOT_ON_PYTORCH = {
    "averages of padded windows": """
x = Input((5, 4, 6, 2))
y = layers.AveragePooling3D((3, 2, 3), strides=(2, 1, 2), padding="same")(x)
z = layers.AveragePooling3D((7, 5, 7), strides=1, padding="same")(x)
model = Model([x], [layers.Dense(2)(y), layers.Dense(2)(z)])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real", "real"], True, True
""",
    "normalization of other axes than the last": """
x = Input((5, 4, 3))
y = layers.LayerNormalization(axis=1)(x)
y = layers.LayerNormalization(axis=[1, 2])(layers.Dense(3)(y))
model = Model([x], [layers.Dense(2)(y)])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real"], False, True
""",
    "labels of images, one of them ignored, with weights": """
model = Sequential([Input((5, 4, 3)), layers.Conv2D(4, 2, activation="softmax")])
model.compile(
    optimizer="sgd",
    loss=losses.SparseCategoricalCrossentropy(ignore_class=1),
    metrics=["accuracy"],
    weighted_metrics=[metrics.SparseCategoricalCrossentropy()],
)
targets, weighted, trains = ["label"], True, True
""",
    "queries that see nothing": """
x = Input((5, 3))
y = layers.Masking()(x)
z = layers.MultiHeadAttention(num_heads=2, key_dim=2)(y, x)
z = z + layers.GroupQueryAttention(head_dim=2, num_query_heads=2, num_key_value_heads=1)(x, y, use_causal_mask=True)
model = Model([x], [layers.Dense(2)(layers.Flatten()(z))])
model.compile(optimizer="sgd", loss="mse")
targets, weighted, trains = ["real"], False, True
""",
    "the momentum of ScheduleFreeAdamW": """
model = Sequential([Input((5,)), layers.Dense(4, activation="tanh"), layers.Dense(2)])
model.compile(optimizer=optimizers.ScheduleFreeAdamW(0.05, weight_decay=0.1), loss="mse")
targets, weighted, trains = ["real"], False, True
""",
    "a dynamic scale of the loss": """
model = Sequential([Input((4,)), layers.Dense(5, activation="tanh"), layers.Dense(2)])
model.compile(
    optimizer=optimizers.LossScaleOptimizer(optimizers.Adam(0.01, clipnorm=1.0), dynamic_growth_steps=2), loss="mse"
)
targets, weighted, trains = ["real"], False, True
""",
}
