"""The definition: three loops over lists of numbers."""


def matmul(a, b, c):
    """c = a b: a has m rows of k numbers, b has k rows of n."""
    m, n, k = len(a), len(b[0]), len(b)
    for i in range(m):
        for j in range(n):
            total = 0.0
            for s in range(k):
                total += a[i][s] * b[s][j]
            c[i][j] = total
