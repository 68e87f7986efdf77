"""Trees of dialogues: every path a row, what paths share asked once, and a persona that holds."""

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from distilabel.pipeline import Pipeline
from hypothesis import given, settings
from hypothesis import strategies as st

import synth_stack.gates  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError, UsageError
from synth_stack.gates.turns.gate import turns
from synth_stack.generation.driver import drive
from synth_stack.generators.dialogue.methods import dialogue_tree
from synth_stack.generators.dialogue.personas import PersonaFile
from synth_stack.generators.template import load_template
from synth_stack.inputs.gate_file import load_gates
from synth_stack.inputs.recipe import load_recipe
from synth_stack.progress import Silent
from synth_stack.registry import bind
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.teachers.scripted_llm import ScriptedLLM
from synth_stack.workflows.generate import generate_candidates, preview
from synth_stack.workflows.prepare import prepare
from tests.gates.playing import play
from tests.openai_server import MODEL, serve
from tests.shop import SECTIONS, SEEDS, make_plan, write_recipe

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "pipelines" / "dialogues" / "recipe.yaml"
PERSONAS = PersonaFile(path=str(RECIPE.parent / "personas.yaml"))
Row = dict[str, Any]


def run(
    count: int = 8, *, llm: ScriptedLLM | None = None, batch: int = 8, first: int = 0, **params: Any
) -> list[Row]:
    rows: list[Row] = []
    plan = make_plan(count, method="dialogue_tree", first=first)
    pipeline = dialogue_tree(llm or ScriptedLLM(), plan, batch, personas=PERSONAS, **params)
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    return rows


def dialogue_of(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row["extra"])["dialogue"]
    return found


def prompts_of(row: Row) -> dict[str, str]:
    return {prompt["column"]: prompt["text"] for prompt in row["prompts"]}


def count_shared(left: list[Any], right: list[Any]) -> int:
    """How many of their first elements two lists have in common."""
    pairs = zip(left, right, strict=True)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), len(left))


def is_one_tree(left: Row, right: Row) -> bool:
    return bool(dialogue_of(left)["nodes"][0] == dialogue_of(right)["nodes"][0])


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3)).flatmap(
    lambda shape: st.tuples(
        st.just(shape[0]), st.just(shape[1]), st.integers(1, min(shape[1] ** shape[0], 6))
    )
)


@settings(max_examples=12)
@given(SHAPES, st.integers(1, 14), st.integers(0, 40))
def test_paths_of_a_tree_share_turns_and_node_ids_exactly_as_far_as_their_branches(
    shape: tuple[int, int, int], count: int, first: int
) -> None:
    depth, fan_out, paths = shape
    rows = run(count, first=first, depth=depth, fan_out=fan_out, paths=paths)
    assert [row["draw"] for row in rows] == list(range(first, first + count))
    for left, right in combinations(rows, 2):
        one, other = dialogue_of(left), dialogue_of(right)
        if not is_one_tree(left, right):
            assert not set(one["nodes"]) & set(other["nodes"])
            continue
        level = count_shared(one["branch"], other["branch"])
        assert level < depth
        assert count_shared(one["nodes"], other["nodes"]) == level + 1
        assert left["messages"][: 2 * level] == right["messages"][: 2 * level]
        assert (left["parent_id"] == right["parent_id"]) == (level == depth - 1)


def test_a_row_is_a_whole_dialogue_that_names_its_nodes_persona_and_seed() -> None:
    for row in build_candidates(run(9, paths=4)).to_pylist():
        assert (row["kind"], row["failure"], row["generator"]) == ("dialogue", None, "dialogue_tree")
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * 3
        assert row["text"] == "\n\n".join(message["content"] for message in row["messages"])
        found = dialogue_of(row)
        assert all(len(node) == 32 and int(node, 16) >= 0 for node in found["nodes"])
        assert (len(found["nodes"]), found["depth"], len(found["branch"])) == (4, 3, 3)
        assert row["parent_id"] == found["nodes"][-2]
        assert row["seed_id"] in {seed["id"] for seed in SEEDS}
        names = ["dialogue_opening", *["dialogue_reply", "dialogue_follow_up"] * 2, "dialogue_reply"]
        assert row["template_id"].split() == [load_template(name).template_id for name in names]


def test_the_rows_of_a_tree_have_one_seed_and_the_trees_different_ones() -> None:
    rows = run(12, paths=4)
    trees = [rows[k : k + 4] for k in (0, 4, 8)]
    assert [len({row["rng_seed"] for row in tree}) for tree in trees] == [1, 1, 1]
    assert len({row["rng_seed"] for row in rows}) == 3
    assert all(len({row["seed_id"] for row in tree}) == 1 for tree in trees)
    assert len({row["row_id"] for row in build_candidates(rows).to_pylist()}) == 12


def test_every_node_is_asked_once_and_its_tokens_count_once() -> None:
    with serve() as server:
        bound = bind(
            "teacher",
            "http",
            {"base_url": server.base_url, "model": MODEL, "reasoning_tokens": 0},
            where="teacher",
        )
        rows = run(10, llm=bound.make(), paths=4)
        nodes = {node for row in rows for node in dialogue_of(row)["nodes"][1:]}
        assert len(server.asked) == 2 * len(nodes) < 2 * 3 * len(rows)
    spent = [tokens for row in rows for tokens in json.loads(row["extra"])["tokens"].values()]
    assert len(spent) == len(server.asked)
    assert [sum(counts) for counts in zip(*spent, strict=True)] == [11 * len(spent), 7 * len(spent)]
    assert set(json.loads(rows[0]["extra"])["tokens"]) == {
        f"{role}_{k}" for role in ("user", "assistant") for k in (1, 2, 3)
    }


def test_a_budget_makes_trees_share_more() -> None:
    def count_nodes(**params: Any) -> int:
        return len({node for row in run(16, paths=4, **params) for node in dialogue_of(row)["nodes"][1:]})

    assert count_nodes(max_calls=14) == 4 * 7
    assert count_nodes() > 4 * 7


def test_the_customer_stays_one_person_along_a_path_and_another_branch_is_another_person() -> None:
    for row in run(8, paths=4):
        persona = dialogue_of(row)["persona"]
        for column, prompt in prompts_of(row).items():
            told = " ".join(prompt.split())
            facts = (
                ("name", "product", "date", "tone")
                if column.startswith("user")
                else ("name", "product", "date")
            )
            assert all(persona[fact] in told for fact in facts), column
    for left, right in combinations(run(16, paths=4), 2):
        if is_one_tree(left, right):
            same_branch = dialogue_of(left)["branch"][0] == dialogue_of(right)["branch"][0]
            assert (dialogue_of(left)["persona"] == dialogue_of(right)["persona"]) == same_branch


def test_the_first_message_varies_the_seed_and_each_further_one_goes_on_from_all_that_was_said() -> None:
    for row in run(6, paths=2):
        prompts, said = prompts_of(row), [message["content"] for message in row["messages"]]
        seed = next(seed["text"] for seed in SEEDS if seed["id"] == row["seed_id"])
        assert seed in prompts["user_1"]
        for level in (1, 2, 3):
            before = said[: 2 * level - 2]
            asked = " ".join(prompts[f"user_{level}"].split())
            assert all(" ".join(turn.split()) in asked for turn in before)
            assert not any(turn in asked for turn in said[2 * level - 2 :])


def test_the_agent_is_asked_with_the_turns_as_turns_and_the_policy_of_the_topic() -> None:
    with serve() as server:
        bound = bind(
            "teacher",
            "http",
            {"base_url": server.base_url, "model": MODEL, "reasoning_tokens": 0},
            where="teacher",
        )
        [row] = run(1, llm=bound.make(), paths=1, first=0)
    body = server.bodies()[-1]
    assert body["messages"][0]["role"] == "system"
    said = [{name: turn[name] for name in ("role", "content")} for turn in row["messages"]]
    assert body["messages"][1:] == said[:-1]
    policies = {"orders/late": "orders#late-parcels", "billing/refund": "billing#refunds"}
    if row["slice"] in policies:
        assert SECTIONS[policies[row["slice"]]] in body["messages"][0]["content"]
    else:
        assert "say so when you cannot know" in body["messages"][0]["content"]


def test_the_children_of_a_node_are_asked_for_different_things() -> None:
    rows = run(16, depth=2, fan_out=4, paths=16)
    moves = [dialogue_of(row)["moves"] for row in rows]
    assert {first for first, _ in moves} == {"opening"}
    assert all(len({second for _, second in moves[k : k + 4]}) == 4 for k in (0, 4, 8, 12))
    texts = {
        "detail": "asks about a detail",
        "doubt": "doubts that",
        "constraint": "harder",
        "consequence": "what happens if",
    }
    for row, (_, move) in zip(rows, moves, strict=True):
        assert [name for name, text in texts.items() if text in prompts_of(row)["user_2"]] == [move]


def test_a_node_that_fails_fails_every_path_through_it_and_no_other() -> None:
    rows = run(40, llm=ScriptedLLM(empty_share=0.15), paths=4)
    failed = [row for row in rows if row["failure"]]
    assert failed
    assert len(failed) < len(rows)
    assert len({row["failure"].partition(":")[0] for row in failed}) > 2
    for row in failed:
        column, _, reason = row["failure"].partition(": ")
        role, level = column.split("_")
        assert reason.startswith("empty answer")
        assert len(row["messages"]) == 2 * int(level) - (2 if role == "user" else 1)
        assert row["parent_id"] == dialogue_of(row)["nodes"][-1]
        for other in rows:
            through = dialogue_of(other)["branch"][: int(level)] == dialogue_of(row)["branch"][: int(level)]
            if is_one_tree(row, other) and through:
                assert other["failure"] == row["failure"]
    assert build_candidates(rows).schema == CANDIDATE_SCHEMA


def test_a_failed_call_is_counted_once_too() -> None:
    llm = ScriptedLLM(empty_share=0.3)
    rows = run(24, llm=llm, paths=4)
    assert sum(len(json.loads(row["extra"])["tokens"]) for row in rows) == llm._answered


@pytest.mark.parametrize("batch", [1, 5, 9, 100])
def test_the_rows_do_not_depend_on_the_batch_size_and_no_tree_stands_in_two_batches(batch: int) -> None:
    batches: list[list[Row]] = []
    pipeline = dialogue_tree(
        ScriptedLLM(), make_plan(11, method="dialogue_tree"), batch, personas=PERSONAS, paths=4
    )

    def keep(_number: int, items: list[Row], made: list[Row]) -> None:
        assert len(items) == len(made)
        batches.append(made)

    drive(pipeline, is_done=lambda *_: False, commit=keep)
    assert [row for made in batches for row in made] == run(11, paths=4)
    roots = [{dialogue_of(row)["nodes"][0] for row in made} for made in batches]
    assert sum(map(len, roots)) == len(set().union(*roots)) == 3


def test_the_pipeline_comes_back_from_its_dump_which_names_no_persona() -> None:
    dump = dialogue_tree(ScriptedLLM(), make_plan(3), 4, personas=PERSONAS).dump()
    assert Pipeline.from_dict(json.loads(json.dumps(dump))).dump() == dump
    assert "Alder" not in json.dumps(dump)
    assert PERSONAS.path not in json.dumps(dump)


def test_dialogues_of_sound_turns_are_accepted_by_the_gate_and_drift_is_not() -> None:
    rows = run(4, paths=4, fan_out=2)
    table = build_candidates(rows)
    [sound], _ = play(turns(), [table])
    assert sound["outcome"].to_pylist() == ["accept"] * 4
    follow_ups = [("asks about|doubts|harder|what happens", ["My name is Zebedee, can you hear me?"])]
    drifting = build_candidates(run(2, llm=ScriptedLLM(rules=follow_ups), paths=2))
    [drifted], _ = play(turns(), [drifting])
    assert set(drifted["reason"].to_pylist()) == {"persona drift: the customer's name changes"}


def small_recipe(folder: Path, personas: list[dict[str, Any]], teacher: dict[str, Any]) -> Path:
    path = write_recipe(
        folder, teacher, methods=[{"use": "dialogue_tree", "personas": {"path": "who/p.yaml"}}]
    )
    (folder / "who").mkdir()
    (folder / "who" / "p.yaml").write_text(yaml.safe_dump(personas))
    return path


RUTH = {"name": "Ruth", "product": "Lamp", "date": "2 May", "tone": "brief"}


def test_the_personas_lie_beside_the_recipe_and_the_lock_has_their_digest_and_no_path(tmp_path: Path) -> None:
    def lock(name: str, persona: dict[str, Any]) -> dict[str, Any]:
        path = small_recipe(tmp_path / name, [persona], {"use": "scripted"})
        return dict(prepare(load_recipe(path)).lock)

    first, same, other = lock("a", RUTH), lock("b", RUTH), lock("c", {**RUTH, "tone": "curt"})
    assert first["identity"] == same["identity"] != other["identity"]
    assert first["methods"][0]["params"]["personas"]["found"]["personas"] == 1
    assert "p.yaml" not in json.dumps(first)
    assert {name.partition("@")[0] for name in first["templates"]} == {
        "dialogue_opening",
        "dialogue_follow_up",
        "dialogue_reply",
    }


def test_a_run_that_was_stopped_makes_the_missing_trees_again_as_they_were(tmp_path: Path) -> None:
    recipe = load_recipe(small_recipe(tmp_path, [RUTH], {"use": "scripted"}))
    job, run_folder = prepare(recipe), tmp_path / "run"
    generate_candidates(job, run_folder, Silent())
    parts = {path: path.read_bytes() for path in sorted((run_folder / "candidates").glob("part-*"))}
    assert len(parts) == 3
    list(parts)[1].unlink()
    (run_folder / "candidates" / ".done").unlink()
    generate_candidates(job, run_folder, Silent())
    assert {path: path.read_bytes() for path in sorted((run_folder / "candidates").glob("part-*"))} == parts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda methods: methods[0].pop("personas"), "personas is missing"),
        (lambda methods: methods[0].update(depth=7), "depth is not usable"),
        (lambda methods: methods[0].update(fan_out=5), "fan_out is not usable"),
        (lambda methods: methods[0].update(paths=9), "too few paths"),
        (lambda methods: methods[0].update(max_calls=4), "need more calls"),
        (lambda methods: methods[0].update(personas={"path": "nowhere.yaml"}), "is not a file"),
        (lambda methods: methods[0].update(leaves=2), "leaves is not a known key"),
    ],
)
def test_what_cannot_be_grown_is_refused_before_the_first_prompt(
    change: Callable[[list[dict[str, Any]]], object], message: str, tmp_path: Path
) -> None:
    with serve() as server:
        path = small_recipe(
            tmp_path,
            [RUTH],
            {"use": "http", "base_url": server.base_url, "model": MODEL, "reasoning_tokens": 0},
        )
        recipe = yaml.safe_load(path.read_text())
        change(recipe["generate"]["methods"])
        path.write_text(yaml.safe_dump(recipe))
        with pytest.raises(UsageError) as caught:
            preview(load_recipe(path), 2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize("field", ["name", "product", "date", "tone"])
def test_a_persona_that_lacks_a_field_is_named_before_the_first_prompt(field: str, tmp_path: Path) -> None:
    with serve() as server:
        lacking = {name: value for name, value in RUTH.items() if name != field}
        teacher = {"use": "http", "base_url": server.base_url, "model": MODEL, "reasoning_tokens": 0}
        path = small_recipe(tmp_path, [RUTH | {"name": "Omar"}, lacking], teacher)
        with pytest.raises(ConfigError) as caught:
            preview(load_recipe(path), 2)
    assert str(caught.value).endswith(f"who/p.yaml: persona 2: {field} is missing")
    assert caught.value.exit_code == 2
    assert server.asked == []


def test_the_recipe_of_the_package_previews_with_any_server_by_one_line_and_its_gates_are_known() -> None:
    with serve() as server:
        teacher = {"use": "http", "base_url": server.base_url, "model": MODEL, "reasoning_tokens": 0}
        rows = preview(load_recipe(RECIPE, {"teacher": teacher}), 5)
    assert [(row["kind"], row["failure"]) for row in rows] == [("dialogue", None)] * 5
    assert all(len(row["prompts"]) == 6 for row in rows)
    for number, use in enumerate(load_gates(RECIPE.parent / "gates.yaml").gates):
        bind("gate", use.use, use.params, where=f"gates[{number}]")
