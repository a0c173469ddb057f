"""Engines run programs: ``native`` in C, ``reference`` with NumPy.

The environment variable ``FASTNN_ISA`` (``scalar``, ``avx2``, ``avx512``, ``neon``) forces the instruction
set that the native kernels use; by default it is the best that the CPU and the operating system offer.
"""

import os

from fastnn.engine import native

if "FASTNN_ISA" in os.environ:
    try:
        native.select_isa(os.environ["FASTNN_ISA"])
    except ValueError as error:
        raise ValueError(f"environment variable FASTNN_ISA: {error}") from None
