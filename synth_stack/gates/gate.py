"""What a gate is: a function that returns a judge, and the steps by which a batch tells a judge something.

What the batch has to say is a value: tables that rounds compute, that are saved in the run folder, and that
`judge` is handed. So a judge can be built again anywhere from its name, its parameters and its state.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pyarrow as pa

from synth_stack.gates.resources import Resources

State = Mapping[str, pa.Table]
"""What the rounds of a gate have learnt of the batch: tables by name, kept as Arrow IPC files."""

NO_STATE: State = {}

Sketch = Callable[[pa.Table, State], pa.Table]
Merge = Callable[[Iterable[pa.Table], State], State]


@dataclass(frozen=True, slots=True)
class Round:
    """One pass over the batch before the first verdict.

    sketch(table, state)     a small table of what n candidate rows have to say; pure, run anywhere, in any
                             order; `state` is what earlier rounds learnt
    merge(sketches, state)   further tables of state, from the sketches of all shards in the order of the
                             batch and, last, that of the canaries; run once

    How a batch is cut into shards must not show in what `merge` returns.
    """

    sketch: Sketch
    merge: Merge


@dataclass(frozen=True, slots=True)
class Late:
    """What a gate says once all its verdicts are there: holds that only the whole batch shows.

    count(table, verdicts)        a small table, from candidates and this gate's verdicts on them, row by row
    merge(counts, {})             state, from the counts of all shards in the order of the batch
    hold(table, verdicts, state)  verdicts of outcome `hold`, scope `lot`, `slice` or `batch`, for rows that
                                  the gate accepted, each at most once, in the order of the table

    `table` has at least `row_id` and `slice`, and `verdicts` their outcomes: no text and no model is needed,
    so that replay does the same from stored verdicts.
    """

    count: Callable[[pa.Table, pa.Table], pa.Table]
    merge: Merge
    hold: Callable[[pa.Table, pa.Table, State], pa.Table]


DISTRIBUTIONS = "distributions"
DISTRIBUTION_SCHEMA = pa.schema(
    [
        pa.field("what", pa.string(), nullable=False),
        pa.field("form", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("batch", pa.list_(pa.float64()), nullable=False),
        pa.field("other", pa.list_(pa.float64()), nullable=False),
    ]
)
"""What a gate's state may hold under the name DISTRIBUTIONS: how something is spread in the batch, and in the
rows that the gate compared it with. The report draws it.

`form` "quantiles": `batch` and `other` are the same n quantiles of each, from the smallest value to the
largest. "shares": they are shares of all rows, one for each of the `labels`.
"""


@dataclass(frozen=True, slots=True)
class Dial:
    """A threshold that a gate decides by, so that generic code can decide again under another one.

    `parameter` is the dotted parameter that holds it (None for a fixed one), `threshold` where it stands, and
    `rejects` on which side of it a row is turned away. `score` says where the number is: the column `score`,
    or a dotted key of the evidence (a row without it has no say). `outcome` is "reject" or "hold", or the
    dotted parameter that says which, with "ignore" for neither. `classes` are the reason classes that this
    dial gives. `lowest`: no smaller number was stored, so the dial cannot be turned below it. `fixed_by`: a
    parameter that, where it is set, forbids turning it. `strict`: a verdict of these classes has a score
    beyond the threshold and an accepting one has none, so that whoever has the verdicts can check it; a gate
    that spares rows beyond its threshold for another reason says False.
    """

    threshold: float
    rejects: Literal[">", ">=", "<"]
    classes: tuple[str, ...]
    parameter: str | None = None
    score: str = "score"
    outcome: str = "reject"
    lowest: float | None = None
    fixed_by: str | None = None
    strict: bool = True

    def to_json(self) -> dict[str, Any]:
        """The dial as the lock records it; numbers are decimal strings."""
        return {
            "parameter": self.parameter,
            "score": self.score,
            "rejects": self.rejects,
            "threshold": repr(float(self.threshold)),
            "outcome": self.outcome,
            "classes": list(self.classes),
            "lowest": None if self.lowest is None else repr(float(self.lowest)),
            "fixed_by": self.fixed_by,
            "strict": self.strict,
        }


@dataclass(frozen=True, slots=True)
class Judge:
    """A gate with its parameters bound and its models loaded.

    judge(table, state)      a candidate table of n rows -> a verdict table of n rows in the same order. It
                             depends on its table and the state alone
    rounds                   how the state is learnt; a gate without them judges row by row, and its verdicts
                             on earlier tables are kept when rows are added to a batch
    plant(sample, n, seed)   canaries: up to n rows of each kind, made from a sample of the batch, that this
                             gate has to turn away
    control(sample, n, seed) controls: up to n rows of each kind, made likewise, that it has to accept
    amend(table, state)      candidate rows that replace some of the table's (a redacted copy)
    dials                    the thresholds by which it decides, the strongest first

    A verdict's `reason_class` starts with the gate's name and a dot.

    `plant` makes canaries: candidate rows (`kind`, `messages`, `text`, ... as the gate's rows have them;
    generator "canary", `extra` saying in `canary` what is wrong with the row and in `kind` which check has to
    see it) that `judge` has to reject or hold. One kind for each check, in hard forms whose difficulty does
    not depend on the gate's parameters, so that a check that no longer works is noticed. `control` makes
    innocent rows (generator "control"), near misses that `judge` has to accept whatever the row that they are
    made from is like. Both are sketched and judged after every row of the batch, through the same budgets as
    those, must not change what is said of them, and reach no pile and no pack. Deterministic in `seed`.

    `bars` is the share of the canaries of a kind that the gate has to catch (`min_recall` for kinds that it
    does not name): below it the gate counts as blind. `caught_as` names the reason classes that catch a kind
    (any, for kinds that it does not name): what another check turns away in its place is not caught. Above a
    share of `max_unfair` of the controls of a kind turned away it counts as unfair. Either way the batch
    fails. `off` names the kinds of checks that the gate has and that its parameters switch off.

    `amend` makes new candidate rows, with `parent_id` naming the row each is made from; `judge` must reject
    that row, with `replaced_by` in its evidence. Before a gate that amends only such may stand. Its state is
    what the first `amend_rounds` of `rounds` learnt from the rows that it is shown; the batch that is judged
    holds the new rows too, and is learnt anew. With `reads_replaced` the state of `judge` has a table
    `replaced`, of the `parent_id`, `row_id` and `slice` of the rows that the gate made; without it `judge`
    knows from a row alone what `amend` made of it.

    `mend(kind, verdicts)` says in a sentence what to change where planted rows of a kind are on the wrong
    side of their bar, from the verdicts on them; None where it knows nothing more than that.

    `facts` is JSON for the record: what was really used (scorer, model digests, eval sets with digest and
    size). `alone` says why it cannot be built again in another process (it asks a model, say); None where it
    can.
    """

    judge: Callable[[pa.Table, State], pa.Table]
    facts: Mapping[str, Any] = field(default_factory=dict)
    rounds: tuple[Round, ...] = ()
    plant: Callable[[pa.Table, int, int], pa.Table] | None = None
    control: Callable[[pa.Table, int, int], pa.Table] | None = None
    bars: Mapping[str, float] = field(default_factory=dict)
    caught_as: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    min_recall: float = 0.9
    max_unfair: float = 0.1
    off: tuple[str, ...] = ()
    mend: Callable[[str, pa.Table], str | None] | None = None
    amend: Callable[[pa.Table, State], pa.Table] | None = None
    amend_rounds: int = 0
    reads_replaced: bool = False
    dials: tuple[Dial, ...] = ()
    alone: str | None = None


class Gate(Protocol):
    """A registered factory: keyword-only parameters, and `resources` where it reaches beyond its files."""

    def __call__(self, *resources: Resources, **params: Any) -> Judge:
        """The judge. Raises UsageError for parameters or files that cannot be used."""
