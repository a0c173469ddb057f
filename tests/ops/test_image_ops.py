"""`fastnn.ops.image`: layouts, symbolic images, random bending, the errors of arguments."""

import numpy as np
import pytest

import fastnn as keras
from fastnn import ops

RNG = np.random.default_rng(4)
IMAGES = RNG.random((2, 6, 5, 3), np.float32)

FUNCTIONS = {
    "rgb_to_grayscale": lambda x, **o: ops.image.rgb_to_grayscale(x, **o),
    "rgb_to_hsv": lambda x, **o: ops.image.rgb_to_hsv(x, **o),
    "resize": lambda x, **o: ops.image.resize(x, (3, 8), "lanczos3", **o),
    "affine_transform": lambda x, **o: ops.image.affine_transform(x, np.float32([1, 0.2, 0, 0, 1, 1, 0, 0]), **o),
    "gaussian_blur": lambda x, **o: ops.image.gaussian_blur(x, **o),
    "extract_patches": lambda x, **o: ops.image.extract_patches(x, 2, **o),
    "pad_images": lambda x, **o: ops.image.pad_images(x, 1, 1, 1, 1, **o),
    "crop_images": lambda x, **o: ops.image.crop_images(x, 1, 1, target_height=2, target_width=2, **o),
    "perspective_transform": lambda x, **o: ops.image.perspective_transform(
        x, np.float32([[0, 0], [4, 0], [0, 5], [4, 5]]), np.float32([[1, 0], [4, 1], [0, 4], [3, 5]]), **o
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_layouts_agree(name):
    function = FUNCTIONS[name]
    expected = function(IMAGES)
    one = function(IMAGES[1])
    np.testing.assert_allclose(one, expected[1], atol=1e-6)
    first = function(IMAGES.transpose(0, 3, 1, 2), data_format="channels_first")
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), expected, atol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_they_stand_in_functional_models(name):
    inputs = keras.Input((6, 5, 3))
    model = keras.Model(inputs, FUNCTIONS[name](inputs))
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), FUNCTIONS[name](IMAGES), atol=1e-5)


def test_hsv_and_back():
    np.testing.assert_allclose(ops.image.hsv_to_rgb(ops.image.rgb_to_hsv(IMAGES)), IMAGES, atol=1e-6)


def test_the_points_of_a_perspective_go_where_they_should():
    images = np.zeros((1, 9, 9, 1), np.float32)
    start = np.float32([[1, 1], [7, 2], [2, 6], [6, 7]])
    end = np.float32([[0, 0], [8, 0], [0, 8], [8, 8]])
    for i, (x, y) in enumerate(start.astype(int)):
        images[0, y, x, 0] = i + 1
    moved = ops.image.perspective_transform(images, start, end)
    np.testing.assert_allclose(moved[0, [0, 0, 8, 8], [0, 8, 0, 8], 0], [1, 2, 3, 4], atol=1e-4)


def test_an_affine_transformation_divides_by_its_last_row():
    matrix = np.float32([1, 0.1, 0.5, 0, 1, 0.3, 0.02, 0.03])
    x, y = np.meshgrid(np.arange(5), np.arange(6))
    below = 0.02 * x + 0.03 * y + 1
    places = np.stack([(y + 0.3) / below, (x + 0.1 * y + 0.5) / below])
    expected = np.stack([ops.image.map_coordinates(IMAGES[0, ..., c], places, 1) for c in range(3)], -1)
    np.testing.assert_allclose(ops.image.affine_transform(IMAGES[0], matrix), expected, atol=1e-5)


def test_bending_is_random_smooth_and_repeated_by_a_seed():
    line = np.broadcast_to(np.arange(40, dtype=np.float32)[None, None, :, None], (2, 40, 40, 1))
    bent = ops.image.elastic_transform(line, alpha=2.0, sigma=3.0, fill_mode="nearest", seed=1)
    again = ops.image.elastic_transform(line, alpha=2.0, sigma=3.0, fill_mode="nearest", seed=1)
    other = ops.image.elastic_transform(line, alpha=2.0, sigma=3.0, fill_mode="nearest", seed=2)
    np.testing.assert_array_equal(bent, again)
    moves = (bent - line)[:, 10:30, 10:30]
    assert np.abs(bent - other).max() > 0.1 and not np.allclose(moves[0], moves[1])
    assert 0.1 < np.abs(moves).max() < 6
    assert np.abs(np.diff(moves, axis=1)).max() < 0.7
    np.testing.assert_allclose(ops.image.elastic_transform(line, alpha=0.0), line, atol=1e-5)


def test_likeness():
    assert ops.image.ssim(IMAGES[0], IMAGES[0], filter_size=3) == pytest.approx(1)
    assert ops.psnr(np.zeros(4, np.float32), np.full(4, 0.1, np.float32), 1.0) == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.image.rgb_to_hsv(IMAGES[..., :2]), "red, green, blue, received 2"),
        (lambda: ops.image.rgb_to_hsv(IMAGES[0, 0]), "one image"),
        (lambda: ops.image.rgb_to_hsv(IMAGES, data_format="first"), "data_format"),
        (lambda: ops.image.resize(IMAGES, (0, 3)), "above 0"),
        (lambda: ops.image.resize(IMAGES, (2, 3), "area"), "interpolation must be"),
        (lambda: ops.image.resize(IMAGES, (2, 3), fill_mode="edge"), "fill_mode"),
        (lambda: ops.image.resize(IMAGES, (2, 3), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "one of the"),
        (lambda: ops.image.affine_transform(IMAGES, np.ones((3, 8))), "transform of shape"),
        (lambda: ops.image.affine_transform(IMAGES, np.ones(8), "cubic"), "interpolation must be"),
        (lambda: ops.image.affine_transform(IMAGES, np.ones(8), fill_mode="zero"), "fill_mode must be"),
        (lambda: ops.image.perspective_transform(IMAGES, np.ones((3, 2)), np.ones((3, 2))), r"\(4, 2\)"),
        (lambda: ops.image.map_coordinates(IMAGES, np.ones((3, 2)), 1), "one row for each axis"),
        (lambda: ops.image.map_coordinates(IMAGES, np.ones((4, 2)), 3), "order must be"),
        (lambda: ops.image.scale_and_translate(IMAGES, (2, 4, 5, 2), [1.0], [0.0], (1,), "linear"), "cannot become"),
        (lambda: ops.image.scale_and_translate(IMAGES, (2, 4, 5, 3), [1.0], [0.0], (1,), "area"), "method must be"),
        (lambda: ops.image.extract_patches(IMAGES, 7), "window of 7"),
        (lambda: ops.image.extract_patches(IMAGES, 2, padding="full"), "padding"),
        (lambda: ops.image.pad_images(IMAGES, 1, 1, 1, 1, 9), "give two of"),
        (lambda: ops.image.pad_images(IMAGES, 1, 1, target_height=4, target_width=9), "would change by"),
        (lambda: ops.image.crop_images(IMAGES, 1, 1, target_height=9, target_width=2), "would change by"),
        (lambda: ops.image.ssim(IMAGES, IMAGES[:1]), "one shape"),
        (lambda: ops.psnr(IMAGES, IMAGES[:1], 1.0), "one shape"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
