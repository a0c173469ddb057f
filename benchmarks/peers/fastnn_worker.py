"""fastnn, as its users call it: train_on_batch, fit, a call of the model, predict_on_batch."""

import numpy as np
from network import flat
from workloads import build

import fastnn
from fastnn.engine.profile import Machine

VERSION = fastnn.__version__


class Peer:
    def __init__(self, workload, weights, x, y, variant, threads):
        fastnn.set_num_threads(threads)
        self.model, self.workload, self.threads = build(fastnn, workload), workload, threads
        self.x, self.y = x, y
        self.batch = x[: workload.batch], y[: workload.batch]
        self.set_weights(weights)

    def set_weights(self, weights):
        self.model.set_weights(flat(weights))

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

    def predict(self, count):
        for _ in range(count):
            result = self.model.predict_on_batch(self.batch[0])
        return result

    def program(self):
        """Arithmetic, traffic, and the least time of both programs on this machine."""
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
