"""Real rows that a batch is compared with: a file or folder, read as somebody else's rows are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.inputs.foreign import Dataset, open_dataset, read_candidates
from synth_stack.rows.canonical import Digest


@dataclass(frozen=True, slots=True, eq=False)
class RealRows:
    """A data set of real rows: its name, the digest of its bytes, and its candidate tables in order.

    Equal to itself alone, so that what is computed of it can be kept by it.
    """

    name: str
    sha256: Digest
    dataset: Dataset

    def read(self) -> Iterator[pa.Table]:
        """The rows that could be read, table by table; broken ones are left out."""
        for table in read_candidates(self.dataset):
            yield table.filter(pc.is_null(table["failure"]))


def open_real_rows(path: str, columns: Mapping[str, str]) -> RealRows:
    """The rows at a path; `columns` says which column is which field, such as {"slice": "category"}.

    Nothing but the digest is read here. Raises InputError for a path with nothing that can be read,
    ConfigError for fields that there are not.
    """
    dataset = open_dataset(path, skip_broken=True, named=columns)
    return RealRows(dataset.name, dataset.sha256, dataset)
