"""Steps as plain JSON: done, refused or failed, the same wherever they are answered."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.engines.engine import Step
from synth_stack.engines.tasks import answer_task, describe_task, read_answer
from synth_stack.errors import GateError, StoreError, SynthStackError
from tests.engines.test_worker import make_spec, write_shards


def describe(folder: Path, *texts: str, **changes: Any) -> dict[str, Any]:
    """The sketch of the toy gate on one shard, as it arrives in a worker."""
    [shard] = write_shards(folder, list(texts))
    task: dict[str, Any] = orjson.loads(
        orjson.dumps(describe_task(make_spec(folder, **changes), Step("sketch"), shard))
    )
    return task


def fail(task: dict[str, Any]) -> SynthStackError:
    """What its answer raises here."""
    answer = orjson.loads(orjson.dumps(answer_task(task)))
    with pytest.raises(SynthStackError) as caught:
        read_answer(answer)
    return caught.value


def test_a_task_is_done_and_says_how_many_rows_it_was_shown(tmp_path: Path) -> None:
    task = describe(tmp_path, "a", "bb")
    assert read_answer(answer_task(task)) == 2
    assert read_answer(answer_task(task)) == 2
    assert (tmp_path / "state" / "long_texts" / ".round-0" / "part-00000.arrow").exists()


def test_another_gate_is_refused_by_its_digest(tmp_path: Path) -> None:
    error = fail(describe(tmp_path, "a", facts_sha256="0" * 64))
    assert isinstance(error, GateError)
    assert "version or files differ; seen: version 1, facts 44136fa355b3" in str(error)


def test_a_worker_of_other_versions_refuses(tmp_path: Path) -> None:
    task = describe(tmp_path, "a")
    task["packages"]["polars"] = "0.1"
    error = fail(task)
    assert "a worker has other packages than the machine that leads the run; seen: polars" in str(error)
    assert "allowed: polars 0.1" in str(error)


def test_a_worker_that_does_not_see_the_run_folder_says_so(tmp_path: Path) -> None:
    task = describe(tmp_path, "a")
    task["spec"]["folder"] = str(tmp_path / "elsewhere")
    assert "a worker does not see the run folder; seen:" in str(fail(task))


def test_an_error_keeps_its_kind_and_its_parts(tmp_path: Path) -> None:
    task = describe(tmp_path, "a")
    Path(task["shard"]["parts"][0]).write_bytes(b"torn")
    error = fail(task)
    assert type(error) is StoreError
    assert "is not a readable Parquet file" in error.what
