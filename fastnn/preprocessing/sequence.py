"""The names of ``keras.preprocessing.sequence``, from their homes."""

from fastnn.data.sequences import pad_sequences

__all__ = ["pad_sequences"]
