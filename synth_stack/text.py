"""What every gate means by "the same text": one normalisation, words, and n-grams as flat arrays.

    normalised = normalise(texts)              Unicode NFKC, lower case, single spaces, trimmed
    words = hash_words(normalised)             one 64-bit hash per word, row after row
    grams = hash_ngrams(words, 3)              one per run of three words; never across rows
    sets = shingle(normalised, 3)              each row's distinct n-grams, sorted

A word is what stands between spaces. Scripts written without spaces (Han, kana, Thai, Lao, Khmer,
Burmese, Tibetan) have no such thing, so there each character with its combining marks is a word, and
word n-grams become character n-grams. Nothing here makes a Python object per row or per word.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:  # polars takes 0.2 s to import, and `import synth_stack.gates` does not need it
    import polars as pl

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]

SCHEME = "synth_stack/text/v1"
"""Changes whenever a text would normalise, split or hash differently."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_PUNCTUATION = r"[\p{P}\p{S}\p{Cf}]+"
_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_LONG_WORD_BYTES = 512
_SPAN_CHARS = 500
_PAIR_ELEMENTS = 1 << 18  # bisected at once: the working set stays in the cache


@dataclass(frozen=True, slots=True)
class Ragged:
    """n rows of hashes in one flat array: row i is `values[offsets[i]:offsets[i + 1]]`.

    `values` (m,) uint64; `offsets` (n + 1,) int64, from 0 to m.
    """

    values: Hashes
    offsets: Counts

    @property
    def lengths(self) -> Counts:
        """How many hashes each row holds, (n,)."""
        return np.diff(self.offsets)

    def take(self, rows: Counts) -> "Ragged":
        """The named rows, in the order named."""
        lengths = self.lengths[rows]
        return Ragged(self.values[_ranges(self.offsets[rows], lengths)], _offsets_of(lengths))


def normalise(texts: "pl.Series", *, punctuation: bool = True) -> "pl.Series":
    """The form in which texts are compared: NFKC, lower case, white space runs to one space, trimmed.

    With `punctuation=False` everything of Unicode category P or S, and invisible format characters (Cf),
    is removed as well, so "co-op's" becomes "coops": the form in which eval items are looked for (Brown
    et al. 2020, appendix C). Null stays null. A null-typed series counts as strings.
    """
    import polars as pl

    texts = texts.cast(pl.String)
    ascii_only = (texts.str.len_bytes() == texts.str.len_chars()).fill_null(value=True)
    if not ascii_only.all():  # NFKC leaves ASCII as it is, and is the dearest step
        where = (~ascii_only).arg_true()
        texts = texts.scatter(where, texts.gather(where).str.normalize("NFKC"))
    texts = texts.str.to_lowercase()
    if not punctuation:
        texts = texts.str.replace_all(_PUNCTUATION, "")
    return texts.str.replace_all(r"\s+", " ").str.strip_chars()


def normalise_text(text: str, *, punctuation: bool = True) -> str:
    """One text as `normalise` leaves it."""
    import polars as pl

    return str(normalise(pl.Series([text]), punctuation=punctuation)[0])


def hash_words(normalised: "pl.Series") -> Ragged:
    """One hash per word of each normalised text, in order; a null text has no words.

    The hash folds the word's UTF-8 bytes eight at a time with the finaliser of SplitMix64 (Steele et al.
    2014), started from the length: two different words of up to eight bytes never share one.
    """
    data, bounds = _bytes_of(_set_apart(normalised))
    edge = np.zeros(len(data) + 1, dtype=bool)
    edge[bounds] = True
    is_word = np.concatenate([[False], data != ord(" "), [False]])
    before, here = is_word[:-1], is_word[1:]
    starts = np.flatnonzero(here & (edge | ~before))
    ends = np.flatnonzero(before & (edge | ~here))
    return Ragged(_hash_spans(data, starts, ends), np.searchsorted(starts, bounds).astype(np.int64))


def hash_ngrams(words: Ragged, n: int) -> Ragged:
    """One hash per run of `n` words of a row, in order; a row of fewer than `n` words has none.

    h = s(n), then h = mix(h + word) word by word, where mix is the finaliser of SplitMix64: the order of
    words counts, and runs of different length differ.
    """
    counts = np.maximum(words.lengths - n + 1, 0)
    starts = _ranges(words.offsets[:-1], counts)
    return Ragged(_fold(words.values, starts, n), _offsets_of(counts))


def shingle(normalised: "pl.Series", n: int) -> Ragged:
    """The distinct word n-grams of each normalised text, sorted within the row.

    A text of one to `n` - 1 words is its own single shingle, so it equals nothing but the same text. A
    text without words has none.
    """
    words = hash_words(normalised)
    grams = hash_ngrams(words, n)
    values, rows = [grams.values], [np.repeat(np.arange(len(grams.lengths)), grams.lengths)]
    for length in range(1, n):
        short = np.flatnonzero(words.lengths == length)
        values.append(_fold(words.values, words.offsets[short], length))
        rows.append(short)
    return sort_rows(np.concatenate(values), np.concatenate(rows), len(words.lengths))


def sort_rows(values: Hashes, rows: Counts, n_rows: int) -> Ragged:
    """The distinct `values` of each of `n_rows` rows, sorted within the row; `rows` (m,) says whose."""
    order = np.argsort(values)
    # Stable on 16-bit keys is a radix sort: four times faster than sorting by two keys at once.
    narrow = rows[order].astype(np.uint16 if n_rows <= 1 << 16 else np.int64)
    order = order[np.argsort(narrow, kind="stable")]
    values, rows = values[order], rows[order]
    fresh = np.ones(len(values), dtype=bool)
    fresh[1:] = (values[1:] != values[:-1]) | (rows[1:] != rows[:-1])
    return Ragged(values[fresh], _offsets_of(np.bincount(rows[fresh], minlength=n_rows)))


def find_shared(left: Ragged, i: Counts, right: Ragged, j: Counts) -> NDArray[np.bool_]:
    """Which values of rows `i` of `left` are in rows `j` of `right`: `left.take(i)` flat, as booleans.

    `i` and `j` (p,) name p pairs of rows; the rows of `right` must be sorted. A bisection of all values
    at once.
    """
    lengths = left.lengths[i]
    wanted = left.values[_ranges(left.offsets[i], lengths)]
    low = np.repeat(right.offsets[j], lengths)
    end = np.repeat(right.offsets[j + 1], lengths)
    high = end.copy()
    if not len(right.values):
        return np.zeros(len(wanted), dtype=bool)
    last = len(right.values) - 1
    for _ in range(int(right.lengths[j].max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        below = open_ & (right.values[np.minimum(middle, last)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    found: NDArray[np.bool_] = (low < end) & (right.values[np.minimum(low, last)] == wanted)
    return found


def measure_jaccard(left: Ragged, i: Counts, right: Ragged, j: Counts) -> NDArray[np.float64]:
    """Exact Jaccard similarity |A and B| / |A or B| of p pairs of rows, (p,); rows sorted and distinct.

    Two empty sets score 0: nothing says that they are alike. Memory stays flat however many pairs.
    """
    shared = np.zeros(len(i), dtype=np.int64)
    sizes = np.cumsum(left.lengths[i])
    first = 0
    while first < len(i):
        done = sizes[first - 1] if first else 0
        stop = max(first + 1, int(np.searchsorted(sizes, done + _PAIR_ELEMENTS)))
        hits = find_shared(left, i[first:stop], right, j[first:stop])
        ends = sizes[first:stop] - done
        running = np.concatenate([[0], np.cumsum(hits)])
        shared[first:stop] = running[ends] - running[np.concatenate([[0], ends[:-1]])]
        first = stop
    union = left.lengths[i] + right.lengths[j] - shared
    similarity: NDArray[np.float64] = shared / np.maximum(union, 1)
    return similarity


def find_longest_spans(
    texts: "pl.Series", shared: NDArray[np.bool_], grams: Ragged, n: int, *, punctuation: bool = True
) -> "pl.DataFrame":
    """The longest run of shared n-grams of each text: `span` (at most 500 characters), `start`, `end`.

    `grams` are the texts' n-grams in order and `shared` says which of them count; `start` and `end` are
    character offsets into the text as it came. A text without a shared n-gram is shown from its
    beginning to its end: it was matched as a whole.
    """
    import polars as pl

    bounds = locate_words(texts, punctuation=punctuation)
    total = texts.str.len_chars().fill_null(0).to_numpy()
    start, end = np.zeros(len(texts), dtype=np.int64), total.astype(np.int64)
    rows, firsts, lengths = _longest_runs(shared, grams)
    word_offsets = np.searchsorted(bounds["row"].to_numpy(), np.arange(len(texts) + 1))
    first_word = word_offsets[rows] + firsts
    start[rows] = bounds["start"].to_numpy()[first_word]
    end[rows] = bounds["end"].to_numpy()[first_word + lengths + n - 2]
    frame = pl.DataFrame({"text": texts, "start": start, "end": end})
    size = pl.min_horizontal(pl.col("end") - pl.col("start"), pl.lit(_SPAN_CHARS))
    return frame.select(pl.col("text").str.slice(pl.col("start"), size).alias("span"), "start", "end")


def locate_words(texts: "pl.Series", *, punctuation: bool = True) -> "pl.DataFrame":
    """Where each word of `hash_words(normalise(texts))` stands: `row`, `start`, `end`, word by word.

    Offsets are characters of the text as it came. White space never joins what it parts, so its tokens
    normalise one by one; a token that yields several words is parted further at unspaced scripts, and
    where that does not give the same words again (a Thai vowel that NFKC takes apart, say) each of them
    gets the whole token.
    """
    import polars as pl

    frame = pl.DataFrame({"row": np.arange(len(texts)), "text": texts}).with_columns(pl.lit(0).alias("start"))
    tokens = _split(frame, r"\s+|\S+")
    tokens = _count_words(tokens, punctuation=punctuation)
    several = tokens.with_row_index("token").filter(pl.col("words") > 1)
    parts = _split(several.drop("words"), rf"[{_UNSPACED}]\p{{M}}*|[^{_UNSPACED}]+", keep=["row", "token"])
    parts = _count_words(parts, punctuation=punctuation)
    agreed = (
        parts.group_by("token").agg(pl.col("words").sum()).join(several, on=["token", "words"], how="semi")
    )
    parts = parts.join(agreed, on="token", how="semi")
    rest = tokens.with_row_index("token").join(agreed, on="token", how="anti")
    columns = ["row", "start", "end", "words"]
    found = pl.concat([rest.select(columns), parts.select(columns)]).sort("row", "start")
    return found.select(pl.col("row", "start", "end").repeat_by("words").explode(empty_as_null=False))


def read_texts(column: pa.Array | pa.ChunkedArray) -> "pl.Series":
    """An Arrow string column as polars strings, null where it is null or not valid UTF-8.

    Arrow files are not checked when they are read, and a string that is not UTF-8 (a lone surrogate
    written as three bytes, say) is undefined behaviour further down.
    """
    import polars as pl

    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        column = pa.array([_decode(v) for v in column.cast(pa.binary()).to_pylist()], pa.string())
    # polars 2.1 panics in some expressions over many chunks of which a filter has emptied some
    return pl.Series(values=pl.from_arrow(column), dtype=pl.String).rechunk()


def read_field(table: pa.Table, field: Literal["text", "prompt", "answer"]) -> "pl.Series":
    """One text per candidate row: what gates read, or the user's or the assistant's messages, line by line.

    Null where there is nothing of the kind.
    """
    import polars as pl

    if field == "text":
        return read_texts(table.column("text"))
    role = {"prompt": "user", "answer": "assistant"}[field]
    spoken = read_messages(table).filter(pl.col("role") == role)
    joined = spoken.group_by("row").agg(pl.col("content").str.join("\n"))
    every = pl.DataFrame({"row": np.arange(len(table))})
    return every.join(joined, on="row", how="left", maintain_order="left")["content"]


def read_messages(table: pa.Table) -> "pl.DataFrame":
    """Every message of a candidate table in order: `row`, `position` (from 0), `role`, `content`.

    A row without messages gives its `text`, where it has one, as its only message, in the role "text".
    """
    import polars as pl

    messages = table.column("messages").combine_chunks()
    role, content = messages.flatten().flatten()
    rows = messages.value_parent_indices().to_numpy().astype(np.int64)
    counts = np.bincount(rows, minlength=len(table)).astype(np.int64)
    spoken = pl.DataFrame(
        {
            "row": rows,
            "position": _ranges(np.zeros(len(counts), dtype=np.int64), counts),
            "role": read_texts(role),
            "content": read_texts(content),
        }
    )
    silent = pl.DataFrame({"row": np.flatnonzero(counts == 0)}).with_columns(
        position=pl.lit(0, pl.Int64),
        role=pl.lit("text"),
        content=read_texts(table.column("text").filter(pa.array(counts == 0))),
    )
    return pl.concat([spoken, silent.filter(pl.col("content").is_not_null())]).sort("row", "position")


def mix(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014, with Stafford's mix 13): a bijection."""
    z = values + _GOLDEN_GAMMA
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _set_apart(normalised: "pl.Series") -> "pl.Series":
    if not normalised.str.contains(f"[{_UNSPACED}]").any():
        return normalised
    return normalised.str.replace_all(rf"([{_UNSPACED}]\p{{M}}*)", " $1 ")


def _bytes_of(texts: "pl.Series") -> tuple[NDArray[np.uint8], Counts]:
    array = texts.fill_null("").to_arrow().cast(pa.large_string())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    whole = np.frombuffer(data, dtype=np.uint8) if data else np.zeros(0, dtype=np.uint8)
    return whole[bounds[0] : bounds[-1]], bounds - bounds[0]


def _hash_spans(data: NDArray[np.uint8], starts: Counts, ends: Counts) -> Hashes:
    padded = np.concatenate([data, np.zeros(8, dtype=np.uint8)])
    eights: Hashes = np.ndarray((len(data) + 1,), dtype="<u8", buffer=padded, strides=(1,))
    lengths = ends - starts
    hashes = mix(lengths.astype(np.uint64))
    masks = np.array([(1 << 8 * k) - 1 for k in range(9)], dtype=np.uint64)
    active = np.flatnonzero(lengths <= _LONG_WORD_BYTES)
    position = 0
    while len(active):
        left = lengths[active] - position
        chunk = eights[starts[active] + position] & masks[np.minimum(left, 8)]
        hashes[active] = mix(hashes[active] ^ chunk)
        position += 8
        active = active[left > 8]
    for k in np.flatnonzero(lengths > _LONG_WORD_BYTES):  # rare, and one word may be megabytes long
        digest = hashlib.blake2b(data[starts[k] : ends[k]].tobytes(), digest_size=8).digest()
        hashes[k] = int.from_bytes(digest, "little")
    return hashes


def _fold(words: Hashes, starts: Counts, n: int) -> Hashes:
    h = mix(np.full(len(starts), n, dtype=np.uint64))
    for k in range(n):
        h = mix(h + words[starts + k])
    return h


def _ranges(starts: Counts, lengths: Counts) -> Counts:
    """starts[0], starts[0] + 1, ... for lengths[0] numbers, then the same from starts[1], and so on."""
    offsets = _offsets_of(lengths)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)


def _offsets_of(lengths: Counts) -> Counts:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _longest_runs(shared: NDArray[np.bool_], grams: Ragged) -> tuple[Counts, Counts, Counts]:
    """Row, first position and length of the longest run in each row that has one; the first of equals."""
    edges = np.zeros(len(shared) + 1, dtype=bool)
    edges[grams.offsets] = True
    before = np.concatenate([[False], shared[:-1]]) & ~edges[:-1]
    after = np.concatenate([shared[1:], [False]]) & ~edges[1:]
    starts, stops = np.flatnonzero(shared & ~before), np.flatnonzero(shared & ~after)
    rows = np.searchsorted(grams.offsets, starts, side="right") - 1
    lengths = stops - starts + 1
    order = np.lexsort((starts, -lengths, rows))
    _, first = np.unique(rows[order], return_index=True)
    best = order[first]
    return rows[best], starts[best] - grams.offsets[rows[best]], lengths[best]


def _split(frame: "pl.DataFrame", pattern: str, keep: list[str] | None = None) -> "pl.DataFrame":
    """Each text parted into the matches of a pattern that covers it, with their character offsets."""
    import polars as pl

    keep = keep or ["row"]
    pieces = (
        frame.with_columns(pl.col("text").str.extract_all(pattern))
        .explode("text", empty_as_null=False, keep_nulls=False)
        .with_columns(pl.col("text").str.len_chars().cast(pl.Int64).alias("size"))
    )
    after = pl.col("size").cum_sum().over(keep) + pl.col("start")
    return pieces.select(*keep, "text", (after - pl.col("size")).alias("start"), after.alias("end"))


def _count_words(pieces: "pl.DataFrame", *, punctuation: bool) -> "pl.DataFrame":
    import polars as pl

    words = _set_apart(normalise(pieces["text"], punctuation=punctuation)).str.count_matches(r"[^ ]+")
    return pieces.with_columns(words.fill_null(0).cast(pl.Int64).alias("words"))


def _decode(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
