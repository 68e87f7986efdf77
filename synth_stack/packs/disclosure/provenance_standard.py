"""The pack by the Data Provenance Standards 1.0.0 of the Data & Trust Alliance, as JSON.

https://github.com/Data-and-Trust-Alliance/DPS (specification.md; numbers below are its sections). Element
names and codes are the specification's. What it requires and nobody stated is not made up: `description`
names it.
"""

from typing import Any

from synth_stack.packs.card.markdown import prose
from synth_stack.packs.disclosure.facts import Disclosure, Origin
from synth_stack.packs.disclosure.json_document import render_json
from synth_stack.packs.disclosure.sentences import describe_making, describe_raw_data, name_model
from synth_stack.packs.disclosure.spdx import name_license

VERSION = "1.0.0"
PARQUET = "application/vnd.apache.parquet"
_CODES = "https://dataandtrustalliance.org/DPS/CodeSystem/"
_METHODS = {
    "machine-generated-mlops-generative": "Machine generated/MLOps Generative",
    "feeds-file-feed-info": "Feeds File feed info",
}
_USES = {
    "ai-pre-training": "AI Pre-Training",
    "ai-alignment": "AI Alignment",
    "ai-evaluation": "AI Evaluation",
    "ai-synthetic": "AI Synthetic Data Generation",
    "non-ai-staging": "Non-AI Staging/testing",
    "non-ai-quality": "Non-AI Quality assurance",
}
Json = dict[str, Any]


def render_provenance(told: Disclosure) -> bytes:
    """The metadata of a pack in the three groups of the standard: source, provenance, use."""
    return render_json(
        {
            "source": _describe_source(told),
            "provenance": _describe_provenance(told),
            "use": _describe_use(told),
        }
    )


def _describe_source(told: Disclosure) -> Json:
    """4.1; the identifier is the root of the signed tree."""
    return {
        "version": VERSION,
        "title": told.title,
        "id": f"urn:sha256:{told.root}",
        **({"location": told.url} if told.url else {}),
        **({"issuer": [_describe_issuer(told)]} if told.issuer else {}),
        "description": _describe_contents(told),
    }


def _describe_issuer(told: Disclosure) -> Json:
    issuer = told.issuer
    if issuer is None:
        return {}
    return {"name": issuer.name, **({"address": [*issuer.address]} if issuer.address else {})}


def _describe_contents(told: Disclosure) -> str:
    """Markdown, as the standard wants it."""
    said = [prose(told.about)] if told.about else []
    said += [prose(describe_making(told)), prose(describe_raw_data(told))]
    terms = [
        f"- {prose(name_model(model))} ({prose(model.part)}): {name_license(model.terms.license)}, "
        f"output {model.terms.output}"
        for model in told.models
        if model.terms is not None
    ]
    said += ["Terms of models:", "\n".join(terms)] if terms else []
    said += ["Not checked:", "\n".join(f"- {prose(line)}" for line in told.unchecked_lines)]
    if told.biases:
        said += ["Known biases:", "\n".join(f"- {prose(bias)}" for bias in told.biases)]
    if told.not_stated:
        said.append(f"Not stated by the publisher: {', '.join(told.not_stated)}.")
    return "\n\n".join(said)


def _describe_provenance(told: Disclosure) -> Json:
    """4.2; a dataset that rows were read from is a provenance of its own (4.2.9)."""
    read = [origin for origin in told.origins if origin.holds_rows]
    methods = ["machine-generated-mlops-generative"] if told.data.synthetic else []
    methods += ["feeds-file-feed-info"] if read else []
    country = told.issuer.country if told.issuer else None
    return {
        **({"origin-geography": [{"country": country}]} if country else {}),
        **({"date": told.issued} if told.issued else {}),
        "generation-method": [_concept("Method", code, _METHODS[code]) for code in methods]
        or [{"description": "not known"}],
        "format": [PARQUET],
        **(
            {
                "sub-provenance": [
                    {"generation-method": [{"description": _describe_unknown(origin)}]} for origin in read
                ]
            }
            if read
            else {}
        ),
    }


def _describe_unknown(origin: Origin) -> str:
    return f"{origin.label} (SHA-256 {origin.sha256}): how they came about is not known"


def _describe_use(told: Disclosure) -> Json:
    """4.3."""
    uses = [_concept("Use", use, _USES[use]) for use in told.uses]
    return {
        **({"license": [name_license(name) for name in told.licenses]} if told.licenses else {}),
        **({"intended-purpose": uses} if uses else {}),
    }


def _concept(system: str, code: str, description: str) -> Json:
    return {"code": code, "system": f"{_CODES}{system}", "description": description}
