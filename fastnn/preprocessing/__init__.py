"""The names of ``keras.preprocessing``, from their homes."""

from fastnn.data.image_folder import image_dataset_from_directory
from fastnn.data.sequences import timeseries_dataset_from_array
from fastnn.preprocessing import image, sequence

__all__ = ["image", "image_dataset_from_directory", "sequence", "timeseries_dataset_from_array"]
