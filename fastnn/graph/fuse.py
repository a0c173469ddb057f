"""Fusion: chains of elementwise primitives become one pass over memory, where possible in the cache of their producer.

A `Node` is what will be one call of a kernel: an elementwise group with the reductions that end it, or one other
primitive with an elementwise epilogue.
An elementwise instruction joins the node of one of its producers if the shapes agree and no other way leads from that
node to the instruction; a reduction joins the elementwise node of its input, or another reduction of the same kind that
reads the same memory.

Some values are not stored at all, every node that needs one computes it again (`repeated_values`): what is made of
random numbers and constants alone (a dropout mask costs less than the memory it would take), what only reductions read,
and what one cheap operation makes of a tensor that is in memory anyway, as the distance from a mean.
"""

import heapq
from collections import Counter

from fastnn.ops.elementwise import Elementwise, RandomUniform
from fastnn.ops.reduce import Reduce, as_matrix

MAX_AGAIN = 32  # instructions that computing a random value again may take
MAX_READS = 16  # tensors that one node reads; the bytecode is cut in two where operands or registers run out
MAX_SUMS = 4  # reductions of one node
MAX_INNER = 1024  # FNN_REDUCE_OF_CODE in csrc/reduce.h
CHEAP = {"add", "subtract", "multiply", "negative", "broadcast_to"}  # less work than to store and load the result


class Node:
    """One kernel call to be: `main` (or None), the elementwise `body` that runs with it, the `reductions` of that.

    All elementwise work and the inputs of the reductions have one shape.  `inner` (or None) makes the input of `main`,
    which is in memory a part at a time only.  `made` and `sources` are ids: of the tensors that its instructions make,
    and of those that they read, directly or in what they compute again.
    """

    __slots__ = ("body", "index", "inner", "made", "main", "reductions", "sources")

    def __init__(self, index):
        self.index, self.main, self.inner, self.body, self.reductions = index, None, None, [], []
        self.made, self.sources = set(), set()

    @property
    def kernels(self):
        """What the kernel itself computes, in order."""
        return [i for i in (self.inner, self.main) if i is not None]

    @property
    def instructions(self):
        return self.kernels + self.body + self.reductions

    @property
    def shape(self):
        if not self.body and self.main is None:
            return self.reductions[0].inputs[0].shape
        return (self.body[-1] if self.body else self.main).outputs[0].shape

    def take(self, instruction, sources):
        """Count an instruction that has become one of the node's."""
        self.made.update(map(id, instruction.outputs))
        self.sources.update(sources)

    def reduced(self):
        """ids of what the reductions give: nothing in the node may read it."""
        return {id(i.outputs[0]) for i in self.reductions}


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


def reduction_kind(instruction):
    """What the reductions of one node have in common, or None for what no node with elementwise work can end in."""
    if not isinstance(instruction.primitive, Reduce):
        return None
    (x,), axes = instruction.inputs, instruction.attributes["axes"]
    matrix = as_matrix(x.shape, axes)
    if matrix is None or not 1 <= matrix[2] <= MAX_INNER or 0 in x.shape or x.dtype != "float32":
        return None
    return instruction.primitive.code, x.shape, axes


def repeated_values(instructions, wanted):
    """ids of the tensors that their readers compute; `wanted`: those that must be in memory."""
    free = free_values(instructions)
    readers = {}
    for instruction in instructions:
        for t in instruction.inputs:
            readers.setdefault(id(t), []).append(instruction)
    return free | _only_reduced(instructions, readers, wanted | free) | _cheap(instructions, readers, wanted | free)


def _only_reduced(instructions, readers, stored):
    """What only reductions of one kind read, directly or through elementwise work that only they read."""
    kind_of = {}
    for instruction in reversed(instructions):
        y = instruction.outputs[0]
        if isinstance(instruction.primitive, Elementwise) and id(y) not in stored:
            kinds = {
                reduction_kind(r) or (kind_of.get(id(r.outputs[0])) if r.outputs[0].shape == y.shape else None)
                for r in readers.get(id(y), ())
            }
            if len(kinds) == 1 and None not in kinds:
                kind_of[id(y)] = kinds.pop()
    return set(kind_of)


def _cheap(instructions, readers, stored):
    """One cheap operation on at most one tensor of full size, which is in memory as something else reads it there."""
    cheap = set()
    for instruction in instructions:
        y = instruction.outputs[0]
        if instruction.primitive.name not in CHEAP or id(y) in stored or y.size == 1:
            continue
        full = {id(t): t for t in instruction.inputs if 8 * t.size > y.size}
        if len(full) <= 1 and all(_in_memory(t, y, readers, stored | cheap) for t in full.values()) and all(
            r.outputs[0].shape == y.shape if is_elementwise(r) else reduction_kind(r) for r in readers[id(y)]
        ):  # fmt: skip
            cheap.add(id(y))
    return cheap


def _in_memory(x, y, readers, repeated):
    """Whether x, of the shape of y, is stored for the sake of others than elementwise work."""
    if x.shape != y.shape or id(x) in repeated:
        return False
    return x.kind == "input" or any(not is_elementwise(r) for r in readers[id(x)])


class _Fuser:
    def __init__(self, program):
        self.instructions = live_instructions(program)
        self.wanted = {id(t) for t in (*program.outputs, *program.updates.values())}
        self.repeated = repeated_values(self.instructions, self.wanted)
        self.readers = Counter(id(t) for i in self.instructions for t in i.inputs)
        self.sources = {}  # by id(instruction)
        self.nodes, self.node_of = [], {}  # node_of: id(tensor) -> Node
        self.ancestors = []  # of each node, a set of bits
        self.needed = 0  # the nodes that were ancestors of any
        self.reducing = {}  # the nodes with reductions of a kind

    def run(self):
        """The nodes in an order that respects their dependencies."""
        materialize = self._repeated_in_memory()
        for instruction in self.instructions:
            if id(instruction.outputs[0]) in self.repeated and id(instruction.outputs[0]) not in materialize:
                continue
            if is_elementwise(instruction):
                node = self._join(instruction)
            elif reduction_kind(instruction) is not None:
                node = self._join_reduction(instruction)
            else:
                node = self._take_in(instruction)
            self._grow(node, self._makers(self._sources(instruction)))
            for tensor in instruction.outputs:
                self.node_of[id(tensor)] = node
        return self._ordered()

    def _new(self):
        self.nodes.append(Node(len(self.nodes)))
        self.ancestors.append(0)
        return self.nodes[-1]

    def _take_in(self, instruction):
        """The node of the instruction that makes its input, if one kernel does both, or a new one."""
        x = instruction.inputs[0] if instruction.inputs else None
        node = self.node_of.get(id(x))
        if (
            node is None or node.kernels != [x.producer] or node.body or len(x.producer.outputs) > 1
            or self.readers[id(x)] > 1 or id(x) in self.wanted
            or not instruction.primitive.takes_in(instruction, x.producer)
        ):  # fmt: skip
            node = self._new()
        node.inner, node.main = node.main, instruction
        node.take(instruction, self._sources(instruction))
        return node

    def _repeated_in_memory(self):
        """Repeated values that something other than elementwise work of their own shape reads."""
        needed = self.repeated & self.wanted
        for instruction in self.instructions:
            for t in instruction.inputs:
                if id(t) in self.repeated and not self._repeats(instruction, t):
                    needed.add(id(t))
        return needed

    def _repeats(self, instruction, t):
        """Whether the reader of a repeated value computes it."""
        if is_elementwise(instruction):
            return t.shape == instruction.outputs[0].shape
        return reduction_kind(instruction) is not None

    def _sources(self, instruction):
        """{id: size} of what an instruction and the values that it computes again read, constants left out."""
        known = self.sources.get(id(instruction))
        if known is None:
            known = self.sources[id(instruction)] = {}
            for t in instruction.inputs:
                if id(t) in self.repeated and t.producer is not None and self._repeats(instruction, t):
                    known.update(self._sources(t.producer))
                elif t.kind != "constant":
                    known[id(t)] = t.size
        return known

    def _makers(self, sources):
        """The numbers of the nodes that make them."""
        return {self.node_of[t].index for t in sources if t in self.node_of}

    def _join(self, instruction):
        """The node that takes an elementwise instruction in."""
        sources, shape, chosen = self._sources(instruction), instruction.outputs[0].shape, None
        producers = self._makers(sources)
        for index in sorted(producers, reverse=True):
            node = self.nodes[index]
            if node.shape != shape or not self._accepts(node, sources.keys()):
                continue
            if chosen is None:
                if self._no_detour(index, producers - {index}):
                    chosen = self._with_elementwise(node, instruction)
            elif node.main is None and node.index < chosen.index and self._mergeable(chosen, node):
                self._merge(chosen, node)
        return chosen or self._with_elementwise(self._new(), instruction)

    def _with_elementwise(self, node, instruction):
        node.body.append(instruction)
        node.take(instruction, self._sources(instruction))
        return node

    def _accepts(self, node, sources):
        if node.main is not None and not node.main.primitive.epilogue:
            return False
        return sources.isdisjoint(node.reduced()) and self._has_room(node, sources)

    def _join_reduction(self, instruction):
        """The node that a reduction ends."""
        kind, sources, size = reduction_kind(instruction), self._sources(instruction), instruction.inputs[0].size
        producers, large = self._makers(sources), {t for t, n in sources.items() if n == size}
        reducing = self.reducing.setdefault(kind, [])
        for node in (*(self.nodes[i] for i in sorted(producers, reverse=True)), *reducing):
            if (
                node.main is None and node.made and node.shape == kind[1]
                and not (large.isdisjoint(node.made) and large.isdisjoint(node.sources))
                and {reduction_kind(r) for r in node.reductions} <= {kind} and len(node.reductions) < MAX_SUMS
                and sources.keys().isdisjoint(node.reduced())
                and self._has_room(node, sources.keys()) and self._no_detour(node.index, producers - {node.index})
            ):  # fmt: skip
                break
        else:
            node = self._new()
        node.reductions.append(instruction)
        node.take(instruction, sources)
        reducing.append(node)
        return node

    def _has_room(self, node, sources):
        """Whether a node may read these tensors too."""
        return len((node.sources | sources) - node.made) <= MAX_READS

    def _no_detour(self, index, others):
        """No other input depends on the node."""
        return not any(self.ancestors[other] >> index & 1 for other in others)

    def _inputs_of(self, node):
        return self._makers(node.sources) - {node.index}

    def _mergeable(self, a, b):
        """Whether the node a may take in b, whose results it reads."""
        if not self._has_room(b, a.sources - a.made) or not b.reduced().isdisjoint(a.sources):
            return False
        kinds = [reduction_kind(r) for r in (*a.reductions, *b.reductions)]
        if len(set(kinds)) > 1 or len(kinds) > MAX_SUMS or (b.reductions and a.main is not None):
            return False
        if any(b.index in self._makers(self._sources(i)) for i in a.kernels):
            return False  # what the kernel itself reads must be there before its epilogue runs
        return self._no_detour(a.index, self._inputs_of(b) - {a.index}) and self._no_detour(
            b.index, self._inputs_of(a) - {b.index}
        )

    def _merge(self, a, b):
        """b's instructions run before a's."""
        inputs = self._inputs_of(b) - {a.index}
        self.node_of.update(dict.fromkeys(b.made, a))
        a.body, a.reductions = b.body + a.body, b.reductions + a.reductions
        a.made, a.sources = a.made | b.made, a.sources | b.sources
        b.body, b.reductions, b.made, b.sources = [], [], set(), set()
        self._grow(a, inputs)
        self.needed |= 1 << a.index
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
        self.needed |= bits
        if bits & ~self.ancestors[node.index]:
            self.ancestors[node.index] |= bits
            if self.needed >> node.index & 1:
                for i, known in enumerate(self.ancestors):
                    if known >> node.index & 1:
                        self.ancestors[i] |= bits

    def _ordered(self):
        """Each node as soon as its inputs are there; of several, that whose place in the program comes first."""
        position = {id(t): k for k, i in enumerate(self.instructions) for t in i.outputs}
        places = {}
        for node in self.nodes:
            made = [position[id(i.outputs[0])] for i in node.kernels + node.body]
            reduced = [position[id(i.outputs[0])] for i in node.reductions]
            if made or reduced:
                places[node.index] = max(made) if made else min(reduced)
        missing, readers = {}, {index: [] for index in places}
        for index in places:
            inputs = self._inputs_of(self.nodes[index])
            missing[index] = len(inputs)
            for needed in inputs:
                readers[needed].append(index)
        ready = [(place, index) for index, place in places.items() if not missing[index]]
        heapq.heapify(ready)
        ordered = []
        while ready:
            node = self.nodes[heapq.heappop(ready)[1]]
            node.body.sort(key=lambda i: position[id(i.outputs[0])])
            ordered.append(node)
            for index in readers[node.index]:
                missing[index] -= 1
                if not missing[index]:
                    heapq.heappush(ready, (places[index], index))
        assert len(ordered) == len(places), "a cycle among fused nodes"
        return ordered


def fuse(program):
    """(nodes in order, ids of the tensors that their readers compute) of a program."""
    fuser = _Fuser(program)
    return fuser.run(), fuser.repeated
