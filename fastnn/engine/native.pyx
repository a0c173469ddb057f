# cython: language_level=3
"""The binding of ``csrc/fnn.h``: programs of native steps, and what the machine offers.

Nothing that a caller passes reaches C unchecked. A program's steps are checked when it is made: indices here,
sizes by their prepare functions in C. The memory that the program may touch is then known for each base, and
a run compares it with the buffers it is given. While C runs, the GIL is released; each run has a workspace of
its own, so several Python threads may run one program.
"""

import os
import sys
from collections import namedtuple
from operator import index

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_ND,
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from cython cimport final
from libc.math cimport INFINITY
from libc.stdint cimport PTRDIFF_MAX, UINT32_MAX, int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cimport numpy
from numpy import broadcast_to, empty, ndarray

from fastnn.engine.steps import Operand, Step


cdef extern from *:
    """
    #define FNN_STEP(name, operands, ...) {#name, operands, #__VA_ARGS__},
    static const struct { const char *name, *operands, *dims; } step_rows[] = {
    #include "steps.def"
    };
    #undef FNN_STEP
    #define FNN_OP(name, arity, expression) {#name, arity},
    static const struct { const char *name; int arity; } opcode_rows[] = {
    #include "opcodes.def"
    };
    #undef FNN_OP
    """
    struct step_row "":
        const char *name
        const char *operands
        const char *dims
    struct opcode_row "":
        const char *name
        int arity
    const step_row *step_rows
    const opcode_row *opcode_rows
    enum:
        FNN_STEPS
        FNN_OPCODES


numpy.import_array()


class RowIndexError(IndexError):
    """A label or row index lies outside its table.

    ``step`` is the step that met it, or ``-1 - i`` for the index of feed i; ``value`` is the index; ``done`` iterations
    were complete before.
    """

    def __init__(self, step: int, value: int, done: int = 0):
        super().__init__(step, value)
        self.step = step
        self.value = value
        self.done = done


Feed = namedtuple("Feed", "base array integer index batch", defaults=(False, None, 1))
Feed.__doc__ = """Rows of an array that enter a program.

At iteration t these are the rows t*batch .. t*batch + batch - 1 of ``array`` or, with an ``index`` (int64),
the rows ``index[t*batch ..]``. They are converted to float32, or to int32 when ``integer``.
"""

Drain = namedtuple("Drain", "base array stride_bytes", defaults=(0,))
Drain.__doc__ = """An array that a program writes to: at iteration t, the base is at byte t*stride_bytes."""


# ---- the vocabulary of steps.def and opcodes.def -----------------------------------------------------------


def steps():
    """Return, for each kernel, its operands as steps.def writes them and the names of its sizes."""
    table = {}
    for i in range(FNN_STEPS):
        dims = tuple(step_rows[i].dims.decode().replace(" ", "").split(","))
        table[step_rows[i].name.decode()] = (step_rows[i].operands.decode(), dims)
    return table


def opcodes():
    """Return name and arity of each instruction of the elementwise bytecode."""
    return [(opcode_rows[i].name.decode(), opcode_rows[i].arity) for i in range(FNN_OPCODES)]


cdef dict STEP_TABLE = steps()
cdef dict STEP_NUMBER = {name: i for i, name in enumerate(STEP_TABLE)}
cdef dict OPCODE_NUMBER = {name: i for i, (name, _) in enumerate(opcodes())}
cdef list OPCODE_ARITY = [arity for _, arity in opcodes()]
cdef dict VIEW_KIND = {
    "contiguous": FNN_VIEW_CONTIGUOUS,
    "scalar": FNN_VIEW_SCALAR,
    "row": FNN_VIEW_ROW,
    "column": FNN_VIEW_COLUMN,
    "strided": FNN_VIEW_STRIDED,
    "piece": FNN_VIEW_PIECE,
}


# ---- the rest, one subject a file ----------------------------------------------------------------------------

include "memory.pxi"
include "programs.pxi"
include "binding.pxi"
include "batch_call.pxi"
include "machine.pxi"
