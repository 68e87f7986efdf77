"""Verdicts on near-duplicates, written from what was decided of the batch; no Python object a row."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.dedup.jaccard import Similarities
from synth_stack.gates.dedup.outcome import ABSTAIN, ACCEPT, HOLD, REJECT, DedupOutcome, DedupRule
from synth_stack.gates.dedup.row_parts import read_parts, show_words
from synth_stack.gates.dedup.signatures import Reading
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.text.fields import hash_ids, read_field, read_texts
from synth_stack.text.ragged import Counts, find_shared, spread
from synth_stack.text.spans import find_longest_spans
from synth_stack.text.words import hash_ngrams, hash_words, normalise

if TYPE_CHECKING:
    import polars as pl

NOTHING_TO_READ = "nothing to read: the field is empty or missing"

NEAR_DUPLICATE = "dedup.near_duplicate"
LARGE_CLUSTER = "dedup.large_cluster"
_CLASSES = {
    ACCEPT: None,
    REJECT: NEAR_DUPLICATE,
    HOLD: LARGE_CLUSTER,
    ABSTAIN: "dedup.nothing_to_read",
}
_OUTCOMES = {ACCEPT: "accept", REJECT: "reject", HOLD: "hold", ABSTAIN: "abstain"}


def write_verdicts(outcome: DedupOutcome, table: pa.Table, reading: Reading, rule: DedupRule) -> pa.Table:
    """One verdict a row of the table, in order."""
    import polars as pl

    n = len(table)
    found = outcome.find(hash_ids(table))
    listed = np.flatnonzero(found >= 0)
    outcomes = np.full(n, ACCEPT, dtype=np.uint8)
    outcomes[listed] = outcome.outcomes[found[listed]]
    scores = np.zeros(n)
    scores[listed] = outcome.scores[found[listed]]
    frame = pl.DataFrame({"row": np.arange(n), "score": scores, "outcome": outcomes})
    away = listed[(outcomes[listed] == REJECT) | (outcomes[listed] == HOLD)]
    explained = _explain(outcome, table, reading, away, found[away])
    is_empty = pl.col("outcome") == ABSTAIN
    frame = frame.join(explained, on="row", how="left", maintain_order="left").select(
        row_id=pl.Series(values=pl.from_arrow(table["row_id"])),
        gate=pl.lit("dedup"),
        outcome=pl.col("outcome").replace_strict(_OUTCOMES, return_dtype=pl.String),
        score=pl.when(~is_empty).then("score"),
        threshold=pl.lit(rule.threshold),
        reason=pl.when(is_empty).then(pl.lit(NOTHING_TO_READ)).otherwise("reason"),
        reason_class=pl.col("outcome").replace_strict(_CLASSES, return_dtype=pl.String),
        evidence="evidence",
        scope=pl.col("scope").fill_null("row"),
    )
    verdicts: pa.Table = frame.rechunk().to_arrow().cast(VERDICT_SCHEMA)
    return verdicts


def _explain(
    outcome: DedupOutcome, table: pa.Table, reading: Reading, rows: Counts, found: Counts
) -> "pl.DataFrame":
    """`row`, `reason`, `evidence` and `scope` of the rows that are rejected or held."""
    import polars as pl

    away = table.take(pa.array(rows))
    twins = outcome.twins[found].astype(np.int64)
    texts = read_field(away, reading.field)
    spans = _show_shared(outcome, texts, twins, outcome.scores[found], reading.ngram)
    names = outcome.names.take(pa.array(twins))
    frame = pl.DataFrame({"row": rows, "score": outcome.scores[found]}).with_columns(
        *spans.get_columns(),
        *_show_parts(away, reading, outcome.like[found], outcome.runs[found]).get_columns(),
        *pl.DataFrame(names).rename({"row_id": "twin"}).get_columns(),
        slice=read_texts(away["slice"]) if "slice" in table.schema.names else pl.lit(None, pl.String),
        size=pl.Series(outcome.cluster_rows[found]),
        share=pl.Series(outcome.cluster_shares[found]),
    )
    held = pl.col("size") > 0
    return frame.select(
        "row",
        reason=pl.when(held).then(_describe_cluster()).otherwise(_describe_duplicate()),
        evidence=_write_evidence(held),
        scope=pl.when(~held)
        .then(pl.lit("row"))
        .when(pl.col("slice").is_null())
        .then(pl.lit("batch"))
        .otherwise(pl.lit("slice")),
    )


def _show_parts(
    away: pa.Table, reading: Reading, like: Similarities, runs: "np.ndarray[Any, np.dtype[np.int32]]"
) -> "pl.DataFrame":
    """How near the row is to its twin, as a whole (1 for a copy) and in its parts, null where these were not
    compared; and of its question what was set apart and what was compared.
    """
    import polars as pl

    slotted = np.flatnonzero(runs[:, 5])
    texts = read_parts(away.take(pa.array(slotted)), reading.field).asked
    shown = {
        name: pl.Series([""], dtype=pl.String)
        .new_from_index(0, len(away))
        .scatter(pl.Series(slotted), show_words(texts, runs[slotted, k], runs[slotted, k + 1]))
        for name, k in (("apart", 0), ("compared", 3))
    }
    parts = {
        name: np.where(like[:, k] < 0, np.nan, like[:, k]) for name, k in (("question", 1), ("answer", 2))
    }
    numbers = pl.DataFrame(
        {
            **parts,
            "jaccard": np.where(like[:, 0] < 0, 1, like[:, 0]),
            "apart_words": runs[:, 2],
            "compared_words": runs[:, 5],
        }
    ).fill_nan(None)
    return numbers.with_columns(**shown)


def _describe_duplicate() -> "pl.Expr":
    import polars as pl

    pack = (
        pl.when(pl.col("pack").is_not_null())
        .then(pl.concat_str(pl.lit(" in "), "pack"))
        .otherwise(pl.lit(""))
    )
    like = [
        pl.when(pl.col(part).is_not_null())
        .then(pl.concat_str(pl.lit(f", {part} "), _write_decimals(part, 3)))
        .otherwise(pl.lit(""))
        for part in ("question", "answer")
    ]
    return pl.concat_str(
        pl.lit("near-duplicate: of "),
        "twin",
        pack,
        pl.lit(", Jaccard "),
        _write_decimals("jaccard", 3),
        *like,
    )


def _describe_cluster() -> "pl.Expr":
    import polars as pl

    whole = pl.concat_str(pl.lit("of the slice "), "slice")
    return pl.concat_str(
        pl.lit("giant cluster: "),
        pl.col("size").cast(pl.String),
        pl.lit(" rows, "),
        _write_decimals("share", 2),
        pl.lit(" "),
        pl.when(pl.col("slice").is_null()).then(pl.lit("of the batch")).otherwise(whole),
        pl.lit(", are near-duplicates of "),
        "twin",
    )


def _write_evidence(held: "pl.Expr") -> "pl.Expr":
    """Canonical JSON (RFC 8785): keys in order, numbers in their shortest form."""
    import polars as pl

    def when(condition: "pl.Expr", *pieces: Any) -> "pl.Expr":
        return pl.when(condition).then(pl.concat_str(*pieces)).otherwise(pl.lit(""))

    has_slot = pl.col("compared_words") > 0
    return pl.concat_str(
        pl.lit("{"),
        when(pl.col("answer").is_not_null(), pl.lit('"answer":'), _write_number("answer"), pl.lit(",")),
        when(has_slot, _write_text("apart"), pl.lit(',"apart_words":'), "apart_words", pl.lit(",")),
        when(
            held,
            pl.lit('"cluster_rows":'),
            "size",
            pl.lit(',"cluster_share":'),
            _write_number("share"),
            pl.lit(","),
        ),
        when(has_slot, _write_text("compared"), pl.lit(',"compared_words":'), "compared_words", pl.lit(",")),
        pl.lit('"end":'),
        "end",
        pl.lit(',"jaccard":'),
        _write_number("jaccard"),
        when(pl.col("pack").is_not_null(), pl.lit(',"pack":"'), "pack", pl.lit('"')),
        when(pl.col("question").is_not_null(), pl.lit(',"question":'), _write_number("question")),
        pl.lit(","),
        _write_text("span"),
        pl.lit(',"start":'),
        "start",
        pl.lit(',"twin":"'),
        "twin",
        pl.lit('"}'),
    )


def _write_text(column: str) -> "pl.Expr":
    """The column under its name, escaped: {"name":"..."} without the braces."""
    import polars as pl

    return pl.struct(column).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")


def _write_number(column: str) -> "pl.Expr":
    import polars as pl

    return pl.col(column).cast(pl.String).str.strip_suffix(".0")


def _write_decimals(column: str, places: int) -> "pl.Expr":
    """A number from 0 to 1 with so many decimals."""
    import polars as pl

    digits = (pl.col(column) * 10**places).round().cast(pl.Int64).cast(pl.String).str.zfill(places + 1)
    return pl.concat_str(digits.str.slice(0, 1), pl.lit("."), digits.str.slice(1))


def _show_shared(
    outcome: DedupOutcome,
    texts: "pl.Series",
    twins: Counts,
    scores: "np.ndarray[Any, np.dtype[np.float64]]",
    n: int,
) -> "pl.DataFrame":
    """The longest run of words that each text shares with its twin: all of them, if it is a copy."""
    grams = hash_ngrams(hash_words(normalise(texts)), n)
    shared = np.ones(len(grams.values), dtype=bool)
    near = np.flatnonzero(scores < 1)
    hits = find_shared(grams, near, outcome.sets, twins[near])
    shared[spread(grams.offsets[near], grams.lengths[near])] = hits
    return find_longest_spans(texts, shared, grams, n)
