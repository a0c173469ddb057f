"""fit: training programs run over batches.

Between two looks at the clock a whole run of steps is one call into C; Python is entered again at most ten times a
second, for the progress bar and Ctrl-C, or at every step where a callback asks for it.
"""

import warnings

import numpy as np

from fastnn import config
from fastnn.data import arrays
from fastnn.data.arrays import Batches, first_batch_size
from fastnn.data.streams import NoBatchesError, Stream, is_stream
from fastnn.engine import native
from fastnn.graph.gradients import gradients
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
        batch_size = first_batch_size(batch_size)
        if is_stream(x, y):
            data = self._training_stream(x, sample_weight, class_weight, steps_per_epoch, shuffle)
        else:
            data = self._training_data(x, y, sample_weight, class_weight, batch_size)
        data, validation_data = _split(data, validation_split, validation_data)
        validation = self._validation_data(
            validation_data, first_batch_size(validation_batch_size, batch_size), validation_steps,
            epochs - initial_epoch,
        )  # fmt: skip
        self._prepare_training(data)
        epochs = config.within(epochs, config.max_epochs())
        steps = config.within(steps_per_epoch or data.steps, config.max_steps_per_epoch())
        followers = self._followers(callbacks, verbose, epochs, steps, add_history=True)
        self.stop_training = False
        self._place = Place(initial_epoch, Walk(data, shuffle) if isinstance(data, Batches) else None)
        followers.on_train_begin()  # may set the place, to go on where an interrupted run was
        logs = {}
        for epoch in range(self._place.epoch, epochs):
            if not self._train_epoch(data, followers, steps, epoch):
                break
            logs = in_name_order(self._results_after(self._place.executable))
            self._place.end_epoch()
            if validation is not None and _validates(epoch, validation_freq):
                results = self._evaluate(validation, followers, validation_steps, show=False)
                logs |= {f"val_{k}": v for k, v in in_name_order(results).items()}
            followers.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        if self.optimizer is not None:
            self.optimizer.finalize_variable_values(self.trainable_variables)
        followers.on_train_end(logs=logs)
        self._place = None
        return self.history

    def train_step(self, data):
        """One training step, traced once for each form of a batch.

        A subclass may write its own: it computes a loss, has `fastnn.value_and_grad` differentiate it, hands the
        gradients to an optimizer and updates metrics.

        Parameters
        ----------
        data : tensors
            What `fit` received: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.

        Returns
        -------
        dict
            Scalars by name, for the progress bar, callbacks and the history: those of the last batch, unless they are
            the results of all metrics.
        """
        loss, results = self._measure(data, training=True)
        variables = self.trainable_variables
        if not variables:
            raise ValueError(f"{self}: there is nothing to train: no layer has trainable weights")
        if not self.optimizer.built:
            self.optimizer.build(variables)
        program = loss.program
        found = gradients(self.optimizer.scale_loss(loss), [program.variable(v) for v in variables])
        with program.scope("optimizer"):
            self.optimizer.apply(found, variables)
        return results

    def _training_data(self, x, y, sample_weight, class_weight, batch_size):
        if y is None and self.objective.loss is not None:
            raise ValueError("fit: y is missing: pass targets, or an iterable of (x, y) batches as x")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("fit: give class_weight or sample_weight, one of the two")
            sample_weight = arrays.class_weights(np.asarray(y), class_weight)
        data = Batches(x, y, sample_weight, batch_size)
        if data.rows == 0:
            raise ValueError("fit: x has no rows: there is nothing to train on")
        return data

    def _training_stream(self, x, sample_weight, class_weight, steps_per_epoch, shuffle):
        if sample_weight is not None:
            raise ValueError("fit: sample weights must come with the batches where x is an iterable of batches")
        return Stream(x, steps_per_epoch, shuffle, class_weight)

    def _validation_data(self, data, batch_size, steps, epochs):
        wrong = "validation_data: expected (x, y), (x, y, sample_weight) or an iterable of batches"
        if hasattr(data, "shape") or isinstance(data, (str, dict)):
            raise ValueError(f"{wrong}, received {type(data).__name__}")
        if data is None or isinstance(data, Batches):
            return data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            return Batches(data[0], data[1], data[2] if len(data) == 3 else None, batch_size)
        if is_stream(data, None):
            stream = Stream(data, steps)
            if stream.once and steps is None and epochs > 1:
                raise ValueError(
                    "validation_data: an iterator ends with the first epoch: pass validation_steps, or something that "
                    "can be gone through again"
                )
            return stream
        raise ValueError(f"{wrong}, received {data!r:.60}")

    def _prepare_training(self, data):
        if isinstance(data, Batches) and data.rows:
            self._ensure_built(data)
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)

    def _train_epoch(self, data, followers, steps, epoch):
        """The rest of an epoch from where the place is; False if there are no more batches."""
        if self._place.batch == 0:
            self.reset_metrics()
        followers.on_epoch_begin(epoch)
        if self._place.walk is None:
            return self._train_on_stream(data, followers)
        self._train_on_arrays(data, followers, steps)
        return True

    def _train_on_arrays(self, data, followers, steps):
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
        program = place.executable = self._runner("train", data, size, tracing.trace_train)
        self._check_labels(program, data)
        rows, seed, done = self._rows(data, index), self._draw_seed(), 0
        every = followers.needs_batches
        read = self._reader(program) if every or followers.progbar is not None else None
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
                followers.on_train_batch_end(place.batch - 1, in_name_order(read()))
            elif read is not None:
                followers.progbar.update(place.batch, in_name_order(read()))

    def _train_on_stream(self, stream, followers):
        """One epoch over an iterable of batches; False if there are no more."""
        place = self._place
        try:
            for x, y, weights in stream.epoch(place.batch):  # an interrupted run has had the first ones
                data = Batches.whole(x, y, weights)
                self._prepare_training(data)
                self._train_steps(data, None, 0, 1, data.rows, followers, place)
                if self.stop_training and followers.needs_batches:
                    break
        except NoBatchesError as error:
            if place.executable is None:
                raise ValueError(f"fit: {error}") from None
            warnings.warn(
                f"fit: {error} after {place.epoch} epochs: pass something that can be gone through again, or "
                "steps_per_epoch",
                stacklevel=4,
            )
            return False
        return True

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One training step; returns loss and metrics of the batch, before the weights changed."""
        self._assert_compiled("train_on_batch()")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("train_on_batch: give class_weight or sample_weight, one of the two")
            sample_weight = arrays.class_weights(np.asarray(y), class_weight)

        def run(data):
            self._prepare_training(data)
            place = Place(0, None)
            self._train_steps(data, None, 0, 1, data.rows, NOBODY, place)
            return place.executable

        with self._ready_calls.measuring:
            step = self._random_step
            results = self._measure_batch("train", x, y, sample_weight, return_dict, step, run)
            self._random_step = step + 1
        return results


def _split(data, fraction, validation_data):
    """(data, validation data): the last part of the data where a fraction is asked for, and no other data given."""
    if fraction and not isinstance(data, Batches):
        raise ValueError("validation_split needs arrays: pass validation_data with an iterable of batches")
    return data.split(fraction) if fraction and validation_data is None else (data, validation_data)


def _validates(epoch, freq):
    return (epoch + 1) % freq == 0 if isinstance(freq, int) else epoch + 1 in freq
