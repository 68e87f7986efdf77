"""A program that stands for the Python of an environment with RAPIDS: what NeMo Curator's stages would leave.

No GPU is needed. Files, folders and names of buckets are those of nemo-curator 1.4.0; its hash functions are
not, since only which hashes are equal counts.
"""

import hashlib
import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synth_stack.models.rapids import BUCKET, FOUND, ID

VERSIONS = {"nemo_curator": "1.4.0", "cudf": "26.8.0"}
ROOT = Path(__file__).parents[1]


def write_python(folder: Path, code: str) -> str:
    """An executable that runs `code` with `folder` and `arguments` of the script that it is asked to run."""
    python = folder / "python"
    lines = [
        f"#!{sys.executable}",
        "import json, sys",
        "from pathlib import Path",
        f"sys.path.insert(0, {str(ROOT)!r})",
        "if sys.argv[1] == '-c':",
        f"    sys.exit(print({json.dumps(VERSIONS)!r}))",
        "script, folder, *arguments = sys.argv[1:]",
        "folder = Path(folder)",
        code,
    ]
    python.write_text("\n".join(lines))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return str(python)


def write_lsh(folder: Path, params: Mapping[str, int], *, at_once: int = 5, parts: int = 3) -> list[Path]:
    """The buckets of the texts in `folder`, by MinHash over runs of characters."""
    table = pa.concat_tables([pq.read_table(part) for part in sorted((folder / "texts").glob("*.parquet"))])
    bands, rows, width = params["num_bands"], params["minhashes_per_band"], params["char_ngrams"]
    draws = np.random.default_rng(params["seed"])
    factors = draws.integers(1, 2**63, bands * rows, dtype=np.uint64) | np.uint64(1)
    signed = [_sign(text, width, factors) for text in table["text"].to_pylist()]
    written = []
    for begin in range(0, bands, at_once):
        end = min(begin + at_once, bands)
        buckets: dict[str, list[int]] = {}
        for band in range(begin, end):
            for number, signature in zip(table[ID].to_pylist(), signed, strict=True):
                key = signature[band * rows : (band + 1) * rows].tobytes()
                name = hashlib.md5(key, usedforsecurity=False).hexdigest()
                buckets.setdefault(f"b{band - begin}_{name}", []).append(number)
        several = [(name, sorted(found)) for name, found in buckets.items() if len(found) > 1]
        home = folder / FOUND / f"band_{begin}-band_{end}"
        home.mkdir(parents=True)
        for part in range(parts):
            own = [found for found in several if int(found[0][-4:], 16) % parts == part]
            columns = {BUCKET: [name for name, _ in own], ID: [found for _, found in own]}
            schema = pa.schema([(BUCKET, pa.string()), (ID, pa.list_(pa.int64()))])
            written.append(home / f"part.{part}.parquet")
            pq.write_table(pa.table(columns, schema=schema), written[-1])
    return written


def _sign(text: str, width: int, factors: np.ndarray) -> np.ndarray:
    runs = {text[k : k + width].encode() for k in range(max(len(text) - width + 1, 1))}
    hashed = np.array(
        [int.from_bytes(hashlib.blake2b(run, digest_size=8).digest(), "big") for run in runs], np.uint64
    )
    signature: np.ndarray = (hashed[:, None] * factors[None, :]).min(axis=0)
    return signature
