# cython: language_level=3, boundscheck=False, wraparound=False
"""Types: the numbers are C's, an array is a typed memoryview, an element is an address."""


def matmul(const float[:, ::1] a, const float[:, ::1] b, float[:, ::1] c):
    """c = a b: a has m rows of k numbers, b has k rows of n."""
    cdef Py_ssize_t m = a.shape[0], n = b.shape[1], k = b.shape[0], i, j, s
    cdef float total
    for i in range(m):
        for j in range(n):
            total = 0
            for s in range(k):
                total += a[i, s] * b[s, j]
            c[i, j] = total
