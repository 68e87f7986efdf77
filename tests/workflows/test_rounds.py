"""Rows in rounds until enough are accepted: what is short gets more, limits hold, verdicts stay right."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pytest

import synth_stack
from synth_stack.errors import BlindGate, ConfigError, InputError, StoreError, TeacherError
from synth_stack.gates.canaries import plant_defects
from synth_stack.gates.gate import Judge, State
from synth_stack.inputs.recipe import load_recipe
from synth_stack.inputs.strict_yaml import read_yaml
from synth_stack.registry import gate
from synth_stack.rows.schemas import build_verdicts
from synth_stack.runs.folder import MANIFEST, list_amended, list_made
from synth_stack.workflows.generate import preview
from synth_stack.workflows.rounds import RowsSoFar, count_rows_so_far
from synth_stack.workflows.run import RunResult
from tests.openai_server import MODEL, serve
from tests.packs.judged_run import REJECTED, build_run, replace_rows
from tests.recipes import LEAKED, call, read_tree, write_jsonl, write_recipe, write_yaml

Row = dict[str, Any]

SELF = {"use": "self_instruct", "examples": 1}
DULL = {"match": "DULL", "replies": [""]}
"""A seed with this word in it gives no message at all."""
PRICE = {"input_per_million": 100.0, "output_per_million": 300.0}


def write_seeds(folder: Path, **slices: tuple[int, int]) -> None:
    """Seeds of each slice, so many good ones and so many dull ones."""
    rows = [
        {
            "id": f"{slice_}-{kind}-{i}",
            "slice": slice_,
            "locale": "en-GB",
            "text": f"{kind} lamp number {i} is late",
        }
        for slice_, counts in slices.items()
        for kind, count in zip(("good", "DULL"), counts, strict=True)
        for i in range(count)
    ]
    write_jsonl(folder / "seeds.jsonl", rows)


def aim_at(
    folder: Path, accepted: int, *, teacher: Row | None = None, generate: Row | None = None, **target: Any
) -> Path:
    """A recipe with a target, whose teacher writes nothing for dull seeds."""
    return write_recipe(
        folder,
        teacher={"use": "scripted", "rules": [DULL], **(teacher or {})},
        generate={
            "target": {"accepted": accepted, **target},
            "batch_rows": 8,
            "methods": [{**SELF, "share": 0.75}, {"use": "self_instruct", "examples": 1, "share": 0.25}],
            **(generate or {}),
        },
    )


def read_rounds(run: Path) -> list[Row]:
    return [json.loads(path.read_bytes()) for path in sorted((run / "rounds").glob("*.json"))]


def read_rows(run: Path) -> pl.DataFrame:
    """Every row with its decision, its round among the columns."""
    parts = [
        pl.read_parquet(part).with_columns(round=int(part.name.split("-")[1]))
        for part in list_made(run / "candidates")
    ]
    return pl.concat(parts).join(pl.read_parquet(run / "decisions.parquet"), on="row_id")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """A run over three slices, of which one has only dull seeds beside a good one, with a price."""
    folder = tmp_path_factory.mktemp("rounds")
    recipe = aim_at(folder, 60, teacher={"price": PRICE}, per_slice={"b": 12})
    write_seeds(folder, a=(4, 4), b=(1, 5), c=(6, 0))
    with pytest.MonkeyPatch.context() as patch:  # set up before the key of conftest.py
        patch.setenv("SYNTH_STACK_KEY", str(tmp_path_factory.getbasetemp() / "signing-key.pem"))
        return recipe, synth_stack.run(recipe, folder / "run")


def test_a_run_goes_on_until_enough_rows_are_accepted(shared: tuple[Path, RunResult]) -> None:
    _, result = shared
    rounds = read_rounds(result.folder)
    accepted = read_rows(result.folder).filter(pl.col("decision") == "accepted")
    spent = result.spent

    assert spent.reached is True
    assert spent.limit is None
    assert spent.rounds == len(rounds) > 1
    assert spent.accepted == accepted.height == result.figures.accepted >= 60
    assert spent.wanted == 60
    assert accepted.filter(pl.col("slice") == "b").height >= 12
    assert synth_stack.verify(result.pack.path).root == result.pack.root
    assert result.pack.counts["accepted"] == spent.accepted


def test_lock_and_card_say_what_was_wanted_and_that_draws_were_as_needed(
    shared: tuple[Path, RunResult],
) -> None:
    lock = read_yaml(shared[1].folder / "recipe.lock.yaml")

    assert lock["target"] == {"accepted": 60, "per_slice": {"b": 12}}
    assert [method["draws"] for method in lock["methods"]] == [None, None]
    assert "as needed" in (shared[1].pack.path / "README.md").read_text()


def test_rejected_rows_are_kept_with_their_reasons(shared: tuple[Path, RunResult]) -> None:
    rows = read_rows(shared[1].folder)

    assert rows.height == shared[1].spent.made > 60
    assert rows.filter(pl.col("decision") == "rejected")["reason"].null_count() == 0
    assert sorted(rows["draw"].to_list()) == list(range(rows.height))


def test_every_round_is_written_down_before_it_is_drawn_and_drawn_as_written(
    shared: tuple[Path, RunResult],
) -> None:
    rows = read_rows(shared[1].folder)
    first_draw = 0
    for round_ in read_rounds(shared[1].folder):
        mine = rows.filter(pl.col("round") == round_["number"])
        before = rows.filter(pl.col("round") < round_["number"])
        kept = before.filter(pl.col("decision") == "accepted")
        assert Counter(mine["slice"]) == round_["draws"]
        assert mine["draw"].min() == round_["first_draw"] == first_draw
        assert {s: n for s, n in round_["made"].items() if n} == Counter(before["slice"])
        assert {s: n for s, n in round_["accepted"].items() if n} == Counter(kept["slice"])
        assert {s: n[0] for s, n in round_["seeds"].items()} == Counter(before["seed_id"])
        first_draw += mine.height


def test_methods_keep_their_shares_in_every_round(shared: tuple[Path, RunResult]) -> None:
    for round_ in read_rounds(shared[1].folder):
        parts = (shared[1].folder / "candidates").glob(f"part-{round_['number']:03d}-00-*")
        made = sum(pl.read_parquet(part).height for part in parts)
        assert abs(made - 0.75 * sum(round_["draws"].values())) <= 0.5


def test_later_rounds_draw_less_of_seeds_whose_rows_are_rejected(shared: tuple[Path, RunResult]) -> None:
    rows = read_rows(shared[1].folder).filter(pl.col("slice") == "a")
    dull = pl.col("seed_id").str.contains("DULL")
    first = rows.filter(pl.col("round") == 0).select(dull.mean()).item()
    later = rows.filter(pl.col("round") > 0).select(dull.mean()).item()

    assert first > 0.3  # half of the seeds
    assert later < 0.6 * first


def test_a_slice_that_is_short_gets_more_of_the_next_round(shared: tuple[Path, RunResult]) -> None:
    first, second, *_ = read_rounds(shared[1].folder)

    assert first["draws"] == {"a": 20, "b": 20, "c": 20}
    assert second["accepted"]["b"] < second["accepted"]["a"] < second["accepted"]["c"]
    assert second["draws"]["b"] > second["draws"]["a"] > second["draws"].get("c", 0)


def test_what_was_spent_is_the_sum_over_every_row(shared: tuple[Path, RunResult]) -> None:
    _, result = shared
    spent = result.spent
    calls = [
        tokens
        for extra in read_rows(result.folder)["extra"]
        for tokens in orjson.loads(extra)["tokens"].values()
    ]

    assert (spent.input_tokens, spent.output_tokens) == tuple(map(sum, zip(*calls, strict=True)))
    assert spent.cost == pytest.approx((spent.input_tokens * 100 + spent.output_tokens * 300) / 1e6)
    assert spent.currency == "USD"
    assert spent.seconds is not None
    assert spent.seconds > 0
    assert spent.per_accepted()["made"] == spent.made / spent.accepted


def test_the_verdicts_of_many_rounds_are_those_of_one_judgement(
    shared: tuple[Path, RunResult], tmp_path: Path
) -> None:
    recipe, result = shared
    batch = synth_stack.curate(
        result.folder, recipe.parent / "gates.yaml", tmp_path / "out", eval_sets=load_recipe(recipe).eval_sets
    )

    decided = "decisions.parquet"
    assert (batch.folder / decided).read_bytes() == (result.folder / decided).read_bytes()
    assert read_tree(batch.folder / "verdicts") == read_tree(result.folder / "verdicts")


def test_the_same_target_gives_the_same_bytes_and_a_finished_run_is_left_as_it_is(
    shared: tuple[Path, RunResult], tmp_path: Path
) -> None:
    recipe, result = shared
    whole = read_tree(result.folder)

    assert read_tree(synth_stack.run(recipe, tmp_path / "again").folder) == whole
    again = synth_stack.run(recipe, result.folder)
    assert read_tree(result.folder) == whole
    assert again.spent == result.spent


def test_a_preview_shows_rows_as_the_first_round_would_draw_them(shared: tuple[Path, RunResult]) -> None:
    rows = preview(load_recipe(shared[0]), 9)

    assert Counter(row["slice"] for row in rows) == {"a": 3, "b": 3, "c": 3}
    assert [row["draw"] for row in rows] == list(range(9))


def test_a_target_that_cannot_be_reached_ends_at_the_limit_with_every_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leaks = {"match": "DULL", "replies": [LEAKED]}
    recipe = aim_at(tmp_path, 10, teacher={"rules": [leaks]}, max_candidates=35)
    write_seeds(tmp_path, a=(0, 3), b=(0, 3))
    code, out, _ = call(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "run", "-q")

    assert code == 0
    assert "target  0 of 10 accepted in 2 rounds; max_candidates is spent" in out
    assert read_rows(tmp_path / "run").height == 35
    assert read_rounds(tmp_path / "run")[-1]["cut_by"] == "max_candidates"
    code, out, _ = call(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "run", "--json")
    told = json.loads(out)["spent"]
    assert (told["reached"], told["limit"], told["made"]) == (False, "max_candidates", 35)
    assert told["per_accepted"]["made"] is None


def test_a_slice_that_gives_nothing_is_passed_over_and_the_others_take_its_share(tmp_path: Path) -> None:
    recipe = aim_at(tmp_path, 40)
    write_seeds(tmp_path, a=(6, 0), b=(0, 6))
    result = synth_stack.run(recipe, tmp_path / "run")

    assert result.spent.reached is True
    assert [round_["draws"].get("b", 0) for round_ in read_rounds(result.folder)][:2] == [20, 0]
    assert {group.name: group.n for group in result.figures.slices}["b"] == 20


def test_a_higher_limit_lets_the_same_run_go_on_and_a_lower_one_does_not(tmp_path: Path) -> None:
    recipe = aim_at(tmp_path, 40, max_candidates=50)
    write_seeds(tmp_path, a=(3, 3), b=(3, 3))
    short = synth_stack.run(recipe, tmp_path / "run")
    first = read_tree(short.folder / "candidates")
    assert (short.spent.reached, short.spent.made) == (False, 50)

    recipe = aim_at(tmp_path, 40, max_candidates=45)
    write_seeds(tmp_path, a=(3, 3), b=(3, 3))
    assert synth_stack.run(recipe, short.folder).spent == short.spent

    recipe = aim_at(tmp_path, 40)
    write_seeds(tmp_path, a=(3, 3), b=(3, 3))
    gone_on = synth_stack.run(recipe, short.folder)
    assert gone_on.spent.reached is True
    assert first.items() <= read_tree(short.folder / "candidates").items()
    assert [round_["ended"] for round_ in read_rounds(short.folder)] == [None] * gone_on.spent.rounds
    assert synth_stack.verify(gone_on.pack.path).root == gone_on.pack.root


def test_a_limit_of_cost_ends_a_round_in_its_middle_and_a_higher_one_finishes_it(tmp_path: Path) -> None:
    def run(**limits: Any) -> RunResult:
        recipe = aim_at(tmp_path, 40, teacher={"price": PRICE}, **limits)
        write_seeds(tmp_path, a=(3, 3), b=(3, 3))
        return synth_stack.run(recipe, tmp_path / "run")

    whole = run()
    assert whole.spent.cost is not None
    tree = read_tree(whole.folder)
    (tmp_path / "run").rename(tmp_path / "whole")

    cheap = run(max_cost=whole.spent.cost / 8)
    [round_] = read_rounds(cheap.folder)
    assert (cheap.spent.reached, cheap.spent.limit) == (False, "max_cost")
    assert round_["ended"]["limit"] == "max_cost"
    assert 0 < cheap.spent.made < sum(round_["draws"].values())
    assert cheap.spent.cost is not None
    assert whole.spent.cost / 8 <= cheap.spent.cost < whole.spent.cost
    assert cheap.figures.generated == cheap.spent.made == cheap.pack.counts["generated"]
    before = read_tree(cheap.folder)
    assert run(max_cost=whole.spent.cost / 8).spent.made == cheap.spent.made
    assert read_tree(cheap.folder) == before

    assert run().spent.reached is True
    assert read_tree(cheap.folder) == tree


def test_a_limit_of_time_ends_a_run_and_holds_when_it_is_started_again(tmp_path: Path) -> None:
    def run() -> RunResult:
        recipe = aim_at(
            tmp_path, 400, teacher={"delay_s": 0.05}, generate={"batch_rows": 2}, max_minutes=0.01
        )
        write_seeds(tmp_path, a=(3, 0))
        return synth_stack.run(recipe, tmp_path / "run")

    first, second = run(), run()
    assert (first.spent.reached, first.spent.limit) == (False, "max_minutes")
    assert first.spent.made == second.spent.made < 400
    assert first.spent.seconds is not None
    assert first.spent.seconds >= 0.6


def test_a_run_whose_time_is_up_at_once_is_an_empty_run_and_goes_on_with_more(tmp_path: Path) -> None:
    empty = synth_stack.run(aim_at(tmp_path, 6, max_minutes=1e-9), tmp_path / "run")
    assert (empty.spent.made, empty.spent.limit) == (0, "max_minutes")
    assert synth_stack.verify(empty.pack.path).root == empty.pack.root

    assert synth_stack.run(aim_at(tmp_path, 6), tmp_path / "run").spent.reached is True


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"accepted": 10, "max_candidates": 9}, "10 accepted rows cannot come of max_candidates 9"),
        ({"accepted": 0}, "generate.target.accepted is not usable; seen: 0"),
        ({"accepted": 10, "max_minutes": 0}, "generate.target.max_minutes is not usable; seen: 0"),
        ({"accepted": 10, "max_cost": -1.0}, "generate.target.max_cost is not usable; seen: -1.0"),
        ({"accepted": 10, "max_cost": float("nan")}, "generate.target.max_cost is not usable"),
        (
            {"accepted": 5, "per_slice": {"lamps/dim": 4, "lamps/broken": 2}},
            "6 rows in all, and accepted for 5",
        ),
        ({"accepted": 10, "per_slice": 3}, "seen: 3 of each of 4 slices: 12 rows; allowed: 10 in all"),
        ({"accepted": 10, "per_slice": {"lamps/dimm": 1}}, "seen: lamps/dimm; "),
        ({"accepted": 10, "per_slice": {"lamps/dim": 0}}, "per_slice is not usable: 0 is no number of rows"),
        ({"accepted": 10, "per_slice": "3"}, "per_slice is not usable: '3' is no number of rows"),
        ({"accepted": 10, "max_cost": 1.0}, "needs a teacher whose tokens have a price"),
        ({"accepted": 10, "max_minute": 1.0}, "Did you mean 'max_minutes'"),
    ],
)
def test_a_target_that_cannot_be_is_refused_with_one_sentence(
    target: Row,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = write_recipe(tmp_path, generate={"target": target, "methods": [SELF]})
    code, out, err = call(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "run", "-q")

    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("both", [{"candidates": 10, "target": {"accepted": 5}}, {}])
def test_a_recipe_has_either_candidates_or_a_target(both: Row, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="either candidates or target says how many rows to make"):
        load_recipe(write_recipe(tmp_path, generate={**both, "methods": [SELF]}))


def test_candidates_alone_cannot_be_made_for_a_target(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="has a target in accepted rows, and without gates none is accepted"
    ):
        synth_stack.generate(aim_at(tmp_path, 10), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"accepted": 10, "max_cost": 1.0}, "needs a teacher whose tokens have a price"),
        ({"accepted": 10, "per_slice": 5}, "asks for more rows than accepted"),
    ],
)
def test_a_server_is_asked_nothing_for_a_target_that_cannot_be(
    target: Row, said: str, tmp_path: Path
) -> None:
    with serve() as server:
        teacher = {"use": "http", "base_url": server.base_url, "model": MODEL, "reasoning_tokens": 0}
        recipe = write_recipe(tmp_path, teacher=teacher, generate={"target": target, "methods": [SELF]})
        with pytest.raises(ConfigError, match=said):
            synth_stack.run(recipe, tmp_path / "run")
        assert server.asked == []


def test_a_number_of_candidates_on_the_command_line_takes_the_place_of_a_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", aim_at(tmp_path, 10), "--candidates", "6", "--out", tmp_path / "run", "--json")
    code, out, _ = call(monkeypatch, capsys, *arguments)

    told = json.loads(out)
    assert (code, told["generated"], told["spent"]["wanted"]) == (0, 6, None)


def test_another_target_is_another_run_and_other_limits_are_not(tmp_path: Path) -> None:
    from synth_stack.workflows.prepare import prepare

    def identify(accepted: int = 10, **target: Any) -> str:
        return prepare(load_recipe(aim_at(tmp_path, accepted, teacher={"price": PRICE}, **target))).identity

    assert identify() == identify(max_candidates=20, max_minutes=3, max_cost=1.5)
    assert len({identify(), identify(11), identify(per_slice=2), identify(per_slice={"lamps/dim": 2})}) == 4


def test_a_report_gives_the_goals_of_a_target_and_the_draws_of_a_run_without_one(tmp_path: Path) -> None:
    report = {"path": "report.csv", "prior_n": 0}

    def write(generate: Row) -> Path:
        recipe = write_recipe(
            tmp_path, generate={"batch_rows": 8, "methods": [SELF], "report": report, **generate}
        )
        (tmp_path / "report.csv").write_text("slice,n,score\nlamps/broken,10,0.4\nlamps/dim,10,0.8\n")
        return recipe

    plain = synth_stack.generate(write({"candidates": 40}), tmp_path / "plain")
    drawn = Counter(row for part in list_made(plain / "candidates") for row in pl.read_parquet(part)["slice"])
    assert drawn == {"lamps/broken": 30, "lamps/dim": 10}

    aimed = synth_stack.run(
        write({"target": {"accepted": 40, "per_slice": {"orders/late": 8}}}), tmp_path / "aimed"
    )
    first = read_rounds(aimed.folder)[0]["goals"]
    assert first == {"lamps/broken": 24, "lamps/dim": 8, "orders/late": 8, "orders/wrong": 0}
    assert aimed.spent.reached is True
    for run in (plain, aimed.folder):
        lock = (run / "recipe.lock.yaml").read_text()
        assert "deficit" in lock
        assert "report.csv" not in lock


def test_a_report_of_a_slice_without_seeds_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    generate = {"target": {"accepted": 5}, "methods": [SELF], "report": {"path": "report.csv"}}
    recipe = write_recipe(tmp_path, generate=generate)
    (tmp_path / "report.csv").write_text("slice,n,score\nlamps/brocken,10,0.4\n")

    with pytest.raises(InputError, match=r"Did you mean 'lamps/broken'"):
        synth_stack.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_redacted_copies_count_as_accepted_and_are_made_again_for_every_round(tmp_path: Path) -> None:
    write_to = {
        "match": "Answer the customer",
        "replies": [f"Write to jo{i}@lampmail.org then" for i in range(50)],
    }
    recipe = aim_at(tmp_path, 24, teacher={"rules": [DULL, write_to]})
    write_seeds(tmp_path, a=(3, 3), b=(3, 0))
    write_yaml(
        tmp_path / "gates.yaml", {"version": 1, "gates": [{"use": "personal_data"}, {"use": "contamination"}]}
    )
    result = synth_stack.run(recipe, tmp_path / "run")
    copies = pa.concat_tables(
        [pl.read_parquet(part).to_arrow() for part in list_amended(tmp_path / "run" / "candidates")]
    )

    assert result.spent.rounds > 1
    assert result.spent.reached is True
    assert result.spent.made == read_rows(result.folder).height
    assert 24 <= result.spent.accepted <= len(copies) == result.figures.replacements
    for round_ in read_rounds(result.folder)[1:]:
        assert sum(round_["accepted"].values()) > 0
    again = synth_stack.curate(
        result.folder, tmp_path / "gates.yaml", tmp_path / "out", eval_sets=load_recipe(recipe).eval_sets
    )
    decided = "decisions.parquet"
    assert (again.folder / decided).read_bytes() == (result.folder / decided).read_bytes()
    assert synth_stack.verify(result.pack.path).root == result.pack.root


def test_what_was_made_and_accepted_so_far_counts_a_replacement_as_accepted_alone(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    before = count_rows_so_far(run)
    replace_rows(run, [0, REJECTED[0]])

    assert before == RowsSoFar(
        {"billing/late": 8, "locks": 4},
        {"billing/late": 6, "locks": 3},
        {"seed-000000": (3, 3), "seed-000001": (3, 2), "seed-000002": (3, 2), "seed-000003": (3, 2)},
    )
    after = count_rows_so_far(run)
    assert (after.made, sum(after.accepted.values())) == (before.made, 10)
    assert after.seeds["seed-000002"] == (3, 3)


def test_a_teacher_that_dies_in_a_later_round_is_gone_on_with_in_it(tmp_path: Path) -> None:
    whole = synth_stack.run(_half_dull(tmp_path), tmp_path / "whole")
    calls = whole.spent.made + whole.spent.accepted  # two calls for each row that does not fail at once

    with pytest.raises(TeacherError, match="is down"):
        synth_stack.run(_half_dull(tmp_path, dies_after=calls // 2), tmp_path / "run")
    assert len(read_rounds(tmp_path / "run")) > 1
    assert not (tmp_path / "run" / MANIFEST).exists()

    assert read_tree(synth_stack.run(_half_dull(tmp_path), tmp_path / "run").folder) == read_tree(
        whole.folder
    )


def _half_dull(folder: Path, **teacher: Any) -> Path:
    recipe = aim_at(folder, 24, teacher=teacher)
    write_seeds(folder, a=(2, 4), b=(2, 4))
    return recipe


def test_a_blind_gate_ends_the_run_behind_the_first_round(tmp_path: Path) -> None:
    recipe = _half_dull(tmp_path)
    gates = [{"use": "structure"}, {"use": "rounds-test-blind"}, {"use": "contamination"}]
    write_yaml(tmp_path / "gates.yaml", {"version": 1, "gates": gates})

    with pytest.raises(BlindGate, match="rounds-test-blind caught 0 of"):
        synth_stack.run(recipe, tmp_path / "run")
    assert len(read_rounds(tmp_path / "run")) == 1
    with pytest.raises(BlindGate):
        synth_stack.run(recipe, tmp_path / "run")
    assert len(read_rounds(tmp_path / "run")) == 1


def test_other_gates_judge_the_rows_again_and_the_run_goes_on_to_its_target(tmp_path: Path) -> None:
    recipe = _half_dull(tmp_path)
    first = synth_stack.run(recipe, tmp_path / "run")
    rows = read_tree(first.folder / "candidates")
    gates = (tmp_path / "gates.yaml").read_text()
    (tmp_path / "gates.yaml").write_text(
        gates.replace("use: structure", "use: structure\n  answer:\n    min_words: 50")
    )
    second = synth_stack.run(recipe, first.folder)

    assert second.spent.rounds > first.spent.rounds
    assert rows.items() <= read_tree(first.folder / "candidates").items()


def test_a_round_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    recipe = _half_dull(tmp_path)
    run = synth_stack.run(recipe, tmp_path / "run").folder
    last = max((run / "rounds").glob("*.json"))
    last.write_text('{"number": 3}')

    with pytest.raises(StoreError, match=r"round-\d+\.json is no round of this version"):
        synth_stack.run(recipe, run)


def test_a_run_without_a_target_says_what_it_has_spent_too(tmp_path: Path) -> None:
    spent = synth_stack.run(write_recipe(tmp_path), tmp_path / "run").spent

    assert (spent.made, spent.wanted, spent.reached, spent.limit, spent.cost) == (40, None, None, None, None)
    assert spent.input_tokens > spent.output_tokens > 0
    assert spent.seconds is not None


def test_shards_of_a_gate_that_looks_at_single_rows_are_judged_once(tmp_path: Path) -> None:
    seen = _SEEN
    seen.clear()
    recipe = _half_dull(tmp_path)
    gates = [
        {"use": "rounds-test-counting"},
        {"use": "structure"},
        {"use": "dedup"},
        {"use": "contamination"},
    ]
    write_yaml(tmp_path / "gates.yaml", {"version": 1, "gates": gates})
    result = synth_stack.run(recipe, tmp_path / "run")

    assert result.spent.rounds > 1
    assert Counter(seen) == Counter(read_rows(result.folder)["row_id"].to_list())


_SEEN: list[str] = []


@gate("rounds-test-counting", version="1")
def _counting() -> Judge:
    def judge(table: pa.Table, _: State) -> pa.Table:
        _SEEN.extend(table["row_id"].to_pylist())
        return build_verdicts(table["row_id"], "rounds-test-counting", ["accept"] * len(table))

    return Judge(judge)


@gate("rounds-test-blind", version="1")
def _blind() -> Judge:
    def judge(table: pa.Table, _: State) -> pa.Table:
        return build_verdicts(table["row_id"], "rounds-test-blind", ["accept"] * len(table))

    def plant(sample: pa.Table, n: int, _seed: int) -> pa.Table:
        return plant_defects(sample, n, [("it is loud", str.upper)])

    return Judge(judge, plant=plant)
