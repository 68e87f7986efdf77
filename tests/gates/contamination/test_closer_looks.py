import json

import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError
from synth_stack.gates.contamination.paraphrase import Embedding
from synth_stack.gates.contamination.solved_items import Behaviour
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.rows.schemas import build_candidates
from tests.gates.contamination.exams import ASKED, REPHRASED, SOLVED, judge_rows, make_judge
from tests.some_rows import MakeRow, TextsTable


def test_a_function_that_passes_an_items_tests_is_rejected_whatever_its_words(
    coding: NamedEvalSet, row: MakeRow
) -> None:
    judge = make_judge(against=[coding])
    wrong = SOLVED.replace("== 0", "== 1")
    table = build_candidates(
        [row(("user", ASKED), ("assistant", SOLVED)), row(("user", ASKED), ("assistant", wrong), draw=1)]
    )
    solved, failed = judge_rows(judge, table).to_pylist()
    assert (solved["outcome"], solved["score"]) == ("reject", 1.0)
    assert solved["reason"] == "solves a held-out item: passes 3 tests of coding/C/0"
    shown = json.loads(solved["evidence"])
    assert (shown["how"], shown["part"], shown["function"], shown["message"]) == ("tests", "test", "addUp", 1)
    assert solved["reason_class"] == "contamination.solves_item"
    assert (shown["item"], shown["tests_passed"]) == ("C/0", 3)
    assert (shown["counts"]["short_listed"], shown["counts"]["untried"]) == (1, 0)
    assert shown["counts"]["tried"] >= 1
    assert (failed["outcome"], failed["reason"], failed["reason_class"]) == ("accept", None, None)
    assert json.loads(failed["evidence"])["counts"]["tried"] >= 1
    assert failed["score"] < 0.5


def test_a_function_of_an_items_name_is_tried_without_any_likeness(
    coding: NamedEvalSet, texts_table: TextsTable
) -> None:
    judge = make_judge(against=[coding], embedding=None)
    code = "def isOdd(value):\n    return bool(value & 1)\n"
    accepted, rejected = judge_rows(judge, texts_table([code.replace("& 1", "& 4"), code])).to_pylist()
    assert (accepted["outcome"], accepted["score"]) == ("accept", 0.0)
    counts = {"short_listed": 1, "tried": 1, "untried": 0}
    assert json.loads(accepted["evidence"]) == {"how": "tests", "counts": counts}
    assert rejected["reason"] == "solves a held-out item: passes 2 tests of coding/C/1"


def test_a_row_that_no_run_in_the_sandbox_is_left_for_is_held(
    coding: NamedEvalSet, texts_table: TextsTable
) -> None:
    judge = make_judge(against=[coding], embedding=None, behaviour=Behaviour(runs_per_10000_rows=1))
    wrong = "def is_odd(n):\n    return None\n"
    verdicts = judge_rows(judge, texts_table([wrong, wrong + "\nx = 1\n"]))
    passed, held = verdicts.sort_by("outcome").to_pylist()
    assert passed["row_id"] < held["row_id"]
    assert (passed["outcome"], held["outcome"]) == ("accept", "hold")
    assert held["reason"] == "not tried: the sandbox runs of this batch were spent"
    assert held["reason_class"] == "contamination.not_tried"
    counts = {"short_listed": 1, "tried": 0, "untried": 1}
    assert json.loads(held["evidence"]) == {"how": "tests", "counts": counts, "too_few_runs": 1}


def test_the_slow_embedder_confirms_no_more_rows_than_the_batch_allows(
    named: NamedEvalSet, texts_table: TextsTable
) -> None:
    table = texts_table([REPHRASED, f"{REPHRASED} Please.", f"{REPHRASED} Thanks.", "Where is my card?"])

    def count_confirmed(confirm_rows: int, tables: list[pa.Table]) -> int:
        judge = make_judge(against=[named], embedding=Embedding(confirm_rows=confirm_rows))
        verdicts = judge_rows(judge, pa.concat_tables(tables))
        return [json.loads(e)["by"] for e in verdicts["evidence"].to_pylist() if e].count("minilm")

    assert [count_confirmed(n, [table]) for n in (1, 2, 10)] == [1, 2, 3]


def test_likeness_alone_can_be_ignored_and_what_agrees_still_rejects(
    named: NamedEvalSet, texts_table: TextsTable
) -> None:
    vague = "Every morning a woman has eggs from her ducks for breakfast and in muffins. How many remain?"
    table = texts_table([REPHRASED, vague, "Where is my card?"])
    strict, standard = (
        judge_rows(make_judge(against=[named], embedding=Embedding(threshold=0.02, alone=alone)), table)
        for alone in ("hold", "ignore")
    )
    assert strict["reason_class"].to_pylist()[:2] == ["contamination.rephrased", "contamination.alike"]
    assert standard["outcome"].to_pylist() == ["reject", "accept", "accept"]
    rejected, passed = standard["evidence"].to_pylist()[:2]
    assert rejected == strict["evidence"].to_pylist()[0]
    assert json.loads(rejected)["by"] == "minilm"
    assert passed is None  # nothing can agree with it, so it is not looked at


def test_behaviour_can_be_left_out_and_says_why_it_is_off(
    coding: NamedEvalSet, named: NamedEvalSet, texts_table: TextsTable
) -> None:
    table = texts_table(["def is_odd(n):\n    return n % 2 != 0\n"])
    off = make_judge(against=[coding], embedding=None, behaviour=None)
    assert judge_rows(off, table)["outcome"].to_pylist() == ["accept"]
    assert off.facts["behaviour"] is None
    nothing = make_judge(against=[named], embedding=None).facts["behaviour"]
    assert nothing == {"items": 0, "sandbox": None, "why_not": "no eval set has tests"}
    on = make_judge(against=[coding], embedding=None).facts
    assert on["behaviour"]["items"] == 2
    assert on["behaviour"]["sandbox"]
    assert (on["against"][0]["with_tests"], on["against"][0]["version"]) == (2, "1.0")


def test_behaviour_that_is_required_and_cannot_be_tried_is_refused(named: NamedEvalSet) -> None:
    with pytest.raises(ConfigError, match="behaviour is required and cannot be tried; seen: no eval set has"):
        make_judge(against=[named], embedding=None, behaviour=Behaviour(required=True))
