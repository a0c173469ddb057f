"""The loss that `compile` asked for, over all outputs."""

from typing import NamedTuple

import numpy as np

from fastnn import losses as loss_table
from fastnn import metrics as metric_table
from fastnn import ops
from fastnn.data.arrays import flatten
from fastnn.graph.program import Tensor, current_program
from fastnn.saving import registry


class Outputs:
    """The tensors that a model returns, as a list with a name for each.

    Parameters
    ----------
    structure : tensor, or list, tuple or dict of tensors
    declared : list of str, optional
        Names of the outputs of a model with declared ones; the keys of a dict come first.

    Attributes
    ----------
    tensors : list
    names : list of str or None
        None where neither a dict nor a declaration says them.
    single : bool
        True for one tensor that is in no list, tuple or dict.
    """

    def __init__(self, structure, declared=None):
        self.tensors = flatten(structure)
        keyed = isinstance(structure, dict) and len(structure) == len(self.tensors)
        self.names = list(structure) if keyed else declared
        self.keyed, self.single = keyed, not isinstance(structure, (dict, list, tuple))

    def __len__(self):
        return len(self.tensors)

    def place(self, name, what):
        """The position of a name."""
        if not self.names and len(self) == 1:
            return 0
        if not self.names:
            raise ValueError(f"{what}: the outputs of the model have no names, {name!r} among them: pass a list")
        if name not in self.names:
            raise ValueError(f"{what}: {name!r} is no output of the model, which are {self.names}")
        return self.names.index(name)

    def spread(self, value, what):
        """A value for each output: from a dict by name (None where there is none), from a list by position."""
        if isinstance(value, dict):
            values = [None] * len(self)
            for name, each in value.items():
                values[self.place(name, what)] = each
            return values
        values = list(value) if isinstance(value, (list, tuple)) else [value] * len(self)
        if len(values) != len(self):
            raise ValueError(f"{what}: expected {len(self)} entries, one for each output, received {len(values)}")
        return values

    def prefix(self, i):
        """What the names of metrics of an output begin with, where there are several."""
        return f"{self.names[i]}_" if len(self) > 1 and self.names else ""


class Part(NamedTuple):
    """One loss of one output."""

    output: int
    loss: loss_table.Loss
    weight: float | None
    tracker: metric_table.Mean | None


class Objective:
    """The loss over all outputs, and a running mean of each part where there are several.

    Parameters
    ----------
    loss, loss_weights : as in ``Model.compile``
    declared : list of str, optional
        See `Outputs`.

    Attributes
    ----------
    parts : list of Part or None
        Known once outputs were seen.
    """

    def __init__(self, loss, loss_weights, declared=None):
        if any(isinstance(w, str) or not np.isscalar(w) for w in _entries(loss_weights) if w is not None):
            raise ValueError(
                f"compile: loss_weights must be numbers, received {loss_weights!r}: metrics are given as metrics=[...]"
            )
        self.loss, self.loss_weights = loss, loss_weights
        self.parts, self.declared = None, declared
        self.names = declared  # of the outputs

    @property
    def trackers(self):
        """The running means of the parts, if there are several."""
        return [part.tracker for part in self.parts or [] if part.tracker is not None]

    def total(self, targets, outputs, weights):
        """The weighted sum of all parts, a scalar or None.

        Parameters
        ----------
        targets, outputs : structures of tensors
            Arranged alike, or targets as a dict by the outputs' names.
        weights : tensor or structure of tensors, optional
            Weights of the samples: for all outputs, or arranged like them.
        """
        if self.loss is None:
            return None
        outputs = Outputs(outputs, self.declared)
        self.names = outputs.names
        targets = targets_in_order(targets, outputs)
        if self.parts is None:
            self.parts = self._build(targets, outputs)
        self._tell_shapes(targets, [p.shape for p in outputs.tensors])
        weights = outputs.spread(weights, "sample_weight")
        total = None
        for part in self.parts:
            value = part.loss(targets[part.output], outputs.tensors[part.output], weights[part.output])
            if part.tracker is not None:
                rows = float(outputs.tensors[part.output].shape[0])
                part.tracker.update_state(value if value.shape == () else ops.mean(value), sample_weight=rows)
            value = value if part.weight in (None, 1.0) else value * part.weight
            total = value if total is None else total + value
        return total

    def _build(self, targets, outputs):
        """The parts in Keras' order: of a dict in its own, of one loss for a dict of outputs by name."""
        loss = self.loss
        if isinstance(loss, dict):
            pairs = [(outputs.place(name, "loss"), each, name) for name, each in loss.items()]
        elif isinstance(loss, (list, tuple)) and outputs.single:
            pairs = [(0, each, i) for i, each in enumerate(loss)]
        else:
            pairs = [(i, each, i) for i, each in enumerate(outputs.spread(loss, "loss"))]
        if outputs.keyed and not isinstance(loss, (dict, list, tuple)):
            pairs.sort(key=lambda pair: outputs.names[pair[0]])
        factors = self._factors(pairs, outputs)
        made = [
            (i, as_loss(each, targets[i], outputs.tensors[i]), factor)
            for (i, each, _), factor in zip(pairs, factors, strict=True)
            if each is not None
        ]
        names = [outputs.names[i] if outputs.names else loss.name for i, loss, _ in made]
        trackers = [metric_table.Mean(name=f"{n}_loss") for n in names] if len(made) > 1 else [None] * len(made)
        return [Part(*part, tracker) for part, tracker in zip(made, trackers, strict=True)]

    def _factors(self, pairs, outputs):
        given = self.loss_weights
        if isinstance(given, dict):
            by_output = outputs.spread(given, "loss_weights")
            return [by_output[i] for i, _, _ in pairs]
        values = _entries(given) if given is not None else [None] * len(pairs)
        if len(values) != len(pairs):
            raise ValueError(f"loss_weights: expected {len(pairs)} numbers, one for each loss, received {len(values)}")
        return values

    def _tell_shapes(self, targets, shapes):
        """The program must know which labels fit; one that computes at once has them here to be looked at."""
        program = current_program()
        if program is None or program.computes:
            self.check_targets([np.asarray(y) for y in targets], shapes)
        elif all(isinstance(y, Tensor) and y.kind == "input" for y in targets):  # the user's, as they were given
            program.prediction_shapes = shapes

    def in_order(self, targets):
        """Targets as a list; those of a dict in the order of the model's outputs."""
        return in_order(targets, self.names)

    def example_targets(self, prediction):
        """Zeros in the shapes and dtypes of targets for a prediction, arranged like it."""
        outputs = Outputs(prediction, self.declared)
        several = outputs.single and isinstance(self.loss, (list, tuple))
        losses = self.loss[:1] if several else outputs.spread(self.loss, "loss")
        labels = [
            loss is not None and label_classes(as_loss(loss, p, p), p.shape) is not None
            for loss, p in zip(losses, outputs.tensors, strict=True)
        ]
        zeros = [
            np.zeros(p.shape[:-1], np.int32) if takes else np.zeros(p.shape, np.float32)
            for takes, p in zip(labels, outputs.tensors, strict=True)
        ]
        return dict(zip(outputs.names, zeros, strict=True)) if outputs.keyed else zeros

    def check_targets(self, arrays, shapes):
        """Raise a ValueError for class labels that are no integers in 0..classes-1 of their output."""
        if shapes is None:
            return
        for part in self.parts or ():
            array = arrays[part.output]
            classes = label_classes(part.loss, shapes[part.output])
            if classes is not None:
                ignored = part.loss._fn_kwargs.get("ignore_class")
                check_labels(array if ignored is None else array[array != ignored], classes)

    def get_config(self):
        """The arguments as plain data."""
        return {"loss": serialized(self.loss), "loss_weights": self.loss_weights}


def in_order(targets, names):
    """Targets as a list; those of a dict in the order of names."""
    if isinstance(targets, dict) and names:
        if missing := [name for name in names if name not in targets]:
            raise ValueError(f"y: there are no targets for the outputs {missing}, only for {list(targets)}")
        return [targets[name] for name in names]
    return flatten(targets)


def targets_in_order(targets, outputs):
    """A target for each of the outputs."""
    targets = in_order(targets, outputs.names)
    if not targets:
        raise ValueError("y is missing: the loss and the metrics compare predictions with targets")
    if len(targets) != len(outputs):
        raise ValueError(f"the model has {len(outputs)} outputs, y has {len(targets)} arrays")
    return targets


def _entries(value):
    """The entries of a dict, list or single value; none of None."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def as_loss(loss, y, p):
    """A loss by name, function or object; "crossentropy" means the one that the shapes ask for."""
    if loss in ("crossentropy", "ce"):
        loss = f"{loss_table.crossentropy_kind(y.shape, p.shape)}_crossentropy"
    name = loss if isinstance(loss, str) else None
    loss = registry.get("loss", loss)
    if isinstance(loss, loss_table.Loss):
        return loss
    return loss_table.LossFunctionWrapper(loss, name=name or getattr(loss, "__name__", "loss"))


def serialized(value):
    """Losses and metrics as plain data, in the lists and dicts they came in."""
    if isinstance(value, (list, tuple)):
        return [serialized(v) for v in value]
    if isinstance(value, dict):
        return {k: serialized(v) for k, v in value.items()}
    return value if value is None or isinstance(value, (str, float, int)) else registry.serialize(value)


def label_classes(loss, shape):
    """How many classes the targets of a loss number, for predictions of a shape; None if they are no labels."""
    if getattr(loss, "fn", None) is loss_table.sparse_categorical_crossentropy:
        return shape[loss._fn_kwargs.get("axis", -1)]
    return None


def check_labels(labels, classes):
    """Raise a ValueError for labels that are no integers in 0..classes-1."""
    whole = np.isfinite(labels) & (labels == np.trunc(labels)) if labels.dtype.kind == "f" else True
    if not np.all(whole):
        raise ValueError(f"y: the label {labels[~whole].flat[0]} is no integer: class labels are 0..{classes - 1}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(
            f"y: the label {bad} is outside 0..{classes - 1}, the classes that the last layer has outputs for: number "
            "the classes from 0, or give the last layer more units"
        )
