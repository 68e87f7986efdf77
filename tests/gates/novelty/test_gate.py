"""The novelty gate: the growing pool, what is compared with what, its verdicts and its canaries."""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import synth_stack
from synth_stack.engines import local
from synth_stack.errors import ConfigError, GateError, InputError
from synth_stack.gates.gate import Judge
from synth_stack.gates.novelty.gate import novelty
from synth_stack.generation.draws import Plan
from synth_stack.generation.driver import drive
from synth_stack.generators.instruction.methods import evol_instruct
from synth_stack.inputs.recipe import SeedColumns
from synth_stack.registry import bind
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_candidates
from synth_stack.teachers.scripted_llm import ScriptedLLM
from tests.examples import examples
from tests.gates.engine_run import read_verdicts, run_gate
from tests.gates.playing import play
from tests.openai_server import MODEL, serve
from tests.shop import SEEDS, make_corpus, write_recipe
from tests.some_rows import make_row

Row = dict[str, Any]

TEN = "one two three four five six seven eight nine ten"
SHORT = "tell me a story about a fox"


def ask(instruction: str | None, draw: int = 0, *, answer: str = "Yes.", **fields: Any) -> Row:
    """A candidate that answers an instruction, where there is one."""
    turns = [("user", instruction), ("assistant", answer)]
    return make_row(*turns[instruction is None :], draw=draw, **fields)


def make_table(*instructions: str | None) -> pa.Table:
    return build_candidates(ask(said, draw) for draw, said in enumerate(instructions))


def evolve_from(seed_id: str, depth: Any = 1, origin: str = "seed") -> Row:
    extra = {"evolution": {"depth": depth, "origin": origin, "rounds": []}}
    return {"seed_id": seed_id, "extra": canonical_text(extra)}


def judge_all(judge: Judge, *tables: pa.Table) -> list[Row]:
    verdicts, _ = play(judge, tables, name="novelty")
    return [row for found in verdicts for row in found.to_pylist()]


def outcomes(verdicts: Sequence[Row]) -> list[str]:
    return [verdict["outcome"] for verdict in verdicts]


@pytest.fixture
def seeds(tmp_path: Path) -> SeedColumns:
    path = tmp_path / "seeds.jsonl"
    rows = [{"id": "s-1", "text": SHORT}, {"id": "s-2", "text": "What is the capital of Portugal?"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return SeedColumns(path=str(path), id_column="id")


def test_a_repeated_instruction_is_rejected_and_names_the_row_it_repeats() -> None:
    table = make_table(TEN, "something else entirely", f"{TEN} eleven")
    verdicts = judge_all(novelty(), table)
    assert outcomes(verdicts) == ["accept", "accept", "reject"]
    first = table["row_id"][0].as_py()
    assert verdicts[2]["score"] == 20 / 21
    assert verdicts[2]["reason"] == f"not new: like {first}, ROUGE-L 0.952"
    assert verdicts[2]["reason_class"] == "novelty.not_new"
    assert json.loads(verdicts[2]["evidence"]) == {
        "twin": first,
        "nearest": first,
        "nearest_is": "row",
        "rouge_l": 20 / 21,
        "text": TEN,
    }


def test_at_the_threshold_a_row_is_rejected_and_below_it_is_not() -> None:
    seven = "one two three four five six seven"
    verdicts = judge_all(novelty(), make_table(f"{seven} a b c", f"{seven} d e f", f"{seven} g h i j"))
    assert [(v["score"], v["outcome"]) for v in verdicts] == [
        (0.0, "accept"),
        (0.7, "reject"),
        (14 / 21, "accept"),
    ]


def test_the_pool_grows_only_by_what_was_kept() -> None:
    # the second repeats the first and is not in the pool, so the third, which repeats the second, is new
    first, second, third = "a b c d e f g h i j", "a b c d e f g k l m", "n o p d e f g k l m"
    verdicts = judge_all(novelty(), make_table(first, second, third))
    assert outcomes(verdicts) == ["accept", "reject", "accept"]
    assert verdicts[2]["score"] == 0.4


def test_the_order_of_the_rows_decides_which_of_two_is_kept() -> None:
    one, other = ask(TEN, 0), ask(f"{TEN} eleven", 1)
    for rows in ([one, other], [other, one]):
        assert outcomes(judge_all(novelty(), build_candidates(rows))) == ["accept", "reject"]


def test_how_a_batch_is_cut_into_shards_does_not_show() -> None:
    table = make_table(TEN, SHORT, f"{TEN} eleven", f"{SHORT} and a hen", "nothing like it", TEN)
    whole = judge_all(novelty(), table)
    for cut in (1, 2, 5):
        parts = [table.slice(first, cut) for first in range(0, len(table), cut)]
        assert judge_all(novelty(), *parts) == whole


@settings(max_examples=examples(40))
@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=5).map(" ".join), max_size=15),
    st.lists(st.integers(0, 15), max_size=4),
)
def test_any_cut_gives_the_same_verdicts_and_the_same_state(said: list[str], cuts: list[int]) -> None:
    table, judge = make_table(*said), novelty(threshold=0.6)
    edges = sorted(min(cut, len(said)) for cut in [0, *cuts, len(said)])
    [whole], state = play(judge, [table])
    verdicts, other = play(judge, [table.slice(a, b - a) for a, b in pairwise(edges)])
    assert pa.concat_tables([*verdicts, VERDICT_SCHEMA.empty_table()]).equals(whole)
    assert all(state[name].equals(other[name]) for name in ("rows", "neighbours"))


def test_a_state_from_files_gives_the_same_verdicts_in_this_process_and_in_workers(
    tmp_path: Path, seeds: SeedColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [TEN, f"{SHORT} please", None, f"{TEN} eleven", *[f"topic {k}, and what is it?" for k in range(9)]]
    table = make_table(*said)
    parts = [table.slice(0, 1), table.slice(1, 6), table.slice(7, 0), table.slice(7)]
    params = {"pool": seeds.model_dump()}
    here = run_gate(tmp_path / "here", "novelty", params, parts, canaries=10)
    assert read_verdicts(tmp_path / "here", "novelty").to_pylist() == judge_all(novelty(pool=seeds), table)
    monkeypatch.setattr(local, "APART_ROWS", 0)
    assert run_gate(tmp_path / "apart", "novelty", params, parts, canaries=10) == here


def test_the_dial_tells_from_the_stored_scores_what_was_decided() -> None:
    judge = novelty(threshold=0.6)
    (dial,) = judge.dials
    assert (dial.parameter, dial.rejects, dial.threshold) == ("threshold", ">=", 0.6)
    verdicts = judge_all(
        judge, make_table(TEN, None, f"{TEN} eleven", "one two three", "six seven", TEN[:20])
    )
    assert set(outcomes(verdicts)) == {"accept", "reject", "abstain"}
    for verdict in verdicts:
        expected = "reject" if (verdict["score"] or 0) >= dial.threshold else "accept"
        assert verdict["outcome"] == ("abstain" if verdict["score"] is None else expected)
        assert (verdict["reason_class"] in dial.classes) == (verdict["outcome"] == "reject")


def test_a_row_is_compared_with_the_seeds(seeds: SeedColumns) -> None:
    table = make_table("Tell me a story about a fox!", "Tell me a joke about two lawyers on a boat")
    verdicts = judge_all(novelty(pool=seeds), table)
    assert outcomes(verdicts) == ["reject", "accept"]
    assert verdicts[0]["reason"] == "not new: like seed s-1, ROUGE-L 1.000"
    evidence = json.loads(verdicts[0]["evidence"])
    assert (evidence["nearest_is"], "twin" in evidence) == ("seed", False)


def test_a_row_evolved_in_depth_is_not_compared_with_its_own_seed(seeds: SeedColumns) -> None:
    deeper = f"{SHORT} who can count"
    rows = [
        ask(deeper, 0, **evolve_from("s-1")),
        ask(f"{deeper} well", 1, **evolve_from("s-1")),
        ask(f"{SHORT} and a hen", 2, **evolve_from("s-2")),
        ask(f"{SHORT} or so", 3, seed_id="s-1"),
    ]
    verdicts = judge_all(novelty(pool=seeds), build_candidates(rows))
    assert outcomes(verdicts) == ["accept", "reject", "reject", "reject"]
    assert verdicts[0]["score"] < 0.7
    assert verdicts[1]["reason"].startswith(f"not new: like {verdicts[0]['row_id']}")
    assert verdicts[2]["reason"].startswith("not new: like seed s-1")


@pytest.mark.parametrize(
    "fields",
    [
        evolve_from("s-1", 0, "evol_breadth"),
        evolve_from("s-1", 1, "evol_breadth"),
        evolve_from("s-1", 0),
        evolve_from("s-1", "much"),
        {"seed_id": "s-1", "extra": "{not json"},
        {"seed_id": "s-1", "extra": "[]"},
        {"seed_id": "s-1", "extra": '{"evolution": 7}'},
    ],
)
def test_a_row_that_did_not_grow_from_its_seed_is_compared_with_it(seeds: SeedColumns, fields: Row) -> None:
    (verdict,) = judge_all(novelty(pool=seeds), build_candidates([ask(f"{SHORT} please", **fields)]))
    assert verdict["outcome"] == "reject"


def test_only_the_user_s_first_message_is_compared() -> None:
    said = ["Hello there", "Yes?", TEN, "Well."]
    messages = [
        {"role": "user" if k % 2 == 0 else "assistant", "content": text} for k, text in enumerate(said)
    ]
    rows = [
        ask(TEN, 0, answer="Quite so, quite so, quite so."),
        ask("Something new", 1, answer="Quite so, quite so, quite so."),
        ask(None, 2, messages=messages),
    ]
    assert outcomes(judge_all(novelty(), build_candidates(rows))) == ["accept"] * 3


def test_what_cannot_be_compared_is_abstained_on_and_does_not_join_the_pool() -> None:
    rows = [
        ask(TEN, 0, failure="answer: teacher error"),
        ask(None, 1),
        ask("?!", 2),
        ask("", 3),
        ask(None, 4, messages=[], text=TEN),
        ask(TEN, 5),
    ]
    verdicts = judge_all(novelty(), build_candidates(rows))
    assert outcomes(verdicts) == ["abstain"] * 5 + ["accept"]
    assert all(v["score"] is None and v["reason"].startswith("nothing to compare") for v in verdicts[:5])
    assert {v["reason_class"] for v in verdicts[:5]} == {"novelty.nothing_to_compare"}


def test_hostile_text_is_compared_and_cut_short() -> None:
    hostile = ["\x00 \u202e {{ 7 * 7 }} </script>", "a" * 100_000, "x " * 50_000, "\ud7ff \U0010ffff e\u0301"]
    table = make_table(*hostile, *hostile)
    verdicts = judge_all(novelty(), table)
    assert outcomes(verdicts) == ["accept"] * 4 + ["reject"] * 4
    assert all(len(json.loads(v["evidence"])["text"]) <= 200 for v in verdicts[4:])


def test_an_empty_batch_has_no_verdicts() -> None:
    assert judge_all(novelty(), make_table()) == []
    assert judge_all(novelty()) == []


def test_a_judge_that_did_not_see_the_batch_says_so() -> None:
    judge = novelty()
    with pytest.raises(GateError, match="before it saw the batch"):
        judge.judge(make_table(TEN), {})


def test_a_row_that_the_batch_did_not_have_is_an_error() -> None:
    judge = novelty()
    for batch in ([], [make_table(SHORT)]):
        _, state = play(judge, batch)
        with pytest.raises(GateError, match="did not see"):
            judge.judge(make_table(TEN), state)


def test_the_facts_name_what_the_pool_was(seeds: SeedColumns) -> None:
    facts = novelty(pool=seeds).facts
    assert facts["pool"]["texts"] == 2
    assert len(facts["pool"]["sha256"]) == 64
    assert novelty().facts["pool"] is None
    assert str(Path(seeds.path).parent) not in json.dumps(facts)


def test_its_canaries_repeat_rows_of_the_batch_are_caught_and_change_no_verdict() -> None:
    table = make_table(
        *[f"please explain topic {k} to my {k + 7} cousins in plain words" for k in range(3)],
        "Go",
        "我的包裹在哪里",
    )
    judge = novelty()
    assert judge.plant is not None
    canaries = judge.plant(table, 40, 5)
    assert len(canaries) == 80
    assert canaries.equals(judge.plant(table, 40, 5))
    assert set(canaries["generator"].to_pylist()) == {"canary"}
    [said], state = play(judge, [table], canaries)
    assert said.to_pylist() == judge_all(novelty(), table)
    caught = [outcome == "reject" for outcome in judge.judge(canaries, state)["outcome"].to_pylist()]
    assert sum(caught) >= judge.min_recall * len(caught)
    changed = [m[0]["content"] for m in canaries["messages"].to_pylist()]
    originals = {m[0]["content"] for m in table["messages"].to_pylist()}
    assert sum(text in originals for text in changed[:40]) == 40
    assert sum(text in originals for text in changed[40:]) < 20


def test_its_controls_are_new_though_all_their_words_are_known() -> None:
    said = [
        f"please explain topic {k} to my {k + 7} cousins in plain words of {k * 3} years" for k in range(9)
    ]
    judge, table = novelty(), make_table(*said, said[0])
    assert judge.control is not None
    controls = judge.control(table, 20, 3)
    assert 3 <= len(controls) <= 9
    _, state = play(judge, [table], controls)
    assert set(judge.judge(controls, state)["outcome"].to_pylist()) == {"accept"}
    strict = novelty(threshold=0.2)
    _, state = play(strict, [table], controls)
    assert "accept" not in strict.judge(controls, state)["outcome"].to_pylist()[1:]


def test_a_sample_that_says_nothing_gives_no_canaries() -> None:
    judge = novelty()
    assert judge.plant is not None
    assert len(judge.plant(make_table("?!"), 10, 1)) == 0


@pytest.mark.parametrize(
    "params",
    [
        {"threshold": 0},
        {"threshold": 1.1},
        {"threshold": "0.7"},
        {"pool": "seeds.jsonl"},
        {"pool": {}},
        {"pool": {"path": "seeds.jsonl", "column": "text"}},
    ],
)
def test_parameters_out_of_range_are_refused(params: Row) -> None:
    with pytest.raises(ConfigError):
        bind("gate", "novelty", params, where="gates[0]")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("seeds.jsonl", None, "cannot be read"),
        ("seeds.jsonl", b"", "holds no seeds"),
        ("seeds.jsonl", b'{"txt": "a"}\n', "there is no column 'text'"),
        ("seeds.jsonl", b'{"text": " "}\n', "is empty"),
        ("seeds.jsonl", b"\xfe\x01", "line 1"),
        ("seeds.bin", b"text", "of a kind that is not read"),
    ],
)
def test_a_pool_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        novelty(pool=SeedColumns(path=str(path)))


def write_run(folder: Path, teacher: Row, pool: Row) -> Path:
    """A recipe of the shop whose gate file holds each instruction against a pool."""
    recipe = write_recipe(folder, teacher)
    gates = {"version": 1, "gates": [{"use": "novelty", "pool": pool}]}
    (folder / "gates.yaml").write_text(yaml.safe_dump(gates), encoding="utf-8")
    return recipe


def test_a_run_holds_its_rows_against_its_own_seeds(tmp_path: Path) -> None:
    teacher = {
        "use": "scripted",
        "rules": [{"match": "Write one more message", "replies": [SEEDS[0]["text"]]}],
    }
    path = write_run(tmp_path, teacher, {"path": "seeds.jsonl", "id_column": "id"})
    folder = synth_stack.run(path, tmp_path / "run").folder
    verdicts = pq.read_table(folder / "verdicts" / "novelty").to_pylist()
    assert outcomes(verdicts) == ["reject"] * 12
    assert {v["reason"] for v in verdicts} == {f"not new: like seed {SEEDS[0]['id']}, ROUGE-L 1.000"}
    lock = yaml.safe_load((folder / "gates.lock.yaml").read_text(encoding="utf-8"))
    assert lock["gates"][0]["params"]["pool"]["path"] == "seeds.jsonl"
    assert lock["gates"][0]["facts"]["pool"]["texts"] == len(SEEDS)


def test_a_pool_that_is_not_there_is_found_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve() as server:
        teacher = {"use": "http", "base_url": server.base_url, "model": MODEL, "reasoning_tokens": 0}
        path = write_run(tmp_path, teacher, {"path": "missing.jsonl"})
        with pytest.raises(InputError, match=r"missing\.jsonl cannot be read"):
            synth_stack.run(path, tmp_path / "run")
    assert server.asked == []
    assert not (tmp_path / "run").exists()


def test_what_evol_instruct_deepened_is_held_against_every_seed_but_its_own(tmp_path: Path) -> None:
    seed, grown = "Late parcels, case 0?", "Late parcels, case 0, please?"
    plan = Plan(make_corpus(), "a shop", 7, "evol_instruct", 0, 200)
    rows: list[Row] = []
    llm = ScriptedLLM(rules=[(f"Given Prompt#:\n{re.escape(seed)}", [grown])])
    drive(
        evol_instruct(llm, plan, 50),
        is_done=lambda *_: False,
        commit=lambda _n, _items, made: rows.extend(made),
    )
    mine = [row for row in rows if row["messages"][0]["content"] == grown]
    deeper = [json.loads(row["extra"])["evolution"]["depth"] == 1 for row in mine]
    path = tmp_path / "seeds.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in SEEDS), encoding="utf-8")
    judge = novelty(pool=SeedColumns(path=str(path), id_column="id"))
    verdicts = judge_all(judge, build_candidates(mine))
    assert {True, False} == set(deeper)
    assert verdicts[deeper.index(True)]["outcome"] == "accept"
    assert outcomes(verdicts).count("accept") == 1
    in_breadth = [row for row, is_deeper in zip(mine, deeper, strict=True) if not is_deeper]
    assert "seed orders-late-0" in judge_all(judge, build_candidates(in_breadth))[0]["reason"]
