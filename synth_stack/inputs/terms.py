"""What the terms of models allow their output to be used for: the order of the terms, and the lookup of those
that a lock declares.
"""

from collections.abc import Mapping
from typing import Any

TERMS = ("research-only", "non-commercial", "no-competing-models", "train-any")
"""The strictest first. Each allows the purpose of its place in PURPOSES, and those before."""

PURPOSES = ("research", "non-commercial", "commercial", "competing-models")
"""What rows are used for, each beyond the one before: papers; whatever earns nothing; products; and models
that compete with the teacher's maker."""

UNDECLARED = "undeclared"
"""The terms of a model that nobody declared: they allow nothing."""


def read_terms(lock: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What a recipe's lock declares of the terms of its models, by their names and by their digests, and what
    the packs declared that its rows were read from.

    Where two models share a name, the stricter terms count.
    """
    source = lock.get("source")
    inherited = source.get("terms") if isinstance(source, Mapping) else None
    models = lock.get("models")
    found: dict[str, dict[str, str]] = {}

    def add(key: object, terms: object) -> None:
        if key is None or not isinstance(terms, Mapping):
            return
        told = {str(name): str(value) for name, value in terms.items()}
        if rank_terms(told.get("output")) <= rank_terms(found.get(str(key), told).get("output")):
            found[str(key)] = told

    for key, terms in inherited.items() if isinstance(inherited, Mapping) else ():
        add(key, terms)
    for model in (lock.get("teacher"), *(models.values() if isinstance(models, Mapping) else ())):
        if isinstance(model, Mapping):
            for key in (model.get("model"), model.get("digest")):
                add(key, model.get("terms"))
    return found


def inherit_terms(lock: Mapping[str, Any]) -> dict[str, Any]:
    """What the lock of rows that are judged again takes over from that of the run or pack they come from: the
    `license`, and the `terms` of models, as far as they are stated in words that are known.
    """
    terms = {
        key: {name: told[name] for name in ("output", "license", "url") if name in told}
        for key, told in read_terms(lock).items()
        if told.get("output") in TERMS and "license" in told
    }
    told: dict[str, Any] = {"terms": terms} if terms else {}
    match lock:
        case {"recipe": {"pack": {"license": str(name)}}} | {"source": {"license": str(name)}}:
            return {"license": name, **told}
    return told


def rank_terms(output: object) -> int:
    """How much terms allow: their place in TERMS, and -1 for those that are none and allow nothing."""
    return TERMS.index(str(output)) if output in TERMS else -1
