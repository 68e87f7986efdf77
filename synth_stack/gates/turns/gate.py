"""Dialogues of one user and one assistant, who take turns and each stay the same person."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.gates.turns import persona_facts as facts
from synth_stack.gates.turns.canaries import plant_dialogues, plant_sound
from synth_stack.gates.turns.speakers import find_labels, find_phrases, find_tokens
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.text.fields import find_canaries, open_lists, read_messages, read_texts
from synth_stack.text.ragged import measure_jaccard
from synth_stack.text.words import TEXT_SCHEME, hash_words, normalise, shingle

if TYPE_CHECKING:
    import polars as pl

_NOTHING = "no dialogue: the row has no exchange of two turns"
_MIN_WORDS = 4
"""Shorter turns are often alike: "Thanks a lot." """
_EXCHANGE_TURNS = 2
_DIALOGUE_TURNS = 4
"""From two exchanges on a row is a dialogue whatever its kind; a single exchange may quote one."""
_BACK = (1, 2, 3, 4)
"""The last two turns of each side: a loop repeats itself after one exchange or two."""
_SEEN_CHARS = 100

_NEAR_COPY = "turns.near_copy"


class _Fault(NamedTuple):
    """Why a row is rejected."""

    reason_class: str
    reason: str
    evidence: str


@gate("turns", version="3", reads=("content", "tool_calls"))
def turns(*, threshold: Annotated[float, Field(gt=0, le=1)] = 0.8) -> Judge:
    """A judge that rejects dialogues whose turns are not those of one user and one assistant.

    It judges rows of kind dialogue, and every other row with an exchange; it abstains on the rest. An
    optional system message, then user and assistant in turn, ending with the assistant; what a tool gives
    back, and the call before it, are no turns. No turn but that of an attack (kind adversarial, user) holds
    the tokens of a chat format. In a dialogue (kind dialogue, or two exchanges) no turn goes on as the other
    side or says what only the other side says, and where the row has
    a persona (`extra.dialogue`), no turn states another name, product or day than its own.

    The score is the likeness of a turn to one of the last two of either side: the Jaccard similarity of
    their words, the highest of the row; from `threshold` on it is a copy. At 0.8 a turn of ten words differs
    in one of them. A row with another fault has no score.

    Which names and products there are is learnt from the personas of the batch; a judge without a state takes
    those of its table.
    """
    return Judge(
        judge=partial(_judge, threshold=threshold),
        facts={"text": TEXT_SCHEME},
        rounds=(Round(_sketch_facts, _merge_facts),),
        plant=plant_dialogues,
        control=plant_sound,
        dials=(Dial(threshold, ">=", (_NEAR_COPY,), parameter="threshold"),),
    )


def _sketch_facts(table: pa.Table, _: State) -> pa.Table:
    """The names and products of the personas of a table; canaries have those of rows."""
    rows = table.filter(pa.array(~find_canaries(table)))
    return facts.list_known(_read_facts(rows))


def _merge_facts(sketches: Iterable[pa.Table], _: State) -> State:
    return {"known": facts.join_known(sketches)}


def _judge(table: pa.Table, state: State, *, threshold: float) -> pa.Table:
    seen, stated = _read(table), _read_facts(table)
    known = facts.read_known(state["known"] if "known" in state else facts.list_known(stated))
    faults = _find_faults(seen, stated, known)
    pairs = _find_most_alike(seen)
    said = [_settle(k, seen, faults.get(k), pairs.get(k), threshold) for k in range(len(table))]
    return write_row_verdicts(table, "turns", said, threshold=threshold)


@dataclass(frozen=True, slots=True)
class _Dialogues:
    """The messages of the judged rows, as `text.read_messages` gives them, with each row's `kind`.

    `judged` names those rows, and `dialogues` the ones among them with two exchanges or of kind dialogue.
    """

    spoken: "pl.DataFrame"
    judged: frozenset[int]
    dialogues: frozenset[int]


class _AlikeTurns(NamedTuple):
    """A turn, one before it, and how alike they are."""

    likeness: float
    turn: int
    earlier: int


def _read(table: pa.Table) -> _Dialogues:
    import polars as pl

    spoken = _drop_calls(read_messages(table), table)
    said = spoken.filter(pl.col("role").is_null() | (pl.col("role") != "system")).group_by("row").len()
    kinds = pl.DataFrame({"row": np.arange(len(table)), "kind": read_texts(table.column("kind"))})
    rows = kinds.join(said, on="row", how="inner").sort("row")
    is_dialogue = (pl.col("kind") == "dialogue").fill_null(value=False)
    judged = rows.filter(is_dialogue | (pl.col("len") >= _EXCHANGE_TURNS))
    dialogues = rows.filter(is_dialogue | (pl.col("len") >= _DIALOGUE_TURNS))
    spoken = spoken.join(judged.select("row", "kind"), on="row", how="inner", maintain_order="left")
    return _Dialogues(spoken, frozenset(judged["row"]), frozenset(dialogues["row"]))


def _drop_calls(messages: "pl.DataFrame", table: pa.Table) -> "pl.DataFrame":
    """The turns among messages: all but texts alone, results of tools, and the calls that such results
    follow.

    Each keeps its place in the row.
    """
    import polars as pl

    opened = open_lists(table.column("messages"))
    calling = np.zeros(len(opened.owner), dtype=bool)
    calling[opened.open("tool_calls").owner] = True
    calls = pl.DataFrame({"row": opened.owner, "position": opened.position, "calling": calling})
    role = pl.col("role")
    spoken = messages.filter(role.is_null() | (role != "text"))
    joined = spoken.join(calls, on=["row", "position"], how="left", maintain_order="left")
    is_result = (role == "tool").fill_null(value=False)
    is_answered = is_result.shift(-1, fill_value=False).over("row")
    is_call = (role == "assistant") & pl.col("calling").fill_null(value=False) & is_answered
    return joined.filter(~is_result & ~is_call.fill_null(value=False)).drop("calling")


def _read_facts(table: pa.Table) -> "pl.DataFrame":
    return facts.read_facts(read_texts(table.column("extra")))


def _find_faults(seen: _Dialogues, stated: "pl.DataFrame", known: facts.KnownFacts) -> dict[int, _Fault]:
    """The first fault of each row that has one, in the order of the checks, then of the turns."""
    import polars as pl

    spoken = seen.spoken.with_columns(pl.col("content").fill_null(""))
    # an attack may hold anything: the assistant has to cope with it
    is_attack = (pl.col("kind") == "adversarial") & (pl.col("role") == "user")
    meant = spoken.filter(~is_attack.fill_null(value=False))
    talked = meant.filter(pl.col("row").is_in(list(seen.dialogues)))
    checks = (
        _find_disorder(spoken),
        _show("turns.chat_format_tokens", find_tokens(meant)),
        _show("turns.answers_itself", find_labels(talked)),
        _show("turns.speaks_as_other_side", find_phrases(talked)),
        _show_drift(facts.find_drift(talked, stated, known)),
    )
    faults: dict[int, _Fault] = {}
    for row, fault in chain.from_iterable(checks):
        faults.setdefault(row, fault)
    return faults


def _find_disorder(spoken: "pl.DataFrame") -> Iterator[tuple[int, _Fault]]:
    import polars as pl

    lead = (pl.col("role").first().over("row") == "system").fill_null(value=False).cast(pl.Int64)
    place = pl.int_range(pl.len()).over("row") - lead
    due = pl.when(place % 2 == 0).then(pl.lit("user")).otherwise(pl.lit("assistant"))
    placed = spoken.with_columns(place=place, due=due)
    wrong = placed.filter((pl.col("place") >= 0) & pl.col("role").ne_missing(pl.col("due")))
    role = pl.format("is {}", pl.col("role").str.slice(0, 20).str.replace_all(r"[^\w' .-]", "?"))
    said = pl.format(
        "wrong roles: message {} {}, it is the turn of {}",
        "position",
        role.fill_null("has no role"),
        "due",
    )
    yield from _show("turns.wrong_roles", wrong.with_columns(reason=said))
    last = placed.group_by("row", maintain_order=True).last()
    open_ = last.filter(pl.col("role").ne_missing(pl.lit("assistant")))
    said = pl.lit("wrong roles: the last message is not the assistant's")
    yield from _show("turns.wrong_roles", open_.with_columns(reason=said))


def _show(reason_class: str, found: "pl.DataFrame") -> Iterator[tuple[int, _Fault]]:
    """Findings as faults: the turn is evidence, and what was seen in it where something was."""
    for turn in found.iter_rows(named=True):
        seen = {"seen": turn["seen"][:_SEEN_CHARS]} if "seen" in turn else {}
        evidence = canonical_text({"turn": turn["position"], **seen})
        yield turn["row"], _Fault(reason_class, turn["reason"], evidence)


def _show_drift(drifts: Iterable[facts.Drift]) -> Iterator[tuple[int, _Fault]]:
    for row, position, fact, seen, expected in drifts:
        shown = {"turn": position, "fact": fact, "seen": seen[:_SEEN_CHARS], "expected": expected}
        reason = f"persona drift: the customer's {fact} changes"
        yield row, _Fault("turns.persona_drift", reason, canonical_text(shown))


def _find_most_alike(seen: _Dialogues) -> dict[int, _AlikeTurns]:
    """The turn of each row that is most like one of the four before it."""
    import polars as pl

    said = seen.spoken.filter(pl.col("role").is_null() | (pl.col("role") != "system"))
    plain = normalise(said["content"], punctuation=False)
    row, position = said["row"].to_numpy(), said["position"].to_numpy()
    is_long = hash_words(plain).lengths >= _MIN_WORDS
    turn = np.concatenate([np.arange(back, len(said)) for back in _BACK])
    earlier = np.concatenate([np.arange(len(said) - back) for back in _BACK])
    compared = (row[turn] == row[earlier]) & is_long[turn] & is_long[earlier]
    turn, earlier = turn[compared], earlier[compared]
    words = shingle(plain, 1)
    likeness = measure_jaccard(words, turn, words, earlier)
    found: dict[int, _AlikeTurns] = {}
    for k in np.argsort(likeness, kind="stable").tolist():  # the highest of a row comes last and is kept
        pair = int(position[turn[k]]), int(position[earlier[k]])
        found[int(row[turn[k]])] = _AlikeTurns(float(likeness[k]), *pair)
    return found


def _settle(
    row: int, seen: _Dialogues, fault: _Fault | None, pair: _AlikeTurns | None, threshold: float
) -> RowVerdict:
    if row not in seen.judged:
        return RowVerdict("abstain", reason=_NOTHING, reason_class="turns.no_dialogue")
    if fault is not None:
        return RowVerdict("reject", None, fault.reason, fault.reason_class, fault.evidence)
    if pair is None or pair.likeness < threshold:
        return RowVerdict("accept", pair and pair.likeness)
    reason = f"near-copy: turn {pair.turn} repeats turn {pair.earlier}"
    evidence = canonical_text({"turn": pair.turn, "like": pair.earlier})
    return RowVerdict("reject", pair.likeness, reason, _NEAR_COPY, evidence)
