"""Random models as program texts: a seed gives the same program every time, which both libraries then run.

The text uses `Sequential`, `Model`, `Input`, `layers`, `losses`, ... as after `from keras import ...`, and leaves
`model`, compiled; `targets`, the kind of each output's targets; `weighted`, whether samples have weights; `trains`,
whether its training draws no random numbers. While it is put together, fastnn's layers are called, which tells shapes.
"""

import inspect
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from against_keras import table
from against_keras.table import Code, One

from fastnn.graph.masks import mask_of

OPTION_SHARE = 0.2  # of the options that may be left out
LARGEST = 600  # numbers a sample, in any tensor
TRIES = 200


@dataclass(frozen=True)
class Tensor:
    """A tensor of the program: its name, its symbolic value, "real" or "ids", the names that it was made from."""

    name: str
    value: object
    kind: str
    parents: tuple = ()

    @property
    def shape(self):
        return self.value.shape


class RefusedError(Exception):
    """No values of a row's options fit here."""


def names_of(k):
    """What a program sees of a library."""
    modules = ("layers", "losses", "metrics", "optimizers", "initializers", "regularizers", "constraints", "ops")
    return {name: getattr(k, name) for name in ("Sequential", "Model", "Input", *modules)}


class Writer:
    """Draws one program."""

    def __init__(self, seed, k):
        self.rng = np.random.default_rng(seed)
        self.k = k
        self.names = names_of(k)
        self.tensors = []
        self.sources = {}  # tensor's name -> (layer or None, call)
        self.layers = {}  # layer's name -> source
        self.trains = True
        self.batch = 4 if self.chance(0.1) else None  # of all inputs, for layers that keep a state

    # ---------------------------------------------------------------------------------------------- values

    def chance(self, share):
        return self.rng.random() < share

    def choose(self, values):
        return values[self.rng.integers(len(values))]

    def draw(self, cls, options, shape=(), rule=lambda o, shape: True, always=()):
        """Values for some of the options; for those that have no default and those in `always`, certainly."""
        parameters = inspect.signature(cls).parameters
        defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
        for _ in range(TRIES):
            drawn = {}
            for key, values in options.items():
                words = key.split()
                needed = key in always or not all(word in defaults for word in words)
                if needed or self.chance(OPTION_SHARE):
                    value = self.choose(values)
                    drawn |= dict(zip(words, value if len(words) > 1 else (value,), strict=True))
            if rule(defaults | drawn, shape):
                return {name: self.settle(value, shape) for name, value in drawn.items()}, defaults | drawn
        raise RefusedError(cls.__name__)

    def settle(self, value, shape):
        """The value itself, or an object drawn from its family."""
        if not isinstance(value, One):
            return value
        if value.family == "inner layers":
            return Code(self.choose(table.INNER[len(shape)]))
        single = [name for name in table.OPTIMIZERS if name not in table.OF_OTHERS]
        if value.family == "inner optimizers":  # of these two Keras forgets variables here
            return Code(self.optimizer([name for name in single if name not in ("Nadam", "Adafactor")]))
        if value.family == "optimizer maps":
            default, other = self.optimizer(single), self.optimizer(single)
            return Code(f"optimizers.OptimizerMap({default}, {{{self.choose(table.PATTERNS)!r}: {other}}})")
        if value.family == "schedules":
            names = [name for name in table.SCHEDULES if not (value.form and name in table.FALL_TO_0)]
            name = self.choose(names)
            return self.object("optimizers.schedules", name, table.SCHEDULES[name])
        parts = {"cells": table.CELLS, "initializers": table.INITIALIZERS, "regularizers": table.REGULARIZERS,
                 "constraints": table.CONSTRAINTS}[value.family]  # fmt: skip
        part = self.choose([part for part in parts if not value.form or value.form in part.forms])
        if value.form and self.chance(0.3) and part.name != "Constant":
            return part.name
        return self.object("layers" if value.family == "cells" else value.family, part.name, part.options)

    def object(self, module, name, options, rule=lambda o, shape: True, always=(), shape=()):
        cls = getattr(eval(module, self.names), name)
        drawn, _ = self.draw(cls, options, shape, rule, always)
        return Code(f"{module}.{call_of(name, drawn)}")

    # --------------------------------------------------------------------------------------------- tensors

    def input(self):
        """One of the inputs; integers are for an Embedding or CategoryEncoding."""
        n = self.rng.integers
        rank = self.choose([2, 2, 3, 3, 3, 4, 4, 5, 6, "ids", "ids"] if not self.batch else [3, 3, 3, 4, 5])
        shape = {
            2: (n(3, 9),), 3: (n(4, 8), n(2, 5)), 4: (n(5, 9), n(5, 9), n(1, 4)), 5: (*n(3, 6, 3), n(1, 3)),
            6: (2, *n(2, 4, 3), n(1, 3)), "ids": (n(3, 7),),
        }[rank]  # fmt: skip
        shape = tuple(int(size) for size in shape)
        kind, dtype = ("ids", ", dtype='int32'") if rank == "ids" else ("real", "")
        size = f", batch_size={self.batch}" if self.batch else ""
        x = self.add(f"Input({shape}{dtype}{size})", None, kind)
        if rank == 3 and self.chance(0.25):
            masking = next(row for row in table.LAYERS if row.name == "Masking")
            with suppress(RefusedError):  # by chance that of the other input: then this one has no mask
                return self.apply(masking, x, True)
        return x

    def add(self, expression, layer, kind, parents=()):
        """Compute a tensor; one that is empty or too large is refused."""
        key = next((name for name, source in self.layers.items() if source == layer), layer and f"f{len(self.layers)}")
        if layer and key not in self.layers:
            self.layers[key], self.names[key] = layer, eval(layer, self.names)
        names = self.names | {tensor.name: tensor.value for tensor in self.tensors}
        value = eval(expression.replace("layer(", f"{key}("), names)
        if not 1 <= np.prod(value.shape[1:]) <= LARGEST or len(value.shape) > 6:
            raise RefusedError(expression)
        if "OrthogonalRegularizer" in (layer or "") and any(1 in weight.shape for weight in self.names[key].weights):
            raise RefusedError("the mean over no pairs of rows: NaN in Keras, 0 here")
        tensor = Tensor(f"x{len(self.tensors)}", value, kind, tuple(parents))
        self.tensors.append(tensor)
        self.sources[tensor.name] = (key, expression)
        return tensor

    def apply(self, row, x, functional):
        """A layer of this row on x, and where its call needs more tensors on others of x's shape."""
        if row.name == "Softmax" and mask_of(x.value) is not None:
            raise RefusedError("takes its mask for one of all numbers, as in Keras: an error with one of sequences")
        cls = getattr(self.k.layers, row.name)
        drawn, options = self.draw(cls, row.options, tuple(x.shape), row.rule, row.always)
        if self.chance(0.05):
            drawn["name"] = f"own_{len(self.tensors)}"
        if self.chance(0.05) and row.name not in NO_TRAINABLE:
            drawn["trainable"] = False
        layer = f"layers.{call_of(row.name, drawn)}"
        if layer in self.layers.values():
            raise RefusedError("by chance the same layer again, which would share its weights")
        random = row.random(options)
        call = self.choose(row.call) if row.call else "({0})"
        others = self.others(x, call.count("{") - 1) if functional else []
        y = self.add("layer" + call.format(x.name, *(o.name for o in others)), layer, row.gives(options), (x, *others))
        self.trains &= not (random or sees_nothing(row, options, call, [x, *others]))
        return y

    def others(self, x, count):
        """Tensors of x's shape, made by a Dense layer if there are none."""
        found = [t for t in self.tensors if t.shape == x.shape and t.kind == "real" and t is not x]
        while len(found) < count:
            found.append(
                self.add(
                    f"layer({x.name})", f"layers.Dense({x.shape[-1]}, name='more_{len(self.tensors)}')", "real", (x,)
                )
            )
        return [found[i] for i in self.rng.permutation(len(found))[:count]]

    def step(self, x, functional):
        """One more tensor that follows from x."""
        if functional and x.kind == "real" and len(x.shape) < 6:
            way = self.rng.random()
            if way < 0.12:
                expression = self.choose(table.EXPRESSIONS)
                others = self.others(x, 1) if "{1}" in expression else []
                return self.add(expression.format(x.name, *(o.name for o in others)), None, "real", (x, *others))
            if way < 0.2 and (again := self.shared(x)):
                return again
            if way < 0.27:
                return self.nested(x)
        rows = [row for row in table.LAYERS if len(x.shape) in row.ranks and row.takes == x.kind]
        rows = [row for row in rows if functional or not row.call]
        chances = np.array([0.15 if row.random({}) else 1.5 if row.call else 1.0 for row in rows])
        return self.apply(self.rng.choice(np.array(rows, dtype=object), p=chances / chances.sum()), x, functional)

    def shared(self, x):
        """A layer that was called on a tensor of this shape, called again."""
        for tensor in self.tensors:
            key, expression = self.sources[tensor.name]
            if key and len(tensor.parents) == 1 and tensor.parents[0].shape == x.shape and tensor.parents[0] is not x:
                call = expression.replace(tensor.parents[0].name, x.name)
                return self.add(call, self.layers[key], tensor.kind, (x,))
        return None

    def nested(self, x):
        """A small model as a layer."""
        drawn, _ = self.draw(self.k.layers.Dense, {"units": [2, 3], "activation": table.ACTIVATIONS}, tuple(x.shape))
        dense = f"layers.{call_of('Dense', drawn)}"
        size = len(self.tensors)
        if self.chance(0.5):
            model = (
                f"Sequential([Input({tuple(x.shape[1:])}), {dense}, layers.BatchNormalization()], name='stack_{size}')"
            )
        else:
            model = (
                f"(lambda a: Model(a, ops.tanh({dense}(a)) + 0.5, name='inner_{size}'))(Input({tuple(x.shape[1:])}))"
            )
        return self.add(f"layer({x.name})", model, "real", (x,))

    def grow(self, x, steps, functional):
        """A few tensors after x, some of them branches; the last is the answer."""
        made = [x]
        for _ in range(steps):
            start = self.choose(made) if functional and self.chance(0.25) else made[-1]
            for _ in range(TRIES):
                try:
                    made.append(self.step(start, functional))
                    break
                except RefusedError:
                    continue
        return made[-1]

    # ------------------------------------------------------------------------------------- outputs, compile

    def output(self, x, functional):
        """A last layer after x, and a loss and metrics that go with it."""
        x = self.embedded(x, functional)
        for _ in range(TRIES):
            row = self.choose(table.LOSSES)
            head, target = self.choose(row.pairs)
            units = 1 if self.chance(0.2) else int(self.rng.integers(2, 6))
            flat = len(x.shape) > 2 and target != "sequence" and self.chance(0.7)
            shape = (None, units) if flat else (*x.shape[:-1], units)
            if target == "sequence" and mask_of(x.value) is not None:
                continue  # a mask of steps does not fit a loss that has one number a sequence
            try:
                cls = getattr(self.k.losses, row.name)
                drawn, _ = self.draw(cls, row.options, shape, row.rule, row.always)
                if drawn.get("axis") == 1 and len(shape) > 2 and mask_of(x.value) is not None:
                    continue  # nor one that has no number for each step: an error in Keras, with JAX and with PyTorch
                if flat:
                    x = self.add(f"layer({x.name})", f"layers.Flatten(name='flat_{len(self.tensors)}')", "real", (x,))
                y = self.last(x, head, units)
            except RefusedError:
                continue
            steps = len(shape) > 2 and mask_of(x.value) is not None
            return y, self.loss(row, drawn, head, target), target, self.metrics(head, target, shape, steps)
        raise AssertionError("no loss fits")

    def last(self, x, head, units):
        activation = "linear" if head == "unit" else head
        last = f"layers.Dense({units}, activation={activation!r}, name='head_{len(self.tensors)}')"
        x = self.add(f"layer({x.name})", last, "real", (x,))
        if head == "unit":
            x = self.add(f"layer({x.name})", f"layers.UnitNormalization(name='unit_{len(self.tensors)}')", "real", (x,))
        return x

    def loss(self, row, drawn, head, target):
        names = [name for name, of in table.LOSS_NAMES.items() if of == row.name and not drawn]
        if names and self.chance(0.3):
            return self.choose(names)
        return Code(f"losses.{call_of(row.name, drawn)}")

    def embedded(self, x, functional):
        """x, after an Embedding if it is of integers; one that is refused is drawn again."""
        embedding = next(row for row in table.LAYERS if row.name == "Embedding")
        while x.kind == "ids":
            try:
                x = self.apply(embedding, x, functional)
            except RefusedError:
                continue
        return x

    def metrics(self, head, target, shape, masked):
        """Up to two metrics for this pair; with a mask of steps, none over axis 1: an error in Keras, as of losses."""
        found = []
        rows = [row for row in table.METRICS if (head, target) in row.pairs]
        names = [name for name, pairs in table.METRIC_NAMES.items() if (head, target) in pairs]
        for _ in range(self.choose([0, 1, 1, 2])):
            if names and self.chance(0.3):
                found.append(self.choose(names))
            elif rows:
                row = self.choose(rows)
                options = {
                    name: values
                    for name, values in row.options.items()
                    if not (masked and name == "axis" and 1 in values)
                }
                try:
                    found.append(self.object("metrics", row.name, options, row.rule, row.always, shape))
                except RefusedError:
                    continue
        return list(dict.fromkeys(found))

    def compile(self, outputs, losses, metrics):
        arguments = {"optimizer": self.optimizer(list(table.OPTIMIZERS))}
        arguments["loss"] = losses if len(outputs) > 1 else losses[0]
        if any(metrics):
            # Keras on PyTorch writes what ignore_class leaves out into the weights of samples
            plain = "ignore_class" in str(losses) or not self.chance(0.3)
            arguments["metrics" if plain else "weighted_metrics"] = metrics if len(outputs) > 1 else metrics[0]
        if self.chance(0.3):
            weights = [self.choose([0.5, 1.0, 2.0]) for _ in outputs]
            arguments["loss_weights"] = weights if len(outputs) > 1 else weights[0]
        return f"model.{call_of('compile', arguments)}"

    def optimizer(self, names):
        """One of the optimizers of these names."""

        def rule(o, _):
            clips = [o.get("clipnorm"), o.get("clipvalue"), o.get("global_clipnorm")]
            return sum(clip is not None for clip in clips) <= 1

        name = self.choose(names)
        return self.object("optimizers", name, table.optimizer_options(name), rule, ("learning_rate",))

    # ------------------------------------------------------------------------------------------- the text

    def sequential(self):
        x = self.grow(self.input(), int(self.rng.integers(1, 5)), functional=False)
        y, loss, target, metrics = self.output(x, functional=False)
        stack = ["model = Sequential(["]
        for tensor in self.needed([y]):
            key, expression = self.sources[tensor.name]
            stack.append(f"    {self.layers[key] if key else expression},")
        return "\n".join([*stack, "])", self.compile([y], [loss], [metrics]), self.facts([y], [loss], [target])])

    def functional(self):
        ends = [
            self.grow(self.input(), int(self.rng.integers(1, 5)), functional=True)
            for _ in range(self.choose([1, 1, 2]))
        ]
        x = ends[0] if len(ends) == 1 else self.join(ends)
        starts = [x, self.choose([t for t in self.tensors if t.kind == "real"] or [x])]
        ys = [self.output(x, functional=True) for x in starts[: self.choose([1, 1, 2])]]
        outputs, losses, targets, metrics = (list(column) for column in zip(*ys, strict=True))
        needed = self.needed(outputs)
        calls = [self.sources[t.name][0] for t in needed]
        lines = []
        for tensor in needed:
            key, expression = self.sources[tensor.name]
            source = self.layers.get(key, "")
            if key and calls.count(key) > 1:
                if f"{key} = {source}" not in lines:
                    lines.append(f"{key} = {source}")
                source = key
            lines.append(f"{tensor.name} = {source + expression[len('layer') :] if key else expression}")
        inputs = [t.name for t in needed if not t.parents]
        model = f"model = Model([{', '.join(inputs)}], [{', '.join(y.name for y in outputs)}], name='whole')"
        return "\n".join([*lines, model, self.compile(outputs, losses, metrics), self.facts(outputs, losses, targets)])

    def join(self, ends):
        flat = []
        for x in ends:
            x = self.embedded(x, True)
            flat.append(self.add(f"layer({x.name})", f"layers.Flatten(name='join_{len(self.tensors)}')", "real", (x,)))
        names = ", ".join(x.name for x in flat)
        return self.add(
            f"layer([{names}])", f"layers.Concatenate(name='join_{len(self.tensors)}')", "real", tuple(flat)
        )

    def needed(self, outputs):
        """The tensors that the outputs follow from, in the order in which they were made."""
        names, todo = set(), list(outputs)
        while todo:
            tensor = todo.pop()
            names.add(tensor.name)
            todo += tensor.parents
        return [tensor for tensor in self.tensors if tensor.name in names]

    def facts(self, outputs, losses, targets):
        weighted = self.chance(0.3) and "sequence" not in targets  # which have a loss for each sequence
        weighted &= not any(word in str(losses) for word in ("ignore_class", "axis=1"))
        return f"targets = {targets}\nweighted = {weighted}\ntrains = {self.trains}"


NO_TRAINABLE = {
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Discretization", "Pipeline",
    # Keras does not pass it on to the layers inside, whose weights it goes on training: docs/keras-compatibility.md
    "RNN", "Bidirectional", "TimeDistributed", "SpectralNormalization", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
    "MultiHeadAttention", "GroupQueryAttention",
}  # fmt: skip


def sees_nothing(row, options, call, tensors):
    """Whether all may be masked for some step of a query: README.md says what Keras on PyTorch does there."""
    if row.name not in ("MultiHeadAttention", "GroupQueryAttention"):
        return False
    query, *others = (mask_of(tensor.value) is not None for tensor in tensors)
    return query or (any(others) and ("causal" in call or options["sliding_window"] is not None))


def call_of(name, arguments):
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def program(seed, k):
    """The text of the program that belongs to a seed; `k` is fastnn."""
    writer = Writer(seed, k)
    return writer.functional() if writer.chance(0.5) else writer.sequential()
