"""Dialogues in which nobody answers themselves, and nobody becomes somebody else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Judge, Shards
from synth_stack.gates.turns import persona_facts as facts
from synth_stack.gates.turns.canaries import plant_dialogues
from synth_stack.gates.turns.speakers import find_labels, find_phrases, find_tokens
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import read_messages, read_texts
from synth_stack.text.ragged import measure_jaccard
from synth_stack.text.words import TEXT_SCHEME, hash_words, normalise, shingle

if TYPE_CHECKING:
    import polars as pl

_NOTHING = "no dialogue: the row has no exchange of two turns"
_MIN_WORDS = 4
"""Shorter turns are alike by nature: "Thanks a lot." """
_EXCHANGE_TURNS = 2
_DIALOGUE_TURNS = 4
"""From two exchanges on a row is a dialogue whatever its kind: a single one may quote whom it likes."""
_BACK = (1, 2, 3, 4)
"""The last two turns of each side: what loops comes back after one exchange or two."""
_SEEN_CHARS = 100

_Fault = tuple[str, str]
"""A reason and its evidence."""


def _redecide(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under another `threshold`: only a row of no other fault has a score."""
    import polars as pl

    bar = float(new["threshold"])
    alike = pl.when(pl.col("score") >= bar).then(pl.lit("reject")).otherwise(pl.lit("accept"))
    return rows.with_columns(
        outcome=pl.when(pl.col("score").is_null()).then("outcome").otherwise(alike), threshold=pl.lit(bar)
    )


@gate("turns", version="1", redecide=_redecide)
def turns(*, threshold: Annotated[float, Field(gt=0, le=1)] = 0.8) -> Judge:
    """A judge that rejects dialogues whose turns are not those of one user and one assistant.

    It judges rows of kind dialogue, and every other row with an exchange; it abstains on the rest. An
    optional system message, then user and assistant in turn, ending with the assistant. No turn but that of
    an attack (kind adversarial, user) holds the tokens of a chat format. In a dialogue (kind dialogue, or two
    exchanges) no turn goes on as the other side or says what only the other side says, and where the row has
    a persona (`extra.dialogue`), nothing that it states of its name, product or day is said otherwise.

    The score is the likeness of a turn to one of the last two of either side: the Jaccard similarity of
    their words, the highest of the row; from `threshold` on it is a copy. At 0.8 a turn of ten words differs
    in one of them.
    """
    known: list[facts.Known] = []

    def prepare(shards: Shards) -> None:
        known[:] = [facts.learn(_read_facts(shard) for shard in shards())]

    def judge(table: pa.Table) -> pa.Table:
        seen, told = _read(table), _read_facts(table)
        faults = _find_faults(seen, told, known[0] if known else facts.learn([told]))
        pairs = _find_likest(seen)
        said = [_settle(k, seen, faults.get(k), pairs.get(k), threshold) for k in range(len(table))]
        outcomes, scores, reasons, evidence = map(list, zip(*said, strict=True)) if said else ([], [], [], [])
        return build_verdicts(
            table.column("row_id"),
            "turns",
            outcomes,
            scores=scores,
            threshold=threshold,
            reasons=reasons,
            evidence=evidence,
        )

    rules = {"reject_when": "score >= threshold, or the reason names a fault", "text": TEXT_SCHEME}
    return Judge(judge=judge, facts=rules, prepare=prepare, plant=plant_dialogues, min_recall=1.0)


@dataclass(frozen=True, slots=True)
class _Table:
    """The messages of the judged rows, as `text.read_messages` gives them, with each row's `kind`.

    `judged` names those rows, and `dialogues` the ones among them with two exchanges or of kind dialogue.
    """

    spoken: "pl.DataFrame"
    judged: frozenset[int]
    dialogues: frozenset[int]


class _Likest(NamedTuple):
    """A turn, one before it, and how alike they are."""

    likeness: float
    turn: int
    earlier: int


def _read(table: pa.Table) -> _Table:
    import polars as pl

    spoken = read_messages(table).filter(pl.col("role").is_null() | (pl.col("role") != "text"))
    said = spoken.filter(pl.col("role").is_null() | (pl.col("role") != "system")).group_by("row").len()
    kinds = pl.DataFrame({"row": np.arange(len(table)), "kind": read_texts(table.column("kind"))})
    rows = kinds.join(said, on="row", how="inner").sort("row")
    is_dialogue = (pl.col("kind") == "dialogue").fill_null(value=False)
    judged = rows.filter(is_dialogue | (pl.col("len") >= _EXCHANGE_TURNS))
    dialogues = rows.filter(is_dialogue | (pl.col("len") >= _DIALOGUE_TURNS))
    spoken = spoken.join(judged.select("row", "kind"), on="row", how="inner", maintain_order="left")
    return _Table(spoken, frozenset(judged["row"]), frozenset(dialogues["row"]))


def _read_facts(table: pa.Table) -> "pl.DataFrame":
    return facts.read_facts(read_texts(table.column("extra")))


def _find_faults(seen: _Table, told: "pl.DataFrame", known: facts.Known) -> dict[int, _Fault]:
    """The first fault of each row that has one, in the order of the checks, then of the turns."""
    import polars as pl

    spoken = seen.spoken.with_columns(pl.col("content").fill_null(""))
    # an attack may hold whatever it likes: it is what the assistant has to cope with
    is_attack = (pl.col("kind") == "adversarial") & (pl.col("role") == "user")
    meant = spoken.filter(~is_attack.fill_null(value=False))
    talked = meant.filter(pl.col("row").is_in(list(seen.dialogues)))
    checks = (
        _find_disorder(spoken),
        _show(find_tokens(meant)),
        _show(find_labels(talked)),
        _show(find_phrases(talked)),
        _show_drift(facts.find_drift(talked, told, known)),
    )
    faults: dict[int, _Fault] = {}
    for row, fault in chain.from_iterable(checks):
        faults.setdefault(row, fault)
    return faults


def _find_disorder(spoken: "pl.DataFrame") -> Iterator[tuple[int, _Fault]]:
    import polars as pl

    lead = (pl.col("role").first().over("row") == "system").fill_null(value=False).cast(pl.Int64)
    place = pl.col("position") - lead
    due = pl.when(place % 2 == 0).then(pl.lit("user")).otherwise(pl.lit("assistant"))
    placed = spoken.with_columns(place=place, due=due)
    wrong = placed.filter((pl.col("place") >= 0) & pl.col("role").ne_missing(pl.col("due")))
    role = pl.col("role").fill_null("nobody's").str.slice(0, 20).str.replace_all(r"[^\w' .-]", "?")
    said = pl.format("wrong roles: message {} is {}, it is the turn of {}", "position", role, "due")
    yield from _show(wrong.with_columns(reason=said))
    last = placed.group_by("row", maintain_order=True).last()
    open_ = last.filter(pl.col("role").ne_missing(pl.lit("assistant")))
    yield from _show(
        open_.with_columns(reason=pl.lit("wrong roles: the last message is not the assistant's"))
    )


def _show(found: "pl.DataFrame") -> Iterator[tuple[int, _Fault]]:
    """Findings as faults: the turn is evidence, and what was seen in it where something was."""
    for turn in found.iter_rows(named=True):
        seen = {"seen": turn["seen"][:_SEEN_CHARS]} if "seen" in turn else {}
        yield turn["row"], (turn["reason"], canonical_text({"turn": turn["position"], **seen}))


def _show_drift(drifts: Iterable[facts.Drift]) -> Iterator[tuple[int, _Fault]]:
    for row, position, fact, seen, expected in drifts:
        shown = {"turn": position, "fact": fact, "seen": seen[:_SEEN_CHARS], "expected": expected}
        yield row, (f"persona drift: the customer's {fact} changes", canonical_text(shown))


def _find_likest(seen: _Table) -> dict[int, _Likest]:
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
    found: dict[int, _Likest] = {}
    for k in np.argsort(likeness, kind="stable").tolist():  # the likest of a row comes last and stays
        pair = int(position[turn[k]]), int(position[earlier[k]])
        found[int(row[turn[k]])] = _Likest(float(likeness[k]), *pair)
    return found


def _settle(
    row: int, seen: _Table, fault: _Fault | None, pair: _Likest | None, threshold: float
) -> tuple[str, float | None, str | None, str | None]:
    """Outcome, score, reason and evidence of one row."""
    if row not in seen.judged:
        return "abstain", None, _NOTHING, None
    if fault is not None:
        return "reject", None, *fault
    if pair is None:
        return "accept", None, None, None
    if pair.likeness < threshold:
        return "accept", pair.likeness, None, None
    reason = f"near-copy: turn {pair.turn} repeats turn {pair.earlier}"
    return "reject", pair.likeness, reason, canonical_text({"turn": pair.turn, "like": pair.earlier})
