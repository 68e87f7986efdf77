"""Contamination by meaning: the short list of rows that may say an evaluation item in other words.

Each passage of a row is compared with the items of its kind with which it shares telling words
(shared_words.py). These pairs are rated by a static embedder and by their words (`likelihood`): those that
are like enough are the short list. MiniLM rates them again (reranking.py). Rows that define functions are
ranked against the items with tests besides.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import GateError
from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.gates.contamination.likelihood import (
    RULES,
    Figures,
    Kind,
    Lexicon,
    Literals,
    Measured,
    Model,
    can_agree,
    find_alike,
    rate,
    read_literals,
)
from synth_stack.gates.contamination.neighbours import (
    PROGRAM_CHARS,
    Block,
    Programs,
    build_blocks,
    build_programs,
    find_neutral,
    measure_cosines,
    rank_programs,
)
from synth_stack.gates.contamination.passages import READ_CHARS, Side, bare_texts, find_code, split_rows
from synth_stack.gates.contamination.shared_words import (
    SaidWords,
    Vocabulary,
    compare_words,
    propose_items,
    read_vocabulary,
)
from synth_stack.gates.word_lists import read_neutral
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.models.embedders import Embedder, Vectors, load_embedder
from synth_stack.text.fields import read_texts
from synth_stack.text.ragged import Counts

if TYPE_CHECKING:
    import polars as pl

_NEAREST = 6  # items of a kind that a passage is compared with more closely
_TRIED = 20  # items whose tests a program may be run against
_LISTED = 100
"""Pairs of a row on the short list, the likeliest. Of 3,000 rows each of three corpora none had more than
six; a row made of hundreds of paragraphs, each like some item, must not fill the state of a batch."""

_DOUBTFUL: Mapping[Kind, float] = {"prose": 0.01, "code": 0.005, "answer": 0.05}
"""Likeness by wordllama from which the short list takes a pair up: of code wordllama knows little."""

_COMPARED: Mapping[str, tuple[Side, ...]] = {"prompt": ("asked", "noted"), "answer": ("answered",)}
_BACKGROUND_TEXTS = 5_000
_PLACE = ("row", "passage", "block", "at")
_FIGURES = ("likeness", *Measured.__slots__)
_FUNCTION = r"(?m)^[ \t]*def[ \t]+\w+[ \t]*\("
_PROGRAM = r"(?ms)(^[ \t]*(?:def|class|from|import)[ \t].*)"


class Embedding(BaseModel):
    """How rows are compared by meaning, and from which likeness on they are rejected.

    `threshold` 0.5 rejects about 1% of the nearest innocent rows that were measured and next to none of
    others (benchmarks/rephrased.py). MiniLM rates up to `confirm_rows` rows of a batch, the likest by
    wordllama, which decides on the others; 1,500 take it 40 s of two cores.
    `alone` is what becomes of a row that is like an item and has nothing else in common with it: held, or
    passed. `background` names texts that are known to be innocent, such as earlier prompts: a task that is
    near one of them is a generic one.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    model: Literal["wordllama"] = "wordllama"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    confirm: Literal["minilm"] | None = "minilm"
    confirm_rows: Annotated[int, Field(ge=1, le=10_000_000)] = 1_500
    alone: Literal["hold", "ignore"] = "hold"
    background: NamedEvalSet | None = None


@dataclass(frozen=True, slots=True)
class ItemMeanings:
    """Eval sets ready to be compared with; `items` gives set and position of the item of a number.

    `neutral_texts` (n) are what likeness is measured against, and `neutral` (n, d) their vectors.
    """

    items: list[tuple[EvalItems, int]]
    neutral_texts: list[str]
    blocks: list[Block]
    programs: Programs
    neutral: Vectors
    lexicon: Lexicon
    vocabulary: Vocabulary
    literals: Literals
    first: Embedder


def index_meanings(
    sets: Sequence[EvalItems], settings: Embedding, background: EvalItems | None = None
) -> ItemMeanings:
    """The items of `sets`, ready for `read_passages`; the prompts of `background` count as neutral.

    Raises MissingExtra and ModelError for the embedder.
    """
    neutral = _list_neutral([] if background is None else background.prompts)
    first = load_embedder(settings.model)
    vectors = first.embed(neutral)
    lexicon = Lexicon(neutral)
    vocabulary = read_vocabulary(lexicon)
    blocks = build_blocks(sets, first, vocabulary)
    return ItemMeanings(
        items=[(eval_set, k) for eval_set in sets for k in range(len(eval_set.ids))],
        neutral_texts=neutral,
        blocks=blocks,
        programs=build_programs(sets, first, blocks, vectors),
        neutral=vectors,
        lexicon=lexicon,
        vocabulary=vocabulary,
        literals=Literals([(a or "")[:READ_CHARS] for a in s.answers] for s in sets),
        first=first,
    )


@dataclass(frozen=True, slots=True)
class RowPassages:
    """What a table says: its passages (`row`, `passage`: its number in the row, `message`, `side`, `which`:
    the number of its text), the n different texts, their words, and the texts of the rows.
    """

    passages: "pl.DataFrame"
    texts: "pl.Series"
    words: SaidWords
    contents: "pl.Series"

    def embed(self, index: ItemMeanings, which: Counts) -> Vectors:
        """The vectors of the texts `which`, (n, d); each text is embedded once."""
        used, place = np.unique(which, return_inverse=True)
        return index.first.embed(self.texts.gather(used).to_list())[place]


def read_passages(index: ItemMeanings, table: pa.Table, skip: Collection[int]) -> RowPassages:
    """What the rows of a table say, but for the rows `skip`.

    Nothing is embedded: hardly a row shares enough words with an item for its meaning to count.
    """
    import polars as pl

    passages = _number_passages(table).filter(~pl.col("row").is_in(list(skip)))
    texts = passages["text"].unique(maintain_order=True)
    numbers = pl.DataFrame({"text": texts, "which": np.arange(len(texts))})
    return RowPassages(
        passages.join(numbers, on="text", how="left", maintain_order="left").drop("text"),
        texts,
        index.vocabulary.read(texts.to_list()),
        read_texts(table.column("text")),
    )


def list_pairs(
    index: ItemMeanings, said: RowPassages, proven_by: Collection[int] | None = None
) -> "pl.DataFrame":
    """The short list: pairs of a passage and an item that wordllama and words rate near each other.

    With `proven_by`, rows that something else than words may prove to be an item, only their pairs are listed
    and those that words may prove; the others cost nothing. Columns `row`, `passage`, `block` and `at`
    (passage `at` of a block's items), `likeness` and the figures of `Measured`; by row, the likeliest first.
    """
    import polars as pl

    rated = [_rate_first(index, said, number, proven_by) for number in range(len(index.blocks))]
    if not rated:  # no item says enough to be like anything
        return pl.DataFrame(schema=dict.fromkeys(_PLACE, pl.Int64) | dict.fromkeys(_FIGURES, pl.Float64))
    pairs = sort_likest(pl.concat(rated).select(_PLACE + _FIGURES))
    return pairs.group_by("row", maintain_order=True).head(_LISTED)


def read_pairs(pairs: "pl.DataFrame", table: pa.Table) -> "pl.DataFrame":
    """The pairs with what their passages say: `message`, `side` and `text`.

    Raises GateError for passages that the rows do not have.
    """
    rows = pairs["row"].unique().sort()
    said = _number_passages(table.select(["messages", "text"]).take(pa.array(rows, pa.int64())))
    said = said.with_columns(row=rows.gather(said["row"]))
    told = pairs.join(said, on=["row", "passage"], how="left", maintain_order="left")
    if told["text"].null_count():
        raise GateError("contamination: a row does not have the passages that its batch told of")
    return told


def sort_likest(pairs: "pl.DataFrame") -> "pl.DataFrame":
    """The pairs by row, the likeliest first; equal ones in an order that does not depend on the table."""
    order = ["row", "likeness", "block", "at", "passage"]
    return pairs.sort(order, descending=[name == "likeness" for name in order])


def rate_pairs(pairs: "pl.DataFrame", model: Model, kind: Kind) -> "pl.DataFrame":
    """The pairs with the likeness that their figures give by a rule; 0 where they share too little."""
    measured = Measured(**{name: pairs[name].to_numpy() for name in Measured.__slots__})
    likeness = np.where(find_alike(model, kind, measured), rate(RULES[model, kind], measured), 0.0)
    return pairs.with_columns(likeness=likeness)


def list_near(index: ItemMeanings, said: RowPassages, skip: Collection[int]) -> "pl.DataFrame":
    """The items to try each row on that defines a Python function: `row`, `item`, `nearness`, best first.

    `item` is the item's number over all sets; rows in `skip` are left out.
    """
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
        said.embed(index, tasks["which"].to_numpy()),
        tasks["number"].to_numpy(),
        penalty=RULES["wordllama", "code"].item_density,
        n=_TRIED,
    )
    rows = numbered["row"].to_numpy()[number]
    return pl.DataFrame({"row": rows, "item": item, "nearness": nearness})


def _number_passages(table: pa.Table) -> "pl.DataFrame":
    """The passages of a table, each with its number in its row."""
    import polars as pl

    return split_rows(table).with_columns(passage=pl.int_range(pl.len()).over("row"))


def _rate_first(
    index: ItemMeanings, said: RowPassages, number: int, proven_by: Collection[int] | None
) -> "pl.DataFrame":
    """The pairs of the short list with one block's items, rated by wordllama and by words."""
    import polars as pl

    block = index.blocks[number]
    mine = said.passages.filter(pl.col("side").is_in(_COMPARED[block.part]))
    texts = mine["which"].unique().sort().to_numpy()
    near, at = propose_items(block.words, said.words.take(texts), _NEAREST)
    which = texts[near]
    words = compare_words(said.words, which, block.words, at)
    nothing = np.zeros(len(at))
    figures = {"cosine": nothing + 1, "item_density": nothing, "row_density": nothing, "literals": nothing}
    alike = find_alike("wordllama", block.kind, Measured(**figures, **words, uncoded=nothing))
    wanted = pl.lit(value=True)
    if proven_by is not None:
        wanted = pl.col("provable") | pl.col("row").is_in(list(proven_by))
        alike &= can_agree(words) | np.isin(which, mine.filter(pl.col("row").is_in(list(proven_by)))["which"])
    which, at = which[alike], at[alike]
    vectors = said.embed(index, which)
    nearest = find_neutral(vectors, index.neutral)[:, 0]
    pairs = pl.DataFrame(
        {
            "which": which,
            "at": at,
            "block": np.full(len(at), number),
            "cosine": measure_cosines(vectors, block.vectors[at]),
            "item_density": block.measure_density(at, index.neutral),
            "row_density": measure_cosines(vectors, index.neutral[nearest]),
            "provable": can_agree(words)[alike],
            **{name: figures[alike] for name, figures in words.items()},
        }
    )
    pairs = pairs.join(mine, on="which", how="inner", maintain_order="left_right").filter(wanted)
    pairs = pairs.with_columns(
        literals=_share_literals(index, said, pairs, block),
        uncoded=_mark_uncoded(said, pairs["row"]),
    )
    return rate_pairs(pairs, "wordllama", block.kind).filter(pl.col("likeness") >= _DOUBTFUL[block.kind])


def _mark_uncoded(said: RowPassages, rows: "pl.Series") -> Figures:
    """1 for each of p rows that has no code at all, (p,), else 0."""
    used, place = np.unique(rows.to_numpy(), return_inverse=True)
    uncoded: Figures = (~find_code(said.contents.gather(used))).to_numpy().astype(np.float64)[place]
    return uncoded


def _share_literals(index: ItemMeanings, said: RowPassages, pairs: "pl.DataFrame", block: Block) -> Figures:
    if block.kind != "code":
        return np.zeros(len(pairs))
    rows = pairs["row"].unique().to_list()
    contents = said.contents.gather(rows).str.slice(0, READ_CHARS).fill_null("")
    literals = {row: read_literals(content) for row, content in zip(rows, contents, strict=True)}
    items = block.items[pairs["at"].to_numpy()].tolist()
    shared = (
        index.literals.share(literals[row], item) for row, item in zip(pairs["row"], items, strict=True)
    )
    return np.fromiter(shared, dtype=np.float64, count=len(pairs))


def _list_neutral(background: Sequence[str]) -> list[str]:
    """The neutral texts of the package and an even sample of the background's prompts, bare of openings."""
    step = max(1, -(-len(background) // _BACKGROUND_TEXTS))
    return list(dict.fromkeys(bare_texts([*read_neutral(), *background[::step]])))
