"""Convolutions that end in a max-pool, of which a part is held at a time, against the two one after the other."""

import numpy as np
import pytest
from csrc.running import THREADS, bias_relu, integers, normals, outputs, run, run_all_threads
from csrc.test_conv import Conv, forward, shapes
from csrc.test_pool import NAMES, max_pool, packed
from csrc.test_winograd import convolve
from csrc.test_winograd import dims as winograd_dims

from fastnn.engine import native


def pooling(v, window, stride, pad=(0, 0), extra=(0, 0)):
    """The sizes of max_pool2d behind a convolution; extra: windows that end beyond its output."""
    large = v.p, v.q
    small = [(large[i] + 2 * pad[i] - window[i]) // stride[i] + 1 + extra[i] for i in range(2)]
    return dict(zip(NAMES, (v.n, *large, v.f * v.groups, *small, *window, *stride, *pad), strict=True))


def pool_dims(d, winners=1):
    named = {"pool_" + name: size for name, size in d.items() if name not in ("n", "h", "w", "c")}
    return named | {"winners": winners}


def small_shape(d):
    return d["n"], d["p"], d["q"], d["c"]


def check(kernel, sizes, d, inputs, large, rng):
    """y and winners are those of the large images `large`, and the epilogue runs over y."""
    expected, place = max_pool(d, large)
    winners = packed(d, place)
    shape = small_shape(d)
    made = [shape, winners.shape], [np.float32, np.int32]
    y, winner = run_all_threads(kernel, sizes | pool_dims(d), inputs, *made)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, winners)
    y, winner = run_all_threads(kernel, sizes | pool_dims(d, winners=0), inputs, *made)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, outputs(*winners.shape, dtype=np.int32))
    bias = integers(rng, shape[-1])
    for threads in THREADS:
        fused, winner = outputs(*shape), outputs(*winners.shape, dtype=np.int32)
        code = bias_relu(fused, bias, place=4)
        native.run_step(kernel, sizes | pool_dims(d), [*inputs, fused, winner, bias], code=code, threads=threads)
        np.testing.assert_array_equal(fused, np.maximum(expected + bias, 0))


CASES = [
    (Conv(3, 28, 28, 1, 32, 3, 3), ((2, 2), (2, 2))),
    (Conv(5, 11, 13, 3, 33, 3, 3), ((2, 2), (2, 2))),  # a row and a column that no window reads
    (Conv(2, 12, 17, 3, 9, 3, 3, pad=(1, 1)), ((3, 2), (3, 2))),
    (Conv(2, 12, 12, 3, 5, 3, 3, groups=4), ((2, 2), (2, 2), (1, 1))),
    (Conv(2, 13, 11, 4, 7, 3, 3, stride=(2, 2)), ((3, 3), (2, 2), (1, 1))),  # overlapping windows
    (Conv(2, 11, 11, 4, 7, 2, 2), ((3, 3), (3, 3), (0, 0), (1, 1))),  # windows that end beyond the output
    (Conv(2, 40, 9, 6, 8, 1, 1), ((2, 2), (5, 2))),  # pointwise; rows between the windows
    (Conv(3, 9, 9, 180, 170, 3, 3), ((2, 2), (2, 2))),  # gathered pixels
    (Conv(1, 12, 150, 3, 64, 3, 3), ((2, 2), (2, 2))),  # a strip for each row
    (Conv(2, 23, 22, 1, 1, 3, 3), ((17, 16), (17, 16), (1, 1))),  # places that no byte can number
    (Conv(1, 1, 40, 6, 16, 1, 7), ((1, 2), (1, 2))),  # a sequence
    (Conv(0, 8, 8, 3, 4, 3, 3), ((2, 2), (2, 2))),
    (Conv(2, 8, 8, 3, 0, 3, 3), ((2, 2), (2, 2))),
    (Conv(20, 26, 26, 4, 31, 3, 3), ((2, 2), (2, 2))),  # several chunks
]


@pytest.mark.parametrize(("conv", "pool"), CASES, ids=str)
def test_direct(isa, rng, conv, pool):
    x_shape, w_shape, _ = shapes(conv)
    x, w = integers(rng, *x_shape), integers(rng, *w_shape)
    large = forward(conv, x, w).astype(np.float32)
    check("conv2d_max_pool2d", conv.dims(), pooling(conv, *pool), [x, w], large, rng)


WINOGRAD_CASES = [
    (Conv(5, 13, 13, 17, 16, 3, 3), ((2, 2), (2, 2))),
    (Conv(3, 8, 8, 40, 33, 3, 3, pad=(1, 1)), ((2, 2), (2, 2))),
    (Conv(2, 11, 12, 9, 24, 3, 3), ((2, 1), (4, 1), (0, 0), (1, 0))),
    (Conv(2, 9, 9, 4, 5, 3, 3), ((2, 2), (2, 2), (0, 0), (1, 1))),  # windows that end beyond the output
    (Conv(2, 10, 10, 4, 5, 3, 3), ((4, 3), (4, 4))),
    (Conv(1, 7, 450, 5, 8, 3, 3, pad=(1, 1)), ((2, 2), (2, 2))),  # a row of tiles longer than a block
    (Conv(20, 6, 6, 70, 20, 3, 3, pad=(1, 1)), ((2, 2), (2, 2))),  # several blocks and chunks
]


@pytest.mark.parametrize(("conv", "pool"), WINOGRAD_CASES, ids=str)
def test_winograd(isa, rng, conv, pool):
    x_shape, w_shape, _ = shapes(conv)
    x, w = normals(rng, *x_shape), normals(rng, *w_shape)
    (u,) = run("winograd_kernel", {"c": conv.c, "f": conv.f}, [w], [(36, conv.c, conv.f)])
    large = convolve(conv, x, w)
    check("winograd_conv2d_max_pool2d", winograd_dims(conv), pooling(conv, *pool), [x, u], large, rng)


STEPS = ("conv2d_max_pool2d", "winograd_conv2d_max_pool2d")


@pytest.mark.parametrize(
    "change",
    [{"n": 3}, {"h": 9}, {"c": 4}, {"f": 6}, {"n": -1}, {"p": 0}, {"h": 1 << 62}, {"pool_p": 4}, {"pool_q": 4},
     {"pool_r": 0}, {"pool_stride_h": 0}, {"pool_s": 1 << 62}, {"pool_pad_top": 2}, {"pool_pad_left": -(2**63)}],
)  # fmt: skip
@pytest.mark.parametrize("step", STEPS)
def test_refuses_sizes_beyond_the_operands(step, change):
    v = Conv(2, 8, 8, 3, 5, 3, 3)
    d = pooling(v, (2, 2), (2, 2))
    x, w, _ = (np.zeros(shape, np.float32) for shape in shapes(v))
    if step != "conv2d_max_pool2d":
        w = np.zeros((36, v.c, v.f), np.float32)
    sizes = (v.dims() if step == "conv2d_max_pool2d" else winograd_dims(v)) | pool_dims(d)
    made = [small_shape(d), (-(-2 * 3 * 3 * 5 // 4),)], [np.float32, np.int32]
    run(step, sizes, [x, w], *made)
    with pytest.raises(ValueError, match=r"conv|winograd|pool"):
        run(step, sizes | change, [x, w], *made)
    with pytest.raises(ValueError, match="winners"):
        run(step, sizes, [x, w], [made[0][0], (22,)], made[1])


@pytest.mark.parametrize("pool", [((3, 3), (3, 3)), ((3, 2), (2, 2)), ((2, 2), (2, 2), (1, 0))], ids=str)
def test_winograd_refuses_windows_in_two_tiles(pool):
    v = Conv(2, 12, 12, 3, 5, 3, 3)
    d = pooling(v, *pool)
    x, u = np.zeros((2, 12, 12, 3), np.float32), np.zeros((36, 3, 5), np.float32)
    with pytest.raises(ValueError, match="more than one tile"):
        run(STEPS[1], winograd_dims(v) | pool_dims(d), [x, u], [small_shape(d), (100,)], [np.float32, np.int32])
