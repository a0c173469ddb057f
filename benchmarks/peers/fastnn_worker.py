"""fastnn, as its users call it: train_on_batch, fit, a call of the model, predict_on_batch."""

import statistics
import time

import numpy as np
from network import set_weights
from workloads import build

import fastnn

VERSION = fastnn.__version__
FIRST_FITS, LATER_FITS = 5, 4


class Peer:
    def __init__(self, workload, weights, x, y, variant, threads):
        fastnn.set_num_threads(threads)
        self.model, self.workload, self.threads = build(fastnn, workload), workload, threads
        self.x, self.y = x, y
        self.batch = x[: workload.batch], y[: workload.batch]
        self.set_weights(weights)

    def set_weights(self, weights):
        set_weights(self.model, weights)

    def train(self, count):
        for _ in range(count):
            loss = self.model.train_on_batch(*self.batch)
        return float(np.ravel(loss)[0])

    def fit(self):
        self.model.fit(self.x, self.y, batch_size=self.workload.batch, verbose=0)

    def forward(self, count):
        for _ in range(count):
            result = self.model(self.batch[0])
        return result

    def predict(self, count, x):
        for _ in range(count):
            result = self.model.predict_on_batch(x)
        return result

    def first_fits(self):
        """Seconds of the first `fit` of one batch of a model, in which its program is made, and of a later one."""
        first, later = [], []
        for _ in range(FIRST_FITS):
            model = build(fastnn, self.workload)
            first.append(self._seconds_of_fit(model))
            later += [self._seconds_of_fit(model) for _ in range(LATER_FITS)]
        return {"first": statistics.median(first), "later": statistics.median(later)}

    def _seconds_of_fit(self, model):
        start = time.perf_counter()
        model.fit(*self.batch, batch_size=self.workload.batch, verbose=0)
        return time.perf_counter() - start

    def program(self):
        """Arithmetic, traffic, and the least time of both programs on this machine."""
        from fastnn.engine.profile import Machine  # no part of the import that is timed

        machine = Machine(self.threads)
        answer = {"peak": machine.peak(), "bandwidth": machine.bandwidth(2**30)}
        for kind in ("train", "predict"):
            rows = self.model.program(kind, self.workload.batch).rows
            answer[kind] = {
                "flops": sum(row["flops"] for row in rows),
                "bytes": sum(row["bytes"] for row in rows),
                "limit": sum(machine.least_seconds(row["flops"], row["bytes"]) for row in rows),
            }
        return answer
