"""Images smoothed, their edges, windows of them, and how much two of them differ."""

import numpy as np

from fastnn.ops.conv import as_tuple, depthwise_conv
from fastnn.ops.elementwise import exp, log, square
from fastnn.ops.image_layout import as_batch
from fastnn.ops.reduce import mean
from fastnn.ops.reduce import sum as _sum
from fastnn.ops.shape import broadcast_to, expand_dims, reshape, stack, tensor_like
from fastnn.ops.windows import patches


def _gaussian(size, sigma):
    """exp(-x**2 / (2 sigma**2)) around the middle of `size` elements, with the sum 1."""
    x = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    line = exp(square(x / sigma) * -0.5)
    return line / _sum(line)


def _gaussian_window(size, sigma, channels):
    """(r, s, channels, 1), for (s, r) given as (width, height)."""
    across, down = (_gaussian(n, deviation) for n, deviation in zip(size, sigma, strict=True))
    window = reshape(expand_dims(down, 1) * expand_dims(across, 0), (size[1], size[0], 1, 1))
    return broadcast_to(window, (size[1], size[0], channels, 1))


def gaussian_blur(images, kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None):
    """Images smoothed by a Gaussian; beyond the edges lie zeros.

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    kernel_size : (int, int)
        Width and height of the window.
    sigma : (float, float)
        Standard deviations across and down, in pixels.
    data_format : {"channels_last", "channels_first"}, optional
    """
    images, back = as_batch("gaussian_blur", images, data_format)
    size = as_tuple(kernel_size, 2, "gaussian_blur")
    sigma = tuple(sigma[i] for i in range(2)) if not isinstance(sigma, (int, float)) else (sigma, sigma)
    window = _gaussian_window(size, sigma, images.shape[-1])
    return back(depthwise_conv(images, window, padding="same", data_format="channels_last"))


def sobel_edges(images, data_format=None):
    """How images change downwards and to the right (Sobel's windows of 3 x 3), along a new last axis.

    Parameters
    ----------
    images : tensor of shape (n, h, w, c)
        Or (n, c, h, w) with channels_first.

    Returns
    -------
    tensor with the shape of the images and a last axis (dy, dx)
    """
    images, back = as_batch("sobel_edges", images, data_format)
    across = np.float32([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    changes = []
    for window in (across.T, across):
        kernel = np.repeat(window[:, :, None, None], images.shape[-1], 2)
        changes.append(back(depthwise_conv(images, kernel, padding="same", data_format="channels_last")))
    return stack(changes, -1)


def extract_patches(images, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """The windows of images, their pixels side by side in the channels.

    Parameters
    ----------
    images : tensor of shape (n, h, w, c) or (h, w, c)
    size : int or (int, int); three integers for volumes, as of `extract_patches_3d`
    strides : int or (int, int), optional
        As large as the windows unless given.
    dilation_rate : int or (int, int)
    padding : {"valid", "same"}
    data_format : {"channels_last", "channels_first"}, optional

    Returns
    -------
    tensor of shape (n, p, q, height * width * c)
    """
    if not isinstance(size, int) and len(size) == 3:
        return extract_patches_3d(images, size, strides, dilation_rate, padding, data_format)
    images, back = as_batch("extract_patches", images, data_format)
    size = as_tuple(size, 2, "extract_patches")
    return back(patches(images, size, strides, dilation_rate, padding, "extract_patches"))


def extract_patches_3d(volumes, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """As `extract_patches`, of volumes (n, d, h, w, c) or (d, h, w, c) with windows of three sizes."""
    volumes, back = as_batch("extract_patches_3d", volumes, data_format, spatial=3)
    size = as_tuple(size, 3, "extract_patches_3d")
    return back(patches(volumes, size, strides, dilation_rate, padding, "extract_patches_3d"))


def _check_pair(name, x1, x2):
    x1, x2 = tensor_like(x1), tensor_like(x2)
    if tuple(x1.shape) != tuple(x2.shape):
        raise ValueError(f"{name}: expected two tensors of one shape, received {tuple(x1.shape)} and {tuple(x2.shape)}")


def psnr(x1, x2, max_val):
    """The peak signal-to-noise ratio in decibels, 10 log10(max_val**2 / mean((x1 - x2)**2)); a scalar."""
    _check_pair("psnr", x1, x2)
    error = mean(square(tensor_like(x1) - tensor_like(x2)))
    return 20.0 * np.float32(np.log10(max_val)) - log(error) * (10.0 / np.log(10.0))


def ssim(image1, image2, max_val=1.0, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03, data_format=None):
    """The structural similarity of images, 1 for equal ones (Wang et al., IEEE Trans. Image Processing 13, 2004).

    Parameters
    ----------
    image1, image2 : tensors of one shape, (n, h, w, c) or (h, w, c)
    max_val : float
        The largest value of a pixel.
    filter_size, filter_sigma : int, float
        The Gaussian window over which means, variances and the covariance are taken.
    k1, k2 : float
        (k1 max_val)**2 and (k2 max_val)**2 keep the denominators from 0.
    data_format : {"channels_last", "channels_first"}, optional

    Returns
    -------
    tensor of shape (n,), or () for single images
    """
    _check_pair("ssim", image1, image2)
    single = len(tensor_like(image1).shape) == 3
    (x, _), (y, _) = (as_batch("ssim", image, data_format) for image in (image1, image2))
    window = _gaussian_window((filter_size,) * 2, (filter_sigma,) * 2, x.shape[-1])

    def smooth(images):
        return depthwise_conv(images, window, padding="valid", data_format="channels_last")

    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    mean_x, mean_y = smooth(x), smooth(y)
    spread = smooth(x * x) + smooth(y * y) - mean_x * mean_x - mean_y * mean_y
    together = smooth(x * y) - mean_x * mean_y
    top = (mean_x * mean_y * 2.0 + c1) * (together * 2.0 + c2)
    below = (mean_x * mean_x + mean_y * mean_y + c1) * (spread + c2)
    similarity = mean(top / below, (1, 2, 3))
    return similarity[0] if single else similarity
