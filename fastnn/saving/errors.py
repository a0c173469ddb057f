"""The one error that a model file, or a configuration out of one, may cause."""


class ModelFormatError(ValueError):
    """A model file or configuration is damaged, hostile, or of a kind that fastnn does not read."""
