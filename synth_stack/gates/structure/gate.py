"""Well-formed and fit for use: whole, readable, in order, of sensible length, in the right language.

The cheapest gate, so it comes first. Checks run in one order and the first that fails gives the reason:
generation, presence, encoding, tool calls, roles, alternatives, emptiness, characters, length, echo, leaks
of a chat format, mojibake, stock answers, placeholders, ends, and then what is measured: loops, final
punctuation, language.
"""

from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.structure.batch_habits import merge_habits, read_habits, sketch_habits
from synth_stack.gates.structure.canaries import BARS, list_off, plant_faults
from synth_stack.gates.structure.canary_classes import name_classes
from synth_stack.gates.structure.checks import find_faults
from synth_stack.gates.structure.controls import mark_own_language, name_languages, plant_innocents
from synth_stack.gates.structure.faults import Fault
from synth_stack.gates.structure.language import find_strangers
from synth_stack.gates.structure.reading import Length, Rules, read_rows
from synth_stack.gates.word_lists import digest_list
from synth_stack.models.language_detector import load_detector
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.words import TEXT_SCHEME

Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
Action = Literal["reject", "hold"]

_PROMPT = Length(min_chars=1, max_chars=8_000, max_words=2_000)
_ANSWER = Length()
_LANGUAGES = ["en"]


@gate(
    "structure",
    version="5",
    reads=("content", "reasoning", "tool_calls", "tools", "alternatives", "extra"),
)
def structure(
    *,
    prompt: Length = _PROMPT,
    answer: Length = _ANSWER,
    languages: Annotated[list[Language], Field(max_length=50)] = _LANGUAGES,
    min_confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.6,
    max_repeats: Annotated[int, Field(ge=2, le=1000)] | None = 8,
    min_punctuated: Annotated[float, Field(ge=0.5, le=1)] | None = 0.98,
    cut_off: Action | None = "reject",
    chat_tokens: Action | None = "reject",
    end_marker: Action | None = "reject",
    reasoning_block: Action | None = "reject",
    mojibake: Action | None = "reject",
    refusal: Action | None = "reject",
    self_reference: Action | None = "reject",
    placeholder: Action | None = "reject",
) -> Judge:
    """A judge that rejects rows that no training run could use, and says what is wrong with them.

    It judges every row: a row without text is malformed, not unjudgeable. Messages are an optional
    system message, then user and assistant in turn, ending with the assistant; a foreign row may be a
    single text instead, held to the bounds of an answer. An answer that only repeats the message before
    it (case and punctuation aside) is an echo.

    An assistant message may call tools, and needs no content then. Every result answers a call that is open
    (by its id, or in order where there are no ids), none is left open when the user speaks again or the row
    ends, arguments are a JSON object, and in a row with `tools` they fit the schema of one of these
    (rows/json_schema.py says what is checked). A preference row has a prompt that ends with the user or a
    tool, and alternatives of which labels or ratings say which is chosen and which rejected; these differ,
    and each goes on with the assistant. It may end with a call. Reasoning stands on assistant messages, and
    never alone.

    Lengths, of content alone: at the upper bounds prompt and answer are about 2,000 and 4,000 tokens,
    together inside an 8,192-token training window. In scripts without spaces a word is so many characters as
    its words have (checks.py).

    max_repeats     how many times a unit may stand in a row, phrases of six words and more counted twice: no
                    text of the develop corpora has more than 6, but for what code and tables hold
    min_punctuated  the share of the answers of one sort (batch_habits.py) that end with a full stop from
    which
                    one without is turned away
    min_confidence  how surely a message is in none of `languages` (language_detector.py). 0.6 rejects nothing
                    of the develop corpora, in which every sure stranger was a translation

    The develop corpora are named in docs/gates.md. The other parameters say what becomes of a row with such a
    fault; null, and no `languages`, switch a check off.
    """
    outcomes = {
        "cut_off": cut_off,
        "chat_tokens": chat_tokens,
        "end_marker": end_marker,
        "reasoning_block": reasoning_block,
        "mojibake": mojibake,
        "refusal": refusal,
        "self_reference": self_reference,
        "placeholder": placeholder,
    }
    rules = Rules(
        prompt,
        answer,
        max_repeats,
        min_punctuated,
        {what: outcome for what, outcome in outcomes.items() if outcome is not None},
        languages,
        min_confidence,
    )
    detector = load_detector(languages) if languages else None

    def judge(table: pa.Table, state: State) -> pa.Table:
        seen = read_rows(table)
        strangers, scores, foreign = find_strangers(seen, rules, detector)
        faults = find_faults(seen, rules, read_habits(state), strangers)
        return build_verdicts(
            table.column("row_id"),
            "structure",
            ["accept" if f is None else rules.outcomes.get(f.what, "reject") for f in faults],
            scores=[scores.get(row) for row in range(len(table))],
            threshold=min_confidence if languages else None,
            reasons=[None if fault is None else fault.reason for fault in faults],
            reason_classes=[None if fault is None else f"structure.{fault.what}" for fault in faults],
            evidence=[None if f is None else _tell(f, foreign.get(row)) for row, f in enumerate(faults)],
        )

    def plant(sample: pa.Table, n: int, seed: int) -> pa.Table:
        # a row that is broken already would be turned away for that, whatever is planted in it
        sound = pc.equal(judge(sample, {})["outcome"], "accept") if len(sample) else None
        return plant_faults(sample if sound is None else sample.filter(sound), n, seed, rules)

    def control(sample: pa.Table, n: int, _: int) -> pa.Table:
        strange = pc.equal(judge(sample, {})["reason_class"], "structure.wrong_language")
        return plant_innocents(sample, n, rules, mark_own_language(strange))

    return Judge(
        judge=judge,
        rounds=(Round(sketch_habits, merge_habits),),
        facts={"text": TEXT_SCHEME, "phrases": digest_list("synth_stack.text", "refusals")},
        plant=plant,
        control=control,
        bars=BARS,
        caught_as=name_classes(mojibake=mojibake),
        off=list_off(rules),
        mend=partial(name_languages, rules=rules),
        dials=_list_dials(rules),
    )


def _tell(fault: Fault, language: str | None) -> str | None:
    """The evidence of a fault; of a wrong language also which it is."""
    named = {"language": language} if fault.what == "wrong_language" and language else {}
    told = {**fault.evidence, **named}
    return canonical_text(told) if told else None


def _list_dials(rules: Rules) -> tuple[Dial, ...]:
    """Of what is measured: a number that was not beyond its dial is kept of languages alone."""
    dials = []
    if rules.max_repeats is not None:
        most = float(rules.max_repeats)
        dials.append(
            Dial(most, ">", ("structure.repetition",), parameter="max_repeats", score="repeats", lowest=most)
        )
    if rules.min_punctuated is not None:
        least, what = rules.min_punctuated, "structure.no_final_punctuation"
        dials.append(Dial(least, ">=", (what,), parameter="min_punctuated", score="punctuated", lowest=least))
    if rules.languages:
        what = "structure.wrong_language"
        dials.append(Dial(rules.min_confidence, ">=", (what,), parameter="min_confidence"))
    return tuple(dials)
