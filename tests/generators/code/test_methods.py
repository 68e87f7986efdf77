"""OSS-Instruct, function bodies, docstrings and refactorings, checked for what each of them says it is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distilabel.pipeline import Pipeline

import synth_stack.gates
import synth_stack.generators  # noqa: F401  (both register by being imported)
from synth_stack.errors import ConfigError, InputError, SandboxError, UsageError
from synth_stack.gates.execution.gate import execution
from synth_stack.generation.driver import drive
from synth_stack.generators.code.methods import docstring_rewrite, function_tests, oss_instruct, refactor
from synth_stack.generators.code.pool import PoolSource, read_pool
from synth_stack.generators.template import find_templates
from synth_stack.inputs.gate_file import load_gates
from synth_stack.inputs.recipe import load_recipe
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from synth_stack.sandbox.room import find_level
from synth_stack.teachers.scripted_llm import ScriptedLLM
from synth_stack.workflows.generate import preview
from synth_stack.workflows.prepare import prepare
from tests.gates.playing import play
from tests.shop import SEEDS, make_plan

RECIPE = Path(__file__).parents[3] / "pipelines" / "code_pairs" / "recipe.yaml"
METHODS: dict[str, Any] = {
    "oss_instruct": oss_instruct,
    "function_tests": function_tests,
    "docstring_rewrite": docstring_rewrite,
    "refactor": refactor,
}
STEP = 3
DOUBLE = f'''STEP = {STEP}


def count_up(items, start=0):
    """The items with their numbers, STEP apart."""
    found = []
    for k, item in enumerate(items):
        found.append((start + k * STEP, item))
    return found
'''
PROBLEM = "Write `count_up(items)` that numbers the items, three apart."
BODY = (
    "def count_up(items, start=0):\n    return [(start + STEP * k, item) for k, item in enumerate(items)]\n"
)
TESTS = "def test_numbers():\n    assert count_up('ab', 1) == [(1, 'a'), (4, 'b')]\n    assert count_up([]) == []\n"
DOCUMENTED = '''def count_up(items, start=0):
    """Numbers items.

    >>> count_up("ab")
    [(0, 'a'), (3, 'b')]
    """
    found = []
    for k, item in enumerate(items):
        found.append((start + k * STEP, item))
    return found
'''


def fenced(code: str) -> str:
    return f"```python\n{code}```"


OSS = f"[Problem Description]\n{PROBLEM}\n\n[Solution]\n{fenced('STEP = 3' + chr(10) + BODY)}"
SAYS_OSS, SAYS_TESTS = "gain inspiration", "Its solution defines"
SAYS_DOCSTRING, SAYS_CODE = "docstring of this function", "Answer with the whole function"


def teach(**replies: str) -> ScriptedLLM:
    """A teacher that knows the right answers, but for those in `replies`."""
    known = {
        "oss": OSS,
        "tests": fenced(TESTS),
        "docstring": fenced(DOCUMENTED),
        "code": fenced(BODY),
    } | replies
    matches = {"oss": SAYS_OSS, "tests": SAYS_TESTS, "docstring": SAYS_DOCSTRING, "code": SAYS_CODE}
    return ScriptedLLM(rules=[(matches[name], [known[name]]) for name in matches])


@pytest.fixture
def pool(tmp_path: Path) -> PoolSource:
    (tmp_path / "count.py").write_text(DOUBLE)
    (tmp_path / "LICENSE").write_text("Mozilla Public License Version 2.0")
    return PoolSource(path=str(tmp_path))


def run(
    name: str, pool: PoolSource, llm: ScriptedLLM | None = None, count: int = 1, batch: int = 4
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    pipeline = METHODS[name](llm or teach(), make_plan(count, method=name), batch, pool=pool)
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    return rows


@pytest.mark.parametrize("name", METHODS)
def test_each_method_makes_a_pair_that_the_execution_gate_accepts(name: str, pool: PoolSource) -> None:
    [row] = run(name, pool)
    assert (row["failure"], row["kind"], row["generator"]) == (None, "code", name)
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    [verdicts], _ = play(execution(), [build_candidates([row])])
    [verdict] = verdicts.to_pylist()
    assert (verdict["outcome"], verdict["reason"]) == ("accept", None)
    assert json.loads(verdict["evidence"])["killed"] > 0


@pytest.mark.parametrize("name", METHODS)
def test_a_row_says_which_code_it_started_from_and_under_which_licence(name: str, pool: PoolSource) -> None:
    [row] = run(name, pool)
    [piece] = read_pool(pool).pieces
    origin = json.loads(row["extra"])["origin"]
    assert origin == {
        "pool": read_pool(pool).name,
        "pool_sha256": read_pool(pool).digest,
        "commit": None,
        "path": "count.py",
        "function": "count_up",
        "line": 4,
        "sha256": piece.sha256,
        "file_sha256": piece.file_sha256,
        "licence": "MPL-2.0",
        "licence_from": "LICENSE",
    }
    assert pool.path is not None
    assert pool.path not in json.dumps(row)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_a_pipeline_that_comes_back_from_its_dump(name: str, pool: PoolSource) -> None:
    dump = METHODS[name](teach(), make_plan(3, method=name), 2, pool=pool).dump()
    assert Pipeline.from_dict(json.loads(json.dumps(dump))).dump() == dump
    assert pool.path is not None
    assert pool.path not in json.dumps(dump)


@pytest.mark.parametrize("name", METHODS)
def test_the_rows_do_not_depend_on_the_batch_size(name: str) -> None:
    few, many = (run(name, PoolSource(max_files=40), count=7, batch=size) for size in (2, 7))
    assert few == many
    assert [row["draw"] for row in few] == list(range(7))


@pytest.mark.parametrize("name", METHODS)
def test_the_templates_and_the_seed_are_on_record(name: str, pool: PoolSource) -> None:
    [row] = run(name, pool)
    assert row["template_id"].split() == [
        template.template_id for template in find_templates(bind("generator", name, {}, where="test"))
    ]
    assert row["seed_id"] in {seed["id"] for seed in SEEDS}
    assert "path" not in json.loads(row["params"])["pool"]


def prompt_for(row: dict[str, Any], column: str) -> str:
    return next(str(prompt["text"]) for prompt in row["prompts"] if prompt["column"] == column)


def test_oss_instruct_shows_a_whole_function_and_asks_for_the_two_sections_of_the_paper(
    pool: PoolSource,
) -> None:
    [row] = run("oss_instruct", pool)
    prompt = prompt_for(row, "solution")
    [piece] = read_pool(pool).pieces
    assert piece.snippet.source in prompt
    assert "[Problem Description] and [Solution]" in prompt
    assert row["messages"][0]["content"] == PROBLEM
    assert "reference" in json.loads(row["extra"])["code"]
    assert json.loads(row["extra"])["code"]["reference"] is None


@pytest.mark.parametrize("name", ["oss_instruct", "function_tests"])
def test_tests_are_written_without_a_look_at_the_solution(name: str, pool: PoolSource) -> None:
    [row] = run(name, pool)
    prompt = prompt_for(row, "tests")
    assert "def count_up(items, start=0): ..." in prompt
    assert "enumerate" not in prompt


def test_the_body_of_a_function_is_not_shown_to_whoever_is_to_write_it(pool: PoolSource) -> None:
    [row] = run("function_tests", pool)
    asked = row["messages"][0]["content"]
    assert "STEP = 3" in asked
    assert "STEP apart" in asked
    assert "found" not in asked
    assert "found" in json.loads(row["extra"])["code"]["reference"]


def test_the_docstrings_own_examples_are_its_tests(pool: PoolSource) -> None:
    [row] = run("docstring_rewrite", pool)
    assert [prompt["column"] for prompt in row["prompts"]] == ["solution"]
    assert "assert repr(count_up('ab')) ==" in json.loads(row["extra"])["code"]["tests"]


def test_the_seed_is_part_of_what_is_asked(pool: PoolSource) -> None:
    for name in METHODS:
        [row] = run(name, pool)
        seed = next(seed["text"] for seed in SEEDS if seed["id"] == row["seed_id"])
        assert seed in prompt_for(row, "solution")


def test_no_function_comes_twice_before_all_have_come() -> None:
    pool = PoolSource(max_files=12)
    usable = [piece for piece in read_pool(pool).pieces if piece.snippet.prelude is not None]
    count = len(usable) + 3
    rows = run("refactor", pool, count=count, batch=50)
    drawn = [
        (origin["path"], origin["line"]) for row in rows for origin in [json.loads(row["extra"])["origin"]]
    ]
    assert len(set(drawn)) == len(usable)
    assert drawn[len(usable) :] == drawn[:3]


@pytest.mark.parametrize(
    ("name", "replies", "failure"),
    [
        ("oss_instruct", {"oss": "I would rather not."}, "solution: no [Solution] section"),
        ("oss_instruct", {"oss": f"[Solution]\n{BODY}"}, "solution: no [Problem Description] section"),
        (
            "oss_instruct",
            {"oss": f"[Problem Description]\n{PROBLEM}\n[Solution]\n"},
            "solution: no function in it",
        ),
        ("refactor", {"code": "```python\ndef count_up(:\n```"}, "solution: does not parse: "),
        ("refactor", {"code": "```python\nx = 1\n```"}, "solution: no function in it"),
        ("function_tests", {"tests": " "}, "tests: empty answer"),
    ],
)
def test_a_reply_that_holds_no_pair_fails_its_row_with_the_reason(
    name: str, replies: dict[str, str], failure: str, pool: PoolSource
) -> None:
    [row] = run(name, pool, teach(**replies))
    assert row["failure"].startswith(failure)
    if failure.startswith("solution"):
        assert [prompt["column"] for prompt in row["prompts"]] == ["solution"]  # nothing is spent on tests
    assert build_candidates([row]).num_rows == 1


@pytest.mark.parametrize(
    ("name", "replies", "reason"),
    [
        ("oss_instruct", {"tests": "I cannot."}, "tests do not parse"),
        ("oss_instruct", {"tests": "```sh\nls\n```"}, "no tests"),
        ("oss_instruct", {"tests": fenced("assert count_up('a') == []\n")}, "solution fails its tests"),
        (
            "oss_instruct",
            {"tests": fenced("assert count_up is not None\n")},
            "tests kill too few mutants: 0 of",
        ),
        ("function_tests", {"code": fenced(BODY.replace("STEP", "2"))}, "solution fails its tests"),
        ("function_tests", {"tests": fenced("assert count_up('a') == []\n")}, "tests fail on the reference"),
        ("docstring_rewrite", {"docstring": fenced(DOCUMENTED.replace("3, 'b'", "2, 'b'"))}, "tests fail on"),
        ("docstring_rewrite", {"docstring": fenced(DOCUMENTED.replace(">>>", "E.g."))}, "no tests"),
        (
            "docstring_rewrite",
            {"docstring": fenced(DOCUMENTED.replace("k * STEP", "k + STEP"))},
            "code changed",
        ),
        ("refactor", {"code": fenced(DOUBLE.partition("\n\n\n")[2])}, "code unchanged"),
        ("refactor", {"code": fenced(BODY.replace("count_up", "counted"))}, "function missing"),
        ("refactor", {"code": fenced(BODY.replace("start +", "start -"))}, "solution fails its tests"),
    ],
)
def test_each_wrong_answer_is_rejected_for_what_is_wrong_with_it(
    name: str, replies: dict[str, str], reason: str, pool: PoolSource
) -> None:
    [row] = run(name, pool, teach(**replies))
    [verdicts], _ = play(execution(), [build_candidates([row])])
    [verdict] = verdicts.to_pylist()
    assert verdict["outcome"] == "reject"
    assert verdict["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "is not a folder"),
        ("", "holds no function of 4 to 40 lines"),
        (
            "import os\n\n\ndef f(x):\n    y = x\n    z = os.stat(y)\n    return z\n    # end\n",
            "can be run alone",
        ),
    ],
)
def test_a_pool_that_is_of_no_use_is_refused_before_the_first_prompt(
    tmp_path: Path, source: str | None, message: str
) -> None:
    if source is not None:
        (tmp_path / "a.py").write_text(source)
    path = tmp_path / "a.py" if source is None else tmp_path
    recipe = load_recipe(
        RECIPE,
        {
            "teacher": {"use": "scripted", "dies_after": 0},
            "generate.methods": [{"use": "refactor", "pool": {"path": str(path), "min_lines": 4}}],
        },
    )
    with pytest.raises(InputError, match=message) as caught:
        prepare(recipe)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.fixture
def another_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system without any of the kernel's means, for as long as the test runs."""
    find_level.cache_clear()
    monkeypatch.setattr("sys.platform", "darwin")
    yield
    monkeypatch.undo()
    find_level.cache_clear()


@pytest.mark.usefixtures("another_system")
def test_without_a_sandbox_method_and_gate_are_refused_in_one_sentence() -> None:
    for make in (lambda: oss_instruct(teach(), make_plan(1), 1), execution):
        with pytest.raises(SandboxError, match="the sandbox for generated code needs Linux") as caught:
            make()
        assert isinstance(caught.value, UsageError)


def test_another_pool_is_another_run_and_the_lock_names_no_folder(tmp_path: Path) -> None:
    def lock(source: str) -> dict[str, Any]:
        (tmp_path / "a.py").write_text(source)
        methods = [{"use": "oss_instruct", "pool": {"path": str(tmp_path)}}]
        overrides = {"teacher": {"use": "scripted"}, "generate.methods": methods}
        return dict(prepare(load_recipe(RECIPE, overrides)).lock)

    first, changed = lock(DOUBLE), lock(DOUBLE.replace("apart", "away"))
    assert first["identity"] != changed["identity"]
    assert first["methods"][0]["params"]["pool"]["found"]["functions"] == 1
    assert str(tmp_path) not in json.dumps(first)


def test_the_path_of_a_pool_is_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text(DOUBLE)
    (tmp_path / "seeds.jsonl").write_text('{"text": "Mind the units."}\n')
    text = RECIPE.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^    - \{use: (?!oss).*\n", "", text)
    text = text.replace("share: 0.4}", "pool: {path: code}}").replace(
        "  slice_column: slice\n  id_column: id\n", ""
    )
    (tmp_path / "recipe.yaml").write_text(text)
    [method] = prepare(load_recipe(tmp_path / "recipe.yaml", {"teacher": {"use": "scripted"}})).methods
    assert method.bound.params["pool"]["path"] == str(tmp_path / "code")


def test_the_recipe_of_the_package_previews_every_method_and_its_gates_are_known() -> None:
    rules = [{"match": SAYS_OSS, "replies": [OSS]}, {"match": SAYS_TESTS, "replies": [fenced(TESTS)]}]
    overrides = {"teacher": {"use": "scripted", "rules": rules}, "generate.candidates": 10}
    rows = preview(load_recipe(RECIPE, overrides), 5)
    assert {row["generator"] for row in rows} == set(METHODS)
    assert all(row["prompts"] for row in rows)
    for number, use in enumerate(load_gates(RECIPE.parent / "gates.yaml").gates):
        bind("gate", use.use, use.params, where=f"gates[{number}]")


@pytest.mark.parametrize("name", METHODS)
def test_parameters_that_a_method_does_not_take_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        bind("generator", name, {"snippets": 3}, where="recipe r: generate.methods[0]")
