"""Where `fit` stands, so that a callback can write it down and a later run go on from there."""

import numpy as np

from fastnn import random


class Place:
    """In which epoch, after how many of its steps, and where among the samples.

    Parameters
    ----------
    epoch : int
    walk : Walk or None
        None for iterables of batches.

    Attributes
    ----------
    executable : NativeExecutable, ReferenceExecutable or EagerExecutable
        That of the last step.
    """

    def __init__(self, epoch, walk):
        self.epoch, self.batch, self.walk = epoch, 0, walk
        self.executable = None

    def advance(self, steps):
        """So many steps more are done."""
        self.batch += steps
        if self.walk is not None:
            self.walk.step += steps

    def end_epoch(self):
        """The next step is the first of the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0

    def state(self):
        """The place as plain data."""
        return {"epoch": self.epoch, "batch": self.batch, "walk": self.walk and self.walk.state()}

    def restore(self, state):
        """Go to where another run was."""
        self.epoch, self.batch = state["epoch"], state["batch"]
        if self.walk is not None and state["walk"] is not None:
            self.walk.restore(state["walk"])


class Walk:
    """Where training stands among the samples: an order of the rows, and the next step."""

    def __init__(self, data, shuffle):
        self.rows, self.steps = data.rows, data.steps
        self.generator = np.random.Generator(np.random.Philox(key=random.fresh_seed())) if shuffle else None
        self.index, self.step = None, self.steps
        self.drawn_from = None  # state of the generator before it gave the present order

    def begin_if_ended(self):
        """A new order once all rows were used."""
        if self.step >= self.steps:
            self.step = 0
            self._draw_order()

    def _draw_order(self):
        if self.generator is not None:
            self.drawn_from = random.state_of(self.generator)
            self.index = self.generator.permutation(self.rows)

    def tail(self, data, rest):
        """(batches, index) of the rows that do not fill a batch."""
        start = data.rows - rest
        return (data._part(slice(start, None)), None) if self.index is None else (data, self.index[start:])

    def state(self):
        """The place as plain data: the order is drawn again, not kept."""
        return {"rows": self.rows, "step": self.step, "generator": self.drawn_from}

    def restore(self, state):
        """Go to where another walk over as many rows was."""
        if state["rows"] != self.rows:
            raise ValueError(f"the interrupted run had {state['rows']} samples, this one has {self.rows}")
        if state["generator"] is not None and self.generator is not None:
            random.restore_state(self.generator, state["generator"])
            self._draw_order()
        self.step = state["step"]
