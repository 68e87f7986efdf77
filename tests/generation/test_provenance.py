"""The lock of a run names what a method read, never where it lay."""

import pytest

import synth_stack.generators  # noqa: F401  (registers the methods of the package)
from synth_stack.errors import InputError
from synth_stack.generation.provenance import declare_record, record_params
from synth_stack.registry import bind


def test_a_method_that_reads_nothing_is_recorded_by_its_parameters() -> None:
    assert record_params("self_instruct", {"examples": 5}) == {"examples": 5}


def test_a_method_that_reads_files_is_recorded_as_it_says() -> None:
    declare_record("with_files", lambda params: {"digest": len(params["path"])})
    assert record_params("with_files", {"path": "/somewhere"}) == {"digest": 10}


def test_a_pool_is_recorded_by_what_was_found_in_it() -> None:
    params = bind("generator", "refactor", {"pool": {"max_files": 3}}, where="r").params
    pool = record_params("refactor", params)["pool"]
    assert "path" not in pool
    assert pool["max_files"] == pool["found"]["files"] == 3


def test_a_pool_that_cannot_be_read_is_refused_as_the_method_would() -> None:
    params = bind("generator", "refactor", {"pool": {"path": "nowhere"}}, where="r").params
    with pytest.raises(InputError, match="is not a folder"):
        record_params("refactor", params)
