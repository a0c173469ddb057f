"""What a lowered program is made of: the Python side of ``csrc/fnn.h``.

``graph/lower.py`` writes these, ``engine/native.pyx`` turns them into the C structures of the same names.
"""

from typing import NamedTuple


class Operand(NamedTuple):
    """A place in memory: ``bytes`` bytes at ``bases[base] + offset``."""

    base: int
    offset: int
    bytes: int


class View(NamedTuple):
    """How elementwise code reads (or stores to) one operand of its step.

    kind is one of ``"contiguous"``, ``"scalar"``, ``"row"`` (x[i % period]), ``"column"`` (x[i // period]),
    ``"strided"`` (shape and stride of the output that the flat index runs over; stride 0 repeats) and, for stores of
    ``elementwise_reduce``, ``"piece"`` (what is reduced into the operand).
    """

    operand: int
    kind: str
    integer: bool = False
    period: int = 1
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()


class Instruction(NamedTuple):
    """One bytecode instruction: ``dst <- op(a, b, c)`` on registers.

    ``load``: a is a view. ``store``: register a goes to view dst. ``constant``: value is the number.
    ``random_uniform``: value is the stream (an unsigned 32-bit integer).
    """

    op: str
    dst: int
    a: int = 0
    b: int = 0
    c: int = 0
    value: float = 0.0


class Code(NamedTuple):
    """Elementwise bytecode over a flat index ``0 <= i < count``."""

    count: int  # type: ignore[assignment]  # tuple has a method of this name
    views: tuple[View, ...]
    instructions: tuple[Instruction, ...]


class Step(NamedTuple):
    """One kernel of ``csrc/steps.def`` with its operands (inputs, then outputs), sizes and bytecode."""

    kernel: str
    operands: tuple[Operand, ...]
    dims: tuple[int, ...]
    code: Code | None = None
