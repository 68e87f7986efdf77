"""Search over Argilla's own database, so that a server needs no Elasticsearch: the index is the database.

Runs in the server's environment and imports nothing of this package. Importing it registers the engine under
the name "database" (ARGILLA_SEARCH_ENGINE). SQLite 3.38 or later; the same answers as Elasticsearch for
filters, sorting, progress and similarity. A text query finds whole words in any order without regard to case;
"quoted words" stand side by side, `word*` is a prefix and `-word` must not be there.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from argilla_server.database import AsyncSessionLocal
from argilla_server.enums import MetadataPropertyType, SimilarityOrder
from argilla_server.models import Dataset, MetadataProperty, Record, Response, User, Vector, VectorSettings
from argilla_server.search_engine import (
    Filter,
    MetadataMetrics,
    Order,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    TermsMetrics,
    TextQuery,
)
from argilla_server.search_engine.base import FloatMetadataMetrics, IntegerMetadataMetrics
from record_conditions import build_condition, build_order, open_metadata
from sqlalchemy import ColumnElement, event, func, select
from sqlalchemy.engine import Engine

_TERM = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')
_WORD = re.compile(r"\w+")


@SearchEngine.register("database")
class DatabaseSearch(SearchEngine):  # type: ignore[misc]  # it has no types here
    """Answers every search from the tables that the server writes anyway: nothing has to keep in step."""

    @classmethod
    async def new_instance(cls) -> "DatabaseSearch":
        """One for a request."""
        return cls()

    async def close(self) -> None:
        """Nothing is held."""

    async def ping(self) -> bool:
        """There as long as the database is."""
        return True

    async def info(self) -> dict[str, str]:
        """What the server's status page says of it."""
        return {"name": "database", "index": "the server's own tables"}

    async def create_index(self, dataset: Dataset) -> None:
        """The tables are the index."""

    async def delete_index(self, dataset: Dataset) -> None:
        """The rows go with the dataset."""

    async def configure_metadata_property(
        self, dataset: Dataset, metadata_property: MetadataProperty
    ) -> None:
        """Metadata is read where it lies."""

    async def configure_index_vectors(self, vector_settings: VectorSettings) -> None:
        """Vectors are read where they lie."""

    async def index_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        """They are in the table."""

    async def partial_record_update(self, record: Record, **update: Any) -> None:
        """It is in the table."""

    async def delete_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        """They are out of the table."""

    async def update_record_response(self, response: Response) -> None:
        """It is in the table."""

    async def delete_record_response(self, response: Response) -> None:
        """It is out of the table."""

    async def update_record_suggestion(self, suggestion: Any) -> None:
        """It is in the table."""

    async def delete_record_suggestion(self, suggestion: Any) -> None:
        """It is out of the table."""

    async def get_dataset_progress(self, dataset: Dataset) -> dict[str, int]:
        """How many records there are in all and by status."""
        if dataset.is_draft:
            return {}
        return await _count_by(Record.status, [Record.dataset_id == dataset.id])

    async def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict[str, int]:
        """How many records a user answered in all and by the status of the answer."""
        if dataset.is_draft:
            return {}
        mine = Record.id.in_(select(Response.record_id).where(Response.user_id == user.id))
        return await _count_by(
            Response.status, [Response.user_id == user.id, Record.dataset_id == dataset.id, mine]
        )

    async def search(  # noqa: PLR0917  (the server's signature)
        self,
        dataset: Dataset,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,  # noqa: A002  (the server's name)
        sort: list[Order] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: str | None = None,
    ) -> SearchResponses:
        """A page of records; for a user in an order of their own, so that no record is everybody's first."""
        where = _build_where(dataset, query, filter)
        order = [build_order(each) for each in sort or ()]
        if not order and user_id is not None:
            order = [func.synth_stack_rank(str(user_id), func.hex(Record.id))]
        order += [Record.inserted_at.asc(), Record.id.asc()]
        async with AsyncSessionLocal() as db:
            total = await db.scalar(select(func.count(Record.id)).where(*where))
            page = select(Record.id).where(*where).order_by(*order).offset(offset).limit(limit)
            found = (await db.scalars(page)).all()
        items = [SearchResponseItem(record_id=record_id, score=1.0) for record_id in found]
        return SearchResponses(items=items, total=total or 0)

    async def compute_metrics_for(self, metadata_property: MetadataProperty) -> MetadataMetrics:
        """The terms of a metadata property with their counts, most frequent first, or its range."""
        values = open_metadata(metadata_property.name)
        source = select(Record.id).select_from(Record).join(values, onclause=values.c.value.isnot(None))
        source = source.where(Record.dataset_id == metadata_property.dataset_id)
        async with AsyncSessionLocal() as db:
            if metadata_property.type == MetadataPropertyType.terms:
                count = func.count()
                counted = source.with_only_columns(values.c.value, count).group_by(values.c.value)
                found = (await db.execute(counted.order_by(count.desc(), values.c.value))).all()
                terms = [TermsMetrics.TermCount(term=str(term), count=n) for term, n in found]
                return TermsMetrics(total=sum(term.count for term in terms), values=terms)
            ends = source.with_only_columns(func.min(values.c.value), func.max(values.c.value))
            least, greatest = (await db.execute(ends)).one()
        whole = metadata_property.type == MetadataPropertyType.integer
        return (IntegerMetadataMetrics if whole else FloatMetadataMetrics)(min=least, max=greatest)

    async def similarity_search(  # noqa: PLR0917  (the server's signature)
        self,
        dataset: Dataset,
        vector_settings: VectorSettings,
        value: list[float] | None = None,
        record: Record | None = None,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,  # noqa: A002  (the server's name)
        max_results: int = 100,
        order: SimilarityOrder = SimilarityOrder.most_similar,
        threshold: float | None = None,
    ) -> SearchResponses:
        """The records whose vectors point most (or least) the same way; the score is (1 + cosine) / 2."""
        sought = value or (record.vector_value_by_vector_settings(vector_settings) if record else None)
        if not sought:
            raise ValueError("a similarity search needs a vector, or a record that has one")
        where = _build_where(dataset, query, filter)
        if record is not None:
            where.append(Record.id != record.id)
        pairs = select(Vector.record_id, Vector.value).join(Record, Record.id == Vector.record_id)
        pairs = pairs.where(Vector.vector_settings_id == vector_settings.id, *where).order_by(
            Vector.record_id
        )
        async with AsyncSessionLocal() as db:
            found = (await db.execute(pairs)).all()
        return _rank_vectors(found, sought, max_results, order == SimilarityOrder.least_similar, threshold)


def _rank_vectors(
    found: Sequence[tuple[UUID, list[float]]],
    sought: list[float],
    max_results: int,
    least: bool,
    threshold: float | None,
) -> SearchResponses:
    if not found:
        return SearchResponses(items=[], total=0)
    rows = np.asarray([value for _, value in found], dtype=np.float32)
    one = np.asarray(sought, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    cosines = (rows @ one) / np.where(lengths > 0, lengths, 1.0)
    scores = (1.0 + (-cosines if least else cosines)) / 2.0
    best = np.argsort(-scores, kind="stable")[:max_results]
    items = [
        SearchResponseItem(record_id=found[place][0], score=float(scores[place]))
        for place in best
        if threshold is None or scores[place] >= threshold
    ]
    return SearchResponses(items=items, total=len(items))


async def _count_by(status: Any, where: list[ColumnElement[bool]]) -> dict[str, int]:
    counted = select(status, func.count()).select_from(Record)
    if status.class_ is Response:
        counted = counted.join(Response, Response.record_id == Record.id)
    async with AsyncSessionLocal() as db:
        found = (await db.execute(counted.where(*where).group_by(status))).all()
    counts = {each.value: n for each, n in found}
    return {"total": sum(counts.values()), **counts}


def _build_where(
    dataset: Dataset,
    query: TextQuery | str | None,
    filter_: Filter | None,
) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [Record.dataset_id == dataset.id]
    if filter_ is not None:
        where.append(build_condition(filter_, dataset.id))
    if query is not None:
        text = query if isinstance(query, TextQuery) else TextQuery(q=query)
        terms = json.dumps(
            [
                (bool(no), _fold(quoted or bare), not quoted and bare.endswith("*"))
                for no, quoted, bare in _TERM.findall(text.q)
            ]
        )
        where.append(func.synth_stack_holds(Record.fields, text.field or "", terms) == 1)
    return where


def _holds(fields: str, name: str, terms: str) -> int:
    """Whether the texts of a record's fields, or of the one called `name`, hold what a query asks for."""
    value = json.loads(fields)
    texts = _fold("\n".join(_list_texts(value.get(name) if name else value)))
    for unwanted, term, prefix in json.loads(terms):
        if not term.strip():
            continue
        if (term.rstrip() + ("" if prefix else " ") in texts) == unwanted:
            return 0
    return 1


def _fold(text: str) -> str:
    """The words of a text without case, with one space around each."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _list_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in _list_texts(each)]


def _rank(seed: str, record: str) -> str:
    """The place of a record in the order of one user: the same at every call, another for every user."""
    return hashlib.blake2b(f"{seed}/{record}".encode(), digest_size=8).hexdigest()


@event.listens_for(Engine, "connect")  # type: ignore[untyped-decorator]
def _add_functions(connection: Any, _record: Any) -> None:
    functions: list[tuple[str, int, Callable[..., Any]]] = [
        ("synth_stack_holds", 3, _holds),
        ("synth_stack_rank", 2, _rank),
    ]
    for name, arguments, function in functions:
        connection.create_function(name, arguments, function)
