"""What a primitive is: what it computes, what shape comes out, what its gradient is, which kernel is fast at it."""

import numpy as np

PRIMITIVES = {}


class Primitive:
    """One operation of the closed set that programs are made of.

    A subclass is instantiated once.  It states, side by side,

    - `infer`: shapes and dtypes of the outputs,
    - `reference`: the computation as a NumPy sentence, in any float dtype,
    - `gradient`: the gradient for each input, written with `fastnn.ops`,
    - `lower`: the C kernels that compute it (left out: the program returns to the interpreter for it and runs
      `reference`; ``model.program()`` shows such a step as ``host``),
    - `flops`: arithmetic operations, for the tables.

    `epilogue`: the C kernel can run elementwise code on its (first) output while that is in cache.
    """

    n_outputs = 1
    epilogue = False

    def __init__(self, name):
        self.name = name
        if name in PRIMITIVES:
            raise ValueError(f"primitive {name!r} is defined twice")
        PRIMITIVES[name] = self

    def infer(self, *inputs, **attributes):
        """[(shape, dtype)] of the outputs; by default what the reference gives for zeros."""
        arrays = [np.zeros(t.shape, t.dtype) for t in inputs]
        with np.errstate(all="ignore"):
            results = self.reference(*arrays, **attributes)
        results = results if self.n_outputs > 1 else (results,)
        return [(np.shape(r), canonical_dtype(np.asarray(r).dtype)) for r in results]

    def reference(self, *arrays, **attributes):
        raise NotImplementedError

    def gradient(self, gradients, inputs, outputs, **attributes):
        """One tensor, or None, for each input; `gradients` has one tensor (or None) for each output."""
        raise ValueError(
            f"{self.name} has no gradient: wrap its input in ops.stop_gradient, or use another operation on the "
            "way from the weights to the loss"
        )

    def lower(self, lowering, instruction):
        lowering.host(instruction)

    def takes_in(self, instruction, producer):
        """Whether `lower` can also compute the instruction that makes the input, which nothing else reads.

        It then finds that instruction in `lowering.node.inner`.
        """
        return False

    def flops(self, instruction):
        return 0

    def __repr__(self):
        return f"<primitive {self.name}>"


def canonical_dtype(dtype):
    """The dtype that a program uses for NumPy's: float32, float64, int32 or bool."""
    kind = np.dtype(dtype).kind
    if kind == "f":
        return "float64" if np.dtype(dtype) == np.float64 else "float32"
    if kind in "iu":
        return "int32"
    if kind == "b":
        return "bool"
    raise TypeError(f"dtype {dtype} is not supported: use float32, float64, int32 or bool")
