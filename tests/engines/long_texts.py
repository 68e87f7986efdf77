"""A gate with state, loaded as an extension: it rejects texts much longer than the mean of the batch."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import GateError
from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.registry import gate
from synth_stack.rows.schemas import build_verdicts


def _sketch(table: pa.Table, _: State) -> pa.Table:
    return pa.table({"rows": [len(table)], "chars": [pc.sum(pc.utf8_length(table["text"])).as_py() or 0]})


def _merge(sketches: Iterable[pa.Table], _: State) -> State:
    counted = pa.concat_tables(list(sketches))
    return {"batch": pa.table({name: [pc.sum(counted[name]).as_py()] for name in ("rows", "chars")})}


@gate("long_texts", version="1")
def long_texts(*, times: float = 2.0) -> Judge:
    """A judge that rejects texts of more than `times` the characters of the batch's mean."""

    def judge(table: pa.Table, state: State) -> pa.Table:
        mean = state["batch"]["chars"][0].as_py() / max(state["batch"]["rows"][0].as_py(), 1)
        texts = table["text"].to_pylist()
        if "boom" in texts:
            raise GateError("long_texts cannot read a text", seen="boom")
        if "die" in texts:
            raise ValueError("not an error of ours")
        scores = [len(text) / max(mean, 1e-9) for text in texts]
        goes = [score > times for score in scores]
        return build_verdicts(
            table["row_id"],
            "long_texts",
            ["reject" if away else "accept" for away in goes],
            scores=scores,
            threshold=times,
            reason_classes=["long_texts.too_long" if away else None for away in goes],
        )

    dial = Dial(threshold=times, rejects=">", classes=("long_texts.too_long",), parameter="times")
    return Judge(judge, rounds=(Round(_sketch, _merge),), dials=(dial,))
