"""Rows with an answer made from the sources: false in one way (canaries), or true in other words
(controls).
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.factuality.answers import Answered, read_answers
from synth_stack.gates.factuality.library import Library
from synth_stack.gates.factuality.passages import SourceSentence
from synth_stack.gates.factuality.python_index import PythonIndex
from synth_stack.gates.factuality.retrieval import Query
from synth_stack.gates.factuality.rewriting import FALSE, reword
from synth_stack.gates.factuality.statements import read_statements
from synth_stack.gates.word_lists import read_sections
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.rows.texts import join_text

KINDS: Mapping[str, float] = {
    "number_changed": 0.5,
    "unit_changed": 0.5,
    "negated": 0.45,
    "condition_dropped": 0.2,
    "invented_name": 0.4,
    "contact_changed": 0.4,
    "not_in_source": 0.6,
    "invented_api": 0.6,
    "invented_parameter": 0.6,
    "code_syntax": 0.6,
}
"""The share of each kind that has to be caught: 60% of what is caught of such rows on the developing half
of benchmarks/grounding.py (0.75 to 1; of dropped conditions 0.55), since a kind may have few rows; with the
check switched off less than 0.1 of them is.
"""

_SHAPE = ["kind", "slice", "locale", "messages", "tools", "alternatives", "documents", "text"]
_MIN_WORDS, _MAX_WORDS = 6, 40
_POOL = 3_000
_QUERY_CHARS = 500


def plant_claims(library: Library, sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` canaries of each kind: questions of the sample with answers that the sources contradict."""
    rng = random.Random(seed)  # noqa: S311  (no secret)
    bases = list(_read_bases(library, sample))
    rows: list[dict[str, Any]] = []
    for kind, (wrong, spoil) in FALSE.items():
        for row, said in _draw(library, bases, n, rng, partial(spoil, rng=rng)):
            rows.append(_build(build_canary, row, reword(said, rng), wrong, draw=len(rows), kind=kind))
    if sourced := [row for row, found in bases if found or library.index is not None]:
        lines = list(read_sections(__package__, "inventions")["nowhere"])
        for k in range(n):
            row = sourced[k % len(sourced)]
            said = f"{lines[k % len(lines)]} {lines[(k + 1 + k // len(lines)) % len(lines)]}"
            rows.append(
                _build(build_canary, row, said, "no source says so", draw=len(rows), kind="not_in_source")
            )
    for kind, wrong, code in _spoil_code(library.python, n if bases else 0, rng):
        row = bases[len(rows) % len(bases)][0]
        rows.append(_build(build_canary, row, code, wrong, draw=len(rows), kind=kind))
    return build_candidates(rows) if rows else CANDIDATE_SCHEMA.empty_table()


def plant_controls(library: Library, sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` controls of each kind: sentences of the sources, copied or in other words; and code that
    runs.
    """
    rng = random.Random(seed)  # noqa: S311  (no secret)
    bases = list(_read_bases(library, sample))
    rows: list[dict[str, Any]] = []
    ways: dict[str, Callable[[str], str]] = {
        "copied": lambda text: text,
        "reworded": lambda text: reword(text, rng),
    }
    for kind, say in ways.items():
        for row, said in _draw(library, bases, n, rng, say):
            rows.append(
                _build(build_control, row, said, f"a sentence of a source, {kind}", draw=len(rows), kind=kind)
            )
    for code in _write_calls(library.python, n if bases else 0, rng):
        row = bases[len(rows) % len(bases)][0]
        rows.append(
            _build(
                build_control,
                row,
                _fence(code),
                "a call as the package has it",
                draw=len(rows),
                kind="true_call",
            )
        )
    return build_candidates(rows) if rows else CANDIDATE_SCHEMA.empty_table()


_Base = tuple[dict[str, Any], Sequence[SourceSentence]]


def _read_bases(library: Library, sample: pa.Table) -> Iterator[_Base]:
    """Each row of the sample with the sentences of sources nearest to what it is about."""
    answered = read_answers(sample)
    near: list[list[SourceSentence]] = [[] for _ in answered]
    if library.index is not None:
        near = library.index.find([_ask(each) for each in answered])
    for row, own, found in zip(sample.select(_SHAPE).to_pylist(), answered, near, strict=True):
        shelf = own.shelf
        yield row, list(shelf.sentences) if shelf is not None else found


def _ask(answered: Answered) -> Query:
    said = answered.said[0].content if answered.said else ""
    text = f"{answered.prompt[:_QUERY_CHARS]} {said[:_QUERY_CHARS]}"
    ideas = frozenset(idea for one in read_statements(text) for idea in one.ideas)
    return Query(text, ideas, frozenset())


def _draw(
    library: Library, bases: Sequence[_Base], n: int, rng: random.Random, change: Callable[[str], str | None]
) -> Iterator[tuple[dict[str, Any], str]]:
    """Up to `n` rows with a changed sentence each: the nearest that lends itself to it, else one from
    anywhere.
    """
    others: list[SourceSentence] = list(library.index.shelf.sentences) if library.index else []
    others = rng.sample(others, min(_POOL, len(others)))
    used: set[str] = set()
    for k in range(n if bases else 0):
        row, near = bases[k % len(bases)]
        pool = near if row["documents"] else [*near, *others]
        for sentence in pool:
            text = sentence.said.text
            if text in used or not _MIN_WORDS <= len(text.split()) <= _MAX_WORDS or text.endswith("?"):
                continue
            said = change(text)
            used.add(text)
            if said is not None:
                yield row, said
                break


def _build(
    make: Any, row: Mapping[str, Any], answer: str, what: str, *, draw: int, kind: str
) -> dict[str, Any]:
    """The row with this answer in the place of its own; of a comparison every side has it."""
    messages = [m for m in row["messages"] or () if m["role"] in {"system", "user"}]
    sides = [
        {**side, "messages": [{"role": "assistant", "content": answer}]} for side in row["alternatives"] or ()
    ]
    if not row["messages"]:
        built = make(row["kind"], [{"role": "text", "content": answer}], what, draw, kind=kind)
        return {**built, "slice": row["slice"], "locale": row["locale"], "documents": row["documents"]}
    if not sides:
        messages = [*messages, {"role": "assistant", "content": answer}]
    built = make(row["kind"], messages or [{"role": "user", "content": ""}], what, draw, kind=kind)
    kept = {name: row[name] for name in ("slice", "locale", "documents")}
    return {**built, **kept, "alternatives": sides or None, "text": join_text(messages, sides)}


def _spoil_code(python: PythonIndex | None, n: int, rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """(kind, what is wrong, answer): calls with an invented function or parameter, and code cut in a
    bracket.
    """
    for code in _write_calls(python, n, rng):
        name = re.sub(r"\.(\w+)\(", r".\1_every_item(", code, count=1)
        yield "invented_api", "a function that the package does not have", _fence(name)
    for code in _write_calls(python, n, rng):
        extra = "retry_limit_count=3"
        call = code.replace("()", f"({extra})") if "()" in code else code.removesuffix(")") + f", {extra})"
        yield "invented_parameter", "a parameter that the function does not have", _fence(call)
    for code in _write_calls(python, n, rng):
        yield "code_syntax", "code that does not parse", _fence(code + "\nprint(result")


def _write_calls(python: PythonIndex | None, n: int, rng: random.Random) -> list[str]:
    """Up to `n` calls of public functions, with placeholders for what they need."""
    if python is None:
        return []
    found = []
    for dotted, module in sorted(python.modules.items()):
        if any(part.startswith("_") for part in dotted.split(".")) or "test" in dotted:
            continue
        for name, symbol in sorted(module.members.items()):
            calls = symbol.calls if symbol.sort == "function" else None
            if name.startswith("_") or symbol.deprecated or not calls or len(calls) > 1 or module.open:
                continue
            if not calls[0].any_keyword and calls[0].positional_only == 0:
                given = ", ".join(f"{each}=value" for each in sorted(calls[0].required))
                found.append(f"import {dotted}\n\nresult = {dotted}.{name}({given})")
    return rng.sample(found, min(n, len(found)))


def _fence(code: str) -> str:
    return f"This is how to do it:\n\n```python\n{code}\n```"
