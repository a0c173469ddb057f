"""Fusion: chains of elementwise primitives become one pass over memory, where possible in the cache of their producer.

A `Node` is what will be one call of a kernel: an elementwise group, or one other primitive with an elementwise
epilogue.
An elementwise instruction joins the node of one of its producers if the shapes agree and no other way leads from that
node to the instruction.  Values made of random numbers and constants alone are not stored at all: every node that needs
one computes it again (a dropout mask costs less than the memory it would take).
"""

from fastnn.ops.elementwise import Elementwise, RandomUniform

MAX_AGAIN = 32  # instructions that computing a random value again may take
MAX_READS = 16  # tensors that one node reads; the bytecode is cut in two where operands or registers run out


class Node:
    """One kernel call to be: `main` (or None) and the elementwise instructions `body` that run with it."""

    __slots__ = ("body", "index", "main")

    def __init__(self, index, main=None):
        self.index, self.main, self.body = index, main, []

    @property
    def instructions(self):
        return ([self.main] if self.main is not None else []) + self.body

    @property
    def shape(self):
        return self.instructions[-1].outputs[0].shape

    def produced(self):
        return {id(t) for i in self.instructions for t in i.outputs}

    def reads(self):
        """ids of the tensors that are made elsewhere."""
        return {id(t) for i in self.instructions for t in i.inputs if t.kind != "constant"} - self.produced()


def is_elementwise(instruction):
    """True for what bytecode can compute."""
    return isinstance(instruction.primitive, (Elementwise, RandomUniform))


def live_instructions(program):
    """What the outputs and updates need, in order."""
    needed = {id(t) for t in (*program.outputs, *program.updates.values())}
    live = []
    for instruction in reversed(program.instructions):
        if any(id(t) in needed for t in instruction.outputs):
            live.append(instruction)
            needed.update(id(t) for t in instruction.inputs)
    return live[::-1]


def free_values(instructions):
    """ids of the tensors made of few random numbers and constants alone, each with its own shape throughout."""
    free = {}  # id of a tensor -> instructions that make it
    for instruction in instructions:
        (first, *_), shape = instruction.outputs, instruction.outputs[0].shape
        if is_elementwise(instruction) and all(
            (t.kind == "constant" and t.size == 1) or (id(t) in free and t.shape == shape) for t in instruction.inputs
        ):
            effort = 1 + sum(free.get(id(t), 0) for t in instruction.inputs)
            if effort <= MAX_AGAIN:
                free[id(first)] = effort
    return set(free)


class _Fuser:
    def __init__(self, program):
        self.instructions = live_instructions(program)
        self.free = free_values(self.instructions)
        self.nodes, self.node_of = [], {}  # node_of: id(tensor) -> Node
        self.ancestors = []  # of each node, a set of bits

    def run(self, wanted):
        """The nodes in an order that respects their dependencies; `wanted`: ids that must exist in memory."""
        materialize = self._free_in_memory(wanted)
        for instruction in self.instructions:
            if id(instruction.outputs[0]) in self.free and id(instruction.outputs[0]) not in materialize:
                continue
            node = self._join(instruction) if is_elementwise(instruction) else None
            if node is None:
                node = Node(len(self.nodes), None if is_elementwise(instruction) else instruction)
                self.nodes.append(node)
                self.ancestors.append(0)
                if node.main is None:
                    node.body.append(instruction)
            self._grow(node, self._producers(instruction))
            for tensor in instruction.outputs:
                self.node_of[id(tensor)] = node
        return self._ordered()

    def _free_in_memory(self, wanted):
        """Free values that something other than elementwise work of their own shape reads."""
        needed = self.free & wanted
        for instruction in self.instructions:
            for t in instruction.inputs:
                if id(t) in self.free and not (is_elementwise(instruction) and t.shape == instruction.outputs[0].shape):
                    needed.add(id(t))
        return needed

    def _producers(self, instruction):
        return {self.node_of[id(t)].index for t in instruction.inputs if id(t) in self.node_of}

    def _join(self, instruction):
        """The node that takes an elementwise instruction in, or None."""
        shape, producers = instruction.outputs[0].shape, self._producers(instruction)
        chosen = None
        for index in sorted(producers, reverse=True):
            node = self.nodes[index]
            if node.shape != shape or not self._accepts(node, instruction):
                continue
            if chosen is None:
                if self._no_detour(index, producers - {index}):
                    node.body.append(instruction)
                    chosen = node
            elif node.main is None and node.index < chosen.index and self._mergeable(chosen, node):
                self._merge(chosen, node)
        return chosen

    def _accepts(self, node, instruction):
        if node.main is not None and not node.main.primitive.epilogue:
            return False
        return len(node.reads() | ({id(t) for t in instruction.inputs} - node.produced())) <= MAX_READS

    def _no_detour(self, index, others):
        """No other input depends on the node."""
        return not any(self.ancestors[other] >> index & 1 for other in others)

    def _inputs_of(self, node):
        return set().union(*(self._producers(i) for i in node.instructions)) - {node.index}

    def _mergeable(self, a, b):
        if len((a.reads() | b.reads()) - a.produced() - b.produced()) > MAX_READS:
            return False
        if a.main is not None and b.index in self._producers(a.main):
            return False  # what the kernel itself reads must be there before its epilogue runs
        return self._no_detour(a.index, self._inputs_of(b) - {a.index}) and self._no_detour(
            b.index, self._inputs_of(a) - {b.index}
        )

    def _merge(self, a, b):
        """b's instructions run before a's."""
        a.body = b.body + a.body
        inputs = self._inputs_of(b) - {a.index}
        for key in b.produced():
            self.node_of[key] = a
        b.body = []
        self._grow(a, inputs)
        for i, bits in enumerate(self.ancestors):
            if bits >> b.index & 1:
                self.ancestors[i] = bits & ~(1 << b.index) | (1 << a.index if i != a.index else 0)
        for i, bits in enumerate(self.ancestors):
            if bits >> a.index & 1:
                self.ancestors[i] |= self.ancestors[a.index]

    def _grow(self, node, producers):
        """Record that a node depends on others, for itself and all that depend on it."""
        bits = 0
        for index in producers - {node.index}:
            bits |= self.ancestors[index] | 1 << index
        if bits & ~self.ancestors[node.index]:
            self.ancestors[node.index] |= bits
            for i, known in enumerate(self.ancestors):
                if known >> node.index & 1:
                    self.ancestors[i] |= bits

    def _ordered(self):
        position = {id(t): k for k, i in enumerate(self.instructions) for t in i.outputs}
        alive = [n for n in self.nodes if n.instructions]
        alive.sort(key=lambda n: max(position[id(i.outputs[0])] for i in n.instructions))
        done, ordered, waiting = 0, [], alive
        while waiting:
            blocked = []
            for node in waiting:
                needs = 0
                for index in self._inputs_of(node):
                    needs |= 1 << index
                if needs & ~done:
                    blocked.append(node)
                else:
                    ordered.append(node)
                    done |= 1 << node.index
            assert len(blocked) < len(waiting), "a cycle among fused nodes"
            waiting = blocked
        for node in ordered:
            node.body.sort(key=lambda i: position[id(i.outputs[0])])
        return ordered


def fuse(program):
    """(nodes in order, ids of the free tensors) of a program."""
    fuser = _Fuser(program)
    wanted = {id(t) for t in (*program.outputs, *program.updates.values())}
    return fuser.run(wanted), fuser.free
