"""Max-pools go before the rectifiers and biases in front of them: the same numbers from fewer operations.

relu(x) and x + b grow with x, also when rounded, so max(relu(x + b)) = relu(max(x) + b) over any window.  All that is
left between a convolution and its pooling is then done by the kernel of both (`Primitive.takes_in`), and the gradients
of rectifier and bias are those of the pooled tensor.  The gradient goes to the same place: where the largest of a
window is not positive, relu lets none pass; only where x + b rounds several of a window to one largest number it goes
to that of the largest x, not to the first of them.
"""


def pool_first(program):
    """Move each max-pool of a program to the front of what commutes with it and is read by nothing else."""
    pools = [i for i in program.instructions if i.primitive.name == "max_pool2d"]
    readers = program.readers() if pools else {}
    for instruction in pools:
        chain = _chain(instruction, readers)
        if chain and not readers[id(instruction.outputs[1])]:
            _move(program, instruction, chain)


def _chain(pool, readers):
    """The instructions to be passed, from the pool upwards."""
    chain, x = [], pool.inputs[0]
    while x.producer is not None and readers[id(x)] == 1 and _commutes(x.producer):
        chain.append(x.producer)
        x = x.producer.inputs[0]
    return chain


def _commutes(instruction):
    """Whether it treats all pixels of a channel alike and keeps their order: relu(x), x + a number for each channel."""
    x, *others = instruction.inputs
    if instruction.primitive.name == "relu":
        return True
    alike = all(len(b.shape) <= 4 and all(n == 1 for n in b.shape[:-1]) for b in others)
    return instruction.primitive.name == "add" and alike and x.shape == instruction.outputs[0].shape


def _move(program, pool, chain):
    y, place = pool.outputs[0], program.instructions.index(pool)
    with program.inserting(place):
        with program.scope(pool.scope):
            moved, _ = program.append(pool.primitive, chain[-1].inputs[:1], pool.attributes)
        for passed in reversed(chain):
            with program.scope(passed.scope):
                (moved,) = program.append(passed.primitive, (moved, *passed.inputs[1:]), passed.attributes)
    program.instructions.remove(pool)
    last = moved.producer
    last.outputs, y.data = (y,), last
