"""The gate `factuality`: what it says of answers, beside which passage, and how it is turned and tests itself."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ConfigError, InputError
from synth_stack.gates.factuality.gate import factuality
from synth_stack.gates.factuality.verdicts import CodeSettings
from synth_stack.gates.gate import Judge
from synth_stack.gates.resources import NoResources
from synth_stack.registry import bind
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.arbitrary_rows import TEXTS, draw_rows
from tests.examples import examples
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.some_rows import make_foreign, make_preference_row, make_row, make_tool_row

HOUSE = """# Returns

## Return window
You have 45 days from delivery, for any reason. After day 45 we accept only faulty devices.

## Labels
Labels last 14 days and are reissued free. Home collection costs £2.95. If you have no printer, a counter prints it.

## Hub
One Hub runs up to 60 devices. A factory reset does not unlink a device. Lock L2 can't be opened by voice.

## Contact
Write to help@lamps.example or call 0800 496 0100. Agents cannot speed up a refund.
"""
SOURCES = {
    "returns.md": HOUSE,
    "plus.txt": "Plus costs £5.99 a month. The trial lasts 30 days. Guests cannot see video. The app needs iOS 16 or later.",
}


@pytest.fixture
def house(tmp_path: Path) -> str:
    folder = tmp_path / "house"
    folder.mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder)


def ask(answer: str, prompt: str = "I have a question.", **fields: Any) -> dict[str, Any]:
    return make_row(("user", prompt), ("assistant", answer), **fields)


def judge_rows(gate: Judge, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    [said], _ = play(
        gate, [build_candidates({**row, "draw": k} for k, row in enumerate(rows))], name="factuality"
    )
    verdicts: list[dict[str, Any]] = said.to_pylist()
    return verdicts


def judge_answer(
    house: str | None, answer: str, prompt: str = "I have a question.", **params: Any
) -> dict[str, Any]:
    sources = [house] if house is not None else []
    [verdict] = judge_rows(factuality(NoResources(), sources=sources, **params), ask(answer, prompt))
    return verdict


def evidence_of(verdict: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(verdict["evidence"])
    return found


@pytest.mark.parametrize(
    "answer",
    [
        "You have 45 days from delivery, for any reason.",
        "You've got forty-five days after delivery, whatever your reason.",
        "The label lasts for two weeks.",
        "A factory reset doesn't unlink the device.",
        "No Hub can run more than 60 devices.",
        "One Hub runs at most sixty devices.",
        "You can write to help@lamps.example or phone 0800 496 0100.",
        "Sorry, agents can't speed up a refund.",
        "Plus costs 5.99 pounds per month, and the trial lasts thirty days.",
        "Guests aren't able to see video.",
    ],
)
def test_what_the_sources_say_in_other_words_is_accepted(house: str, answer: str) -> None:
    verdict = judge_answer(house, answer)
    assert (verdict["outcome"], verdict["reason"]) == ("accept", None)
    assert verdict["score"] <= verdict["threshold"] == 0.4
    assert evidence_of(verdict)["counts"]["rows_with_claims"] == 1


@pytest.mark.parametrize(
    ("answer", "sort", "said"),
    [
        ("You have 60 days from delivery, for any reason.", "number", "45 days"),
        ("Labels last 14 weeks and are reissued free.", "unit", "14 days"),
        ("Home collection costs $2.95.", "unit", "£2.95"),
        ("One Hub runs at least 60 devices.", "number", "60"),
        ("One Hub runs up to ninety devices.", "number", "60"),
        ("A factory reset unlinks a device.", "polarity", "A factory reset does not unlink a device."),
        ("Agents can speed up a refund.", "polarity", "Agents cannot speed up a refund."),
        ("Guests can see video.", "polarity", "Guests cannot see video."),
        ("Lock L9 can't be opened by voice.", "name", "L2"),
        ("Write to desk@lamps.example or call 0800 496 0100.", "contact", "help@lamps.example"),
    ],
)
def test_what_the_sources_deny_is_rejected_beside_the_sentence(
    house: str, answer: str, sort: str, said: str
) -> None:
    verdict = judge_answer(house, answer)
    assert (verdict["outcome"], verdict["reason_class"]) == ("reject", f"factuality.{sort}_contradicted")
    evidence = evidence_of(verdict)
    claim = evidence["claims"][0]
    assert (claim["standing"], claim["said"], claim["path"]) == ("contradicted", said, "messages.1.content")
    assert answer[claim["start"] : claim["end"]] == claim["claim"]
    source = claim["source"]
    text = SOURCES[source["passage"].partition("#")[0]]
    assert text[source["start"] : source["end"]] == source["text"]
    assert evidence["contradiction"] >= 0.6
    assert evidence["counts"]["contradicted"] >= 1


def test_a_condition_that_is_left_out_holds_the_row_and_is_named(house: str) -> None:
    verdict = judge_answer(house, "A counter prints it.")
    assert (verdict["outcome"], verdict["reason_class"]) == ("hold", "factuality.condition_dropped")
    assert "'If you have no printer,'" in verdict["reason"]
    asked = judge_answer(house, "A counter prints it.", prompt="And if I have no printer?")
    assert asked["outcome"] == "accept"
    assert judge_answer(house, "A counter prints it.", conditions="reject")["outcome"] == "reject"
    assert judge_answer(house, "A counter prints it.", conditions="ignore")["outcome"] == "accept"


def test_what_no_source_speaks_of_is_held_by_its_share(house: str) -> None:
    verdict = judge_answer(house, "Students can claim a rebate of 15 percent at the kiosk.")
    assert (verdict["outcome"], verdict["reason_class"]) == ("hold", "factuality.not_found")
    assert verdict["reason"] == "not found in any source: 2 of 2 claims"
    assert verdict["score"] == 1
    half = "You have 45 days from delivery. Students can claim a rebate of 15 percent at the kiosk."
    assert judge_answer(house, half, max_not_found=0.5)["outcome"] == "accept"
    assert judge_answer(house, half)["outcome"] == "hold"


def test_an_unknown_contact_route_holds_the_row_however_true_the_rest_is(house: str) -> None:
    answer = "You have 45 days from delivery, for any reason. Labels last 14 days. Ask on www.lamp-fans.example/forum."
    verdict = judge_answer(house, answer)
    assert (verdict["outcome"], verdict["reason_class"]) == ("hold", "factuality.unknown_contact")
    assert judge_answer(house, answer, contacts="ignore")["outcome"] == "accept"
    assert judge_answer(house, answer, prompt="I read www.lamp-fans.example/forum.")["outcome"] == "accept"


def test_the_customers_own_numbers_and_names_are_no_claims(house: str) -> None:
    prompt = "I bought Lock Zorvex 71 days ago. Can I return it?"
    verdict = judge_answer(
        house, "You bought Zorvex 71 days ago, and you have 45 days from delivery.", prompt
    )
    assert verdict["outcome"] == "accept"


@pytest.mark.parametrize(
    ("answer", "reason_class"),
    [
        ("Thanks, have a lovely day!", "no_claim"),
        ("Sorry, the document does not say.", "no_claim"),
        (
            "Puede devolver el pedido durante los primeros cuarenta y cinco días después de la entrega, sin dar ningún motivo.",
            "other_language",
        ),
        ("您可以在收到货物后四十五天内退货，无需任何理由，我们会为您支付运费。", "other_language"),
    ],
)
def test_it_abstains_where_rules_can_know_nothing(house: str, answer: str, reason_class: str) -> None:
    verdict = judge_answer(house, answer)
    assert (verdict["outcome"], verdict["reason_class"]) == ("abstain", f"factuality.{reason_class}")
    assert verdict["reason"]


def test_without_any_source_or_answer_it_abstains(house: str, tmp_path: Path) -> None:
    verdict = judge_answer(None, "You have 45 days.")
    assert (verdict["outcome"], verdict["reason_class"]) == ("abstain", "factuality.nothing_to_check_against")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (
        judge_answer(str(empty), "You have 45 days.")["reason_class"] == "factuality.nothing_to_check_against"
    )
    gate = factuality(NoResources(), sources=[house])
    [silent] = judge_rows(gate, make_row(("user", "Hello?")))
    assert (silent["outcome"], silent["reason_class"]) == ("abstain", "factuality.no_answer")


def test_sources_that_contradict_each_other_are_both_named(house: str) -> None:
    (Path(house) / "old.md").write_text("You have 30 days from delivery, for any reason.", encoding="utf-8")
    verdict = judge_answer(house, "You have 30 days from delivery, for any reason.")
    assert (verdict["outcome"], verdict["reason_class"]) == ("abstain", "factuality.sources_disagree")
    assert "old.md" in verdict["reason"]
    assert "returns.md#return-window" in verdict["reason"]
    shown = next(claim for claim in evidence_of(verdict)["claims"] if "against" in claim)
    assert {shown["source"]["passage"], shown["against"]["passage"]} == {"old.md", "returns.md#return-window"}


def test_the_documents_of_a_row_come_before_the_sources(house: str) -> None:
    documents = [
        {
            "id": "d1",
            "title": "Sale",
            "text": "You have 10 days from delivery, for any reason.",
            "source": None,
        }
    ]
    gate = factuality(NoResources(), sources=[house])
    true, false, other = judge_rows(
        gate,
        ask("You have 10 days from delivery, for any reason.", documents=documents),
        ask("You have 45 days from delivery, for any reason.", documents=documents),
        ask("Plus costs £5.99 a month.", documents=documents),
    )
    assert true["outcome"] == "accept"
    assert evidence_of(true)["claims"][0]["source"]["passage"] == "d1#sale"
    assert false["reason_class"] == "factuality.number_contradicted"
    assert evidence_of(other)["claims"][0]["source"]["passage"] == "plus.txt"


def test_of_a_comparison_the_chosen_side_is_judged_and_of_a_text_all(house: str) -> None:
    row = make_preference_row()
    for side in row["alternatives"]:
        wrong = "A factory reset unlinks a device."
        said = wrong if side["label"] == "chosen" else "Labels last 14 days."
        side["messages"] = [{"role": "assistant", "content": said}]
    gate = factuality(NoResources(), sources=[house])
    chosen, text = judge_rows(gate, row, make_foreign("A factory reset unlinks a device."))
    assert chosen["reason_class"] == text["reason_class"] == "factuality.polarity_contradicted"
    assert evidence_of(chosen)["claims"][0]["path"] == "chosen.0.content"
    assert evidence_of(text)["claims"][0]["path"] == "text"


PACKAGE = '''"""A shop."""
import warnings
def find(name: str, *, limit: int = 3) -> "Lamp": ...
def seek(name):
    """Finds.

    .. deprecated:: 2.0
    """
class Lamp:
    def switch(self, on: bool = True) -> None: ...
'''


@pytest.mark.parametrize(
    ("code", "outcome", "reason_class"),
    [
        ("import shop\nlamp = shop.find('a', limit=2)\nlamp.switch(on=True)", "accept", None),
        ("import shop\nshop.search('a')", "reject", "invented_name"),
        ("from shop import Bulb", "reject", "invented_name"),
        ("import shop\nshop.find('a').dim()", "reject", "invented_name"),
        ("import shop\nshop.find('a', size=2)", "reject", "invented_parameter"),
        ("import shop\nshop.find('a', limit='2')", "hold", "wrong_argument"),
        ("import shop\nshop.find('a', 'b')", "hold", "wrong_argument"),
        ("import shop\nshop.seek('a')", "hold", "deprecated_name"),
        ("import shop\nshop.find('a'", "reject", "code_syntax"),
    ],
)
def test_code_is_held_against_the_package_that_was_read(
    tmp_path: Path, code: str, outcome: str, reason_class: str | None
) -> None:
    (tmp_path / "shop.py").write_text(PACKAGE, encoding="utf-8")
    verdict = judge_answer(str(tmp_path / "shop.py"), f"So:\n\n```python\n{code}\n```")
    assert verdict["outcome"] == outcome
    assert verdict["reason_class"] == (reason_class and f"factuality.{reason_class}")
    if reason_class:
        sort = reason_class.removeprefix("code_")
        quiet = judge_answer(
            str(tmp_path / "shop.py"),
            f"So:\n\n```python\n{code}\n```",
            code=CodeSettings.model_validate({sort: "ignore"}),
        )
        assert quiet["outcome"] == "accept"


def test_it_finds_the_recipes_documents_by_itself_and_then_works_alone(house: str) -> None:
    class Documents(NoResources):
        documents = Path(house)

    gate = factuality(Documents())
    [verdict] = judge_rows(gate, ask("A factory reset unlinks a device."))
    assert verdict["outcome"] == "reject"
    assert gate.alone is not None
    assert factuality(NoResources(), sources=[house]).alone is None


def test_a_missing_folder_and_a_wrong_word_cost_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        factuality(NoResources(), sources=[str(tmp_path / "nowhere")])
    with pytest.raises(ConfigError, match="conditions"):
        bind("gate", "factuality", {"conditions": "drop"}, where="gates[0]")
    with pytest.raises(ConfigError, match="max_contradiction"):
        bind("gate", "factuality", {"max_contradiction": 0.1}, where="gates[0]")


def make_batch() -> pa.Table:
    answers = [
        "You have 45 days from delivery, for any reason.",
        "You have 60 days from delivery, and that is for any reason you like.",
        "A counter prints it.",
        "Agents can speed up a refund, as far as I know from my colleagues.",
        "Students can claim a rebate of 15 percent at the kiosk.",
        "Have a lovely day!",
        "Ask on www.lamp-fans.example/forum. Labels last 14 days.",
        "Labels last 19 days. Students can claim a rebate of 15 percent.",
    ]
    return build_candidates(ask(answer, draw=k) for k, answer in enumerate(answers))


@pytest.mark.parametrize(
    "new",
    [
        {"max_contradiction": 0.5},
        {"max_contradiction": 0.95},
        {"max_not_found": 0.0},
        {"max_not_found": 1.0},
        {"conditions": "ignore"},
        {"contacts": "reject"},
        {"conditions": "reject", "contacts": "ignore", "max_contradiction": 0.9},
    ],
)
def test_a_dial_is_turned_on_stored_verdicts_as_if_judged_again(house: str, new: dict[str, Any]) -> None:
    old = {
        "max_contradiction": 0.6,
        "max_not_found": 0.4,
        "conditions": "hold",
        "contacts": "hold",
        "code": CodeSettings().model_dump(),
    }
    gate = factuality(NoResources(), sources=[house])
    [stored], _ = play(gate, [make_batch()])
    turned = factuality(NoResources(), sources=[house], **new)
    [fresh], _ = play(turned, [make_batch()])
    assert decide_again(stored, gate.dials, {**old, **new}, old) == fresh["outcome"].to_pylist()


def test_verdicts_are_the_same_however_the_batch_is_cut(house: str) -> None:
    whole, gate = make_batch(), factuality(NoResources(), sources=[house])
    [together], _ = play(gate, [whole])
    apart, _ = play(gate, [whole.slice(k, 1) for k in range(len(whole))])
    assert pa.concat_tables(apart).to_pylist() == together.to_pylist()


def count_kinds(gate: Judge, planted: pa.Table) -> dict[str, Counter[str]]:
    [said], _ = play(gate, [planted], planted.slice(0, 0))
    found: dict[str, Counter[str]] = {}
    for extra, outcome in zip(planted["extra"].to_pylist(), said["outcome"].to_pylist(), strict=True):
        found.setdefault(json.loads(extra)["kind"], Counter())[outcome] += 1
    return found


POLICIES = sorted((Path(__file__).parents[3] / "pipelines" / "support_intents" / "policies").glob("*.md"))[
    :20
]


def sample_rows() -> pa.Table:
    questions = [
        "How long do I have to return it?",
        "Where is my refund?",
        "Who can see my video?",
        "My hub is offline.",
    ]
    return build_candidates(ask("I do not know.", q, draw=k) for k, q in enumerate(questions))


def find_blind(gate: Judge) -> set[str]:
    """The kinds of canary of which the gate misses more than its bars allow."""
    assert gate.plant is not None
    counted = count_kinds(gate, gate.plant(sample_rows(), 20, 1))
    caught = {kind: (n["reject"] + n["hold"]) / n.total() for kind, n in counted.items()}
    return {kind for kind, share in caught.items() if share < gate.bars.get(kind, gate.min_recall)}


def open_policies(**params: Any) -> Judge:
    return factuality(NoResources(), sources=[*map(str, POLICIES), "package:json"], embedding=None, **params)


def test_every_kind_of_canary_is_caught_and_every_control_passes() -> None:
    gate = open_policies()
    assert gate.plant is not None
    assert gate.control is not None
    planted = count_kinds(gate, gate.plant(sample_rows(), 20, 1))
    assert set(planted) == set(gate.bars)
    assert find_blind(gate) == set()
    controls = count_kinds(gate, gate.control(sample_rows(), 20, 1))
    assert set(controls) == {"copied", "reworded", "true_call"}
    for counts in controls.values():
        assert (counts["reject"] + counts["hold"]) / counts.total() <= gate.max_unfair


@pytest.mark.parametrize(
    ("params", "blind"),
    [
        ({"max_contradiction": 1.0}, {"number_changed", "negated"}),
        ({"max_not_found": 1.0}, {"not_in_source"}),
        ({"conditions": "ignore"}, {"condition_dropped"}),
        ({"code": CodeSettings(syntax="ignore")}, {"code_syntax"}),
        ({"code": CodeSettings(invented_name="ignore")}, {"invented_api"}),
        ({"code": CodeSettings(invented_parameter="ignore")}, {"invented_parameter"}),
    ],
)
def test_a_check_that_is_off_shows_in_its_kind(params: dict[str, Any], blind: set[str]) -> None:
    gate = open_policies(**params)
    assert blind <= find_blind(gate)
    assert set(gate.off) <= blind


def test_without_sources_canaries_stand_on_the_rows_that_have_documents() -> None:
    text = "You have 45 days from delivery to return it. A refund takes 5 working days."
    document = {"id": "d1", "title": "Returns", "text": text, "source": None}
    bare = [ask("I do not know.", f"Question {k}?", draw=k) for k in range(30)]
    told = ask("You have 45 days from delivery.", "How long?", draw=30, documents=[document])
    gate = factuality(NoResources(), sources=[])
    assert gate.plant is not None
    caught = count_kinds(gate, gate.plant(build_candidates([*bare, told]), 20, 1))["not_in_source"]
    assert caught["reject"] + caught["hold"] == 20


def test_the_same_canaries_are_made_for_the_same_seed() -> None:
    gate = open_policies()
    assert gate.plant is not None
    assert gate.plant(sample_rows(), 5, 3).equals(gate.plant(sample_rows(), 5, 3))
    assert not gate.plant(sample_rows(), 5, 3).equals(gate.plant(sample_rows(), 5, 4))


def test_odd_batches_break_neither_the_judge_nor_its_canaries(house: str) -> None:
    gate = factuality(NoResources(), sources=[house])
    assert gate.plant is not None
    assert gate.control is not None
    rows = [
        make_foreign("x"),
        make_foreign(None),
        make_tool_row(),
        make_preference_row(),
        ask("是的。"),
        make_row(("user", "?")),
    ]
    for row in rows:
        table = build_candidates([row])
        for planted in (gate.plant(table, 3, 0), gate.control(table, 3, 0)):
            assert set(planted.schema.names) == set(CANDIDATE_SCHEMA.names)
            gate.judge(planted, {})
        gate.judge(table, {})
    nothing = factuality(NoResources(), sources=[])
    assert nothing.plant is not None
    assert len(nothing.plant(sample_rows(), 5, 0)) == 0
    assert len(gate.plant(CANDIDATE_SCHEMA.empty_table(), 5, 0)) == 0


@settings(max_examples=examples(30), deadline=None)
@given(rows=st.lists(draw_rows(text=st.none() | TEXTS), max_size=3))
def test_any_row_gets_one_verdict(rows: list[dict[str, Any]]) -> None:
    gate = factuality(NoResources(), sources=[], embedding=None)
    table = build_candidates(rows) if rows else CANDIDATE_SCHEMA.empty_table()
    play(gate, [table], name="factuality")
