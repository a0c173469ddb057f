"""Numbers for each channel behind a convolution go into its kernel and one sum.

Batch normalization of a trained model is four of them, the bias before it a fifth: ((conv(x, w) + b) - mean) * factor +
offset is conv(x, w * factor) + ((b - mean) * factor + offset), where all that is new has the size of a kernel or of a
row of channels.  The last bits may differ.
"""

from fastnn import ops

STEPS = ("add", "subtract", "multiply")


def fold_channels(program):
    """Fold what follows the convolutions of a program and is read by nothing else, where it pays."""
    convolutions = [i for i in program.instructions if i.primitive.name in ("conv2d", "depthwise_conv2d")]
    readers = program.readers() if convolutions else {}
    follower = {id(t): i for i in program.instructions for t in i.inputs if readers.get(id(t)) == 1}
    for instruction in convolutions:
        chain = _chain(instruction, follower)
        factors = sum(i.primitive.name == "multiply" for i, _ in chain)
        if len(chain) > 1 and (not factors or instruction.outputs[0].size >= instruction.inputs[1].size):
            _fold(program, instruction, chain)


def _chain(convolution, follower):
    """[(instruction, its operand for the channels)] from the convolution on."""
    chain, y = [], convolution.outputs[0]
    while id(y) in follower:
        instruction = follower[id(y)]
        operand = _operand(instruction, y)
        if operand is None:
            break
        chain.append((instruction, operand))
        y = instruction.outputs[0]
    return chain


def _operand(instruction, y):
    """What the instruction adds to y, takes from it or multiplies it by, if that is a number for each channel."""
    name = instruction.primitive.name
    if name not in STEPS or (name == "subtract" and instruction.inputs[0] is not y):
        return None
    (operand,) = (t for t in instruction.inputs if t is not y)
    for_channels = len(operand.shape) <= len(y.shape) and all(n == 1 for n in operand.shape[:-1])
    alike = operand.dtype == y.dtype and instruction.outputs[0].shape == y.shape
    return operand if for_channels and alike else None


def _fold(program, convolution, chain):
    last, _ = chain[-1]
    x, w = convolution.inputs
    y, place = last.outputs[0], program.instructions.index(last)
    with program.inserting(place), program.scope(convolution.scope):
        factor = offset = None
        for instruction, operand in chain:
            if instruction.primitive.name == "multiply":
                factor = operand if factor is None else factor * operand
                offset = None if offset is None else offset * operand
            elif instruction.primitive.name == "add":
                offset = operand if offset is None else offset + operand
            else:
                offset = -operand if offset is None else offset - operand
        if factor is not None:
            w = w * (ops.reshape(factor, w.shape[-2:]) if _by_channel(convolution, factor) else factor)
        (made,) = program.append(convolution.primitive, (x, w), convolution.attributes)
        if offset is not None:
            made = made + offset
    for instruction in (convolution, *(i for i, _ in chain)):
        program.instructions.remove(instruction)
    made.producer.outputs, y.data = (y,), made.producer


def _by_channel(convolution, factor):
    """Whether a factor for each output is one for each pair (channel, multiplier) of a depthwise kernel."""
    return convolution.primitive.name == "depthwise_conv2d" and factor.shape and factor.shape[-1] > 1
