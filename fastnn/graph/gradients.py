"""Reverse-mode differentiation on a program: append the gradient of every primitive, last to first."""

from fastnn import ops
from fastnn.graph.pooling import pool_first
from fastnn.graph.program import Tensor


def gradients(target, sources, seed=None):
    """The gradient of a scalar for each source.

    Parameters
    ----------
    target : Tensor
        A scalar of the program; with `seed` (d loss / d target) any shape.
    sources : list of Tensor
    seed : Tensor, optional

    Returns
    -------
    list of Tensor or None
        None where the target does not depend on the source.
    """
    if seed is None and target.shape != ():
        raise ValueError(f"gradients: the target must be a scalar, received shape {target.shape}: take its sum or mean")
    program = target.program
    pool_first(program)
    active = _depends_on(program, sources)
    pending = {id(target): seed if seed is not None else program.constant(1.0)}
    for instruction in reversed(list(program.instructions)):
        received = [pending.get(id(t)) for t in instruction.outputs]
        if all(g is None for g in received) or id(instruction) not in active:
            continue
        for tensor, part in zip(instruction.inputs, _apply_rule(instruction, received), strict=True):
            if part is None or tensor.kind == "constant" or not tensor.dtype.startswith("float"):
                continue
            present = pending.get(id(tensor))
            pending[id(tensor)] = part if present is None else ops.add(present, part)
    return [pending.get(id(s)) for s in sources]


def _apply_rule(instruction, received):
    program = instruction.outputs[0].program
    filled = list(received)
    if filled[0] is None:  # rules expect the gradient of the first output; later ones may be absent
        filled[0] = program.constant(0.0)
        filled[0] = ops.broadcast_to(filled[0], instruction.outputs[0].shape)
    with program.scope(instruction.scope):
        parts = instruction.primitive.gradient(
            filled, instruction.inputs, instruction.outputs, **instruction.attributes
        )
    return parts if parts else (None,) * len(instruction.inputs)


def _depends_on(program, sources):
    """ids of the instructions on a way from a source."""
    reached = {id(s) for s in sources if isinstance(s, Tensor)}
    active = set()
    for instruction in program.instructions:
        if any(id(t) in reached for t in instruction.inputs):
            active.add(id(instruction))
            reached.update(id(t) for t in instruction.outputs)
    return active
