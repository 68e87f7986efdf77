"""The shape of the package: layers as the docs tell them, generic code that names no gate, names, mirrors."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import synth_stack.gates
import synth_stack.generators  # noqa: F401  (both register by being imported)
from synth_stack.registry import registered

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "synth_stack"
TESTS = ROOT / "tests"

SPECIFIC = ("models", "sandbox", "teachers")
"""Folders of things that gates, methods and teachers use by name. So are the folders in gates/ and
generators/.
"""

ORDINARY = frozenset(
    "diversity drift execution factuality image novelty refactor refusal structure terms turns".split()
)
"""Names that are words of the language too: they count where a text is just that name."""

MEANT_OTHERWISE = {
    "review/argilla/form.py": {"terms"},  # a query of the server
    "inputs/terms.py": {"terms"},
    "runs/locks.py": {"terms"},  # what a recipe declares of a model
    "workflows/prepare.py": {"terms"},
    "workflows/resources.py": {"terms"},
    "workflows/retry.py": {"terms"},
    "inputs/chat_shapes.py": {
        "refusal",
        "turns",
        "tool_use",
    },  # parts of a message, and a column, of other people's data
    "inputs/tool_calls.py": {"tool_use"},
    "workflows/init.py": {
        "best_of_n",
        "dialogue_tree",
        "evol_instruct",
        "magpie",
        "self_instruct",
        "structure",
        "dedup",
        "turns",
        "personal_data",
        "toxicity",
        "contamination",
    },  # the recipes that it writes
}
"""Texts that are a name by chance, by module."""

THROUGH = {
    "gates/*": "test_gate.py",
    "generators/*": "test_methods.py",
    "decisions/replay": "test_replay.py",
    "engines/datatrove": "test_engine.py",
    "packs/card": "test_card.py",
    "packs/disclosure": "test_documents.py",
    "packs/mixture": "test_mixture.py",
    "packs/verify": "test_verify.py",
    "review/server/inside": "test_launch.py",
    "sandbox": "test_room.py",
}
"""Folders whose modules are the parts of one thing, and are tested through it by the test of that name."""

ELSEWHERE = {
    "audits/check.py": "workflows/test_audit.py",  # a signed audit, and every lie about one
    "audits/copies.py": "workflows/test_audit.py",
    "audits/document.py": "workflows/test_audit.py",
    "audits/evidence.py": "workflows/test_audit.py",
    "audits/figures.py": "workflows/test_audit.py",
    "audits/gaps.py": "workflows/test_audit.py",
    "audits/remedies.py": "workflows/test_audit.py",
    "audits/seal.py": "workflows/test_audit.py",
    "audits/surroundings.py": "workflows/test_audit.py",
    "cli/audit_tables.py": "cli/test_audit.py",
    "cli/author.py": "cli/test_main.py",  # commands of one application
    "cli/hub.py": "packs/hub/test_pull.py",
    "cli/options.py": "cli/test_main.py",
    "cli/packs.py": "cli/test_main.py",
    "cli/output.py": "cli/test_main.py",  # what the commands print
    "cli/weights.py": "test_wheel.py",  # into an environment of its own
    "cli/review_rows.py": "cli/test_review.py",
    "cli/review_tables.py": "cli/test_review.py",
    "engines/contract.py": "engines/test_gate_loop.py",  # judges that break it
    "engines/dask_cluster.py": "engines/test_dask.py",
    "engines/engine.py": "engines/test_gate_loop.py",  # the steps that the loop asks for
    "engines/local.py": "engines/test_gate_loop.py",  # which runs on it
    "engines/nemo/ray_pipeline.py": "engines/nemo/test_engine.py",
    "engines/nemo/shard_stage.py": "engines/nemo/test_engine.py",
    "engines/ray_connection.py": "engines/nemo/test_engine.py",
    "engines/ray_driver.py": "engines/nemo/test_engine.py",
    "engines/ray_head.py": "engines/nemo/test_engine.py",
    "engines/ray_start.py": "engines/nemo/test_engine.py",
    "extend.py": "test_extend.py",
    "files.py": "runs/test_folder.py",  # killed writers, torn files
    "gates/canaries.py": "engines/test_canaries.py",
    "gates/gate.py": "engines/test_gate_loop.py",  # nothing but dataclasses and protocols
    "gates/resources.py": "workflows/test_resources.py",  # protocols
    "gates/word_lists.py": "gates/toxicity/test_gate.py",
    "inputs/delimited.py": "inputs/test_records.py",
    "inputs/foreign_rows.py": "inputs/test_foreign.py",
    "inputs/gate_file.py": "inputs/test_recipe.py",  # both files under one set of cases
    "inputs/parquet_rows.py": "inputs/test_records.py",
    "inputs/plain_values.py": "inputs/test_foreign.py",
    "inputs/tool_calls.py": "inputs/test_chat_shapes.py",
    "inputs/yaml_models.py": "inputs/test_recipe.py",
    "packs/finish.py": "packs/test_write.py",
    "packs/refusals.py": "packs/test_verify_pack.py",
    "packs/statement.py": "packs/test_write.py",
    "packs/hub/download.py": "packs/hub/test_pull.py",
    "packs/hub/repository.py": "packs/hub/test_pull.py",
    "packs/publish.py": "packs/test_write.py",
    "progress.py": "cli/test_tables.py",  # the bars that listen
    "report/audit_sections.py": "report/test_audit.py",
    "report/review.py": "workflows/test_review.py",
    "report/write.py": "report/test_page.py",
    "review/content.py": "workflows/test_review.py",
    "review/cost.py": "cli/test_review.py",
    "review/judgements.py": "workflows/test_review.py",
    "review/lot_decisions.py": "workflows/test_review.py",
    "review/lots.py": "workflows/test_review.py",
    "review/outcome.py": "workflows/test_review.py",
    "review/outgoing.py": "workflows/test_review.py",
    "review/plan_file.py": "workflows/test_review.py",
    "review/planning.py": "workflows/test_review.py",
    "review/queue.py": "cli/test_review.py",
    "review/redraw.py": "packs/test_review.py",
    "review/reliability.py": "workflows/test_review.py",
    "review/sampling.py": "workflows/test_review.py",
    "review/source.py": "workflows/test_review.py",
    "review/verdicts.py": "workflows/test_review.py",
    "rows/answers.py": "gates/refusal/test_gate.py",
    "rows/canonical.py": "rows/test_schemas.py",
    "rows/json_values.py": "rows/test_json_schema.py",
    "rows/schema_keywords.py": "rows/test_json_schema.py",
    "rows/texts.py": "rows/test_schemas.py",
    "review/argilla/sending.py": "review/test_campaign.py",  # to a real server
    "runs/judged.py": "decisions/replay/test_replay.py",
    "runs/locks.py": "packs/test_write.py",
    "teachers/batch_files.py": "teachers/test_batch.py",
    "teachers/batch_jobs.py": "teachers/test_batch.py",
    "teachers/batch_llm.py": "teachers/test_batch.py",
    "teachers/llamacpp.py": "teachers/test_embedded.py",
    "teachers/prompt.py": "teachers/test_openai_llm.py",  # two records without behaviour
    "teachers/scripted_llm.py": "teachers/test_scripted.py",
    "teachers/vllm_engine.py": "teachers/test_vllm.py",  # needs a GPU
    "text/page_policy.py": "packs/page/test_render.py",
    "text/fields.py": "text/test_words.py",
    "text/printable.py": "packs/card/test_markdown.py",
    "text/ragged.py": "text/test_words.py",
    "runs/publish.py": "workflows/test_stores.py",  # which sends what it has judged
    "inputs/object_stores.py": "workflows/test_stores.py",
    "workflows/campaign.py": "review/test_campaign.py",  # on a real server
    "workflows/judge.py": "workflows/test_curate.py",
    "workflows/review_planted.py": "workflows/test_review.py",
}
"""Modules without a test file at their own path, and the one that tests them."""


def list_modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def is_generic(path: Path) -> bool:
    """Whether a module has to work with any gate and any method."""
    folder, *below = path.relative_to(PACKAGE).parts
    return folder not in SPECIFIC and not (folder in {"gates", "generators"} and len(below) > 1)


def read_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def read_layers() -> list[list[str]]:
    """The layers of the contract, from the top; names in one of them do not import each other."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [layers] = [each["layers"] for each in contracts["contracts"] if each["type"] == "layers"]
    return [line.split(" | ") for line in layers]


def read_summary(name: str) -> str:
    """The first line of the docstring of a folder, or of a module that lies loose."""
    path = PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
    return (ast.get_docstring(read_tree(path)) or "").partition("\n")[0]


def draw_table() -> str:
    """The table of layers that docs/architecture.md has to show."""
    lines = ["| | Layer | What is there |", "|---|---|---|"]
    for number, names in enumerate(read_layers(), start=1):
        lines += [f"| {number} | `{name}` | {read_summary(name)} |" for name in names]
    return "\n".join(lines) + "\n"


def list_names() -> dict[str, str]:
    """The gates and methods of the package by name, and the folder that each stands in."""
    entries = [*registered("gate").values(), *registered("generator").values()]
    own = [entry for entry in entries if entry.module.startswith("synth_stack.")]
    return {entry.name: entry.module.rpartition(".")[0] for entry in own}


def find_names(path: Path, names: dict[str, str]) -> Iterator[str]:
    """Where a module names a gate or a method, as `line: name`; docstrings and comments may."""
    tree = read_tree(path)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            text = re.sub(r"synth-stack\[[\w-]+\]", "", node.value)  # the name of an extra
            yield from (f"{line}: {name!r}" for name in names if text == name)
            told = [name for name in names if name not in ORDINARY and text != name]
            yield from (f"{line}: {name} in {text!r}" for name in told if re.search(rf"\b{name}\b", text))
        for identifier in list_identifiers(node):
            for name in names:
                if name not in ORDINARY and re.search(rf"(^|_){name}(_|$)", identifier.lower()):
                    yield f"{line}: {identifier}"
        for module in list_imports(node):
            yield from (
                f"{line}: import {module}"
                for folder in set(names.values())
                if module == folder or module.startswith(f"{folder}.")
            )


def list_identifiers(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.keyword(arg=str(name)):
            return [name]
        case _:
            return []


def list_imports(node: ast.AST) -> list[str]:
    match node:
        case ast.ImportFrom(module=str(module)):
            return [module, *(f"{module}.{alias.name}" for alias in node.names)]
        case ast.Import():
            return [alias.name for alias in node.names]
        case _:
            return []


@pytest.mark.parametrize(
    "path",
    [path for path in list_modules() if is_generic(path)],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_a_generic_module_names_no_gate_and_no_method(path: Path) -> None:
    by_chance = MEANT_OTHERWISE.get(path.relative_to(PACKAGE).as_posix(), set())
    names = {name: folder for name, folder in list_names().items() if name not in by_chance}
    assert sorted(set(find_names(path, names))) == []


def test_names_are_found_where_they_count_and_nowhere_else(tmp_path: Path) -> None:
    module = tmp_path / "m.py"
    module.write_text(
        '"""Of dedup."""\n'
        "from synth_stack.gates.turns.gate import turns\n"
        "x = 'dedup'\n"
        "y = 'a dedup gate'\n"
        "z = f'{x} turns'  # dedup\n"
        "read_dedup(turns, structure=1)\n"
        "w = 'structure'\n"
        "v = 'deduplicated'\n"
    )
    names = {
        "dedup": "synth_stack.gates.dedup",
        "turns": "synth_stack.gates.turns",
        "structure": "synth_stack.gates.structure",
    }
    assert sorted(set(find_names(module, names))) == [
        "2: import synth_stack.gates.turns.gate",
        "2: import synth_stack.gates.turns.gate.turns",
        "3: 'dedup'",
        "4: dedup in 'a dedup gate'",
        "6: read_dedup",
        "7: 'structure'",
    ]


def test_the_docs_show_the_layers_of_the_contract_with_what_each_folder_says_of_itself() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = draw_table()
    assert table in text, f"docs/architecture.md, The layers, has to show:\n\n{table}"


def test_every_folder_and_loose_file_stands_in_the_contract_and_says_what_may_be_there() -> None:
    there = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/*.py")
    }
    named = {name for names in read_layers() for name in names}
    assert there - {"__init__", PACKAGE.name} == named
    folders = [path.parent for path in PACKAGE.rglob("__init__.py")]
    silent = [folder for folder in folders if not read_summary(str(folder.relative_to(PACKAGE)))]
    assert silent == []
    without = [path for path in PACKAGE.rglob("*") if path.is_dir() and has_modules(path)]
    assert [folder for folder in without if not (folder / "__init__.py").exists()] == []


def has_modules(folder: Path) -> bool:
    return any(folder.glob("*.py"))


def test_the_names_of_classes_are_unique_in_the_package() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in list_modules():
        for node in ast.walk(read_tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_every_module_has_a_test_at_its_own_path_or_stands_in_the_list() -> None:
    without = [
        path.relative_to(PACKAGE).as_posix()
        for path in list_modules()
        if path.name != "__init__.py" and not find_test(path.relative_to(PACKAGE)).exists()
    ]
    assert sorted(without) == []


def find_test(module: Path) -> Path:
    """The test file of a module: at its own path, or where the lists above say."""
    own = TESTS / module.parent / f"test_{module.name}"
    if own.exists():
        return own
    if module.as_posix() in ELSEWHERE:
        return TESTS / ELSEWHERE[module.as_posix()]
    for folder, test in THROUGH.items():
        if module.parent.match(folder) and len(module.parent.parts) == len(Path(folder).parts):
            return TESTS / module.parent / test
    return own


def test_the_list_names_only_modules_that_there_are() -> None:
    assert [module for module in ELSEWHERE if not (PACKAGE / module).exists()] == []
