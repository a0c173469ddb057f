"""Random programs on small integers: all numbers are exact in float32, so engines must agree to the last bit."""

import numpy as np

from fastnn import ops
from fastnn.graph.program import Program
from fastnn.variable import Storage, Variable

LIMIT = 8.0  # numbers are brought back below it, so that no sum leaves the exact integers
SHAPES = ((), (6,), (1, 6), (4, 6), (4, 1), (6, 4), (2, 3, 4), (4, 6, 1), (2, 5, 4, 2), (2, 600), (130, 6))
BINARY = (ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum, ops.squared_difference)
UNARY = (
    ops.negative, ops.absolute, ops.relu, ops.sign, ops.square, ops.floor, lambda x: x * 0.5 + x * 0.5,
    lambda x: x + 3.0, lambda x: 2.0 - x,
)  # fmt: skip
COMPARISONS = (ops.equal, ops.less, ops.greater_equal, ops.not_equal)


class RandomProgram:
    """A program with inputs, variables, several outputs and updates, all drawn from a seed.

    Attributes
    ----------
    program : Program
    variables : list of Variable
    """

    def __init__(self, seed, size=25):
        self.rng = np.random.default_rng(seed)
        self.variables = [self._variable(self._any(SHAPES)) for _ in range(self.rng.integers(2, 6))]
        if self.rng.random() < 0.5:  # some side by side in one block, as an optimiser keeps them
            self.storage = Storage(self.variables[:3], "float32")
            self.storage.adopt()
        else:
            self.storage = None
        with Program() as self.program:
            inputs = [self.program.input(self._any(SHAPES)) for _ in range(self.rng.integers(1, 4))]
            self.old = [self.program.tensor(v) for v in self.variables if self.rng.random() < 0.2]
            self.tensors = [*inputs, *self.old, *(v + 0.0 for v in self.variables[:1])]
            for _ in range(size):
                self._grow()
            self._finish()

    def inputs(self, count):
        """Numbers for `count` runs."""
        return [[self._integers(t.shape) for t in self.program.inputs] for _ in range(count)]

    def values(self):
        return [v.numpy() for v in self.variables]

    def set_values(self, values):
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def _integers(self, shape):
        return self.rng.integers(-4, 5, shape).astype(np.float32)

    def _variable(self, shape):
        return Variable(self._integers(shape))

    def _any(self, things):
        return things[self.rng.integers(len(things))]

    def _pick(self, rank=None):
        """A tensor made before, now and then a variable as it is at this point."""
        known = [t for t in [*self.tensors[-12:], *self.variables] if rank is None or len(t.shape) == rank]
        return self._any(known) if known else self.program.constant(self._integers(self._shape_of_rank(rank)))

    def _shape_of_rank(self, rank):
        return self._any([s for s in SHAPES if len(s) == rank] or [(3,) * rank])

    def _keep(self, tensor):
        """Limited numbers stay small; most of the time the limit is part of the chain, sometimes its own tensor."""
        self.tensors.append(ops.clip(tensor, -LIMIT, LIMIT))

    # --- one more instruction -----------------------------------------------------------------------------------------
    def _grow(self):
        kinds = (
            self._unary, self._binary, self._binary, self._compare, self._reduce, self._matmul, self._move, self._mask,
            self._convolve, self._pool, self._assign, self._rows, self._same_shape, self._integer, self._logical,
            self._statistics, self._random, self._read_again, self._arrange,
        )  # fmt: skip
        self._any(kinds)()

    def _unary(self):
        self._keep(self._any(UNARY)(self._pick()))

    def _binary(self):
        a, b = self._pick(), self._pick()
        if not _fit(a, b):
            b = ops.sum(b)
        self._keep(self._any(BINARY)(a, b))

    def _same_shape(self):
        """Several operations on one shape: long chains and groups that merge."""
        x = self._pick()
        for _ in range(self.rng.integers(2, 9)):
            other = self._any([t for t in [*self.tensors[-8:], *self.variables] if t.shape == x.shape] or [x])
            x = ops.clip(self._any(BINARY)(x, other), -LIMIT, LIMIT)
            if self.rng.random() < 0.3:
                self.tensors.append(x)
        self.tensors.append(x)

    def _compare(self):
        a, b = self._pick(), self._pick()
        if not _fit(a, b):
            b = ops.max(b)
        chosen = self._any(COMPARISONS)(a, b)
        self._keep(ops.where(chosen, a, b) if self.rng.random() < 0.5 else ops.cast(chosen, "float32"))

    def _mask(self):
        """Dropout: a mask of random numbers, the same for all who read it."""
        x = self._pick()
        mask = ops.random_uniform(self.program, x.shape) >= 0.5
        kept = ops.where(mask, x, 0.0)
        self._keep(kept)
        if self.rng.random() < 0.5:
            self._keep(ops.where(mask, kept * 2.0, x))

    def _integer(self):
        """A chain on int32, some of it as floats in between."""
        x = ops.cast(self._pick(), "int32")
        for _ in range(self.rng.integers(1, 5)):
            kind = self.rng.integers(6)
            if kind == 0:
                x = ops.mod(x, int(self.rng.integers(2, 6)))
            elif kind == 1:
                x = ops.floor_divide(x, int(self.rng.integers(2, 6)))
            elif kind == 2:
                x = ops.cast(ops.cast(x, "float32") * 0.5, "int32")  # towards zero
            elif kind == 3:
                x = ops.where(x > 1, x, 2 - x)
            elif kind == 4:
                x = ops.maximum(ops.minimum(x * x, 9), x)
            else:
                x = x + ops.cast(x < 0, "int32")
        if x.ndim and self.rng.random() < 0.3:
            x = self._any((ops.sum, ops.max, ops.cumsum))(x, self.rng.integers(x.ndim))
        self._keep(ops.cast(x, "float32"))

    def _logical(self):
        a = self._pick()
        b, c = (self._like_shape(a) for _ in range(2))
        less = ops.logical_and(a < b, ops.logical_not(ops.equal(b, c)))
        either = ops.logical_or(less, ops.cast(c, "bool"))
        self._keep(ops.where(either, a, ops.cast(less, "float32") - b))
        if self.rng.random() < 0.4:
            self._keep(ops.cast(less + either - ops.cast(b, "bool"), "float32"))
        if a.ndim and self.rng.random() < 0.4:
            self._keep(ops.cast(self._any((ops.any, ops.all))(either, self.rng.integers(a.ndim)), "float32"))

    def _like_shape(self, x):
        """A tensor that goes with x: of its shape, a row, a column, or a number."""
        fitting = [
            t
            for t in [*self.tensors, *self.variables]
            if _fit(x, t) and np.broadcast_shapes(x.shape, t.shape) == x.shape
        ]
        return self._any(fitting) if fitting else x

    def _statistics(self):
        """As normalizations do: several reductions of what is made of x, over one or several sets of axes."""
        x = self._pick()
        if not x.ndim:
            return
        axes = [tuple(np.flatnonzero(self.rng.random(x.ndim) < 0.5)) or (x.ndim - 1,) for _ in range(2)]
        axes = axes if self.rng.random() < 0.4 else axes[:1] * 2
        center = self._any((ops.max, ops.min))(x, axes[0], True)
        moved = x - center
        total = ops.clip(ops.sum(moved, axes[1], True), -LIMIT, LIMIT)
        squares = ops.clip(ops.sum(moved * moved, axes[1], True), -LIMIT, LIMIT)
        products = ops.clip(ops.sum(moved * self._like_shape(x), axes[0], True), -LIMIT, LIMIT)
        for made in (moved * total - squares, total, squares, products + center, moved):
            if self.rng.random() < 0.5:
                self._keep(made)

    def _random(self):
        """Random numbers read in several ways: each reader sees the same ones."""
        shape = self._any(SHAPES)
        numbers = ops.floor(ops.random_uniform(self.program, shape) * 8.0)
        other = ops.floor(ops.random_uniform(self.program, shape) * 8.0)
        ways = [
            lambda: numbers, lambda: numbers - other, lambda: numbers + numbers * 2.0, lambda: ops.sum(numbers),
            lambda: ops.where(numbers > other, numbers, -other), lambda: ops.reshape(numbers, (-1,)),
            lambda: ops.max(numbers - other, -1) if shape else numbers, lambda: ops.transpose(other),
            lambda: numbers * self._like_shape(numbers), lambda: ops.expand_dims(numbers, 0) + other,
        ]  # fmt: skip
        for i in self.rng.permutation(len(ways))[: self.rng.integers(1, 5)]:
            self._keep(ways[i]())

    def _read_again(self):
        """A product or convolution whose result is wanted as it is, after its epilogue, and by later ones."""
        a = self._pick(2)
        y = ops.matmul(a, self.program.constant(self._integers((a.shape[1], 6))))
        raw = ops.clip(y, -LIMIT, LIMIT)
        row, column = ops.max(raw, 0), ops.max(raw, 1, True)
        made = ops.relu(y + self._any((row, column, 1.0, raw)))
        for value in (raw, made, made - raw, ops.sum(made, 0), ops.sum(y, 1) + ops.max(made, 1), y * row):
            if self.rng.random() < 0.5:
                self._keep(value)

    def _arrange(self):
        x = self._pick()
        if not x.ndim:
            return
        axis = int(self.rng.integers(x.ndim))
        kind = self.rng.integers(8)
        if kind == 0:
            self._keep(ops.cumsum(x, axis))
        elif kind == 1:
            self._keep(ops.sort(x, axis))
        elif kind == 2:
            self._keep(ops.cast(ops.argmax(x, axis), "float32"))
        elif kind == 3:
            self.tensors.append(ops.pad(x, [(int(a == axis), 0) for a in range(x.ndim)]))
        elif kind == 4 and x.size < 100:
            self.tensors.append(ops.repeat(x, 2, axis))
        elif kind == 5 and x.size < 100:
            self.tensors.append(ops.stack([x, self._keep_shape(x)], axis))
        elif kind == 6:
            self.tensors.append(ops.roll(x, 1, axis))
        elif kind == 7 and x.ndim == 3:
            self._keep(ops.matmul(x, ops.transpose(x, (0, 2, 1))))

    def _reduce(self):
        x = self._pick()
        rank = len(x.shape)
        axes = [a for a in range(rank) if self.rng.random() < 0.5]
        function = self._any((ops.sum, ops.max, ops.min, ops.sum))
        self._keep(function(x, axes or None, bool(self.rng.random() < 0.5)))

    def _matmul(self):
        a = self._pick(2)
        b = self._pick(2)
        if a.shape[1] != b.shape[0]:
            b = ops.transpose(b)
        if a.shape[1] != b.shape[0]:
            b = self.program.constant(self._integers((a.shape[1], 5)))
        y = ops.matmul(a, b)
        if self.rng.random() < 0.7:  # an epilogue: bias and activation
            y = ops.relu(y + self.program.constant(self._integers((y.shape[1],))))
        elif self.rng.random() < 0.5:
            y = ops.transpose(y)
        self._keep(y)

    def _move(self):
        x = self._pick()
        kind = self.rng.integers(6)
        if kind == 0 and x.ndim > 1:
            self.tensors.append(ops.transpose(x, self.rng.permutation(x.ndim)))
        elif kind == 1:
            self.tensors.append(ops.reshape(x, (-1,)))
        elif kind == 2 and x.ndim:
            self.tensors.append(ops.flip(x, 0))
        elif kind == 3 and x.ndim and x.shape[0] > 1:
            self.tensors.append(x[1:])
        elif kind == 4:
            self.tensors.append(ops.expand_dims(x, 0) if x.ndim < 4 else x[0])
        elif x.ndim:
            self.tensors.append(ops.concatenate([x, self._keep_shape(x)], -1)[..., : x.shape[-1] + 1])

    def _keep_shape(self, x):
        return ops.clip(x * 2.0, -LIMIT, LIMIT)

    def _convolve(self):
        x = self._pick(4)
        if min(x.shape[1:3]) < 2:
            return
        w = self.program.constant(self._integers((2, 2, x.shape[3], 3)))
        y = ops.conv(x, w, padding=self._any(("same", "valid")))
        self._keep(ops.relu(y + self._integers((3,))) if self.rng.random() < 0.6 else y)

    def _pool(self):
        x = self._pick(4)
        if min(x.shape[1:3]) > 1:
            self.tensors.append(ops.max_pool(x, 2))

    def _rows(self):
        x = self._pick(2)
        picked = ops.take(x, self.rng.integers(0, x.shape[0], 5), axis=0)
        self._keep(ops.segment_sum(picked, self.rng.integers(0, 3, 5), 3) if self.rng.random() < 0.5 else picked)

    def _assign(self):
        """A variable changes in the middle of the program; who reads it later sees the new value."""
        variable = self._any(self.variables)
        fitting = [t for t in [*self.tensors, *self.variables] if t.shape == variable.shape]
        value = self._any(fitting) if fitting else variable * 2.0
        variable.assign(ops.clip(value * self._any((1.0, -1.0)) + variable, -LIMIT, LIMIT)
                        if self.rng.random() < 0.7 else value)  # fmt: skip

    def _finish(self):
        if self.storage is not None and not any(v in self.program.updates for v in self.storage.variables):
            self._update_block()
        outputs = [t for t in self.tensors if self.rng.random() < 0.3] or self.tensors[-1:]
        outputs += [t for t in self.old if self.rng.random() < 0.5]  # as they were before the run
        self.program.outputs = list({id(t): self.program.tensor(t) for t in outputs}.values())

    def _update_block(self):
        """As an optimiser: gradients packed like the weights, one pass over all."""
        parts = [_like(self._pick(), v.shape) for v in self.storage.variables]
        packed = ops.pack(parts, self.storage.offsets, self.storage.size)
        self.program.updates[self.storage] = ops.clip(self.storage - packed, -LIMIT, LIMIT)
        if self.rng.random() < 0.5:
            self._keep(self.storage.variables[0] * 1.0)


def _fit(a, b):
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return np.prod(shape) < 5000


def _like(x, shape):
    return ops.broadcast_to(ops.reshape(ops.max(x), (1,) * len(shape)), shape) * 1.0
