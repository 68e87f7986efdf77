"""Rows and eval items parted into passages of one kind, so that like is compared with like.

    asked       what a user message asks, or a text that is no conversation: prose, without its answer
    answered    what an assistant message, or the part of a text after "Answer:", says: prose
    noted       the prose that stands inside code: docstrings and comments, or, where there are none, the
                names of the functions, word by word

A passage is bare: without the opening that every task shares ("Write a Python function that"), labels
("Question:"), lettered choices, doctests and lines of code. Python, C, JavaScript, Java and whatever else
has `#`, `//` or `/* */` comments are read alike; nothing is parsed, so broken code is read as well as whole.
Every pattern runs in polars, in time linear in the text.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.gates.contamination.windows import (
    LONG_CHARS,
    split_ends,
    split_paragraphs,
    split_windows,
)
from synth_stack.text.fields import read_messages

if TYPE_CHECKING:
    import polars as pl

Side = Literal["asked", "answered", "noted"]

READ_CHARS = 20_000
"""How much of a message is read. A repeated item after it is left to the comparison by words."""

PASSAGE_CHARS = LONG_CHARS
"""How much of a passage is compared; what is longer is compared in windows too (windows.py)."""

_READ_MESSAGES = 64
_MIN_PASSAGE_CHARS = 12
_MIN_PIECE_CHARS = 40  # of an item
_MIN_ANSWER_CHARS = 60  # a shorter answer ("42", "True, False") proves nothing
_NAMES = 8  # functions of a program whose names are read
_MIN_LONG_ITEM_CHARS = 600
"""Of a longer item, which asks after a passage, its paragraphs and its end are compared as well."""

_LANGUAGE = (
    r"(?:python ?3?|java ?script|js|java|c\+\+|c#|c|ruby|php|go|golang|swift|kotlin|rust|typescript|perl|r|"
    r"scala|sql|bash|shell|node\.?js)"
)
_PROGRAM = (
    r"(?:function|method|program|script|code(?: snippet)?|class|algorithm|routine|query|application|snippet|"
    r"lambda(?: function)?|one-liner|procedure)"
)
_OPENING = (
    r"(?i)^\s*(?:(?:please|kindly)\s+)?"
    r"(?:(?:how|what)\s+(?:would|can|could|do|might|should|is|to)\s+(?:you|we|i|one|be)?\s*"
    rf"|(?:can|could) you\s+(?:please\s+)?|(?:using|in) {_LANGUAGE},?\s+|your task is to\s+)*"
    r"(?:write|create|implement|design|develop|construct|build|define|provide|generate|make|code|give|show|"
    r"complete|devise|produce|formulate|compose|come up with|craft|propose)\s+(?:me\s+)?"
    r"(?:(?:an?|the|some|simple|basic|small|efficient|recursive|static|single-line|short|piece of|"
    rf"appropriate|arrow|console|generic)\s+)*(?:{_LANGUAGE}\s+)?(?:(?:an?|the|simple|basic|recursive|static|arrow|"
    rf"console|generic)\s+)*{_PROGRAM}\b(?:\s+in\s+{_LANGUAGE})?(?:\s+(?:called|named)\s+\S+)?"
    rf"(?:\s+using\s+{_LANGUAGE})?,?\s*(?:(?:that|which|to|for|and|of|where|with)\s+)?(?:can\s+)?"
)
_IN_LANGUAGE = rf"(?i)\s*\b(?:in|using|with)\s+{_LANGUAGE}([\s.,?:;]|$)"
_LABEL = (
    r"(?i)^\s*(?:question|q|problem|prompt|instruction|task|input|answer|a|response|reply)\s*\d*\s*[:.]\s+"
)
_ANSWER = r"(?is)^(.*?)\n[ \t]*(?:answer|a|response|reply|output|solution)[ \t]*:(.*)$"
_CHOICE = r"(?m)^[ \t]*\(?[A-Ha-h][.)][ \t][^\n]*$"

_NOTE = (
    r'"""(?s:.*?)"""'
    r"|'''(?s:.*?)'''"
    r"|/\*(?s:.*?)\*/"
    r"|(?m:(?:^[ \t]*//[^\n]*(?:\n|$))+)"
    r"|(?m:(?:^[ \t]*#[ \t][^\n]*(?:\n|$))+)"
    r"|[;{},][ \t]*//[^=\n][^\n]*"  # elsewhere in a line it may be Python's division
    r"|[ \t]#[ \t][^\n]*"
)
_CODE = (
    r"(?m)```"
    r"|^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+\w+[^\n]*[:{][ \t]*(?:#[^\n]*)?$"
    r"|^[ \t]*(?:export[ \t]+)?(?:async[ \t]+)?function\b[^\n]*\{"
    r"|=>[ \t]*[{(\w]"
    r"|[;{}][ \t]*(?://[^\n]*|/\*[^\n]*)?$"
    r"|^[ \t]*#include[ \t]*[<\x22]"
    r"|^[ \t]*(?:import|from)[ \t]+[\w.]+(?:[ \t]+import\b[^\n]*)?$"
    r"|^[ \t]*(?:return\b|print[ \t]*\()"
    r'|"""|^[ \t]*/\*|^[ \t]*//[ \t]'
)
_MAYBE_CODE = r'[;{}/#]|```|=>|"""|(?:^|\n)[ \t]*(?:async|def|class|export|function|import|from|return|print)'
"""Stands in every text in which _CODE does, and is looked for ten times as fast."""

_FENCED = r"(?s)```.*?(?:```|$)"
_CODE_LINE = (
    r"(?m)^[ \t]*(?:"
    r"[^\n]*[;{}][ \t]*"
    r"|(?:async[ \t]+)?(?:if|elif|else|for|while|try|except|with|def|class)\b[^\n]*[:{][ \t]*"
    r"|(?:return|import|from|print|#include|using|package|const|let|var|static|raise|yield)\b[^\n]*"
    r"|(?:if|for|while|else if|switch)[ \t]*\([^\n]*"
    r"|[\w*]+[ \t]+\**\w+\([^\n]*\)"
    r"|[\w.\[\]'\x22, *&:]+[ \t](?:[-+*/%|&:]?=)[ \t][^\n]*"
    r"|[\w.]+\([^\n]*\)"
    r"|[\[\](){}]+[,;]*"
    r"|>>>[^\n]*"
    r")$"
)
_DOCTEST = r"(?m)^[ \t]*(?:\*[ \t]*)?(?:>>>|\.\.\.)[^\n]*(?:\n[^\n]*)?"
_EXAMPLES = r"(?is)(?:\bexamples?\s*\d*\s*:|\bfor (?:example|instance)\b).*$"
_EXAMPLE_LINE = r"(?m)^[^\n]*\w\([^\n]*\)[ \t]*(?:=|->|➞|➔|→|//|#|gives|returns?\b|should\b)[^\n]*$"
_DECORATION = r"(?m)\"\"\"|'''|/\*+|\*+/|^[ \t]*(?:\*+/|//+|#+|\*+)[ \t]?|^[ \t]+(?://+|#+)[ \t]?"
_TAG = r"<<[^<>\n]*>>|@\w+(?:[ \t]*\{[^}\n]*\})?|:\w+(?:[ \t]\w+)?:"
_DEFINED = (
    r"\b(?:def|function|fn|func|const|int|bool|void|float|double|char|long|size_t|string|String|boolean)"
    r"[ \t]+\**\w+[ \t]*(?:=[ \t]*)?\("
)


def split_rows(table: pa.Table) -> "pl.DataFrame":
    """Every passage of a candidate table: `row`, `message` (its position), `side`, `text`, sorted by these.

    `message` is 0 for a row that is a text and no conversation. System messages say nothing of their own
    and are left out, as are messages after the 64th.
    """
    import polars as pl

    spoken = read_messages(table).filter(
        pl.col("role").is_in(["user", "assistant", "text"]), pl.col("position") < _READ_MESSAGES
    )
    said = spoken.select(
        "row",
        pl.col("position").alias("message"),
        pl.when(pl.col("role") == "assistant")
        .then(pl.lit("answered"))
        .otherwise(pl.lit("asked"))
        .alias("side"),
        pl.col("content").str.slice(0, READ_CHARS).alias("text"),
        (pl.col("role") == "text").alias("bare"),
    ).filter(pl.col("text").is_not_null())
    passages = _split(_part_answers(said))
    return passages.unique(maintain_order=True).sort("row", "message", "side", maintain_order=True)


def split_items(eval_set: EvalItems) -> "pl.DataFrame":
    """The passages of an eval set's items: `item`, `side`, `text`, sorted by item; each once in the set.

    An item whose prompt or answer is code, or that has a test, asks by what is `noted` in its prompt (in
    its entry point, where it has one), else by the prompt's prose, which then counts as `noted` too. Any
    other item is `asked`: as a whole, and where that is long, also paragraph by paragraph and by its end;
    with choices, also with the right one after it, for both may be told in one sentence.
    Answers of less than 60 characters, answers in code, and choices, which are statements that any text may
    make, are left out.
    """
    import polars as pl

    items = pl.DataFrame(
        {
            "row": range(len(eval_set.ids)),
            "text": [
                _from_entry(prompt, entry)
                for prompt, entry in zip(eval_set.prompts, eval_set.entry_points, strict=True)
            ],
            "answer": pl.Series(eval_set.answers, dtype=pl.String).str.slice(0, READ_CHARS),
            "chosen": [len(offered) > 0 for offered in eval_set.choices],
            "tested": [test is not None for test in eval_set.tests],
        }
    ).with_columns(
        (pl.col("answer").str.count_matches(_CODE) > 1).fill_null(value=False).alias("coded"),
        message=pl.lit(0, pl.Int64),
        bare=pl.lit(value=False),
    )
    prompts = _split(items.with_columns(side=pl.lit("asked")), names=False)
    prompts = prompts.join(
        items.select("row", "tested", "coded"), on="row", how="left", maintain_order="left"
    )
    noted = (pl.col("side") == "noted").any().over("row") | pl.col("tested") | pl.col("coded")
    prompts = prompts.with_columns(
        side=pl.when(noted).then(pl.lit("noted")).otherwise(pl.col("side")),
        rank=(pl.col("side") != "noted").cast(pl.Int8),
    )
    # of what is noted one passage an item: what stands in its code before what stands around it
    prompts = prompts.sort("row", "rank", maintain_order=True)
    whole = prompts.unique("row", keep="first", maintain_order=True)
    pieces = prompts.join(
        items.filter(pl.col("text").str.len_chars() > _MIN_LONG_ITEM_CHARS), on="row", how="semi"
    )
    pieces = pieces.filter(~noted, pl.col("text").str.len_chars() >= _MIN_PIECE_CHARS)
    prompts = pl.concat([whole, pieces]).unique(["row", "text"], keep="first", maintain_order=True)
    told = items.filter("chosen", pl.col("answer").is_not_null(), ~pl.col("coded"))
    told = told.with_columns(text=pl.concat_str("text", "answer", separator=" "), side=pl.lit("asked"))
    told = _split(told.filter(pl.col("text").str.len_chars() <= _MIN_LONG_ITEM_CHARS), names=False)
    told = told.unique("row", keep="first", maintain_order=True)
    prompts = pl.concat([prompts.select(told.columns), told.filter(pl.col("side") == "asked")])
    prompts = prompts.unique("text", keep="first", maintain_order=True)
    answers = _split(items.with_columns(side=pl.lit("answered"), text=pl.col("answer")), names=False).filter(
        pl.col("side") == "answered", pl.col("text").str.len_chars() >= _MIN_ANSWER_CHARS
    )
    answers = answers.join(items.filter("chosen"), on="row", how="anti", maintain_order="left")
    answers = answers.unique("row", keep="first", maintain_order=True)
    columns = [pl.col("row").alias("item"), "side", "text"]
    return pl.concat([prompts.select(columns), answers.select(columns)]).sort("item", maintain_order=True)


def find_code(texts: "pl.Series") -> "pl.Series":
    """Which texts have a line of code or a fence among their first 20,000 characters; null has none."""
    return _mark_code(texts.str.slice(0, READ_CHARS).fill_null(""))


def bare_texts(texts: Sequence[str]) -> list[str]:
    """Texts as passages: on one line, cut, without label and opening; what is too short is left out."""
    import polars as pl

    rows = pl.DataFrame({"row": range(len(texts)), "text": pl.Series(texts, dtype=pl.String)})
    return _tidy(rows.with_columns(message=pl.lit(0), side=pl.lit("asked")))["text"].to_list()


def _from_entry(prompt: str, entry: str | None) -> str:
    """The prompt from its entry point on: helpers that stand before it are not what is asked."""
    start = prompt.rfind(f"def {entry}(") if entry else -1
    return prompt[max(start, 0) :][:READ_CHARS]


def _part_answers(said: "pl.DataFrame") -> "pl.DataFrame":
    """A bare text of the form "Question: ... Answer: ..." as what it asks and what it answers."""
    import polars as pl

    groups = said.filter("bare").with_columns(parts=pl.col("text").str.extract_groups(_ANSWER))
    parted = groups.filter(pl.col("parts").struct["1"].str.strip_chars() != "")
    asked = parted.with_columns(text=pl.col("parts").struct["1"])
    answered = parted.with_columns(text=pl.col("parts").struct["2"], side=pl.lit("answered"))
    rest = said.join(parted, on=["row", "message"], how="anti", maintain_order="left")
    return pl.concat([rest, asked.drop("parts"), answered.drop("parts")])


def _split(said: "pl.DataFrame", *, names: bool = True) -> "pl.DataFrame":
    import polars as pl

    coded = _mark_code(said["text"])
    plain, code = said.filter(~coded), said.filter(coded)
    prose = pl.concat([plain, code.with_columns(text=_drop_code(pl.col("text")))]).with_columns(
        text=pl.col("text").str.replace_all(_CHOICE, "")
    )
    asked = prose.filter(pl.col("side") == "asked")
    pieces = [prose, split_paragraphs(prose), split_windows(asked), split_ends(asked)]
    columns = ["row", "message", "side", "text"]
    parts = _tidy(pl.concat([piece.select(columns) for piece in pieces]))
    return pl.concat([parts, _split_notes(code, names=names)])


def _mark_code(texts: "pl.Series") -> "pl.Series":
    """Which texts have a line of code or a fence; none is null."""
    marked = texts.str.contains(_MAYBE_CODE)
    maybe = marked.arg_true()
    return marked.scatter(maybe, texts.gather(maybe).str.contains(_CODE))


def _drop_code(content: "pl.Expr") -> "pl.Expr":
    # a note leaves a semicolon, so that the statement before it still ends like one
    bare = content.str.replace_all(_FENCED, "\n").str.replace_all(_NOTE, ";\n")
    return bare.str.replace_all(_CODE_LINE, "")


def _split_notes(code: "pl.DataFrame", *, names: bool) -> "pl.DataFrame":
    """All notes of a message as one passage, and the longest of several; names where there are none."""
    import polars as pl

    blocks = code.with_columns(text=pl.col("text").str.extract_all(_NOTE)).explode("text")
    blocks = _tidy(
        blocks.filter(pl.col("text").is_not_null()).with_columns(text=_clean(pl.col("text"))), shortest=3
    )
    noted = blocks.group_by("row", "message", maintain_order=True).agg(
        pl.col("text").str.join(" ").str.slice(0, PASSAGE_CHARS).alias("all"),
        pl.col("text").sort_by(pl.col("text").str.len_chars(), descending=True, maintain_order=True).first(),
    )
    named = code.join(noted, on=["row", "message"], how="anti", maintain_order="left").with_columns(
        text=pl.col("text").str.extract_all(_DEFINED).list.head(_NAMES).list.join(" ")
    )
    named = named.with_columns(text=_split_names(pl.col("text"))) if names else named.clear()
    both = [noted.drop("text").rename({"all": "text"}), noted.drop("all"), _tidy(named).drop("side")]
    return _keep_long(pl.concat(both)).select("row", "message", pl.lit("noted").alias("side"), "text")


def _clean(note: "pl.Expr") -> "pl.Expr":
    """A docstring or comment as prose: without its marks, tags, doctests and examples."""
    return (
        note.str.replace_all(_DOCTEST, "\n")
        .str.replace_all(_DECORATION, " ")
        .str.replace(_EXAMPLES, "")
        .str.replace_all(_EXAMPLE_LINE, "")
        .str.replace_all(_TAG, " ")
    )


def _split_names(definitions: "pl.Expr") -> "pl.Expr":
    words = definitions.str.replace_all(r"\b\w+[ \t]+\**(\w+)[ \t]*(?:=[ \t]*)?\(", "$1")
    return words.str.replace_all(r"([a-z0-9])([A-Z])", "$1 $2").str.replace_all("_", " ")


def _tidy(passages: "pl.DataFrame", *, shortest: int = _MIN_PASSAGE_CHARS) -> "pl.DataFrame":
    """`row`, `message`, `side`, `text` on one line, bare of label and opening; without what is too short."""
    import polars as pl

    # single spaces are not matched: seven times as fast as \s+
    bare = pl.col("text").str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars().str.replace(_LABEL, "")
    opened = bare.str.replace(_OPENING, "").str.replace_all(_IN_LANGUAGE, "$1").str.strip_chars()
    # an opening that is all there is says what is asked
    kept = pl.when(opened.str.len_chars() >= _MIN_PASSAGE_CHARS).then(opened).otherwise(bare)
    told = passages.select("row", "message", "side", kept.str.slice(0, PASSAGE_CHARS).alias("text"))
    return _keep_long(told, shortest)


def _keep_long(passages: "pl.DataFrame", shortest: int = _MIN_PASSAGE_CHARS) -> "pl.DataFrame":
    import polars as pl

    return passages.filter(
        pl.col("text").str.len_chars() >= shortest, pl.col("text").str.contains(r"\p{L}{2}")
    )
