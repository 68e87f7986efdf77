"""What becomes of each lot: passed, failed, or more has to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from synth_stack.review.judgements import UNREAD, Judgement
from synth_stack.review.lots import read_sampling_plan
from synth_stack.stats.acceptance import SamplingPlan
from synth_stack.stats.intervals import upper_bound
from synth_stack.stats.skip_lots import CLEARANCE

Status = Literal["passed", "failed", "waiting", "screening", "screened", "skipped"]


@dataclass(frozen=True, slots=True)
class LotDecision:
    """A lot of `rows` rows that are there: its `status`, how many rows of its sample are settled (`read`),
    with how many `defects`, at which look (from 1) it was decided, and Clopper and Pearson's one-sided 95%
    `upper` bound of its share of defects. `open` rows of its sample are not settled; of a lot that is
    screened, `left` rows are still to be read.
    """

    lot: str
    status: Status
    rows: int
    read: int
    defects: int
    look: int
    upper: float
    open: int = 0
    left: int = 0

    def describe(self) -> str:
        """Why its rows are decided as they are, in one sentence."""
        seen = f"{self.defects} of {self.read} sampled failed, upper bound {self.upper:.0%}"
        if self.status == "passed":
            return f"lot passed: {self.defects} of {self.read} sampled failed, upper bound {self.upper:.1%}"
        if self.status == "failed":
            return f"lot rejected: {seen}"
        if self.status == "skipped":
            return f"lot passed unread: {CLEARANCE} lots of its kind passed before it, one after another"
        if self.status == "screening":
            return f"lot failed ({seen}) and is read row by row: {self.left} of {self.rows} are left"
        if self.status == "screened":
            return f"lot failed ({seen}) and was read row by row"
        return f"lot waits: {self.read} rows of its sample are settled, and {self.open} are not"


def decide_lot(plan: SamplingPlan, said: Sequence[bool | None]) -> tuple[Status, int, int, int]:
    """What `said` of the rows of a lot's sample in the order of drawing decides: status, look, read, defects.

    True is a defect, None a row that is not settled. A look that is settled far enough that the rest cannot
    change it is not waited for, which changes no decision and no risk. A sample that is shorter than the
    plan's (rows that left the run) is judged as it is.
    """
    defects = settled = number = 0
    for number, look in enumerate(plan.looks, start=1):
        prefix = said[: look.n]
        defects, unsettled = prefix.count(True), prefix.count(None)
        settled = len(prefix) - unsettled
        is_last = look.n >= len(said)
        accept, reject = (plan.c, plan.c + 1) if is_last else (look.accept, look.reject)
        if defects >= reject:
            return "failed", number, settled, defects
        if defects + unsettled <= accept:
            return "passed", number, settled, defects
        if unsettled or is_last:
            break
    return "waiting", number, settled, defects


def decide_lots(
    lots: pa.Table,
    sample: pa.Table,
    judgements: Mapping[str, Judgement],
    present: Mapping[str, int],
    gone: frozenset[str],
    *,
    trusted: bool,
    screen: bool,
) -> tuple[LotDecision, ...]:
    """The decision on each lot of a plan, in order.

    `present` is how many rows of each lot are still there to be decided, `gone` the sampled rows that are
    not. Without trust in the reviewers (`trusted`) every lot waits. With `screen` a failed lot is read whole.
    """
    drawn = _group(sample, "sample", gone)
    further = _group(sample, "screen", gone)
    beside = _group(sample, "estimate", gone)
    found = []
    own = {}
    for lot in lots.select(["lot", "stages"]).to_pylist():
        said = [_is_defect(judgements.get(row_id, UNREAD)) for row_id in drawn.get(lot["lot"], ())]
        own[lot["lot"]] = decide_lot(read_sampling_plan(lot), said)[0] if trusted else "waiting"
    skipped = walk_chains(lots, own).skipped
    for lot in lots.select(["lot", "stages"]).to_pylist():
        name, rows = lot["lot"], present.get(lot["lot"], 0)
        said = [_is_defect(judgements.get(row_id, UNREAD)) for row_id in drawn.get(name, ())]
        status, look, read, defects = decide_lot(read_sampling_plan(lot), said)
        left = 0
        if not trusted:
            status = "waiting"
        elif name in skipped:
            status = "skipped"
        elif status == "failed" and screen:
            ids = [*drawn.get(name, ()), *beside.get(name, ()), *further.get(name, ())]
            settled = sum(judgements.get(row_id, UNREAD).verdict is not None for row_id in ids)
            left = rows - settled
            status = "screening" if left > 0 else "screened"
        upper = upper_bound(defects, read)
        found.append(LotDecision(name, status, rows, read, defects, look, upper, said.count(None), left))
    return tuple(found)


def find_settled_lots(
    lots: pa.Table, sample: pa.Table, judgements: Mapping[str, Judgement]
) -> frozenset[str]:
    """The lots of which nobody has to read more now: their samples decide them, or their chain may spare
    them.
    """
    drawn = _group(sample, "sample", frozenset())
    own: dict[str, Status] = {}
    for lot in lots.select(["lot", "stages"]).to_pylist():
        said = [_is_defect(judgements.get(row_id, UNREAD)) for row_id in drawn.get(lot["lot"], ())]
        own[lot["lot"]] = decide_lot(read_sampling_plan(lot), said)[0] if said else "waiting"
    chains = walk_chains(lots, own)
    settled = {lot for lot, status in own.items() if status != "waiting"}
    return frozenset(settled | chains.skipped | chains.later)


@dataclass(frozen=True, slots=True)
class ChainWalk:
    """Of lots in chains, those that are `skipped`, and those of which it is not known yet (`later`)."""

    skipped: frozenset[str]
    later: frozenset[str]


def walk_chains(lots: pa.Table, own: Mapping[str, Status]) -> ChainWalk:
    """Which lots go unread, by what their own samples say of the lots before them.

    A lot that may be skipped and was read all the same keeps what its sample said.
    """
    chains: dict[str, list[dict[str, Any]]] = {}
    for lot in lots.select(["lot", "chain", "place", "skip"]).to_pylist():
        if lot["chain"] is not None:
            chains.setdefault(lot["chain"], []).append(lot)
    skipped, later = set(), set()
    for chain in chains.values():
        clear: int | None = 0
        for lot in sorted(chain, key=lambda one: one["place"]):
            status = own[lot["lot"]]
            if status == "waiting" and lot["skip"] and clear is None:
                later.add(lot["lot"])
            elif status == "waiting" and lot["skip"] and clear is not None and clear >= CLEARANCE:
                skipped.add(lot["lot"])
            elif status == "waiting":
                clear = None
            elif clear is not None:
                clear = clear + 1 if status == "passed" else 0
    return ChainWalk(frozenset(skipped), frozenset(later))


def _is_defect(judgement: Judgement) -> bool | None:
    return None if judgement.verdict is None else judgement.verdict == "reject"


def _group(sample: pa.Table, purpose: str, gone: frozenset[str]) -> dict[str, list[str]]:
    """The rows that are there of a purpose, by lot, in the order of drawing."""
    rows: list[dict[str, Any]] = [
        row
        for row in sample.select(["row_id", "lot", "purpose", "draw"]).to_pylist()
        if row["purpose"] == purpose and row["row_id"] not in gone
    ]
    grouped: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: (row["lot"], row["draw"])):
        grouped.setdefault(row["lot"], []).append(row["row_id"])
    return grouped
