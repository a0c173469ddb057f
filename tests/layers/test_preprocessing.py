"""Layers that prepare data: against Keras' numbers, inside models, and what is left to chance."""

import json

import numpy as np
import preprocessing_cases
import pytest
from golden import store

import fastnn as keras
from fastnn import layers, random

GOLDEN = store.load("preprocessing")
ROWS = pytest.mark.parametrize("case", preprocessing_cases.ROWS, ids=lambda case: case.name)


def made(case):
    layer = case.make(keras)
    if case.adapt:
        layer.adapt(GOLDEN[case.name]["input"])
    return layer


def is_random(layer):
    return type(layer).__name__.startswith(("Random", "Solarization", "Equalization"))


def close(actual, expected, scale=1.0):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-4, atol=1e-4 * scale)


@ROWS
def test_numbers_equal_keras(case):
    entry = GOLDEN[case.name]
    layer, kept = made(case), entry["input"].copy()
    np.testing.assert_array_equal(entry["input"], case.inputs())
    output = layer(entry["input"], training=True) if is_random(layer) else layer(entry["input"])
    close(output, entry["output"], np.abs(entry["input"]).max())
    np.testing.assert_array_equal(entry["input"], kept)


@ROWS
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_inside_a_model(case, engine):
    entry = GOLDEN[case.name]
    x, expected = entry["input"], entry["output"]
    if "one" in case.name.split("_") and case.kind == "image":
        x, expected = x[None], expected[None]
    layer = made(case)

    class Trained(layers.Layer):
        """Call the layer as in training, whoever calls."""

        def __init__(self):
            super().__init__()
            self.inner = layer

        def call(self, x):
            return self.inner(x, training=True) if is_random(self.inner) else self.inner(x)

    model = keras.Sequential([keras.Input(x.shape[1:], dtype=str(x.dtype)), Trained()])
    model.compile(engine=engine)
    close(model.predict(x, batch_size=len(x), verbose=0), expected, np.abs(x).max())


@ROWS
def test_config_equals_keras(case):
    layer = made(case)
    expected = json.loads(GOLDEN[case.name]["config"])
    mine = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert mine["class_name"] == expected["class_name"]
    mine["config"].pop("name")
    for key, value in expected["config"].items():
        if isinstance(value, list) and value and isinstance(value[0], float):
            expected["config"][key] = pytest.approx(value, rel=1e-5)
    assert mine["config"] == expected["config"]
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


AUGMENTATIONS = [
    lambda seed=None: layers.RandomFlip("vertical", seed=seed),
    lambda seed=None: layers.RandomRotation(0.2, seed=seed),
    lambda seed=None: layers.RandomTranslation(0.2, 0.1, seed=seed),
    lambda seed=None: layers.RandomZoom(0.3, seed=seed),
    lambda seed=None: layers.RandomShear(0.3, 0.1, seed=seed),
    lambda seed=None: layers.RandomCrop(4, 4, seed=seed),
    lambda seed=None: layers.RandomBrightness(0.3, seed=seed),
    lambda seed=None: layers.RandomContrast(0.6, seed=seed),
    lambda seed=None: layers.RandomColorDegeneration(0.9, seed=seed),
    lambda seed=None: layers.RandomSaturation(0.9, seed=seed),
    lambda seed=None: layers.RandomHue(0.9, seed=seed),
    lambda seed=None: layers.RandomSharpness(0.9, seed=seed),
    lambda seed=None: layers.RandomGrayscale(0.5, seed=seed),
    lambda seed=None: layers.RandomInvert(1.0, seed=seed),
    lambda seed=None: layers.RandomPosterization((1, 8), seed=seed),
    lambda seed=None: layers.RandomColorJitter((0, 255), 0.2, 0.2, 0.8, 0.5, seed=seed),
    lambda seed=None: layers.Solarization(0.3, 0.9, seed=seed),
    lambda seed=None: layers.RandomErasing(1.0, seed=seed),
    lambda seed=None: layers.RandomGaussianBlur((0.5, 0.5), seed=seed),
    lambda seed=None: layers.RandomPerspective((0.5, 0.5), 0.5, seed=seed),
    lambda seed=None: layers.RandomElasticTransform((0.5, 0.5), seed=seed),
    lambda seed=None: layers.MixUp(0.4, seed=seed),
    lambda seed=None: layers.CutMix(seed=seed),
    lambda seed=None: layers.AugMix(num_chains=2, chain_depth=2, factor=0.8, seed=seed),
    lambda seed=None: layers.RandAugment(num_ops=3, factor=0.8, seed=seed),
]
EACH = pytest.mark.parametrize("make", AUGMENTATIONS, ids=lambda make: type(make()).__name__)


def pictures(n=64):
    return np.random.default_rng(0).uniform(20, 230, (n, 8, 8, 3)).astype(np.float32)


@EACH
def test_a_seed_repeats_and_calls_differ(make):
    x = pictures()
    first, second, other = make(5), make(5), make(6)
    a, b = first(x, training=True), first(x, training=True)
    np.testing.assert_array_equal(a, second(x, training=True))
    np.testing.assert_array_equal(b, second(x, training=True))
    assert not np.array_equal(a, b)
    assert not np.array_equal(a, other(x, training=True))


@EACH
def test_nothing_happens_outside_of_training(make):
    x, layer = pictures(4), make()
    if not isinstance(layer, layers.RandomCrop):
        np.testing.assert_array_equal(layer(x, training=False), x)
        model = keras.Sequential([keras.Input((8, 8, 3)), layer])
        np.testing.assert_array_equal(model.predict(x, verbose=0), x)


@EACH
def test_training_draws_anew_at_each_step_and_repeats_with_the_seed(make):
    """With a learning rate of 0, only the pictures change the loss."""

    def losses():
        keras.utils.set_random_seed(3)
        layer = make()
        model = keras.Sequential([keras.Input((8, 8, 3)), layer, layers.Flatten(), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
        x = pictures(16)
        return [model.train_on_batch(x, np.zeros((16, 1), np.float32)) for _ in range(3)]

    first = losses()
    assert len(set(first)) > 1
    assert losses() == first


@EACH
def test_images_of_a_batch_differ(make):
    x = np.broadcast_to(pictures(1), (64, 8, 8, 3))
    y = np.asarray(make(1)(x, training=True))
    same = len({image.tobytes() for image in y})
    assert same > 1 or isinstance(make(), (layers.RandomCrop, layers.CutMix))


def test_half_of_the_images_are_flipped():
    x = pictures(2000)
    y = np.asarray(layers.RandomFlip("horizontal", seed=1)(x, training=True))
    flipped = np.all(y == x[:, :, ::-1], axis=(1, 2, 3))
    assert np.all(flipped | np.all(y == x, axis=(1, 2, 3)))
    assert abs(flipped.mean() - 0.5) < 4 * np.sqrt(0.25 / 2000)


def test_brightness_is_uniform():
    x = np.full((4000, 1, 1, 1), 500.0, np.float32)
    y = np.asarray(layers.RandomBrightness((-0.2, 0.4), (0, 1000), seed=1)(x, training=True)).ravel() - 500
    assert -200 <= y.min() < -195 and 395 < y.max() <= 400
    assert abs(y.mean() - 100) < 4 * 600 / np.sqrt(12 * 4000)


def test_crops_start_everywhere():
    x = np.arange(36, dtype=np.float32).reshape(1, 6, 6, 1)
    layer = layers.RandomCrop(4, 3, seed=1)
    starts = {int(np.asarray(layer(x, training=True))[0, 0, 0, 0]) for _ in range(300)}
    assert starts == {6 * i + j for i in range(3) for j in range(4)}


def test_erasing_hides_the_share_it_should():
    x = np.zeros((3000, 20, 20, 1), np.float32)
    y = np.asarray(layers.RandomErasing((1.0, 1.0), (0.25, 0.25), fill_value=1.0, seed=2)(x, training=True))
    assert abs(y.mean() - 0.25) < 0.01
    y = np.asarray(layers.RandomErasing((0.3, 0.3), (0.25, 0.25), fill_value=1.0, seed=2)(x, training=True))
    assert abs(y.any(axis=(1, 2, 3)).mean() - 0.3) < 4 * np.sqrt(0.21 / 3000)


def test_corners_go_where_the_seed_says():
    x, layer, same = pictures(5), layers.RandomPerspective((1.0, 1.0), 0.4, seed=3), layers.RandomPerspective(seed=3)
    same.draw(x)
    corners = np.float32([[0, 0], [7, 0], [0, 7], [7, 7]])
    moved = corners * (1 + random.uniform((5, 4, 2), -0.2, 0.2, seed=same.generator))
    expected = keras.ops.image.perspective_transform(x, np.broadcast_to(corners, (5, 4, 2)), moved)
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-4, atol=1e-2)


def test_pixels_move_as_far_as_the_strength_says():
    """Smoothing of standard deviation s divides that of noise by 2 s sqrt(pi); s = 2 pixels, factor 4 here."""
    x = np.broadcast_to(np.arange(40, dtype=np.float32)[None, None, :, None], (60, 40, 40, 1))
    layer = layers.RandomElasticTransform((1.0, 1.0), (1.0, 1.0), fill_mode="nearest", seed=1)
    moved = (np.asarray(layer(x, training=True)) - x)[:, :, 10:30]
    assert abs(moved.std() / (4 / (2 * np.sqrt(np.pi))) - 1) < 0.1
    assert abs(moved.mean()) < 0.1


def test_as_many_images_are_distorted_as_the_factor_says():
    x = pictures(1500)
    for kind in (layers.RandomGaussianBlur, layers.RandomPerspective, layers.RandomElasticTransform):
        changed = np.any(np.asarray(kind((0.3, 0.3), seed=2)(x, training=True)) != x, axis=(1, 2, 3))
        assert abs(changed.mean() - 0.3) < 5 * np.sqrt(0.21 / 1500)


def test_gradients_pass_through_a_rotation():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3, padding="same"), layers.RandomRotation(0.1), layers.Flatten(),
         layers.Dense(1)]
    )  # fmt: skip
    model.compile("sgd", "mse")
    x = pictures(8) / 255
    assert model.check_gradients(x, np.ones((8, 1), np.float32), verbose=0) < 1e-5


def test_labels_stay():
    x, y = pictures(4), np.arange(4)
    out = layers.RandomFlip(seed=1)({"images": x, "labels": y}, training=True)
    np.testing.assert_array_equal(out["labels"], y)
    assert out["images"].shape == x.shape
    with pytest.raises(ValueError, match="bounding_boxes"):
        layers.RandomFlip()({"images": x, "bounding_boxes": y}, training=True)


def test_normalization_from_batches_equals_one_array():
    x = np.random.default_rng(1).normal(3, 2, (90, 4)).astype(np.float32)
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(x)
    parts.adapt((x[i : i + 32], None) for i in range(0, 90, 32))
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    y = np.asarray(parts(x))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-5)


def test_an_adapted_layer_is_saved(tmp_path):
    x = np.random.default_rng(1).normal(3, 2, (90, 4)).astype(np.float32)
    norm, bins = layers.Normalization(), layers.Discretization(num_bins=3, output_mode="one_hot")
    norm.adapt(x)
    bins.adapt(norm(x))
    model = keras.Sequential([keras.Input((4,)), norm, bins])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.RandomRotation(2.0), "factor"),
        (lambda: layers.RandomRotation(0.1, "mirror"), "fill_mode"),
        (lambda: layers.RandomBrightness(0.1, (1, 1)), "value_range"),
        (lambda: layers.RandomFlip("diagonal"), "mode"),
        (lambda: layers.Resizing(0, 3), "height"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), "kernel_size"),
        (lambda: layers.RandomPerspective(scale=2.0), "scale"),
        (lambda: layers.RandomElasticTransform(fill_mode="edge"), "fill_mode"),
        (lambda: layers.RandomPerspective(interpolation="bicubic"), "interpolation"),
        (lambda: layers.Resizing(2, 3, "lanczos"), "interpolation"),
        (lambda: layers.CategoryEncoding(None), "num_tokens"),
        (lambda: layers.CategoryEncoding(3, sparse=True), "sparse"),
        (lambda: layers.Discretization(), "num_bins"),
        (lambda: layers.Discretization(num_bins=3)(np.ones(3)), "adapt"),
        (lambda: layers.Normalization(mean=1.0), "variance"),
        (lambda: layers.Resizing(2, 3)(np.ones((3, 3))), "images of shape"),
        (lambda: layers.RandomGrayscale(1.0)(np.ones((2, 3, 3, 2)), training=True), "red, green, blue"),
    ],
)
def test_wrong_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("layer", [layers.RandomSaturation, layers.RandomColorDegeneration])
def test_factors_of_saturation_begin_at_zero_or_as_in_files_of_keras(layer):
    """Keras writes (-f, f) for one number f."""
    assert layer(0.2).get_config()["factor"] == (0, 0.2)
    read = layer.from_config({"factor": [-0.2, 0.2], "value_range": [0, 255], "seed": 1})
    assert read.factor == (-0.2, 0.2)
    x = np.random.default_rng(0).uniform(0, 255, (4, 3, 3, 3)).astype(np.float32)
    assert np.isfinite(read(x, training=True)).all()
    with pytest.raises(ValueError, match="from -1 to 1"):
        layer((-1.2, 0.2))
    assert type(layers.RandomInvert(0.2).factor[0]) is int  # so it is in files of Keras


def test_a_shear_is_read_from_what_it_writes():
    """One number is written as a pair that begins below 0, as Keras does."""
    config = layers.RandomShear(0.2, 0.1, seed=1).get_config()
    assert config["x_factor"] == (-0.2, 0.2)
    assert layers.RandomShear.from_config(config).get_config() == config
    with pytest.raises(ValueError, match="x_factor"):
        layers.RandomShear(-0.2)


def test_no_factor_is_a_whole_zero():
    assert str(layers.Solarization().get_config()["addition_factor"][0]) == "0"


def test_normalization_shows_mean_and_variance():
    layer = layers.Normalization()
    assert layer.mean is None
    assert layer.variance is None
    layer.adapt(np.float32([[1, 2], [3, 6]]))
    np.testing.assert_array_equal(layer.mean, [[2, 4]])
    np.testing.assert_array_equal(layer.variance, [[1, 4]])
    given = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
    given.build((None, 2))
    np.testing.assert_array_equal(given.variance, [[4, 9]])
