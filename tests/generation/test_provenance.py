"""The lock of a run names what a method read, never where it lay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

import synth_stack.generators  # noqa: F401  (registers the methods of the package)
from synth_stack.errors import InputError
from synth_stack.generation.provenance import record_origin, record_params
from synth_stack.registry import FilePath, bind, generator
from synth_stack.teachers.scripted import scripted


def count_chars(params: Mapping[str, Any]) -> dict[str, Any]:
    return {**params, "chars": len(Path(params["book"]).read_text())}


@generator("provenance-test", version="1", record=count_chars)
def with_files(*, book: FilePath, notes: list[FilePath] = [], n: Annotated[int, Field()] = 1) -> None:  # noqa: B006
    """Never made."""


def test_a_method_that_reads_nothing_is_recorded_by_its_parameters() -> None:
    bound = bind("generator", "self_instruct", {"examples": 3}, where="r")
    assert record_params(bound) == {"examples": 3, "answers": "short"}


def test_a_method_that_reads_files_is_recorded_as_it_says_and_its_paths_by_their_last_part(
    tmp_path: Path,
) -> None:
    (tmp_path / "book.txt").write_text("seven..")
    params = {"book": "book.txt", "notes": ["a/b.txt"]}
    bound = bind("generator", "provenance-test", params, where="r", folder=tmp_path)
    assert bound.params["book"] == str(tmp_path / "book.txt")
    assert record_params(bound) == {"book": "book.txt", "notes": ["b.txt"], "n": 1, "chars": 7}


def test_a_pool_is_recorded_by_what_was_found_in_it() -> None:
    bound = bind("generator", "refactor", {"pool": {"max_files": 3}}, where="r")
    pool = record_params(bound)["pool"]
    assert "path" not in pool
    assert pool["max_files"] == pool["found"]["files"] == 3


def test_a_pool_that_cannot_be_read_is_refused_as_the_method_would() -> None:
    bound = bind("generator", "refactor", {"pool": {"path": "nowhere"}}, where="r")
    with pytest.raises(InputError, match="is not a folder"):
        record_params(bound)


def test_the_origin_of_a_row_names_its_teacher_and_floats_stand_in_it_as_text() -> None:
    teacher = scripted()
    teacher.sampling = {"temperature": 0.7}
    origin = record_origin(teacher, "m", "2", {"examples": 5})
    assert origin["params"] == {"examples": 5, "sampling": {"temperature": "0.7"}}
    assert (origin["teacher"], origin["replayable"]) == ("scripted", True)
    assert origin["teacher_digest"] == teacher.digest
