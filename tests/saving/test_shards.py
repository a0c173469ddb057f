"""Weights in several files, and an index that names no others."""

import json
import os

import numpy as np
import pytest

import fastnn
from fastnn.saving import ModelFormatError, hdf5, shards

SIZE = 3000 / 2**30  # gigabytes: a kernel has 2,000 bytes


def model(seed=0):
    fastnn.utils.set_random_seed(seed)
    made = fastnn.Sequential([fastnn.Input((20,)), fastnn.layers.Dense(25), fastnn.layers.Dense(20)])
    made.compile("adam", "mse")
    made.fit(np.ones((4, 20)), np.ones((4, 20)), verbose=0)
    return made


def values(made):
    return [v.numpy() for v in (*made.variables, *made.optimizer.variables)]


def same(first, second):
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def saved(tmp_path):
    made, path = model(), tmp_path / "net.weights.json"
    made.save_weights(path, max_shard_size=SIZE)
    return made, path


def index_of(path):
    return json.loads(path.read_text())


def test_round_trip(saved):
    made, path = saved
    index = index_of(path)
    assert index["metadata"]["total_size"] == sum(v.nbytes for v in values(made))
    assert index["weight_map"]["/layers/dense/vars"].endswith("_00001.weights.h5")
    assert len(index["weight_map"]["/optimizer/vars"]) > 1
    for name in set(os.listdir(path.parent)) - {path.name}:
        groups = hdf5.WeightsFile((path.parent / name).read_bytes(), name).groups
        assert sum(array.nbytes for arrays in groups.values() for array in arrays.values()) <= 3000
    again = model(1)
    again.load_weights(path)
    same(made, again)


def test_a_name_of_one_file_becomes_that_of_an_index(tmp_path):
    with pytest.warns(UserWarning, match=r"net\.weights\.json"):
        model().save_weights(tmp_path / "net.weights.h5", max_shard_size=1)
    assert not (tmp_path / "net.weights.h5").exists()
    assert (tmp_path / "net.weights.json").exists()


def test_the_shards_before_go_and_no_others(saved):
    _, path = saved
    before = set(os.listdir(path.parent))
    for name in ("net_other.weights.h5", "net_best_00001.weights.h5", "other_00001.weights.h5"):
        (path.parent / name).write_text("mine")
    index = index_of(path)
    index["weight_map"] |= {
        "/a": "net_best_00001.weights.h5",
        "/b": "other_00001.weights.h5",
        "/c": "net_other.weights.h5",
    }
    path.write_text(json.dumps(index))
    second = model(1)
    second.save_weights(path, max_shard_size=1)
    left = set(os.listdir(path.parent))
    assert left & before == {"net.weights.json", "net_00000.weights.h5"}
    assert {"net_other.weights.h5", "net_best_00001.weights.h5", "other_00001.weights.h5"} <= left
    again = model(2)
    again.load_weights(path)
    same(again, second)


@pytest.mark.parametrize("at", ["_00001.weights.h5", "_00003.weights.h5", "net.weights.json"])
def test_a_save_that_fails_leaves_the_old_weights(saved, monkeypatch, at):
    made, path = saved
    write = shards.atomic.write

    def fails(place, pieces):
        if str(place).endswith(at):
            raise OSError(28, "no space")
        write(place, pieces)

    before = sorted(os.listdir(path.parent))
    monkeypatch.setattr(shards.atomic, "write", fails)
    with pytest.raises(OSError, match="no space"):
        model(1).save_weights(path, max_shard_size=SIZE)
    assert sorted(os.listdir(path.parent)) == before
    again = model(2)
    again.load_weights(path)
    same(again, made)


def test_arrays_larger_than_a_shard_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"layers/dense/vars/0 has 2000 bytes, more than max_shard_size"):
        model().save_weights(tmp_path / "net.weights.json", max_shard_size=1000 / 2**30)
    with pytest.raises(ValueError, match="above 0"):
        model().save_weights(tmp_path / "net.weights.json", max_shard_size=0)
    assert os.listdir(tmp_path) == []


def test_other_names_are_refused(tmp_path):
    with pytest.raises(ModelFormatError, match="must end in"):
        model().save_weights(tmp_path / "net.json", max_shard_size=1)
    (tmp_path / "net.weights.json").write_text("{}")
    with pytest.raises(FileExistsError):
        model().save_weights(tmp_path / "net.weights.json", overwrite=False, max_shard_size=1)


OUTSIDE = [
    "../net.weights.h5",
    "/etc/net.weights.h5",
    "a/net.weights.h5",
    "..\\net.weights.h5",
    "c:net.weights.h5",
    "x",
    3,
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_outside_of_the_folder_are_not_followed(saved, name):
    _, path = saved
    index = index_of(path)
    for wrong in (name, [name]):
        index["weight_map"]["/layers/dense/vars"] = wrong
        path.write_text(json.dumps(index))
        with pytest.raises(ModelFormatError, match="not the name of a file beside it"):
            model().load_weights(path)


def test_links_are_not_followed(saved, tmp_path):
    _, path = saved
    name = index_of(path)["weight_map"]["/layers/dense/vars"]
    os.rename(tmp_path / name, tmp_path / "moved")
    os.symlink(tmp_path / "moved", tmp_path / name)
    with pytest.raises(ModelFormatError, match="links are not followed"):
        model().load_weights(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.pop("weight_map"), "expected an index"),
        (lambda index: index.update(weight_map=[]), "expected an index"),
        (
            lambda index: index["weight_map"].update({"/more/vars": index["weight_map"]["/layers/dense/vars"]}),
            "stand in",
        ),
        (lambda index: index["weight_map"].pop("/layers/dense/vars"), "layers/dense/vars"),
        (lambda index: index["weight_map"].update({"/x": [f"{i}.weights.h5" for i in range(10_001)]}), "at most 10000"),
    ],
)
def test_an_index_that_does_not_fit_is_refused_and_changes_nothing(saved, change, message):
    _, path = saved
    index = index_of(path)
    change(index)
    path.write_text(json.dumps(index))
    again = model(1)
    before = values(again)
    with pytest.raises(ModelFormatError, match=message):
        again.load_weights(path)
    for a, b in zip(before, values(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_shard_twice_is_refused(saved):
    _, path = saved
    index = index_of(path)
    index["weight_map"]["/layers/dense/vars"] = [index["weight_map"]["/layers/dense/vars"]] * 2
    path.write_text(json.dumps(index))
    with pytest.raises(ModelFormatError, match="does not stand in"):
        model().load_weights(path)
