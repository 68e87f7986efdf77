"""The language of what the user and the assistant say, against the languages that are wanted and the task."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import Fault, list_faults, place_of
from synth_stack.gates.structure.prose import keep_prose
from synth_stack.gates.structure.reading import Rows, Rules, read_prompts
from synth_stack.models.language_detector import UNKNOWN, Detector, LanguageGuess, fold_code

if TYPE_CHECKING:
    import polars as pl

_LOOK_CHARS = 500
_READ_CHARS = 2_000
_MIN_BYTES = 20
_MIN_LETTERS = 25
_MIN_WORDS = 5
_MIN_PIECE = 12
_MAX_FOREIGN = 0.8
"""A prompt that asks in a wanted language about a text in another one may hold so much of that text."""

_NAMED = {
    "am": "amharic",
    "ar": "arabic|عرب",
    "az": "azerbaijani|azeri",
    "be": "belarus",
    "bg": "bulgarian",
    "bn": "bengali|bangla",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german|deutsch",
    "el": "greek",
    "en": "english",
    "es": "spanish|español|castellano",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian|farsi",
    "fi": "finnish",
    "fr": "french|français",
    "gu": "gujarati",
    "he": "hebrew",
    "hi": "hindi|हिन्दी|हिंदी",
    "hr": "croatian|bosnian",
    "hu": "hungarian",
    "hy": "armenian",
    "is": "icelandic",
    "it": "italian",
    "ja": "japanese|日本語|kanji|hiragana",
    "ka": "georgian",
    "kn": "kannada",
    "ko": "korean|한국어",
    "ku": "kurdish",
    "lo": "lao\\b",
    "lt": "lithuanian",
    "lv": "latvian",
    "ml": "malayalam",
    "mr": "marathi",
    "ms": "malay|indonesian|bahasa",
    "nl": "dutch|nederlands",
    "no": "norwegian",
    "or": "odia|oriya",
    "pa": "punjabi",
    "pl": "polish|polski",
    "pt": "portuguese|português",
    "ro": "romanian",
    "ru": "russian|русск",
    "sk": "slovak",
    "sl": "sloven",
    "sq": "albanian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "te": "telugu",
    "th": "thai\\b",
    "tl": "tagalog|filipino",
    "tr": "turkish|türkçe",
    "uk": "ukrainian",
    "ur": "urdu",
    "vi": "vietnamese",
    "yo": "yoruba",
    "zh": "chinese|mandarin|cantonese|中文|汉语",
}
"""How prompts name the languages that are told, by code."""
_TASK = re.compile(
    r"(?i)\b(?:translat\w*|traduc\w*|traduz\w*|tradui\w*|übersetz\w*|vertaal\w*|vertalen|przetłumacz\w*"
    r"|tłumacz\w*"
    r"|översätt\w*|oversæt\w*|oversett\w*|çevir\w*|terjemah\w*|dịch|käännä\w*|přelož\w*|fordíts\w*|bilingual"
    r"|multilingual|transliterat\w*|romaji|pinyin|conjugat\w*|(?:another|other|foreign|different|any"
    r"|multiple|several"
    r"|native|target|source|two|three) languages?|what language|which language|language of the"
    r"|foreign (?:words?|phrases?)"
    r"|in(?:to)? english|to english|(?:in|into|to|from) (?:latin|esperanto|hawaiian|welsh|irish|gaelic"
    r"|swahili|zulu|maori"
    r"|sanskrit|nepali|yiddish|galician|hausa|igbo|somali|xhosa|afrikaans|khmer|burmese|mongolian|pashto"
    r"|uzbek|kazakh))\b"
    r"|翻[译譯訳]|译成|перев[её]?[дс]|перекла|ترجم|الترجمة|अनुवाद|번역|แปล|μεταφρ|תרג|ترجمه|অনুবাদ"
)
"""What a prompt says whose answer, or text, may be in any language."""
_SENTENCES = re.compile(r"[.!?:;\n。！？؟।]+")


def asks_for_language(prompt: str) -> bool:
    """Whether a prompt is a task of translation, or names any language: whose answer then is no stranger."""
    return bool(_TASK.search(prompt)) or re.search("(?i)" + "|".join(_NAMED.values()), prompt) is not None


def find_strangers(
    seen: Rows, rules: Rules, detector: Detector | None
) -> "tuple[pl.DataFrame, dict[int, float], dict[int, str]]":
    """Rows that say in another language what their task does not ask for; and by row how surely the answer,
    or else the prompt, is in another one: 0 where it plainly is not, no entry where nothing can be told; and
    the other language of the rows that are turned away for it.
    """
    import polars as pl

    if detector is None:
        return list_faults([]), {}, {}
    said = seen.messages.filter(
        pl.col("role").is_in(["user", "assistant", "text"]) & pl.col("good") & pl.col("content").is_not_null()
    )
    heads = said["content"].str.head(_LOOK_CHARS).to_list()
    looked = said.select("row", "side", "position", "role", "content").with_columns(
        told=pl.Series(detector.look(heads), dtype=pl.String)
    )
    local = _read_locales(seen, detector)
    strange = looked.filter(
        ~pl.col("told").is_in([*detector.known, UNKNOWN]) | pl.col("row").is_in(list(local))
    )
    sure = looked.filter(pl.col("told").is_in(list(detector.known)))["row"].unique().to_list()
    scores = dict.fromkeys(sure, 0.0)
    answered = looked.filter((pl.col("role") == "assistant") & pl.col("told").is_in(list(detector.known)))
    is_answered = set(answered["row"].to_list())
    measured = _measure(strange, local, detector)
    found = []
    foreign: dict[int, str] = {}
    prompts = read_prompts(seen, [row for row, _ in measured])
    for row, told in measured:
        wanted = local.get(row, detector.known)
        max_foreign = 1.0 if row in is_answered else _MAX_FOREIGN
        score, place, language = _weigh(told, prompts.get(row, ""), detector, wanted, max_foreign)
        if score is not None:
            scores[row] = score
            if score >= rules.min_confidence:
                foreign[row] = language
                reason = f"wrong language: {language}, wanted {', '.join(rules.languages)}"
                found.append((row, Fault("wrong_language", reason, place)))
    return list_faults(found), scores, foreign


_Line = tuple[int, int, str, LanguageGuess]
"""Side, position and role of a message, and what is told of it."""


def _read_locales(seen: Rows, detector: Detector) -> dict[int, frozenset[str]]:
    """The language of each row that has a locale in one of several wanted ones."""
    import polars as pl

    if len(detector.known) < 2:
        return {}
    tagged = seen.rows.filter(pl.col("locale").is_not_null()).select("row", "locale").iter_rows()
    codes = ((row, fold_code(re.split("[-_]", locale)[0].lower())) for row, locale in tagged)
    return {row: frozenset({code}) for row, code in codes if code in detector.known}


def _measure(
    strange: "pl.DataFrame", local: dict[int, frozenset[str]], detector: Detector
) -> list[tuple[int, list[_Line]]]:
    """What is told of the prose of these messages, by row."""
    import polars as pl

    prose = strange.with_columns(
        prose=keep_prose(pl.col("content").str.head(_READ_CHARS)).str.head(_READ_CHARS)
    )
    by_row: dict[int, list[_Line]] = {}
    columns = ("row", "side", "position", "role", "prose")
    for row, side, position, role, text in prose.select(columns).iter_rows():
        plain = _drop_names(text)
        told = (
            detector.measure([plain], local.get(row))[0]
            if _has_enough(plain)
            else LanguageGuess(UNKNOWN, None)
        )
        by_row.setdefault(row, []).append((side, position, role, told))
    return list(by_row.items())


def _drop_names(text: str) -> str:
    """A text without the words in capitals inside its sentences; one that is all in capitals stays, in
    small.
    """
    if text.upper() == text and text.lower() != text:
        return text.lower()
    kept = []
    begins = True
    for word in text.split():
        if begins or not word[0].isupper():
            kept.append(word)
        begins = word[-1] in ".!?:"
    return " ".join(kept)


def _has_enough(text: str) -> bool:
    letters = re.sub(r"[\W\d_]+", "", text)
    if len(letters.encode(errors="replace")) < _MIN_BYTES:
        return False
    return not letters.isascii() or (len(letters) >= _MIN_LETTERS and len(text.split()) >= _MIN_WORDS)


def _weigh(
    lines: Sequence[_Line], prompt: str, detector: Detector, wanted: frozenset[str], max_foreign: float
) -> tuple[float | None, dict[str, int], str]:
    """How surely a row is in another language than it should be, where that shows, and in which.

    An answer decides, and without one that can be told a prompt. What a task asks for is no stranger.
    """
    told = [line for line in lines if line[3].strangeness is not None]
    if not told:
        return None, {}, ""
    answers = [line for line in told if line[2] != "user"] or told
    side, position, role, worst = max(answers, key=lambda line: line[3].strangeness or 0.0)
    named = _NAMED.get(worst.language)
    is_named = named is not None and re.search(rf"(?i)\b(?:{named})", prompt) is not None
    is_asked = role != "text" and (
        is_named
        or bool(_TASK.search(prompt))
        or _is_mixed(prompt, worst.language, detector, wanted, max_foreign)
    )
    place = {} if role == "text" else place_of(side, position)
    return 0.0 if is_asked else worst.strangeness, place, worst.language


def _is_mixed(
    prompt: str, language: str, detector: Detector, wanted: frozenset[str], max_foreign: float
) -> bool:
    """Whether a prompt asks in a wanted language about a text in that other one, of at most that share."""
    pieces = [piece.strip() for piece in _SENTENCES.split(prompt[:_READ_CHARS])]
    pieces = [piece for piece in pieces if len(piece) >= _MIN_PIECE]
    sizes = {True: 0, False: 0}
    for piece, code in zip(pieces, detector.look(pieces), strict=True):
        if code in wanted or code == language:
            sizes[code in wanted] += len(piece)
    ours, theirs = sizes[True], sizes[False]
    return ours > 0 and 0 < theirs <= max_foreign * (ours + theirs)
