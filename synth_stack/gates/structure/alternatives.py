"""The sides of a preference row: one that was chosen and one that was rejected, and a difference."""

from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import of_rows, of_sides
from synth_stack.gates.structure.reading import OWN, Rows, Rules

if TYPE_CHECKING:
    import polars as pl

_AT = ("row", "side", "position")


def find_missing_sides(seen: Rows, _: Rules) -> "pl.DataFrame":
    """Preference rows that do not say what was preferred to what, and alternatives without a message."""
    import polars as pl

    told = seen.sides.group_by("row").agg(
        pl.col("chosen").any(),
        pl.col("rejected").any(),
        labelled=pl.col("label").is_in(["chosen", "rejected"]).any(),
    )
    compared = seen.rows.filter("compared").join(told, on="row", how="left", maintain_order="left")
    lacking = compared.filter(~(pl.col("chosen") & pl.col("rejected")).fill_null(value=False))
    label = pl.when(pl.col("chosen")).then(pl.lit("rejected")).otherwise(pl.lit("chosen"))
    why = (
        pl.when(pl.col("chosen").is_null())
        .then(pl.lit("the row has no alternatives"))
        .when("labelled")
        .then(pl.format("no alternative is labelled {}", label))
        .otherwise(pl.lit("neither labels nor ratings tell which alternative is better"))
    )
    spoken = seen.messages.filter(pl.col("side") != OWN)
    silent = seen.sides.join(spoken, on=["row", "side"], how="anti", maintain_order="left")
    nothing = pl.format("missing side: alternative {} has no message", "side")
    return pl.concat(
        [
            of_rows(lacking, "missing_side", pl.format("missing side: {}", why)),
            of_sides(silent, "missing_side", nothing),
        ]
    )


def find_equal_sides(seen: Rows, _: Rules) -> "pl.DataFrame":
    """Preference rows whose chosen and rejected alternative say, reason and call the same."""
    import polars as pl

    calls = seen.told.calls.group_by(_AT, maintain_order=True).agg(
        asked=pl.concat_str("name", "arguments", separator="\x1d", ignore_nulls=True).str.join("\x1e")
    )
    said = (
        seen.messages.filter(pl.col("side") != OWN)
        .join(seen.told.reasoning, on=_AT, how="left", maintain_order="left")
        .join(calls, on=_AT, how="left", maintain_order="left")
        .with_columns(
            whole=pl.concat_str(
                *(pl.col(name).fill_null("").str.strip_chars() for name in ("role", "content")),
                *(pl.col(name).fill_null("").str.strip_chars() for name in ("reasoning", "asked")),
                separator="\x1f",
            )
        )
        .group_by("row", "side", maintain_order=True)
        .agg(pl.col("whole").str.join("\x1e"))
    )
    sides = seen.sides.join(said, on=["row", "side"], how="inner", maintain_order="left")
    pairs = sides.filter("chosen").join(
        sides.filter("rejected"), on="row", how="inner", maintain_order="left"
    )
    same = pairs.filter(pl.col("whole") == pl.col("whole_right")).select("row", side="side_right")
    reason = pl.lit("equal sides: the chosen and the rejected alternative are the same")
    return of_sides(same, "equal_sides", reason)
