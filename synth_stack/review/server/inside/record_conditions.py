"""Filters and orders of a search as SQL over the server's tables; for SQLite's JSON functions."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from argilla_server.enums import ResponseStatus, SortOrder
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Question, Record, Response, Suggestion
from argilla_server.search_engine import (
    AndFilter,
    Filter,
    FilterScope,
    MetadataFilterScope,
    Order,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
)
from sqlalchemy import ColumnElement, String, and_, cast, exists, false, func, or_, select, true
from sqlalchemy.sql.selectable import TableValuedAlias

_PENDING = "pending"


def build_condition(filter_: Filter, dataset_id: UUID) -> ColumnElement[bool]:
    """What a record of the dataset has to fulfil. Raises UnprocessableEntityError for a value of no sense."""
    if isinstance(filter_, AndFilter):
        return and_(true(), *(build_condition(each, dataset_id) for each in filter_.filters))
    scope = filter_.scope
    if isinstance(scope, RecordFilterScope):
        return _match_column(getattr(Record, scope.property), filter_)
    if isinstance(scope, MetadataFilterScope):
        return _match_any(open_metadata(scope.metadata_property), filter_)
    if isinstance(scope, SuggestionFilterScope):
        return _match_suggestion(scope, filter_, dataset_id)
    if scope.question:
        return _match_answer(scope, filter_)
    return _match_status(scope, filter_)


def build_order(order: Order) -> ColumnElement[Any]:
    """An order by a property, metadata, an answer or a suggestion; what has none comes last."""
    key = _find_key(order.scope)
    return (key.desc() if order.order == SortOrder.desc else key.asc()).nulls_last()


def open_metadata(name: str) -> TableValuedAlias:
    """The values of a metadata property of a record, one a row: a list has several, a plain value is one."""
    return _open(Record.metadata_, f'$."{name}"')


def _open(column: Any, path: str) -> TableValuedAlias:
    return func.json_each(column, path).table_valued("value", joins_implicitly=True)


def _find_key(scope: FilterScope) -> Any:
    if isinstance(scope, RecordFilterScope):
        return getattr(Record, scope.property)
    if isinstance(scope, MetadataFilterScope):
        return func.json_extract(Record.metadata_, f'$."{scope.metadata_property}"')
    if isinstance(scope, SuggestionFilterScope):
        mine = select(func.min(func.json_extract(getattr(Suggestion, scope.property), "$")))
        mine = mine.join(Question, Question.id == Suggestion.question_id)
        return mine.where(
            Suggestion.record_id == Record.id, Question.name == scope.question
        ).scalar_subquery()
    column = (
        func.json_extract(Response.values, f'$."{scope.question}".value')
        if scope.question
        else Response.status
    )
    said = select(func.min(column)).where(Response.record_id == Record.id, *_by_user(scope))
    return said.scalar_subquery()


def _match_any(values: TableValuedAlias, filter_: Filter, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether one of the values is one of the terms, or lies in the range."""
    if isinstance(filter_, TermsFilter):
        match: list[ColumnElement[bool]] = [cast(values.c.value, String).in_(filter_.values)]
    else:
        match = _bound(values.c.value, filter_.ge, filter_.le)
    return exists(select(1).select_from(values).where(*match, *where))


def _match_column(column: Any, filter_: Filter) -> ColumnElement[bool]:
    kind = column.type.python_type
    if isinstance(filter_, TermsFilter):
        return column.in_([_parse(value, kind, column.key) for value in filter_.values])
    ge, le = (None if end is None else _parse(end, kind, column.key) for end in (filter_.ge, filter_.le))
    return and_(true(), *_bound(column, ge, le))


def _match_suggestion(scope: SuggestionFilterScope, filter_: Filter, dataset_id: UUID) -> ColumnElement[bool]:
    column = getattr(Suggestion, scope.property)
    inner = select(1).select_from(Suggestion).join(Question, Question.id == Suggestion.question_id)
    inner = inner.where(Suggestion.record_id == Record.id)
    inner = inner.where(Question.name == scope.question, Question.dataset_id == dataset_id)
    if scope.property in {"agent", "type"}:
        values = filter_.values if isinstance(filter_, TermsFilter) else []
        return exists(inner.where(cast(column, String).in_(values)))
    opened = _open(column, "$")
    return exists(inner.where(_match_any(opened, filter_)))


def _match_answer(scope: ResponseFilterScope, filter_: Filter) -> ColumnElement[bool]:
    opened = _open(Response.values, f'$."{scope.question}".value')
    mine = select(1).select_from(Response).where(Response.record_id == Record.id, *_by_user(scope))
    return exists(mine.where(_match_any(opened, filter_)))


def _match_status(scope: ResponseFilterScope, filter_: Filter) -> ColumnElement[bool]:
    """Whether there is an answer of one of the states; "pending" means that there is none."""
    if scope.property != "status" or isinstance(filter_, RangeFilter):
        raise UnprocessableEntityError("answers are filtered by a question, or by terms of their status")
    said = select(1).select_from(Response).where(Response.record_id == Record.id, *_by_user(scope))
    states = [_parse(value, ResponseStatus, "status") for value in filter_.values if value != _PENDING]
    answered = exists(said.where(Response.status.in_(states))) if states else false()
    return or_(answered, ~exists(said)) if _PENDING in filter_.values else answered


def _by_user(scope: ResponseFilterScope) -> list[ColumnElement[bool]]:
    return [Response.user_id == scope.user.id] if scope.user else []


def _bound(value: Any, ge: Any, le: Any) -> list[ColumnElement[bool]]:
    bounds = [] if ge is None else [value >= ge]
    return bounds if le is None else [*bounds, value <= le]


def _parse(value: Any, kind: Any, name: str) -> Any:
    try:
        if kind is datetime:
            when = datetime.fromisoformat(str(value))
            return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
        return kind(value)
    except ValueError as exc:
        raise UnprocessableEntityError(f"{name} cannot be {value!r}") from exc
