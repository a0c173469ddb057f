"""Where a convolution and its gradients go through Winograd's algorithm (``csrc/winograd.c``), and how.

Sizes are those of ``csrc/steps.def``, letters as in ``csrc/fnn.h``.
"""

import contextlib
from contextvars import ContextVar

TILE, TAPS, POINTS = 4, 3, 36  # side of a tile of outputs, of the kernel; multiplications for one tile
TRANSFORM = 16  # multiply-adds that take as long as transforming one value
GAIN = 1.05  # in multiply-adds, below which the direct kernel is kept
MAX_KERNEL = 1 << 20  # c * f: the transformed kernel takes 4 times its memory
PARTS, PARTS_BYTES, PART_TILES, PART_TILES_MIN = 8, 1 << 23, 256, 16  # of the kernel gradient, see `parts_of`

_allowed = ContextVar("winograd", default=True)


@contextlib.contextmanager
def direct_only():
    """Programs lowered inside keep to the direct kernels: for tests and benchmarks."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def applies(sizes):
    """Whether the algorithm can compute a convolution at all."""
    ones = ("stride_h", "stride_w", "dilation_h", "dilation_w", "groups")
    return sizes["r"] == sizes["s"] == TAPS and all(sizes[name] == 1 for name in ones)


def tiles_of(sizes):
    """Tiles of all images."""
    return sizes["n"] * -(-sizes["p"] // TILE) * -(-sizes["q"] // TILE)


def wins(sizes):
    """Whether Winograd's algorithm is faster than the direct kernel.

    Both are counted in multiply-adds.  A direct convolution has 9 for each output pixel and pair of channels; in a tile
    of 4 x 4 outputs Winograd's has 36, and transforms 36 values of each channel of both sides, and 36 of the kernel.
    So few channels lose (the transforms cost more than they save), and so do outputs that fill their tiles badly.
    The two gradients do the same work.  (Measured on a core with AVX2: a transformed value takes 0.3 to 0.4 ns, a
    multiply-add 0.022 ns.  Of 200 convolutions, with 1 to 32 images of 6x6 to 28x28 and 3 to 512 channels, those that
    this rule lets through ran 0.96 to 3.8 times as fast as the direct kernels.)
    """
    if not _allowed.get() or not applies(sizes) or sizes["c"] * sizes["f"] > MAX_KERNEL:
        return False
    c, f = sizes["c"], sizes["f"]
    tiles = tiles_of(sizes)
    direct = TAPS * TAPS * sizes["n"] * sizes["p"] * sizes["q"] * c * f
    return direct >= GAIN * POINTS * (tiles * (c * f + TRANSFORM * (c + f)) + TRANSFORM * c * f)


def _own_sizes(sizes):
    """Those of csrc/steps.def: window, strides and groups are always the same."""
    return {name: sizes[name] for name in ("n", "h", "w", "c", "p", "q", "f", "pad_top", "pad_left")}


def _transformed_kernel(lowering, w):
    u = lowering.temporary((POINTS, *w.shape[-2:]), w.dtype)
    lowering.step("winograd_kernel", (w,), (u,), {"c": u.shape[1], "f": u.shape[2]})
    return u


def lower_conv(lowering, instruction, x, w, sizes, kernel="winograd_conv2d"):
    """y of x; or with ``winograd_input_gradient`` dx of x = dy and w the transposed kernel."""
    u = _transformed_kernel(lowering, w)
    lowering.step(kernel, (x, u), instruction.outputs, _own_sizes(sizes), instruction)


def pools(window, strides, pad):
    """Whether each window of a pooling lies in one tile of outputs."""
    axes = zip(window, strides, pad, strict=True)
    return all(side <= stride and TILE % stride == 0 and before == 0 for side, stride, (before, _) in axes)


def lower_pooled(lowering, pool, x, w, sizes, pool_sizes):
    """The max-pool `pool` of y, a tile at a time."""
    u = _transformed_kernel(lowering, w)
    sizes = _own_sizes(sizes) | pool_sizes
    lowering.step("winograd_conv2d_max_pool2d", (x, u), pool.outputs, sizes, pool)


def parts_of(sizes):
    """Partial sums of the kernel gradient: a power of two, by the shape alone.

    Each is 4 times the kernel's size: worth writing and reading if it is small, or adds up many tiles.
    """
    tiles = tiles_of(sizes)
    most = max(tiles // PART_TILES, PARTS_BYTES // (4 * POINTS * sizes["c"] * sizes["f"]))
    most = max(1, min(most, tiles // PART_TILES_MIN, sizes["n"], PARTS))
    return 1 << most.bit_length() - 1


def lower_kernel_gradient(lowering, instruction, sizes):
    """dw: transformed sums over parts of the batch, added and transformed back."""
    parts, c, f = parts_of(sizes), sizes["c"], sizes["f"]
    partial = lowering.temporary((parts, POINTS, c, f))
    lowering.step("winograd_kernel_gradient", instruction.inputs, (partial,), {**_own_sizes(sizes), "parts": parts})
    lowering.step("winograd_kernel_gradient_sum", (partial,), instruction.outputs, {"parts": parts, "c": c, "f": f})
