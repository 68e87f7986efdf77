"""A small shop: its seeds, topics and policies, in memory and as the files of a recipe."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from synth_stack.generation.draws import Plan
from synth_stack.inputs.recipe import load_recipe
from synth_stack.inputs.seeds import SEED_SCHEMA, Corpus, Topic
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import list_parts, read_parts
from synth_stack.workflows.prepare import Job, prepare
from tests.openai_server import MODEL

Row = dict[str, Any]

TOPICS = {
    "orders/late": ("Late parcels", "A parcel comes late.", "orders#late-parcels"),
    "orders/lost": ("Lost parcels", "A parcel never comes.", None),
    "billing/refund": ("Refunds", "Money comes back.", "billing#refunds"),
}
SECTIONS = {
    "orders#late-parcels": "We send a late parcel again after ten days.",
    "billing#refunds": "A refund takes five working days.",
}
SEEDS = [
    {
        "id": f"{slice_.replace('/', '-')}-{k}",
        "slice": slice_,
        "locale": "en-GB",
        "text": f"{title}, case {k}?",
    }
    for slice_, (title, _, _) in TOPICS.items()
    for k in range(4)
]
ABOUT = "the support desk of a small shop"
THREE = [
    {"use": "self_instruct", "share": 0.5, "examples": 3},
    {"use": "evol_instruct", "share": 0.3},
    {"use": "magpie", "share": 0.2},
]


def make_corpus() -> Corpus:
    """The shop's corpus, as it is read from its files."""
    rows = [{"seed_id": seed["id"], **{k: seed[k] for k in ("slice", "locale", "text")}} for seed in SEEDS]
    topics = {s: Topic(slice=s, title=t, description=d, policy=p) for s, (t, d, p) in TOPICS.items()}
    return Corpus(pa.Table.from_pylist(rows, schema=SEED_SCHEMA), topics, SECTIONS)


def make_plan(count: int, *, method: str = "self_instruct", first: int = 0) -> Plan:
    """A plan of `count` draws from the shop."""
    return Plan(make_corpus(), ABOUT, 20261122, method, first, count)


def write_recipe(
    folder: Path,
    teacher: dict[str, Any] | None = None,
    *,
    methods: list[dict[str, Any]] | None = None,
    candidates: int = 12,
    batch_rows: int = 4,
    **fields: Any,
) -> Path:
    """recipe.yaml in `folder`, with the seeds, taxonomy and documents that it names beside it."""
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    (folder / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in SEEDS), encoding="utf-8")
    (folder / "policies" / "orders.md").write_text(
        f"# Orders\n\n## Late parcels\n{SECTIONS['orders#late-parcels']}\n", encoding="utf-8"
    )
    (folder / "policies" / "billing.md").write_text(
        f"# Billing\n\n## Refunds\n{SECTIONS['billing#refunds']}\n", encoding="utf-8"
    )
    topics = [{"slice": s, "title": t, "description": d, "policy": p} for s, (t, d, p) in TOPICS.items()]
    (folder / "taxonomy.yaml").write_text(yaml.safe_dump(topics), encoding="utf-8")
    recipe = {
        "version": 1,
        "name": "shop",
        "about": ABOUT,
        "seed": 20261122,
        "seeds": {
            "path": "seeds.jsonl",
            "slice_column": "slice",
            "locale_column": "locale",
            "id_column": "id",
        },
        "taxonomy": "taxonomy.yaml",
        "documents": "policies",
        "teacher": teacher or {"use": "scripted"},
        "generate": {
            "candidates": candidates,
            "batch_rows": batch_rows,
            "methods": methods or [{"use": "self_instruct", "examples": 3}],
        },
        "gates": "gates.yaml",
        "pack": {"pretty_name": "A small shop"},
        **fields,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def ready(folder: Path, teacher: Row | None = None, **fields: Any) -> Job:
    """A recipe of the shop, made ready."""
    return prepare(load_recipe(write_recipe(folder, teacher, **fields)))


def on_server(base_url: str, **params: Any) -> Row:
    """The http teacher that asks a test server, one request at a time."""
    return {
        "use": "http",
        "base_url": base_url,
        "model": MODEL,
        "retries": 0,
        "reasoning_tokens": 0,
        "concurrency": 1,
        **params,
    }


def read(folder: Path) -> list[Row]:
    """The candidate rows of a run folder, in order."""
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def read_bytes(folder: Path) -> dict[str, bytes]:
    """The part files of a run folder by name."""
    return {part.name: part.read_bytes() for part in list_parts(folder / "candidates")}
