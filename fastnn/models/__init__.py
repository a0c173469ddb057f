"""Models: layers put together, trained, saved."""

from fastnn.models.cloning import clone_model
from fastnn.models.functional import Functional
from fastnn.models.model import Model
from fastnn.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def __getattr__(name):
    if name in ("load_model", "save_model"):
        from fastnn import saving

        return getattr(saving, name)
    if name == "model_from_json":
        from fastnn.saving.model_json import model_from_json

        return model_from_json
    raise AttributeError(f"module 'fastnn.models' has no attribute {name!r}")
