"""Operations of OpenAPI documents become tools; what refers to itself or elsewhere ends in one sentence."""

from typing import Any

import pytest

from synth_stack.inputs.openapi_tools import read_operations
from synth_stack.rows.json_schema import read_schema

PET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "tag": {"type": "string", "nullable": True},
        "friends": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
    },
}


def build(**operation: Any) -> dict[str, Any]:
    return {
        "openapi": "3.0.3",
        "paths": {"/pets/{id}": {"parameters": [{"$ref": "#/components/parameters/id"}], "put": operation}},
        "components": {
            "schemas": {"Pet": PET},
            "parameters": {
                "id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
            },
        },
    }


def body_of(schema: Any, *, required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {"application/json; charset=utf-8": {"schema": schema}}}


def test_parameters_and_body_are_one_object_and_a_schema_may_speak_of_itself() -> None:
    document = build(
        operationId="pets/update",
        summary="Changes a pet.",
        requestBody=body_of({"$ref": "#/components/schemas/Pet"}),
        responses={200: {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}},
    )
    [tool] = read_operations(document)
    assert (tool["name"], tool["description"]) == ("pets_update", "Changes a pet.")
    schema = read_schema(tool["parameters"])
    sound = {"id": 7, "name": "Rex", "tag": None, "friends": [{"name": "Ada", "friends": []}]}
    assert schema.find_misfit(sound) is None
    assert schema.find_misfit({**sound, "friends": [{"name": 3}]}) is not None
    assert schema.find_misfit({"id": 7}) == "$: required"
    assert read_schema(tool["returns"]).find_misfit({"name": 3}) is not None


def test_a_body_that_is_no_plain_object_or_clashes_is_one_member() -> None:
    listed = build(requestBody=body_of({"type": "array", "items": {"type": "string"}}))
    clashing = build(requestBody=body_of({"type": "object", "properties": {"id": {"type": "string"}}}))
    optional = build(requestBody=body_of(PET, required=False))
    for document, required in ((listed, True), (clashing, True), (optional, False)):
        [tool] = read_operations(document)
        assert set(tool["parameters"]["properties"]) == {"id", "body"}
        assert ("body" in tool["parameters"]["required"]) is required


def test_operations_without_an_id_are_named_by_their_path_and_no_two_are_named_alike() -> None:
    routes: dict[str, Any] = {f"/{'long' * 20}/{k}": {"get": {}} for k in range(3)}
    names = [tool["name"] for tool in read_operations({"openapi": "3.1.0", "paths": routes})]
    assert len(set(names)) == 3
    assert all(len(name) <= 64 for name in names)


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"requestBody": {"$ref": "https://elsewhere.example/x"}}, "something outside of it"),
        ({"requestBody": body_of({"$ref": "#/components/schemas/Cat"})}, "there is no such part"),
        ({"requestBody": {"$ref": "#/paths/~1pets~1{id}/put/requestBody"}}, "leads to itself"),
        ({"parameters": [{"schema": {}}]}, "a parameter has no name"),
        ({"parameters": 7}, "parameters is no list"),
    ],
)
def test_what_cannot_be_followed_names_its_operation(operation: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=r"put /pets/\{id\}: ") as caught:
        list(read_operations(build(**operation)))
    assert reason in str(caught.value)
