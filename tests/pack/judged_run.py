"""A judged run on the disk, small and with one row of every fate, and packs made of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.lineage.sign import build_statement, parse_statement, verify_envelope
from synth_stack.pack import layout
from synth_stack.pack.seal import build_facts
from synth_stack.pack.write import local_signer, write_pack
from synth_stack.rows import (
    DECISION_SCHEMA,
    build_candidates,
    build_verdicts,
    canonical_text,
    digest_json,
)
from synth_stack.seeds import SEED_SCHEMA
from synth_stack.store import (
    GATES_LOCK,
    LOCK,
    MANIFEST,
    digest_file,
    list_files,
    render_yaml,
    write_bytes,
    write_manifest,
    write_table,
)

TEMPLATE = "chat:\n- role: user\n  content: 'Write a message about {{ title }}.'\n"
RECIPE: Mapping[str, Any] = {
    "scheme": "synth_stack/recipe-lock/v1",
    "identity": digest_json("a small run"),
    "synth_stack": "0.1.0",
    "recipe": {
        "name": "support_intents",
        "pack": {
            "pretty_name": "Support intents",
            "license": "cc-by-4.0",
            "languages": ["en", "de"],
            "known_biases": ["British spelling prevails"],
            "not_checked": ["Facts about other firms"],
        },
    },
    "about": "Questions to the support desk of a shop for smart locks.",
    "seed": 11,
    "corpus": {"sha256": "c" * 64, "seeds": 4, "slices": 2, "sections": 1},
    "teacher": {
        "use": "scripted",
        "version": "1",
        "model": "parrot",
        "digest": "sha256:" + "d" * 64,
        "replayable": True,
        "sampling": {"temperature": "0.7"},
    },
    "methods": [
        {
            "use": "instruction",
            "version": "2",
            "params": {"examples": 3},
            "share": "1.0",
            "draws": 12,
            "template_ids": ["message@0123456789ab"],
        }
    ],
    "templates": {"message@0123456789ab": TEMPLATE},
}
GATES: Mapping[str, Any] = {
    "scheme": "synth_stack/gates-lock/v1",
    "identity": digest_json("two gates"),
    "gates": [
        {
            "use": "dedup",
            "version": "1",
            "all": False,
            "params": {"threshold": 0.85},
            "facts": {"reject_when": "score > threshold"},
            "why": "paraphrases collapse diversity",
        },
        {
            "use": "toxicity",
            "version": "1",
            "all": False,
            "params": {"threshold": 0.05},
            "facts": {"scorer": "linear-svm", "is_detoxify": False},
            "why": None,
        },
    ],
}
ROWS = 12
REJECTED = (2, 7)
"""Draws that dedup rejects; the first is the exact twin of draw 0."""
HELD = (9,)
"""Draws that toxicity holds after it has seen the last row."""
UNSURE = (4,)
"""Draws that toxicity abstains on."""


def build_run(
    folder: Path,
    *,
    rows: int = ROWS,
    recipe: Mapping[str, Any] = RECIPE,
    gates: Mapping[str, Any] = GATES,
    **fields: Any,
) -> Path:
    """A judged run of `rows` rows in two parts; `fields` overrides what every row holds."""
    write_bytes(folder / LOCK, render_yaml(dict(recipe)))
    write_bytes(folder / GATES_LOCK, render_yaml(dict(gates)))
    seeds = [
        {"seed_id": f"seed-{i:06d}", "slice": "billing/late", "locale": "en", "text": f"Seed text {i}"}
        for i in range(4)
    ]
    write_table(folder / "seeds" / "seeds.parquet", pa.Table.from_pylist(seeds, schema=SEED_SCHEMA))
    write_bytes(folder / "seeds" / "taxonomy.yaml", b"- slice: billing/late\n  title: Late\n")
    candidates = build_candidates([_make_row(draw, fields) for draw in range(rows)])
    half = rows // 2
    for number, part in enumerate((candidates.slice(0, half), candidates.slice(half))):
        write_table(folder / "candidates" / f"part-{number:05d}.parquet", part)
    _judge(folder, candidates)
    return folder


def _make_row(draw: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    case = 0 if draw == REJECTED[0] else draw
    question = f"Why was I charged {case} times?"
    return {
        "kind": "instruction",
        "slice": "billing/late" if draw % 3 else "locks",
        "locale": "de" if draw % 4 == 3 else "en",
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": f"Sorry. Case {case} is refunded."},
        ],
        "text": question,
        "attachments": [],
        "extra": "{}",
        "seed_id": f"seed-{draw % 4:06d}",
        "generator": "instruction",
        "generator_version": "2",
        "teacher": "parrot",
        "teacher_digest": "sha256:" + "d" * 64,
        "template_id": "message@0123456789ab",
        "params": '{"examples":"3"}',
        "draw": draw,
        "rng_seed": 7 + draw,
        "replayable": True,
        **fields,
    }


def _judge(folder: Path, candidates: pa.Table) -> None:
    ids = candidates["row_id"].to_pylist()
    n = len(ids)
    rejected = [draw in REJECTED for draw in range(n)]
    dedup = build_verdicts(
        candidates["row_id"],
        "dedup",
        ["reject" if bad else "accept" for bad in rejected],
        scores=[1.0 if bad else 0.25 for bad in rejected],
        threshold=0.85,
        reasons=[f"near duplicate: of {ids[0]}" if bad else None for bad in rejected],
        evidence=[canonical_text({"twin": ids[0]}) if bad else None for bad in rejected],
    )
    kept = candidates.filter(pa.array([not bad for bad in rejected]))
    unsure = [row["draw"] in UNSURE for row in kept.to_pylist()]
    toxicity = build_verdicts(
        kept["row_id"],
        "toxicity",
        ["abstain" if bad else "accept" for bad in unsure],
        scores=[None if bad else 0.01 for bad in unsure],
        threshold=0.05,
        reasons=["no text to score" if bad else None for bad in unsure],
    )
    held = [ids[draw] for draw in HELD if draw < n]
    late = build_verdicts(
        pa.array(held, pa.string()),
        "toxicity",
        ["hold"] * len(held),
        reasons=["hot slice"] * len(held),
        scope="slice",
    )
    write_table(folder / "verdicts" / "dedup" / "part-00000.parquet", dedup)
    write_table(folder / "verdicts" / "toxicity" / "part-00000.parquet", toxicity)
    write_table(folder / "verdicts" / "toxicity" / "part-finish.parquet", late)
    write_table(folder / "decisions.parquet", _decide(candidates, rejected, set(held), ids[0]))


def _decide(candidates: pa.Table, rejected: list[bool], held: set[str], twin: str) -> pa.Table:
    decisions = []
    for row, bad in zip(candidates.to_pylist(), rejected, strict=True):
        fate: tuple[str, str | None, str | None] = ("accepted", None, None)
        if bad:
            fate = ("rejected", "dedup", f"near duplicate: of {twin}")
        elif row["row_id"] in held:
            fate = ("held", "toxicity", "hot slice")
        decision, gate, reason = fate
        decisions.append(
            {
                "row_id": row["row_id"],
                "source_id": row["source_id"],
                "decision": decision,
                "gate": gate,
                "reason": reason,
            }
        )
    return pa.Table.from_pylist(decisions, schema=DECISION_SCHEMA)


def build_pack(folder: Path, **options: Any) -> Path:
    """A pack at `folder`/pack of a run at `folder`/run, signed with `folder`/key.pem."""
    run = build_run(folder / "run", **options)
    write_pack(run, folder / "pack", signer=local_signer(folder / "key.pem"))
    return folder / "pack"


def reseal(pack: Path, key_path: Path, changes: Mapping[str, Any] | None = None) -> None:
    """Sign what is in the pack now, as somebody would who changed it and holds the key.

    `changes` replaces top-level values of the predicate.
    """
    envelope = (pack / layout.STATEMENT).read_bytes()
    statement = parse_statement(verify_envelope(envelope, (pack / layout.PUBLIC_KEY).read_bytes()))
    predicate = {**statement["predicate"], **(changes or {})}
    subjects: dict[str, str] = {
        name: digest_file(pack / name) for name in list_files(pack) if name not in layout.UNSIGNED
    }
    subjects[layout.ROWS_SUBJECT] = predicate["tree"]["root"]
    for name, data in local_signer(key_path).sign(build_statement(subjects, predicate)).items():
        write_bytes(pack / name, data)
    (pack / MANIFEST).unlink()
    write_manifest(pack, build_facts(predicate))
