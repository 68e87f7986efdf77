from collections.abc import Iterator

import pytest

from synth_stack.errors import SandboxError
from synth_stack.sandbox.levels import LEVELS
from synth_stack.sandbox.room import Room, check_level


@pytest.fixture(scope="session")
def room() -> Iterator[Room]:
    """The strongest room of this machine."""
    with Room() as room:
        yield room


@pytest.fixture(scope="session", params=LEVELS)
def any_room(request: pytest.FixtureRequest) -> Iterator[Room]:
    """A room of each level that this machine can build."""
    try:
        check_level(request.param)
    except SandboxError as exc:
        pytest.skip(f"no room of level {request.param} on this machine: {exc.seen}")
    with Room(request.param) as room:
        yield room
