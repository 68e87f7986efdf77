"""Contamination by meaning: rows that say an evaluation item in other words.

Three steps, cheap before dear, each on what the one before left over. A static embedder compares every
passage of every row with every item of its kind. The nearest pairs are rated by their words as well
(`likeness`): that is the short list. What stands on it is embedded again by MiniLM, which decides.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.gates.contamination.eval_sets import EvalSet, Fault, load_eval_set, name_item, show_item
from synth_stack.gates.contamination.likelihood import (
    RULES,
    Figures,
    Kind,
    Lexicon,
    Literals,
    Measured,
    Model,
    rate,
    read_literals,
    read_words,
)
from synth_stack.gates.contamination.neighbours import (
    PROGRAM_CHARS,
    Block,
    Programs,
    build_blocks,
    build_programs,
    find_nearest,
    find_neutral,
    measure_cosines,
    rank_programs,
)
from synth_stack.gates.contamination.passages import READ_CHARS, Side, bare_texts, find_code, split_rows
from synth_stack.gates.contamination.reranking import Confirmer
from synth_stack.gates.word_lists import read_neutral
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.models.embedders import Embedder, Vectors, load_embedder
from synth_stack.text.fields import read_texts

if TYPE_CHECKING:
    import polars as pl

_NEAREST = 4  # items of a kind that a passage is compared with more closely
_TRIED = 20  # items whose tests a program may be run against
_DOUBTFUL: Mapping[Kind, float] = {"prose": 0.01, "code": 0.005, "answer": 0.05}
"""Likeness by wordllama from which the short list takes a pair up: of code wordllama knows little."""

_FLOORS: Mapping[Kind, float] = {"prose": -0.1, "code": -0.25, "answer": -0.05}
"""Lowest sum without words that is looked at more closely: what words add lifts next to no rephrased item
from below it to the short list (benchmarks/rephrased.py)."""

_COMPARED: Mapping[str, tuple[Side, ...]] = {"prompt": ("asked", "noted"), "answer": ("answered",)}
_COLUMNS = [
    *("row", "message", "side", "which", "block", "at", "by", "likeness"),
    *Measured.__slots__,
]
_BACKGROUND_TEXTS = 5_000
_SHOWN_CHARS = 500
_SHOWN_WORDS = 8
_FUNCTION = r"(?m)^[ \t]*def[ \t]+\w+[ \t]*\("
_PROGRAM = r"(?ms)(^[ \t]*(?:def|class|from|import)[ \t].*)"


class Embedding(BaseModel):
    """How rows are compared by meaning, and from which likeness on they are rejected.

    `threshold` 0.5 rejects about 1% of the nearest innocent rows that were measured and next to none of
    others (benchmarks/rephrased.py). `confirm_rows` bounds MiniLM's work on a batch: of a larger one, its
    share of every table is confirmed, the most doubtful rows first, and wordllama decides on the others.
    `background` names texts that are known to be innocent, such as earlier prompts: a task that is near one
    of them is a generic one.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    model: Literal["wordllama"] = "wordllama"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    confirm: Literal["minilm"] | None = "minilm"
    confirm_rows: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    background: NamedEvalSet | None = None


@dataclass(frozen=True, slots=True)
class Alike:
    """What was found in a table of n rows.

    `found`: the rows of the short list, each with its highest likeness and what to say about it. `near`:
    the items nearest to each row that defines a Python function, for whoever can run it; columns `row`,
    `item` (its number over all sets), `nearness`, best first. `confirmed`: how many rows MiniLM rated.
    """

    found: dict[int, tuple[float, Fault]]
    near: "pl.DataFrame"
    confirmed: int


@dataclass(frozen=True, slots=True)
class Meanings:
    """Eval sets ready to be compared with; `items` gives set and position of the item of a number."""

    settings: Embedding
    items: list[tuple[EvalSet, int]]
    files: Mapping[str, str]
    neutral_texts: int
    blocks: list[Block]
    programs: Programs
    neutral: Vectors
    lexicon: Lexicon
    literals: Literals
    first: Embedder
    confirmer: Confirmer | None

    def share_confirmed(self, batch_rows: int, table_rows: int) -> int:
        """How many rows of a table MiniLM may rate, so that a batch stays within `confirm_rows`."""
        share = min(1.0, self.settings.confirm_rows / max(batch_rows, 1))
        return int(np.ceil(share * table_rows))


def index_meanings(sets: Sequence[EvalSet], settings: Embedding) -> Meanings:
    """The items of `sets`, ready for `find_alike`.

    Raises MissingExtra and ModelError for the embedders, InputError and ConfigError for the background.
    """
    neutral = _read_neutral(settings.background)
    first = load_embedder(settings.model)
    confirm = load_embedder(settings.confirm) if settings.confirm else None
    vectors = first.embed(neutral)
    blocks = build_blocks(sets, first, vectors)
    return Meanings(
        settings=settings,
        items=[(eval_set, k) for eval_set in sets for k in range(len(eval_set.ids))],
        files={**first.facts, **(confirm.facts if confirm else {})},
        neutral_texts=len(neutral),
        blocks=blocks,
        programs=build_programs(sets, first, blocks),
        neutral=vectors,
        lexicon=Lexicon(neutral),
        literals=Literals([(a or "")[:READ_CHARS] for a in s.answers] for s in sets),
        first=first,
        confirmer=Confirmer(confirm, neutral, vectors) if confirm else None,
    )


def find_alike(
    index: Meanings, table: pa.Table, skip: Collection[int], confirm_rows: int | None = None
) -> Alike:
    """The rows of a table that come near an item, but for the rows `skip`.

    MiniLM rates at most `confirm_rows` of them; null is no bound.
    """
    import polars as pl

    said = _read_said(index, table, skip)
    if not index.blocks:  # no item says enough to be like anything
        return Alike({}, _list_near(index, said, skip), 0)
    rated = pl.concat([_rate_first(index, said, number) for number in range(len(index.blocks))])
    chosen = _choose(rated, index.settings.threshold, confirm_rows) if index.confirmer else []
    doubtful = pl.col("row").is_in(chosen)
    rated = pl.concat([rated.filter(~doubtful), _rate_again(index, said, rated.filter(doubtful))])
    best = rated.sort("row", "likeness", "block", "at", descending=[False, True, False, False])
    best = best.unique("row", keep="first", maintain_order=True)
    found = {pair["row"]: (pair["likeness"], _describe(index, said, pair)) for pair in best.to_dicts()}
    return Alike(found, _list_near(index, said, skip), len(chosen))


@dataclass(frozen=True, slots=True)
class _Said:
    """What a table says: its passages (`row`, `message`, `side`, `which`: the number of its text), the n
    different texts, their vectors (n, d) and how near the nearest neutral text is (n,). And the rows: their
    texts, and whether there is code in them.
    """

    passages: "pl.DataFrame"
    texts: list[str]
    vectors: Vectors
    row_density: Figures
    contents: "pl.Series"
    coded: "pl.Series"


def _read_said(index: Meanings, table: pa.Table, skip: Collection[int]) -> _Said:
    import polars as pl

    passages = split_rows(table).filter(~pl.col("row").is_in(list(skip)))
    texts = passages["text"].unique(maintain_order=True)
    numbers = pl.DataFrame({"text": texts, "which": np.arange(len(texts))})
    vectors = index.first.embed(texts.to_list())
    nearest = find_neutral(vectors, index.neutral)[:, 0]
    contents = read_texts(table.column("text"))
    return _Said(
        passages.join(numbers, on="text", how="left", maintain_order="left").drop("text"),
        texts.to_list(),
        vectors,
        measure_cosines(vectors, index.neutral[nearest]),
        contents,
        find_code(contents),
    )


def _rate_first(index: Meanings, said: _Said, number: int) -> "pl.DataFrame":
    """The pairs of the short list with one block's items, rated by wordllama and by words."""
    import polars as pl

    block = index.blocks[number]
    rule = RULES["wordllama", block.kind]
    mine = said.passages.filter(pl.col("side").is_in(_COMPARED[block.part]))
    texts = mine["which"].unique().sort().to_numpy()
    floor = _FLOORS[block.kind] + rule.row_density * said.row_density[texts]
    near, at = find_nearest(said.vectors[texts], block, penalty=rule.item_density, floor=floor, n=_NEAREST)
    which = texts[near]
    pairs = pl.DataFrame(
        {
            "which": which,
            "at": at,
            "block": np.full(len(at), number),
            "cosine": measure_cosines(said.vectors[which], block.vectors[at]),
            "item_density": block.density[at],
            "row_density": said.row_density[which],
            "by": ["wordllama"] * len(at),
        },
        schema_overrides={"by": pl.String},
    )
    pairs = pairs.join(mine, on="which", how="inner", maintain_order="left_right")
    return _rate(pairs.hstack(_compare_words(index, said, pairs, block)), "wordllama", block.kind).filter(
        pl.col("likeness") >= _DOUBTFUL[block.kind]
    )


def _compare_words(index: Meanings, said: _Said, pairs: "pl.DataFrame", block: Block) -> "pl.DataFrame":
    import polars as pl

    words = {k: read_words(said.texts[k]) for k in pairs["which"].unique().to_list()}
    literals: dict[int, frozenset[str]] = {}
    if block.kind == "code":
        rows = pairs["row"].unique().to_list()
        contents = said.contents.gather(rows).str.slice(0, READ_CHARS).fill_null("")
        literals = {row: read_literals(content) for row, content in zip(rows, contents, strict=True)}
    compared = []
    for row, which, at in pairs.select("row", "which", "at").iter_rows():
        covered, nats, lost = index.lexicon.compare(words[which], block.words[at])
        shared = index.literals.share(literals[row], int(block.items[at])) if literals else 0.0
        compared.append((covered, nats, shared, lost))
    schema = dict.fromkeys(("covered", "nats", "literals", "lost"), pl.Float64)
    figures = pl.DataFrame(compared, schema=schema, orient="row")
    return figures.with_columns(uncoded=(~said.coded.gather(pairs["row"])).cast(pl.Float64))


def _rate(pairs: "pl.DataFrame", model: Model, kind: Kind) -> "pl.DataFrame":
    measured = Measured(**{name: pairs[name].to_numpy() for name in Measured.__slots__})
    return pairs.with_columns(likeness=rate(RULES[model, kind], measured)).select(_COLUMNS)


def _choose(rated: "pl.DataFrame", threshold: float, confirm_rows: int | None) -> list[int]:
    """The rows of the short list that are confirmed: all, or the ones of most doubt."""
    import polars as pl

    best = rated.group_by("row").agg(pl.col("likeness").max())
    doubt = (_to_logit(pl.col("likeness")) - _to_logit(pl.lit(threshold))).abs()
    return best.sort(doubt, "row")["row"].head(len(best) if confirm_rows is None else confirm_rows).to_list()


def _to_logit(likeness: "pl.Expr") -> "pl.Expr":
    return (likeness / (1 - likeness + 1e-12)).log()


def _rate_again(index: Meanings, said: _Said, pairs: "pl.DataFrame") -> "pl.DataFrame":
    """The same pairs rated with MiniLM's cosines."""
    import polars as pl

    rated = [pairs.clear()]
    if index.confirmer is None:
        return pairs
    for number in pairs["block"].unique().sort():
        mine = pairs.filter(pl.col("block") == number)
        block = index.blocks[number]
        figures = index.confirmer.measure(
            said.texts, said.vectors, mine["which"].to_numpy(), block, mine["at"].to_numpy()
        )
        named = dict(zip(("cosine", "item_density", "row_density"), figures, strict=True))
        rated.append(_rate(mine.with_columns(**named, by=pl.lit("minilm")), "minilm", block.kind))
    return pl.concat(rated)


def _list_near(index: Meanings, said: _Said, skip: Collection[int]) -> "pl.DataFrame":
    """The items with tests that are nearest to each row that defines a Python function, nearest first."""
    import polars as pl

    programs = pl.DataFrame({"row": range(len(said.contents)), "text": said.contents}).filter(
        pl.col("text").str.slice(0, READ_CHARS).str.contains(_FUNCTION), ~pl.col("row").is_in(list(skip))
    )
    bodies = programs["text"].str.slice(0, READ_CHARS).str.extract(_PROGRAM).str.slice(0, PROGRAM_CHARS)
    numbered = programs.select("row", number=pl.int_range(pl.len()))
    tasks = said.passages.filter(pl.col("side") != "answered").join(numbered, on="row", maintain_order="left")
    number, item, nearness = rank_programs(
        index.programs,
        index.first.embed(bodies.to_list()),
        said.vectors[tasks["which"].to_numpy()],
        tasks["number"].to_numpy(),
        penalty=RULES["wordllama", "code"].item_density,
        n=_TRIED,
    )
    rows = numbered["row"].to_numpy()[number]
    return pl.DataFrame({"row": rows, "item": item, "nearness": nearness})


def _describe(index: Meanings, said: _Said, pair: Mapping[str, Any]) -> Fault:
    block = index.blocks[pair["block"]]
    eval_set, item = index.items[int(block.items[pair["at"]])]
    shared = read_words(said.texts[pair["which"]]) & block.words[pair["at"]]
    reason = f"rephrased item: like {name_item(eval_set, item)}, likeness {pair['likeness']:.3f}"
    return reason, {
        "part": block.part,
        **show_item(eval_set, item, block.texts[pair["at"]]),
        "message": pair["message"],
        "side": pair["side"],
        "passage": said.texts[pair["which"]][:_SHOWN_CHARS],
        **{name: round(pair[name], 6) for name in ("likeness", "cosine", "item_density", "row_density")},
        "shared": index.lexicon.rarest(shared, _SHOWN_WORDS),
        "by": pair["by"],
    }


def _read_neutral(background: NamedEvalSet | None) -> list[str]:
    """The neutral texts of the package and an even sample of the background's prompts, bare of openings."""
    own = read_neutral()
    prompts = [] if background is None else load_eval_set(background).prompts
    step = max(1, -(-len(prompts) // _BACKGROUND_TEXTS))
    return list(dict.fromkeys(bare_texts([*own, *prompts[::step]])))
