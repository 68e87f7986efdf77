"""Personal data: values that reach a person, found by shape and check digit, and taken out or turned away.

Every row is looked at by regexes in Rust, column by column; only the few with a hint are read one by one.
No value that is found ever stands in a reason, in evidence or in facts: only its kind and its offsets.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Judge, State
from synth_stack.gates.personal_data.canaries import BAR, CAUGHT_AS, plant_canaries
from synth_stack.gates.personal_data.controls import make_controls
from synth_stack.gates.personal_data.kinds import KINDS, Kind
from synth_stack.gates.personal_data.phones import find_regions
from synth_stack.gates.personal_data.planting import Base, take_bases
from synth_stack.gates.personal_data.policy import Action, ActionPolicy, Actions, RowEnd
from synth_stack.gates.personal_data.redaction import build_copies, describe, redact_rows
from synth_stack.gates.personal_data.search import EXTRA, Found, Search, read_units
from synth_stack.gates.personal_data.surroundings import Setting
from synth_stack.gates.word_lists import digest_list
from synth_stack.registry import PARTS, gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import read_texts

Locale = Annotated[str, Field(pattern="^[a-z]{2}(-[A-Z]{2})?$")]
Own = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{6,14}|([a-z0-9-]+\.)+[a-z0-9-]{2,24})$")]

THRESHOLD = 1.0
_SCORES: Mapping[Action, float] = {"reject": 1.0, "redact": 1.0, "hold": 0.5, "ignore": 0.0}
_SETTINGS: Mapping[Setting, str] = {"code": "code", "log": "a log", "data": "JSON or a table"}
_MAX_LISTED = 100
_NOTHING = "personal_data.nothing_to_read"
_NOTHING_TO_READ = "nothing to read: no part of the row holds text"


_KINDS = Actions()
_LOCALES = ["en-US", "en-GB", "de", "fr", "es", "it", "nl", "pl"]
_BY_LOCALE: dict[str, dict[Kind, Action]] = {}
_OWN: list[str] = []


@gate("personal_data", version="5", reads=PARTS, harm="people")
def personal_data(
    *,
    kinds: Actions = _KINDS,
    locales: Annotated[list[Locale], Field(min_length=1, max_length=50)] = _LOCALES,
    by_locale: dict[Locale, dict[Kind, Action]] = _BY_LOCALE,
    own: Annotated[list[Own], Field(max_length=1000)] = _OWN,
) -> Judge:
    """A judge that turns away rows with values that reach a person, and makes copies without them.

    The gravest action among a row's values decides: reject, then hold, then redact. A redacted row is
    rejected, and its evidence names the copy that stands for it (`replaced_by`): the same row with [EMAIL]
    and the like in place of the values, `parent_id` naming the original, and in `extra` under `redacted` what
    was taken out where. A row of which no clean copy can be made is rejected without one. A value to be
    redacted that stands in code, a log, JSON or a table of numbers holds its row instead, as it is: a
    placeholder there would break it.

    `locales` say whose national formats of telephone numbers, identity numbers and addresses are looked
    for, a row's own locale adding to them; a bare language means its country, `en` both the United States
    and Great Britain. What is international (e-mail, IP, card, IBAN, a number with a plus) needs none.
    `by_locale` has other actions for the rows of a locale. `own` are domains and numbers (E.164) of the
    house, which pass.

    Every part of a row is read; names, ids, ratings and attachments are not. Score: 1 where a row is
    rejected, 0.5 where it is held, 0 else. Raises ConfigError for a locale without telephone numbers.
    """
    actions: dict[Kind, Action] = {kind: getattr(kinds, kind) for kind in KINDS}
    policy = ActionPolicy(actions, by_locale)
    regions = _gather_regions(locales)
    search = Search(regions, frozenset(own), policy.sought)

    def judge(table: pa.Table, _: State) -> pa.Table:
        seen = _see(table, policy, search)
        return _state(table, seen, _redact(table, seen, search))

    def amend(table: pa.Table, _: State) -> pa.Table:
        return build_copies(_redact(table, _see(table, policy, search), search).values())

    def take(sample: pa.Table) -> list[Base]:
        return take_bases(sample, search.clean)

    def plant(sample: pa.Table, n: int, seed: int) -> pa.Table:
        return plant_canaries(take(sample), policy.acted, regions, policy.acts, n=n, seed=seed)

    def control(sample: pa.Table, n: int, seed: int) -> pa.Table:
        return make_controls(take(sample), n, seed)

    return Judge(
        judge=judge,
        facts={
            "phonenumbers": version("phonenumbers"),
            "regions": list(regions),
            "lists": {name: digest_list(__package__, name) for name in ("given_names", "top_level_domains")},
        },
        plant=plant,
        control=control,
        caught_as=CAUGHT_AS,
        min_recall=BAR,
        off=tuple(kind for kind in KINDS if kind not in policy.acted),
        amend=amend if policy.redacts else None,
        dials=policy.list_dials(),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found in a table, by row, and what becomes of those rows.

    Of every row: whether it has any text, (n,), and its locale.
    """

    found: Mapping[int, list[Found]]
    ends: Mapping[int, RowEnd]
    readable: NDArray[np.bool_]
    locales: Sequence[str | None]


def _gather_regions(locales: list[str]) -> tuple[str, ...]:
    by_locale = {locale: find_regions(locale) for locale in locales}
    unknown = [locale for locale, regions in by_locale.items() if not regions]
    if unknown:
        raise ConfigError(
            "personal_data: a locale of no country that has telephone numbers",
            seen=unknown[0],
            allowed="a language and a country, such as de-AT",
        )
    return tuple(dict.fromkeys(region for regions in by_locale.values() for region in regions))


def _see(table: pa.Table, policy: ActionPolicy, search: Search) -> _Seen:
    import polars as pl

    units, locales = read_units(table), read_texts(table.column("locale")).to_list()
    found = search.run(units, locales)
    ends = {row: policy.settle(mine, locales[row]) for row, mine in found.items()}
    spoken = units.filter(pl.col("path") != EXTRA, pl.col("content").str.contains(r"\S"))
    readable = np.zeros(len(table), dtype=np.bool_)
    readable[spoken["row"].to_numpy()] = True
    return _Seen(found, ends, readable, locales)


def _redact(table: pa.Table, seen: _Seen, search: Search) -> dict[int, dict[str, Any]]:
    taken = {
        row: [one for one in seen.found[row] if one.value.kind in end.taken]
        for row, end in seen.ends.items()
        if end.action == "redact"
    }
    return redact_rows(table, taken, {row: seen.ends[row].ignored for row in taken}, search)


def _state(table: pa.Table, seen: _Seen, copies: Mapping[int, Mapping[str, Any]]) -> pa.Table:
    """One verdict a row; evidence for every row with a value, accepted ones too."""
    outcomes = np.where(seen.readable, "accept", "abstain").tolist()
    scores = [0.0 if readable else None for readable in seen.readable]
    reasons = [None if readable else _NOTHING_TO_READ for readable in seen.readable]
    classes = [None if readable else _NOTHING for readable in seen.readable]
    evidence: list[str | None] = [None] * len(table)
    for row, end in seen.ends.items():
        found, copy = seen.found[row], copies.get(row, {}).get("row_id")
        outcomes[row], scores[row], classes[row] = end.outcome, _SCORES[end.action], end.reason_class
        reasons[row] = _reason(end, copy)
        told = {
            "counts": dict(Counter(one.value.kind for one in found)),
            "findings": [describe(one) for one in found[:_MAX_LISTED]],
            "locale": seen.locales[row],
        }
        evidence[row] = canonical_text(told if copy is None else {**told, "replaced_by": copy})
    return build_verdicts(
        table.column("row_id"),
        "personal_data",
        outcomes,
        scores=scores,
        threshold=THRESHOLD,
        reasons=reasons,
        reason_classes=classes,
        evidence=evidence,
    )


def _reason(end: RowEnd, copy: str | None) -> str | None:
    if not end.counted:
        return None
    where = (
        f" in {' and '.join(_SETTINGS[one] for one in end.settings)}"
        if end.action == "hold" and end.settings
        else ""
    )
    named = f"personal data{where}: {', '.join(end.counted)}"
    if end.action != "redact":
        return named
    return f"{named}, redacted in {copy}" if copy else f"{named}, no clean copy can be made"
