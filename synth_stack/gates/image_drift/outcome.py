"""How far the batch and each of its slices is from the real images, and what is said of their rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.gates.batch_samples import BatchSample
from synth_stack.gates.gate import State
from synth_stack.gates.image_drift.effects import STATISTICS, ImageSample, measure_effects
from synth_stack.gates.image_drift.sampling import join_sketches, read_matrix
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.text.fields import find_canaries

if TYPE_CHECKING:
    import polars as pl

GATE = "image_drift"
PLANTED = "planted/"
"""Begins the slice of a planted group; what follows is the statistic that has to see it."""
CONTROL = f"{PLANTED}real"
MIN_PLANTED = 10
MEASURED_SLICES = 50
"""Slices that are measured, the largest first: each takes about 0.2 s."""

EFFECTS = pa.schema(
    [
        pa.field("scope", pa.string()),
        pa.field("name", pa.string()),
        pa.field("statistic", pa.string()),
        pa.field("images", pa.int64()),
        pa.field("real_images", pa.int64()),
        pa.field("size", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("bar", pa.float64()),
        pa.field("lacks", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class ImageDriftSettings:
    """The bars by statistic, the fewest images that a side has to have, and the seed of draws."""

    bars: Mapping[str, float]
    min_rows: int
    seed: int


def measure_batch(
    sketches: Iterable[pa.Table], _: State, *, settings: ImageDriftSettings, real: BatchSample | None
) -> State:
    """The state `effects`: every statistic of the batch, its slices, and the planted groups."""
    batch = join_sketches(sketches)
    told = list(_measure(batch, real, settings))
    return {"effects": pa.Table.from_pylist(told, schema=EFFECTS)}


def _measure(
    batch: BatchSample, real: BatchSample | None, settings: ImageDriftSettings
) -> Iterator[dict[str, Any]]:
    import polars as pl

    if real is None:
        yield _lack("batch", "", len(batch.rows), 0, "no real images are named")
        return
    whole, theirs = (_open(side.rows.filter("whole")) for side in (batch, real))
    own_bars = (settings.bars, settings.min_rows)
    yield from _tell(("batch", ""), (whole, theirs), own_bars, settings.seed)
    sizes = batch.counts.drop_nulls("slice").sort(["rows", "slice"], descending=[True, False])
    for number, name in enumerate(sizes["slice"]):
        if number == MEASURED_SLICES:
            yield _lack("slice", name, 0, 0, f"only the {MEASURED_SLICES} largest slices are measured")
            break
        own = (pl.col("slice") == name) & pl.col("of_slice")
        pair = (_open(batch.rows.filter(own)), _open(real.rows.filter(own)))
        yield from _tell(("slice", name), pair, own_bars, settings.seed)
    for name in batch.planted["slice"].drop_nulls().unique().sort():
        mine = _open(batch.planted.filter(pl.col("slice") == name))
        wanted = settings.bars if name == CONTROL else _pick(settings.bars, name.removeprefix(PLANTED))
        if wanted:
            yield from _tell(("planted", name), (mine, theirs), (wanted, MIN_PLANTED), settings.seed)


def _pick(bars: Mapping[str, float], statistic: str) -> dict[str, float]:
    return {statistic: bars[statistic]} if statistic in bars else {}


def _open(rows: "pl.DataFrame") -> ImageSample:
    return ImageSample(read_matrix(rows, "figures"), read_matrix(rows, "vector"))


def _tell(
    group: tuple[str, str],
    pair: tuple[ImageSample, ImageSample],
    bars: tuple[Mapping[str, float], int],
    seed: int,
) -> Iterator[dict[str, Any]]:
    """The effects of a group by its bars, where both sides have as many images as are needed."""
    (scope, name), (wanted, least) = group, bars
    sizes = (len(pair[0]), len(pair[1]))
    if min(sizes) < least:
        yield _lack(scope, name, *sizes, f"fewer than {least} images, here or among the real ones")
        return
    for statistic, found in measure_effects(*pair, wanted, seed).items():
        yield {
            "scope": scope,
            "name": name,
            "statistic": statistic,
            "images": sizes[0],
            "real_images": sizes[1],
            "size": round(found.size, 4),
            "low": round(found.low, 4),
            "high": round(found.high, 4),
            "bar": wanted[statistic],
        }


def _lack(scope: str, name: str, images: int, real_images: int, why: str) -> dict[str, Any]:
    return {"scope": scope, "name": name, "images": images, "real_images": real_images, "lacks": why}


Said = dict[str, Any]


def write_verdicts(table: pa.Table, state: State) -> pa.Table:
    """One verdict a row, in order: that of the batch where it is beyond a bar, else that of its slice.

    Raises GateError before the batch was seen.
    """
    if "effects" not in state:
        raise GateError(f"{GATE} was asked for verdicts before it saw the batch")
    groups: dict[tuple[str, str], list[Said]] = {}
    for effect in state["effects"].to_pylist():
        groups.setdefault((effect["scope"], effect["name"]), []).append(effect)
    said: dict[tuple[str, bool], Said] = {}
    verdicts = []
    pairs = zip(table["slice"].to_pylist(), find_canaries(table).tolist(), strict=True)
    for row_id, (name, planted) in zip(table["row_id"].to_pylist(), pairs, strict=True):
        key = (name or "", planted)
        if key not in said:
            scopes = [("planted", key[0])] if planted else [("batch", ""), ("slice", key[0])]
            said[key] = _decide([groups.get(scope, []) for scope in scopes])
        verdicts.append({"row_id": row_id, "gate": GATE, **said[key]})
    return pa.Table.from_pylist(verdicts, schema=VERDICT_SCHEMA)


def _decide(groups: list[list[Said]]) -> Said:
    """What is said of the rows of the first group that is beyond a bar, or of all of them."""
    measured = [effect for effects in groups for effect in effects if effect["low"] is not None]
    if not measured:
        lacks = [effect["lacks"] for effects in groups for effect in effects]
        why = "; ".join(dict.fromkeys(lacks)) or "its group was not measured"
        reason = f"drift could not be measured: {why}"
        return {
            "outcome": "abstain",
            "reason": reason,
            "reason_class": f"{GATE}.not_measured",
            "scope": "row",
        }
    lows: dict[str, float] = {}
    for effect in measured:
        lows[effect["statistic"]] = max(effect["low"], lows.get(effect["statistic"], 0.0))
    beyond = next((found for effects in groups if (found := _find_beyond(effects))), None)
    worst = beyond[0] if beyond else max(measured, key=lambda effect: effect["low"] / effect["bar"])
    judged: Said = {"score": worst["low"] / worst["bar"], "threshold": 1.0}
    if beyond is None:
        return judged | {"outcome": "accept", "evidence": canonical_text({"low": lows}), "scope": "row"}
    where = "the batch" if worst["scope"] == "batch" else f"the slice {worst['name'].removeprefix(PLANTED)}"
    words = ", ".join(_word(effect) for effect in beyond[:3])
    keys = ("statistic", "size", "low", "high", "bar", "images", "real_images")
    shifts = [{key: effect[key] for key in keys} for effect in beyond]
    return judged | {
        "outcome": "hold",
        "reason": f"{where} differs from the real images in {words}",
        "reason_class": f"{GATE}.{worst['statistic']}",
        "evidence": canonical_text({"low": lows, "shifts": shifts}),
        "scope": "batch" if worst["scope"] == "batch" else "slice",
    }


def _find_beyond(effects: list[Said]) -> list[Said]:
    """The effects beyond their bars, the furthest first."""
    beyond = [effect for effect in effects if effect["low"] is not None and effect["low"] > effect["bar"]]
    return sorted(beyond, key=lambda effect: -effect["low"] / effect["bar"])


def _word(effect: Mapping[str, Any]) -> str:
    size, low, high, bar = (f"{effect[name]:.3g}" for name in ("size", "low", "high", "bar"))
    return f"{STATISTICS[effect['statistic']]}: {size} (interval {low} to {high}, allowed {bar})"
