"""Equations are solved, to the same bits on one thread and on several."""

import os
import subprocess
import sys

import numpy as np

from synth_stack.stats.linear import solve_positive


def test_the_solution_is_that_of_lapack() -> None:
    draws = np.random.default_rng(0).normal(size=(300, 40))
    matrix, right = draws.T @ draws / 300, draws[:3].T
    assert np.allclose(solve_positive(matrix, right), np.linalg.solve(matrix, right), rtol=1e-9)
    assert np.array_equal(
        solve_positive(np.eye(4), np.arange(8.0).reshape(4, 2)), np.arange(8.0).reshape(4, 2)
    )


def test_the_number_of_threads_changes_no_bit() -> None:
    code = (
        "import hashlib, numpy as np; from synth_stack.stats.linear import solve_positive\n"
        "draws = np.random.default_rng(0).normal(size=(400, 256))\n"
        "matrix = draws.T @ draws / 400 + 0.1 * np.eye(256)\n"
        "print(hashlib.sha256(solve_positive(matrix, draws[:8].T).tobytes()).hexdigest())"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            check=True,
            capture_output=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(said[0]) == 65
