from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.files import digest_file
from synth_stack.packs import layout
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.rows.schemas import MESSAGE
from tests.packs.disclosure.stated_pack import read_json
from tests.packs.judged_run import ADVERSARIAL, build_pack

pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning"),
]
"""What mlcroissant 1.1 calls of rdflib and pandas."""


def test_mlcroissant_reads_the_rows_of_a_pack_by_it(
    stated: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    monkeypatch.chdir(stated)
    dataset = mlcroissant.Dataset(jsonld=str(stated / layout.CROISSANT))
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert not dataset.metadata.ctx.issues.errors
    assert [issue for issue in dataset.metadata.ctx.issues.warnings if "citeAs" not in issue] == []
    rows = list(dataset.records("rows"))
    assert len(rows) == 9
    assert rows[0]["rows/messages"][0]["rows/messages/content"].startswith(b"Why was I charged")
    assert rows[0]["rows/synthetic"] is True


def test_mlcroissant_finds_fault_with_one_that_is_not_right(stated: Path, tmp_path: Path) -> None:
    import mlcroissant

    value = read_json(stated, layout.CROISSANT)
    value["recordSet"][0]["field"][0]["source"]["fileSet"]["@id"] = "nowhere"
    (tmp_path / "croissant.json").write_bytes(orjson.dumps(value))
    with pytest.raises(mlcroissant.ValidationError):
        mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))


def test_every_file_of_accepted_rows_stands_in_it_with_its_digest(stated: Path) -> None:
    value = read_json(stated, layout.CROISSANT)
    name = layout.data_name(0, 1)
    assert value["distribution"][0]["contentUrl"] == name
    assert value["distribution"][0]["sha256"] == digest_file(stated / name)
    assert value["distribution"][1]["includes"] == "data/train-*.parquet"


def test_adversarial_rows_are_a_record_set_of_their_own(tmp_path: Path) -> None:
    value = read_json(build_pack(tmp_path, adversarial=ADVERSARIAL), layout.CROISSANT)
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


def test_every_column_is_a_field(stated: Path) -> None:
    value = read_json(stated, layout.CROISSANT)
    fields = {field["name"]: field for field in value["recordSet"][0]["field"]}
    assert list(fields) == DATA_SCHEMA.names
    assert fields["draw"]["dataType"] == "sc:Integer"
    assert fields["teacher"]["equivalentProperty"] == "prov:wasAttributedTo"
    members = {sub["name"]: sub for sub in fields["messages"]["subField"]}
    assert list(members) == MESSAGE.names
    assert members["tool_calls"]["description"] == "A list, each item with id, name, arguments."
    assert members["role"]["source"]["transform"] == {"jsonPath": "role"}


def test_it_says_who_made_the_rows_out_of_what(stated: Path) -> None:
    value = read_json(stated, layout.CROISSANT)
    assert value["rai:dataCollection"].startswith("9 of 9 rows are synthetic. Models that wrote: parrot")
    assert value["rai:dataBiases"] == ["British spelling prevails"]
    assert value["license"] == ["cc-by-4.0"]
    assert value["creator"]["name"] == "Acme | Data"
    assert value["datePublished"] == "2026-11-30"
    assert value["usageInfo"][0]["description"] == "no-competing-models"
    activity = value["prov:wasGeneratedBy"]
    [agent] = activity["prov:wasAssociatedWith"]
    assert (agent["prov:label"], agent["description"]) == ("parrot", "teacher, on 9 rows")
    assert value["prov:wasDerivedFrom"][0]["description"] == "4 seeds, 2 slices, 1 document sections"
