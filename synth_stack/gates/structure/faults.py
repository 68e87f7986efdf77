"""What is wrong with a row: why, as a class and in words, and where."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synth_stack.gates.structure.reading import OWN

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `what` completes its reason class, and `place` says where it is, by the numbers of its
    "message", "alternative" and "call".
    """

    what: str
    reason: str
    place: dict[str, int]

    @property
    def evidence(self) -> dict[str, int | str]:
        """The place as a verdict has it: a message of an alternative is named by the path of its content."""
        place: dict[str, int | str] = dict(self.place)
        if "alternative" in place and "message" in place:
            path = f"alternatives.{place['alternative']}.messages.{place.pop('message')}.content"
            return {**place, "path": path}
        return place


COLUMNS = ("row", "what", "reason", "side", "position", "call")
"""Of a table of faults; `side` is OWN, `position` and `call` are null, where a fault is about none."""


def of_rows(frame: "pl.DataFrame", what: str, reason: "pl.Expr") -> "pl.DataFrame":
    """A fault of each of the rows."""
    import polars as pl

    nowhere = frame.select("row", reason=reason, side=pl.lit(OWN, pl.Int64), position=pl.lit(None, pl.Int64))
    return _complete(nowhere, pl.lit(what))


def of_sides(frame: "pl.DataFrame", what: str, reason: "pl.Expr") -> "pl.DataFrame":
    """A fault of each of the alternatives."""
    import polars as pl

    return _complete(
        frame.select("row", "side", reason=reason, position=pl.lit(None, pl.Int64)), pl.lit(what)
    )


def of_messages(frame: "pl.DataFrame", what: "str | pl.Expr", reason: "pl.Expr") -> "pl.DataFrame":
    """A fault of each of the messages."""
    import polars as pl

    kind = pl.lit(what) if isinstance(what, str) else what
    return _complete(frame.select("row", "side", "position", what=kind, reason=reason), pl.col("what"))


def list_faults(found: list[tuple[int, Fault]]) -> "pl.DataFrame":
    """Faults by row as a table."""
    import polars as pl

    schema = dict.fromkeys(("what", "reason"), pl.String) | dict.fromkeys(
        ("row", "side", "position", "call"), pl.Int64
    )
    rows = [
        {
            "row": row,
            "what": fault.what,
            "reason": fault.reason,
            "side": fault.place.get("alternative", OWN),
            "position": fault.place.get("message"),
            "call": fault.place.get("call"),
        }
        for row, fault in found
    ]
    return pl.DataFrame(rows, schema=schema).select(COLUMNS)


def pick_first(found: "pl.DataFrame", n_rows: int) -> list[Fault | None]:
    """The first fault of each of so many rows."""
    faults: list[Fault | None] = [None] * n_rows
    for row, what, reason, side, position, call in found.unique(
        "row", keep="first", maintain_order=True
    ).rows():
        place = {"alternative": None if side == OWN else side, "message": position, "call": call}
        faults[row] = Fault(what, reason, {name: at for name, at in place.items() if at is not None})
    return faults


def _complete(frame: "pl.DataFrame", what: "pl.Expr") -> "pl.DataFrame":
    import polars as pl

    return frame.with_columns(what=what, call=pl.lit(None, pl.Int64)).select(COLUMNS)
