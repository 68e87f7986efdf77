"""A recipe made ready: refused before anything is sent, and recorded by what its rows depend on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import synth_stack
from synth_stack.errors import ConfigError, ModelError, RunMismatch, UsageError
from synth_stack.files import read_table
from synth_stack.inputs.recipe import load_recipe
from synth_stack.progress import Silent
from synth_stack.workflows.generate import generate_candidates
from synth_stack.workflows.prepare import prepare, write_seeds
from tests.openai_server import MODEL, serve
from tests.shop import SEEDS, THREE, TOPICS, on_server, read, read_bytes, ready, write_recipe

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"teacher": {"use": "htpp"}}, "Did you mean 'http'"),
        ({"teacher": {"use": "scripted", "delay": 1.0}}, "teacher: delay is not a known key"),
        ({"teacher": {"use": "scripted", "rules": [{"match": "(", "replies": ["a"]}]}}, "regular expression"),
        ({"methods": [{"use": "self-instruct"}]}, r"generate\.methods\[0\].*Did you mean 'self_instruct'"),
        ({"methods": [{"use": "magpie", "examples": 3}]}, "examples is not a known key"),
        (
            {"methods": [{"use": "magpie", "share": 0.5}, {"use": "self_instruct", "share": 0.4}]},
            "add up to 1",
        ),
        ({"seeds": {"path": "nowhere.jsonl"}}, "nowhere.jsonl"),
        ({"seeds": {"path": "seeds.jsonl", "slice_column": "topic"}}, "topic"),
        ({"taxonomy": "nowhere.yaml"}, "nowhere.yaml"),
        ({"candidates": 0}, "candidates"),
        ({"batch_rows": 0}, "batch_rows"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused_with_exit_code_2(
    fields: Row, says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        ready(tmp_path, **fields)
    assert caught.value.exit_code == 2


def test_a_method_that_cannot_use_the_teacher_is_found_before_the_others_spend(tmp_path: Path) -> None:
    with serve() as server, pytest.raises(ConfigError, match=r"Set teacher\.chat_format"):
        ready(tmp_path, on_server(server.base_url), methods=THREE)
    assert server.asked == server.listed == []


def test_weights_of_another_digest_are_found_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not the one that was pinned"):
        ready(tmp_path, {"use": "embedded", "sha256": "0" * 64})


@pytest.mark.parametrize(
    "fields",
    [
        {"candidates": 13},
        {"batch_rows": 5},
        {"seed": 1},
        {"about": "another shop"},
        {"methods": [{"use": "self_instruct", "examples": 2}]},
        {"teacher": {"use": "scripted", "empty_share": 0.5}},
    ],
)
def test_what_the_rows_depend_on_makes_another_run_that_a_folder_refuses(fields: Row, tmp_path: Path) -> None:
    synth_stack.generate(write_recipe(tmp_path), tmp_path / "out")
    before = read_bytes(tmp_path / "out")
    with pytest.raises(RunMismatch):
        synth_stack.generate(write_recipe(tmp_path, **fields), tmp_path / "out")
    assert read_bytes(tmp_path / "out") == before


def test_what_the_rows_do_not_depend_on_goes_on_in_the_same_folder(tmp_path: Path) -> None:
    with serve() as one, serve() as other:
        first = ready(tmp_path, on_server(one.base_url))
        second = ready(tmp_path, on_server(other.base_url, timeout_s=7.0), pack={"pretty_name": "Renamed"})
    assert first.identity == second.identity


def test_a_changed_seed_is_another_run(tmp_path: Path) -> None:
    first = ready(tmp_path).identity
    path = tmp_path / "seeds.jsonl"
    recipe = load_recipe(tmp_path / "recipe.yaml")
    path.write_text(path.read_text(encoding="utf-8").replace("case 0", "case 9"), encoding="utf-8")
    assert prepare(recipe).identity != first


def test_the_lock_names_teacher_methods_and_templates_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "sk-loopback-0123456789")
    with serve() as server:
        job = ready(tmp_path, on_server(server.base_url, api_key_env="LOOPBACK_KEY", temperature=0.1))
        synth_stack.generate(job.recipe, tmp_path / "out")
        assert server.asked[0].headers["authorization"] == "Bearer sk-loopback-0123456789"
        address = server.base_url
    lock = yaml.safe_load((tmp_path / "out" / "recipe.lock.yaml").read_text(encoding="utf-8"))
    assert lock["teacher"]["model"] == MODEL
    assert lock["teacher"]["sampling"] == {"temperature": "0.1", "top_p": "0.95"}
    assert lock["methods"][0]["draws"] == 12
    used = {id_ for row in read(tmp_path / "out") for id_ in row["template_id"].split()}
    assert used == set(lock["templates"]) == set(lock["methods"][0]["template_ids"])
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b"sk-loopback" not in path.read_bytes()
            assert address.encode() not in path.read_bytes()
    assert "sk-loopback" not in json.dumps(read(tmp_path / "out"))


def test_seeds_topics_and_sections_are_kept_beside_the_rows(tmp_path: Path) -> None:
    write_seeds(ready(tmp_path), tmp_path / "out")
    seeds = read_table(tmp_path / "out" / "seeds" / "seeds.parquet").to_pylist()
    assert [seed["seed_id"] for seed in seeds] == [seed["id"] for seed in SEEDS]
    topics = yaml.safe_load((tmp_path / "out" / "seeds" / "taxonomy.yaml").read_text(encoding="utf-8"))
    assert [topic["slice"] for topic in topics] == list(TOPICS)


def test_a_local_perimeter_refuses_a_teacher_elsewhere_before_anything_is_sent(tmp_path: Path) -> None:
    elsewhere = {"use": "http", "base_url": "https://api.example.com/v1", "model": "m"}
    with pytest.raises(ConfigError, match="not on this machine"):
        ready(tmp_path, elsewhere, perimeter="local")
    with pytest.raises(ConfigError, match="allow_hosts"):
        ready(tmp_path, elsewhere, allow_hosts=["api.example.com"])
    with pytest.raises(ConfigError, match="perimeter"):
        ready(tmp_path, elsewhere, perimeter="here")
    ready(tmp_path, elsewhere, perimeter="local", allow_hosts=["api.example.com"])


def test_the_perimeter_stands_in_the_lock_without_the_names_of_hosts(tmp_path: Path) -> None:
    with serve() as server:
        job = ready(
            tmp_path, on_server(server.base_url), perimeter="local", allow_hosts=["gpu1.lab", "10.0.0.7"]
        )
        generate_candidates(job, tmp_path / "out", Silent())
    assert job.lock["perimeter"] == {"reach": "local", "allowed_hosts": 2}
    assert "gpu1" not in json.dumps(job.lock)
    assert ready(tmp_path).lock["perimeter"] == {"reach": "open", "allowed_hosts": 0}


def test_price_and_limits_make_no_other_run(tmp_path: Path) -> None:
    with serve() as server:
        first = ready(tmp_path, on_server(server.base_url))
        second = ready(
            tmp_path,
            on_server(
                server.base_url,
                price={"input_per_million": 0.1, "output_per_million": 0.4},
                requests_per_minute=10_000,
                tokens_per_minute=1_000_000,
            ),
        )
    assert first.identity == second.identity
    assert second.teacher.price.cost_of(10, 5) == pytest.approx(3e-6)
