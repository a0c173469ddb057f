"""`keras.ops.linalg`: decompositions, norms and systems of equations."""

from fastnn.graph.declaration import record_calls as _record_calls
from fastnn.ops.decompositions import (
    eig,
    eigh,
    lstsq,
    lu_factor,
    matrix_rank,
    norm,
    pinv,
    qr,
    svd,
)
from fastnn.ops.functions import (
    jvp,
)
from fastnn.ops.linear_systems import (
    cholesky,
    cholesky_inverse,
    det,
    inv,
    solve,
    solve_triangular,
)

_record_calls(globals())
