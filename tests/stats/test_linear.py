"""Equations are solved, to the same bits on one thread and on several; cosines do not depend on their batch."""

import os
import subprocess
import sys

import numpy as np

from synth_stack.stats.linear import measure_cosines, solve_positive


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


def test_the_rows_beside_a_row_change_a_cosine_by_less_than_any_two_differ() -> None:
    draws = np.random.default_rng(0).normal(size=(900, 256)).astype(np.float32)
    vectors = draws / np.linalg.norm(draws, axis=1, keepdims=True)
    rows, others = vectors[:600], vectors[600:]
    whole = measure_cosines(rows, others)
    for block in (1, 7, 200):
        parts = [measure_cosines(part, others) for part in np.split(rows, range(block, len(rows), block))]
        assert np.abs(np.concatenate(parts) - whole).max() < 1e-15
    assert np.abs(whole - (rows.astype(np.float64)[:, None] * others[None]).sum(axis=2)).max() < 1e-15
