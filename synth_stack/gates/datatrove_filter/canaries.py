"""Texts that each filter has to turn away whatever its thresholds are, and prose that none of them may.

A filter whose rule stands in the gate file alone (a pattern, a model) has no canary: only its author knows
what it has to catch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.datatrove_filter.filters import FilterName, MadeFilter
from synth_stack.rows.schemas import build_candidates

PROSE = (
    "The harbour lies below the old town, where the river has cut a deep bed into the soft rock. Every "
    "morning the boats come back before sunrise, and the people on the quay sort the fish into wooden "
    "boxes while they talk about the weather of the coming days. A clerk writes the weights into a long "
    "green book that has been kept since his grandfather worked there.",
    "Behind the market hall a narrow street leads up to the school. It was built from grey stone after a "
    "fire had destroyed the wooden houses of the quarter, and its large windows look out over the roofs "
    "to the sea. In winter the teachers light a stove in each room, because the wind finds its way "
    "through all the frames.",
    "Most families have a small garden outside the walls. They grow beans, onions and a sort of apple "
    "that keeps until spring, and they share the work of mending fences when a storm has passed. Visitors "
    "are often surprised that nobody locks a gate, but the neighbours would notice any stranger within "
    "the hour.",
    "When the railway came, many believed that the place would change beyond recognition. Some workshops "
    "did move closer to the station, and the new hotel still serves guests from the capital. Yet the "
    "rhythm of the tides has remained more important than the timetable, and on quiet evenings you can "
    "hear why.",
)
"""Four paragraphs of more than 200 characters: what the defaults of every filter let pass, by a test."""

CANARIES: Mapping[FilterName, tuple[str, str]] = {
    "gopher_quality": ("numbers in the place of words", " ".join(str(n * 7919 % 9973) for n in range(200))),
    "gopher_repetition": ("one paragraph again and again", "\n\n".join([PROSE[0]] * 12)),
    "c4_quality": ("filler text of a page that nobody wrote", f"{PROSE[0]}\nLorem ipsum dolor sit amet."),
    "c4_paragraph": ("no paragraph at all", "One line stands alone."),
    "fineweb_quality": ("a menu in the place of sentences", "\n".join(f"entry {n}" for n in range(60))),
}
"""What is wrong and the text, by filter. The rules that see them are those of `_RULES`."""

_RULES: Mapping[FilterName, tuple[str, ...]] = {
    "gopher_quality": ("max_non_alpha_words_ratio", "min_stop_words"),
    "gopher_repetition": ("dup_para_frac", "dup_para_char_frac", "dup_line_frac"),
    "c4_quality": ("filter_lorem_ipsum",),
    "fineweb_quality": ("line_punct_thr", "short_line_thr"),
}
"""Parameters of which at least one has to be on for a canary to be seen; a filter that is not here has
none."""

_LIMITS: Mapping[str, tuple[float, float]] = {
    "min_doc_words": (0, 200),
    "max_doc_words": (300, float("inf")),
    "min_num_sentences": (-1, 8),
    "min_words_per_line": (-1, 30),
}
"""How far a limit of length may go for the prose to be within it: it has 240 words and 11 sentences."""


def list_kinds(filters: Sequence[MadeFilter]) -> list[FilterName]:
    """The filters that have a canary which their parameters let them see."""
    return [made.name for made in filters if made.name in CANARIES and _sees(made)]


def list_off(filters: Sequence[MadeFilter]) -> tuple[str, ...]:
    """The filters whose parameters switch off what would see their canary."""
    return tuple(made.name for made in filters if made.name in CANARIES and not _sees(made))


def plant_texts(filters: Sequence[MadeFilter], sample: pa.Table, n: int) -> pa.Table:
    """`n` canaries for each filter that has one, of the kinds of rows of the sample."""
    rows = []
    for kind in list_kinds(filters):
        wrong, text = CANARIES[kind]
        rows += [build_canary(*_shape(sample, text, draw), wrong, draw, kind=kind) for draw in range(n)]
    return build_candidates(rows)


def plant_prose(filters: Sequence[MadeFilter], sample: pa.Table, n: int) -> pa.Table:
    """`n` controls of prose; none where the gate file asks for other lengths, a pattern or a model."""
    own = any(made.name not in CANARIES for made in filters)
    if own or not all(_fits(made.params) for made in filters):
        return build_candidates([])
    text = "\n\n".join(PROSE)
    return build_candidates(
        build_control(*_shape(sample, text, draw), "plain prose", draw) for draw in range(n)
    )


def _sees(made: MadeFilter) -> bool:
    return made.name not in _RULES or any(made.params[rule] for rule in _RULES[made.name])


def _fits(params: Mapping[str, Any]) -> bool:
    return all(
        params.get(name) is None or low <= params[name] <= high for name, (low, high) in _LIMITS.items()
    )


def _shape(sample: pa.Table, text: str, draw: int) -> tuple[str, list[dict[str, Any]]]:
    """The kind of a row of the sample, and messages of that shape that say the text."""
    row = sample.select(["kind", "messages"]).slice(draw % len(sample), 1).to_pylist()[0]
    if not row["messages"]:
        return row["kind"], [{"role": "text", "content": text}]
    return row["kind"], [{"role": "assistant", "content": text}]
