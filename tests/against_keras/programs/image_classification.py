"""Image classification, after https://keras.io/examples/vision/image_classification_from_scratch/.

Of the original's Xception two blocks, for even and odd digits of 14 x 14 pixels instead of cats and dogs.
"""

import keras
import numpy as np
from data import digits
from keras import layers

image_size = (14, 14)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = (x.reshape(-1, 14, 2, 14, 2, 1).mean((2, 4), dtype="float32") for x in (x_train, x_test))
y_train, y_test = y_train % 2, y_test % 2


def make_model(input_shape, num_classes):
    inputs = keras.Input(shape=input_shape)
    x = layers.RandomRotation(0.05)(inputs)

    # Entry block
    x = layers.Rescaling(1.0 / 255)(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)

    previous_block_activation = x  # Set aside residual

    for size in [32, 64]:
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(size, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)

        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(size, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)

        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)

        # Project residual
        residual = layers.Conv2D(size, 1, strides=2, padding="same")(previous_block_activation)
        x = layers.add([x, residual])  # Add back residual
        previous_block_activation = x  # Set aside next residual

    x = layers.SeparableConv2D(128, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)

    x = layers.GlobalAveragePooling2D()(x)
    units = 1 if num_classes == 2 else num_classes
    x = layers.Dropout(0.25)(x)
    # We specify activation=None so as to return logits
    outputs = layers.Dense(units, activation=None)(x)
    return keras.Model(inputs, outputs)


model = make_model(input_shape=(*image_size, 1), num_classes=2)
model.compile(
    optimizer=keras.optimizers.Adam(3e-4),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(name="acc")],
)
model.fit(x_train, y_train, epochs=25, batch_size=64, validation_data=(x_test, y_test), verbose=2)
predictions = model.predict(x_test, verbose=0)
probability = keras.ops.convert_to_numpy(keras.ops.sigmoid(predictions))[:, 0]
score = float(np.mean((probability > 0.5) == y_test))
