"""The reference engine: the same program, one primitive after the other, with NumPy, in any float dtype."""

import numpy as np

from fastnn.graph.fuse import live_instructions
from fastnn.ops.primitive import PRIMITIVES
from fastnn.variable import Storage


class ReferenceProgram:
    """Runs a traced program with NumPy.

    Parameters
    ----------
    program : Program
    dtype : {"float32", "float64"}, optional
        Compute in this float type, whatever the program was traced with.
    """

    def __init__(self, program, dtype=None):
        self.program, self.dtype = program, dtype
        self.instructions = live_instructions(program)

    def run(self, inputs, seed=0, step=0, variables=None):
        """One run.

        Parameters
        ----------
        inputs : list of arrays
            One for each input of the program.
        seed, step : int
            Key and counter of the random numbers.
        variables : dict, optional
            Variable -> array to use in place of its value; then updates are returned, not written back.

        Returns
        -------
        outputs : list of arrays
        updates : dict of Variable -> array
        """
        self.program.set_leads()
        values = {id(t): self._cast(np.asarray(a), t) for t, a in zip(self.program.inputs, inputs, strict=True)}

        def read(tensor):
            if id(tensor) not in values:
                values[id(tensor)] = self._cast(_outer_value(tensor, variables), tensor)
            return values[id(tensor)]

        for instruction in self.instructions:
            results = compute(instruction, map(read, instruction.inputs), seed, step)
            for tensor, array in zip(instruction.outputs, results, strict=True):
                values[id(tensor)] = self._cast(np.asarray(array), tensor)
        outputs = [np.array(read(t)) for t in self.program.outputs]
        updates = {variable: np.array(read(t)) for variable, t in self.program.updates.items()}
        if variables is None:
            for variable, array in updates.items():
                variable.value[...] = array
            self.program.count_runs(1)
        return outputs, updates

    def _cast(self, array, tensor):
        dtype = self.dtype if self.dtype and tensor.dtype.startswith("float") else tensor.dtype
        return array if array.dtype == dtype else array.astype(dtype)


def compute(instruction, arrays, seed, step):
    """The results of an instruction for arrays; seed and step are for random numbers."""
    attributes = instruction.attributes
    if instruction.primitive is PRIMITIVES["random_uniform"]:
        attributes = {**attributes, "seed": seed, "step": step}
    results = instruction.primitive.reference(*arrays, **attributes)
    return results if instruction.primitive.n_outputs > 1 else (results,)


def _outer_value(tensor, variables):
    """What a tensor that no instruction makes holds."""
    if tensor.kind == "constant":
        return tensor.data
    if variables is None:
        return tensor.data.value
    if isinstance(tensor.data, Storage):
        flat = np.zeros(tensor.shape, next(iter(variables.values())).dtype)
        for variable, offset in zip(tensor.data.variables, tensor.data.offsets, strict=True):
            flat[offset : offset + variable.size] = variables.get(variable, variable.value).ravel()
        return flat
    return variables.get(tensor.data, tensor.data.value)
