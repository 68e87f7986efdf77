"""Answers that end too early: at a limit of tokens, inside a bracket, a list, a sentence or a word."""

import re
from typing import TYPE_CHECKING

from synth_stack.gates.structure.batch_habits import FINAL, Habits
from synth_stack.gates.structure.faults import Fault, list_faults, of_messages, place_of
from synth_stack.gates.structure.prose import FENCED, is_code
from synth_stack.gates.structure.reading import OWN, Rows, Rules, read_prompts
from synth_stack.gates.structure.torn_words import asks_for_letter, is_torn_end
from synth_stack.gates.structure.unfinished import find_open_prose, split_sentences
from synth_stack.gates.structure.unfinished_code import find_open_code

if TYPE_CHECKING:
    import polars as pl

_LIMITS = (
    *("length", "max_tokens", "max_length", "model_length", "token_limit", "max_output_tokens"),
    *("content_filter", "incomplete", "error", "abort", "aborted"),
)
"""How servers say that an answer did not end by itself."""
_RECORDED = r'"(?:finish|finish_reason|finishReason|stop_reason|stopReason)":"([A-Za-z_]{1,40})"'
_TAIL_CHARS = 4_000
_TOLD_WORDS = 5
"""From so many words on a last line without signs of code is a sentence about the code before it."""
_SIGNS = re.compile(r"[{}<>=;|\[\]#_/\\]|\w\(")
_FENCE = r"(?m)^[ \t>]*(?:```|~~~)"
_PART_WANTED = re.compile(
    r"(?i)\b(?:signatures?|declarations?|unfinished"
    r"|incomplete|cliffhanger|(?:first|opening|next|missing) (?:\w+ )?(?:line|half|part|words?"
    r"|lines|sentence|letters?)"
    r"|truncat\w*|cut off|auto-?complet\w*|punctuation|lower ?case|encrypt\w*|decrypt\w*|cipher|rearrange"
    r"|scramble\w*)\b"
)
"""What a prompt asks for that may well break off."""
_REST_WANTED = re.compile(
    r"(?i)\b(?:complete the|completions?|continue|continuation|finish the|fill in|prefix)\b"
)
"""What a prompt asks for that may begin anywhere, and end so where it is no more than a sentence."""
_MAX_REST = 2
_TRANSLATED = re.compile(
    r"(?i)\b(?:translat\w+|traduc\w+|tradui\w+|tradur\w+|übersetz\w+|vertaal\w*|przetłumacz\w*"
    r"|переве\w+)"
    r"|翻译|翻譯|翻訳"
)
"""What asks for a text in another language: it ends as its original does, and in words that no other row of
the batch may have."""
_OPEN_ENDS = frozenset(":：,;([{-–—")
_VERSE_WANTED = re.compile(
    r"(?i)\b(?:poems?|poetry|haikus?|lyrics|verses?|songs?|rap|limericks?|sonnets?|headlines?|titles?"
    r"|slogans?|captions?"
    r"|tweets?|hashtags?|taglines?|names?|lists?|bullet\w*|keywords?|phrases?|labels?|subject lines?)\b"
)
"""What a prompt asks for that may well end without a full stop."""


def asks_for_part(prompt: str) -> bool:
    """Whether a prompt asks for what may end without a full stop, or break off."""
    return any(pattern.search(prompt) for pattern in (_PART_WANTED, _REST_WANTED, _VERSE_WANTED))


def find_cut(seen: Rows, rules: Rules, habits: Habits) -> "pl.DataFrame":
    """Answers that were cut off by what they end with, or by what their teacher or server said of them."""
    import polars as pl

    if not rules.outcomes.get("cut_off"):
        return list_faults([])
    return pl.concat([_find_limited(seen), _find_open(seen, habits)])


def find_unpunctuated(seen: Rows, rules: Rules, habits: Habits) -> "pl.DataFrame":
    """Answers without a full stop at the end, where of those of their sort in the batch nearly all have
    one.
    """
    if rules.min_punctuated is None:
        return list_faults([])
    forms = habits.read_forms(seen)
    found = [
        (row, side, position, share) for row, side, position, share in forms if share >= rules.min_punctuated
    ]
    prompts = read_prompts(seen, [line[0] for line in found])
    return list_faults(
        [
            (
                row,
                Fault(
                    "no_final_punctuation",
                    f"no final punctuation: message {position} has none, and {share:.1%} of its fellows do",
                    place_of(side, position),
                    {"punctuated": round(share, 6)},
                ),
            )
            for row, side, position, share in found
            if not asks_for_part(prompts.get(row, ""))
        ]
    )


def _find_limited(seen: Rows) -> "pl.DataFrame":
    """Answers whose finish reason is a limit. Our own generators keep the whole sentences of such an answer,
    and what ends with one passes; a foreign row's record of how it ended stands in its `extra`.
    """
    import polars as pl

    recorded = pl.col("extra").str.extract(_RECORDED, 1).str.to_lowercase().is_in(_LIMITS)
    stopped = seen.rows.filter(recorded & ~pl.col("silent")).select("row", limited=pl.lit(value=True))
    own = seen.rows.select("row", "foreign")
    answers = seen.messages.filter((pl.col("role") == "assistant") & pl.col("good"))
    last = answers.filter(pl.col("side") == OWN).group_by("row", maintain_order=True).last()
    told = last.select("row", "side", "position", "content", "role").join(
        stopped, on="row", how="inner", maintain_order="left"
    )
    said = answers.filter(pl.col("finish").str.to_lowercase().is_in(_LIMITS)).join(
        own, on="row", how="left", maintain_order="left"
    )
    whole = ~pl.col("foreign").fill_null(value=False) & pl.col("content").str.contains(FINAL)
    reason = pl.format("cut off: message {} ended at a limit of its teacher", "position")
    return pl.concat(
        [
            of_messages(frame, "cut_off", reason)
            for frame in (said.filter(~whole.fill_null(value=False)), told)
        ]
    )


def _find_open(seen: Rows, habits: Habits) -> "pl.DataFrame":
    import polars as pl

    text = pl.col("content").str.strip_chars_end()
    answers = seen.messages.filter(
        (pl.col("role") == "assistant") & pl.col("good") & (pl.col("calls") == 0) & (text != "")
    )
    fenced = text.str.contains("```", literal=True) & (text.str.count_matches(_FENCE) % 2 == 1)
    ends = text.str.tail(_TAIL_CHARS).str.contains(FINAL)
    looked = answers.filter(fenced | ~ends | text.str.contains(_LAST_ITEM)).with_columns(
        text=text, fenced=fenced
    )
    alone = answers.group_by("row").len().filter(pl.col("len") == 1)["row"]
    looked = looked.with_columns(alone=pl.col("row").is_in(alone.to_list()))
    found: list[tuple[int, Fault, str]] = []
    weak: list[tuple[int, Fault, str]] = []
    columns = ("row", "side", "position", "text", "fenced", "alone")
    for row, side, position, content, is_fenced, is_alone in looked.select(columns).iter_rows():
        why, is_sure = (
            ("an open code fence", True) if is_fenced else _read_end(content, habits, is_alone=is_alone)
        )
        if why is not None:
            fault = Fault("cut_off", f"cut off: message {position} ends {why}", place_of(side, position))
            (found if is_sure else weak).append((row, fault, content))
    loose = _find_loose(answers)
    weak = [line for line in weak if line[0] not in loose]
    prompts = read_prompts(seen, [row for row, _, _ in [*found, *weak]])
    found += [line for line in weak if not _is_asked_for(line[2], prompts.get(line[0], ""))]
    told = [
        (row, fault) for row, fault, said in found if not _is_translated(fault, said, prompts.get(row, ""))
    ]
    return list_faults(sorted(told, key=lambda line: line[0]))


def _find_loose(answers: "pl.DataFrame") -> set[int]:
    """Rows of several answers, two of which end without a full stop: a chat whose style that is."""
    import polars as pl

    ends = pl.col("content").str.strip_chars_end().str.tail(_END_CHARS)
    lacking = answers.filter(~ends.str.contains(FINAL) & ends.str.contains(r"\p{L}$"))
    return set(lacking.group_by("row").len().filter(pl.col("len") >= 2)["row"].to_list())


_END_CHARS = 12
_LAST_ITEM = r"\n[ \t>]*(?:[0-9]{1,3}[.)]|[-*•])$"


def _read_end(content: str, habits: Habits, *, is_alone: bool) -> tuple[str | None, bool]:
    """Where an answer breaks off, and whether no prompt could have asked for that."""
    tail = content[-_TAIL_CHARS:]
    if content.endswith(("```", "~~~")):
        return None, True
    plain = re.sub(FENCED, "\n", content).rstrip() if "```" in content else content
    if plain[:1] in "{[" or is_code(plain):
        last = plain.rpartition("\n")[2]
        if last == plain or len(last.split()) < _TOLD_WORDS or _SIGNS.search(last) or is_code(last):
            why = find_open_code(plain)
            return why, why != "inside a statement"
        tail = plain = last
    why, is_sure = find_open_prose(tail if plain is content else plain[-_TAIL_CHARS:], is_alone=is_alone)
    if why is not None:
        return why, is_sure
    return ("inside a word", False) if is_torn_end(tail, content, habits, is_alone=is_alone) else (None, True)


def _is_translated(fault: Fault, answer: str, prompt: str) -> bool:
    """Whether an answer is a translation that ends as its original does, or in a word of another language."""
    if not _TRANSLATED.search(prompt):
        return False
    end = answer.rstrip()[-1:]
    return fault.reason.endswith("inside a word") or (end in _OPEN_ENDS and prompt.rstrip()[-1:] == end)


def _is_asked_for(answer: str, prompt: str) -> bool:
    """Whether a prompt asks for what may end so, or for a passage of its own text."""
    is_rest = _REST_WANTED.search(prompt) is not None and len(split_sentences(answer)) <= _MAX_REST
    is_part = is_rest or _PART_WANTED.search(prompt) is not None
    return is_part or answer.strip() in prompt or asks_for_letter(answer, prompt)
