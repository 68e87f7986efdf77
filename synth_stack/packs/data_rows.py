"""The rows in data/: the accepted ones, each with its licence, the terms on it, and whether it is synthetic.

These three are no part of a row, which its digest covers: they follow from the recipe and the row, and
`verify` computes them again.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import VerificationError
from synth_stack.inputs.terms import TERMS, UNDECLARED, rank_terms
from synth_stack.packs.shards import find_by_id, read_shard
from synth_stack.packs.verify_pack import FOREIGN, JUDGING_PARTS
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.locks import RecipeLock, TermsLock

DATA_SCHEMA = pa.schema(
    [
        *CANDIDATE_SCHEMA,
        pa.field("license", pa.string()),
        pa.field("output_terms", pa.string()),
        pa.field("synthetic", pa.bool_()),
    ]
)
"""`license` is that of the pack, or of the pack that the rows were read from; null where none is stated.
`output_terms` are the strictest of the models that worked on the row: one of TERMS, "undeclared", or null
where no model is known. `synthetic` is true for a row that a method or a model made, and null where nobody
told."""

_COLUMNS = ("license", "output_terms", "synthetic")
_NO_MODEL = len(TERMS)


def list_terms(recipe: RecipeLock) -> dict[str, TermsLock]:
    """What a recipe declares of the terms of its models, by their names and digests; the stricter where two
    models share one.
    """
    inherited = {} if recipe.source is None else recipe.source.terms
    declared = list(inherited.items())
    for model in (recipe.teacher, *recipe.models.values()):
        if model is not None and model.terms is not None:
            declared += [(key, model.terms) for key in (model.model, model.digest) if key is not None]
    found: dict[str, TermsLock] = {}
    for key, terms in declared:
        if key not in found or rank_terms(terms.output) < rank_terms(found[key].output):
            found[key] = terms
    return found


def find_license(recipe: RecipeLock) -> str | None:
    """The licence of the rows, as the recipe or the pack that they come from states it; None for none."""
    if recipe.card is not None:
        return recipe.card.license
    return None if recipe.source is None else recipe.source.license


class RowTerms:
    """What a recipe says of each of its rows beside what is in them."""

    def __init__(self, recipe: RecipeLock) -> None:
        self._license = find_license(recipe)
        terms = list_terms(recipe)
        self._outputs = pa.array([UNDECLARED, *TERMS, None], pa.string())
        self._keys = pa.array([*terms], pa.string())
        self._ranks = np.array([rank_terms(told.output) for told in terms.values()] + [-1], dtype=np.int8)

    def add_columns(self, rows: pa.Table) -> pa.Table:
        """Rows of CANDIDATE_SCHEMA as rows of DATA_SCHEMA."""
        for name, values in self._tell(rows).items():
            rows = rows.append_column(DATA_SCHEMA.field(name), values)
        return rows

    def require(self, rows: pa.Table, name: str) -> None:
        """Raises VerificationError, starting with `name`, for the first row of DATA_SCHEMA that says else."""
        for column, told in self._tell(rows).items():
            found = rows[column].combine_chunks()
            if found.equals(told):
                continue
            place = next(i for i in range(len(rows)) if found[i].as_py() != told[i].as_py())
            raise VerificationError(
                f"{name}: the {column} of row {rows['row_id'][place].as_py()} is not what the recipe gives",
                seen=found[place].as_py(),
                allowed=repr(told[place].as_py()),
            )

    def _tell(self, rows: pa.Table) -> dict[str, pa.Array]:
        n = len(rows)
        return {
            "license": pa.array([self._license] * n, pa.string()),
            "output_terms": self._outputs.take(pa.array(self._rank_strictest(rows) + 1)),
            "synthetic": mark_synthetic(rows),
        }

    def _rank_strictest(self, rows: pa.Table) -> Any:
        """Of each row the least rank of a model that worked on it; _NO_MODEL where none is known."""
        found = self._rank(_flat(rows["teacher"]), _flat(rows["teacher_digest"]))
        models = _flat(rows["models"])
        inside = models.flatten()
        ranks = self._rank(pc.struct_field(inside, "name"), pc.struct_field(inside, "digest"))
        np.minimum.at(found, pc.list_parent_indices(models).to_numpy(), ranks)
        return found

    def _rank(self, names: pa.Array, digests: pa.Array) -> Any:
        """The rank of the terms of each model, by its digest or else by its name."""
        last = len(self._keys)

        def look_up(column: pa.Array) -> Any:
            return pc.fill_null(pc.index_in(column, value_set=self._keys, skip_nulls=True), last).to_numpy(
                zero_copy_only=False
            )

        by_digest, by_name = look_up(digests), look_up(names)
        ranks = self._ranks[np.where(by_digest != last, by_digest, by_name)]
        unknown = pc.and_(pc.is_null(names), pc.is_null(digests)).to_numpy(zero_copy_only=False)
        return np.where(unknown, _NO_MODEL, ranks).astype(np.int8)


def mark_synthetic(rows: pa.Table) -> pa.Array:
    """Of each row whether a method or a model made it: true, or null where nobody told."""
    made = pc.or_(pc.not_equal(rows["generator"], FOREIGN), pc.is_valid(rows["teacher"]))
    written = _flat(made).to_numpy(zero_copy_only=False)
    models = _flat(rows["models"])
    writes = pc.invert(pc.is_in(pc.struct_field(models.flatten(), "part"), value_set=pa.array(JUDGING_PARTS)))
    written[pc.list_parent_indices(models).filter(writes).to_numpy()] = True
    return pc.if_else(pa.array(written), pa.scalar(True), pa.scalar(None, pa.bool_()))


def read_rows(pack: Path, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The accepted rows of one file of a pack with the columns of CANDIDATE_SCHEMA, or those of `columns`.

    Raises what `read_shard` raises.
    """
    return read_shard(pack, name, DATA_SCHEMA, CANDIDATE_SCHEMA.names if columns is None else columns)


def find_row_by_id(
    pack: Path, names: Sequence[str], row_id: str, share: float = 0.0
) -> tuple[str, dict[str, Any]] | None:
    """The row with that `row_id` in files of data/, with the fields of CANDIDATE_SCHEMA, after the name of
    its file; None for none. What stands after about that `share` of the rows is looked through first.
    """
    found = find_by_id(pack, names, DATA_SCHEMA, row_id, share)
    return None if found is None else (found[0], without_columns(found[1]))


def without_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of DATA_SCHEMA as one of CANDIDATE_SCHEMA."""
    return {name: value for name, value in row.items() if name not in _COLUMNS}


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
