"""A linear model of hate and offence over words, pairs of words and the letters within words, all hashed.

Its weights come with the package, hate_ngrams.parquet, which benchmarks/toxicity_fit.py fits. What a word
adds to a text does not depend on its neighbours, so it is summed once for each distinct word of a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synth_stack.errors import ModelError
from synth_stack.text.hash_index import HashIndex
from synth_stack.text.ragged import Ragged, offsets_of
from synth_stack.text.words import hash_texts, is_ascii, mix

if TYPE_CHECKING:
    import polars as pl

AnyInteger = TypeVar("AnyInteger", np.int64, np.uint64)
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Hashes32 = NDArray[np.uint32]

LABELS = ("hate", "offence")
"""Hate attacks people for the group that they belong to; offence is any insult or swear word."""

PARTS = ("word", "pair", "letters")

SCHEMA = pa.schema([("part", pa.uint8()), ("hash", pa.uint32()), *[(label, pa.int8()) for label in LABELS]])
"""The weights in steps, sorted by part and hash; `word`, `pair` and `letters` number PARTS. The metadata has
`step` (one a part and label), `bias` (one a label) and `excess` (models/toxicity.py), as decimal numbers with
commas between."""

ADDED_TOKENS = 3
"""A text's sum is divided by the square root of its tokens and these: TF-IDF's unit length, nearly, as a sum
over words can have it."""

_LETTERS = (2, 3, 4, 5)
_LONGEST_CHARS = 40
"""Letters beyond these are not looked at: longer words are none, and text may hold a word of megabytes."""

_WORD = r"[\pL\pN][\pL\pM\pN]*(?:'\pL+)?"
_PLAIN = rf"{_WORD}|[\pP\p{{Sm}}\p{{Sc}}]"
_WITH_EMOJI = rf"{_WORD}|[\pP\pS]"

_LEAST_KNOWN = 0.45
"""The share of a text's words that the model has to know. Of English it knows 80% to 95%, of Spanish some
15% (benchmarks/toxicity.py)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`codes` number the `distinct` tokens; `rows` says, ascending, in which of `n` texts each stands."""

    n: int
    rows: Counts
    codes: Counts
    distinct: "pl.Series"

    @property
    def per_text(self) -> Counts:
        """How many tokens each text has, (n,)."""
        return np.bincount(self.rows, minlength=self.n)

    def once(self) -> "Tokens":
        """The tokens without order, and each only once in a text: what is said again says no more."""
        width = max(len(self.distinct), 1)
        keys = _sort_distinct(self.rows * width + self.codes)
        return Tokens(self.n, keys // width, keys % width, self.distinct)


@dataclass(frozen=True, slots=True)
class HateNgrams:
    """For each of PARTS the `hashes` and their `weights`, (m, labels); and a `bias` a label."""

    hashes: Mapping[str, HashIndex[np.uint32]]
    weights: Mapping[str, NDArray[np.float32]]
    bias: Floats
    excess: float

    def score(self, texts: "pl.Series") -> Floats:
        """The probability of each label for each text, (n, labels); nan where too few words are known."""
        tokens = list_tokens(texts)
        once = tokens.once()
        letters = hash_letters(tokens.distinct)
        spread = np.repeat(np.arange(len(tokens.distinct)), letters.lengths)
        own, known = self._weigh("word", cut_hashes(hash_texts(tokens.distinct)))
        of_word = own + _sum_by(spread, self._weigh("letters", cut_hashes(letters.values))[0], len(own))
        pairs, where = hash_pairs(tokens)
        sums = _sum_by(once.rows, of_word[once.codes], once.n)
        sums += _sum_by(where, self._weigh("pair", pairs)[0], tokens.n)
        logits = sums / np.sqrt(once.per_text + ADDED_TOKENS)[:, None] + self.bias
        is_word = tokens.distinct.str.contains(r"^\pL").to_numpy()
        words, told = (
            np.bincount(once.rows, weights=mask[once.codes], minlength=once.n)
            for mask in (is_word, is_word & known)
        )
        scores: Floats = 1 / (1 + np.exp(-logits))
        scores[(told < _LEAST_KNOWN * words) | (words == 0)] = np.nan
        return scores

    def _weigh(self, part: str, hashes: Hashes32) -> tuple[Floats, NDArray[np.bool_]]:
        """The weights of features, (m, labels), zero for one that has none, and which have some."""
        place, found = self.hashes[part].find(hashes)
        weights = self.weights[part][place].astype(np.float64)
        weights[~found] = 0
        return weights, found


def read_weights(data: bytes, source: str) -> HateNgrams:
    """The model in a file of SCHEMA. Raises ModelError."""
    try:
        table = pq.read_table(BytesIO(data))
        table = table.cast(SCHEMA.with_metadata(table.schema.metadata))
        told = {
            name: _read_numbers((table.schema.metadata or {})[name]) for name in (b"step", b"bias", b"excess")
        }
        steps = told[b"step"].reshape(len(PARTS), len(LABELS))
    except (pa.ArrowException, KeyError, ValueError) as exc:
        raise ModelError(f"{source} does not hold weights of hate_ngrams", seen=str(exc)) from exc
    part = table["part"].to_numpy()
    columns = np.stack([table[label].to_numpy() for label in LABELS], axis=1)
    hashes, weights = {}, {}
    for number, name in enumerate(PARTS):
        hashes[name] = HashIndex.of(table["hash"].to_numpy()[part == number])
        weights[name] = (columns[part == number] * steps[number]).astype(np.float32)
        if not len(weights[name]):
            raise ModelError(f"{source} has no weights of the part {name}")
    return HateNgrams(hashes, weights, told[b"bias"], float(told[b"excess"][0]))


def list_tokens(texts: "pl.Series", *, emoji: bool = False) -> Tokens:
    """The words, and the single signs, of each text: NFKC, lower case.

    With `emoji` these are signs too. The model is fitted with them and scores without: in Hatemoji those of
    people stand for hate of them, so a greeting with the emoji of a family would score like it; and without
    them the words beside would be blamed for what the emoji say.
    """
    import polars as pl

    plain = texts.cast(pl.String).fill_null("")
    odd = (~is_ascii(plain)).arg_true()
    if len(odd):
        composed = plain.gather(odd).str.normalize("NFKC").str.replace_all("’", "'", literal=True)
        plain = plain.scatter(odd, composed)
    found = pl.DataFrame(
        {"token": plain.str.to_lowercase().str.extract_all(_WITH_EMOJI if emoji else _PLAIN)}
    ).with_row_index("row")
    found = found.explode("token", empty_as_null=False).rechunk()
    coded = found["token"].to_arrow().dictionary_encode()
    return Tokens(
        len(texts),
        found["row"].to_numpy().astype(np.int64),
        coded.indices.to_numpy().astype(np.int64),
        pl.Series(coded.dictionary.cast(pa.large_string()), dtype=pl.String),
    )


def hash_letters(words: "pl.Series") -> Ragged:
    """The runs of 2 to 5 characters of each word with a space before and after it; a sign has none."""
    padded = " " + words.str.slice(0, _LONGEST_CHARS) + " "
    is_word = words.str.contains(r"^[\pL\pN]").to_numpy()
    lengths = padded.str.len_chars().to_numpy().astype(np.int64)
    points = np.frombuffer("".join(padded.to_list()).encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    word = np.repeat(np.arange(len(words)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(points))
    mixed = mix(points)
    hashes, owners = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for n in _LETTERS:
        inside = np.flatnonzero((left >= n) & is_word[word]) if len(points) else owners[0]
        h = np.full(len(inside), mix(np.array([n], dtype=np.uint64))[0])
        for k in range(n):
            h = mix(h + mixed[inside + k])
        hashes.append(h)
        owners.append(word[inside])
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return Ragged(np.concatenate(hashes)[order], offsets_of(np.bincount(owner, minlength=len(words))))


def hash_pairs(tokens: Tokens) -> tuple[Hashes32, Counts]:
    """One hash for each two tokens that follow each other in a text, once, and the text."""
    words = mix(hash_texts(tokens.distinct))
    follow = np.flatnonzero(tokens.rows[1:] == tokens.rows[:-1])
    first, second = tokens.codes[follow], tokens.codes[follow + 1]
    # the order counts: the second word is multiplied by an odd number
    hashes = cut_hashes(mix(words[first] + words[second] * np.uint64(3)))
    keys = _sort_distinct(tokens.rows[follow].astype(np.uint64) << np.uint64(32) | hashes)
    return keys.astype(np.uint32), (keys >> np.uint64(32)).astype(np.int64)


def cut_hashes(hashes: NDArray[np.uint64]) -> Hashes32:
    """The upper half of each hash: one that has no weight then meets one by chance once in 30,000."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _sort_distinct(keys: NDArray[AnyInteger]) -> NDArray[AnyInteger]:
    """The distinct keys, sorted: ten times as fast as np.unique, which hashes them."""
    ordered = np.sort(keys)
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    distinct: NDArray[AnyInteger] = ordered[first]
    return distinct


def _sum_by(groups: Counts, values: Floats, n: int) -> Floats:
    """(n, labels): the sums of the rows of `values` of each group."""
    sums = [np.bincount(groups, weights=column, minlength=n) for column in values.T]
    return np.stack(sums, axis=1)


def _read_numbers(told: bytes) -> Floats:
    return np.array([float(number) for number in told.split(b",")])
