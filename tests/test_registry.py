from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Judge
from synth_stack.registry import bind, gate, registered, suggest, teacher

WHERE = "gates.yaml: gates[1]"


class Nested(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    share: Annotated[float, Field(gt=0, le=1)] = 0.5


@gate("registry-test", version="3")
def example(
    *,
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5,
    words: Annotated[int, Field(ge=1)] = 3,
    mode: Literal["fast", "exact"] = "fast",
    nested: list[Nested] | None = None,
) -> Judge:
    facts = {"threshold": threshold, "words": words, "mode": mode, "nested": nested}
    return Judge(judge=lambda table, _: table, facts=facts)


@teacher("registry-test", version="1")
def resourceful(job: str, rows: int, *, name: str) -> tuple[str, int, str]:
    return job, rows, name


def refuse(params: dict[Any, Any]) -> str:
    """The message with which the parameters are refused."""
    with pytest.raises(ConfigError) as caught:
        bind("gate", "registry-test", params, where=WHERE)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_what_is_recorded_is_every_parameter_with_its_default() -> None:
    bound = bind("gate", "registry-test", {"threshold": 0.9, "nested": [{"share": 0.25}]}, where=WHERE)

    assert (bound.role, bound.name, bound.version) == ("gate", "registry-test", "3")
    assert bound.params == {"threshold": 0.9, "words": 3, "mode": "fast", "nested": [{"share": 0.25}]}


def test_the_function_gets_what_was_recorded() -> None:
    judge = bind("gate", "registry-test", {"words": 5, "nested": [{}]}, where=WHERE).make()

    assert judge.facts == {"threshold": 0.5, "words": 5, "mode": "fast", "nested": [Nested(share=0.5)]}


def test_positional_parameters_are_resources_and_no_configuration() -> None:
    bound = bind("teacher", "registry-test", {"name": "x"}, where=WHERE)

    assert bound.params == {"name": "x"}
    assert bound.make("job", 4) == ("job", 4, "x")
    with pytest.raises(ConfigError, match="job is not a known key"):
        bind("teacher", "registry-test", {"name": "x", "job": "y"}, where=WHERE)


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0])
def test_a_whole_number_is_taken_where_a_fraction_is_asked_for_up_to_both_ends(value: float) -> None:
    assert bind("gate", "registry-test", {"threshold": value}, where=WHERE).params["threshold"] == value


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"treshold": 0.9},
            "treshold is not a known key; seen: treshold; allowed: mode, nested, threshold, words."
            " Did you mean 'threshold'?",
        ),
        (
            {"zzz": 1},
            "zzz is not a known key; seen: zzz; allowed: mode, nested, threshold, words",
        ),
        (
            {"nested": [{}, {"shre": 1}]},
            "nested[1].shre is not a known key; seen: shre; allowed: share. Did you mean 'share'?",
        ),
        (
            {"threshold": "0.9"},
            "threshold is not usable; seen: '0.9'; allowed: Input should be a valid number",
        ),
        ({"threshold": True}, "threshold is not usable; seen: True; allowed: Input should be a valid number"),
        (
            {"threshold": 1.01},
            "threshold is not usable; seen: 1.01; allowed: Input should be less than or equal to 1",
        ),
        (
            {"threshold": float("nan")},
            "threshold is not usable; seen: nan; allowed: Input should be less than or equal to 1",
        ),
        ({"words": 2.0}, "words is not usable; seen: 2.0; allowed: Input should be a valid integer"),
        (
            {"words": 0},
            "words is not usable; seen: 0; allowed: Input should be greater than or equal to 1",
        ),
        ({"mode": "slow"}, "mode is not usable; seen: 'slow'; allowed: Input should be 'fast' or 'exact'"),
        ({"nested": [3]}, "nested[0] is not usable; seen: 3; allowed: a mapping of keys"),
        ({1: "x"}, "[1] is not usable; seen: 1; allowed: Keys should be strings"),
    ],
)
def test_a_bad_parameter_is_refused_with_its_place_the_value_and_what_is_allowed(
    params: dict[Any, Any], message: str
) -> None:
    assert refuse(params) == f"{WHERE}: {message}"


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        bind("teacher", "registry-test", {}, where="recipe.yaml: teacher")

    assert str(caught.value) == "recipe.yaml: teacher: name is missing"


def test_a_misspelt_required_parameter_is_called_misspelt_and_not_missing() -> None:
    with pytest.raises(ConfigError, match=r"nmae is not a known key.* Did you mean 'name'"):
        bind("teacher", "registry-test", {"nmae": "x"}, where=WHERE)


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError) as caught:
        bind("gate", "dedupp", {}, where=WHERE)

    message = str(caught.value)
    assert message.startswith(f"{WHERE}: there is no gate of that name; seen: dedupp; allowed: ")
    assert message.endswith(". Did you mean 'dedup'?")
    assert all(name in message for name in registered("gate"))


def test_a_role_has_its_own_names() -> None:
    with pytest.raises(ConfigError, match="there is no generator of that name"):
        bind("generator", "registry-test", {}, where=WHERE)


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="gate 'registry-test' is registered twice"):
        gate("registry-test", version="4")(lambda: Judge(judge=lambda table, _: table))

    assert registered("gate")["registry-test"].version == "3"


def test_a_gate_of_a_module_with_postponed_annotations_is_bound_like_any_other() -> None:
    source = (
        "from __future__ import annotations\n"
        "from typing import Annotated\n"
        "from pydantic import Field\n"
        "from synth_stack.registry import gate\n"
        "@gate('registry-postponed', version='1')\n"
        "def postponed(*, threshold: Annotated[float, Field(ge=0, le=1)] = 0.5) -> float:\n"
        "    return threshold\n"
    )
    exec(compile(source, "author.py", "exec"), {"__name__": "author"})

    assert bind("gate", "registry-postponed", {"threshold": 0.75}, where=WHERE).make() == 0.75
    with pytest.raises(ConfigError, match="threshold is not usable; seen: 2"):
        bind("gate", "registry-postponed", {"threshold": 2}, where=WHERE)


def test_a_suggestion_is_made_only_for_a_close_name() -> None:
    assert suggest("toxicty", {"toxicity": 1, "dedup": 2}) == "Did you mean 'toxicity'?"
    assert suggest("weather", {"toxicity": 1, "dedup": 2}) is None
    assert suggest("", {}) is None
