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
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.text.ragged import Counts, Hashes, Ragged, offsets_of, sort_rows

if TYPE_CHECKING:  # polars takes 0.2 s to import, and `import synth_stack.gates` does not need it
    import polars as pl


TEXT_SCHEME = "synth_stack/text/v1"
"""Changes whenever a text would normalise, split or hash differently."""

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
"""The scripts written without spaces, to stand between the brackets of a pattern."""

WORD = 60
"""What a word between spaces weighs in `weigh_words`."""

LIGHTEST = 15
"""What the lightest word weighs, a Thai character."""

_SCRIPT_WEIGHTS = (
    (0x0E00, 0x0FFF, 15),  # Thai, Lao, Tibetan
    (0x1000, 0x109F, 15),  # Burmese
    (0x1780, 0x17FF, 15),  # Khmer
    (0x19E0, 0x19FF, 15),
    (0x2E80, 0x2FDF, 36),
    (0x3005, 0x3007, 36),
    (0x3021, 0x303B, 36),
    (0x3041, 0x30FF, 24),  # kana
    (0x31F0, 0x31FF, 24),
    (0x3400, 0x4DBF, 36),
    (0x4E00, 0x9FFF, 36),  # Han
    (0xA9E0, 0xA9FF, 15),
    (0xAA60, 0xAA7F, 15),
    (0xF900, 0xFAFF, 36),
    (0x1AFF0, 0x1B16F, 24),
    (0x20000, 0x3FFFF, 36),
)
"""First and last code point, and what such a character weighs: translators reckon 1,000 English words to be
1,600 to 1,800 Chinese characters and 2,000 to 2,400 Japanese ones, half of them kana; of Thai and its like it
takes some four characters, marks aside."""
_PUNCTUATION = r"[\p{P}\p{S}\p{Cf}]+"
_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_SPACE = np.uint8(ord(" "))
_LONG_WORD_BYTES = 512


def normalise(texts: "pl.Series", *, punctuation: bool = True) -> "pl.Series":
    """The form in which texts are compared: NFKC, lower case, white space runs to one space, trimmed.

    With `punctuation=False` everything of Unicode category P or S, and invisible format characters (Cf),
    is removed as well, so "co-op's" becomes "coops": the form in which eval items are looked for (Brown
    et al. 2020, appendix C). Null stays null. A null-typed series counts as strings.
    """
    import polars as pl

    texts = texts.cast(pl.String)
    ascii_only = is_ascii(texts)
    if not ascii_only.all():  # NFKC leaves ASCII as it is, and is the dearest step
        where = (~ascii_only).arg_true()
        texts = texts.scatter(where, texts.gather(where).str.normalize("NFKC"))
    texts = texts.str.to_lowercase()
    if not punctuation:
        texts = texts.str.replace_all(_PUNCTUATION, "")
    # single spaces, nearly all of the white space there is, are not matched: six times faster than \s+
    return texts.str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars()


def normalise_text(text: str, *, punctuation: bool = True) -> str:
    """One text as `normalise` leaves it."""
    import polars as pl

    return str(normalise(pl.Series([text]), punctuation=punctuation)[0])


def hash_words(normalised: "pl.Series") -> Ragged:
    """One hash per word of each normalised text, in order; a null text has no words.

    The hash folds the word's UTF-8 bytes eight at a time with the finaliser of SplitMix64 (Steele et al.
    2014), started from the length: two different words of up to eight bytes never share one.
    """
    data, starts, ends, bounds = _find_words(normalised)
    return Ragged(_hash_spans(data, starts, ends), np.searchsorted(starts, bounds).astype(np.int64))


def weigh_words(normalised: "pl.Series") -> Counts | None:
    """What each word of `hash_words(normalised)` says, in 60ths of a word, (m,); None where all say as much.

    A character of a script without spaces is less than a word: 20 Chinese characters say about what 12
    English words do, 25 Japanese or 48 Thai ones.
    """
    if is_ascii(normalised).all():
        return None
    data, starts, _, _ = _find_words(normalised)
    points = _read_points(data, starts)
    weights = np.full(len(points), WORD, dtype=np.int64)
    for first, last, weight in _SCRIPT_WEIGHTS:
        weights[(points >= first) & (points <= last)] = weight
    return None if (weights == WORD).all() else weights


def hash_texts(texts: "pl.Series") -> Hashes:
    """One hash of each text as it came, byte for byte, (n,): as of a single word; null counts as empty."""
    data, bounds = read_bytes(texts.fill_null(""))
    return _hash_spans(data, bounds[:-1], bounds[1:])


def hash_ngrams(words: Ragged, n: int) -> Ragged:
    """One hash per run of `n` words of a row, in order; a row of fewer than `n` words has none.

    h = s(n), then h = mix(h + word) word by word, where mix is the finaliser of SplitMix64: the order of
    words counts, and runs of different length differ.
    """
    counts = np.maximum(words.lengths - n + 1, 0)
    whole = _windows_in_rows(words, n)
    return Ragged(_fold_windows(words.values, n)[whole], offsets_of(counts))


def list_shingles(normalised: "pl.Series", n: int) -> Ragged:
    """The word n-grams of each normalised text, in order and repeated as they are.

    A text of one to `n` - 1 words is its own single shingle, so it equals nothing but the same text. A
    text without words has none.
    """
    words = hash_words(normalised)
    lengths = words.lengths
    grams, whole = _fold_windows(words.values, n), _windows_in_rows(words, n)
    for length in range(1, n):
        first = words.offsets[:-1][lengths == length]
        grams[first], whole[first] = _fold(words.values, first, length), True
    return Ragged(grams[whole], offsets_of(np.where(lengths < n, lengths > 0, lengths - n + 1)))


def shingle(normalised: "pl.Series", n: int) -> Ragged:
    """The distinct shingles of each normalised text (`list_shingles`), sorted within the row."""
    every = list_shingles(normalised, n)
    rows = np.repeat(np.arange(len(every.lengths)), every.lengths)
    return sort_rows(every.values, rows, len(every.lengths))


def is_ascii(texts: "pl.Series") -> "pl.Series":
    """Which texts are ASCII throughout; null counts as such."""
    return (texts.str.len_bytes() == texts.str.len_chars()).fill_null(value=True)


def read_bytes(texts: "pl.Series") -> tuple[NDArray[np.uint8], Counts]:
    """The UTF-8 bytes of texts without nulls, one after the other, and where each begins and ends."""
    array = texts.to_arrow().cast(pa.large_string())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    whole = np.frombuffer(data, dtype=np.uint8) if data else np.zeros(0, dtype=np.uint8)
    return whole[bounds[0] : bounds[-1]], bounds - bounds[0]


def mix(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014, with Stafford's mix 13): a bijection."""
    return _mix_in_place(values.copy())


def _mix_in_place(z: Hashes) -> Hashes:
    z += _GOLDEN_GAMMA
    shifted: Hashes = z >> np.uint64(30)
    z ^= shifted
    z *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(z, np.uint64(27), out=shifted)
    z ^= shifted
    z *= np.uint64(0x94D049BB133111EB)
    np.right_shift(z, np.uint64(31), out=shifted)
    z ^= shifted
    return z


def _set_apart(normalised: "pl.Series") -> "pl.Series":
    if is_ascii(normalised).all() or not normalised.str.contains(f"[{UNSPACED}]").any():
        return normalised
    return normalised.str.replace_all(rf"([{UNSPACED}]\p{{M}}*)", " $1 ")


def _find_words(normalised: "pl.Series") -> tuple[NDArray[np.uint8], Counts, Counts, Counts]:
    """The bytes of all texts, where each word begins and ends, and where each text does."""
    data, bounds = read_bytes(_set_apart(normalised).fill_null("") + " ")
    ends = np.flatnonzero(data == _SPACE)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    empty = starts == ends
    if empty.any():
        starts, ends = starts[~empty], ends[~empty]
    return data, starts, ends, bounds


def _read_points(data: NDArray[np.uint8], starts: Counts) -> Counts:
    """The code points that begin at `starts` in UTF-8 (RFC 3629, section 3)."""
    padded = np.concatenate([data, np.zeros(3, dtype=np.uint8)])
    a, b, c, d = (padded[starts + k].astype(np.int64) for k in range(4))
    low = (b & 63) << 6 | c & 63
    points: Counts = np.where(a < 0xE0, (a & 31) << 6 | b & 63, (a & 15) << 12 | low)
    points = np.where(a >= 0xF0, (a & 7) << 18 | low << 6 | d & 63, points)
    return np.where(a < 0x80, a, points)


def _hash_spans(data: NDArray[np.uint8], starts: Counts, ends: Counts) -> Hashes:
    padded = np.concatenate([data, np.zeros(8, dtype=np.uint8)])
    eights: Hashes = np.ndarray((len(data) + 1,), dtype="<u8", buffer=padded, strides=(1,))
    lengths = ends - starts
    hashes: Hashes = _LENGTH_HASHES[np.minimum(lengths, _LONG_WORD_BYTES)]
    hashes ^= eights[starts] & _BYTE_MASKS[np.minimum(lengths, 8)]
    _mix_in_place(hashes)
    active = np.flatnonzero((lengths > 8) & (lengths <= _LONG_WORD_BYTES))
    position = 8
    while len(active):
        left = lengths[active] - position
        chunk = eights[starts[active] + position] & _BYTE_MASKS[np.minimum(left, 8)]
        hashes[active] = _mix_in_place(chunk ^ hashes[active])
        position += 8
        active = active[left > 8]
    for k in np.flatnonzero(lengths > _LONG_WORD_BYTES):  # rare, and one word may be megabytes long
        digest = hashlib.blake2b(data[starts[k] : ends[k]].tobytes(), digest_size=8).digest()
        hashes[k] = int.from_bytes(digest, "little")
    return hashes


def _fold(words: Hashes, starts: Counts, n: int) -> Hashes:
    h = np.full(len(starts), mix(np.array([n], dtype=np.uint64))[0])
    for k in range(n):
        h += words[starts + k]
        _mix_in_place(h)
    return h


def _fold_windows(words: Hashes, n: int) -> Hashes:
    """`_fold` from every word on, (m,), rows or not; what runs over the end is filled with zeros."""
    padded = np.concatenate([words, np.zeros(n - 1, dtype=np.uint64)])
    h = np.full(len(words), mix(np.array([n], dtype=np.uint64))[0])
    for k in range(n):
        h += padded[k : k + len(words)]
        _mix_in_place(h)
    return h


def _windows_in_rows(words: Ragged, n: int) -> NDArray[np.bool_]:
    """From which words on `n` of them stand in one row, (m,)."""
    whole = np.ones(len(words.values), dtype=bool)
    for k in range(1, n):
        last = words.offsets[1:] - k
        whole[last[last >= words.offsets[:-1]]] = False
    return whole


_BYTE_MASKS = np.array([(1 << 8 * k) - 1 for k in range(9)], dtype=np.uint64)
_LENGTH_HASHES = mix(np.arange(_LONG_WORD_BYTES + 1, dtype=np.uint64))
