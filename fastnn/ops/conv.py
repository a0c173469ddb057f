"""Convolutions over images (n, h, w, c) with kernels (r, s, c, f), over sequences as images of height 1.

Those over volumes (n, d, h, w, c) are convolutions over images whose channels are the slices under the window's depth.

Dimension letters as in ``csrc/fnn.h``: n batch, h w c input, p q f output, r s window, g groups.
"""

import math

import numpy as np

from fastnn.graph.program import Arithmetic, apply
from fastnn.ops import winograd
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats
from fastnn.ops.shape import concatenate, expand_dims, get_item, moveaxis, reshape, squeeze, transpose
from fastnn.ops.shape import pad as pad_zeros
from fastnn.ops.shape import shape as shape_of

POOLED_KERNEL = 1 << 16  # elements of a kernel that may be read for each few rows that a max-pool takes
KERNEL_GRADIENT_PARTS = 8  # the batch is cut into so many partial sums, by the shape alone


def window_padding(size, window, stride, dilation, padding):
    """(before, after): the zeros added along one axis; TensorFlow's rule for ``"same"``, the odd one goes after."""
    if padding == "valid":
        return 0, 0
    reach = (window - 1) * dilation + 1
    if padding == "causal":
        return reach - 1, 0
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def output_size(size, window, stride, dilation, pad):
    """How many windows fit along one axis."""
    return (size + sum(pad) - (window - 1) * dilation - 1) // stride + 1


class _Convolution(Primitive):
    """The sizes shared by the convolution, its input gradient and its kernel gradient."""

    def geometry(self, x_shape, w_shape, y_shape, strides, dilation, pad, groups):
        """The sizes of ``csrc/steps.def``."""
        (n, h, w, c), (r, s, _, f), (_, p, q, _) = x_shape, w_shape, y_shape
        return {
            "n": n, "h": h, "w": w, "c": c // groups, "p": p, "q": q, "f": f // groups, "r": r, "s": s,
            "stride_h": strides[0], "stride_w": strides[1], "dilation_h": dilation[0], "dilation_w": dilation[1],
            "pad_top": pad[0][0], "pad_left": pad[1][0], "groups": groups,
        }  # fmt: skip

    def shapes(self, instruction):
        """Shapes of x, w and y, whatever the direction."""
        raise NotImplementedError

    def flops(self, instruction):
        _, w_shape, y_shape = self.shapes(instruction)
        r, s, c, _ = w_shape
        return 2 * math.prod(y_shape) * r * s * c


def _patches(x, r, s, p, q, strides, dilation, pad):
    """For every tap (i, j) of the window: (i, j, the (n, p, q, c) elements under it)."""
    x = np.pad(x, ((0, 0), *pad, (0, 0)))
    for i in range(r):
        for j in range(s):
            a, b = i * dilation[0], j * dilation[1]
            rows = slice(a, a + (p - 1) * strides[0] + 1, strides[0])
            cols = slice(b, b + (q - 1) * strides[1] + 1, strides[1])
            yield i, j, (slice(None), rows, cols), x


class Conv2D(_Convolution):
    """y[n,p,q,f] = sum over r, s, c of x[n, p*stride + r*dilation - pad, ...] * w[r,s,c,f], zeros outside x."""

    epilogue = True

    def infer(self, x, w, strides, dilation, pad, groups):
        n, h, width, c = x.shape
        r, s, cg, f = w.shape
        if cg * groups != c or f % groups:
            raise ValueError(
                f"conv2d: an input with {c} channels and a kernel of shape {w.shape} in {groups} groups do not fit: "
                f"the kernel needs {c // groups} input channels"
            )
        p = output_size(h, r, strides[0], dilation[0], pad[0])
        q = output_size(width, s, strides[1], dilation[1], pad[1])
        if p < 1 or q < 1:
            raise ValueError(
                f"conv2d: a window of {r}x{s} (dilation {dilation}) is larger than the input {h}x{width}: "
                'use padding="same" or a smaller kernel'
            )
        return [((n, p, q, f), x.dtype)]

    def shapes(self, instruction):
        return instruction.inputs[0].shape, instruction.inputs[1].shape, instruction.outputs[0].shape

    def reference(self, x, w, strides, dilation, pad, groups):
        (n, h, width, _), (r, s, cg, f) = x.shape, w.shape
        p = output_size(h, r, strides[0], dilation[0], pad[0])
        q = output_size(width, s, strides[1], dilation[1], pad[1])
        y = np.zeros((n, p, q, groups, f // groups), np.result_type(x, w))
        for i, j, window, padded in _patches(x, r, s, p, q, strides, dilation, pad):
            patch = padded[window].reshape(n, p, q, groups, cg)
            taps = w[i, j].reshape(cg, groups, f // groups)
            for g in range(groups):
                y[..., g, :] += patch[..., g, :] @ taps[:, g]
        return y.reshape(n, p, q, f)

    def gradient(self, gradients, inputs, outputs, **attributes):
        (dy,), (x, w) = gradients, inputs
        dx = apply(_conv2d_input_gradient, dy, w, shape=x.shape, **attributes)
        dw = apply(_conv2d_kernel_gradient, x, dy, shape=w.shape, **attributes)
        return dx, dw

    def lower(self, lowering, instruction):
        sizes = self.geometry(*self.shapes(instruction), **instruction.attributes)
        if winograd.wins(sizes):
            winograd.lower_conv(lowering, instruction, *instruction.inputs, sizes)
        else:
            lowering.step("conv2d", instruction.inputs, instruction.outputs, sizes, instruction)

    def pools(self, instruction, window, strides, pad):
        """Whether the kernel can go on with a max-pool: each pixel then lies in one window, and few have to be kept."""
        sizes = self.geometry(*self.shapes(instruction), **instruction.attributes)
        if winograd.wins(sizes):
            return winograd.pools(window, strides, pad)
        return strides[0] >= window[0] and math.prod(instruction.inputs[1].shape) <= POOLED_KERNEL

    def lower_pooled(self, lowering, instruction, pool, pool_sizes):
        """The kernel that makes the outputs of a max-pool, with its sizes."""
        sizes = self.geometry(*self.shapes(instruction), **instruction.attributes)
        own = {name if name == "winners" else f"pool_{name}": size for name, size in pool_sizes.items()}
        own = {name: size for name, size in own.items() if name not in ("pool_n", "pool_h", "pool_w", "pool_c")}
        if winograd.wins(sizes):
            winograd.lower_pooled(lowering, pool, *instruction.inputs, sizes, own)
        else:
            lowering.step("conv2d_max_pool2d", instruction.inputs, pool.outputs, sizes | own, pool)


class Conv2DInputGradient(_Convolution):
    """dx: each dy[n,p,q,f] * w[r,s,c,f] is added to the place of x it came from."""

    epilogue = True

    def infer(self, dy, w, shape, **attributes):
        return [(shape, dy.dtype)]

    def shapes(self, instruction):
        return instruction.outputs[0].shape, instruction.inputs[1].shape, instruction.inputs[0].shape

    def reference(self, dy, w, shape, strides, dilation, pad, groups):
        (n, p, q, f), (r, s, cg, _) = dy.shape, w.shape
        dx = np.zeros(shape, np.result_type(dy, w))
        dy = dy.reshape(n, p, q, groups, f // groups)
        padded = np.pad(dx, ((0, 0), *pad, (0, 0)))
        for i, j, window, _ in _patches(dx, r, s, p, q, strides, dilation, pad):
            taps = w[i, j].reshape(cg, groups, f // groups)
            patch = np.stack([dy[..., g, :] @ taps[:, g].T for g in range(groups)], -2)
            padded[window] += patch.reshape(n, p, q, groups * cg)
        (top, _), (left, _) = pad
        return np.ascontiguousarray(padded[:, top : top + shape[1], left : left + shape[2]])

    def gradient(self, gradients, inputs, outputs, shape, **attributes):
        (ddx,), (dy, w) = gradients, inputs
        return apply(_conv2d, ddx, w, **attributes), apply(
            _conv2d_kernel_gradient, ddx, dy, shape=w.shape, **attributes
        )

    def lower(self, lowering, instruction):
        attributes = {k: v for k, v in instruction.attributes.items() if k != "shape"}
        sizes = self.geometry(*self.shapes(instruction), **attributes)
        dy, w = instruction.inputs
        r, s, c, f = w.shape
        groups = attributes["groups"]
        turned = lowering.rearranged(w, (r, s, groups, f // groups, c), (s * c * f, c * f, f // groups, 1, f))
        if winograd.wins(sizes):
            winograd.lower_conv(lowering, instruction, dy, turned, sizes, "winograd_input_gradient")
        else:
            lowering.step("conv2d_input_gradient", (dy, turned), instruction.outputs, sizes, instruction)


class Conv2DKernelGradient(_Convolution):
    """dw[r,s,c,f] = sum over n, p, q of x under the tap times dy."""

    def infer(self, x, dy, shape, **attributes):
        return [(shape, x.dtype)]

    def shapes(self, instruction):
        return instruction.inputs[0].shape, instruction.outputs[0].shape, instruction.inputs[1].shape

    def reference(self, x, dy, shape, strides, dilation, pad, groups):
        (n, p, q, f), (r, s, cg, _) = dy.shape, shape
        dw = np.zeros((r, s, cg, groups, f // groups), np.result_type(x, dy))
        dy = dy.reshape(n * p * q, groups, f // groups)
        for i, j, window, padded in _patches(x, r, s, p, q, strides, dilation, pad):
            patch = padded[window].reshape(n * p * q, groups, cg)
            for g in range(groups):
                dw[i, j, :, g] = patch[:, g].T @ dy[:, g]
        return dw.reshape(shape)

    def gradient(self, gradients, inputs, outputs, shape, **attributes):
        (ddw,), (x, dy) = gradients, inputs
        return apply(_conv2d_input_gradient, dy, ddw, shape=x.shape, **attributes), apply(_conv2d, x, ddw, **attributes)

    def lower(self, lowering, instruction):
        attributes = {k: v for k, v in instruction.attributes.items() if k != "shape"}
        sizes = self.geometry(*self.shapes(instruction), **attributes)
        if winograd.wins(sizes):
            winograd.lower_kernel_gradient(lowering, instruction, sizes)
        else:
            lower_partial_sums(lowering, "conv2d_kernel_gradient", instruction, sizes)


def lower_partial_sums(lowering, kernel, instruction, sizes):
    """A kernel gradient: partial sums over parts of the batch, then their sum in index order."""
    (dw,) = instruction.outputs
    parts = max(1, min(sizes["n"], KERNEL_GRADIENT_PARTS))
    target = dw if parts == 1 else lowering.temporary((parts, *dw.shape), dw.dtype)
    lowering.step(kernel, instruction.inputs, (target,), {**sizes, "parts": parts})
    if parts > 1:
        lowering.add_up(target, dw)


class DepthwiseConv2D(_Convolution):
    """y[n,p,q,c*m + k] = sum over r, s of x[n, ..., c] * w[r,s,c,k]: every channel has m filters of its own."""

    epilogue = True

    def infer(self, x, w, strides, dilation, pad):
        n, h, width, c = x.shape
        r, s, c2, m = w.shape
        if c != c2:
            raise ValueError(f"depthwise_conv: an input with {c} channels and a kernel of shape {w.shape} do not fit")
        p = output_size(h, r, strides[0], dilation[0], pad[0])
        q = output_size(width, s, strides[1], dilation[1], pad[1])
        if p < 1 or q < 1:
            raise ValueError(
                f'depthwise_conv: a window of {r}x{s} is larger than the input {h}x{width}: use padding="same"'
            )
        return [((n, p, q, c * m), x.dtype)]

    def shapes(self, instruction):
        return instruction.inputs[0].shape, instruction.inputs[1].shape, instruction.outputs[0].shape

    def geometry(self, x_shape, w_shape, y_shape, strides, dilation, pad):
        multiplier = w_shape[3]
        sizes = super().geometry(x_shape, w_shape, y_shape, strides, dilation, pad, 1)
        del sizes["f"], sizes["groups"]
        return {**sizes, "multiplier": multiplier}

    def flops(self, instruction):
        _, (r, s, _, _), y_shape = self.shapes(instruction)
        return 2 * math.prod(y_shape) * r * s

    def reference(self, x, w, strides, dilation, pad):
        (n, h, width, c), (r, s, _, m) = x.shape, w.shape
        p = output_size(h, r, strides[0], dilation[0], pad[0])
        q = output_size(width, s, strides[1], dilation[1], pad[1])
        y = np.zeros((n, p, q, c, m), np.result_type(x, w))
        for i, j, window, padded in _patches(x, r, s, p, q, strides, dilation, pad):
            y += padded[window][..., None] * w[i, j]
        return y.reshape(n, p, q, c * m)

    def gradient(self, gradients, inputs, outputs, **attributes):
        (dy,), (x, w) = gradients, inputs
        dx = apply(_depthwise_input_gradient, dy, w, shape=x.shape, **attributes)
        dw = apply(_depthwise_kernel_gradient, x, dy, shape=w.shape, **attributes)
        return dx, dw

    def lower(self, lowering, instruction):
        sizes = self.geometry(*self.shapes(instruction), **instruction.attributes)
        lowering.step("depthwise_conv2d", instruction.inputs, instruction.outputs, sizes, instruction)


class DepthwiseConv2DInputGradient(DepthwiseConv2D):
    """dx of the depthwise convolution."""

    epilogue = False

    def infer(self, dy, w, shape, **attributes):
        return [(shape, dy.dtype)]

    def shapes(self, instruction):
        return instruction.outputs[0].shape, instruction.inputs[1].shape, instruction.inputs[0].shape

    def reference(self, dy, w, shape, strides, dilation, pad):
        (n, p, q, _), (r, s, c, m) = dy.shape, w.shape
        dx = np.zeros(shape, np.result_type(dy, w))
        padded = np.pad(dx, ((0, 0), *pad, (0, 0)))
        dy = dy.reshape(n, p, q, c, m)
        for i, j, window, _ in _patches(dx, r, s, p, q, strides, dilation, pad):
            padded[window] += (dy * w[i, j]).sum(-1)
        (top, _), (left, _) = pad
        return np.ascontiguousarray(padded[:, top : top + shape[1], left : left + shape[2]])

    def gradient(self, gradients, inputs, outputs, shape, **attributes):
        (ddx,), (dy, w) = gradients, inputs
        dw = apply(_depthwise_kernel_gradient, ddx, dy, shape=w.shape, **attributes)
        return apply(_depthwise_conv2d, ddx, w, **attributes), dw

    def lower(self, lowering, instruction):
        attributes = {k: v for k, v in instruction.attributes.items() if k != "shape"}
        sizes = self.geometry(*self.shapes(instruction), **attributes)
        lowering.step("depthwise_conv2d_input_gradient", instruction.inputs, instruction.outputs, sizes)


class DepthwiseConv2DKernelGradient(DepthwiseConv2D):
    """dw of the depthwise convolution."""

    epilogue = False

    def infer(self, x, dy, shape, **attributes):
        return [(shape, x.dtype)]

    def shapes(self, instruction):
        return instruction.inputs[0].shape, instruction.outputs[0].shape, instruction.inputs[1].shape

    def reference(self, x, dy, shape, strides, dilation, pad):
        (n, p, q, _), (r, s, c, m) = dy.shape, shape
        dw = np.zeros(shape, np.result_type(x, dy))
        dy = dy.reshape(n, p, q, c, m)
        for i, j, window, padded in _patches(x, r, s, p, q, strides, dilation, pad):
            dw[i, j] = np.einsum("npqc,npqcm->cm", padded[window], dy)
        return dw

    def gradient(self, gradients, inputs, outputs, shape, **attributes):
        (ddw,), (x, dy) = gradients, inputs
        dx = apply(_depthwise_input_gradient, dy, ddw, shape=x.shape, **attributes)
        return dx, apply(_depthwise_conv2d, x, ddw, **attributes)

    def lower(self, lowering, instruction):
        attributes = {k: v for k, v in instruction.attributes.items() if k != "shape"}
        sizes = self.geometry(*self.shapes(instruction), **attributes)
        lower_partial_sums(lowering, "depthwise_conv2d_kernel_gradient", instruction, sizes)


_conv2d = Conv2D("conv2d")
_conv2d_input_gradient = Conv2DInputGradient("conv2d_input_gradient")
_conv2d_kernel_gradient = Conv2DKernelGradient("conv2d_kernel_gradient")
_depthwise_conv2d = DepthwiseConv2D("depthwise_conv2d")
_depthwise_input_gradient = DepthwiseConv2DInputGradient("depthwise_conv2d_input_gradient")
_depthwise_kernel_gradient = DepthwiseConv2DKernelGradient("depthwise_conv2d_kernel_gradient")


def as_tuple(value, rank, name):
    """A number repeated `rank` times, or a sequence of that length."""
    values = (value,) * rank if isinstance(value, (int, np.integer)) else tuple(int(v) for v in value)
    if len(values) != rank or any(v < 1 for v in values):
        raise ValueError(f"{name}: expected a positive integer or {rank} of them, received {value!r}")
    return values


def images_from(inputs, data_format, rank):
    """Inputs as images (n, h, w, c): channels moved last, sequences given a height of 1."""
    x = inputs if isinstance(inputs, (Arithmetic, np.ndarray)) else np.asarray(inputs)
    if x.ndim != rank + 2:
        raise ValueError(
            f"expected an input with {rank + 2} axes (batch, {rank} in space, channels), received {x.shape}"
        )
    x = as_floats(x)
    if channels_first(data_format):
        x = moveaxis(x, 1, -1)
    return expand_dims(x, 1) if rank == 1 else x


def images_back(y, data_format, rank):
    """The reverse of `images_from`."""
    y = squeeze(y, 1) if rank == 1 else y
    return moveaxis(y, -1, 1) if channels_first(data_format) else y


def channels_first(data_format):
    """True if the given or default layout has the channels before the axes in space."""
    from fastnn import config

    return (data_format or config.image_data_format()) == "channels_first"


def window_geometry(sizes, window, strides, dilation, padding, rank, name):
    """(strides, dilation, pad) for two axes; a sequence has a height of 1."""
    if padding not in ("valid", "same") and not (padding == "causal" and rank == 1):
        raise ValueError(f'{name}: padding must be "valid" or "same", received {padding!r}')
    strides = as_tuple(strides, rank, f"{name} strides")
    dilation = as_tuple(dilation, rank, f"{name} dilation_rate")
    pad = tuple(
        window_padding(*axis, padding) for axis in zip(sizes[-rank:], window[-rank:], strides, dilation, strict=True)
    )
    return ((1, *strides), (1, *dilation), ((0, 0), *pad)) if rank == 1 else (strides, dilation, pad)


def conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution in one, two or three dimensions; groups follow from the channels of input and kernel.

    Parameters
    ----------
    inputs : tensor of shape (n, w, c), (n, h, w, c) or (n, d, h, w, c)
    kernel : tensor of shape (s, c / groups, f), (r, s, c / groups, f) or (depth, r, s, c / groups, f)
    strides, dilation_rate : int or tuple of int
    padding : {"valid", "same", "causal"}
    data_format : {"channels_last", "channels_first"}, optional

    Returns
    -------
    tensor of shape (n, q, f), (n, p, q, f) or (n, depth, p, q, f)
    """
    rank = len(shape_of(kernel)) - 2
    if rank not in (1, 2, 3):
        raise ValueError(f"conv: kernels have 3 to 5 axes, received shape {shape_of(kernel)}")
    x = images_from(inputs, data_format, rank)
    w = expand_dims(kernel, 0) if rank == 1 else kernel
    channels, per_group = x.shape[-1], shape_of(w)[-2]
    if channels % per_group:
        raise ValueError(f"conv: {channels} input channels cannot be cut into groups of {per_group}, the kernel's")
    geometry = window_geometry(x.shape[1:-1], shape_of(w)[:-2], strides, dilation_rate, padding, rank, "conv")
    if rank == 3:
        return images_back(_convolve_volumes(x, w, channels // per_group, *geometry), data_format, rank)
    strides, dilation, pad = geometry
    y = apply(_conv2d, x, w, strides=strides, dilation=dilation, pad=pad, groups=channels // per_group)
    return images_back(y, data_format, rank)


def _convolve_volumes(x, w, groups, strides, dilation, pad):
    """One convolution over images: the slices under the window's depth lie side by side as channels of each group."""
    n, depth, *image, channels = x.shape
    taps, r, s, per_group, filters = shape_of(w)
    places = output_size(depth, taps, strides[0], dilation[0], pad[0])
    if places < 1:
        raise ValueError(f'conv: a window of depth {taps} is larger than the input\'s {depth}: use padding="same"')
    if any(pad[0]):
        x = pad_zeros(x, ((0, 0), pad[0], (0, 0), (0, 0), (0, 0)))
    slices = []
    for tap in range(taps):
        first = tap * dilation[0]
        part = get_item(x, (slice(None), slice(first, first + (places - 1) * strides[0] + 1, strides[0])))
        slices.append(reshape(part, (n * places, *image, groups, 1, per_group)))
    images = reshape(concatenate(slices, -2), (n * places, *image, taps * channels))
    kernel = reshape(transpose(w, (1, 2, 0, 3, 4)), (r, s, taps * per_group, filters))
    geometry = {"strides": tuple(strides[1:]), "dilation": tuple(dilation[1:]), "pad": tuple(pad[1:])}
    y = apply(_conv2d, images, kernel, groups=groups, **geometry)
    return reshape(y, (n, places, *y.shape[1:]))


def depthwise_conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution of each channel with filters of its own.

    Parameters
    ----------
    inputs : tensor of shape (n, h, w, c) or (n, w, c)
    kernel : tensor of shape (r, s, c, multiplier) or (s, c, multiplier)

    Returns
    -------
    tensor of shape (n, p, q, c * multiplier) or (n, q, c * multiplier)
    """
    rank = len(shape_of(kernel)) - 2
    x = images_from(inputs, data_format, rank)
    w = expand_dims(kernel, 0) if rank == 1 else kernel
    geometry = window_geometry(x.shape[1:3], shape_of(w)[:2], strides, dilation_rate, padding, rank, "depthwise_conv")
    strides, dilation, pad = geometry
    y = apply(_depthwise_conv2d, x, w, strides=strides, dilation=dilation, pad=pad)
    return images_back(y, data_format, rank)


def separable_conv(
    inputs, depthwise_kernel, pointwise_kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):
    """A depthwise convolution followed by a 1x1 convolution that mixes the channels."""
    y = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(y, pointwise_kernel, 1, "valid", data_format, 1)
