"""What is wrong with the form of a row: the checks of the structure gate, in their order."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from synth_stack.gates.structure.alternatives import find_equal_sides, find_missing_sides
from synth_stack.gates.structure.batch_habits import Habits
from synth_stack.gates.structure.cut_off import find_cut, find_unpunctuated
from synth_stack.gates.structure.encoding import find_broken, find_mojibake
from synth_stack.gates.structure.faults import Fault, of_messages, of_rows, pick_first
from synth_stack.gates.structure.leaks import find_leaks
from synth_stack.gates.structure.placeholders import find_placeholders
from synth_stack.gates.structure.reading import OWN, Rows, Rules
from synth_stack.gates.structure.repetition import find_loops
from synth_stack.gates.structure.stock_answers import find_stock_answers
from synth_stack.gates.structure.tool_calls import find_call_faults
from synth_stack.text.words import UNSPACED, normalise

if TYPE_CHECKING:
    import polars as pl

_REASON_CHARS = 200
_WORD_CHARS = {r"\p{Han}\p{Hiragana}\p{Katakana}": 2, r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}": 4}
"""Characters of a word, about: of 1.4 to 2 in Chinese and Japanese, 4 to 5 in Thai and its neighbours."""
_ECHO_WORDS = 4
"""Fewer are said back in any dialogue: "Thank you", "Good night"."""
_ECHO_BYTES = 40
"""Punctuation and spaces make up less than half of a text, give or take so much."""


def find_faults(seen: Rows, rules: Rules, habits: Habits, strangers: "pl.DataFrame") -> list[Fault | None]:
    """The first fault of each row, in the order of the checks, then of the messages; `strangers` are the
    faults of language.
    """
    import polars as pl

    found = [check(seen, rules) for check in _CHECKS]
    ends = [find_cut(seen, rules, habits), find_unpunctuated(seen, rules, habits)]
    return pick_first(pl.concat([*found, *ends, strangers]), len(seen.rows), rules.held)


def _find_unmade(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    failure = pl.col("failure").fill_null("the reason is not readable").str.slice(0, _REASON_CHARS)
    failed = seen.rows.filter("failed")
    return of_rows(failed, "generation_failed", pl.format("generation failed: {}", failure))


def _find_absent(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    bare = pl.col("foreign") & pl.col("written") & ~pl.col("compared")
    why = (
        pl.when("compared")
        .then(pl.lit("its alternatives go on from nothing"))
        .otherwise(pl.lit("the row has none, and is no foreign row with a text"))
    )
    return of_rows(
        seen.rows.filter(pl.col("silent") & ~bare), "no_messages", pl.format("no messages: {}", why)
    )


def _find_unreadable(seen: Rows, _: Rules) -> "pl.DataFrame":
    """Texts that are no UTF-8, and nulls but for what a call or reasoning may leave unsaid."""
    import polars as pl

    what = "unreadable_text"
    torn = seen.rows.filter(pl.col("written") & pl.col("text").is_null())
    unsaid = ~pl.col("given") & ((pl.col("calls") > 0) | pl.col("reasoned"))
    gone = seen.messages.filter((pl.col("content").is_null() & ~unsaid) | pl.col("role").is_null())
    lost = seen.told.reasoning.filter(pl.col("reasoning").is_null())
    return pl.concat(
        [
            of_rows(torn, what, pl.lit("unreadable text: not valid UTF-8")),
            of_messages(
                gone, what, pl.format("unreadable text: message {} is null or not valid UTF-8", "position")
            ),
            of_messages(
                lost,
                what,
                pl.format("unreadable text: the reasoning of message {} is not valid UTF-8", "position"),
            ),
        ]
    )


def _find_disorder(seen: Rows, _: Rules) -> "pl.DataFrame":
    """Messages out of turn: a system message may lead, the user and the assistant alternate, and results
    stand between a call and what the assistant says next.
    """
    import polars as pl

    spoken = seen.messages.filter(pl.col("role") != "text")
    role, before, what = pl.col("role"), pl.col("before"), "wrong_roles"
    wanted = (
        pl.when(before.is_null() | (before == "system"))
        .then(pl.lit("user"))
        .when((before == "assistant") & pl.col("called_before"))
        .then(pl.lit("tool"))
        .when(before == "assistant")
        .then(pl.lit("user"))
        .otherwise(pl.lit("assistant"))
    )
    leads = before.is_null() & (pl.col("side") == OWN) & (role == "system")
    goes_on = (before == "tool") & (role == "tool") & ((pl.col("side") == OWN) | (pl.col("position") > 0))
    wrong = spoken.with_columns(wanted=wanted).filter((role != pl.col("wanted")) & ~leads & ~goes_on)
    named = role.str.slice(0, 20).str.replace_all(r"[^\w .-]", "?")
    reason = pl.format("wrong roles: message {} is {}, it is the turn of {}", "position", named, "wanted")
    last = spoken.filter(pl.col("position").shift(-1, fill_value=0) == 0)
    last = last.join(seen.rows.select("row", "compared"), on="row", how="left", maintain_order="left")
    answers = ~pl.col("compared") | (pl.col("side") != OWN)
    silent_end = last.filter(answers & (role != "assistant"))
    answered = last.filter(~answers & ~role.is_in(["user", "tool"]))
    return pl.concat(
        [
            of_messages(wrong, what, reason),
            of_messages(silent_end, what, pl.lit("wrong roles: the last message is not the assistant's")),
            of_messages(
                answered, what, pl.lit("wrong roles: alternatives follow on what a user or a tool says")
            ),
        ]
    )


def _find_misplaced(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    strange = seen.messages.filter(pl.col("reasoned") & (pl.col("role") != "assistant"))
    reason = "misplaced reasoning: message {} is not the assistant's"
    return of_messages(strange, "misplaced_reasoning", pl.format(reason, "position"))


def _find_empty(seen: Rows, _: Rules) -> "pl.DataFrame":
    """Messages that say nothing; a call needs no words, and a tool may have nothing to say."""
    import polars as pl

    blank = (
        (pl.col("content").fill_null("").str.strip_chars() == "")
        & (pl.col("calls") == 0)
        & (pl.col("role") != "tool")
    )
    empty = seen.messages.filter(blank)
    role = pl.col("role")
    what = pl.concat_str(pl.lit("empty_"), role.replace_strict(_EMPTY, default="text"))
    told = role.replace_strict(_SAID_EMPTY, default="empty text: the text is empty")
    alone = pl.lit("empty answer: the assistant message is reasoning alone")
    return of_messages(empty, what, pl.when("reasoned").then(alone).otherwise(told))


def _find_misfits(seen: Rows, rules: Rules) -> "pl.DataFrame":
    """Messages that are too short or too long; only a prompt, an answer and a text have bounds."""
    import polars as pl

    found = []
    for role, length in (("user", rules.prompt), ("assistant", rules.answer), ("text", rules.answer)):
        chars = pl.col("content").str.len_chars()
        said = seen.messages.filter(pl.col("role") == role).with_columns(chars=chars)
        # a text has no more words than characters, and most have fewer than the most words that they may have
        in_doubt = (pl.col("chars") > length.max_words) | (length.min_words > 1)
        mine = said.with_columns(words=_count_words(pl.when(in_doubt).then("content")))
        for unit, low, high in (
            ("chars", length.min_chars, length.max_chars),
            ("words", length.min_words, length.max_words),
        ):
            size, name = pl.col(unit), {"user": "prompt", "assistant": "answer", "text": "text"}[role]
            bounds = f"{{}} {unit}, allowed {low} to {high}"
            short = mine.filter((size < low) & (pl.col("calls") == 0))
            long = mine.filter(size > high)
            found += [
                of_messages(short, "too_short", pl.format(f"{name} too short: {bounds}", unit)),
                of_messages(long, "too_long", pl.format(f"{name} too long: {bounds}", unit)),
            ]
    return pl.concat(found)


def _count_words(text: "pl.Expr") -> "pl.Expr":
    """How many words a text has: what stands between white space and, in scripts without spaces, a word for
    as many characters as words of that script have (_WORD_CHARS).
    """
    import polars as pl

    is_ascii = text.str.len_bytes() == text.str.len_chars()
    rest = pl.when(~is_ascii).then(text)  # most texts are ASCII, and only the others need a second look
    spaced = rest.str.replace_all(f"[{UNSPACED}]", " ").str.count_matches(r"[^\s\p{P}\p{S}]\S*")
    unspaced = [
        (rest.str.count_matches(f"[{script}]") / chars).ceil().cast(pl.Int64)
        for script, chars in _WORD_CHARS.items()
    ]
    counted = spaced.cast(pl.Int64) + unspaced[0] + unspaced[1]
    return pl.when(is_ascii).then(text.str.count_matches(r"\S+").cast(pl.Int64)).otherwise(counted)


def _find_echoes(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    size, before = pl.col("content").str.len_bytes(), pl.col("said_before").str.len_bytes()
    alike = (size.cast(pl.Int64) - before.cast(pl.Int64)).abs() * 2 <= before + _ECHO_BYTES
    asked = seen.messages.filter((pl.col("role") == "assistant") & (pl.col("before") == "user") & alike)
    letters = normalise(asked["content"], punctuation=False)
    told = normalise(asked["said_before"], punctuation=False)
    words = pl.col("letters").str.count_matches(r"\S+")
    same = asked.with_columns(letters=letters, asked=told).filter(
        (pl.col("letters") == pl.col("asked"))
        & ((words >= _ECHO_WORDS) | (pl.col("letters").str.len_bytes() > 24))
    )
    return of_messages(same, "echo", pl.lit("prompt echoed: the answer only repeats the message before it"))


_EMPTY = {"user": "prompt", "assistant": "answer", "system": "system"}
_SAID_EMPTY = {
    "user": "empty prompt: the user message is empty",
    "assistant": "empty answer: the assistant message is empty",
    "system": "empty system message: it is empty",
}

_CHECKS: tuple[Callable[[Rows, Rules], "pl.DataFrame"], ...] = (
    _find_unmade,
    _find_absent,
    _find_unreadable,
    find_call_faults,
    _find_disorder,
    find_missing_sides,
    _find_misplaced,
    _find_empty,
    find_equal_sides,
    find_broken,
    _find_misfits,
    _find_echoes,
    find_leaks,
    find_mojibake,
    find_stock_answers,
    find_placeholders,
    find_loops,
)
