"""Fits the tone by meaning to the packaged examples and writes gates/toxicity/fitted.parquet in the package.

    python benchmarks/toxicity_fit.py

Half a minute on two cores. Needs the models of the extra `embed`.
"""

from importlib.resources import files
from pathlib import Path

import pyarrow.parquet as pq
from synth_stack.gates.toxicity.tone_fitting import fit_examples

TARGET = Path(str(files("synth_stack.gates.toxicity"))) / "fitted.parquet"


def main() -> None:
    fitted = fit_examples()
    pq.write_table(fitted, TARGET, compression="zstd")
    print(f"{len(fitted)} sentences, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
