"""What the rows in data/ add up to for who wants to use them: models, terms, synthetic share, examples.

Counted over the rows that are there, so that rows that were withdrawn are not in it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.packs.splits import ADVERSARIAL

EXAMPLES = 3
"""Rows on the card: those of the least ids. An id is a digest, so nobody chooses them by what they say."""

TEACHER = "teacher"

_TOLD = ("row_id", "kind", "slice", "locale", "messages", "alternatives", "text")


@dataclass(frozen=True, slots=True)
class ModelRows:
    """The rows in data/ on which one model worked as one part: teacher, writer, rewriter, judge, ..."""

    part: str
    name: str | None
    digest: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class ShareCount:
    """The rows in data/ of one group, and how many are synthetic; `name` is None without a group."""

    name: str | None
    rows: int
    synthetic: int


@dataclass(frozen=True, slots=True)
class DataFigures:
    """The figures of data/. Of `rows` so many are `synthetic`; of the others nobody told.

    `output_terms`, `topics` and `methods` are groups by size, then name; `characters` are those of `text`;
    `grounded` rows have documents and `illustrated` ones attachments. `examples` are rows of the train split,
    as mappings.
    """

    rows: int = 0
    synthetic: int = 0
    characters: int = 0
    grounded: int = 0
    illustrated: int = 0
    models: tuple[ModelRows, ...] = ()
    output_terms: tuple[ShareCount, ...] = ()
    topics: tuple[ShareCount, ...] = ()
    methods: tuple[ShareCount, ...] = ()
    examples: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class DataTally:
    """Figures of data/ in the making; the same in any order and in any pieces."""

    rows: int = 0
    characters: int = 0
    grounded: int = 0
    illustrated: int = 0
    models: Counter[tuple[str, str | None, str | None]] = field(default_factory=Counter)
    groups: dict[str, Counter[tuple[str | None, bool]]] = field(
        default_factory=lambda: {name: Counter() for name in ("output_terms", "topics", "methods")}
    )
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add_rows(self, table: pa.Table) -> None:
        """Count rows of DATA_SCHEMA."""
        if not len(table):
            return
        self.rows += len(table)
        self.characters += int(pc.sum(pc.utf8_length(table["text"])).as_py() or 0)
        self.grounded += _count_filled(table["documents"])
        self.illustrated += _count_filled(table["attachments"])
        self._add_models(table)
        made = pc.fill_null(table["synthetic"], False)
        topics = pc.list_element(pc.split_pattern(table["slice"], "/", max_splits=1), 0)
        methods = pc.binary_join_element_wise(table["generator"], table["generator_version"], " ")
        groups = {"output_terms": table["output_terms"], "topics": topics, "methods": methods}
        for name, column in groups.items():
            self.groups[name].update(_count_pairs(column, made))
        self._keep_examples(table)

    def add_figures(self, figures: DataFigures) -> None:
        """Count the rows that figures were made of, as in a mixture of packs."""
        self.rows += figures.rows
        self.characters += figures.characters
        self.grounded += figures.grounded
        self.illustrated += figures.illustrated
        for model in figures.models:
            self.models[model.part, model.name, model.digest] += model.rows
        for name, groups in self.groups.items():
            for group in getattr(figures, name):
                groups[group.name, True] += group.synthetic
                groups[group.name, False] += group.rows - group.synthetic
        self._add_examples(figures.examples)

    def finish(self) -> DataFigures:
        """The figures."""
        named = {name: _list_shares(groups) for name, groups in self.groups.items()}
        ranked = sorted(
            self.models.items(),
            key=lambda item: (-item[1], item[0][0] != TEACHER, *(text or "" for text in item[0])),
        )
        return DataFigures(
            rows=self.rows,
            synthetic=sum(share.synthetic for share in named["topics"]),
            characters=self.characters,
            grounded=self.grounded,
            illustrated=self.illustrated,
            models=tuple(ModelRows(*key, rows) for key, rows in ranked),
            examples=tuple(self.examples),
            **named,
        )

    def _add_models(self, table: pa.Table) -> None:
        """The teacher of each row, and each other model once a row for each part that it had."""
        teachers = pa.table({"name": table["teacher"], "digest": table["teacher_digest"]})
        for row in teachers.group_by(["name", "digest"]).aggregate([([], "count_all")]).to_pylist():
            if row["name"] is not None or row["digest"] is not None:
                self.models[TEACHER, row["name"], row["digest"]] += row["count_all"]
        models = table["models"].combine_chunks()
        inside = models.flatten()
        columns = {name: pc.struct_field(inside, name) for name in ("part", "name", "digest")}
        listed = pa.table({"row": pc.list_parent_indices(models), **columns})
        once = listed.group_by(["row", *columns]).aggregate([])
        for row in once.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist():
            self.models[row["part"] or "", row["name"], row["digest"]] += row["count_all"]

    def _keep_examples(self, table: pa.Table) -> None:
        train = table.filter(pc.not_equal(table["kind"], ADVERSARIAL)).select(_TOLD)
        places = pc.select_k_unstable(train["row_id"], k=EXAMPLES, sort_keys=[("row_id", "ascending")])
        self._add_examples(train.take(places).to_pylist())

    def _add_examples(self, rows: Iterable[dict[str, Any]]) -> None:
        self.examples = sorted([*self.examples, *rows], key=lambda row: row["row_id"])[:EXAMPLES]


def _count_filled(column: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0)


def _count_pairs(names: pa.ChunkedArray, made: pa.ChunkedArray) -> dict[tuple[str | None, bool], int]:
    pairs = pa.table({"name": names, "made": made}).group_by(["name", "made"]).aggregate([([], "count_all")])
    return {(row["name"], row["made"]): row["count_all"] for row in pairs.to_pylist()}


def _list_shares(groups: Counter[tuple[str | None, bool]]) -> tuple[ShareCount, ...]:
    names = {name for name, _ in groups}
    shares = [
        ShareCount(name, groups[name, True] + groups[name, False], groups[name, True]) for name in names
    ]
    return tuple(sorted(shares, key=lambda share: (-share.rows, share.name is None, share.name or "")))
