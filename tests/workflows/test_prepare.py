"""A recipe made ready: refused before anything is sent, and recorded by what its rows depend on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import synth_stack
from synth_stack.errors import ConfigError, ModelError, RunMismatch, UsageError
from synth_stack.files import digest_file, read_table
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.recipe import load_recipe
from synth_stack.progress import Silent
from synth_stack.registry import bind
from synth_stack.workflows.generate import generate_candidates, preview
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
    assert second.teacher.price is not None
    assert second.teacher.price.cost_of(10, 5) == pytest.approx(3e-6)


EXTENSION = """
from pathlib import Path
from typing import Any

from synth_stack.extend import FilePath, SharedLLM, generator, read_template, teacher

OWN = read_template(Path(__file__).with_name("{name}.yaml"))


@generator("{name}", version="1", checked_by={gate!r}, templates=lambda params: [OWN, "answer"])
def make_rows(llm: Any, plan: Any, batch_rows: int, *, notes: FilePath = "notes.txt") -> Any:
    from distilabel.pipeline import Pipeline

    from synth_stack.extend import Ask, ToCandidates, answer, draw_items, record_origin

    with Pipeline(name="{name}") as pipeline:
        write = Ask(name="instruction", llm=llm, template=OWN, column="instruction", values={{"words": 5}})
        rows = ToCandidates(**record_origin(llm, "{name}", "1", {{}}))
        draw_items(plan, batch_rows) >> write >> answer(llm) >> rows
    return pipeline


@teacher("{name}", version="1")
def make_teacher(*, book: FilePath) -> Any:
    return {{"book": book}}
"""


def write_extension(folder: Path, name: str, *, gate: str | None = None, asks: str = "Ask about") -> str:
    """A file in `folder` with a generator, its template and a teacher, all of one name; its own name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(EXTENSION.format(name=name, gate=gate), encoding="utf-8")
    content = f"{asks} {{{{ title }}}} in {{{{ words }}}} words"
    template = {"max_tokens": 20, "chat": [{"role": "user", "content": content}]}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(template), encoding="utf-8")
    return f"{name}.py"


def test_a_recipe_loads_extensions_of_its_folder_and_records_them_and_every_prompt(tmp_path: Path) -> None:
    file = write_extension(tmp_path / "more", "prepare_own")
    job = ready(tmp_path, load=[f"more/{file}"], methods=[{"use": "prepare_own"}])
    path = tmp_path / "more" / file
    assert job.lock["load"] == [{"name": file, "sha256": digest_file(path)}]
    text = (tmp_path / "more" / "prepare_own.yaml").read_text(encoding="utf-8")
    [own] = [name for name in job.lock["templates"] if name.startswith("prepare_own@")]
    assert job.lock["templates"][own] == text
    assert job.lock["methods"][0]["params"] == {"notes": "notes.txt"}
    assert str(tmp_path) not in json.dumps(job.lock)

    folder = synth_stack.generate(job.recipe, tmp_path / "out")
    rows = read(folder)
    assert {row["template_id"].split()[0] for row in rows} == {own}
    assert {row["generator"] for row in rows} == {"prepare_own"}


def test_an_extension_given_with_the_call_is_as_good_and_recorded_alike(tmp_path: Path) -> None:
    file = write_extension(tmp_path, "prepare_given")
    methods = [{"use": "prepare_given"}]
    inside = ready(tmp_path, load=[file], methods=methods)
    recipe = load_recipe(write_recipe(tmp_path, methods=methods))
    given = prepare(recipe, load_extensions([str(tmp_path / file)]))
    assert given.lock["load"] == inside.lock["load"]
    assert given.identity == inside.identity
    assert [row["generator"] for row in preview(recipe, 2, load=[str(tmp_path / file)])] == [
        "prepare_given"
    ] * 2


def test_another_text_of_an_extension_or_of_its_prompt_is_another_run(tmp_path: Path) -> None:
    names = ["prepare_one", "prepare_two", "prepare_three"]
    identities = []
    for name in names:
        write_extension(tmp_path, name, asks="Tell of" if name == names[2] else "Ask about")
        identities.append(ready(tmp_path, load=[f"{name}.py"]).identity)
    assert len(set(identities)) == 3
    assert ready(tmp_path).lock["load"] == []  # what other calls have loaded is not a part of this one


def test_an_extension_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"load: .*gone\.py is not a file"):
        ready(tmp_path, load=["gone.py"])
    with pytest.raises(ConfigError, match=r"there is no generator of that name.*--load"):
        ready(tmp_path, methods=[{"use": "zzz_of_nobody"}])


def test_a_method_may_name_the_gate_without_which_no_recipe_may_use_it(tmp_path: Path) -> None:
    file = write_extension(tmp_path, "prepare_checked", gate="somebodys_gate")
    (tmp_path / "gates.yaml").write_text("version: 1\ngates:\n  - {use: structure}\n")
    recipe = write_recipe(tmp_path, load=[file], methods=[{"use": "prepare_checked"}])
    with pytest.raises(
        ConfigError, match=r"makes rows by prepare_checked.*seen: structure.*with somebodys_gate"
    ):
        synth_stack.run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_paths_of_a_teacher_are_relative_to_the_recipe_and_what_it_makes_has_to_be_one(
    tmp_path: Path,
) -> None:
    file = write_extension(tmp_path, "prepare_teacher")
    with pytest.raises(
        ConfigError, match="teacher prepare_teacher is not what a run can ask; seen: dict without"
    ):
        ready(tmp_path, {"use": "prepare_teacher", "book": "book.txt"}, load=[file])
    made = bind("teacher", "prepare_teacher", {"book": "a/b.txt"}, where="r", folder=tmp_path).make()
    assert made == {"book": str(tmp_path / "a" / "b.txt")}


def test_a_lock_that_no_reader_would_take_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its lock, with every template in it, is too large"):
        prepare(load_recipe(write_recipe(tmp_path), {"about": "a shop " * 800_000}))
