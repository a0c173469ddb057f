"""NumPy: all pixels, channels and filters of one place in the window are a matrix product."""


def conv(x, kernel, y):
    """y[i][j][f] is the sum of x[i + r][j + s][c] kernel[r][s][c][f] over the window r, s and the channels c."""
    p, q, _ = y.shape
    y[...] = 0
    for r in range(3):
        for s in range(3):
            y += x[r : r + p, s : s + q] @ kernel[r, s]
