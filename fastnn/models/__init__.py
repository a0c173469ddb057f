"""Models: layers put together, trained, saved."""

from fastnn.models.model import Model
from fastnn.models.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model", "save_model"]


def __getattr__(name):
    if name in ("load_model", "save_model"):
        from fastnn import saving

        return getattr(saving, name)
    raise AttributeError(f"module 'fastnn.models' has no attribute {name!r}")
