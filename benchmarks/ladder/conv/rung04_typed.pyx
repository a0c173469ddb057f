# cython: language_level=3, boundscheck=False, wraparound=False
"""Types: the numbers are C's, an array is a typed memoryview, an element is an address."""


def conv(const float[:, :, ::1] x, const float[:, :, :, ::1] kernel, float[:, :, ::1] y):
    """y[i][j][f] is the sum of x[i + r][j + s][c] kernel[r][s][c][f] over the window r, s and the channels c."""
    cdef Py_ssize_t p = y.shape[0], q = y.shape[1], channels = kernel.shape[2], filters = kernel.shape[3]
    cdef Py_ssize_t i, j, f, r, s, c
    cdef float total
    for i in range(p):
        for j in range(q):
            for f in range(filters):
                total = 0
                for r in range(3):
                    for s in range(3):
                        for c in range(channels):
                            total += x[i + r, j + s, c] * kernel[r, s, c, f]
                y[i, j, f] = total
