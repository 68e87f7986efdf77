"""What a gate finds where there are no resources."""

from collections.abc import Callable

import pytest

from synth_stack.errors import GateError
from synth_stack.gates.resources import NoResources, Resources

REACHES: list[tuple[str, Callable[[Resources], object]]] = [
    ("the recipe's documents", lambda resources: resources.documents),
    ("the recipe's baseline", lambda resources: resources.baseline),
    ("a language model", lambda resources: resources.make_asker({"use": "scripted"}, "gates.yaml")),
    ("a language model", lambda resources: resources.make_writer({"use": "scripted"}, "gates.yaml")),
    ("a language model", lambda resources: resources.make_rater({"use": "scripted"}, "gates.yaml")),
    ("the Hub", lambda resources: resources.open_hub("a/b", config=None, split="test", revision=None)),
]


@pytest.mark.parametrize(("what", "reach"), REACHES)
def test_where_there_are_no_resources_each_use_is_refused_by_name(
    what: str, reach: Callable[[Resources], object]
) -> None:
    with pytest.raises(GateError, match=f"a gate reaches for {what} where there are no resources"):
        reach(NoResources())
