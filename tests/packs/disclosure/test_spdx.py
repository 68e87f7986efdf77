import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from spdx_python_model import v3_0_1 as spdx

from synth_stack.files import digest_file
from synth_stack.packs import layout
from synth_stack.packs.disclosure.spdx import NO_TIME, name_license
from tests.packs.disclosure.stated_pack import read_json


def read_spdx(data: bytes) -> Any:
    """The elements of a document, once the model of SPDX 3.0.1 takes each of them and finds each that it names."""
    objects = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(io.BytesIO(data), objects)
    assert objects.link() == set()
    spdx.JSONLDSerializer().write(objects, io.BytesIO())  # this is what checks the counts of properties
    return objects


def find_one(objects: Any, kind: Any) -> Any:
    [found] = list(objects.foreach_type(kind))
    return found


def test_the_model_of_spdx_takes_it_as_a_dataset_profile(stated: Path) -> None:
    objects = read_spdx((stated / layout.SPDX).read_bytes())
    document = find_one(objects, spdx.SpdxDocument)
    profiles = {name.rpartition("/")[2] for name in document.profileConformance}
    assert profiles == {"core", "software", "dataset", "simpleLicensing"}
    [dataset] = document.rootElement
    assert dataset.name == "support_intents"
    assert dataset.software_downloadLocation == "https://example.org/packs/support"
    assert dataset.releaseTime == dataset.builtTime
    assert dataset.dataset_datasetSize == (stated / layout.data_name(0, 1)).stat().st_size
    assert dataset.dataset_intendedUse == "ai-alignment"
    [publisher] = dataset.originatedBy
    assert publisher.name == "Acme | Data"


def test_the_model_of_spdx_refuses_one_without_what_it_requires(stated: Path) -> None:
    value = read_json(stated, layout.SPDX)
    for element in value["@graph"]:
        element.pop("dataset_datasetType", None)
    with pytest.raises(ValueError, match="dataset_datasetType"):
        read_spdx(orjson.dumps(value))


def test_each_file_of_rows_has_its_digest_and_each_model_its_licence(stated: Path) -> None:
    objects = read_spdx((stated / layout.SPDX).read_bytes())
    [digest] = find_one(objects, spdx.software_File).verifiedUsing
    assert digest.hashValue == digest_file(stated / layout.data_name(0, 1))
    model = find_one(objects, spdx.ai_AIPackage)
    assert (model.name, model.verifiedUsing[0].hashValue) == ("parrot", "d" * 64)
    ties = {
        tie.relationshipType.rpartition("/")[2]: tie
        for tie in objects.foreach_type(spdx.Relationship)
        if tie.from_ is model
    }
    assert ties["generates"].description == "teacher, on 9 rows"
    assert ties["hasDeclaredLicense"].description == "output: no-competing-models"
    assert ties["hasDeclaredLicense"].to[0].simplelicensing_licenseExpression == "LicenseRef-Parrot"


def test_where_no_day_is_stated_it_claims_no_dataset_profile_and_says_why(unstated: Path) -> None:
    value = read_json(unstated, layout.SPDX)
    read_spdx((unstated / layout.SPDX).read_bytes())
    creation, document, *_ = value["@graph"]
    assert (creation["created"], creation["comment"]) == (
        NO_TIME,
        "No time is known: no day of issue is stated.",
    )
    assert "dataset" not in document["profileConformance"]
    assert document["comment"].startswith(
        "Not stated by the publisher: issuer, country of the issuer, day of"
    )


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("cc-by-4.0", "CC-BY-4.0"),
        ("mit", "MIT"),
        ("other", "LicenseRef-other"),
        ("llama3.1", "LicenseRef-llama3.1"),
        ("<b> x", "LicenseRef--b-x"),
        ("LicenseRef-Own", "LicenseRef-Own"),
        ("", "LicenseRef-unnamed"),
    ],
)
def test_a_licence_of_the_hub_is_an_expression_of_spdx(name: str, expression: str) -> None:
    assert name_license(name) == expression
