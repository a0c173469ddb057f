"""Tensor operations under Keras' names.

On NumPy arrays they compute at once; on symbolic tensors they add to the program being traced.  Each family is one
file, where a primitive states its formula, shape rule, NumPy reference, gradient and C kernels side by side.  A name is
public by standing in this file, or in one of the four whose names stand here too, as in Keras: `image`, `linalg`, `nn`,
`numpy`.
"""

from fastnn.graph.declaration import record_calls as _record_calls
from fastnn.graph.operation import KerasTensor
from fastnn.ops import image
from fastnn.ops.activation import (
    exponential,
    linear,
    mish,
)
from fastnn.ops.complex import (
    view_as_complex,
    view_as_real,
)
from fastnn.ops.control import (
    associative_scan,
    cond,
    fori_loop,
    map,
    scan,
    switch,
    vectorized_map,
    while_loop,
)
from fastnn.ops.creation import (
    convert_to_numpy,
    convert_to_tensor,
    dtype,
    is_tensor,
)
from fastnn.ops.elementwise import (
    cast,
    divide_by_root,
    erf,
    interpolate,
    interpolate_square,
    multiply_add,
    random_uniform,
    rsqrt,
)
from fastnn.ops.fourier import (
    extract_sequences,
    fft,
    fft2,
    ifft2,
    irfft,
    istft,
    rfft,
    stft,
)
from fastnn.ops.functions import (
    custom_gradient,
)
from fastnn.ops.linalg import *
from fastnn.ops.linear_systems import (
    logdet,
)
from fastnn.ops.logic import (
    squared_difference,
)
from fastnn.ops.nn import *
from fastnn.ops.numpy import *
from fastnn.ops.placing import (
    scatter,
    scatter_update,
    slice_update,
    unstack,
)
from fastnn.ops.products import (
    cdist,
)
from fastnn.ops.rearrange import (
    rearrange,
)
from fastnn.ops.reduce import (
    in_top_k,
    logsumexp,
)
from fastnn.ops.segments import (
    segment_max,
    segment_min,
    segment_prod,
    segment_sum,
)
from fastnn.ops.shape import (
    pack,
    shape,
    stop_gradient,
)
from fastnn.ops.shape import slice_tensor as slice
from fastnn.ops.sorting import (
    top_k,
)
from fastnn.ops.special import (
    erfc,
    erfinv,
    saturate_cast,
)

_record_calls(globals())
