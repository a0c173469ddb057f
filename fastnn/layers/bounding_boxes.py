"""Boxes around the things in images."""

from fastnn import ops
from fastnn.layers.core import positive_integer
from fastnn.layers.image_augmentation import ImageLayer
from fastnn.saving import registry


@registry.register("layer")
class MaxNumBoundingBoxes(ImageLayer):
    """The first `max_number` boxes of each image, filled up where there are fewer.

    Called with a dict whose ``bounding_boxes`` are a dict of ``boxes`` (n, k, 4) and ``labels`` (n, k); all else stays.

    Parameters
    ----------
    max_number : int
    fill_value : int
        Coordinates and label of the boxes that fill up.
    """

    def __init__(self, max_number, fill_value=-1, bounding_box_format=None, **kwargs):
        super().__init__(**kwargs)
        self.max_number = positive_integer(max_number, f"{self}: max_number")
        self.fill_value, self.bounding_box_format = int(fill_value), bounding_box_format

    def call(self, data, training=True):
        if not isinstance(data, dict) or "bounding_boxes" not in data:
            return data
        boxes = data["bounding_boxes"]
        return {**data, "bounding_boxes": {**boxes, **{key: self._cut(boxes[key]) for key in ("boxes", "labels")}}}

    def _cut(self, rows):
        rows = rows[:, : self.max_number]
        missing = self.max_number - rows.shape[1]
        if not missing:
            return rows
        widths = ((0, 0), (0, missing), *((0, 0),) * (len(rows.shape) - 2))
        return ops.pad(rows, widths, constant_values=self.fill_value)

    def get_config(self):
        format_ = {} if self.bounding_box_format is None else {"bounding_box_format": self.bounding_box_format}
        return {**super().get_config(), **format_, "max_number": self.max_number, "fill_value": self.fill_value}
