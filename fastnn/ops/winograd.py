"""Where a convolution and its gradients go through Winograd's algorithm (``csrc/winograd.c``), and how.

Sizes are those of ``csrc/steps.def``, letters as in ``csrc/fnn.h``.
"""

import contextlib
import math
from contextvars import ContextVar

TILE, TAPS, POINTS = 4, 3, 36  # side of a tile of outputs, of the kernel; multiplications for one tile
TRANSFORM = 16  # multiply-adds that take as long as transforming one value
GAIN = 1.05  # in multiply-adds, below which the direct kernel is kept
MAX_KERNEL = 1 << 20  # c * f: the transformed kernel takes 4 times its memory
PIECES, PIECE_TILES, PIECES_BYTES = 8, 256, 1 << 23  # partial sums of the kernel gradient, see `pieces`

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


def wins(sizes, outputs):
    """Whether Winograd's algorithm is faster than the direct kernel.

    Both are counted in multiply-adds.  A direct convolution has 9 for each output pixel and pair of channels; in a tile
    of 4 x 4 outputs Winograd's has 36, and transforms 36 values of each channel of both sides, and 36 of the kernel.
    So few channels lose (the transforms cost more than they save), and so do outputs that fill their tiles badly.
    (Measured on two cores with AVX2: a transformed value takes 0.3 to 0.4 ns, a multiply-add 0.022 ns; the direct
    kernels reach 56 to 94 GFLOP/s.)

    Parameters
    ----------
    sizes : dict
        Of a ``conv2d`` step.
    outputs : tuple of int
        Height and width of what is cut into tiles.
    """
    if not _allowed.get() or not applies(sizes) or sizes["c"] * sizes["f"] > MAX_KERNEL:
        return False
    c, f = sizes["c"], sizes["f"]
    tiles = sizes["n"] * math.prod(-(-size // TILE) for size in outputs)
    direct = TAPS * TAPS * sizes["n"] * sizes["p"] * sizes["q"] * c * f
    return direct >= GAIN * POINTS * (tiles * (c * f + TRANSFORM * (c + f)) + TRANSFORM * c * f)


def forward(sizes):
    """The sizes of ``winograd_conv2d``."""
    return {name: sizes[name] for name in ("n", "h", "w", "c", "p", "q", "f", "pad_top", "pad_left")}


def backward(sizes):
    """The sizes of the convolution of dy that is dx."""
    return {
        "n": sizes["n"], "h": sizes["p"], "w": sizes["q"], "c": sizes["f"],
        "p": sizes["h"], "q": sizes["w"], "f": sizes["c"],
        "pad_top": TAPS - 1 - sizes["pad_top"], "pad_left": TAPS - 1 - sizes["pad_left"],
    }  # fmt: skip


def lower_conv(lowering, instruction, x, w, sizes, turned=0):
    """y, or dx where `turned`: then x is dy, w the transposed kernel."""
    c, f = sizes["c"], sizes["f"]
    u = lowering.temporary((POINTS, c, f))
    lowering.step("winograd_kernel", (w,), (u,), {"c": c, "f": f, "turned": turned})
    lowering.step("winograd_conv2d", (x, u), instruction.outputs, sizes, instruction)


def pieces(sizes):
    """Partial sums of the kernel gradient: a power of two, by the shape alone.

    Each is 4 times the kernel's size; a piece that adds up few tiles must be small to be worth writing and reading.
    """
    tiles = sizes["n"] * -(-sizes["p"] // TILE) * -(-sizes["q"] // TILE)
    most = max(tiles // PIECE_TILES, PIECES_BYTES // (4 * POINTS * sizes["c"] * sizes["f"]), 1)
    return min(PIECES, 1 << most.bit_length() - 1)


def lower_kernel_gradient(lowering, instruction, sizes):
    """dw: transformed sums over groups of images, added and transformed back."""
    n, c, f = sizes["n"], sizes["c"], sizes["f"]
    images = -(-n // pieces(sizes))
    groups = -(-n // images)
    partial = lowering.temporary((groups, POINTS, c, f))
    lowering.step("winograd_kernel_gradient", instruction.inputs, (partial,), {**sizes, "images": images})
    lowering.step("winograd_kernel_gradient_sum", (partial,), instruction.outputs, {"groups": groups, "c": c, "f": f})
