"""The rows of `fastnn.ops`: (name, call of the module and the inputs, the inputs as (shape, kind)).

Kinds: those of `cases.values`, "integer" in 0..3, "symmetric" for positive definite matrices, "holes" with NaN.
"""

import numpy as np
from cases import values


def drawn(kind, rng, shape):
    """The numbers of one input."""
    if kind == "integer":
        return rng.integers(0, 4, shape).astype(np.int32)
    if kind == "symmetric":
        a = values("unit", rng, shape)
        return a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1], dtype=np.float32)
    if kind == "holes":
        return np.where(rng.random(shape) < 0.3, np.nan, values("real", rng, shape)).astype(np.float32)
    return values(kind, rng, shape)


R, S, M, V = ((3, 5), "real"), ((3, 5), "unit"), ((2, 3, 4), "real"), ((5,), "real")
SPD = ((2, 3, 3), "symmetric")
INT, W, LONG, H = ((3, 4), "integer"), ((3,), "unit"), ((2, 20), "real"), ((4, 5), "holes")
RGB = ((2, 6, 5, 3), "unit")
TURNED = np.float32([[0.9, -0.3, 0.7, 0.4, 1.1, -0.6, 0, 0], [0.5, 0.1, 0, -0.2, 0.8, 1.1, 0, 0]])
CORNERS = np.float32([[[0, 0], [4, 0], [0, 5], [4, 5]]] * 2)
MOVED = CORNERS * 0.7 + CORNERS[:, ::-1] * 0.1 + 1
PLACES = np.linspace(-2.3, 5.1, 15).reshape(3, 5).astype(np.float32)
SCALE, SHIFT = np.float32([0.6, 1.7]), np.float32([0.3, -0.8])
BEAMS = {"strategy": "beam_search", "beam_width": 100, "top_paths": 3}


def _joined(k, pair):
    return k.ops.concatenate(pair, -1)


def _custom(k):
    """x * x with three times its gradient, whichever way a backend hands over what comes from above."""

    @k.ops.custom_gradient
    def function(x):
        def gradient(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            return k.ops.multiply(upstream, 6.0 * x)

        return x * x, gradient

    return function


def _plain(names, *inputs):
    return [(name, lambda k, *x, n=name: getattr(k.ops, n)(*x), inputs) for name in names.split()]


TABLE = (
    *_plain("arctan arcsin arccos arcsinh arctanh cbrt erfc exp2 sinc fabs deg2rad rad2deg", S),
    ("arccosh", lambda k, x: k.ops.arccosh(x + 2.0), (S,)),
    *_plain("arctan2 hypot logaddexp2 fmax fmin", S, ((3, 5), "real")),
    ("fmod", lambda k, x: k.ops.fmod(x, 0.75), (R,)),
    ("ldexp", lambda k, x: k.ops.ldexp(x, np.int32([1, 2, 3, 0, 1])), (R,)),
    *_plain("signbit isposinf isneginf nan_to_num ravel ptp median fliplr flipud rot90 tril triu", R),
    *_plain("nansum nanmean nanmax nanmin nanvar nanstd cumsum cumprod sort argsort diff trace diag", R),
    ("heaviside", lambda k, x: k.ops.heaviside(x, 0.5), (R,)),
    ("isin", lambda k, x: k.ops.isin(x, np.int32([1, 3])), (((3, 4), "integer"),)),
    ("allclose", lambda k, x: k.ops.allclose(x, x), (R,)),
    ("select", lambda k, x: k.ops.select([x > 1, x > 0], [x * 2, x * 3], 0.5), (R,)),
    ("average", lambda k, x: k.ops.average(x, 1, weights=np.float32([1, 2, 3, 4, 5])), (R,)),
    ("corrcoef", lambda k, x: k.ops.corrcoef(x), (R,)),
    ("sort_axis", lambda k, x: k.ops.sort(x, axis=0), (R,)),
    ("top_k", lambda k, x: k.ops.top_k(x, 2)[0], (R,)),
    ("take_along_axis", lambda k, x: k.ops.take_along_axis(x, np.int32([[1, 0], [4, 2], [3, 3]]), 1), (R,)),
    ("cumsum_axis", lambda k, x: k.ops.cumsum(x, 1), (M,)),
    ("cumprod_axis", lambda k, x: k.ops.cumprod(x, -1), (M,)),
    ("quantile", lambda k, x: k.ops.quantile(x, [0.25, 0.6], axis=1), (R,)),
    ("percentile", lambda k, x: k.ops.percentile(x, 30.0, axis=0, keepdims=True), (R,)),
    ("searchsorted", lambda k, x: k.ops.searchsorted(np.float32([-1, 0, 0.5, 1]), x), (V,)),
    ("digitize", lambda k, x: k.ops.digitize(x, np.float32([-1, 0, 0.5, 1])), (V,)),
    ("bincount", lambda k, x: k.ops.bincount(x, minlength=5), (((9,), "integer"),)),
    ("roll", lambda k, x: k.ops.roll(x, 2, axis=1), (R,)),
    ("roll_flat", lambda k, x: k.ops.roll(x, -3), (R,)),
    ("diag_matrix", lambda k, x: k.ops.diag(x, 1), (V,)),
    ("diagonal", lambda k, x: k.ops.diagonal(x, 1, 1, 2), (M,)),
    ("append", lambda k, x, y: k.ops.append(x, y, 0), (R, S)),
    ("hstack", lambda k, x, y: k.ops.hstack([x, y]), (R, S)),
    ("vstack", lambda k, x, y: k.ops.vstack([x, y]), (V, V)),
    ("dstack", lambda k, x, y: k.ops.dstack([x, y]), (R, S)),
    ("array_split", lambda k, x: k.ops.array_split(x, 3, axis=1)[0], (R,)),
    ("hsplit", lambda k, x: k.ops.hsplit(x, [2])[1], (R,)),
    ("vsplit", lambda k, x: k.ops.vsplit(x, 3)[1], (R,)),
    ("dsplit", lambda k, x: k.ops.dsplit(x, 2)[1], (M,)),
    ("unstack", lambda k, x: k.ops.unstack(x, axis=1)[2], (R,)),
    ("meshgrid", lambda k, x, y: k.ops.meshgrid(x, y)[1], (V, ((3,), "real"))),
    ("scatter", lambda k, x: k.ops.scatter(np.int32([[0, 1], [2, 2], [0, 1]]), x, (3, 4)), (((3,), "real"),)),
    ("scatter_update", lambda k, x, y: k.ops.scatter_update(x, np.int32([[0, 1], [2, 2]]), y), (R, ((2,), "real"))),
    ("slice_update", lambda k, x, y: k.ops.slice_update(x, (1, 2), y), (R, ((2, 2), "real"))),
    ("multi_hot", lambda k, x: k.ops.multi_hot(x, 4), (((3, 2), "integer"),)),
    *_plain("outer kron", V, ((3,), "real")),
    *_plain("vdot", V, V),
    *_plain("inner", R, R),
    ("cross", lambda k, x, y: k.ops.cross(x, y), (((4, 3), "real"), ((4, 3), "unit"))),
    ("vander", lambda k, x: k.ops.vander(x, 3), (V,)),
    ("trapezoid", lambda k, x: k.ops.trapezoid(x, dx=0.5), (R,)),
    ("einsum", lambda k, x, y: k.ops.einsum("ij,kj->ki", x, y), (R, S)),
    ("einsum_batch", lambda k, x, y: k.ops.einsum("...ij,...jk->...ik", x, y), (M, ((4, 2), "real"))),
    ("einsum_trace", lambda k, x: k.ops.einsum("bii->b", x), (SPD,)),
    ("dot_product_attention", lambda k, q, v: k.ops.dot_product_attention(q, v, v), (((2, 3, 2, 4), "real"),) * 2),
    *_plain("inv det cholesky logdet", SPD),
    ("solve", lambda k, a, b: k.ops.solve(a, b), (SPD, ((2, 3, 2), "real"))),
    ("cond", lambda k, x: k.ops.cond(True, lambda: x * 2, lambda: x * 3), (R,)),
    ("fori_loop", lambda k, x: k.ops.fori_loop(0, 3, lambda i, v: v * 1.5 + x, x), (R,)),
    ("scan", lambda k, x: k.ops.scan(lambda c, v: (c + v, c * v), x[0], x)[1], (R,)),
    ("associative_scan", lambda k, x: k.ops.associative_scan(lambda a, b: a + b, x, axis=0), (R,)),
    ("map", lambda k, x: k.ops.map(lambda v: v * v, x), (R,)),
    ("vectorized_map", lambda k, x: k.ops.vectorized_map(lambda v: v * v, x), (R,)),
    ("fft", lambda k, x, y: _joined(k, k.ops.fft((x, y))), (R, S)),
    ("fft2", lambda k, x, y: _joined(k, k.ops.fft2((x, y))), (R, S)),
    ("ifft2", lambda k, x, y: _joined(k, k.ops.ifft2((x, y))), (M, M)),
    ("rfft", lambda k, x: _joined(k, k.ops.rfft(x)), (R,)),
    ("rfft_length", lambda k, x: _joined(k, k.ops.rfft(x, 8)), (R,)),
    ("irfft", lambda k, x, y: k.ops.irfft((x, y)), (R, S)),
    ("irfft_length", lambda k, x, y: k.ops.irfft((x, y), 7), (R, S)),
    ("extract_sequences", lambda k, x: k.ops.extract_sequences(x, 4, 3), (LONG,)),
    ("stft", lambda k, x: _joined(k, k.ops.stft(x, 6, 3, 8)), (LONG,)),
    ("stft_edges", lambda k, x: _joined(k, k.ops.stft(x, 6, 2, 6, "hamming", center=False)), (LONG,)),
    ("stft_plain", lambda k, x: _joined(k, k.ops.stft(x, 6, 2, 6, None)), (LONG,)),
    ("istft_length", lambda k, x, y: k.ops.istft((x, y), 8, 3, 8, length=15), (((2, 7, 5), "real"),) * 2),
    ("segment_sum", lambda k, x, i: k.ops.segment_sum(x, i, 4), (((6, 3), "real"), ((6,), "integer"))),
    ("segment_prod", lambda k, x, i: k.ops.segment_prod(x, i, 4), (((6, 3), "real"), ((6,), "integer"))),
    ("segment_max", lambda k, x: k.ops.segment_max(x, np.int32([0, 1, 1, 3, 2, 0]), 4), (((6, 3), "real"),)),
    ("segment_min", lambda k, x: k.ops.segment_min(x, np.int32([0, 1, 1, 3, 2, 0]), 4), (((6, 3), "real"),)),
    *_plain("bitwise_and bitwise_or bitwise_xor left_shift right_shift", INT, INT),
    *_plain("bitwise_not bitwise_invert", INT),
    *_plain("bitwise_left_shift bitwise_right_shift gcd lcm", INT, INT),
    *_plain("erfinv i0 angle", S),
    *_plain("nextafter", S, R),
    *_plain("nanargmax nanargmin nancumsum nancumprod nanmedian", H),
    ("nanquantile", lambda k, x: k.ops.nanquantile(x, [0.25, 0.6], axis=1), (H,)),
    ("nanpercentile", lambda k, x: k.ops.nanpercentile(x, 30.0, axis=0, method="nearest"), (H,)),
    ("view_as_real", lambda k, x: k.ops.view_as_real(k.ops.view_as_complex(x)), (((3, 2), "real"),)),
    ("polar", lambda k, x, y: k.ops.view_as_real(k.ops.polar(x, y)), (S, S)),
    ("cdist", lambda k, x, y: k.ops.cdist(x, y), (R, ((4, 5), "unit"))),
    ("correlate", lambda k, x, y: k.ops.correlate(x, y), (V, ((3,), "real"))),
    ("correlate_same", lambda k, x, y: k.ops.correlate(x, y, "same"), (V, ((4,), "real"))),
    ("correlate_full", lambda k, x, y: k.ops.correlate(x, y, "full"), (V, ((3,), "real"))),
    ("unfold", lambda k, x: k.ops.unfold(x, (2, 3), padding=1, stride=2), (((2, 3, 5, 6), "real"),)),
    ("unfold_dilation", lambda k, x: k.ops.unfold(x, 2, dilation=2), (((2, 3, 5, 6), "real"),)),
    ("fold", lambda k, x: k.ops.fold(x, (4, 5), (2, 3), padding=1), (((2, 12, 25), "real"),)),
    ("depth_to_space", lambda k, x: k.ops.depth_to_space(x, 2), (((1, 2, 3, 8), "real"),)),
    ("depth_to_space_first", lambda k, x: k.ops.depth_to_space(x, 2, "channels_first"), (((1, 8, 2, 3), "real"),)),
    ("space_to_depth", lambda k, x: k.ops.space_to_depth(x, 2), (((1, 4, 6, 3), "real"),)),
    ("space_to_depth_first", lambda k, x: k.ops.space_to_depth(x, 2, "channels_first"), (((1, 3, 4, 6), "real"),)),
    ("batch_normalization", lambda k, x, m, v, b, g: k.ops.batch_normalization(x, m, v, 1, b, g), (M, *((W,) * 4))),
    ("layer_normalization", lambda k, x, g, b: k.ops.layer_normalization(x, g, b), (R, ((5,), "unit"), V)),
    ("layer_normalization_axes", lambda k, x: k.ops.layer_normalization(x, axis=(1, 2), epsilon=0.01), (M,)),
    ("rms_normalization", lambda k, x, g: k.ops.rms_normalization(x, g), (R, V)),
    ("sparsemax", lambda k, x: k.ops.sparsemax(x), (R,)),
    ("svd", lambda k, x: k.ops.svd(x, compute_uv=False), (((3, 4), "unit"),)),
    ("svd_full", lambda k, x: k.ops.abs(k.ops.svd(x)[0]), (((2, 4, 4), "unit"),)),
    ("svd_thin", lambda k, x: k.ops.abs(k.ops.svd(x, full_matrices=False)[2]), (((2, 3, 4), "unit"),)),
    ("eigh", lambda k, x: k.ops.eigh(x)[0], (SPD,)),
    ("eigh_vectors", lambda k, x: k.ops.abs(k.ops.eigh(x)[1]), (SPD,)),
    ("qr", lambda k, x: k.ops.qr(x)[0], (((4, 3), "unit"),)),
    ("qr_triangle", lambda k, x: k.ops.qr(x)[1], (((3, 3), "unit"),)),
    ("qr_wide", lambda k, x: k.ops.qr(x)[1], (((3, 4), "unit"),)),
    ("qr_complete", lambda k, x: k.ops.qr(x, mode="complete")[1], (((4, 3), "unit"),)),
    ("lu_factor", lambda k, x: k.ops.lu_factor(x)[0], (((2, 4, 4), "unit"),)),
    ("lu_pivots", lambda k, x: k.ops.lu_factor(x)[1], (((4, 4), "unit"),)),
    ("pinv", lambda k, x: k.ops.pinv(x), (((4, 3), "unit"),)),
    ("lstsq", lambda k, a, b: k.ops.lstsq(a, b), (((4, 3), "unit"), ((4, 2), "real"))),
    ("lstsq_vector", lambda k, a, b: k.ops.lstsq(a, b), (((3, 4), "unit"), ((3,), "real"))),
    ("matrix_rank", lambda k, x: k.ops.matrix_rank(k.ops.matmul(x, k.ops.transpose(x))), (((4, 2), "unit"),)),
    ("slogdet", lambda k, x: k.ops.slogdet(x)[1], (SPD,)),
    ("solve_vector", lambda k, a, b: k.ops.solve(a, b), (((3, 3), "symmetric"), ((3,), "real"))),
    ("solve_triangular", lambda k, a, b: k.ops.solve_triangular(a, b, lower=True), (SPD, ((2, 3, 2), "real"))),
    *(
        (f"norm_{o}_{a}", lambda k, x, o=o, a=a: k.ops.norm(x, o, a), (M,))
        for o, a in ((None, None), (1, 1), (2, -1), (3, 0), (np.inf, 2), (-np.inf, 1), ("fro", (0, 2)), ("nuc", (1, 2)),
                     (1, (1, 2)), (-np.inf, (2, 0)), (2, (0, 1)), (-2, (1, 2)))
    ),
    ("norm_keepdims", lambda k, x: k.ops.norm(x, 2, (0, 2), keepdims=True), (M,)),
    (
        "ctc_loss",
        lambda k, x: k.ops.ctc_loss(np.int32([[1, 2, 2], [3, 1, 0]]), x, np.int32([3, 2]), np.int32([6, 4])),
        (((2, 6, 4), "real"),),
    ),
    (
        "ctc_loss_mask",
        lambda k, x: k.ops.ctc_loss(np.int32([[1, 2, 0], [1, 1, 0]]), x, np.int32([3, 2]), np.int32([6, 5]), 3),
        (((2, 6, 4), "real"),),
    ),
    ("ctc_greedy", lambda k, x: k.ops.ctc_decode(x, np.int32([9, 6]))[0], (((2, 9, 3), "real"),)),
    ("ctc_greedy_scores", lambda k, x: k.ops.ctc_decode(x, np.int32([9, 6]))[1], (((2, 9, 3), "real"),)),
    ("ctc_beams", lambda k, x: k.ops.ctc_decode(x, np.int32([7, 5]), **BEAMS)[0], (((2, 7, 4), "real"),)),
    ("unique", lambda k, x: k.ops.unique(x), (((9,), "integer"),)),
    ("unique_counts", lambda k, x: k.ops.unique(x, return_counts=True)[1], (((9,), "integer"),)),
    ("unique_inverse", lambda k, x: k.ops.unique(x, return_inverse=True)[1], (((9,), "integer"),)),
    ("nonzero", lambda k, x: k.ops.nonzero(x)[0], (((3, 4), "integer"),)),
    ("unravel_index", lambda k, x: k.ops.unravel_index(x, (2, 3))[1], (((9,), "integer"),)),
    ("rearrange", lambda k, x: k.ops.rearrange(x, "a (b c) d -> (c d) a b", b=3), (((2, 6, 4), "real"),)),
    ("vectorize", lambda k, x, y: k.ops.vectorize(lambda a, b: a * b + a)(x, y), (((3, 1), "real"), ((2,), "real"))),
    (
        "vectorize_signature",
        lambda k, x, y: k.ops.vectorize(lambda a, b: k.ops.matmul(a, b), signature="(m,n),(n)->(m)")(x, y),
        (M, ((4,), "real")),
    ),
    ("jvp", lambda k, x, t: k.ops.jvp(lambda v: k.ops.tanh(v) * v, (x,), (t,))[1], (R, S)),
    ("custom_gradient", lambda k, x: _custom(k)(x), (R,)),
    ("repeat_each", lambda k, x: k.ops.repeat(x, np.int32([1, 0, 2]), axis=0), (R,)),
    ("repeat_flat", lambda k, x: k.ops.repeat(x, 2), (R,)),
    ("prod_dtype", lambda k, x: k.ops.prod(x, 1, dtype="float32"), (((3, 4), "integer"),)),
    ("hamming", lambda k, x: x * k.ops.hamming(5), (V,)),
    ("blackman", lambda k, x: x * k.ops.blackman(5), (V,)),
    ("hanning", lambda k, x: x * k.ops.hanning(5), (V,)),
)  # fmt: skip

IMAGES = (
    ("grayscale", lambda k, x: k.ops.image.rgb_to_grayscale(x), (RGB,)),
    ("rgb_to_hsv", lambda k, x: k.ops.image.rgb_to_hsv(x), (RGB,)),
    ("hsv_to_rgb", lambda k, x: k.ops.image.hsv_to_rgb(x), (((4, 5, 3), "unit"),)),
    (
        "hsv_to_rgb_first",
        lambda k, x: k.ops.image.hsv_to_rgb(x, data_format="channels_first"),
        (((2, 3, 4, 5), "unit"),),
    ),
    *(
        (f"resize_{how}", lambda k, x, how=how: k.ops.image.resize(x, (7, 3), how), (RGB,))
        for how in ("nearest", "bilinear", "bicubic")
    ),
    ("resize_antialias", lambda k, x: k.ops.image.resize(x, (2, 9), antialias=True), (RGB,)),
    ("resize_crop", lambda k, x: k.ops.image.resize(x, (3, 6), crop_to_aspect_ratio=True), (RGB,)),
    ("resize_pad", lambda k, x: k.ops.image.resize(x, (3, 6), pad_to_aspect_ratio=True, fill_value=0.5), (RGB,)),
    *(
        (f"affine_{how}_{fill}", lambda k, x, o=(how, fill, 0.5): k.ops.image.affine_transform(x, TURNED, *o), (RGB,))
        for how in ("nearest", "bilinear")
        for fill in ("constant", "nearest", "wrap", "mirror", "reflect")
    ),
    ("affine_one", lambda k, x: k.ops.image.affine_transform(x, TURNED[0], "bilinear"), (((4, 5, 3), "unit"),)),
    (
        "perspective",
        lambda k, x: k.ops.image.perspective_transform(x, CORNERS, MOVED, fill_value=2.0),
        (RGB,),
    ),
    *(
        (f"map_coordinates_{fill}", lambda k, x, fill=fill: k.ops.image.map_coordinates(x, PLACES, 1, fill), (M,))
        for fill in ("constant", "nearest", "wrap", "mirror", "reflect")
    ),
    ("gaussian_blur", lambda k, x: k.ops.image.gaussian_blur(x, (5, 3), (1.5, 0.7), "channels_last"), (RGB,)),
    ("sobel_edges", lambda k, x: k.ops.image.sobel_edges(x), (RGB,)),
    ("extract_patches", lambda k, x: k.ops.image.extract_patches(x, (2, 3), 1, padding="same"), (RGB,)),
    ("extract_patches_strides", lambda k, x: k.ops.image.extract_patches(x, 2), (RGB,)),
    ("extract_patches_3d", lambda k, x: k.ops.image.extract_patches_3d(x, 2, 1), (((1, 3, 4, 3, 2), "real"),)),
    ("pad_images", lambda k, x: k.ops.image.pad_images(x, 1, 2, target_height=8, target_width=9), (RGB,)),
    ("crop_images", lambda k, x: k.ops.image.crop_images(x, 1, None, 1, 2, target_width=2), (RGB,)),
    *(
        (
            f"scale_and_translate_{how}_{smooth:d}",
            lambda k, x, o=(how, smooth): k.ops.image.scale_and_translate(x, (2, 4, 9, 3), SCALE, SHIFT, (1, 2), *o),
            (RGB,),
        )
        for how in ("linear", "cubic", "lanczos3", "lanczos5")
        for smooth in (False, True)
    ),
    ("psnr", lambda k, x, y: k.ops.psnr(x, y, 1.0), (S, S)),
    ("ssim", lambda k, x, y: k.ops.image.ssim(x, y, filter_size=3), (RGB, RGB)),
)  # fmt: skip

# Their shapes follow from the numbers, or they are complex: programs refuse them.
ON_ARRAYS = {"view_as_real", "polar", "unique", "unique_counts", "unique_inverse", "nonzero"}
