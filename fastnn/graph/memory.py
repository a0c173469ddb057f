"""Memory: a place for every tensor, so that a program allocates nothing while it runs.

Weights, inputs and outputs have places already; results share one arena, where two tensors may use the same bytes if
they are not needed at the same time.  An elementwise step may write over an input that nothing reads later; a new value
of a variable is written straight to it where no later step reads the old one.
"""

import bisect
from typing import NamedTuple

import numpy as np

from fastnn.engine.steps import Operand
from fastnn.graph.lower import Draft
from fastnn.graph.program import Tensor
from fastnn.variable import ALIGNMENT, Storage, gather_loose

ITEM = 4  # bytes: float32, int32, and bool as float32
PASSES = ("elementwise", "elementwise_reduce")  # kernels that make element i of what they store from elements i


class Place(NamedTuple):
    """Where a tensor lies: a block of memory, known by a key, and an offset in bytes."""

    base: tuple
    offset: int


ARENA = ("arena",)
CONSTANTS = ("constants",)
COUNTER = ("counter",)


class PlacedStep(NamedTuple):
    """A draft with places: what becomes a step of the C program."""

    kernel: str
    operands: tuple[Operand, ...]
    sizes: dict
    code: object
    draft: Draft


class Layout:
    """The places of all tensors of a lowered program.

    Attributes
    ----------
    steps : list of PlacedStep
    bases : dict of tuple to int
        Keys of the memory blocks, and their numbers: they are in the order of the C program's bases.
    arena_bytes : int
    constants : bytes
    """

    def __init__(self, lowering):
        self.lowering, self.program = lowering, lowering.program
        self.drafts = list(lowering.drafts)
        self.places, self.constants, self.bases = {}, bytearray(), {}
        self.storages = {}  # by id, as in the keys ("storage", id)
        self.reserved = 0  # bytes at the start of the arena that are never shared
        gather_loose(v for v in self.program.stored() if not isinstance(v, Storage))
        self._place_packs()
        self._place_outputs()
        self._place_updates()
        self._place_results()
        self.steps = [self._finish(draft) for draft in self.drafts]

    def root(self, tensor):
        """The tensor whose memory this one uses."""
        same = self.lowering.same_memory
        while id(tensor) in same:
            tensor = same[id(tensor)]
        return tensor

    def _is_free_result(self, tensor):
        return tensor.kind == "result" and id(tensor) not in self.places

    def _fresh(self, like):
        return Tensor(self.program, like.shape, like.dtype, "result")

    def _copy_draft(self, source, target):
        self.lowering.drafts = []
        self.lowering.copy_whole(source, target)
        return self.lowering.drafts.pop()

    # --- tensors with a place of their own ---------------------------------------------------------
    def _place_packs(self):
        """Gradients are made inside the block that the optimiser reads; the gaps between them stay zero."""
        for block, parts in self.lowering.packs:
            at = next(i for i, d in enumerate(self.drafts) if d.kernel == "pack" and d.writes[0] is block)
            copies = []
            for tensor, offset in parts:
                place = Place(ARENA, self.reserved + offset * ITEM)
                source = self.root(tensor)
                if self._is_free_result(source):
                    self.places[id(source)] = place
                else:
                    part = self._fresh(tensor)
                    self.places[id(part)] = place
                    copies.append(self._copy_draft(tensor, part))
            self.places[id(block)] = Place(ARENA, self.reserved)
            self.reserved += _rounded(block.size * ITEM)
            self.drafts[at : at + 1] = copies

    def _place_outputs(self):
        for i, tensor in enumerate(self.program.outputs):
            source, place = self.root(tensor), Place(("output", i), 0)
            if self._is_free_result(source):
                self.places[id(source)] = place
                continue
            target = self._fresh(tensor)
            self.places[id(target)] = place
            draft = self._copy_draft(tensor, target)
            if source.kind == "variable":
                self.drafts.insert(0, draft)  # before any update of it
            else:
                self.drafts.append(draft)

    def _place_updates(self):
        held = self._hold_old_values()
        late, writes, reads = [], {}, _LastTouch()
        for i, draft in enumerate(self.drafts):
            self._note(i, draft, writes, reads)
        updated = _LastTouch()
        for variable, tensor in self.program.updates.items():
            tensor = held.get(variable, tensor)
            source, place = self.root(tensor), self._variable_place(variable)
            if source.kind == "variable":
                continue  # the same one
            alone = updated.last(variable) < 0  # else: a weight assigned after all were updated
            updated.note(variable, 0)
            if alone and self._is_free_result(source) and self._may_overwrite(variable, source, writes, reads):
                self.places[id(source)] = place
                continue
            if source.kind != "result" or self.places.get(id(source), place).base != ARENA:
                source, tensor = tensor, self._fresh(tensor)  # another update may change it before it is copied
                self.drafts.append(self._copy_draft(source, tensor))
            target = self._fresh(tensor)
            self.places[id(target)] = place
            late.append(self._copy_draft(tensor, target))
        self.drafts += late

    def _hold_old_values(self):
        """Copies, made before any update, of what variables were that others become: {variable: copy}."""
        held = {}
        for variable, tensor in self.program.updates.items():
            source = self.root(tensor)
            if source.kind == "variable" and source.data is not variable:
                held[variable] = self._fresh(tensor)
                self.drafts.insert(0, self._copy_draft(tensor, held[variable]))
        return held

    def _note(self, i, draft, writes, reads):
        """Remember which draft first writes a tensor, and which last reads a variable."""
        for tensor in draft.writes:
            writes.setdefault(id(self.root(tensor)), i)
        for root in map(self.root, draft.reads):
            if root.kind == "variable":
                reads.note(root.data, i)

    def _may_overwrite(self, variable, source, writes, reads):
        """True if no step reads the old value after the first write of the new one."""
        first = writes[id(source)]
        if reads.last(variable) != first:
            return reads.last(variable) < first
        draft, span = self.drafts[first], _span(variable)
        spans = ((_span(self.root(t).data), t) for t in draft.reads if self.root(t).kind == "variable")
        return all(own == span and _reads_in_place(draft, t) for own, t in spans if _overlap(own, span))

    # --- the arena ---------------------------------------------------------------------------------
    def _place_results(self):
        lifetime, size = {}, {}
        for i, draft in enumerate(self.drafts):
            for tensor in (*draft.reads, *draft.writes):
                root = self.root(tensor)
                if root.kind == "result" and id(root) not in self.places:
                    first, _ = lifetime.get(id(root), (i, i))
                    lifetime[id(root)] = (first, i)
                    size[id(root)] = max(size.get(id(root), 0), root.size * ITEM)
        shared = self._share_in_place(lifetime, size)
        offsets, self.arena_bytes = pack_intervals(lifetime, size, self.reserved)
        for key, owner in shared.items():
            while owner in shared:
                owner = shared[owner]
            offsets[key] = offsets[owner]
        for key, offset in offsets.items():
            self.places[key] = Place(ARENA, offset)

    def _share_in_place(self, lifetime, size):
        """Results that take over the bytes of an input: {id: id of the owner}; lifetimes are joined."""
        shared, taken = {}, set()
        for i, draft in enumerate(self.drafts):
            if draft.kernel not in PASSES:
                continue
            for result in (self.root(t) for t in draft.writes if _reads_in_place(draft, t)):
                if lifetime.get(id(result), (-1,))[0] != i or id(result) in shared:
                    continue
                for source in draft.reads:
                    owner = id(self.root(source))
                    while owner in shared:
                        owner = shared[owner]
                    if (
                        owner in lifetime and owner not in taken and lifetime[owner][1] == i and owner != id(result)
                        and size[owner] == size[id(result)] and lifetime[owner][0] < i
                        and all(_reads_in_place(draft, t) for t in draft.reads if self.root(t) is self.root(source))
                    ):  # fmt: skip
                        lifetime[owner] = (lifetime[owner][0], lifetime.pop(id(result))[1])
                        shared[id(result)] = owner
                        taken = (taken | {owner}) if lifetime[owner][1] == i else taken
                        break
        return shared

    # --- steps -------------------------------------------------------------------------------------
    def _finish(self, draft):
        operands = tuple(self._operand(t) for t in draft.operands)
        return PlacedStep(draft.kernel, operands, draft.sizes, draft.code, draft)

    def _operand(self, tensor):
        place = self.place(tensor)
        return Operand(self.bases.setdefault(place.base, len(self.bases)), place.offset, tensor.size * ITEM)

    def place(self, tensor):
        """The place of any tensor."""
        tensor = self.root(tensor)
        if id(tensor) not in self.places:
            self.places[id(tensor)] = self._outer_place(tensor)
        return self.places[id(tensor)]

    def _variable_place(self, variable):
        storage = variable if isinstance(variable, Storage) else variable.storage
        self.storages[id(storage)] = storage
        key, offset, _ = _span(variable)
        return Place(("storage", key), offset)

    def _outer_place(self, tensor):
        if tensor.kind == "input":
            return Place(("input", next(i for i, t in enumerate(self.program.inputs) if t is tensor)), 0)
        if tensor.kind == "variable":
            return self._variable_place(tensor.data)
        if tensor.kind == "counter":
            return Place(COUNTER, 0)
        assert tensor.kind == "constant", tensor
        offset = len(self.constants)
        data = np.ascontiguousarray(tensor.data, "int32" if tensor.dtype == "int32" else "float32").tobytes()
        self.constants += data + bytes(_rounded(len(data)) - len(data))
        return Place(CONSTANTS, offset)


class _LastTouch:
    """The number of the last draft that touched any byte of a variable, or of a whole storage; -1 before the first."""

    def __init__(self):
        self.variables, self.wholes, self.parts = {}, {}, {}  # parts: by storage, those of its variables

    def note(self, variable, i):
        if isinstance(variable, Storage):
            self.wholes[id(variable)] = i
        else:
            self.variables[id(variable)] = self.parts[id(variable.storage)] = i

    def last(self, variable):
        if isinstance(variable, Storage):
            return max(self.wholes.get(id(variable), -1), self.parts.get(id(variable), -1))
        return max(self.variables.get(id(variable), -1), self.wholes.get(id(variable.storage), -1))


def _rounded(size):
    return -(-max(size, ITEM) // ALIGNMENT) * ALIGNMENT


def _span(variable):
    """(id of the storage, first byte, end) that a variable covers."""
    storage = variable if isinstance(variable, Storage) else variable.storage
    offset = 0 if storage is variable else variable.offset * ITEM
    return id(storage), offset, offset + variable.size * ITEM


def _overlap(a, b):
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def _reads_in_place(draft, tensor):
    """True if an elementwise draft reads or writes element i of the tensor only when it makes element i."""
    if draft.kernel not in PASSES:
        return False
    kinds = {v.kind for v in draft.code.views if draft.operands[v.operand] is tensor}
    return kinds <= {"contiguous"}


def pack_intervals(lifetime, size, start):
    """Offsets for blocks that live from a first to a last step, the largest placed first.

    Returns
    -------
    offsets : dict
    end : int
        Bytes needed in all.
    """
    placed, offsets, end = [], {}, start
    for key in sorted(lifetime, key=lambda k: (-size[k], lifetime[k])):
        first, last = lifetime[key]
        need, at = _rounded(size[key]), start
        for other_at, other_end, a, b in placed:  # in order of their offsets
            if a <= last and first <= b:
                if at + need <= other_at:
                    break
                at = max(at, other_end)
        offsets[key] = at
        bisect.insort(placed, (at, at + need, first, last))
        end = max(end, at + need)
    return offsets, end
