"""Texts read into JSON that fits a schema. Returns a real distilabel Pipeline for a teacher and a plan."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from synth_stack.generation.provenance import record_origin
from synth_stack.inputs.answer_schemas import SchemaFile, read_schemas
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
_METHOD = "structured_output"
_WRITE, _READ = "structured_text", "structured_answer"
REQUEST = "Read the user's message into JSON that fits this JSON schema. Answer with the JSON alone."


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    return (*((_WRITE,) if params["texts"] == "written" else ()), _READ)


def record_schemas(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the digest of the schemas' file and their names in the place of its path."""
    found = read_schemas(SchemaFile.model_validate(params["schemas"]))
    told = {"sha256": found.digest, "names": [each.name for each in found.schemas]}
    return {**params, "schemas": {"found": told}}


@generator(
    _METHOD, version=VERSION, checked_by="json_answer", templates=_list_templates, record=record_schemas
)
def structured_output(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    schemas: SchemaFile,
    texts: Literal["seeds", "written"] = "seeds",
    request: Annotated[str, Field(min_length=1, max_length=2_000)] = REQUEST,
) -> "Pipeline":
    """A pipeline that reads a text into JSON which fits one of the `schemas`, drawn for each row.

    The text is the seed itself, or written after it, with something for each member that the schema
    requires. The row's system message is `request` and the schema. A teacher with a `schema_field` is sent
    the schema, so that its answer fits by construction; any other is only told it, and what does not fit
    fails.

    Raises InputError for a file that holds no schemas.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.steps import Ask, draw_items
    from synth_stack.generators.structured.steps import ChooseSchema, ReadIntoSchema, ToStructuredRows

    found = read_schemas(schemas)
    params = {"schemas": {"sha256": found.digest}, "texts": texts, "request": request}
    with Pipeline(name="structured-output") as pipeline:
        choose = ChooseSchema(name="schema")
        choose._schemas = found.schemas
        last = draw_items(plan, batch_rows) >> choose
        if texts == "written":
            last = last >> Ask(
                name="instruction",
                llm=llm,
                template=_WRITE,
                column="instruction",
                single_line=False,
                whole=True,
            )
        read = ReadIntoSchema(
            name="answer", llm=llm, template=_READ, column="answer", single_line=False, whole=True
        )
        last >> read >> ToStructuredRows(request=request, **record_origin(llm, _METHOD, VERSION, params))
    return pipeline
