"""Sequence to sequence learning for performing number addition, after https://keras.io/examples/nlp/addition_rnn/."""

import keras
import numpy as np
from data import sums
from keras import layers

TRAINING_SIZE = 10000
DIGITS = 2
MAXLEN = DIGITS + 1 + DIGITS


class CharacterTable:
    """Encode characters to a one-hot integer representation, and back."""

    def __init__(self, chars):
        self.chars = sorted(set(chars))
        self.char_indices = {c: i for i, c in enumerate(self.chars)}

    def encode(self, text, num_rows):
        x = np.zeros((num_rows, len(self.chars)))
        for i, c in enumerate(text):
            x[i, self.char_indices[c]] = 1
        return x


chars = "0123456789+ "
ctable = CharacterTable(chars)
questions, expected = sums(TRAINING_SIZE, DIGITS, seed=0)
x = np.zeros((len(questions), MAXLEN, len(chars)), dtype=bool)
y = np.zeros((len(questions), DIGITS + 1, len(chars)), dtype=bool)
for i, sentence in enumerate(questions):
    x[i] = ctable.encode(sentence, MAXLEN)
for i, sentence in enumerate(expected):
    y[i] = ctable.encode(sentence, DIGITS + 1)
split_at = len(x) - len(x) // 10
(x_train, x_val) = x[:split_at], x[split_at:]
(y_train, y_val) = y[:split_at], y[split_at:]

num_layers = 1
model = keras.Sequential()
model.add(layers.Input((MAXLEN, len(chars))))
model.add(layers.LSTM(128))
model.add(layers.RepeatVector(DIGITS + 1))
for _ in range(num_layers):
    model.add(layers.LSTM(128, return_sequences=True))
model.add(layers.Dense(len(chars), activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()

for epoch in range(1, 9):
    print("Iteration", epoch)
    model.fit(x_train, y_train, batch_size=32, epochs=1, validation_data=(x_val, y_val), verbose=2)
    preds = np.argmax(model.predict(x_val, verbose=0), axis=-1)
score = float(np.mean(preds == np.argmax(y_val, axis=-1)))
