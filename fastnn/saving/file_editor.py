"""Look into a weights file, compare it with a model, change what is in it, and write it anew."""

import os

import numpy as np

from fastnn.saving import archive, hdf5, model_files, state, strict_json
from fastnn.saving.errors import ModelFormatError

_ENDINGS = (".keras", ".weights.h5")


class KerasFileEditor:
    """The weights of a file as a dict of objects, to be changed and saved as another file.

    Parameters
    ----------
    filepath : str or os.PathLike
        A ``.keras`` or ``.weights.h5`` file.  It is read whole, and not changed.

    Attributes
    ----------
    weights_dict : dict
        By name a dict for each object, of its objects and weights, and an array for each weight.
    config, metadata : dict or None
        Of a ``.keras`` file, what is in it beside the weights.

    Raises
    ------
    ModelFormatError
        For files that are damaged or hostile.
    """

    def __init__(self, filepath):
        model_files.check_extension(filepath, _ENDINGS, "KerasFileEditor", "these are the files that it reads")
        self.filepath = where = os.fsdecode(filepath)
        self.config = self.metadata = None
        data = model_files.read(filepath)
        if where.endswith(".keras"):
            members = archive.unpack(data, where)
            self.config = strict_json.parse(members[archive.CONFIG], f"{where}: {archive.CONFIG}")
            self.metadata = strict_json.parse(members[archive.METADATA], f"{where}: {archive.METADATA}")
            data = members[archive.WEIGHTS]
        self.weights_dict = _nested(hdf5.WeightsFile(data, where).groups, where)

    # --- looking -----------------------------------------------------------------------------------
    def summary(self):
        """Print the objects and weights of the file, with shapes and types."""
        print(f"Weights of {self.filepath!r}")
        _print_structure(self.weights_dict, "  ")

    def compare(self, reference_model):
        """Print where the file and a model differ in objects, weights and shapes.

        Parameters
        ----------
        reference_model : Model
            Built; with the state of its optimizer, if it has one.

        Returns
        -------
        dict
            ``status``, ``"success"`` or ``"error"``; ``error_count``, an object that is missing being one error;
            ``match_count``, the weights that agree.
        """
        model_files.check_built(reference_model, "compare")
        collected = {path: arrays for path, _, arrays in state.collect(reference_model) if arrays}
        wanted = _nested(collected, "the reference model")
        errors, matches = _differences(self.weights_dict, wanted, "")
        for error in errors:
            print(error)
        status = "error" if errors else "success"
        print(f"{status}: {matches} weights agree, {len(errors)} differences")
        return {"status": status, "error_count": len(errors), "match_count": matches}

    # --- changing ----------------------------------------------------------------------------------
    def rename_object(self, object_name, new_name):
        """Give an object another name at its place.

        Parameters
        ----------
        object_name : str
            A path, as ``"layers/dense_2"``, or a name that occurs once.
        new_name : str
        """
        _check_name(new_name)
        holder, name = self._place_of(object_name)
        if new_name in holder:
            raise ValueError(f"rename_object: there is an object {new_name!r} beside {object_name!r} already")
        holder[new_name] = holder.pop(name)

    def delete_object(self, object_name):
        """Remove an object, given by path or by a name that occurs once."""
        holder, name = self._place_of(object_name)
        del holder[name]

    def add_object(self, object_path, weights):
        """Add an object, or replace the one at its place.

        Parameters
        ----------
        object_path : str
            The whole path; the objects that it lies in are there.
        weights : dict of str to array
            As ``{"0": kernel, "1": bias}``.
        """
        *outer, name = object_path.split("/")
        _check_name(name)
        added = _checked(weights)
        self._object(outer, object_path)[name] = added

    def delete_weight(self, object_name, weight_name):
        """Remove one weight of an object."""
        holder, name = self._place_of(object_name)
        if isinstance(holder[name].get(weight_name, {}), dict):
            found = [key for key, value in holder[name].items() if not isinstance(value, dict)]
            raise ValueError(f"delete_weight: {object_name!r} has the weights {found}, and no {weight_name!r}")
        del holder[name][weight_name]

    def add_weights(self, object_name, weights):
        """Add weights to an object, or replace those of these names.

        Parameters
        ----------
        object_name : str
        weights : dict of str to array
        """
        holder, name = self._place_of(object_name)
        holder[name].update(_checked(weights))

    def _place_of(self, object_name):
        """(dict, name) of an object given by its path, or by a name that occurs once."""
        if "/" in object_name:
            *outer, name = object_name.split("/")
            holder = self._object(outer, object_name)
            if isinstance(holder.get(name), dict):
                return holder, name
            raise ValueError(f"there is no object {object_name!r}: summary() shows what there is")
        holders = list(_holders(self.weights_dict, object_name))
        if len(holders) != 1:
            repair = "give its path" if holders else "summary() shows what there is"
            raise ValueError(f"{len(holders)} objects are called {object_name!r}: {repair}")
        return holders[0], object_name

    def _object(self, names, path):
        found = self.weights_dict
        for name in names:
            found = found.get(name)
            if not isinstance(found, dict):
                raise ValueError(f"{path!r}: there is no object {name!r} on this path: summary() shows what there is")
        return found

    # --- writing -----------------------------------------------------------------------------------
    def save(self, filepath):
        """Write the weights as they are now.

        Parameters
        ----------
        filepath : str or os.PathLike
            Ends in ``.weights.h5``; a file of this name is replaced at once.
        """
        model_files.check_extension(filepath, ".weights.h5", "save", "weights alone are written")
        model_files.write(filepath, [hdf5.write(list(_groups(self.weights_dict, "")))])

    resave_weights = save


def _nested(groups, where):
    """Dicts in each other of arrays by path; the group ``vars`` of an object holds its own weights."""
    found = {}
    for path, arrays in groups.items():
        place, names = found, path.split("/") if path else []
        for name in names[:-1] if names[-1:] == ["vars"] else names:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ModelFormatError(f"{where}: {path}: {name!r} is a weight and an object")
        if both := place.keys() & arrays.keys():
            raise ModelFormatError(f"{where}: {path}: {min(both)!r} stands there twice")
        place.update(arrays)
    return found


def _groups(weights, path):
    """(path, attributes, arrays) of the objects from one on, as `hdf5.write` takes them."""
    arrays = _checked({name: value for name, value in weights.items() if not isinstance(value, dict)})
    if arrays:
        yield f"{path}vars", {}, arrays
    for name, value in weights.items():
        if isinstance(value, dict):
            yield from _groups(value, f"{path}{name}/")


def _holders(weights, name):
    """The dicts in which an object of this name is."""
    for key, value in weights.items():
        if isinstance(value, dict):
            yield from _holders(value, name)
            if key == name:
                yield weights


def _print_structure(weights, indent):
    for name, value in weights.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            _print_structure(value, f"{indent}  ")
        else:
            print(f"{indent}{name}: shape={value.shape}, dtype={value.dtype}")


def _differences(found, wanted, path):
    """(sentences, number of weights that agree)."""
    errors, matches = [], 0
    for name in [*wanted, *(name for name in found if name not in wanted)]:
        inner, a, b = f"{path}/{name}", found.get(name), wanted.get(name)
        what = "object" if isinstance(b if a is None else a, dict) else "weight"
        if a is None or b is None:
            errors.append(f"{what} {inner} is only in the {'model' if a is None else 'file'}")
        elif isinstance(a, dict) and isinstance(b, dict):
            more, agree = _differences(a, b, inner)
            errors, matches = errors + more, matches + agree
        elif isinstance(a, dict) or isinstance(b, dict):
            errors.append(f"{inner} is an object in one of them and a weight in the other")
        elif a.shape != b.shape:
            errors.append(f"weight {inner} has the shape {a.shape} in the file and {b.shape} in the model")
        else:
            matches += 1
    return errors, matches


def _check_name(name):
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(f"expected the name of an object, without a path, received {name!r}")


def _checked(weights):
    """Copies of the weights of an object."""
    if not isinstance(weights, dict):
        raise ValueError(f"expected weights as a dict, names to arrays, received {type(weights).__name__}")
    found = {}
    for name, value in weights.items():
        _check_name(name)
        found[name] = np.array(value)
        if found[name].dtype.kind not in "biuf":
            raise ValueError(f"weight {name!r}: expected numbers, received {found[name].dtype}")
    return found
