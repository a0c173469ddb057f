"""Text classification from scratch, after https://keras.io/examples/nlp/text_classification_from_scratch/.

Texts are numbers of words from the start: Keras needs TensorFlow for the TextVectorization of the original.
"""

import keras
from data import reviews
from keras import layers

max_features = 2000
embedding_dim = 32
sequence_length = 200
x_train, y_train = reviews(1500, max_features, sequence_length, seed=0)
x_test, y_test = reviews(500, max_features, sequence_length, seed=1)

inputs = keras.Input(shape=(None,), dtype="int64")
x = layers.Embedding(max_features, embedding_dim)(inputs)
x = layers.Dropout(0.5)(x)

# Conv1D + global max pooling
x = layers.Conv1D(64, 7, padding="valid", activation="relu", strides=3)(x)
x = layers.Conv1D(64, 7, padding="valid", activation="relu", strides=3)(x)
x = layers.GlobalMaxPooling1D()(x)

# We add a vanilla hidden layer, and project onto a single unit output layer:
x = layers.Dense(64, activation="relu")(x)
x = layers.Dropout(0.5)(x)
predictions = layers.Dense(1, activation="sigmoid", name="predictions")(x)

model = keras.Model(inputs, predictions)
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=8, verbose=2)
score = model.evaluate(x_test, y_test, verbose=0)[1]
