"""OSS-Instruct on lines of several languages: what is shown, what is read, and what is said of what cannot run."""

import json
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError, InputError
from synth_stack.generation.driver import drive
from synth_stack.generators.code.languages import INFOS, SUFFIXES, TITLES, find_language
from synth_stack.generators.code.methods import function_tests, oss_instruct
from synth_stack.generators.code.pool import PoolSource, read_pool
from synth_stack.generators.code.replies import read_problem
from synth_stack.generators.code.snippets import MAX_SHOWN_LINES, cut_lines
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.sandbox.room import find_javascript
from synth_stack.teachers.scripted_llm import ScriptedLLM
from tests.shop import make_plan

SHIPPED = Path(__file__).parents[3] / "pipelines" / "code_languages"
PYTHON = (
    "[Problem Description]\nWrite `double(n)` that doubles a number.\n[Solution]\n"
    "```python\ndef double(n):\n    return n * 2\n```"
)
TESTS = "```python\ndef test_it():\n    assert double(2) == 4\n    assert double(0) == 0\n    assert double(-3) == -6\n```"


def reply(fence: str, code: str) -> str:
    return f"[Problem Description]\nWrite a function of it.\n[Solution]\n```{fence}\n{code}\n```"


JAVASCRIPT_TESTS = "```js\nassert.strictEqual(double(2), 4);\nassert.strictEqual(double(0), 0);\n```"
RULES = [
    ("Plain JavaScript for node", [JAVASCRIPT_TESTS]),
    ("Write tests that a correct", [TESTS]),
    ("```python", [PYTHON]),
    ("```javascript", [reply("js", "const double = (n) => n * 2;")]),
    ("```go", [reply("go", "func Double(n int) int { return n * 2 }")]),
    ("```rust", [reply("rust", "pub fn double(n: i64) -> i64 { n * 2 }")]),
]


@pytest.mark.parametrize("language", SUFFIXES)
def test_a_language_is_known_by_its_files_and_by_its_fences(language: str) -> None:
    assert all(find_language(f"a{suffix}") == language for suffix in SUFFIXES[language])
    assert {language, ""} <= INFOS[language]
    assert TITLES[language]
    assert find_language("notes.md") is None


def test_lines_of_any_language_are_cut_without_blank_ends() -> None:
    source = (SHIPPED / "pool" / "inventory.go").read_text(encoding="utf-8")
    lines = [line.strip() for line in source.split("\n")]
    found = cut_lines(source, "some digest")
    assert found == cut_lines(source, "some digest")
    assert 4 <= len(found) <= 8
    for snippet in found:
        shown = snippet.source.split("\n")
        assert 1 <= len(shown) <= MAX_SHOWN_LINES
        assert shown[0].strip()
        assert shown[-1].strip()
        assert [line.strip() for line in shown] == lines[snippet.line - 1 : snippet.line - 1 + len(shown)]


@pytest.mark.parametrize("source", ["", "\n\n", "{}\n}{", "x" * 5_000])
def test_a_source_with_nothing_to_show_has_no_lines(source: str) -> None:
    assert cut_lines(source, "some digest") == []


def test_a_pool_of_lines_holds_all_its_languages_or_those_that_are_named() -> None:
    source = PoolSource(path=str(SHIPPED / "pool"), snippets="lines")
    assert set(read_pool(source).facts["languages"]) == {"python", "javascript", "go", "rust"}
    some = source.model_copy(update={"languages": ("go", "rust")})
    assert set(read_pool(some).facts["languages"]) == {"go", "rust"}
    assert read_pool(some).facts["licences"] == {"CC0-1.0": len(read_pool(some).pieces)}
    with pytest.raises(InputError, match="holds no line of code"):
        read_pool(source.model_copy(update={"languages": ("swift",)}))


def test_lines_are_for_oss_instruct_and_languages_for_lines() -> None:
    with pytest.raises(ValueError, match="languages needs snippets: lines"):
        PoolSource(languages=("go",))
    pool = PoolSource(path=str(SHIPPED / "pool"), snippets="lines")
    with pytest.raises(ConfigError, match="works on whole functions"):
        function_tests(ScriptedLLM(), make_plan(1), 1, pool=pool)


def test_the_code_of_a_reply_is_that_in_the_fences_of_its_language() -> None:
    said = reply("js", "const a = 1;") + "\n```python\nb = 2\n```\n```\nlet c = 3;\n```"
    assert read_problem(said, "javascript") == ("Write a function of it.", "const a = 1;\n\nlet c = 3;")


@pytest.mark.parametrize(
    "solution",
    [
        "I would begin with a loop over all the entries, which is the best way.",
        "Offer a comprehensive, correct solution of the problem, in one fenced block of JavaScript.",
        "const double = (n) => n * 2;",
    ],
)
def test_without_a_fence_nothing_is_code_but_python(solution: str) -> None:
    said = f"[Problem Description]\nWrite a function of it.\n[Solution]\n{solution}"
    assert read_problem(said, "javascript") == ("Write a function of it.", "")
    assert read_problem(said) == ("Write a function of it.", solution)


def test_a_reply_without_code_of_its_language_fails_and_asks_for_no_tests() -> None:
    rows: list[Any] = []
    pool = PoolSource(path=str(SHIPPED / "pool"), snippets="lines", languages=("go",))
    llm = ScriptedLLM(rules=[("```go", [reply("python", "def f(): pass")])])
    pipeline = oss_instruct(llm, make_plan(2, method="oss_instruct"), 4, pool=pool)
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    assert {row["failure"] for row in rows} == {"solution: no block of Go in it"}
    assert all("code_tests" not in row["template_id"] for row in rows)


def test_rows_of_four_languages_go_to_a_verified_pack_and_those_of_two_are_run(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    run_here = {"python", "javascript"}
    rules = [{"match": match, "replies": replies} for match, replies in RULES]
    recipe = load_recipe(SHIPPED / "recipe.yaml", {"teacher": {"use": "scripted", "rules": rules}})
    result = synth_stack.run(recipe, tmp_path / "run")
    verify_pack(result.pack.path)
    rows = [row for t in read_parts(result.folder / "candidates", CANDIDATE_SCHEMA) for row in t.to_pylist()]
    codes = {row["row_id"]: json.loads(row["extra"]) for row in rows}
    for row in rows:
        language = codes[row["row_id"]]["code"]["language"]
        assert row["slice"] == f"code/{language}"
        assert find_language(codes[row["row_id"]]["origin"]["path"]) == language
        assert row["messages"][1]["content"].startswith(f"```{language}\n")
        assert bool(codes[row["row_id"]]["code"]["tests"]) is (language in run_here)
    said = [
        v for t in read_parts(result.folder / "verdicts" / "execution", VERDICT_SCHEMA) for v in t.to_pylist()
    ]
    by_language = {(codes[v["row_id"]]["code"]["language"], v["outcome"], v["reason_class"]) for v in said}
    judged = {each for each in by_language if each[2] != "execution.not_a_pair"}
    tried = {"python"} if isinstance(find_javascript(), str) else run_here
    assert {language for language, outcome, _ in judged if outcome == "accept"} == tried
    assert {each[1:] for each in judged if each[0] not in tried} == {("abstain", "execution.no_runtime")}
    loaded = datasets.load_dataset(str(result.pack.path), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == result.figures.accepted
    synth_stack.export(result.pack.path, tmp_path / "rows.jsonl", format="messages")
