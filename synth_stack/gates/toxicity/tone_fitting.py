"""What the tone by meaning is fitted to, and its fit: minutes of MiniLM, so done once and packaged."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.gates.toxicity.tone import list_prose, make_plain, mark_sentences, read_patterns
from synth_stack.gates.toxicity.tone_embedding import fit_meaning
from synth_stack.gates.word_lists import digest_list, read_neutral, read_sections

if TYPE_CHECKING:
    import polars as pl


def fit_examples() -> pa.Table:
    """The content of fitted.parquet; its metadata names the lists by digest.

    Raises MissingExtra and ModelError for the embedders.
    """
    sentences, classes = list_fitted()
    fitted = fit_meaning(sentences, classes, partial(mark_sentences, patterns=read_patterns()))
    return fitted.replace_schema_metadata(
        {name: digest_list(__package__, name) for name in ("cues", "examples")}
    )


def list_fitted() -> tuple["pl.Series", list[str | None]]:
    """Distinct sentences, and the class of each that is bad.

    A bad example is one sentence, since it may hold a civil one; a civil example is as many as it holds.
    The neutral texts are those that contamination compares with: tasks in plain and in technical words.
    """
    import polars as pl

    told = [(line, name) for name, lines in read_sections(__package__, "examples").items() for line in lines]
    neutral = read_neutral()
    told += [(line, "neutral/task") for line in neutral]
    lines = pl.Series([line for line, _ in told])
    messages = pl.DataFrame({"row": np.arange(len(lines)), "content": lines, "plain": make_plain(lines)})
    prose = list_prose(messages.with_columns(position=0, role=pl.lit("assistant")), read_patterns())
    classes = pl.Series([None if name.startswith("neutral/") else name.partition("/")[2] for _, name in told])
    prose = prose.select("row", "sentence", kind=classes.gather(prose["row"]))
    is_bad = pl.col("kind").is_not_null()
    joined = (
        prose.filter(is_bad)
        .group_by("row", "kind", maintain_order=True)
        .agg(pl.col("sentence").str.join(" "))
    )
    fitted = pl.concat([joined.select(prose.columns), prose.filter(~is_bad)])
    fitted = fitted.unique("sentence", keep="first", maintain_order=True)
    return fitted["sentence"], fitted["kind"].to_list()
