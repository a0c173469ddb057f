"""One image or many, channels last or first: inside, functions of images work on (n, h, w, c)."""

from fastnn import config
from fastnn.ops.products import as_floats
from fastnn.ops.shape import expand_dims, moveaxis, squeeze, tensor_like


def channels_first(name, data_format):
    """Whether channels stand before height and width."""
    data_format = data_format or config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f'{name}: data_format must be "channels_last" or "channels_first", received {data_format!r}')
    return data_format == "channels_first"


def as_batch(name, images, data_format=None, spatial=2):
    """(images as floats (n, *spatial, c), a function that brings a result of that form back into the layout given)."""
    images, first = as_floats(tensor_like(images)), channels_first(name, data_format)
    single = images.ndim == spatial + 1
    if not single and images.ndim != spatial + 2:
        raise ValueError(
            f"{name}: expected {spatial + 1} axes (one image) or {spatial + 2} (a batch), received shape "
            f"{tuple(images.shape)}"
        )
    images = expand_dims(images, 0) if single else images
    images = moveaxis(images, 1, -1) if first else images

    def back(y):
        y = moveaxis(y, -1, 1) if first else y
        return squeeze(y, 0) if single else y

    return images, back
