"""Weights in several HDF5 files: an index in JSON says which file holds which group, as Keras writes it.

Shards of a new save have new names, and the index, which is put in place last, decides which belong to it: a program
that is killed leaves the old weights or the new ones whole.
"""

import contextlib
import json
import os
import re

from fastnn.saving import atomic, hdf5, strict_json
from fastnn.saving.errors import ModelFormatError
from fastnn.saving.folder import read_file

ENDING = ".weights.json"
MAX_SHARDS = 10_000
MAX_SHARD = 1 << 48  # bytes
_GIGABYTE = 1 << 30
_NAME = re.compile(r"[^/\\:\x00-\x1f]{1,255}\.weights\.h5")


def write(path, groups, max_shard_size):
    """Write the shards, then the index, then remove the shards of the index before.

    Parameters
    ----------
    path : str
        Ends in ``.weights.json``.
    groups : list of (path, attributes, arrays)
        As for `hdf5.write`.
    max_shard_size : float
        Gigabytes (2**30 bytes) of arrays in one file.
    """
    folder, name = os.path.split(os.path.realpath(path))
    base = name.removesuffix(ENDING)
    parts, total = _divided(groups, max_shard_size)
    before, tag = _shards_of_old(path), os.urandom(4).hex()
    names = [f"{base}_{tag}_{i:05}.weights.h5" for i in range(1, len(parts) + 1)]
    weight_map = {}
    for shard, part in zip(names, parts, strict=True):
        for group, _, _ in part:
            weight_map.setdefault(f"/{group}", []).append(shard)
    weight_map = {group: held[0] if len(held) == 1 else held for group, held in weight_map.items()}
    first = f"{base}_00000.weights.h5"  # Keras opens it, whatever the index says
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=4)
    try:
        for shard, part in zip(names, parts, strict=True):
            atomic.write(os.path.join(folder, shard), [hdf5.write(part)])
        if not os.path.lexists(os.path.join(folder, first)):
            atomic.write(os.path.join(folder, first), [hdf5.write([])])
        atomic.write(path, [text.encode()])
    except BaseException:
        _remove(folder, names)
        raise
    if first in before:
        atomic.write(os.path.join(folder, first), [hdf5.write([])])
    ours = re.compile(re.escape(base) + r"_([0-9a-f]{8}_)?\d{5}\.weights\.h5")
    _remove(folder, [shard for shard in before if shard != first and ours.fullmatch(shard)])


def _divided(groups, max_shard_size):
    """(the groups of each shard, bytes of all arrays): arrays in their order, as many as fit into a shard."""
    most, parts, used, total = float(max_shard_size) * _GIGABYTE, [[]], 0, 0
    if not most > 0:
        raise ValueError(f"save_weights: max_shard_size must be above 0, received {max_shard_size!r}")
    for group, attributes, arrays in groups:
        held = None  # the arrays of this group in the present shard
        for key, array in arrays.items():
            if array.nbytes > most:
                raise ValueError(
                    f"save_weights: {group}/{key} has {array.nbytes} bytes, more than max_shard_size={max_shard_size} "
                    "gigabytes: make it larger"
                )
            if used + array.nbytes > most:
                parts.append([])
                used, held = 0, None
            if held is None:
                held = {}
                parts[-1].append((group, attributes, held))
            held[key] = array
            used, total = used + array.nbytes, total + array.nbytes
    return parts, total


def _shards_of_old(path):
    """The shards of the index that is there, if it is one."""
    try:
        return set(_shards(_weight_map(path)))
    except (OSError, ModelFormatError):
        return set()


def _remove(folder, names):
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, name))


def _weight_map(path):
    index = strict_json.parse(read_file(path, strict_json.MAX_BYTES), path)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict):
        raise ModelFormatError(f"{path}: expected an index of weights, with a weight_map")
    found = {}
    for group, names in weight_map.items():
        found[group] = names if isinstance(names, list) else [names]
        for name in found[group]:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ModelFormatError(f"{path}: {name!r:.100} is not the name of a file beside it")
    return found


def _shards(weight_map):
    """The names of all shards, each once."""
    return list(dict.fromkeys(name for names in weight_map.values() for name in names))


class ShardedFile:
    """The arrays of all shards.

    Parameters
    ----------
    path : str
        The index.

    Attributes
    ----------
    where, groups, elements : as those of `hdf5.WeightsFile`

    Raises
    ------
    ModelFormatError
        For an index that names anything but files in its own folder, and shards that do not hold what it says.
    """

    def __init__(self, path):
        self.where, self.groups, self.elements = path, {}, 0
        weight_map, folder = _weight_map(path), os.path.dirname(os.path.realpath(path))
        names = _shards(weight_map)
        if len(names) > MAX_SHARDS:
            raise ModelFormatError(f"{path}: {len(names)} files; at most {MAX_SHARDS} are allowed")
        shards = {}
        for name in names:
            place = os.path.join(folder, name)
            shards[name] = hdf5.WeightsFile(read_file(place, MAX_SHARD), place)
            self.elements += shards[name].elements
        for group, held in weight_map.items():
            arrays = self.groups.setdefault(group.removeprefix("/"), {})
            for name in held:
                found = shards[name].groups.get(group.removeprefix("/"), {})
                if not found or arrays.keys() & found.keys():
                    raise ModelFormatError(f"{path}: {group:.100} does not stand in {name} as the index says")
                arrays.update(found)
