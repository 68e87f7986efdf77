from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from synth_stack.files import digest_file, render_yaml
from synth_stack.packs import layout
from synth_stack.packs.card.croissant import render_croissant
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, MESSAGE
from synth_stack.runs.locks import parse_recipe
from tests.packs.judged_run import ADVERSARIAL, RECIPE, build_pack


def test_every_file_of_accepted_rows_stands_in_it_with_its_digest(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    value = orjson.loads((pack / layout.CROISSANT).read_bytes())
    name = layout.data_name(0, 1)
    assert value["distribution"][0]["contentUrl"] == name
    assert value["distribution"][0]["sha256"] == digest_file(pack / name)
    assert value["distribution"][1]["includes"] == "data/train-*.parquet"


def test_adversarial_rows_are_a_record_set_of_their_own(tmp_path: Path) -> None:
    pack = build_pack(tmp_path, adversarial=ADVERSARIAL)
    value = orjson.loads((pack / layout.CROISSANT).read_bytes())
    sets = {part["@id"]: part["includes"] for part in value["distribution"] if part["@type"] == "cr:FileSet"}
    assert sets == {"train": "data/train-*.parquet", "adversarial": "data/adversarial-*.parquet"}
    read = {part["@id"]: sorted(list_sources(part)) for part in value["recordSet"]}
    assert read == {"rows": ["train"], "adversarial_rows": ["adversarial"]}
    ids = [part["@id"] for part in (*value["distribution"], *value["recordSet"])]
    assert len(ids) == len(set(ids))


def list_sources(record_set: Mapping[str, Any]) -> set[str]:
    """The file sets that the fields of a record set are read from."""
    return {field["source"]["fileSet"]["@id"] for field in list_leaves(record_set["field"])}


def list_leaves(fields: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [leaf for f in fields for leaf in (list_leaves(f["subField"]) if "subField" in f else [f])]


def test_every_column_is_a_field(tmp_path: Path) -> None:
    value = orjson.loads((build_pack(tmp_path) / layout.CROISSANT).read_bytes())
    fields = {field["name"]: field for field in value["recordSet"][0]["field"]}
    assert list(fields) == CANDIDATE_SCHEMA.names
    assert fields["draw"]["dataType"] == "sc:Integer"
    members = {sub["name"]: sub for sub in fields["messages"]["subField"]}
    assert list(members) == MESSAGE.names
    assert members["role"]["source"]["transform"] == {"jsonPath": "role"}
    [_, name, _] = members["tool_calls"]["subField"]
    assert (name["@id"], name["source"]["transform"]) == (
        "rows/messages/tool_calls/name",
        {"jsonPath": "tool_calls[*].name"},
    )


def test_it_says_that_the_text_is_synthetic(tmp_path: Path) -> None:
    value = orjson.loads((build_pack(tmp_path) / layout.CROISSANT).read_bytes())
    assert value["rai:dataCollection"].startswith("Synthetic text, written by parrot")
    assert value["rai:dataBiases"] == ["British spelling prevails"]
    assert value["license"] == "cc-by-4.0"


def test_of_somebody_elses_rows_it_claims_nothing() -> None:
    lock = {
        "identity": digest_json("x"),
        "synth_stack": "0.1.0",
        "source": {"name": "logs.jsonl", "sha256": "e" * 64},
    }
    value = orjson.loads(render_croissant(parse_recipe(render_yaml(lock), where="lock"), {}))
    assert not any(key.startswith("rai:") for key in value)
    assert value["license"] == "other"


def test_the_same_pack_gives_the_same_bytes_in_any_order_of_files() -> None:
    recipe = parse_recipe(render_yaml(dict(RECIPE)), where="lock")
    data = {layout.data_name(i, 2): str(i) * 64 for i in range(2)}
    assert render_croissant(recipe, data) == render_croissant(recipe, dict(reversed(data.items())))
