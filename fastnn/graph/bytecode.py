"""Elementwise bytecode for one fused node: values in registers, operands as views, registers given out by last use."""

import math
from collections import Counter

from fastnn.engine.steps import Code, Instruction, View
from fastnn.graph.fuse import is_elementwise

REGISTERS = 16  # FNN_REGISTERS in csrc/fnn.h
OPERANDS = 24  # FNN_MAX_OPERANDS
JOINED = {"add_relu": ("add", "relu")}  # opcodes that do two in one pass


class TooManyRegistersError(Exception):
    """The node must be cut in two."""


class CodeBuilder:
    """Bytecode in terms of values without number; `finish` maps them to registers."""

    def __init__(self, shape, repeated):
        self.shape, self.repeated = tuple(shape), repeated
        self.code = []  # (op, result, arguments, number)
        self.value_of = {}  # id(tensor) -> value
        self.constants = {}
        self.operands, self.views = [], []  # operands: tensors in order; views: (operand, tensor)
        self.values = 0

    def _append(self, op, arguments=(), number=0.0):
        self.code.append((op, self.values, tuple(arguments), number))
        self.values += 1
        return self.values - 1

    # what primitives' emit() calls
    def arithmetic(self, op, arguments):
        return self._append(op, arguments)

    def constant(self, number):
        number = float(number)
        key = (number, math.copysign(1, number))  # -0.0 and 0.0 differ
        if key not in self.constants:
            self.constants[key] = self._append("constant", (), number)
        return self.constants[key]

    def random_uniform(self, stream):
        return self._append("random_uniform", (), stream)

    # what the lowering calls
    def read(self, tensor):
        """The value of a tensor: made here, a number, computed again, or loaded."""
        if id(tensor) in self.value_of:
            return self.value_of[id(tensor)]
        if tensor.kind == "constant" and tensor.size == 1:
            value = self.constant(tensor.data.reshape(()).item())
        elif id(tensor) in self.repeated and self._fits(tensor):
            value = self.emit(tensor.producer)
        else:
            value = self._append("load", (), self._view(tensor))
        self.value_of[id(tensor)] = value
        return value

    def _fits(self, tensor):
        return tensor.shape == self.shape

    def emit(self, instruction):
        """Append one elementwise instruction; returns its value."""
        registers = [self.read(t) for t in instruction.inputs]
        value = instruction.primitive.emit(self, registers, instruction)
        self.value_of[id(instruction.outputs[0])] = value
        return value

    def store(self, tensor):
        self.code.append(("store", None, (self.value_of[id(tensor)],), self._view(tensor)))

    def reduce(self, tensor, result):
        """Give the values of a tensor to the reduction that the step ends in."""
        value = self.read(tensor)
        self.views.append(View(self.operand(result), "piece"))
        self.code.append(("store", None, (value,), len(self.views) - 1))

    def operand(self, tensor):
        """The number of a tensor among the operands of the step."""
        for i, known in enumerate(self.operands):
            if known is tensor:
                return i
        self.operands.append(tensor)
        return len(self.operands) - 1

    def _view(self, tensor):
        self.views.append(view_of(self.operand(tensor), tensor, self.shape))
        return len(self.views) - 1

    def finish(self):
        """The `Code`, or TooManyRegistersError; too many operands are the same to the caller."""
        if len(self.operands) > OPERANDS:
            raise TooManyRegistersError
        self.code = self._joined()
        stored_early = self._with_early_stores()
        for code, keep in ((stored_early, True), (stored_early, False), (self.code, False)):
            try:
                instructions = self._allocated(code, keep)
            except TooManyRegistersError:
                continue
            return Code(math.prod(self.shape), tuple(self.views), instructions)
        raise TooManyRegistersError

    def _joined(self):
        """The code with one instruction for two of which the second alone reads the first."""
        code = self.code
        reads = Counter(a for _, _, arguments, _ in code for a in arguments)
        for joined, (first, second) in JOINED.items():
            firsts = {result: arguments for op, result, arguments, _ in code if op == first and reads[result] == 1}
            code = [
                (joined, result, firsts[arguments[0]], number)
                if op == second and arguments[0] in firsts
                else (op, result, arguments, number)
                for op, result, arguments, number in code
            ]
        return code

    def _with_early_stores(self):
        """Each store behind the instruction that makes its value, with which the interpreter then makes it one pass.

        All loads come first, since a store may write the memory of an operand, and constants, so that no block uses
        their registers for anything else.
        """
        stores = {}
        for entry in self.code:
            if entry[0] == "store":
                stores.setdefault(entry[2][0], []).append(entry)
        given = [entry for entry in self.code if entry[0] in ("load", "constant")]
        made = [entry for entry in self.code if entry[0] not in ("load", "constant", "store")]
        return [*given, *(s for entry in given for s in stores.get(entry[1], ())),
                *(e for entry in made for e in (entry, *stores.get(entry[1], ())))]  # fmt: skip

    def _alike(self, op, number):
        return op == "constant" or (op == "load" and self.views[number].kind in ("scalar", "row"))

    def _allocated(self, code, keep):
        """Instructions with registers; `keep`: those filled alike for every block are not given out again."""
        last = {}
        for position, (_, _, arguments, _) in enumerate(code):
            last.update(dict.fromkeys(arguments, position))
        if keep:
            last.update(
                (result, len(code)) for op, result, _, number in code if result in last and self._alike(op, number)
            )
        register, unused = {}, list(range(REGISTERS))[::-1]
        instructions = []
        for position, (op, result, arguments, number) in enumerate(code):
            places = [register[a] for a in arguments]
            for a in set(arguments):
                if last[a] == position:
                    unused.append(register[a])
            if op == "store":
                instructions.append(Instruction("store", int(number), *places))
                continue
            if result not in last:
                continue  # nobody reads it
            if not unused:
                raise TooManyRegistersError
            register[result] = unused.pop()
            if op == "load":
                instructions.append(Instruction("load", register[result], int(number)))
            else:
                places += [0] * (3 - len(places))
                instructions.append(Instruction(op, register[result], *places, number))
        return tuple(instructions)


def view_of(operand, tensor, shape):
    """How a tensor is read while the flat index runs over `shape`."""
    integer = tensor.dtype == "int32"
    sizes = (1,) * (len(shape) - len(tensor.shape)) + tensor.shape
    if math.prod(sizes) == math.prod(shape):
        return View(operand, "contiguous", integer)
    if math.prod(sizes) == 1:
        return View(operand, "scalar", integer)
    merged = merge_axes(shape, sizes)
    if len(merged) == 2 and merged[0][1] == 0:
        return View(operand, "row", integer, merged[1][0])
    if len(merged) == 2 and merged[1][1] == 0:
        return View(operand, "column", integer, merged[1][0])
    return View(operand, "strided", integer, 1, tuple(n for n, _ in merged), tuple(s for _, s in merged))


def merge_axes(shape, sizes):
    """[(size, stride)] of a broadcast operand, neighbouring axes merged where they are read alike."""
    axes, stride = [], 1
    for n, own in zip(reversed(shape), reversed(sizes), strict=True):
        step = stride if own != 1 else 0
        stride *= own
        if n == 1:
            continue
        if axes:
            inner, inner_step = axes[-1]
            if (step == 0) == (inner_step == 0) and (step == 0 or step == inner * inner_step):
                axes[-1] = (inner * n, inner_step)
                continue
        axes.append((n, step))
    return axes[::-1]


def build_code(node, raw, stores, repeated, reduced=()):
    """Bytecode for the elementwise part of a node.

    Parameters
    ----------
    node : Node
    raw : list of Tensor
        Operands that come first because the main primitive has them (inputs, then its raw output).
    stores : list of Tensor
        Results of the body that must be in memory.
    repeated : set of int
        ids of tensors that are computed wherever they are read.
    reduced : list of (Tensor, Tensor)
        What the step reduces, and into what.

    Returns
    -------
    code : Code
    operands : list of Tensor
    """
    builder = CodeBuilder(node.shape, repeated)
    for tensor in raw:
        builder.operands.append(tensor)
    for instruction in node.body:
        assert is_elementwise(instruction)
        builder.emit(instruction)
    for tensor, _ in reduced:  # before the stores: one of them may write over what these are computed from
        builder.read(tensor)
    for tensor in stores:
        builder.store(tensor)
    for tensor, result in reduced:
        builder.reduce(tensor, result)
    return builder.finish(), builder.operands
