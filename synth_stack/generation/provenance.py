"""How a run records its methods and teacher: by what they name, never by where it lies."""

from collections.abc import Callable, Mapping
from typing import Any

Params = Mapping[str, Any]

_recorders: dict[str, Callable[[Params], Params]] = {}


def declare_record(method: str, record: Callable[[Params], Params]) -> None:
    """Note that `record` turns the parameters of `method` into what the lock says of them.

    For a method that reads files of its own: their digests in the place of their paths, so that changed files
    are another run. It raises what the method itself would raise for files that cannot be read.
    """
    _recorders[method] = record


def record_params(method: str, params: Params) -> dict[str, Any]:
    """The parameters of a method as the lock records them."""
    return dict(_recorders.get(method, dict)(params))


def record_sampling(llm: Any) -> dict[str, str]:
    """The sampling parameters of a teacher as text: a float in a signed record must survive every reader."""
    return {key: repr(value) for key, value in llm.sampling.items()}


def record_origin(llm: Any, method: str, version: str, params: Params) -> dict[str, Any]:
    """What the last step of a method (ToCandidates) says of every row, as its arguments."""
    return {
        "name": "candidates",
        "method": method,
        "version": version,
        "params": {**params, "sampling": record_sampling(llm)},
        "teacher": llm.model_name,
        "teacher_digest": llm.digest,
        "replayable": llm.replayable,
    }
