"""What is wrong with a row: why, as a class and in words, and where."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synth_stack.gates.structure.reading import OWN

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `what` completes its reason class, `place` says where it is, by the numbers of its
    "message", "alternative" and "call", and `measured` how bad it is, by the names of what was measured.
    """

    what: str
    reason: str
    place: Mapping[str, int]
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def evidence(self) -> dict[str, float | str]:
        """Place and measures as a verdict has them: a message of an alternative is named by the path of its
        content.
        """
        place: dict[str, float | str] = {**self.place, **self.measured}
        if "alternative" in self.place and "message" in self.place:
            path = f"alternatives.{self.place['alternative']}.messages.{place.pop('message')}.content"
            return {**place, "path": path}
        return place


def place_of(side: int, position: int) -> dict[str, int]:
    """Where a message stands: in the row, or in one of its alternatives."""
    return {"message": position} if side == OWN else {"alternative": side, "message": position}


COLUMNS = ("row", "what", "reason", "side", "position", "call", "name", "measure")
"""Of a table of faults; `side` is OWN, `position` and `call` are null, where a fault is about none, and
`name` and `measure` where nothing was measured."""


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


def list_faults(found: Iterable[tuple[int, Fault]]) -> "pl.DataFrame":
    """Faults by row as a table; of what was measured, each has at most one number."""
    import polars as pl

    schema = dict.fromkeys(("what", "reason", "name"), pl.String) | dict.fromkeys(
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
            "name": next(iter(fault.measured), None),
            "measure": next(iter(fault.measured.values()), None),
        }
        for row, fault in found
    ]
    return pl.DataFrame(rows, schema={**schema, "measure": pl.Float64}).select(COLUMNS)


def pick_first(found: "pl.DataFrame", n_rows: int, held: Collection[str]) -> list[Fault | None]:
    """The first fault of each of so many rows, with all that was measured of the row.

    What a row is `held` for comes after what it is rejected for, and what was measured last in either.
    """
    import polars as pl

    is_held = pl.col("what").is_in(list(held))
    ranked = found.with_columns(rank=is_held * 2 + pl.col("name").is_not_null()).sort(
        "rank", maintain_order=True
    )
    measured: dict[int, dict[str, float]] = {}
    for row, name, measure in (
        ranked.filter(pl.col("name").is_not_null()).select("row", "name", "measure").rows()
    ):
        measured.setdefault(row, {}).setdefault(name, measure)
    faults: list[Fault | None] = [None] * n_rows
    first = ranked.unique("row", keep="first", maintain_order=True)
    for row, what, reason, side, position, call in first.select(COLUMNS[:6]).rows():
        place = {"alternative": None if side == OWN else side, "message": position, "call": call}
        known = {name: at for name, at in place.items() if at is not None}
        faults[row] = Fault(what, reason, known, measured.get(row, {}))
    return faults


def _complete(frame: "pl.DataFrame", what: "pl.Expr") -> "pl.DataFrame":
    import polars as pl

    nothing = {
        "call": pl.lit(None, pl.Int64),
        "name": pl.lit(None, pl.String),
        "measure": pl.lit(None, pl.Float64),
    }
    return frame.with_columns(what=what, **nothing).select(COLUMNS)
