"""Transposed convolutions: the input gradient of a convolution, used forwards."""

from fastnn.graph.program import apply
from fastnn.ops.conv import _conv2d_input_gradient, as_tuple, images_back, images_from
from fastnn.ops.shape import _strided_place, expand_dims, get_item, reshape, transpose
from fastnn.ops.shape import pad as pad_zeros
from fastnn.ops.shape import shape as shape_of


def _output_geometry(size, window, stride, padding, output_padding, dilation):
    """(output size, zeros that the convolution adds before) along one axis, by the rule of TensorFlow and Keras."""
    reach = (window - 1) * dilation + 1
    if padding == "valid":
        extra = max(stride - reach, 0) if output_padding is None else output_padding
        return (size - 1) * stride + reach + extra, 0
    if output_padding is None:
        total, output = stride + reach - 2, size * stride
    else:
        total, output = reach + reach % 2 - 2 + output_padding, (size - 1) * stride + reach % 2 + output_padding
    return output, reach - 1 - min((total + 1) // 2, reach - 1)


def _axis_plan(size, window, stride, padding, output_padding, dilation):
    """(output size, its part that some window reaches, padding of the convolution) along one axis."""
    output, before = _output_geometry(size, window, stride, padding, output_padding, dilation)
    end = (size - 1) * stride + (window - 1) * dilation + 1 - before  # of the last window
    covered = min(output, end + stride - 1)  # a convolution over more would have one window more
    return output, covered, (before, max(end - covered, 0))


def conv_transpose(inputs, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1):
    """Transposed convolution in one, two or three dimensions: every input element adds the kernel, times itself.

    Parameters
    ----------
    inputs : tensor of shape (n, w, c), (n, h, w, c) or (n, d, h, w, c)
    kernel : tensor of shape (..., filters, c)
    strides, dilation_rate : int or tuple of int
    padding : {"valid", "same"}
        "same" gives outputs of the input's size times the stride.
    output_padding : int or tuple of int, optional
        How much larger than the least size the output is.
    data_format : {"channels_last", "channels_first"}, optional
    """
    rank = len(shape_of(kernel)) - 2
    if padding not in ("valid", "same"):
        raise ValueError(f'conv_transpose: padding must be "valid" or "same", received {padding!r}')
    x = images_from(inputs, data_format, rank)
    sizes, window = tuple(x.shape[-rank - 1 : -1]), tuple(shape_of(kernel)[:rank])
    if shape_of(kernel)[-1] != x.shape[-1]:
        raise ValueError(
            f"conv_transpose: an input with {x.shape[-1]} channels and a kernel of shape {shape_of(kernel)} do not "
            "fit: the kernel's last axis must equal the channels"
        )
    strides = as_tuple(strides, rank, "conv_transpose strides")
    dilation = as_tuple(dilation_rate, rank, "conv_transpose dilation_rate")
    more = (output_padding,) * rank if output_padding is None or isinstance(output_padding, int) else output_padding
    plans = [
        _axis_plan(size, reach, stride, padding, extra, rate)
        for size, reach, stride, extra, rate in zip(sizes, window, strides, more, dilation, strict=True)
    ]
    y = (_volumes if rank == 3 else _images)(x, kernel, strides, dilation, plans)
    y = y if rank > 1 else reshape(y, (y.shape[0], *y.shape[2:]))
    beyond = [(0, output - covered) for output, covered, _ in plans]
    if any(after for _, after in beyond):
        y = pad_zeros(y, ((0, 0), *beyond, (0, 0)))
    return images_back(expand_dims(y, 1) if rank == 1 else y, data_format, rank)


def _images(x, kernel, strides, dilation, plans):
    """Two dimensions; a sequence is an image of height 1."""
    if len(plans) == 1:
        kernel, strides, dilation = expand_dims(kernel, 0), (1, *strides), (1, *dilation)
        plans = [(1, 1, (0, 0)), *plans]
    covered, pad = [p[1] for p in plans], tuple(p[2] for p in plans)
    shape = (x.shape[0], *covered, shape_of(kernel)[-2])
    return apply(
        _conv2d_input_gradient, x, kernel, shape=shape, strides=tuple(strides), dilation=tuple(dilation), pad=pad,
        groups=1,
    )  # fmt: skip


def _volumes(x, kernel, strides, dilation, plans):
    """Every slice gives images for all taps of the window's depth at once; they are added up where they belong."""
    n, depth, *image, channels = x.shape
    taps, r, s, filters, _ = shape_of(kernel)
    flat = reshape(transpose(kernel, (1, 2, 0, 3, 4)), (r, s, taps * filters, channels))
    y = _images(reshape(x, (n * depth, *image, channels)), flat, strides[1:], dilation[1:], plans[1:])
    y = reshape(y, (n, depth, *y.shape[1:3], taps, filters))
    _, covered, (before, after) = plans[0]
    whole = (n, before + covered + after, *y.shape[2:4], filters)
    total = None
    for tap in range(taps):
        start = (0, tap * dilation[0], 0, 0, 0)
        part = apply(_strided_place, y[..., tap, :], shape=whole, start=start, step=(1, strides[0], 1, 1, 1))
        total = part if total is None else total + part
    return get_item(total, (slice(None), slice(before, before + covered)))
