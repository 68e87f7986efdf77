"""One gate as a step of a datatrove user's own pipeline.

    [JsonlReader("in"), GateStep(gate, exclusion_writer=JsonlWriter("rejected")), JsonlWriter("kept")]

What the gate accepts, or cannot judge, goes on. What it rejects or holds goes to the exclusion writer with
the reason in `filter_reason`, as with datatrove's own filters, and the verdict in `synth_stack`.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from synth_stack.engines.engine import judge_rows
from synth_stack.engines.gate_loop import GateRun, run_gates
from synth_stack.engines.local import open_local
from synth_stack.engines.self_tests import plant, write_planted
from synth_stack.errors import GateError, InputError
from synth_stack.files import read_table, write_table
from synth_stack.gates.gate import Judge, Late
from synth_stack.gates.resources import NoResources
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.progress import Silent
from synth_stack.registry import Bound, bind, find_entry
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.runs.folder import list_parts
from synth_stack.runs.self_tests import SelfTestBars, describe_failed, fail, read_self_tests

VERDICT = "synth_stack"
"""The key of a document's metadata under which its verdict stands."""
_BATCH_ROWS = 1_000
"""Documents judged together: enough that a table costs little for each, few enough for any memory."""
_CANARIES = 20
"""Of each kind, as in a gate file."""


class GateStep(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """A gate that judges the documents that pass; `params` are those of its entry in a gate file.

    A document is read like a row of a data set (docs/curate.md): its text, and what its metadata hold under
    the names of chat data. A gate that learns from the whole batch needs it in one task, and refuses more;
    over many tasks it runs with `synth-stack curate --engine datatrove`. Before the first document the gate
    has to catch `canaries` of each of its kinds.

    Raises ConfigError for an unknown gate or parameter; a task raises UntrustedGate for a gate that fails its
    self-test.
    """

    type = "🔻 - GATE"

    def __init__(
        self,
        gate: str,
        params: Mapping[str, Any] | None = None,
        *,
        exclusion_writer: Any = None,
        hold_writer: Any = None,
        canaries: int = _CANARIES,
        load: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.name = f"synth_stack {gate}"
        self.gate = gate
        self.params = dict(params or {})
        self.exclusion_writer = exclusion_writer
        self.hold_writer = hold_writer
        self.canaries = canaries
        self.load = [str(reference) for reference in load]
        self._bind()

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The documents that the gate does not turn away, in order."""
        bound = self._bind()
        judge: Judge = bound.make(*([NoResources()] if bound.takes else []))
        make_late = find_entry("gate", self.gate, where=self.gate).late
        late = make_late(bound.params) if make_late else None
        whole = bool(judge.rounds) or late is not None
        if whole and world_size > 1:
            raise GateError(
                f"gate {self.gate} learns from the whole batch, of which a task sees a part",
                seen=f"{world_size} tasks",
                allowed="tasks=1, or synth-stack curate --engine datatrove",
            )
        judged = self._judge_whole(bound, judge, late, data) if whole else self._judge(judge, data)
        with _opened(self.exclusion_writer) as excluded, _opened(self.hold_writer) as held:
            for document, verdict in judged:
                self.stat_update("total", verdict["outcome"])
                if verdict["outcome"] in {"accept", "abstain"}:
                    self.update_doc_stats(document)
                    yield document
                    continue
                self.stat_update(f"dropped_{verdict['reason_class']}")
                reason = verdict["reason"] or verdict["reason_class"]
                document.metadata["filter_reason"] = reason
                document.metadata[VERDICT] = verdict
                writer = held if verdict["outcome"] == "hold" and held is not None else excluded
                if writer is not None:
                    writer.write(document, rank)

    def _bind(self) -> Bound:
        load_extensions(self.load)
        return bind("gate", self.gate, self.params, where=f"GateStep {self.gate}")

    def _judge(self, judge: Judge, data: Iterable[Document]) -> Iterator[tuple[Document, dict[str, Any]]]:
        """The documents with their verdicts, some at a time."""
        documents = iter(data)
        tested = False
        while batch := list(islice(documents, _BATCH_ROWS)):
            table = _read_rows(batch)
            if not tested:
                self._test(judge, table)
                tested = True
            verdicts = judge_rows(self.gate, judge, table)
            yield from zip(batch, _describe(verdicts), strict=True)

    def _test(self, judge: Judge, table: pa.Table) -> None:
        planted = plant(self.gate, judge, self.canaries, [table])
        if not len(planted):
            return
        with tempfile.TemporaryDirectory() as name:
            said = judge_rows(self.gate, judge, planted)
            write_planted(Path(name), self.gate, planted, said, judge)
            self._require_trust(Path(name), judge)

    def _judge_whole(
        self, bound: Bound, judge: Judge, late: Late | None, data: Iterable[Document]
    ) -> Iterator[tuple[Document, dict[str, Any]]]:
        """The same by a gate that reads all documents first: they wait on the disk."""
        with tempfile.TemporaryDirectory(prefix="synth-stack-gate-step-") as name:
            folder, documents = Path(name), iter(data)
            spool = folder / "documents.jsonl"
            with spool.open("wb") as file:
                for number, batch in enumerate(iter(lambda: list(islice(documents, _BATCH_ROWS)), [])):
                    write_table(folder / "candidates" / f"part-{number:06d}.parquet", _read_rows(batch))
                    file.writelines(_pack(document) for document in batch)
            if not spool.stat().st_size:
                return
            run = GateRun(bound, judge, False, self.canaries, _ask(judge), late)
            with open_local() as local:
                run_gates(folder, [run], local, Silent())
            self._require_trust(folder, judge)
            with spool.open("rb") as file:
                yield from zip(map(_unpack, file), _read_verdicts(folder, self.gate), strict=True)

    def _require_trust(self, folder: Path, judge: Judge) -> None:
        bars = {self.gate: _ask(judge)} if self.canaries else {}
        failed = [test for test in read_self_tests(folder, bars) if test.failed]
        if failed:
            raise fail(
                f"no document is judged: {describe_failed(failed)}",
                failed,
                seen=f"GateStep {self.gate}",
                mend="Mend the gate, or set canaries=0 and do without its self-test.",
            )


def _ask(judge: Judge) -> SelfTestBars:
    return SelfTestBars(judge.min_recall, dict(judge.bars), judge.max_unfair, judge.off)


@contextlib.contextmanager
def _opened(writer: Any) -> Iterator[Any]:
    with writer if writer is not None else contextlib.nullcontext() as opened:
        yield opened


def _read_rows(documents: Sequence[Document]) -> pa.Table:
    """The documents as candidates, one row each, in order."""
    records = [{**document.metadata, "id": document.id, "text": document.text} for document in documents]
    return pa.concat_tables(read_candidates(open_records(records, "documents of datatrove"))).combine_chunks()


def _describe(verdicts: pa.Table) -> Iterator[dict[str, Any]]:
    for verdict in verdicts.drop_columns(["row_id"]).to_pylist():
        evidence = verdict.pop("evidence")
        yield {**verdict, **({} if evidence is None else {"evidence": orjson.loads(evidence)})}


def _read_verdicts(folder: Path, gate: str) -> Iterator[dict[str, Any]]:
    """The verdicts of every row in order, a late hold in the place of the accept that it takes back."""
    parts = list_parts(folder / "verdicts" / gate)
    tables = {part.name: read_table(part, VERDICT_SCHEMA) for part in parts if "-late-" in part.name}
    held = {row["row_id"]: row for table in tables.values() for row in table.to_pylist()}
    for part in parts:
        if part.name not in tables:
            table = read_table(part, VERDICT_SCHEMA)
            for row_id, said in zip(table["row_id"].to_pylist(), _describe(table), strict=True):
                late = held.get(row_id)
                yield said if late is None else next(_describe(pa.Table.from_pylist([late], VERDICT_SCHEMA)))


def _pack(document: Document) -> bytes:
    if document.media:
        raise InputError(
            "a document with media cannot wait on the disk for a gate that reads all of them first",
            seen=document.id,
        )
    try:
        value = {"text": document.text, "id": document.id, "metadata": document.metadata}
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as exc:
        raise InputError(f"the metadata of a document are no JSON: {exc}", seen=document.id) from exc


def _unpack(line: bytes) -> Document:
    return Document(**orjson.loads(line))
