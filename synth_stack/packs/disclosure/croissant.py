"""The pack in MLCommons' dataset vocabulary: Croissant 1.1, with its Responsible AI terms and PROV-O.

https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, croissant-rai-spec.html, and
https://www.w3.org/TR/prov-o/. What the specification requires and neither lineage nor recipe tells is left
out: a date, an address.
"""

from collections.abc import Sequence
from typing import Any

from synth_stack.packs import layout
from synth_stack.packs.disclosure.croissant_fields import describe_rows
from synth_stack.packs.disclosure.facts import DisclosedModel, Disclosure
from synth_stack.packs.disclosure.json_document import render_json
from synth_stack.packs.disclosure.sentences import (
    describe_gates,
    describe_making,
    describe_raw_data,
    describe_replacing,
    name_model,
)
from synth_stack.packs.splits import ADVERSARIAL, TRAIN

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
PARQUET = "application/x-parquet"
"""As mlcroissant and the Hub name it; the registered name is another one."""
Json = dict[str, Any]


def render_croissant(told: Disclosure) -> bytes:
    """croissant.json."""
    files = [
        {
            "@type": "cr:FileObject",
            "@id": file.name,
            "name": file.name,
            "contentUrl": file.name,
            "contentSize": f"{file.size} B",
            "encodingFormat": PARQUET,
            "sha256": file.sha256,
        }
        for file in told.files
    ]
    value = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": told.name,
        "alternateName": told.title,
        "description": told.about or f"Rows of {told.name} that passed their gates.",
        **({"license": [*told.licenses]} if told.licenses else {}),
        "version": "1.0.0",
        "identifier": f"sha256:{told.identity}",
        "isLiveDataset": False,
        "creator": _describe_issuer(told),
        **({"datePublished": told.issued} if told.issued else {}),
        **({"url": told.url} if told.url else {}),
        **({"inLanguage": [*told.languages]} if told.languages else {}),
        **_describe_terms(told.models),
        **_describe_provenance(told),
        **_describe_risks(told),
        "distribution": [*files, *(_describe_files(split, told.splits) for split in told.splits)],
        "recordSet": [describe_rows(split) for split in told.splits],
    }
    return render_json(value)


def _describe_issuer(told: Disclosure) -> Json:
    if told.issuer is None:
        return {"@type": "Organization", "name": f"holder of the signing key {told.key_id}"}
    address = {"address": ", ".join(told.issuer.address)} if told.issuer.address else {}
    return {"@type": "Organization", "name": told.issuer.name, **address}


def _describe_terms(models: Sequence[DisclosedModel]) -> Json:
    """What the terms of each model allow, as the recipe declares it."""
    usage = [
        {
            "@type": "CreativeWork",
            "name": f"terms of {name_model(model)}",
            "description": model.terms.output,
            "license": model.terms.license,
            **({"url": model.terms.url} if model.terms.url else {}),
        }
        for model in models
        if model.terms is not None
    ]
    return {"usageInfo": usage} if usage else {}


def _describe_provenance(told: Disclosure) -> Json:
    """Who made the rows, by which activity, out of what."""
    agents: list[Json] = [
        {
            "@type": ["prov:Agent", "prov:SoftwareAgent"],
            "@id": f"urn:synth-stack:model:{number}",
            "prov:label": name_model(model),
            "description": f"{model.part}, on {model.rows} rows",
            **({"identifier": model.digest} if model.digest else {}),
        }
        for number, model in enumerate(told.models)
    ]
    origins: list[Json] = [
        {
            "@type": "prov:Entity",
            "@id": f"urn:sha256:{origin.sha256}",
            "prov:label": origin.label,
            **({"description": origin.size} if origin.size else {}),
        }
        for origin in told.origins
    ]
    activity: Json = {
        "@type": "prov:Activity",
        "@id": f"urn:sha256:{told.identity}",
        "prov:label": f"run of synth_stack {told.version}",
        "prov:used": [{"@id": name} for name in (layout.RECIPE, layout.GATES)],
    }
    if agents:
        activity["prov:wasAssociatedWith"] = agents
    return {
        **({"prov:wasDerivedFrom": origins} if origins else {}),
        "prov:wasGeneratedBy": activity,
        "prov:wasAttributedTo": {
            "@type": "prov:Agent",
            "prov:label": f"holder of the signing key {told.key_id}",
        },
    }


def _describe_risks(told: Disclosure) -> Json:
    """The Responsible AI terms, as far as lineage has them."""
    synthetic = told.data.synthetic
    collected = ["Synthetic data"] if synthetic else []
    collected += ["Secondary Data Analysis"] if any(origin.holds_rows for origin in told.origins) else []
    replaced = describe_replacing(told)
    return {
        "rai:dataCollection": describe_making(told),
        **({"rai:dataCollectionType": collected} if collected else {}),
        "rai:dataCollectionRawData": describe_raw_data(told),
        "rai:dataPreprocessingProtocol": describe_gates(told),
        **({"rai:dataManipulationProtocol": replaced} if replaced else {}),
        **({"rai:dataBiases": [*told.biases]} if told.biases else {}),
        "rai:dataLimitations": told.unchecked_lines,
        **({"rai:dataUseCases": [*told.uses]} if told.uses else {}),
        "rai:machineAnnotationTools": [gate.gate for gate in told.gates if gate.gate],
        **(
            {"rai:dataAnnotationProtocol": ["People judged rows by the plan in review/plan.json."]}
            if told.reviewed
            else {}
        ),
    }


def _describe_files(split: str, splits: Sequence[str]) -> Json:
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


_CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "readLines": "cr:readLines",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "unArchive": "cr:unArchive",
    "value": "cr:value",
}
"""The context that the specification gives (appendix 1), with the prefix of PROV-O."""
