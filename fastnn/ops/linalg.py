"""`keras.ops.linalg`: decompositions, norms and systems of equations."""

from fastnn.graph.declaration import record_calls as _record_calls
from fastnn.ops.linear_systems import (
    cholesky,
    cholesky_inverse,
    det,
    inv,
    pinv,
    solve,
    solve_triangular,
)
from fastnn.ops.reduce import (
    norm,
)

_record_calls(globals())
