import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.gates.gate import Judge
from synth_stack.gates.structure import leaks
from synth_stack.gates.structure.gate import structure
from synth_stack.gates.structure.reading import Length
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.gates.playing import learn
from tests.some_rows import make_preference_row, make_row, make_tool_row

PLAIN = make_row(("user", "How do I cancel my order?"), ("assistant", "Open the order and press cancel."))
OTHER = make_row(
    ("system", "You are a helpful clerk."),
    ("user", "Which of the two is the better one for a small kitchen?"),
    ("assistant", "The narrow one. It fits under most shelves, and you can move it by yourself."),
    draw=1,
)
CODE = make_row(("user", "Add two numbers."), ("assistant", "def add(a, b):\n    return a + b"), draw=2)
TEXT = make_row(kind="foreign", text="I lost my card on the way home. What should I do now?", draw=3)
REASONED = make_row(
    messages=[
        {"role": "user", "content": "Which of the two is the better one for a small kitchen?"},
        {"role": "assistant", "content": "The narrow one.", "reasoning": "It fits under most shelves."},
    ],
    draw=8,
)
HINDI = make_row(("user", "कल क्या हुआ?"), ("assistant", "पुराना पुल बसंत में बंद कर दिया गया।"), draw=5)
CHINESE = make_row(("user", "如何取消订单？"), ("assistant", "打开订单页面，然后点击取消。"), draw=4)
QUOTED = make_row(
    ("user", "What did she say?"),
    ("assistant", 'She said that she was in "The Tall Clerk" and (in June) "Snow."'),
    draw=6,
)
TRIMMED = make_row(("user", "What is a lamp?"), ("assistant", "It gives light."), draw=7)
TRIMMED["messages"][-1]["finish"] = "length"
BATCH = [PLAIN, OTHER, CODE, TEXT, make_tool_row(), make_preference_row()]

NEVER = re.compile("never anywhere")
CONTENT_KINDS = {
    "cut_off", "open_fence", "finish", "no_final_punctuation", "chat_tokens", "end_marker", "reasoning_block",
    "mojibake", "broken_characters", "too_long", "refusal", "self_reference", "placeholder", "repetition",
    "wrong_language", "cut_code", "other_speaker", "bare_reasoning", "misread", "refusal_abroad", "sign_loop",
    "sentence_token", "lost_chinese",
}  # fmt: skip


def count(judge: Judge, planted: pa.Table, sample: pa.Table) -> Mapping[str, tuple[int, int]]:
    """How many rows of each kind were turned away, canaries for what is wrong with them, and how many there
    are.
    """
    verdicts = judge.judge(planted, learn(judge, [sample], planted)).to_pylist()
    away: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for row, verdict in zip(planted.to_pylist(), verdicts, strict=True):
        kind = json.loads(row["extra"])["kind"]
        every[kind] += 1
        wanted = judge.caught_as.get(kind, (verdict["reason_class"],))
        away[kind] += verdict["outcome"] in {"reject", "hold"} and verdict["reason_class"] in wanted
    return {kind: (away[kind], n) for kind, n in every.items()}


def find_blind(rows: list[dict[str, Any]], **params: Any) -> set[str]:
    """The kinds of canaries of which fewer than their bar are caught."""
    judge, sample = structure(**params), build_candidates(rows)
    assert judge.plant is not None
    counts = count(judge, judge.plant(sample, 6, 1), sample)
    return {kind for kind, (away, n) in counts.items() if away < n * judge.bars.get(kind, judge.min_recall)}


def find_unfair(rows: list[dict[str, Any]], **params: Any) -> set[str]:
    """The kinds of controls of which too many are turned away."""
    judge, sample = structure(**params), build_candidates(rows)
    assert judge.control is not None
    counts = count(judge, judge.control(sample, 4, 1), sample)
    assert counts
    return {kind for kind, (away, n) in counts.items() if away > n * judge.max_unfair}


def list_kinds(rows: list[dict[str, Any]], **params: Any) -> set[str]:
    """The kinds of canaries that are planted."""
    judge = structure(**params)
    assert judge.plant is not None
    planted = judge.plant(build_candidates(rows), 2, 1)
    assert planted.schema == CANDIDATE_SCHEMA
    assert set(planted["generator"].to_pylist()) <= {"canary"}
    return {json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()}


@pytest.mark.parametrize(
    "rows",
    [
        BATCH,
        *([row] for row in (PLAIN, CODE, TEXT, QUOTED, TRIMMED, REASONED)),
        [make_tool_row()],
        [make_preference_row()],
    ],
)
def test_every_kind_is_caught_and_every_control_passes(rows: list[dict[str, Any]]) -> None:
    assert (find_blind(rows), find_unfair(rows)) == (set(), set())


@pytest.mark.parametrize(
    "check",
    "cut_off chat_tokens end_marker reasoning_block mojibake refusal self_reference placeholder".split(),
)
def test_a_batch_of_fenced_code_is_tested_where_a_check_holds(check: str) -> None:
    fenced = [
        make_row(
            ("user", f"Return {n} times a number."),
            ("assistant", f"```python\ndef times(x):\n    return x * {n}\n```"),
            draw=n,
        )
        for n in range(3)
    ]
    assert find_blind(fenced, **{check: "hold"}) == set()


@pytest.mark.parametrize("languages", [["zh"], ["zh", "en"], []])
def test_a_batch_of_another_language_is_tested_in_its_own(languages: list[str]) -> None:
    found = find_blind([CHINESE], languages=languages), find_unfair([CHINESE], languages=languages)
    assert found == (set(), set())


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"max_repeats": 2}, "said_again"),
        ({"max_repeats": 3}, "said_again"),
        ({"min_confidence": 0.5}, "foreign_titles"),
    ],
)
def test_a_bar_at_which_ordinary_rows_fall_is_unfair(params: dict[str, Any], kind: str) -> None:
    assert kind in find_unfair([PLAIN, OTHER], **params)


def test_a_gate_file_for_another_language_than_the_batch_is_unfair() -> None:
    rows = [make_row(*((m["role"], m["content"]) for m in OTHER["messages"]), draw=k) for k in range(24)]
    assert find_unfair(rows, languages=["de"]) == {"language_of_the_batch"}
    assert find_unfair(rows[:19], languages=["de"]) == set()
    assert find_unfair([*rows[:22], *[CHINESE] * 2], languages=["zh"]) == set()


def test_a_gate_file_for_another_language_is_told_the_line_to_change() -> None:
    rows = [make_row(*((m["role"], m["content"]) for m in OTHER["messages"]), draw=k) for k in range(24)]
    judge, sample = structure(languages=["de"]), build_candidates(rows)
    assert judge.mend is not None
    said = judge.judge(sample, {})
    assert judge.mend("language_of_the_batch", said) == (
        "The rows are in en, and structure allows de: if they are meant to be, its line in the gate file is "
        "`languages: [de, en]`."
    )
    assert judge.mend("short_answer", said) is None


def test_a_row_that_was_broken_before_lends_no_canary() -> None:
    broken = make_row(("user", "Which one?"), ("assistant", "The narrow one. ###eos_token###"))
    assert list_kinds([broken]) == set()
    assert find_blind([broken, PLAIN]) == set()


@pytest.mark.parametrize("answer", [Length(min_words=12), Length(max_chars=120), Length(max_words=18)])
def test_narrow_bounds_leave_out_what_does_not_fit_them(answer: Length) -> None:
    assert find_blind([OTHER], answer=answer) <= {"too_long"}
    assert "end_marker" in list_kinds([OTHER], answer=answer)


def test_a_batch_with_dandas_for_full_stops_is_tested() -> None:
    assert (find_blind([HINDI], languages=["hi"]), find_unfair([HINDI], languages=["hi"])) == (set(), set())


def test_each_check_has_a_kind_of_its_own() -> None:
    assert list_kinds([PLAIN]) >= CONTENT_KINDS | {
        "roles",
        "emptiness",
        "lost_content",
        "misplaced_reasoning",
    }
    shapes = {"lost_call", "lost_result", "torn_arguments", "equal_sides", "missing_side"}
    assert list_kinds(BATCH) >= CONTENT_KINDS | shapes


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"max_repeats": 1000}, "repetition"),
        ({"min_punctuated": 1.0}, "no_final_punctuation"),
        ({"min_confidence": 0.999}, "wrong_language"),
        ({"answer": Length(max_chars=10_000_000, max_words=10_000_000)}, "too_long"),
    ],
)
def test_a_threshold_at_which_nothing_is_found_is_noticed(params: dict[str, Any], kind: str) -> None:
    assert kind in find_blind([PLAIN, OTHER], **params)


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        ("find_cut", "cut_off"),
        ("find_cut", "open_fence"),
        ("find_cut", "finish"),
        ("find_unpunctuated", "no_final_punctuation"),
        ("find_leaks", "chat_tokens"),
        ("find_leaks", "end_marker"),
        ("find_leaks", "reasoning_block"),
        ("find_mojibake", "mojibake"),
        ("find_broken", "broken_characters"),
        ("find_stock_answers", "refusal"),
        ("find_stock_answers", "self_reference"),
        ("find_placeholders", "placeholder"),
        ("find_loops", "repetition"),
        ("_find_disorder", "roles"),
        ("_find_disorder", "open_end"),
        ("_find_empty", "emptiness"),
        ("_find_misplaced", "misplaced_reasoning"),
        ("_find_misfits", "too_long"),
        ("find_call_faults", "lost_call"),
        ("find_call_faults", "torn_arguments"),
        ("find_equal_sides", "equal_sides"),
        ("find_missing_sides", "missing_side"),
    ],
)
def test_a_check_that_finds_nothing_any_more_is_noticed(
    monkeypatch: pytest.MonkeyPatch, check: str, kind: str
) -> None:
    from synth_stack.gates.structure import checks
    from synth_stack.gates.structure.faults import list_faults

    def find_nothing(*_: Any) -> Any:
        return list_faults([])

    if check in {"find_cut", "find_unpunctuated"}:
        monkeypatch.setattr(checks, check, find_nothing)
    else:
        kept = tuple(find_nothing if find.__name__ == check else find for find in checks._CHECKS)
        assert kept != checks._CHECKS
        monkeypatch.setattr(checks, "_CHECKS", kept)
    assert kind in find_blind(BATCH)


@pytest.mark.parametrize(
    ("module", "name", "value", "noticed"),
    [
        ("leaks", "_LABELS", NEVER, "other_speaker"),
        (
            "leaks",
            "_LEAKS",
            tuple(leak for leak in leaks._LEAKS if leak[1] is not leaks._SENTENCE),
            "sentence_token",
        ),
        ("encoding", "_CHINESE", NEVER, "lost_chinese"),
        ("encoding", "find_misread", lambda _: None, "misread"),
        ("cut_off", "find_open_prose", lambda *_, **__: (None, True), "cut_off"),
        ("cut_off", "find_open_code", lambda _: None, "cut_code"),
        ("repetition", "_count_tokens", lambda _: 0, "sign_loop"),
        ("repetition", "_count_phrases", lambda *_, **__: 0, "repetition"),
        ("repetition", "_WANTED", NEVER, "asked_for_repeats"),
        ("stock_answers", "_REFUSAL_WANTED", NEVER, "asked_for_refusal"),
        ("encoding", "_ABOUT", NEVER, "asked_about_encoding"),
        ("cut_off", "_PART_WANTED", NEVER, "asked_for_part"),
        ("placeholders", "_FORM_WANTED", NEVER, "letter_template"),
    ],
)
def test_a_part_of_a_check_that_is_broken_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, value: Any, noticed: str
) -> None:
    monkeypatch.setattr(f"synth_stack.gates.structure.{module}.{name}", value)
    assert noticed in find_blind(BATCH) | find_unfair(BATCH)


@pytest.mark.parametrize(
    ("table", "kind"),
    [("_LEAKS", "end_marker"), ("_LEAKS", "reasoning_block"), ("_ANSWER_LEAKS", "reasoning_block")],
)
def test_a_sort_of_leak_that_is_no_longer_looked_for_is_noticed(
    monkeypatch: pytest.MonkeyPatch, table: str, kind: str
) -> None:
    monkeypatch.setattr(leaks, table, tuple(leak for leak in getattr(leaks, table) if leak[0] != kind))
    assert ("bare_reasoning" if table == "_ANSWER_LEAKS" else kind) in find_blind(BATCH)


@pytest.mark.parametrize(
    "check",
    [
        *("cut_off", "chat_tokens", "end_marker", "reasoning_block", "mojibake", "refusal", "self_reference"),
        "placeholder",
    ],
)
def test_what_is_switched_off_is_listed_and_not_planted(check: str) -> None:
    off: dict[str, Any] = {check: None}
    assert structure(**off).off == (check,)
    assert check not in list_kinds([PLAIN], **{check: None})
    assert find_blind([PLAIN], **{check: None}) == set()


def test_the_measured_checks_are_switched_off_by_null_and_no_languages() -> None:
    off = structure(max_repeats=None, min_punctuated=None, languages=[])
    assert off.off == ("repetition", "no_final_punctuation", "wrong_language")
    assert off.dials == ()
    kinds = list_kinds([PLAIN], max_repeats=None, min_punctuated=None, languages=[])
    assert not kinds & {"repetition", "no_final_punctuation", "wrong_language"}


def test_bounds_that_forbid_a_control_leave_it_out() -> None:
    judge = structure(answer=Length(min_words=5))
    assert judge.control is not None
    kinds = [
        json.loads(extra)["kind"]
        for extra in judge.control(build_candidates([PLAIN]), 2, 1)["extra"].to_pylist()
    ]
    assert "bare_code" in kinds
    assert "short_answer" not in kinds


@pytest.mark.parametrize(
    "rows",
    [
        [make_row(("user", "a"), ("assistant", "b"))],
        [make_row(kind="foreign", text="x")],
        [make_row(("user", "a"))],
        [make_tool_row(messages=make_tool_row()["messages"][:2])],
        [make_row(("system", "s"), ("assistant", None))],
    ],
)
def test_odd_batches_break_nothing(rows: list[dict[str, Any]]) -> None:
    judge, sample = structure(), build_candidates(rows)
    assert judge.plant is not None
    assert judge.control is not None
    assert len(judge.plant(sample, 0, 0)) == len(judge.control(sample, 0, 0)) == 0
    assert find_blind(rows) == set()
    planted = judge.control(sample, 3, 0)
    assert set(judge.judge(planted, {})["outcome"].to_pylist()) <= {"accept"}


def test_canaries_are_the_same_for_the_same_seed_and_change_no_state() -> None:
    judge, sample = structure(), build_candidates(BATCH)
    assert judge.plant is not None
    planted = judge.plant(sample, 5, 7)
    assert planted.equals(judge.plant(sample, 5, 7))
    alone, beside = learn(judge, [sample]), learn(judge, [sample], planted)
    assert alone["words"].equals(beside["words"])
    assert alone["forms"].to_pylist() == [
        f for f in beside["forms"].to_pylist() if "/" not in (f["slice"] or "")
    ]
