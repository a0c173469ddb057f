"""Images mixed with each other or with changed copies, pipelines, bounding boxes: what is left to chance, or not."""

import numpy as np
import pytest

import fastnn as keras
from fastnn import layers

WHERE = pytest.mark.parametrize("engine", [None, "native", "reference"])


def trained(layer, x, engine, labels=None):
    """What a layer gives in training, on arrays or in a program: images, or images and labels."""
    given = x if labels is None else {"images": x, "labels": labels}
    if engine is None:
        y = layer(given, training=True)
        return y if labels is None else (y["images"], y["labels"])

    class Trained(keras.Model):
        def call(self, inputs):
            if labels is None:
                return layer(inputs, training=True)
            y = layer({"images": inputs[0], "labels": inputs[1]}, training=True)
            return [y["images"], y["labels"]]

    model = Trained()
    model.compile(engine=engine)
    return model.predict(x if labels is None else [x, labels], batch_size=len(x), verbose=0)


def numbered(n, h=1, w=1):
    """Images whose pixels all say which image it is, as a one-hot vector, and the same as labels."""
    labels = np.eye(n, dtype=np.float32)
    return np.ascontiguousarray(np.broadcast_to(labels[:, None, None], (n, h, w, n))), labels


@WHERE
def test_mix_up_mixes_labels_as_images(engine):
    x, labels = numbered(300)
    keras.utils.set_random_seed(3)
    images, mixed = trained(layers.MixUp(0.4, seed=1), x, engine, labels)
    np.testing.assert_allclose(images[:, 0, 0], mixed, atol=1e-6)
    np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-5)
    assert ((mixed > 0).sum(1) <= 2).all()
    share = np.diag(mixed)
    partner = np.where(mixed * (1 - np.eye(300)) > 0, 1, 0)
    assert (partner.sum(0) <= 1).all(), "each image is the partner of one"
    assert abs(share.mean() - 0.5) < 5 * np.sqrt(1 / (4 * 1.8) / 300)
    assert abs(share.var() - 1 / (4 * 1.8)) < 0.03  # of Beta(a, a): 1 / (4 (2 a + 1))


@WHERE
def test_cut_mix_takes_a_rectangle_and_as_much_of_the_label(engine):
    n, h, w = 120, 12, 9
    x, labels = numbered(n, h, w)
    keras.utils.set_random_seed(4)
    images, mixed = trained(layers.CutMix((0.5, 1.0), seed=2), x, engine, labels)
    assert set(np.unique(images)) == {0, 1}
    others = 0
    for i in range(n):
        foreign = images[i, :, :, i] == 0
        rows, columns = foreign.any(1), foreign.any(0)
        np.testing.assert_array_equal(foreign, rows[:, None] & columns[None, :])
        if foreign.any():
            others += 1
            (partner,) = np.unique(images[i][foreign].argmax(-1))
            assert mixed[i, partner] > 0
        for inside, size in ((rows, h), (columns, w)):
            assert foreign.any() is np.False_ or abs(inside.sum() / size - np.sqrt(1 - mixed[i, i])) <= 1 / size + 1e-4
            assert (np.diff(np.flatnonzero(inside)) == 1).all()
    assert others > n / 2
    np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", [layers.MixUp, layers.CutMix])
def test_mixing_outside_of_training_and_of_one_image(kind):
    x, labels = numbered(4, 3, 3)
    for data in ({"images": x, "labels": labels}, x):
        y = kind(seed=1)(data, training=False)
        np.testing.assert_array_equal(y["images"] if isinstance(data, dict) else y, x)
    one = kind(seed=1)({"images": x[1], "labels": labels[1]}, training=True)
    np.testing.assert_array_equal(one["images"], x[1])
    np.testing.assert_array_equal(one["labels"], labels[1])
    with pytest.raises(ValueError, match="one_hot"):
        kind()({"images": x, "labels": np.arange(4)}, training=True)
    first = kind(data_format="channels_first", seed=5)(x.transpose(0, 3, 1, 2), training=True)
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), kind(seed=5)(x, training=True))


def changes(x):
    """What the choices of the policies do to images where the strength is 0, with the chance of each in elevenths."""
    return [
        (x, 6), (255 - x, 1), (layers.RandomSharpness((0.0, 0.0))(x, training=True), 1),
        (layers.RandomPosterization((1, 1))(x, training=True), 1), (layers.AutoContrast()(x), 1),
        (layers.Equalization()(x), 1),
    ]  # fmt: skip


@WHERE
def test_rand_augment_chooses_evenly(engine):
    x = np.random.default_rng(0).uniform(20, 230, (2, 6, 6, 3)).astype(np.float32)
    keras.utils.set_random_seed(5)
    expected = changes(x)
    counts = np.zeros(len(expected))
    if engine is None:
        layer = layers.RandAugment(num_ops=1, factor=(0.0, 0.0), seed=7)
        results = [layer(x, training=True) for _ in range(220)]
    else:
        layer = layers.RandAugment(num_ops=1, factor=(0.0, 0.0))
        results = many(layer, x, engine, 40)
    for y in results:
        fits = [np.allclose(y, z, atol=2e-2) for z, _ in expected]
        assert sum(fits) == 1
        counts += fits
    shares = np.array([k for _, k in expected]) / 11
    assert (np.abs(counts - len(results) * shares) < 5 * np.sqrt(len(results) * shares * (1 - shares)) + 1).all()


def many(layer, x, engine, count):
    """The results of several runs of one program."""

    class Trained(keras.Model):
        def call(self, inputs):
            return layer(inputs, training=True)

    model = Trained()
    model.compile(engine=engine)
    return np.split(model.predict(np.concatenate([x] * count), batch_size=len(x), verbose=0), count)


@WHERE
def test_aug_mix_is_half_the_image_and_half_a_chain_for_a_large_alpha(engine):
    x = np.random.default_rng(0).uniform(20, 230, (2, 6, 6, 3)).astype(np.float32)
    keras.utils.set_random_seed(6)
    layer = layers.AugMix(num_chains=1, chain_depth=1, factor=(0.0, 0.0), alpha=1e5, seed=3 if engine is None else None)
    results = [layer(x, training=True) for _ in range(30)] if engine is None else many(layer, x, engine, 30)
    chosen = {tuple(np.allclose(y, (x + z) / 2, atol=2.5) for z, _ in changes(x)) for y in results}
    assert len(chosen) > 3 and all(any(fits) for fits in chosen)


def test_policies_keep_the_range_of_values():
    x = np.random.default_rng(1).uniform(0, 1, (4, 8, 8, 3)).astype(np.float32)
    for layer in (layers.AugMix((0, 1), factor=0.9, seed=1), layers.RandAugment((0, 1), num_ops=3, factor=0.9, seed=1)):
        for _ in range(20):
            y = layer(x, training=True)
            assert y.shape == x.shape and y.min() >= -1e-5 and y.max() <= 1 + 1e-5


def test_configurations():
    for layer in (
        layers.MixUp(0.3, seed=1), layers.CutMix((0.1, 0.4), seed=2), layers.RandAugment((0, 1), 3, 0.2, "nearest", 4),
        layers.AugMix(num_chains=2, all_ops=False, alpha=0.5), layers.MaxNumBoundingBoxes(5, fill_value=-7),
    ):  # fmt: skip
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
    mine = {"alpha", "seed", "data_format", "name", "trainable", "dtype"}
    assert set(layers.MixUp().get_config()) == mine
    for wrong, words in (
        (lambda: layers.MixUp(0.0), "alpha"), (lambda: layers.CutMix(2.0), "factor"),
        (lambda: layers.RandAugment(num_ops=0), "num_ops"), (lambda: layers.AugMix(chain_depth=0), "chain_depth"),
        (lambda: layers.AugMix(value_range=(1, 1)), "value_range"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            wrong()


def test_bounding_boxes_are_cut_and_filled_up():
    boxes = {"boxes": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "labels": np.arange(6).reshape(2, 3)}
    data = {"images": np.zeros((2, 4, 4, 3), np.uint8), "bounding_boxes": boxes, "labels": np.arange(2)}
    less = layers.MaxNumBoundingBoxes(2)(data)
    np.testing.assert_array_equal(less["bounding_boxes"]["boxes"], boxes["boxes"][:, :2])
    np.testing.assert_array_equal(less["bounding_boxes"]["labels"], boxes["labels"][:, :2])
    more = layers.MaxNumBoundingBoxes(5, fill_value=-2)(data)["bounding_boxes"]
    np.testing.assert_array_equal(more["boxes"][:, :3], boxes["boxes"])
    assert (more["boxes"][:, 3:] == -2).all() and (more["labels"][:, 3:] == -2).all()
    assert more["boxes"].shape == (2, 5, 4) and more["labels"].shape == (2, 5)
    assert set(data["bounding_boxes"]["labels"].shape) == {2, 3}, "the caller's data stay as they are"


def test_a_pipeline_is_its_layers_in_turn(tmp_path):
    x = np.random.default_rng(2).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    steps = [layers.RandomFlip("horizontal", seed=1), layers.Resizing(4, 4), layers.Rescaling(1 / 255)]
    pipeline = layers.Pipeline(steps)
    assert pipeline.layers == steps and steps[1] in list(pipeline._flatten_layers())
    flipped = layers.RandomFlip("horizontal", seed=1)(x, training=True)
    np.testing.assert_array_equal(pipeline(x), layers.Rescaling(1 / 255)(layers.Resizing(4, 4)(flipped)))
    still = layers.Rescaling(1 / 255)(layers.Resizing(4, 4)(x))
    np.testing.assert_array_equal(pipeline(x, training=False), still)
    model = keras.Sequential([keras.Input((8, 8, 3)), pipeline, layers.Flatten(), layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(TypeError, match="expected layers"):
        layers.Pipeline([np.sum])


def test_a_pipeline_passes_masks_on():
    pipeline = layers.Pipeline([layers.Masking(), layers.Dense(2), layers.GlobalAveragePooling1D()])
    x = np.array([[[1.0, 2.0], [0.0, 0.0]]], np.float32)
    np.testing.assert_allclose(pipeline(x), layers.Pipeline(pipeline.layers[1:2])(x)[:, 0], rtol=1e-6)
