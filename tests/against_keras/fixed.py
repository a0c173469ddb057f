"""Models in which the two libraries once differed, cut down to the difference: `make test-keras` begins with them."""

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
