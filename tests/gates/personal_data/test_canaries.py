import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.gates.gate import Judge
from synth_stack.gates.personal_data import kinds as kinds_module
from synth_stack.gates.personal_data import national_ids, prefilter, search
from synth_stack.gates.personal_data.gate import personal_data
from synth_stack.gates.personal_data.kinds import KINDS, Kind
from synth_stack.gates.personal_data.national_ids import BY_NAME
from synth_stack.gates.personal_data.policy import Actions
from synth_stack.registry import bind
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.gates.playing import play
from tests.some_rows import make_preference_row, make_row, make_texts, make_tool_row

N = 12
DEAR = {"place": "hold", "birth_date": "hold", "name": "hold", "mention": "hold"}
CALLED: dict[str, Kind] = {
    **dict.fromkeys(BY_NAME, "national_id"),
    "hidden_email": "email",
    "in_code": "phone",
}
"""Of which kind the value is in canaries that are counted under another name."""

CODE = "Sort a list.\n\n```python\ndef sort(x):\n    return sorted(x)\n```"
LOG = "2026-01-02 10:00:00,123 INFO dfs.DataNode: Receiving block blk_1\n" * 3
CHINESE = "请问退货需要多久？大约需要三个工作日。"
SOILED = "I am Anna Keller, call me on +49 171 3920567 or at anna.keller@kellerpost.de."


def make_batch(name: str) -> pa.Table:
    rows: Mapping[str, list[dict[str, Any]]] = {
        "dialogue": [make_row(("user", "Where is it?"), ("assistant", "On its way. It left on Monday."))],
        "tools": [make_tool_row(), make_preference_row()],
        "soiled": [make_row(("user", SOILED), ("assistant", f"Thanks. {SOILED}"), locale="de")],
    }
    texts = {
        "code": CODE,
        "log": LOG,
        "chinese": CHINESE,
        "short": "x",
        "json": '{"text": "Where is it? Here."}',
    }
    return make_texts([texts[name]]) if name in texts else build_candidates(rows[name])


BATCHES = ["dialogue", "tools", "soiled", "code", "log", "chinese", "short", "json"]


def make_judge(**kinds: str) -> Judge:
    return personal_data(kinds=Actions.model_validate({**DEAR, **kinds}))


def plant(judge: Judge, batch: pa.Table) -> pa.Table:
    assert judge.plant is not None
    return judge.plant(batch, N, 5)


def count_kinds(rows: pa.Table) -> Counter[str]:
    return Counter(json.loads(extra)["kind"] for extra in rows["extra"].to_pylist())


def measure(judge: Judge, canaries: pa.Table) -> dict[str, float]:
    """The share of each kind's canaries that is turned away."""
    ((verdicts,), _) = play(judge, [canaries], name="personal_data")
    kinds = [json.loads(extra)["kind"] for extra in canaries["extra"].to_pylist()]
    away = Counter(
        kind
        for kind, outcome in zip(kinds, verdicts["outcome"].to_pylist(), strict=True)
        if outcome in {"reject", "hold"}
    )
    return {kind: away[kind] / n for kind, n in Counter(kinds).items()}


@pytest.mark.parametrize("name", BATCHES)
def test_every_kind_is_planted_in_every_sort_of_batch_and_caught(name: str) -> None:
    judge = make_judge()
    canaries = plant(judge, make_batch(name))
    acted = set(KINDS) - {"role_email", "hotline", "national_id"}
    assert count_kinds(canaries) == dict.fromkeys({*acted, *CALLED}, N)
    assert min(measure(judge, canaries).values()) >= judge.min_recall
    assert canaries.schema == CANDIDATE_SCHEMA
    assert set(canaries["generator"].to_pylist()) == {"canary"}


@pytest.mark.parametrize("name", BATCHES)
def test_controls_pass_whatever_the_row_was_like(name: str) -> None:
    judge = make_judge()
    assert judge.control is not None
    controls = judge.control(make_batch(name), N, 5)
    assert len(count_kinds(controls)) == 5
    assert set(controls["generator"].to_pylist()) == {"control"}
    assert max(measure(judge, controls).values()) == 0


def test_canaries_and_controls_are_the_same_for_the_same_seed_and_of_the_batchs_own_rows() -> None:
    judge, batch = make_judge(), make_batch("soiled")
    assert judge.plant is not None
    assert judge.control is not None
    for make in (judge.plant, judge.control):
        assert make(batch, 4, 5).to_pylist() == make(batch, 4, 5).to_pylist()
        assert make(batch, 4, 5)["row_id"] != make(batch, 4, 6)["row_id"]
        assert set(make(batch, 4, 5)["kind"].to_pylist()) == set(batch["kind"].to_pylist())
        assert set(make(batch, 4, 5)["locale"].to_pylist()) == {"de"}


@pytest.mark.parametrize("finder", list(kinds_module._FINDERS))
def test_a_finder_that_finds_nothing_is_noticed(finder: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = make_judge()
    canaries = plant(judge, make_batch("dialogue"))
    monkeypatch.setitem(kinds_module._FINDERS, finder, lambda *_: iter(()))
    seen = measure(judge, canaries)
    mine = {finder} | {kind for kind, value in CALLED.items() if value == finder}
    assert all(seen[kind] < judge.min_recall for kind in mine if kind in seen)


@pytest.mark.parametrize("finder", list(kinds_module._FINDERS))
def test_a_sieve_that_lets_nothing_through_is_noticed(finder: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = make_judge()
    canaries = plant(judge, make_batch("dialogue"))
    kept = tuple(hint for hint in prefilter.HINTS if hint.kind != finder)
    monkeypatch.setattr(search, "HINTS", kept)
    seen = measure(judge, canaries)
    mine = {finder} | {kind for kind, value in CALLED.items() if value == finder}
    assert all(seen[kind] < judge.min_recall for kind in mine if kind in seen)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_an_identity_number_that_is_no_longer_checked_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = make_judge()
    canaries = plant(judge, make_batch("dialogue"))
    kept = tuple(one for one in national_ids.NATIONAL_IDS if one.name != name)
    monkeypatch.setattr(kinds_module, "NATIONAL_IDS", kept)
    assert measure(judge, canaries)[name] < judge.min_recall


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_ignored_is_listed_as_off_and_not_planted(kind: Kind) -> None:
    judge = make_judge(**{kind: "ignore"})
    assert kind in judge.off
    assert kind not in count_kinds(plant(judge, make_batch("dialogue")))


def test_a_kind_that_one_locale_ignores_is_planted_in_the_rows_of_others_only() -> None:
    judge = personal_data(by_locale={"de": {"phone": "ignore"}})
    assert "phone" not in judge.off
    batch = build_candidates(
        [
            make_row(("user", "Hello."), ("assistant", "Hi."), locale=locale, draw=k)
            for k, locale in enumerate(["de", "fr"])
        ]
    )
    canaries = plant(judge, batch)
    phones = [row["locale"] for row in canaries.to_pylist() if json.loads(row["extra"])["kind"] == "phone"]
    assert phones == ["fr"] * N
    assert min(measure(judge, canaries).values()) >= judge.min_recall


def test_only_the_formats_of_the_gates_locales_are_planted() -> None:
    judge = personal_data(locales=["de-AT", "nl"])
    planted = count_kinds(plant(judge, make_batch("dialogue")))
    assert set(planted) & set(BY_NAME) == {"nl_bsn"}
    assert min(measure(judge, plant(judge, make_batch("dialogue"))).values()) >= judge.min_recall


def test_where_nothing_is_acted_on_or_nothing_is_there_nothing_is_planted() -> None:
    ignoring = personal_data(kinds=Actions.model_validate(dict.fromkeys(KINDS, "ignore")))
    assert plant(ignoring, make_batch("dialogue")).num_rows == 0
    assert set(ignoring.off) == set(KINDS)
    judge = make_judge()
    assert judge.control is not None
    assert plant(judge, CANDIDATE_SCHEMA.empty_table()).num_rows == 0
    assert judge.control(CANDIDATE_SCHEMA.empty_table(), N, 1).num_rows == 0


@pytest.mark.parametrize("content", [None, ""])
def test_a_row_that_says_nothing_is_no_obstacle(content: str | None) -> None:
    judge = make_judge()
    batch = build_candidates([make_row(("user", content), ("assistant", content))])
    assert min(measure(judge, plant(judge, batch)).values()) >= judge.min_recall


def test_the_gate_file_entry_binds_with_the_kinds_of_people() -> None:
    bound = bind(
        "gate", "personal_data", {"kinds": {"name": "hold", "birth_date": "redact"}}, where="gates[0]"
    )
    judge: Judge = bound.make()
    assert judge.off == ("role_email", "place", "hotline", "mention")
