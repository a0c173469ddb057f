"""The definition: six loops over nested lists of numbers."""


def conv(x, kernel, y):
    """y[i][j][f] is the sum of x[i + r][j + s][c] kernel[r][s][c][f] over the window r, s and the channels c."""
    p, q, channels, filters = len(y), len(y[0]), len(kernel[0][0]), len(kernel[0][0][0])
    for i in range(p):
        for j in range(q):
            for f in range(filters):
                total = 0.0
                for r in range(3):
                    for s in range(3):
                        for c in range(channels):
                            total += x[i + r][j + s][c] * kernel[r][s][c][f]
                y[i][j][f] = total
