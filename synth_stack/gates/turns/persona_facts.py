"""Drift from the facts of a persona: its name, its product and the day that it bought it on.

A fact counts where a turn says it in one of a few plain forms ("my name is", "Dear", "my <product>", "ordered
on"). What is found this way is hardly ever wrong; what is said in other words is not found.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import orjson
import pyarrow as pa

from synth_stack.text.dates import DATE, MONTH, read_day, read_month
from synth_stack.text.words import normalise

if TYPE_CHECKING:
    import polars as pl

MAX_FACT_CHARS = 120
"""Our generators write no longer fact; one that is longer is not looked at."""

_NAME = r"(\p{Lu}[\p{L}'’-]+(?: \p{Lu}[\p{L}'’-]+)?)"
_TITLE = r"(?:(?i:mrs?|ms|miss|dr)\.? )?"
_INTRODUCED = (
    rf"\b(?i:my name is|my name's|the name is|the name's|my name:) {_TITLE}{_NAME}",
    r"^(\p{Lu}[\p{L}'’-]+ \p{Lu}[\p{L}'’-]+) (?:here|speaking)\b",
)
_KNOWN = (rf"\b(?i:i am|i'm|this is) {_TITLE}{_NAME}\b", r"^(\p{Lu}[\p{L}'’-]+) (?:here|speaking)\b")
"""Forms in which words other than a name may follow ("I'm Sorry"): only names in the batch count."""
_ADDRESSED = (
    r"^(?i:dear|hi|hello|hey|good (?:morning|afternoon|evening)|thanks|thank you|sorry),? "
    rf"{_TITLE}{_NAME}(?:[,!.:]|\n|$)",
    rf"^(?i:of course|certainly|you're welcome|no problem|great|sure|yes|no), {_TITLE}{_NAME}[,!.]",
)
_NOT_NAMES = frozenset(
    """all again agent assistant buyer client customer everyone folks friend guest guys hello hi
    madam member no okay shopper sir sorry sure support team thank thanks there user valued welcome yes
    you""".split()
)
_BOUGHT = "(?:ordered|bought|purchased|placed|order|purchase)"
_ON_A_DAY = rf"(\b(?i:{_BOUGHT})\b[^.!?;\n]{{0,60}}?\b(?i:{DATE}|(?:in|from) {MONTH}))"
_LAST_BOUGHT = re.compile(rf".*\b{_BOUGHT}\b(?P<between>.*?)\b(?P<day>{DATE}|{MONTH})", re.IGNORECASE)
_BUYING_WORDS = frozenset(
    """a an at back brand dated device from here in it item mine my new number of on one online order our
    product shop site store that the them these thing this unit us was website were you your""".split()
)
"""Words between buying and the day, beside the product's own: "bought tyres on" is about another one."""
_DAY_PREPOSITIONS = frozenset({"on", "of", "from", "dated", "the", "in"})
_AGES = frozenset({"new", "old"})


KNOWN = pa.schema([pa.field("fact", pa.string()), pa.field("text", pa.string())])
"""Words of names and whole products, normalised: each `fact` (name or product) and `text` once, sorted."""


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """What the personas of a batch are called and have bought: normalised, to tell one from another."""

    names: frozenset[str]
    products: frozenset[str]


class Drift(NamedTuple):
    """Another fact than the persona's: `seen` in the message at `position`, the persona has `expected`."""

    row: int
    position: int
    fact: str
    seen: str
    expected: str


def read_facts(extra: "pl.Series") -> "pl.DataFrame":
    """The facts of the persona of each row that has one: `row`, `name`, `product`, `date`.

    A persona is what `extra.dialogue.persona` holds; a fact that is no short text is null.
    """
    import polars as pl

    found = []
    holding = extra.str.contains('"persona"', literal=True).fill_null(value=False).arg_true()
    for row in holding.to_list():
        match _parse(extra[row]):
            case {"dialogue": {"persona": dict(persona)}}:
                found.append((row, *(_read_fact(persona.get(name)) for name in ("name", "product", "date"))))
    schema = {"row": pl.Int64, "name": pl.String, "product": pl.String, "date": pl.String}
    return pl.DataFrame(found, schema=schema, orient="row")


def list_known(facts: "pl.DataFrame") -> pa.Table:
    """The names (by word) and the products of these personas, as KNOWN."""
    found = {("name", word) for name in facts["name"].drop_nulls().unique() for word in _words_of(name)}
    plain = normalise(facts["product"].drop_nulls().unique(), punctuation=False)
    return _write_known(found | {("product", product) for product in plain if product})


def join_known(tables: Iterable[pa.Table]) -> pa.Table:
    """What all these tables of KNOWN hold, each text once."""
    found: set[tuple[str, str]] = set()
    for table in tables:
        found.update(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return _write_known(found)


def read_known(table: pa.Table) -> KnownFacts:
    """The names and products in a table of KNOWN."""
    texts: dict[str, list[str]] = {"name": [], "product": []}
    for fact, text in zip(*(column.to_pylist() for column in table.columns), strict=True):
        texts[fact].append(text)
    return KnownFacts(frozenset(texts["name"]), frozenset(texts["product"]))


def _write_known(found: set[tuple[str, str]]) -> pa.Table:
    rows = sorted(found)
    return pa.table([pa.array([row[k] for row in rows], pa.string()) for k in range(2)], schema=KNOWN)


def find_drift(spoken: "pl.DataFrame", facts: "pl.DataFrame", known: KnownFacts) -> Iterator[Drift]:
    """Every fact in a turn that is not that of its row's persona; `spoken` as from `read_messages`."""
    stated = spoken.join(facts, on="row", how="inner", maintain_order="left")
    yield from _find_names(stated, known)
    yield from _find_products(stated, known)
    yield from _find_days(stated)


def _find_names(stated: "pl.DataFrame", known: KnownFacts) -> Iterator[Drift]:
    import polars as pl

    mine, theirs = pl.col("role") == "user", pl.col("role") == "assistant"
    forms = [*((mine, form) for form in (*_INTRODUCED, *_KNOWN)), *((theirs, form) for form in _ADDRESSED)]
    for role, pattern in forms:
        seen = pl.col("content").str.normalize("NFKC").str.replace_all("’", "'").str.extract(pattern, 1)
        found = stated.filter(role).select("row", "position", "name", seen=seen).drop_nulls()
        for row, position, name, said in found.iter_rows():
            words = [word for word in _words_of(said) if word not in _NOT_NAMES]
            if pattern in _KNOWN and words[:1] and words[0] not in known.names:
                continue
            if _is_another_name(words, _words_of(name)):
                yield Drift(row, position, "name", said, name)


def _is_another_name(said: list[str], own: list[str]) -> bool:
    """Whether a name of one or two words is not the persona's; a surname counts where the persona has one."""
    if not said or said[0] not in own:
        return len(said) > 0
    return len(own) > 1 and len(said) > 1 and said[1] not in own


def _find_products(stated: "pl.DataFrame", known: KnownFacts) -> Iterator[Drift]:
    import polars as pl

    longest = max((product.count(" ") + 1 for product in known.products), default=0)
    mine = stated.filter((pl.col("role") == "user") & pl.col("product").is_not_null())
    plain = normalise(mine["content"], punctuation=False)
    own = normalise(mine["product"], punctuation=False)
    named = mine.select("row", "position", "product", own=own, plain=plain)
    possessive = named.filter(pl.col("plain").str.contains(r"\bmy "))
    for row, position, product, mine_too, said in possessive.iter_rows():
        for seen in _list_owned(said.split(" "), known, longest):
            if f" {seen} " not in f" {mine_too} ":
                yield Drift(row, position, "product", seen, product)


def _list_owned(words: list[str], known: KnownFacts, longest: int) -> Iterator[str]:
    """The products after "my", "my new" or "my old", each by the longest name that is known."""
    for k in (k for k, word in enumerate(words) if word == "my"):
        firsts = [k + 1] if _AGES.isdisjoint(words[k + 1 : k + 2]) else [k + 1, k + 2]
        names = (" ".join(words[i : i + size]) for i in firsts for size in range(longest, 0, -1))
        yield from [name for name in names if name in known.products][:1]


def _find_days(stated: "pl.DataFrame") -> Iterator[Drift]:
    import polars as pl

    said = pl.col("content").str.extract_all(_ON_A_DAY)
    found = stated.select("row", "position", "date", "product", seen=said).explode("seen")
    for row, position, date, product, seen in found.drop_nulls(["date", "seen"]).iter_rows():
        day = _read_bought(seen, product or "")
        found_day, expected = read_day(day or "") or read_month(day or ""), read_day(date)
        if found_day is not None and expected is not None and not found_day.may_be(expected):
            yield Drift(row, position, "date", str(day), date)


def _read_bought(seen: str, product: str) -> str | None:
    """The day in "bought it on 3 May", or the month; None where it is not the day of buying the product."""
    match = _LAST_BOUGHT.fullmatch(seen)
    words = _words_of(match["between"]) if match else []
    if match is None or not words or words[-1] not in _DAY_PREPOSITIONS:
        return None
    about = _BUYING_WORDS.union(_words_of(product))
    return match["day"] if all(word in about or word.lstrip("#").isdigit() for word in words) else None


def _words_of(name: str) -> list[str]:
    """The words of a name without case and accents: "Chloé" and "Chloe" are one person."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return [word.strip("'’.").removesuffix("'s") for word in plain.replace("-", " ").split()]


def _parse(extra: str) -> object:
    try:
        return orjson.loads(extra)
    except orjson.JSONDecodeError:
        return None


def _read_fact(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_FACT_CHARS else None
