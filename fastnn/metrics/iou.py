"""Intersection over union, for segmentation."""

import warnings

import numpy as np

from fastnn import config, ops
from fastnn.metrics.base import Metric
from fastnn.saving import registry


@registry.register("metric")
class IoU(Metric):
    """The mean over classes of true positives / (true positives + false positives + false negatives).

    Classes that occur neither in targets nor in outputs do not count; labels outside 0..num_classes-1 are
    left out.

    Parameters
    ----------
    num_classes : int
    target_class_ids : sequence of int
        The classes of the mean.
    name, dtype : str, optional
        The counts are int32 unless a float type is given.
    ignore_class : int, optional
        Targets with this label are left out.
    sparse_y_true, sparse_y_pred : bool
        Labels; otherwise the largest element along `axis` gives the label.
    axis : int
    """

    _direction = "up"

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(dtype or "int32", name)
        outside = [i for i in target_class_ids if not 0 <= i < num_classes]
        if outside:
            raise ValueError(f"{type(self).__name__}: target_class_ids {outside} are outside 0..{num_classes - 1}")
        self.num_classes, self.target_class_ids = num_classes, list(target_class_ids)
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self.add_variable(
            (num_classes, num_classes), "zeros", self.dtype, name="total_confusion_matrix"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in a batch of labels of any shape, or of vectors along the axis; a weight for each label."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        y_true = y_true if self.sparse_y_true else ops.argmax(y_true, axis=self.axis)
        y_pred = y_pred if self.sparse_y_pred else ops.argmax(y_pred, axis=self.axis)
        y_true, y_pred = (ops.reshape(ops.cast(y, "int32"), (-1,)) for y in (y_true, y_pred))
        if self.ignore_class is not None:
            y_true = ops.where(ops.equal(y_true, self.ignore_class), -1, y_true)
        # A label outside has a row of zeros here, so it adds nothing
        rows, columns = ops.one_hot(y_true, self.num_classes), ops.one_hot(y_pred, self.num_classes)
        if sample_weight is not None:
            rows = rows * self._column(sample_weight)
        counts = ops.matmul(ops.transpose(rows), columns)
        self.total_cm.assign_add(ops.cast(counts, self.dtype))

    def _column(self, sample_weight):
        weight = ops.convert_to_tensor(sample_weight)
        if self.dtype.startswith("int"):
            if str(weight.dtype).startswith("float"):
                warnings.warn(
                    f"{self.name}: float weights are cut to integers, for the counts are int32. Give "
                    "integer weights, or "
                    'dtype="float32".',
                    stacklevel=3,
                )
            weight = ops.cast(weight, "int32")
        return ops.reshape(ops.cast(weight, config.floatx()), (-1, 1))

    def result(self):
        counts = ops.cast(self.total_cm, config.floatx())
        right = ops.sum(counts * np.eye(self.num_classes, dtype=config.floatx()), axis=0)
        union = ops.sum(counts, axis=0) + ops.sum(counts, axis=1) - right
        right, union = (ops.take(x, np.array(self.target_class_ids, np.int32), axis=0) for x in (right, union))
        occurs = ops.cast(union > 1e-9, config.floatx())
        ratios = occurs * (right / (union + config.epsilon()))
        return ops.sum(ratios) / (ops.sum(occurs) + config.epsilon())

    def get_config(self):
        return super().get_config() | {
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }

    def _config_without(self, *names):
        return {key: value for key, value in IoU.get_config(self).items() if key not in names}


@registry.register("metric")
class BinaryIoU(IoU):
    """IoU of the classes 0 and 1, from probabilities.

    Parameters
    ----------
    target_class_ids : sequence of int
    threshold : float
        Outputs not below it are class 1.
    name, dtype : str, optional
    """

    def __init__(self, target_class_ids=(0, 1), threshold=0.5, name=None, dtype=None):
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        super().update_state(y_true, ops.cast(y_pred >= self.threshold, "int32"), sample_weight)

    def get_config(self):
        arguments = {"target_class_ids": self.target_class_ids, "threshold": self.threshold}
        return {"name": self.name, "dtype": self.dtype} | arguments


@registry.register("metric")
class MeanIoU(IoU):
    """IoU over all classes; arguments as IoU."""

    def __init__(
        self,
        num_classes,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self):
        return self._config_without("target_class_ids")


@registry.register("metric")
class OneHotIoU(IoU):
    """IoU for one-hot targets and probabilities; arguments as IoU."""

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_pred=False,
        axis=-1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self):
        return self._config_without("sparse_y_true")


@registry.register("metric")
class OneHotMeanIoU(MeanIoU):
    """IoU over all classes for one-hot targets and probabilities; arguments as IoU."""

    def __init__(self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_pred=False, axis=-1):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self):
        return self._config_without("target_class_ids", "sparse_y_true")
