"""NumPy: the loop over j is one operation on a row of b."""


def matmul(a, b, c):
    """c = a b: a has m rows of k numbers, b has k rows of n."""
    m, k = a.shape
    for i in range(m):
        c[i] = 0
        for s in range(k):
            c[i] += a[i, s] * b[s]
