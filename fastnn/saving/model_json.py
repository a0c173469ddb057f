"""Models without their weights, as JSON texts."""

import json

from fastnn.saving import budget, registry, strict_json


def to_json(model, **kwargs):
    """The configuration of a model, and its compile() settings, as JSON.

    Parameters
    ----------
    model : Model
    **kwargs
        For ``json.dumps``, such as ``indent=2``.
    """
    with registry.sharing_scope():
        config = registry.serialize(model)
    strict_json.check(config)
    return json.dumps(config, allow_nan=False, **kwargs)


def model_from_json(json_string, custom_objects=None):
    """A new model of the configuration that ``Model.to_json`` gave, with fresh weights.

    Parameters
    ----------
    json_string : str
        Of fastnn or Keras 3.
    custom_objects : dict of str to class or function, optional
        Your own classes and functions, where they are not registered.

    Raises
    ------
    ModelFormatError
        For what is not such a configuration, for what fastnn does not have, and for models of more than
        ``2**29`` numbers.
    """
    config = strict_json.parse(json_string.encode(), "model_from_json")
    with registry.sharing_scope(), budget.limit(None, "model_from_json"):
        return registry.deserialize(config, "model", custom_objects)
