"""Single pictures: from files, to files, to arrays and back, through Pillow.

A picture is untrusted data. Only regular files are read, only as one of four formats (whatever their name
says), and only up to a number of pixels which is checked before anything is decoded.
"""

import io
import os
import stat
import warnings
from contextlib import nullcontext

import numpy as np

from .resize import central_part

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
PIXEL_LIMIT = 89_478_485  # 256 MiB of RGB
MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}


class PictureError(ValueError):
    """A file which is not a usable picture; the message names the file, the reason and the repair."""


def _pillow():
    """Return the module PIL.Image, which is imported when the first picture is used."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('Pictures need Pillow. Install it with: pip install "fastnn-cpu[images]"') from error
    return Image


def check_choice(name, value, choices):
    """Raise ValueError if an argument is not one of the values it may have."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, received {value!r}.")


def is_channels_first(data_format):
    """Return True for channels first, False for channels last; None stands for the global setting."""
    from ..config import image_data_format

    check_choice("data_format", data_format, (None, "channels_last", "channels_first"))
    return (data_format or image_data_format()) == "channels_first"


def _open_regular(path):
    """Open a regular file; a FIFO without a writer is refused and not waited for."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("not a regular file")
    return os.fdopen(handle, "rb")


def _decode(stream, mode):
    """Decode the first frame of an open file into a PIL image of `mode`; None keeps the file's own."""
    image = _pillow().open(stream, formats=FORMATS)
    if image.width * image.height > PIXEL_LIMIT:
        raise ValueError(f"{image.width}×{image.height} pixels are more than the {PIXEL_LIMIT:,} allowed")
    image.load()
    return image if mode is None else _convert(image, mode)


def _convert(image, mode):
    """Convert a PIL image to 8 bits a channel; dropping transparency leaves the colours as they are."""
    if image.mode.startswith("I"):
        image = _pillow().fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def open_picture(path, mode=None):
    """Read and decode a picture file.

    Parameters
    ----------
    path : str, bytes, os.PathLike or io.BytesIO
    mode : {"L", "RGB", "RGBA"}, optional
        Colours to convert to. "L" and "RGB" drop transparency; of 16-bit grey the high byte is kept.

    Returns
    -------
    PIL.Image.Image
        The first frame. A rotation noted in EXIF data is not applied, as in
        TensorFlow.

    Raises
    ------
    PictureError
        If the file cannot be read, is no regular file, is damaged, too large, or of another format.
    ImportError
        If Pillow is not installed.
    """
    _pillow()
    try:
        with nullcontext(path) if isinstance(path, io.BytesIO) else _open_regular(path) as stream:
            return _decode(stream, mode)
    except Exception as error:  # decoders raise any type on damaged files
        raise PictureError(
            f"picture {path!r} cannot be used ({type(error).__name__}: {error}). Remove it, or replace it by "
            f"a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file."
        ) from error


def load_img(path, color_mode="rgb", target_size=None, interpolation="nearest", keep_aspect_ratio=False):
    """Load a picture file as a PIL image.

    Parameters
    ----------
    path : str, bytes, os.PathLike or io.BytesIO
        A PNG, JPEG, BMP or GIF file; of an animation the first frame is read.
    color_mode : {"rgb", "rgba", "grayscale"}
        8 bits a channel, also for files of 16 bits.
    target_size : (int, int), optional
        Height and width to resize to. Pillow's resizing smooths when it makes a picture smaller, the one of
        `image_dataset_from_directory` does not.
    interpolation : {"nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"}
    keep_aspect_ratio : bool
        Cut out the largest central part with the proportions of `target_size` before resizing.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    PictureError
        If the file is not a usable picture.
    """
    check_choice("color_mode", color_mode, MODES)
    check_choice("interpolation", interpolation, ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"))
    if not isinstance(path, (str, bytes, os.PathLike, io.BytesIO)):
        raise TypeError(f"path: expected a path or io.BytesIO, received {type(path).__name__}.")
    image = open_picture(path, MODES[color_mode])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    height, width = target_size
    box = None
    if keep_aspect_ratio:
        top, left, bottom, right = central_part(image.height, image.width, target_size)
        box = (left, top, right, bottom)
    return image.resize((width, height), _pillow().Resampling[interpolation.upper()], box=box)


def img_to_array(img, data_format=None, dtype=None):
    """Convert a PIL image to an array.

    Parameters
    ----------
    img : PIL.Image.Image
    data_format : {"channels_last", "channels_first"}, optional
    dtype : dtype, default config.floatx()

    Returns
    -------
    ndarray, shape (h, w, c) or (c, h, w)
    """
    from ..config import floatx

    first = is_channels_first(data_format)
    x = np.array(img, dtype=dtype or floatx())
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3:
        raise ValueError(f"img: expected a picture, received an array of shape {x.shape}.")
    return x.transpose(2, 0, 1) if first else x


def array_to_img(x, data_format=None, scale=True, dtype=None):
    """Convert an array to a PIL image.

    Parameters
    ----------
    x : array_like, shape (h, w, c) or (c, h, w)
        c is 1 (grey), 3 (RGB) or 4 (RGBA). Grey values above 255 give an image of 32-bit integers.
    data_format : {"channels_last", "channels_first"}, optional
    scale : bool
        Shift and stretch the values so that the smallest becomes 0 and the largest 255.
    dtype : dtype, default config.floatx()
        Type of the computation.

    Returns
    -------
    PIL.Image.Image
    """
    from ..config import floatx

    first = is_channels_first(data_format)
    x = np.asarray(x, dtype=dtype or floatx())
    if first and x.ndim == 3:
        x = x.transpose(1, 2, 0)
    if x.ndim != 3 or x.shape[2] not in (1, 3, 4):
        raise ValueError(
            f"x: expected one picture with 1, 3 or 4 channels, received shape {x.shape} (channels last). "
            "Take one row of a batch, or set data_format."
        )
    if scale:
        x = x - x.min()
        x = x / (x.max() or 1) * 255
    if x.shape[2] > 1:
        return _pillow().fromarray(x.astype(np.uint8))
    return _pillow().fromarray(x[:, :, 0].astype(np.int32 if x.max() > 255 else np.uint8))


def smart_resize(x, size, interpolation="bilinear", data_format="channels_last"):
    """Resize pictures without changing their proportions: the longer side is cut first.

    Parameters
    ----------
    x : array, shape (h, w, c) or (n, h, w, c)
    size : (int, int)
        Height and width of the result.
    interpolation : {"nearest", "bilinear", "bicubic"}
    data_format : {"channels_last", "channels_first"}

    Returns
    -------
    float array
    """
    from fastnn.layers import Resizing

    return np.asarray(Resizing(*size, interpolation, crop_to_aspect_ratio=True, data_format=data_format)(x))


def save_img(path, x, data_format=None, file_format=None, scale=True, **kwargs):
    """Save an array as a picture file.

    Parameters
    ----------
    path : str, os.PathLike or binary file
    x : array_like
        As in `array_to_img`.
    data_format : {"channels_last", "channels_first"}, optional
    file_format : str, optional
        Pillow's name of the format; by default the ending of `path` decides.
    scale : bool
        As in `array_to_img`.
    **kwargs
        Passed on to ``PIL.Image.Image.save``, for example ``quality=90``.
    """
    image = array_to_img(x, data_format=data_format, scale=scale)
    ending = os.path.splitext(path)[1][1:] if isinstance(path, (str, os.PathLike)) else ""
    name = (file_format or str(ending)).lower()
    if image.mode == "RGBA" and name in ("jpg", "jpeg"):
        warnings.warn("JPEG has no transparency: the picture is saved as RGB.", stacklevel=2)
        image = image.convert("RGB")
    image.save(path, format="jpeg" if name == "jpg" else file_format, **kwargs)
