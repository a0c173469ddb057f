"""Lowering: fused nodes become kernel calls (drafts of steps) whose operands are still tensors.

A primitive's `lower` method calls kernels through `Lowering`: `step`, `add_up`, `copy`, `fill`, `alias`, `host`.
"""

import math
import struct

from fastnn.graph.bytecode import TooManyRegistersError, build_code
from fastnn.graph.folding import fold_channels
from fastnn.graph.fuse import Node, fuse, is_elementwise
from fastnn.graph.pooling import pool_first
from fastnn.graph.program import Tensor
from fastnn.ops.reduce import Cut

MAX_RANK = 6  # FNN_MAX_RANK in csrc/fnn.h
SUM = 0  # FNN_REDUCE_SUM in csrc/reduce.h


class Draft:
    """A step before its operands have places: tensors read, tensors written, sizes, bytecode."""

    __slots__ = ("code", "flops", "instructions", "kernel", "operands", "reads", "sizes", "updates", "writes")

    def __init__(self, kernel, reads, writes, sizes, code=None, operands=None, updates=False):
        self.kernel, self.reads, self.writes = kernel, tuple(reads), tuple(writes)
        self.sizes, self.code, self.updates = sizes, code, updates
        self.operands = tuple(operands) if operands is not None else self.reads + self.writes
        self.instructions = ()
        self.flops = None  # or its part of those of its primitive, which is several steps


class Lowering:
    """Turns a program into drafts.

    Attributes
    ----------
    drafts : list of Draft
    same_memory : dict
        id(tensor) -> tensor with the same numbers at the same place (reshapes).
    packs : list of (block, [(tensor, offset)])
        Tensors that should be made inside a larger block.
    hosts : list of Instruction
        Primitives that run in the interpreter.
    """

    def __init__(self, program):
        self.program = program
        self.drafts, self.same_memory, self.packs, self.hosts = [], {}, [], []
        self.node = None
        fold_channels(program)
        pool_first(program)
        nodes, self.repeated = fuse(program)
        self.read = {id(t) for t in (*program.outputs, *program.updates.values())}  # or by an instruction
        self.needed = set(self.read)  # ids of tensors that another node, an output or an update reads
        for node in nodes:
            self.read |= node.sources
            self.needed |= node.sources - node.made
            if node.main is not None and node.main.primitive.n_outputs > 1:
                self.needed.update(id(t) for t in node.main.outputs[node.main.primitive.epilogue :])
        for node in nodes:
            self._lower_node(node)

    def _lower_node(self, node):
        start = len(self.drafts)
        self.node = node
        if node.reductions:
            self._reductions(node)
        elif node.main is None:
            self.elementwise(node.body)
        else:
            node.main.primitive.lower(self, node.main)
            assert not node.body or self.drafts[-1].code is not None, f"{node.main} ignored its epilogue"
        for draft in self.drafts[start:]:
            draft.instructions = tuple(node.instructions)

    # --- what primitives call ----------------------------------------------------------------------
    def is_read(self, tensor):
        """Whether the numbers of an output are wanted: a kernel with several may leave out the others."""
        return id(tensor) in self.read

    def is_updated(self, tensor):
        """Whether it is a variable that the program gives a new value."""
        updates = self.program.updates
        return tensor.kind == "variable" and (
            tensor.data in updates or getattr(tensor.data, "storage", None) in updates
        )

    def temporary(self, shape, dtype="float32"):
        """A tensor that exists only between two steps."""
        return Tensor(self.program, shape, dtype, "result")

    def step(self, kernel, reads, writes, sizes, instruction=None, flops=None):
        """One kernel call; with `instruction`, the node's epilogue runs on its first output.

        flops: its part of those of a primitive that is several steps.
        """
        body = self.node.body if instruction is not None else []
        if not body:
            self.drafts.append(Draft(kernel, reads, writes, sizes))
            self.drafts[-1].flops = flops
            return
        raw, *others = writes
        stores = [i.outputs[0] for i in body if id(i.outputs[0]) in self.needed]
        try:
            code, operands = build_code(self.node, [*reads, *writes], stores, self.repeated)
        except TooManyRegistersError:
            self.drafts.append(Draft(kernel, reads, writes, sizes))
            self.epilogue_of(raw)
            return
        if id(raw) not in self.needed:  # the product itself is not wanted: it is made where the first result goes
            self.same_memory[id(raw)] = stores[0]
        extra = [t for t in operands[len(reads) + len(writes) :] if all(t is not s for s in stores)]
        written = [t for t in (raw, *stores, *others) if not (t is raw and id(raw) in self.same_memory)]
        self.drafts.append(Draft(kernel, (*reads, *extra), written, sizes, code, operands))

    def add_up(self, parts, total):
        """The sum of what lies along the first axis, in its order."""
        sizes = {"op": SUM, "outer": 1, "length": parts.shape[0], "inner": total.size, "segment": parts.shape[0]}
        self.step("reduce", (parts,), (total,), sizes)

    def epilogue_of(self, y):
        """The node's epilogue, if it has one, as a pass of its own over the y that the last step has made."""
        if self.node.body:
            self.needed.add(id(y))
            self.elementwise(self.node.body)

    def elementwise(self, body, repeated=None):
        """One pass over memory for a chain of elementwise instructions, cut in two where registers run out.

        repeated: as the attribute, of which a part may be in the body.
        """
        repeated = self.repeated if repeated is None else repeated
        node = Node(0)
        node.body = list(body)
        stores = [i.outputs[0] for i in body if id(i.outputs[0]) in self.needed]
        try:
            code, operands = build_code(node, [], stores, repeated)
        except TooManyRegistersError:
            if len(body) == 1:  # random values that are computed again take too many: let them be stored
                again = [t for t in body[0].inputs if id(t) in repeated]
                repeated.difference_update(map(id, again))
                self.needed.update(map(id, again))
                for t in again:
                    self.elementwise([t.producer])
                self.elementwise(body)
                return
            half = len(body) // 2
            made = {id(i.outputs[0]) for i in body}
            crossing = {id(t) for i in body[half:] for t in i.inputs} & made
            self.needed |= crossing
            self.elementwise(body[:half], repeated)
            self.elementwise(body[half:], repeated)
            return
        reads = [t for t in operands if all(t is not s for s in stores)]
        self.drafts.append(Draft("elementwise", reads, stores, {"count": code.count}, code, operands))

    def _reductions(self, node):
        """The reductions of a node while its elementwise work is done, or each for itself where there is none."""
        inputs = [r.inputs[0] for r in node.reductions]
        made = {id(i.outputs[0]) for i in node.body} | self.repeated
        if len(inputs) == 1 and id(inputs[0]) not in made:
            node.reductions[0].primitive.lower(self, node.reductions[0])
            return
        stores = [i.outputs[0] for i in node.body if id(i.outputs[0]) in self.needed]
        cuts = [Cut.of(r) for r in node.reductions]
        partial = [c.target(self) for c in cuts]
        try:
            code, operands = build_code(node, [], stores, self.repeated, list(zip(inputs, partial, strict=True)))
        except TooManyRegistersError:
            self.needed |= {id(t) for t in inputs}
            self.elementwise(self._unfolded(node), set())
            for reduction in node.reductions:
                reduction.primitive.lower(self, reduction)
            return
        writes = [*stores, *partial]
        reads = [t for t in operands if all(t is not w for w in writes)]
        self.drafts.append(Draft("elementwise_reduce", reads, writes, cuts[0].sizes, code, operands))
        for cut, target in zip(cuts, partial, strict=True):
            cut.finish(self, target)

    def _unfolded(self, node):
        """The elementwise work of a node, and what it would compute again, in order."""
        waiting, found = node.instructions, {}
        while waiting:
            instruction = waiting.pop()
            found[id(instruction)] = instruction
            again = (t for t in instruction.inputs if id(t) in self.repeated and t.shape == node.shape)
            waiting += [t.producer for t in again if t.producer is not None and id(t.producer) not in found]
        return [i for i in self.program.instructions if id(i) in found and is_elementwise(i)]

    def alias(self, result, source):
        """`result` is `source` under another shape."""
        self.same_memory[id(result)] = source

    def rearranged(self, x, shape, strides):
        """A new tensor of a shape, read from x with these strides (elements)."""
        from fastnn.ops.shape import contiguous_strides

        y = self.temporary(shape, x.dtype)
        self.copy(x, y, shape, strides, contiguous_strides(shape))
        return y

    def transposed(self, x, axes):
        """A copy of x with its axes in another order."""
        from fastnn.ops.shape import contiguous_strides

        strides = contiguous_strides(x.shape)
        return self.rearranged(x, tuple(x.shape[a] for a in axes), [strides[a] for a in axes])

    def copy(self, x, y, shape, in_strides, out_strides, in_offset=0, out_offset=0, updates=False):
        """y[out_offset + sum i*out_stride] = x[in_offset + sum i*in_stride]; `updates`: the rest of y stays."""
        axes = [[n, i, o] for n, i, o in zip(shape, in_strides, out_strides, strict=True) if n != 1]
        merged = []
        for axis in axes:
            if merged and merged[-1][1] == axis[0] * axis[1] and merged[-1][2] == axis[0] * axis[2]:
                merged[-1] = [merged[-1][0] * axis[0], axis[1], axis[2]]
            else:
                merged.append(axis)
        if len(merged) > MAX_RANK:
            raise ValueError(f"a tensor of {len(shape)} axes cannot be rearranged: more than {MAX_RANK} of them move")
        merged = [[1, 0, 0]] * (MAX_RANK - len(merged)) + merged
        sizes = {f"n{a}": n for a, (n, _, _) in enumerate(merged)}
        sizes |= {"in_offset": in_offset} | {f"i{a}": i for a, (_, i, _) in enumerate(merged)}
        sizes |= {"out_offset": out_offset} | {f"o{a}": o for a, (_, _, o) in enumerate(merged)}
        self.drafts.append(Draft("copy", (x,), (y,), sizes, updates=updates))

    def copy_whole(self, x, y, updates=False):
        """The numbers of x at the place of y."""
        self.copy(x, y, (math.prod(x.shape),), (1,), (1,), updates=updates)

    def fill(self, y, value):
        """Every element of y is `value`."""
        (bits,) = struct.unpack("<i", struct.pack("<f", value))
        self.drafts.append(Draft("fill", (), (y,), {"count": math.prod(y.shape), "value_bits": bits}))

    def pack(self, instruction):
        """See `fastnn.ops.shape.Pack`."""
        (block,) = instruction.outputs
        parts = list(zip(instruction.inputs, instruction.attributes["offsets"], strict=True))
        self.packs.append((block, parts))
        self.drafts.append(Draft("pack", instruction.inputs, (block,), {}))

    def host(self, instruction):
        """Return to the interpreter for this primitive."""
        self.hosts.append(instruction)
        self.drafts.append(Draft("host", instruction.inputs, instruction.outputs, {"index": len(self.hosts) - 1}))
