"""scikit-learn's multilayer perceptrons: dense layers with one activation, no dropout."""

import warnings

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

VERSION = sklearn.__version__
warnings.simplefilter("ignore", ConvergenceWarning)  # a fit here is one epoch


class Peer:
    same_curve = False  # the weights can only be set after a first step, which Adam remembers

    def __init__(self, workload, weights, x, y, variant, threads):
        hidden = workload.layers[:-1]
        make = MLPClassifier if workload.classes else MLPRegressor
        self.model = make(
            hidden_layer_sizes=[units for _, units, _ in hidden],
            activation=hidden[0][2] if hidden else "identity", solver="adam", alpha=0, batch_size=workload.batch,
            learning_rate_init=1e-3, epsilon=1e-7, max_iter=1, warm_start=True,
        )  # fmt: skip
        self.factor = 1 if workload.classes else 2  # its squared error is halved
        self.x, self.y = x, y if workload.classes else y.ravel()
        self.batch = self.x[: workload.batch], self.y[: workload.batch]
        if workload.classes:
            self.model.partial_fit(*self.batch, classes=np.arange(workload.classes))
        else:
            self.model.partial_fit(*self.batch)
        self.set_weights(weights)

    def set_weights(self, weights):
        for i, (kernel, bias) in enumerate(weights):
            self.model.coefs_[i][...] = kernel
            self.model.intercepts_[i][...] = bias

    def train(self, count):
        for _ in range(count):
            self.model.partial_fit(*self.batch)
        return float(self.model.loss_) * self.factor

    def fit(self):
        self.model.fit(self.x, self.y)

    def predict(self, count, x):
        method = getattr(self.model, "predict_proba", None) or self.model.predict
        for _ in range(count):
            result = method(x)
        return result[:, 1] if result.ndim == 2 and result.shape[1] == 2 else result

    def forward(self, count):
        return self.predict(count, self.batch[0])
