from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from synth_stack.files import render_yaml
from synth_stack.packs import layout
from synth_stack.packs.counts import Tally
from synth_stack.packs.data_figures import DataFigures, ModelRows
from synth_stack.packs.disclosure.documents import render_documents
from synth_stack.packs.disclosure.facts import Disclosure, build_disclosure
from synth_stack.packs.disclosure.training_summary import render_training_summary
from synth_stack.rows.canonical import digest_json
from synth_stack.runs.locks import parse_recipe
from tests.packs.card.test_card import EVIL
from tests.packs.disclosure.stated_pack import read_json

REQUIRED: Mapping[str, Mapping[str, type]] = {
    "source": {"version": str, "title": str, "id": str, "issuer": list, "description": str},
    "provenance": {"origin-geography": list, "date": str, "generation-method": list, "format": list},
    "use": {"intended-purpose": list},
}
"""What the Data Provenance Standards 1.0.0 give the cardinality 1..1 or 1..* (sections 4.1 to 4.3)."""
KNOWN = {
    "source": {"location"},
    "provenance": {"source", "origin", "previous-date", "generation-period", "sub-provenance"},
    "use": {
        *("classification", "consents", "privacy-enhancing", "processing-included", "processing-excluded"),
        *("storage-allowed", "storage-forbidden", "license", "copyright", "patent", "trademark"),
    },
}
"""What it gives the cardinality 0..1 or 0..*."""


def find_provenance_faults(value: dict[str, Any]) -> list[str]:
    """What the standard requires and a document does not have, and what it has that the standard does not."""
    faults = [f"{group} is no group" for group in value.keys() - REQUIRED.keys()]
    for group, required in REQUIRED.items():
        held = value.get(group, {})
        faults += [
            f"{group}.{name} is missing"
            for name, kind in required.items()
            if not isinstance(held.get(name), kind) or not held[name]
        ]
        faults += [f"{group}.{name} is unknown" for name in held.keys() - required.keys() - KNOWN[group]]
    return faults


def test_the_provenance_has_every_element_that_the_standard_requires(stated: Path) -> None:
    value = read_json(stated, layout.PROVENANCE)
    assert find_provenance_faults(value) == []
    assert value["source"]["version"] == "1.0.0"
    assert value["provenance"]["origin-geography"] == [{"country": "DE"}]
    assert value["provenance"]["generation-method"][0]["code"] == "machine-generated-mlops-generative"
    assert value["use"]["license"] == ["CC-BY-4.0"]


def test_what_nobody_stated_is_named_and_not_made_up(unstated: Path) -> None:
    value = read_json(unstated, layout.PROVENANCE)
    assert find_provenance_faults(value) == [
        "source.issuer is missing",
        "provenance.origin-geography is missing",
        "provenance.date is missing",
        "use.intended-purpose is missing",
    ]
    assert value["source"]["description"].endswith(
        "Not stated by the publisher: issuer, country of the issuer, day of issue, address of the pack, "
        "intended use."
    )


def test_the_summary_has_generators_shares_and_sources_as_figures(stated: Path) -> None:
    text = (stated / layout.TRAINING_SUMMARY).read_text(encoding="utf-8")
    assert "| 9 | 9 | 100.0% | 0 |" in text
    assert (
        "| 9 | 100.0% | `LicenseRef-Parrot` | `no-competing-models` | `https://example.org/terms` |" in text
    )
    assert "| `instruction 2` | 9 | 100.0% |" in text
    assert "| seed corpus | 4 seeds, 2 slices, 1 document sections |" in text
    assert "| `dedup` | 12 | 2 | 0 |" in text
    assert "None: no row was read from a dataset of others." in text
    sections = ("1.3", "2.1 and 2.2", "2.5", "3 Processing")
    assert [text.count(f"## {section}") for section in sections] == [1, 1, 1, 1]


def test_of_somebody_elses_rows_no_document_claims_anything() -> None:
    lock = {
        "identity": digest_json("x"),
        "synth_stack": "0.1.0",
        "source": {"name": EVIL, "sha256": "e" * 64},
    }
    told = disclose(lock, DataFigures(rows=4, characters=10))
    documents = {name: data.decode() for name, data in render_documents(told).items()}
    assert "0 of 4 rows are synthetic." in documents[layout.CROISSANT]
    assert "How the other 4 rows came about, lineage does not tell." in documents[layout.CROISSANT]
    assert '"license": [' not in documents[layout.CROISSANT]
    assert "machine-generated" not in documents[layout.PROVENANCE]
    assert "| 4 | 0 | 0.0% | 4 |" in documents[layout.TRAINING_SUMMARY]
    assert "hasDeclaredLicense" not in documents[layout.SPDX]
    html = MarkdownIt("commonmark").enable("table").render(documents[layout.TRAINING_SUMMARY])
    assert "<script" not in html
    assert html.count("<h1>") == 1


def disclose(lock: dict[str, Any], data: DataFigures) -> Disclosure:
    recipe = parse_recipe(render_yaml(lock), where="lock")
    counts = Tally().finish([])
    object.__setattr__(counts, "data", data)
    return build_disclosure(recipe, [], counts, root="0" * 64, key_id="1" * 64, files={})


@pytest.mark.parametrize("models", [30, 31, 33])
def test_a_summary_of_many_models_is_cut_and_says_how_many_are_left(models: int) -> None:
    lock = {"identity": digest_json("x"), "synth_stack": "0.1.0"}
    named = tuple(ModelRows("writer", f"m{i}", None, 1) for i in range(models))
    text = render_training_summary(disclose(lock, DataFigures(rows=models, models=named))).decode()
    left = models - 30
    assert text.count("| `m") == 30
    assert (f"And {left} further model" in text) == (left > 0)
