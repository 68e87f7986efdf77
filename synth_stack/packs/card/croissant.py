"""The pack in MLCommons' dataset vocabulary: Croissant 1.0 with its Responsible AI terms.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html and croissant-rai-spec.html. Without a
date, which would make two packs of one run differ; the specification recommends one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.packs import layout
from synth_stack.packs.splits import ADVERSARIAL, TRAIN, list_splits
from synth_stack.rows.canonical import canonical_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.locks import RecipeLock

CONFORMS_TO = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")
PARQUET = "application/x-parquet"
_RECORD_SETS = {TRAIN: "rows", ADVERSARIAL: "adversarial_rows"}
_TYPES = {pa.string(): "sc:Text", pa.int64(): "sc:Integer", pa.bool_(): "sc:Boolean"}


def render_croissant(recipe: RecipeLock, data: Mapping[str, str]) -> bytes:
    """croissant.json as canonical JSON. `data` maps the files of accepted rows to their SHA-256."""
    card = recipe.card
    files = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": PARQUET,
            "sha256": sha256,
        }
        for name, sha256 in sorted(data.items())
    ]
    splits = list_splits({split: len(names) for split, names in layout.list_data([*data]).items()})
    value = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": recipe.name,
        "description": recipe.about or f"Rows of {recipe.name} that passed their gates.",
        "license": "other" if card is None else card.license,
        "version": "1.0.0",
        "identifier": f"sha256:{recipe.identity}",
        **_describe_origin(recipe),
        "distribution": [*files, *(_describe_files(split, splits) for split in splits)],
        "recordSet": [_describe_rows(split) for split in splits],
    }
    return canonical_json(value) + b"\n"


def _describe_files(split: str, splits: Sequence[str]) -> dict[str, Any]:
    others = " that are not adversarial" if ADVERSARIAL in splits else ""
    adversarial = "All files of adversarial rows. Their prompts are meant to be bad, or to look so."
    return {
        "@type": "cr:FileSet",
        "@id": split,
        "name": split,
        "description": f"All files of accepted rows{others}." if split == TRAIN else adversarial,
        "encodingFormat": PARQUET,
        "includes": f"data/{split}-*.parquet",
    }


def _describe_rows(split: str) -> dict[str, Any]:
    name = _RECORD_SETS[split]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/row_id"},
        "field": [_describe_field(field, name, split, field.name) for field in CANDIDATE_SCHEMA],
    }


def _describe_origin(recipe: RecipeLock) -> dict[str, Any]:
    card = recipe.card
    if card is None:
        return {}
    methods = ", ".join(f"{method.use} {method.version}" for method in recipe.methods)
    model = recipe.teacher.model if recipe.teacher and recipe.teacher.model else "a language model"
    return {
        "inLanguage": list(card.languages),
        "rai:dataCollection": f"Synthetic text, written by {model} from seeds and templates ({methods}).",
        "rai:dataCollectionType": ["Synthetic data"],
        "rai:dataPreprocessingProtocol": ["Every row was judged by the gates in gates.yaml."],
        "rai:dataBiases": list(card.known_biases),
    }


def _describe_field(field: pa.Field, parent: str, files: str, column: str, path: str = "") -> dict[str, Any]:
    """A column of the file set `files`, or what stands at a JSON `path` in its values; a list of structs is
    repeated, with a sub-field for each member.
    """
    name = f"{parent}/{field.name}"
    said: dict[str, Any] = {"@type": "cr:Field", "@id": name, "name": field.name}
    if pa.types.is_list(field.type):
        items = field.type.value_type
        members = [items.field(i) for i in range(len(items))]
        inside = f"{path}[*]." if path else ""
        subfields = [_describe_field(m, name, files, column, f"{inside}{m.name}") for m in members]
        return {**said, "repeated": True, "subField": subfields}
    source: dict[str, Any] = {"fileSet": {"@id": files}, "extract": {"column": column}}
    if path:
        source["transform"] = {"jsonPath": path}
    return {**said, "dataType": _TYPES[field.type], "source": source}


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification gives (section "Croissant's JSON-LD context")."""
