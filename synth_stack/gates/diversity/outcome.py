"""What becomes of a batch: its collapsed clusters, and what was measured of every group."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.batch_samples import BatchSample
from synth_stack.gates.diversity.clusters import CollapsedCluster, cluster_rows, find_collapsed
from synth_stack.gates.diversity.groups import (
    GroupMeasures,
    TextGroup,
    describe_texts,
    least_rows,
    make_group,
    measure_narrowing,
    measure_seeds,
    measure_spread,
    measure_wording,
)
from synth_stack.gates.diversity.sampling import Field, join_texts
from synth_stack.gates.diversity.seed_texts import SeedTexts, read_seed_texts
from synth_stack.gates.diversity.wording import WORDING_ROWS, hash_grams, normalise_texts, strip_shared
from synth_stack.gates.gate import State
from synth_stack.inputs.real_rows import RealRows
from synth_stack.models.embedders import Embedder
from synth_stack.rows.canonical import canonical_text
from synth_stack.stats.diversity import distinct_rows, measure_effective, measure_evenness
from synth_stack.text.ragged import Hashes

if TYPE_CHECKING:
    import polars as pl

MEASURED_SLICES = 100
MEASURED_SEEDS = 50
"""Groups that are measured, the largest first: each takes about 60 ms."""

SPREAD_ROWS = 1_000
"""Without seeds a batch or generator of fewer rows may well be about one thing."""

PLANTED = {"planted/reworded": "known", "planted/narrow": "narrow", "planted/one_seed": "uneven"}
"""Of the planted groups the measure that has to see each; the controls are judged by all."""

OF_ALL = -1
"""The number that stands for no cluster: n-grams of what most of the batch shares."""

CLUSTERS = pa.schema(
    [
        pa.field("cluster", pa.int32()),
        pa.field("known", pa.float64()),
        pa.field("evidence", pa.string()),
    ]
)
GRAMS = pa.schema([pa.field("cluster", pa.int32()), pa.field("gram", pa.uint64())])
CENTRES = pa.schema([pa.field("cluster", pa.int32()), pa.field("text", pa.string())])
GROUPS = pa.schema(
    [
        pa.field("scope", pa.string()),
        pa.field("name", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("known", pa.float64()),
        pa.field("narrow", pa.float64()),
        pa.field("uneven", pa.float64()),
        pa.field("figures", pa.string()),
        pa.field("lacks", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class DiversityBars:
    """The bars of the gate, and what it draws with."""

    max_known: float | None
    max_narrow: float | None
    max_uneven: float | None
    min_vendi: float | None
    seed: int


def measure_batch(
    sketches: Iterable[pa.Table],
    _: State,
    *,
    bars: DiversityBars,
    field: Field,
    embedder: Embedder,
    seeds: RealRows | None,
) -> State:
    """The state: `clusters`, their `grams` and `centres`, and `groups`."""
    sample = join_texts(sketches)
    theirs = None if seeds is None else read_seed_texts(seeds, field)
    whole = sample.rows.filter("whole")
    plain = normalise_texts(whole["text"])
    texts = strip_shared(plain)
    vectors, grams = embedder.embed(texts), hash_grams(texts)
    homes = cluster_rows(vectors, bars.seed)
    found: list[CollapsedCluster] = []
    if bars.max_known is not None:
        found = find_collapsed(vectors, grams, homes, bars.max_known, bars.seed)
    collapsed = whole["id"].gather(np.concatenate([np.zeros(0, np.int64), *(each.rows for each in found)]))
    rest = sample.rows.filter(~pl_in(collapsed))
    batch = TextGroup(texts, vectors)
    left = np.flatnonzero(~whole["id"].is_in(collapsed.implode()).to_numpy())
    groups = _Groups(sample, rest, theirs, bars, embedder.embed)
    told = [
        groups.measure_whole(batch.take(left), homes[left]),
        *groups.measure_named("slice", MEASURED_SLICES),
        *groups.measure_named("generator", MEASURED_SLICES),
        *groups.measure_named("seed", MEASURED_SEEDS),
        *groups.measure_planted(),
    ]
    return {
        "groups": pa.Table.from_pylist(told, schema=GROUPS),
        **_write_clusters(found, whole, _list_shared(plain, texts)),
    }


def pl_in(ids: "pl.Series") -> "pl.Expr":
    """Whether an `id` is among these."""
    import polars as pl

    return pl.col("id").is_in(ids.implode())


@dataclass(frozen=True, slots=True)
class _Groups:
    """The groups of a batch as they are measured: `rest` is the sample without the rows of collapsed
    clusters.
    """

    sample: BatchSample
    rest: "pl.DataFrame"
    seeds: SeedTexts | None
    bars: DiversityBars
    embed: Callable[[Sequence[str]], Any]

    def measure_whole(self, group: TextGroup, homes: Any) -> dict[str, Any]:
        counts = np.bincount(homes).astype(np.float64) if len(homes) else np.zeros(1)
        used = int((counts > 0).sum())
        figures: dict[str, float] = {"clusters": used}
        if used > 1:
            evenness = measure_evenness(counts[counts > 0], used)
            figures |= {
                "cluster_entropy": round(evenness, 4),
                "clusters_used": round(measure_effective(counts), 2),
            }
        mix = self.sample.counts.group_by("slice").agg(self._sum())
        seeds = None if self.seeds is None else self.seeds.draw_mix(dict(mix.iter_rows()), self.embed)
        return self._tell(
            "batch",
            "",
            self.sample.total,
            group=group,
            seeds=seeds,
            counts=self._count_seeds(),
            figures=figures,
        )

    def measure_named(self, column: str, most: int) -> Iterator[dict[str, Any]]:
        """The largest groups of a column, those of at least 80 rows."""
        import polars as pl

        counted = self.sample.counts.filter(pl.col(column).is_not_null()).group_by(column).agg(self._sum())
        large = counted.filter(pl.col("rows") >= WORDING_ROWS).sort(
            ["rows", column], descending=[True, False]
        )
        flag = f"of_{column}"
        for name, rows in large.head(most).iter_rows():
            mine = self.rest.filter(
                (pl.col(column) == name) & (pl.col(flag) if flag in self.rest.columns else True)
            )
            group = make_group(normalise_texts(mine["text"]), self.embed)
            seeds = None
            if self.seeds is not None and column == "slice":
                seeds = self.seeds.find_slice(name, self.embed)
            counts = self._count_seeds(column, name)
            yield self._tell(column, name, rows, group=group, seeds=seeds, counts=counts, figures={})

    def measure_planted(self) -> Iterator[dict[str, Any]]:
        """The planted groups, each by itself."""
        import polars as pl

        pool = self._count_seeds()
        seeds = None if self.seeds is None else self.seeds.draw_mix({}, self.embed)
        for name in self.sample.planted["slice"].drop_nulls().unique().sort():
            mine = self.sample.planted.filter(pl.col("slice") == name)
            group = make_group(normalise_texts(mine["text"]), self.embed)
            counts = mine.filter(pl.col("seed").is_not_null()).group_by("seed").len()["len"].to_numpy()
            padded = np.zeros(max(len(counts), len(pool)))
            padded[: len(counts)] = counts
            yield self._tell("planted", name, len(mine), group=group, seeds=seeds, counts=padded, figures={})

    def _tell(
        self,
        scope: str,
        name: str,
        rows: int,
        *,
        group: TextGroup,
        seeds: TextGroup | None,
        counts: Any,
        figures: dict[str, Any],
    ) -> dict[str, Any]:
        least = least_rows(planted=scope == "planted")
        parts = [
            measure_wording(group, self.bars.seed, least),
            self._measure_meaning(scope, rows, group, seeds, least),
        ]
        if scope in {"batch", "slice", "planted"}:
            parts.append(measure_seeds(counts, least))
        figures = figures | describe_texts(group)
        if seeds is not None:
            figures["of_seeds"] = describe_texts(seeds)
        for part in parts:
            figures |= part.figures
        seen = PLANTED.get(name) if scope == "planted" else None
        return {
            "scope": scope,
            "name": name,
            "rows": rows,
            "known": _first(part.known for part in parts if seen in {None, "known"}),
            "narrow": _first(part.narrow for part in parts if seen in {None, "narrow"}),
            "uneven": _first(part.uneven for part in parts if seen in {None, "uneven"}),
            "figures": canonical_text(figures),
            "lacks": canonical_text({key: why for part in parts for key, why in part.lacks.items()}),
        }

    def _measure_meaning(
        self, scope: str, rows: int, group: TextGroup, seeds: TextGroup | None, least: int
    ) -> GroupMeasures:
        wide = scope in {"batch", "generator"} and rows >= SPREAD_ROWS
        if seeds is None and self.bars.min_vendi is not None and (wide or scope == "planted"):
            return measure_spread(self.bars.min_vendi, group, self.bars.seed, least)
        return measure_narrowing(group, seeds, self.bars.seed, least)

    def _count_seeds(self, column: str | None = None, name: str | None = None) -> Any:
        import polars as pl

        counts = self.sample.counts.filter(pl.col("seed").is_not_null())
        if column is not None:
            counts = counts.filter(pl.col(column) == name)
        return counts.group_by("seed").agg(self._sum())["rows"].to_numpy().astype(np.float64)

    @staticmethod
    def _sum() -> "pl.Expr":
        import polars as pl

        return pl.col("rows").sum()


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def _list_shared(plain: Sequence[str], stripped: Sequence[str]) -> Hashes:
    """The n-grams of what was set apart, which more than half of the texts have."""
    if plain == stripped:
        return np.zeros(0, dtype=np.uint64)
    grams = hash_grams(plain)
    values, counts = np.unique(distinct_rows(grams).values, return_counts=True)
    shared: Hashes = values[counts > len(plain) / 2]
    return shared


def _write_clusters(
    found: Sequence[CollapsedCluster], whole: "pl.DataFrame", shared: Hashes
) -> dict[str, pa.Table]:
    clusters, centres = [], []
    for number, each in enumerate(found):
        share, low, high = each.share
        evidence = {
            "cluster": number,
            "centre": whole["row_id"][each.centre],
            "share": round(share, 4),
            "share_low": round(low, 4),
            "share_high": round(high, 4),
            "known": round(each.known[0], 4),
            "known_low": round(each.known[1], 4),
            "known_high": round(each.known[2], 4),
        }
        clusters.append(
            {"cluster": number, "known": evidence["known_low"], "evidence": canonical_text(evidence)}
        )
        centres.append({"cluster": number, "text": whole["text"][each.centre]})
    numbers = [np.full(len(each.grams), number, np.int32) for number, each in enumerate(found)]
    grams = pa.table(
        [
            pa.array(np.concatenate([np.full(len(shared), OF_ALL, np.int32), *numbers])),
            pa.array(np.concatenate([shared, *(each.grams for each in found)])),
        ],
        schema=GRAMS,
    )
    return {
        "clusters": pa.Table.from_pylist(clusters, schema=CLUSTERS),
        "centres": pa.Table.from_pylist(centres, schema=CENTRES),
        "grams": grams,
    }
