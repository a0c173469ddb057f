"""Save and load: models in `.keras` or old `.h5` files, weights in `.weights.h5` or `.safetensors` files."""

import contextlib
import json
import os
import stat
import time
import warnings

from fastnn.saving import (
    archive,
    atomic,
    budget,
    folder,
    hdf5,
    legacy_h5,
    registry,
    safetensors,
    shards,
    state,
    strict_json,
)
from fastnn.saving.errors import ModelFormatError

KERAS_VERSION = "3.15.1"  # whose files we read and write
WEIGHTS_ENDINGS = (".weights.h5", ".safetensors")
MODEL_ENDINGS = (".keras", *legacy_h5.ENDINGS)


def save_model(model, filepath, overwrite=True, zipped=None, include_optimizer=True):
    """Save a model with its weights, and its optimiser's state to go on training.

    Parameters
    ----------
    model : Model
    filepath : str, os.PathLike or binary file object
        A path ends in ``.keras``, or in ``.h5`` for the format of Keras 2, which keeps less and gets a warning.  The
        file is put in place at once: it is always the old one or the new one.
    overwrite : bool
        False refuses to replace a file.
    zipped : bool, optional
        False writes a folder of three files; the name then has none of the endings of files.
    include_optimizer : bool
        False leaves out the compile() settings and the optimiser's state.

    Raises
    ------
    ValueError
        For other extensions, and for what a file cannot hold, such as a lambda.
    FileExistsError
        With ``overwrite=False``.
    OSError
        When writing fails; the old file is untouched.
    """
    unzipped = zipped is not None and not zipped
    if unzipped:
        _check_folder_name(filepath)
    else:
        _check_model_extension(filepath, "save_model")
    _check_overwrite(filepath, overwrite)
    if not unzipped and _is_legacy(filepath):
        warnings.warn("save_model: '.h5' is the format of Keras 2, save models in '.keras' files", stacklevel=3)
        check_built(model, "save_model")
        write(filepath, [hdf5.write(legacy_h5.groups(model, KERAS_VERSION, include_optimizer))])
        return
    parts = ("build_config", "compile_config") if include_optimizer else ("build_config",)
    with registry.sharing_scope(parts):
        config = registry.serialize(model)
    strict_json.check(config)
    members = {
        archive.METADATA: json.dumps(_metadata()).encode(),
        archive.CONFIG: json.dumps(config, allow_nan=False).encode(),
        archive.WEIGHTS: hdf5.write(state.collect(model, () if include_optimizer else _optimizers(model))),
    }
    if unzipped:
        folder.write(filepath, members)
    else:
        write(filepath, archive.pack(members))


def save_weights(model, filepath, overwrite=True, max_shard_size=None):
    """Save the weights of a model, and the state of its optimiser.

    Parameters
    ----------
    model : Model
    filepath : str, os.PathLike or binary file object
        A path ends in ``.weights.h5`` or ``.safetensors``; a file object gets HDF5.
    overwrite : bool
        False refuses to replace a file.
    max_shard_size : float, optional
        Gigabytes of weights in one file.  Several are written, beside an index whose path ends in ``.weights.json``.

    Raises
    ------
    ValueError, FileExistsError, OSError
        As `save_model`.
    """
    if max_shard_size is not None:
        _save_shards(model, filepath, overwrite, max_shard_size)
        return
    check_extension(filepath, WEIGHTS_ENDINGS, "save_weights", "for whole models use save() with '.keras'")
    _check_overwrite(filepath, overwrite)
    check_built(model, "save_weights")
    groups = state.collect(model)
    plain = not hasattr(filepath, "write") and os.fsdecode(filepath).endswith(".safetensors")
    write(filepath, safetensors.write(groups) if plain else [hdf5.write(groups)])


def _save_shards(model, filepath, overwrite, max_shard_size):
    if hasattr(filepath, "write"):
        raise ValueError("save_weights: max_shard_size needs a path: several files are written")
    path = os.fsdecode(filepath)
    if path.endswith(".weights.h5"):
        path = f"{path.removesuffix('.weights.h5')}{shards.ENDING}"
        warnings.warn(f"save_weights: the index of several files is {path!r}", stacklevel=4)
    check_extension(path, shards.ENDING, "save_weights", "it is the index of several files")
    _check_overwrite(path, overwrite)
    check_built(model, "save_weights")
    shards.write(path, state.collect(model), max_shard_size)


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """Load a model that fastnn or Keras has saved.

    Parameters
    ----------
    filepath : str, os.PathLike or binary file object
        A ``.keras`` file, a folder of the same members, or a whole model in an ``.h5`` file of Keras 2 or 3.
    custom_objects : dict of str to class or function, optional
        Your own classes and functions, where they are not registered.
    compile : bool
        Whether to compile the model as it was, and to load the state of its optimiser.
    safe_mode : bool
        Accepted as in Keras; there is no unsafe mode.

    Returns
    -------
    Model

    Raises
    ------
    ModelFormatError
        For files that are damaged, hostile, or use what fastnn does not have.
    """
    where = _describe(filepath)
    if not hasattr(filepath, "read") and os.path.isdir(filepath):
        members = folder.read(filepath)
    else:
        _check_model_extension(filepath, "load_model")
        data = read(filepath)
        if _is_legacy(filepath, data):
            return _load_legacy_model(hdf5.WeightsFile(data, where), where, custom_objects, compile)
        members = archive.unpack(data, where)
    return _load_members(members, where, custom_objects, compile)


def _load_members(members, where, custom_objects, compile):
    """The model of the three members of an archive or a folder."""
    _check_metadata(strict_json.parse(members[archive.METADATA], f"{where}: {archive.METADATA}"), where)
    config = strict_json.parse(members[archive.CONFIG], f"{where}: {archive.CONFIG}")
    if not compile:
        config.pop("compile_config", None)
    file = hdf5.WeightsFile(members.pop(archive.WEIGHTS), f"{where}: {archive.WEIGHTS}")
    with _refusing(where), registry.sharing_scope(), budget.limit(file.elements, where):
        model = registry.deserialize(config, "model", custom_objects)
        _build_optimizer(model, file)
        state.restore(model, file, () if compile else _optimizers(model))
    return model


def _load_legacy_model(file, where, custom_objects, compile):
    with _refusing(where), registry.sharing_scope(), budget.limit(file.elements, where):
        legacy = legacy_h5.LegacyFile(file)
        model = legacy.build_model(custom_objects)
        legacy.restore(model)
        if compile:
            legacy.compile(model)
    return model


def load_weights(model, filepath, skip_mismatch=False, by_name=False):
    """Load the weights of a model from a ``.weights.h5``, ``.safetensors``, ``.keras`` or old ``.h5`` file.

    Or from several files, whose index ends in ``.weights.json``.

    Parameters
    ----------
    model : Model
        Built, and of the same architecture.
    filepath : str, os.PathLike or binary file object
    skip_mismatch : bool
        Leave out layers (from old files: arrays) that the file has in another shape, with a warning.
    by_name : bool
        From an old ``.h5`` file, which knows layers by name: only the layers that both have.

    Raises
    ------
    ModelFormatError
        For files that are damaged, hostile or of another model.  The model is then as it was.
    """
    where = _describe(filepath)
    endings = (*WEIGHTS_ENDINGS, shards.ENDING, *MODEL_ENDINGS)
    check_extension(filepath, endings, "load_weights", "save them with save_weights('....weights.h5')")
    check_built(model, "load_weights")
    if not hasattr(filepath, "read") and where.endswith(shards.ENDING):
        file = shards.ShardedFile(where)
    else:
        file = _weights_file(read(filepath), where, named=not hasattr(filepath, "read"))
    before = [(variable, variable.numpy()) for variable in _variables(model)]
    try:
        with _refusing(where), budget.limit(file.elements, where):
            legacy = legacy_h5.LegacyFile(file) if isinstance(file, hdf5.WeightsFile) else None
            if legacy is not None and legacy.is_legacy:
                legacy.restore(model, by_name, skip_mismatch)
            elif by_name:
                raise ModelFormatError("by_name=True is for the old '.h5' format, where layers stand under their names")
            else:
                state.restore(model, file, skip_mismatch=skip_mismatch)
    except BaseException:
        for variable, value in before:
            variable.assign(value)
        raise


def _weights_file(data, where, named):
    """The arrays of a file of any kind: its name says which, the first bytes of a file object do."""
    if where.endswith(".keras") if named else data[:2] == b"PK":
        data = archive.unpack(data, where)[archive.WEIGHTS]
    elif where.endswith(".safetensors") if named else data[8:9] == b"{":
        return safetensors.SafetensorsFile(data, where)
    return hdf5.WeightsFile(data, where)


@contextlib.contextmanager
def _refusing(where):
    """Whatever goes wrong while a file is made into a model is the file's fault."""
    try:
        yield
    except ModelFormatError as error:
        if str(error).startswith(where):
            raise
        raise ModelFormatError(f"{where}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:
        raise ModelFormatError(f"{where}: {type(error).__name__}: {error}") from error


def _metadata():
    from fastnn.version import __version__

    date = time.strftime("%Y-%m-%d@%H:%M:%S")
    return {"keras_version": KERAS_VERSION, "fastnn_version": __version__, "date_saved": date}


def _check_metadata(metadata, where):
    version = metadata.get("keras_version")
    if not isinstance(version, str) or not version.startswith("3."):
        raise ModelFormatError(f"{where}: written by Keras {version!r:.50}; fastnn reads the files of Keras 3")


def _optimizers(model):
    optimizer = getattr(model, "optimizer", None)
    return () if optimizer is None else (optimizer,)


def _build_optimizer(model, file):
    """Make the optimiser's variables if the file has values for them."""
    for optimizer in _optimizers(model):
        stored = len(file.groups.get("optimizer/vars", ()))
        if not optimizer.built and stored > len(optimizer.variables):
            optimizer.build(model.trainable_variables)


def _variables(model):
    return [*model.variables, *(v for optimizer in _optimizers(model) for v in optimizer.variables)]


def check_built(model, what):
    """Refuse a model without weights; `what` is the function that was called."""
    if not model.built:
        raise ValueError(f"{what}: the model has no weights yet: give it an Input, or call it once on data")


def _describe(filepath):
    if hasattr(filepath, "read") or hasattr(filepath, "write"):
        return str(getattr(filepath, "name", "<file object>"))
    return os.fsdecode(filepath)


def check_extension(filepath, endings, what, repair):
    """Refuse a path that ends otherwise; file objects have no name to look at."""
    if hasattr(filepath, "read") or hasattr(filepath, "write"):
        return
    endings = (endings,) if isinstance(endings, str) else endings
    if not os.fsdecode(filepath).endswith(endings):
        raise ModelFormatError(
            f"{what}: the file name must end in {' or '.join(map(repr, endings))}, received "
            f"{os.fsdecode(filepath)!r}: {repair}"
        )


def _check_model_extension(filepath, what):
    repair = "weights alone are for save_weights() and load_weights(), in '.weights.h5' files"
    check_extension(filepath, MODEL_ENDINGS, what, repair)
    if not hasattr(filepath, "read") and os.fsdecode(filepath).endswith(WEIGHTS_ENDINGS):
        raise ModelFormatError(f"{what}: {os.fsdecode(filepath)!r} is the name of a weights file: {repair}")


def _check_folder_name(filepath):
    if hasattr(filepath, "write"):
        raise ValueError("save_model: zipped=False writes a folder, and needs its path")
    if os.fsdecode(filepath).endswith((*MODEL_ENDINGS, *WEIGHTS_ENDINGS)):
        raise ModelFormatError(
            f"save_model: with zipped=False the path is that of a folder, and must not end as {filepath!r} does"
        )


def _is_legacy(filepath, data=b""):
    """Whether a file is an old `.h5` one: its name says so, or what an open file begins with."""
    if hasattr(filepath, "read") or hasattr(filepath, "write"):
        return data.startswith(hdf5.MAGIC)
    return os.fsdecode(filepath).endswith(legacy_h5.ENDINGS)


def _check_overwrite(filepath, overwrite):
    if not overwrite and not hasattr(filepath, "write") and os.path.lexists(filepath):
        raise FileExistsError(17, "The file exists: pass overwrite=True to replace it", os.fsdecode(filepath))


def write(filepath, pieces):
    """Put a file in place at once, or write to a file object."""
    if hasattr(filepath, "write"):
        for piece in pieces:
            filepath.write(piece)
    else:
        atomic.write(filepath, pieces)


def read(filepath):
    """The whole file; pipes and devices, which may never end, are refused."""
    if hasattr(filepath, "read"):
        return bytes(filepath.read())
    handle = os.open(filepath, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ModelFormatError(f"{os.fsdecode(filepath)}: not a regular file")
        return file.read()
