"""The names that Keras has in ``keras.utils``, each imported from its home when it is first used."""

from importlib import import_module

_HOMES = {
    "Progbar": "fastnn.progress",
    "set_random_seed": "fastnn.random",
    "clear_session": "fastnn.naming",
    "PyDataset": "fastnn.data.py_dataset",
    "Sequence": "fastnn.data.py_dataset",
    "Config": "fastnn.named_values",
    "enable_interactive_logging": "fastnn.config",
    "disable_interactive_logging": "fastnn.config",
    "is_interactive_logging_enabled": "fastnn.config",
    "standardize_dtype": "fastnn.config",
    "is_keras_tensor": "fastnn.graph.declaration",
    "get_source_inputs": "fastnn.graph.declaration",
    "split_dataset": "fastnn.data.splitting",
    "get_file": "fastnn.datasets.source",
    "model_to_dot": "fastnn.models.drawing",
    "plot_model": "fastnn.models.drawing",
    "to_categorical": "fastnn.data.labels",
    "normalize": "fastnn.data.labels",
    "pack_x_y_sample_weight": "fastnn.data.arrays",
    "unpack_x_y_sample_weight": "fastnn.data.arrays",
    "pad_sequences": "fastnn.data.sequences",
    "timeseries_dataset_from_array": "fastnn.data.sequences",
    "image_dataset_from_directory": "fastnn.data.image_folder",
    "load_img": "fastnn.data.image",
    "img_to_array": "fastnn.data.image",
    "array_to_img": "fastnn.data.image",
    "save_img": "fastnn.data.image",
    "serialize_keras_object": "fastnn.saving",
    "deserialize_keras_object": "fastnn.saving",
    "register_keras_serializable": "fastnn.saving",
    "custom_object_scope": "fastnn.saving",
    "CustomObjectScope": "fastnn.saving",
    "get_custom_objects": "fastnn.saving",
    "get_registered_name": "fastnn.saving",
    "get_registered_object": "fastnn.saving",
}


_RENAMED = {"Sequence": "PyDataset"}  # the name of older Keras


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'fastnn.utils' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), _RENAMED.get(name, name))
    return value


def __dir__():
    return sorted({*globals(), *_HOMES})
