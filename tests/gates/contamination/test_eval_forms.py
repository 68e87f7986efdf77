import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import ConfigError, InputError
from synth_stack.gates.contamination.eval_forms import MAX_CHOICES
from synth_stack.gates.contamination.eval_sets import EvalItems, load_eval_set
from synth_stack.inputs.gate_file import NamedEvalSet

ASKED = "Which metal is liquid at room temperature?"
METALS = ("iron", "mercury", "tin", "lead")


def load(folder: Path, content: Any, suffix: str = ".json", **columns: str) -> EvalItems:
    path = folder / f"set{suffix}"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return load_eval_set(NamedEvalSet(name="set", path=str(path), **columns))


@pytest.mark.parametrize(
    "item",
    [
        {"question": ASKED, "subject": "chemistry", "choices": list(METALS), "answer": 1},
        {
            "id": "0",
            "question": ASKED,
            "choices": {"text": list(METALS), "label": list("ABCD")},
            "answerKey": "B",
        },
        {
            "id": "0",
            "question": {"stem": ASKED, "choices": [{"text": m, "label": "x"} for m in METALS]},
            "answerKey": "B",
        },
        {"question_id": 0, "question": ASKED, "options": list(METALS), "answer": "B", "answer_index": 1},
        {"ctx": ASKED, "endings": list(METALS), "label": "1"},
        {"question": ASKED, "mc1_targets": {"choices": list(METALS), "labels": [0, 1, 0, 0]}},
        {"question": ASKED, "A": "iron", "B": "mercury", "C": "tin", "D": "lead", "answer": "B"},
        {"Question": ASKED, "Choices": json.dumps(METALS), "Answer": "mercury"},
    ],
)
def test_a_question_with_choices_is_read_in_each_published_form(tmp_path: Path, item: dict[str, Any]) -> None:
    loaded = load(tmp_path, [item])
    assert (loaded.ids, loaded.prompts) == (["0"], [ASKED])
    assert (loaded.choices, loaded.answers) == ([METALS], ["mercury"])


def test_the_archive_of_mmlu_has_no_header(tmp_path: Path) -> None:
    lines = f'{ASKED},iron,mercury,tin,lead,B\n"Two, or ""three""?",2,3,4,4,D\n'
    loaded = load(tmp_path, lines, ".csv")
    assert loaded.prompts == [ASKED, 'Two, or "three"?']
    assert loaded.choices == [METALS, ("2", "3", "4", "4")]
    assert loaded.answers == ["mercury", "4"]
    with pytest.raises(InputError, match="item 2 has other fields than the first; seen: 2; allowed: 6"):
        load(tmp_path, f"{ASKED},iron,mercury,tin,lead,B\na,b\n", ".csv")


@pytest.mark.parametrize(
    ("item", "prompt", "answer"),
    [
        ({"question": "How many?", "answer": "2 + 2\n#### 4"}, "How many?", "2 + 2\n#### 4"),
        ({"problem": "Find x.", "level": "Level 1", "type": "Algebra", "solution": "x=1"}, "Find x.", "x=1"),
        ({"input": "not ( True ) is", "target": "False"}, "not ( True ) is", "False"),
        ({"key": 7, "prompt": "Write two words.", "instruction_id_list": ["a"], "kwargs": [{}]}, "Write two words.", None),
        ({"question_id": 81, "category": "writing", "turns": ["Write.", "Again."], "reference": ["a", "b"]}, "Write.\n\nAgain.", "a\n\nb"),
        ({"question": "Can pigs fly?", "best_answer": "No", "correct_answers": ["No"], "incorrect_answers": ["Yes"]}, "Can pigs fly?", "No"),
        ({"instruction": "Translate.", "input": "Hallo", "output": "Hello"}, "Translate.\n\nHallo", "Hello"),
        ({"text": "Only a text."}, "Only a text.", None),
        ({"question": "Is it?", "passage": "It is.", "answer": True}, "Is it?", "true"),
    ],
)  # fmt: skip
def test_an_item_is_read_as_its_set_publishes_it(
    tmp_path: Path, item: dict[str, Any], prompt: str, answer: str | None
) -> None:
    loaded = load(tmp_path, [item])
    assert (loaded.prompts, loaded.answers) == ([prompt], [answer])


def test_mbpp_has_its_tests_in_a_list_and_the_name_in_its_code(tmp_path: Path) -> None:
    code = "def helper(x):\n    return x\ndef double(x):\n    return 2 * helper(x)"
    item = {"task_id": 2, "text": "Write a function to double.", "code": code}
    tests = ["assert double(2) == 4", "assert double(0) == 0"]
    untested = {**item, "task_id": 3, "test_list": []}
    loaded = load(tmp_path, [{**item, "test_list": tests, "test_setup_code": "import math"}, untested])
    assert loaded.prompts[0] == "Write a function to double."
    assert (loaded.answers[0], loaded.ids[0]) == (code, "2")
    assert loaded.entry_points == ["double", None]
    assert loaded.tests == ["import math\n" + "\n\n".join(tests), None]


def test_squad_nests_its_questions_under_their_passages(tmp_path: Path) -> None:
    paragraph = {
        "context": "Tea came to London in 1657.",
        "qas": [
            {"id": "a", "question": "When did tea come?", "answers": [{"text": "1657", "answer_start": 22}]},
            {"id": "b", "question": "Where did tea come?", "answers": []},
        ],
    }
    loaded = load(tmp_path, {"version": "1.1", "data": [{"title": "Tea", "paragraphs": [paragraph]}]})
    assert (loaded.ids, loaded.prompts) == (["a", "b"], ["When did tea come?", "Where did tea come?"])
    assert (loaded.passages, loaded.answers) == ([paragraph["context"]] * 2, ["1657", None])
    flat = {
        "id": "a",
        "context": "c",
        "question": "q",
        "answers": {"text": ["x", "x"], "answer_start": [1, 1]},
    }
    loaded = load(tmp_path, [flat])
    assert (loaded.passages, loaded.answers) == (["c"], ["x"])
    broken = {"data": [{"paragraphs": [{"context": "c", "qas": ["q"]}]}]}
    with pytest.raises(InputError, match="a question that is no object; seen: q"):
        load(tmp_path, broken)


def test_big_bench_hard_nests_its_examples(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"canary": "x", "examples": [{"input": "True and", "target": "True"}] * 2})
    assert (loaded.prompts, loaded.answers) == (["True and"] * 2, ["True"] * 2)
    assert loaded.find_repeats() == [0, 0]


def test_choices_need_no_answer(tmp_path: Path) -> None:
    loaded = load(tmp_path, [{"question": ASKED, "choices": list(METALS)}, {"question": "Why?", "label": -1}])
    assert (loaded.choices, loaded.answers) == ([METALS, ()], [None, None])
    loaded = load(tmp_path, [{"question": ASKED, "choices": list(METALS), "answer": 7}])
    assert loaded.answers == [None]


def test_a_table_with_semicolons_holds_lists(tmp_path: Path) -> None:
    header = "Type,Question,Best Answer,Correct Answers,Incorrect Answers"
    loaded = load(tmp_path, f"{header}\nAdversarial,Why?,So,So; Just so,Never\n", ".csv")
    assert (loaded.prompts, loaded.answers, loaded.choices) == (
        ["Why?"],
        ["So"],
        [("So", "Just so", "Never")],
    )


def test_utf_16_is_read_and_latin_1_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(json.dumps({"text": "café"}, ensure_ascii=False).encode("utf-16"))
    assert load_eval_set(NamedEvalSet(name="set", path=str(path))).prompts == ["café"]
    path = tmp_path / "set.csv"
    path.write_bytes("Frage,A,B,C,D,B\nÄ,a,b,c,d,A\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"eval set set: .*not? UTF-8"):
        load_eval_set(NamedEvalSet(name="set", path=str(path)))


def test_parts_stand_where_the_gate_file_says(tmp_path: Path) -> None:
    item = {"frage": ASKED, "stoff": "Text.", "wahl": list(METALS), "wert": "c"}
    loaded = load(tmp_path, [item], prompt="frage", passage="stoff", choices="wahl", answer="wert")
    assert (loaded.prompts, loaded.passages, loaded.answers) == ([ASKED], ["Text."], ["tin"])
    with pytest.raises(
        ConfigError, match="has no prompt column; seen: frage, stoff, wahl, wert; allowed: prompt"
    ):
        load(tmp_path, [item])
    with pytest.raises(
        ConfigError, match="choices names a column that is not there; seen: w; allowed: frage"
    ):
        load(tmp_path, [item], prompt="frage", choices="w")


def test_what_is_no_list_of_choices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="item 1: choices is not text; seen: "):
        load(tmp_path, [{"question": ASKED, "choices": [{"a": 1}]}])
    with pytest.raises(InputError, match=f"too many choices; seen: {MAX_CHOICES + 1}"):
        load(tmp_path, [{"question": ASKED, "choices": ["a"] * (MAX_CHOICES + 1)}])
