"""The pack as an SPDX 3.0.1 document: the Dataset profile where all is stated that the profile asks for.

https://spdx.github.io/spdx-spec/v3.0.1/, in its JSON-LD form. SPDX wants a time of creation, and a pack has
none that its rows do not state: without a day of issue it is the start of the epoch, and the comment says so.
"""

import re
from typing import Any

from synth_stack.packs.disclosure.facts import DisclosedModel, Disclosure, Origin
from synth_stack.packs.disclosure.json_document import render_json
from synth_stack.packs.disclosure.sentences import (
    describe_gates,
    describe_making,
    describe_replacing,
    name_model,
)

SPEC_VERSION = "3.0.1"
CONTEXT = f"https://spdx.org/rdf/{SPEC_VERSION}/spdx-context.jsonld"
NO_TIME = "1970-01-01T00:00:00Z"
Json = dict[str, Any]

_CREATION = "_:creationinfo"
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_SPDX_NAMES = {
    name.lower(): name
    for name in (
        "AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause "
        "BSD-3-Clause-Clear BSL-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 "
        "CC-BY-NC-4.0 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 "
        "CC-BY-ND-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-PDDC CC0-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 "
        "CDLA-Sharing-1.0 ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 GFDL-1.3-or-later GPL-2.0-only "
        "GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later ISC LGPL-2.1-only LGPL-3.0-only LPPL-1.3c MIT "
        "MPL-2.0 MS-PL MulanPSL-2.0 NCSA ODbL-1.0 ODC-By-1.0 OFL-1.1 OSL-3.0 PDDL-1.0 PostgreSQL "
        "Unlicense WTFPL Zlib"
    ).split()
}
"""Licences that the Hub and SPDX both name, by the Hub's lower-case identifier."""


def render_spdx(told: Disclosure) -> bytes:
    """The SPDX document of a pack."""
    ids = _Ids(told.root)
    agent, tool, dataset = ids("publisher"), ids("synth-stack"), ids("dataset")
    made: list[Json] = [
        _element("Tool", tool, name=f"synth_stack {told.version}"),
        _element("Organization" if told.issuer else "Agent", agent, **_describe_publisher(told)),
        _element("dataset_DatasetPackage", dataset, **_describe_dataset(told, agent)),
        *_describe_files(told, ids, dataset),
        *_describe_models(told, ids, dataset),
        *_describe_origins(told, ids, dataset),
        *_describe_licenses(told, ids, dataset),
    ]
    creation = {
        "type": "CreationInfo",
        "@id": _CREATION,
        "specVersion": SPEC_VERSION,
        "created": _time_of(told),
        "createdBy": [agent],
        "createdUsing": [tool],
        **({} if told.issued else {"comment": "No time is known: no day of issue is stated."}),
    }
    document = _element(
        "SpdxDocument",
        ids("document"),
        profileConformance=_list_profiles(told),
        rootElement=[dataset],
        element=[element["spdxId"] for element in made],
        **_comment(told),
    )
    return render_json({"@context": CONTEXT, "@graph": [creation, document, *made]})


def name_license(name: str) -> str:
    """A licence of the Hub as an SPDX expression: SPDX's own identifier, or a LicenseRef of that name."""
    known = _SPDX_NAMES.get(name.lower())
    own = re.sub("[^A-Za-z0-9.-]+", "-", name.removeprefix("LicenseRef-"))
    return known or f"LicenseRef-{own or 'unnamed'}"


class _Ids:
    """Names of elements that no other pack has."""

    def __init__(self, root: str) -> None:
        self._root = root

    def __call__(self, *parts: object) -> str:
        return ":".join(("urn:synth-stack:pack", self._root, *map(str, parts)))


def _element(kind: str, spdx_id: str, **said: Any) -> Json:
    return {"type": kind, "spdxId": spdx_id, "creationInfo": _CREATION, **said}


def _time_of(told: Disclosure) -> str:
    return f"{told.issued}T00:00:00Z" if told.issued else NO_TIME


def _list_profiles(told: Disclosure) -> list[str]:
    """The Dataset profile wants times and a place to download from."""
    complete = told.issued and told.url
    return ["core", "software", *(["dataset"] if complete else []), "simpleLicensing"]


def _comment(told: Disclosure) -> Json:
    if not told.not_stated:
        return {}
    return {"comment": f"Not stated by the publisher: {', '.join(told.not_stated)}."}


def _describe_publisher(told: Disclosure) -> Json:
    holder = f"holder of the signing key {told.key_id}"
    if told.issuer is None:
        return {"name": holder}
    return {"name": told.issuer.name, "description": holder}


def _describe_dataset(told: Disclosure, agent: str) -> Json:
    data = told.data
    kinds = ["structured", "text", *(["image"] if data.illustrated else [])]
    replaced = describe_replacing(told)
    times = {"builtTime": _time_of(told), "releaseTime": _time_of(told)} if told.issued else {}
    where = (
        {"software_downloadLocation": told.url, "dataset_datasetAvailability": "directDownload"}
        if told.url
        else {}
    )
    return {
        "name": told.name,
        "summary": told.title,
        **({"description": told.about} if told.about else {}),
        "comment": f"{data.rows} rows. Not checked: {'; '.join(told.unchecked_lines)}.",
        "originatedBy": [agent],
        **times,
        "verifiedUsing": [_hash(told.root, "Merkle root over the records of all rows (RFC 6962)")],
        "software_primaryPurpose": "data",
        "software_packageVersion": told.root,
        **where,
        "dataset_datasetType": kinds,
        "dataset_datasetSize": told.bytes,
        "dataset_dataCollectionProcess": describe_making(told),
        "dataset_dataPreprocessing": [*describe_gates(told), *replaced],
        **({"dataset_knownBias": [*told.biases]} if told.biases else {}),
        **({"dataset_intendedUse": ", ".join(told.uses)} if told.uses else {}),
        "dataset_hasSensitivePersonalInformation": "noAssertion",
    }


def _hash(value: str, comment: str | None = None) -> Json:
    said = {"comment": comment} if comment else {}
    return {"type": "Hash", **said, "algorithm": "sha256", "hashValue": value}


def _relate(ids: _Ids, name: str, kind: str, start: str, ends: list[str], **said: Any) -> Json:
    return _element(
        "Relationship", ids("relationship", name), relationshipType=kind, **{"from": start}, to=ends, **said
    )


def _describe_files(told: Disclosure, ids: _Ids, dataset: str) -> list[Json]:
    files = [
        _element(
            "software_File",
            ids("file", file.name),
            name=file.name,
            verifiedUsing=[_hash(file.sha256)],
            software_primaryPurpose="data",
        )
        for file in told.files
    ]
    if not files:
        return []
    return [*files, _relate(ids, "files", "contains", dataset, [file["spdxId"] for file in files])]


def _describe_models(told: Disclosure, ids: _Ids, dataset: str) -> list[Json]:
    said: list[Json] = []
    for number, model in enumerate(told.models):
        spdx_id = ids("model", number)
        said.append(_element("ai_AIPackage", spdx_id, **_describe_model(model)))
        role = f"{model.part}, on {model.rows} rows"
        if model.writes:
            said.append(_relate(ids, f"model-{number}", "generates", spdx_id, [dataset], description=role))
        else:
            said.append(_relate(ids, f"model-{number}", "usesTool", dataset, [spdx_id], description=role))
        if model.terms is not None:
            license_id = ids("model", number, "license")
            said.append(_license(license_id, name_license(model.terms.license)))
            said.append(
                _relate(
                    ids,
                    f"model-{number}-license",
                    "hasDeclaredLicense",
                    spdx_id,
                    [license_id],
                    description=f"output: {model.terms.output}",
                )
            )
    return said


def _describe_model(model: DisclosedModel) -> Json:
    digest = model.digest or ""
    match = _SHA256.fullmatch(digest)
    exact = {"verifiedUsing": [_hash(match[1])]} if match else {}
    return {
        "name": name_model(model),
        **({"software_packageVersion": digest} if digest else {}),
        **exact,
        "software_primaryPurpose": "model",
    }


def _describe_origins(told: Disclosure, ids: _Ids, dataset: str) -> list[Json]:
    origins = [(ids("origin", number), origin) for number, origin in enumerate(told.origins)]
    if not origins:
        return []
    return [
        *(_describe_origin(spdx_id, origin) for spdx_id, origin in origins),
        _relate(ids, "origins", "descendantOf", dataset, [spdx_id for spdx_id, _ in origins]),
    ]


def _describe_origin(spdx_id: str, origin: Origin) -> Json:
    return _element(
        "dataset_DatasetPackage",
        spdx_id,
        name=origin.label,
        **({"summary": origin.size} if origin.size else {}),
        verifiedUsing=[_hash(origin.sha256)],
        dataset_datasetType=["noAssertion"],
    )


def _describe_licenses(told: Disclosure, ids: _Ids, dataset: str) -> list[Json]:
    if not told.licenses:
        return []
    spdx_id = ids("license")
    expression = " AND ".join(name_license(name) for name in told.licenses)
    return [
        _license(spdx_id, expression),
        _relate(ids, "license", "hasDeclaredLicense", dataset, [spdx_id]),
    ]


def _license(spdx_id: str, expression: str) -> Json:
    return _element(
        "simplelicensing_LicenseExpression", spdx_id, simplelicensing_licenseExpression=expression
    )
