"""What the tests of optimisers share."""

import numpy as np
import pytest

from fastnn.engine.reference import ReferenceProgram
from fastnn.graph.program import Program
from fastnn.variable import Variable


class Trainer:
    """Two variables and gradients for them; `steps` applies an optimiser with arrays or as a program."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        shapes = {"kernel": (3, 5), "bias": (5,)}
        self.variables = [Variable(self.draw(shape), name=name) for name, shape in shapes.items()]

    def draw(self, shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def trace(self, optimizer):
        with Program() as program:
            optimizer.apply([program.input(v.shape) for v in self.variables], self.variables)
        return program

    def steps(self, optimizer, count=3, traced=False):
        optimizer.build(self.variables)
        reference = ReferenceProgram(self.trace(optimizer)) if traced else None
        for _ in range(count):
            gradients = [self.draw(v.shape) for v in self.variables]
            if traced:
                reference.run(gradients)
            else:
                optimizer.apply(gradients, self.variables)
        return [v.numpy() for v in self.variables]


@pytest.fixture
def trainer():
    return Trainer
