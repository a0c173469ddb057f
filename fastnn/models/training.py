"""fit: training programs run over batches.

Between two looks at the clock a whole run of steps is one call into C; Python is entered again at most ten times a
second, for the progress bar and Ctrl-C, or at every step where a callback asks for it.
"""

import itertools

import numpy as np

from fastnn.data import arrays
from fastnn.data.arrays import Batches, count_steps, first_batch_size, is_stream, unpack_batch
from fastnn.engine import native
from fastnn.models import tracing
from fastnn.models.compilation import NOBODY, SLICE, in_name_order
from fastnn.models.evaluation import Evaluation
from fastnn.models.place import Place, Walk


class Training(Evaluation):
    """The part of `Model` that trains."""

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Train for some epochs.

        Parameters
        ----------
        x : array, list of arrays, or iterable of batches ``(x, y)`` or ``(x, y, sample_weight)``
        y : array or list of arrays
            Left out where x is an iterable of batches.
        batch_size : int, optional
            32 unless given.
        epochs, initial_epoch : int
            Training runs from epoch `initial_epoch` up to `epochs`.
        verbose : {"auto", 0, 1, 2}
            Silent, a progress bar, or one line an epoch; "auto" looks whether the output is a terminal.
        callbacks : list of Callback, optional
        validation_split : float
            The last part of the arrays is kept for validation, before any shuffling.
        validation_data : (x, y), (x, y, sample_weight) or iterable of batches, optional
        shuffle : bool
            A new order of the samples in every epoch.
        class_weight : dict of int to float, optional
        sample_weight : array of shape (n,), optional
        steps_per_epoch, validation_steps : int, optional
        validation_batch_size : int, optional
        validation_freq : int or list of int
            Validate every so many epochs, or in these epochs (counted from 1).

        Returns
        -------
        History
            ``history.history`` has a list for each metric.
        """
        self._assert_compiled("fit()")
        data = self._training_data(x, y, sample_weight, class_weight, first_batch_size(batch_size))
        if validation_split:
            if not isinstance(data, Batches):
                raise ValueError("validation_split needs arrays: pass validation_data with an iterable of batches")
            if validation_data is None:
                data, validation_data = data.split(validation_split)
        validation = self._validation_data(validation_data, first_batch_size(validation_batch_size, batch_size))
        self._prepare_training(data)
        if isinstance(data, Batches) and data.rows == 0:
            raise ValueError("fit: x has no rows: there is nothing to train on")
        steps = steps_per_epoch or count_steps(data)
        followers = self._followers(callbacks, verbose, epochs, steps, add_history=True)
        self.stop_training = False
        walk = Walk(data, shuffle) if isinstance(data, Batches) else None
        self._place = Place(initial_epoch, walk)
        followers.on_train_begin()  # may set the place, to go on where an interrupted run was
        logs, stream = {}, None
        for epoch in range(self._place.epoch, epochs):
            if self._place.batch == 0:
                self.reset_metrics()
            followers.on_epoch_begin(epoch)
            if walk is not None:
                self._train_epoch(data, followers, steps)
            else:
                stream = self._train_on_stream(data, followers, steps_per_epoch, stream)
            self._place.end_epoch()
            logs = in_name_order(self.get_metrics_result())
            if validation is not None and _validates(epoch, validation_freq):
                results = self._evaluate(validation, followers, validation_steps, show=False)
                logs = {**logs, **{f"val_{k}": v for k, v in in_name_order(results).items()}}
            followers.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        self.optimizer.finalize_variable_values(self.trainable_variables)
        followers.on_train_end(logs=logs)
        self._place = None
        return self.history

    def _training_data(self, x, y, sample_weight, class_weight, batch_size):
        if is_stream(x, y):
            if sample_weight is not None or class_weight is not None:
                raise ValueError("fit: weights must come with the batches where x is an iterable of batches")
            return x
        if y is None and self.objective.loss is not None:
            raise ValueError("fit: y is missing: pass targets, or an iterable of (x, y) batches as x")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("fit: give class_weight or sample_weight, one of the two")
            sample_weight = arrays.class_weights(np.asarray(y), class_weight)
        return Batches(x, y, sample_weight, batch_size)

    def _validation_data(self, data, batch_size):
        wrong = "validation_data: expected (x, y), (x, y, sample_weight) or an iterable of batches"
        if hasattr(data, "shape") or isinstance(data, (str, dict)):
            raise ValueError(f"{wrong}, received {type(data).__name__}")
        if data is None or isinstance(data, Batches):
            return data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            return Batches(data[0], data[1], data[2] if len(data) == 3 else None, batch_size)
        if hasattr(data, "__iter__"):
            return data
        raise ValueError(f"{wrong}, received {data!r:.60}")

    def _prepare_training(self, data):
        if isinstance(data, Batches) and data.rows:
            self._ensure_built(data)
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)

    def _train_epoch(self, data, followers, steps):
        """The steps of an epoch from where the walk over the samples stands; at their end it begins anew."""
        full, rest = divmod(data.rows, data.batch_size)
        place, walk = self._place, self._place.walk
        while place.batch < steps and not (self.stop_training and place.batch):
            walk.begin_if_ended()
            count = min(steps - place.batch, full - walk.step)
            if count > 0:
                self._train_steps(data, walk.index, walk.step, count, data.batch_size, followers, place)
            else:
                self._train_steps(*walk.tail(data, rest), 0, 1, rest, followers, place)

    def _train_steps(self, data, index, first, count, size, followers, place):
        """Run `count` steps, fewer where a callback stops them."""
        if count == 0:
            return
        program = self._program("train", data, size, tracing.trace_train)
        self._check_labels(program, data)
        rows, seed, done = self._rows(data, index), self._draw_seed(), 0
        every = followers.needs_batches
        while done < count and not (every and done and self.stop_training):
            if every:
                followers.on_train_batch_begin(place.batch)
            ran = program.run(
                rows, batch=size, first=first + done, count=1 if every else count - done, seed=seed,
                step=self._random_step, deadline=native.clock() + SLICE,
            )  # fmt: skip
            done += ran
            self._random_step += ran
            place.advance(ran)
            if every:
                followers.on_train_batch_end(place.batch - 1, in_name_order(self.get_metrics_result()))
            else:
                self._show(followers, place.batch)

    def _train_on_stream(self, batches, followers, steps, stream):
        """One epoch over an iterable of batches; returns the iterator where it goes on in the next epoch."""
        iterator, place = stream if stream is not None else iter(batches), self._place
        for _ in itertools.islice(iterator, place.batch):
            pass  # an interrupted run has had these
        while steps is None or place.batch < steps:
            try:
                x, y, weights = unpack_batch(next(iterator))
            except StopIteration:
                if place.batch == 0:
                    raise ValueError(
                        "fit: the iterable of batches gave none: it may be exhausted after one epoch"
                    ) from None
                return None
            data = Batches(x, y, weights, max(len(arrays.flatten(x)[0]), 1))
            self._prepare_training(data)
            self._train_steps(data, None, 0, 1, data.rows, followers, place)
            if self.stop_training and followers.needs_batches:
                break
        return iterator if steps is not None else None

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One training step; returns loss and metrics of the batch, before the weights changed."""
        self._assert_compiled("train_on_batch()")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("train_on_batch: give class_weight or sample_weight, one of the two")
            sample_weight = arrays.class_weights(np.asarray(y), class_weight)

        def run(data):
            self._prepare_training(data)
            self._train_steps(data, None, 0, 1, data.rows, NOBODY, Place(0, None))
            return self._program("train", data, data.rows, tracing.trace_train)

        step = self._random_step
        results = self._measure_batch("train", x, y, sample_weight, return_dict, step, run)
        self._random_step = step + 1
        return results


def _validates(epoch, freq):
    return (epoch + 1) % freq == 0 if isinstance(freq, int) else epoch + 1 in freq
