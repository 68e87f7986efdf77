from collections.abc import Iterator

import pytest

from synth_stack.sandbox.levels import LEVELS
from synth_stack.sandbox.room import Room
from tests.sandbox.rooms import open_room


@pytest.fixture(scope="session")
def room() -> Iterator[Room]:
    """The strongest room of this machine."""
    with Room() as room:
        yield room


@pytest.fixture(scope="session", params=LEVELS)
def any_room(request: pytest.FixtureRequest) -> Iterator[Room]:
    """A room of each level that this machine can build."""
    with open_room(request.param) as room:
        yield room
