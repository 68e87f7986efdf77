import itertools
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
from synth_stack.gates.diversity.gate import diversity
from synth_stack.gates.gate import NO_STATE
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from tests.gates.dialling import decide_again
from tests.gates.engine_run import read_verdicts, run_gate
from tests.gates.playing import play
from tests.some_rows import TextsTable, make_row

pytest.importorskip("wordllama")

HELLOS = "hello there|good morning|dear team|sorry to ask but|quick question|please help".split("|")
WISHES = "can you tell me|i would like to know|do you know|i want to find out|any idea".split("|")
PARCELS = "where my parcel is|what happened to my package|when my order comes|why nothing came yet".split("|")
SINCES = "which i bought last week|from order 5521|that was promised for friday|with the mug".split("|")
ENDS = "thanks a lot|it has been ages|this gets urgent|i am worried|kind regards".split("|")


def reword(rows: int) -> list[str]:
    """One intent in as many wordings, no two of them near-copies."""
    ways = list(itertools.product(HELLOS, WISHES, PARCELS, SINCES, ENDS))
    order = np.random.default_rng(1).permutation(len(ways))[:rows]
    return [" ".join(ways[k]) for k in order]


def invent(rows: int, seed: int = 2) -> list[str]:
    """Rows of words without any wording."""
    rng = np.random.default_rng(seed)
    words = (
        "garden engine river letter violin harvest doctor castle pepper window lantern market soldier pencil "
        "mountain printer rabbit concert wallet bridge teacher island carpet oven planet tractor ladder novel "
        "museum battery curtain dolphin helmet recipe statue tunnel umbrella voyage whistle zebra anchor"
    ).split()
    return [" ".join(rng.choice(words, 6)) for _ in range(rows)]


def make_table(texts: Sequence[str | None], **columns: list[Any]) -> pa.Table:
    rows = []
    for k, text in enumerate(texts):
        fields = {name: values[k] for name, values in columns.items()}
        rows.append(make_row(("user", text), draw=k, **fields))
    return build_candidates(rows)


def judge_table(table: pa.Table, cut: int = 10_000, **params: Any) -> list[dict[str, Any]]:
    parts = [table.slice(first, cut) for first in range(0, max(len(table), 1), cut)]
    verdicts, _ = play(diversity(**params), parts, name="diversity")
    return list(pa.concat_tables(verdicts).to_pylist())


def count(verdicts: list[dict[str, Any]]) -> Counter[tuple[str, str | None]]:
    return Counter((v["outcome"], v["reason_class"]) for v in verdicts)


def test_rewordings_of_one_intent_are_rejected_down_to_the_most_central() -> None:
    verdicts = judge_table(make_table([*invent(1500), *reword(600)]), keep=40)
    said = count(verdicts[1500:])
    assert said["reject", "diversity.reworded"] > 500
    assert said["accept", None] >= 40
    assert count(verdicts[:1500]) == {("accept", None): 1500}
    away = next(v for v in verdicts if v["outcome"] == "reject")
    told = json.loads(away["evidence"])["cluster"]
    assert away["score"] == told["known_low"] > away["threshold"] == 0.75
    assert 0.2 < told["share_low"] < told["share"] < told["share_high"] < 0.35
    assert told["centre"] in {v["row_id"] for v in verdicts[1500:]}


def test_a_batch_of_nothing_else_is_turned_away_as_a_whole() -> None:
    said = count(judge_table(make_table(reword(1200))))
    assert said["accept", None] == 0
    assert said["reject", "diversity.reworded"] > 600


def test_with_hold_no_row_is_rejected() -> None:
    said = count(judge_table(make_table([*invent(1500), *reword(600)]), action="hold"))
    assert said["hold", "diversity.reworded"] > 450
    assert said["reject", "diversity.reworded"] == 0


def test_a_template_that_most_rows_share_is_no_lack_of_diversity() -> None:
    shared = "You are a kind assistant of a lamp shop. Answer in one short sentence, please: "
    said = count(judge_table(make_table([shared + text for text in invent(600)])))
    assert said == {("accept", None): 600}


def test_a_slice_that_means_less_than_its_seeds_is_held_with_the_figures_of_both(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    lines = [{"text": text, "about": "a"} for text in invent(200, seed=5)]
    seeds.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    rng = np.random.default_rng(4)
    words = "my lamp will not switch on any more since the storm".split()
    narrow: list[str | None] = [" ".join(rng.permutation(words)) for _ in range(120)]
    table = make_table([*invent(400), *narrow], slice=["b"] * 400 + ["a"] * 120)
    verdicts = judge_table(table, seeds=str(seeds), columns={"slice": "about"})
    assert count(verdicts[:400]) == {("accept", None): 400}
    assert count(verdicts[400:]) == {("hold", "diversity.narrow"): 120}
    held = verdicts[400]
    told = json.loads(held["evidence"])
    assert held["scope"] == "slice"
    assert held["reason"].startswith("the slice a has ")
    assert told["group"]["vendi"] < told["group"]["vendi_seeds"] / 2
    assert told["narrow"] > 0.5
    assert (
        json.loads(verdicts[0]["evidence"])["unmeasured"]["meaning"] == "there are no seeds to compare with"
    )


def test_a_batch_that_uses_few_of_its_seeds_is_held() -> None:
    seeds: list[Any] = ["s0"] * 285 + [f"s{k}" for k in range(1, 16)]
    assert count(judge_table(make_table(invent(300), seed_id=seeds))) == {
        ("hold", "diversity.uneven_seeds"): 300
    }
    even: list[Any] = [f"s{k % 15}" for k in range(300)]
    assert count(judge_table(make_table(invent(300), seed_id=even))) == {("accept", None): 300}


@pytest.mark.parametrize("rows", [0, 1, 79])
def test_too_few_rows_are_abstained_on(rows: int) -> None:
    verdicts = judge_table(make_table(reword(rows)))
    assert [v["reason_class"] for v in verdicts] == ["diversity.too_few_rows"] * rows


def test_a_batch_of_eighty_rows_is_measured() -> None:
    assert {v["outcome"] for v in judge_table(make_table(invent(80)))} == {"accept"}


def test_rows_with_nothing_to_read_are_abstained_on() -> None:
    verdicts = judge_table(make_table([None, "", " \n", "?!", *invent(100)]))
    assert [v["reason_class"] for v in verdicts[:4]] == ["diversity.nothing_to_read"] * 4
    assert count(verdicts)["accept", None] == 100


def test_one_word_rows_are_measured_by_what_can_be_and_say_what_cannot(texts_table: TextsTable) -> None:
    verdicts = judge_table(texts_table([f"word{k}" for k in range(100)]))
    assert {(v["outcome"], v["reason_class"]) for v in verdicts} == {("abstain", "diversity.too_few_rows")}


@pytest.mark.parametrize("cut", [40, 97])
def test_how_the_batch_is_cut_does_not_show(cut: int) -> None:
    table = make_table([*invent(60), *reword(150), None], slice=["a"] * 100 + ["b"] * 111)
    assert judge_table(table, cut=cut) == judge_table(table)


def test_a_state_from_files_gives_the_same_verdicts_in_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_table([*invent(100), *reword(200)])
    parts = [table.slice(0, 120), table.slice(120)]
    here = run_gate(tmp_path / "here", "diversity", {}, parts, canaries=10)
    [expected], _ = play(diversity(), [table])
    assert read_verdicts(tmp_path / "here", "diversity").equals(expected)
    monkeypatch.setattr(local, "APART_ROWS", 0)
    assert run_gate(tmp_path / "apart", "diversity", {}, parts, canaries=10) == here


@pytest.mark.parametrize("seeded", [True, False])
def test_every_kind_of_canary_is_caught_and_rows_far_apart_pass(seeded: bool, tmp_path: Path) -> None:
    texts = [f"{a} {b}" for a, b in zip(invent(300), invent(300, seed=9), strict=True)]
    table = make_table(texts, seed_id=[f"s{k % 30}" for k in range(300)])
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text("\n".join(json.dumps({"text": text}) for text in invent(300, seed=7)), encoding="utf-8")
    judge = diversity(seeds=str(seeds) if seeded else None)
    assert judge.plant is not None
    assert judge.control is not None
    planted = pa.concat_tables([judge.plant(table, 20, 1), judge.control(table, 20, 2)])
    _, state = play(judge, [table], planted)
    kinds = [json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    said = dict(zip(kinds, judge.judge(planted, state)["outcome"].to_pylist(), strict=True))
    assert said == {"reworded": "hold", "narrow": "hold", "one_seed": "hold", "far_apart": "accept"}


@pytest.mark.parametrize(
    ("params", "missed"),
    [
        ({"max_known_wording": 0.999}, "reworded"),
        ({"max_narrowing": 0.999}, "narrow"),
        ({"max_uneven_seeds": 0.999}, "one_seed"),
    ],
)
def test_an_absurd_bar_is_noticed_by_its_canaries(params: dict[str, Any], missed: str) -> None:
    texts = [f"{a} {b}" for a, b in zip(invent(300), invent(300, seed=9), strict=True)]
    table, judge = make_table(texts, seed_id=[f"s{k % 30}" for k in range(300)]), diversity(**params)
    assert judge.plant is not None
    planted = judge.plant(table, 20, 1)
    _, state = play(judge, [table], planted)
    kinds = [json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    said = dict(zip(kinds, judge.judge(planted, state)["outcome"].to_pylist(), strict=True))
    assert said[missed] == "accept"


def test_a_check_that_is_off_is_stated_and_plants_nothing() -> None:
    judge = diversity(max_known_wording=None, max_uneven_seeds=None)
    assert judge.off == ("reworded", "one_seed")
    assert judge.plant is not None
    texts = [f"{a} {b}" for a, b in zip(invent(100), invent(100, seed=9), strict=True)]
    kinds = {
        json.loads(extra)["kind"] for extra in judge.plant(make_table(texts), 10, 1)["extra"].to_pylist()
    }
    assert kinds == {"narrow"}


def test_dials_decide_again_as_the_gate_does() -> None:
    table = make_table([*invent(300), *reword(400)], seed_id=["s0"] * 600 + [f"s{k}" for k in range(100)])
    judge = diversity(max_known_wording=0.6)
    [verdicts], _ = play(judge, [table])
    old = {"max_known_wording": 0.6, "action": "reject", "max_uneven_seeds": 0.7}
    assert decide_again(verdicts, judge.dials, old, old) == verdicts["outcome"].to_pylist()
    turned = {**old, "max_known_wording": 0.9999, "max_uneven_seeds": 0.99}
    assert set(decide_again(verdicts, judge.dials, turned, old)) == {"accept"}


def test_verdicts_before_the_batch_was_seen_are_an_error() -> None:
    with pytest.raises(GateError):
        diversity().judge(make_table(["hello"]), NO_STATE)


def test_seeds_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        diversity(seeds=str(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError):
        bind("gate", "diversity", {"keep": -1}, where="gates.yaml")
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"text": ""}\n', encoding="utf-8")
    with pytest.raises(InputError, match="no seed"):
        judge_table(make_table(invent(100)), seeds=str(empty))
