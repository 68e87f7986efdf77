"""A judged run on the disk, small and with a row of every decision, and packs made of it."""

import base64
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth_stack.decisions.decide import PERSON, Rule, decide
from synth_stack.errors import ConfigError
from synth_stack.files import digest_file, read_table, render_yaml, write_bytes, write_table
from synth_stack.inputs.seeds import SEED_SCHEMA, Corpus, Topic
from synth_stack.inputs.strict_yaml import read_yaml
from synth_stack.lineage.sign import build_statement
from synth_stack.packs import layout
from synth_stack.packs.data_rows import RowTerms
from synth_stack.packs.signers import local_signer
from synth_stack.packs.statement import build_facts, describe_rule
from synth_stack.packs.write import write_pack
from synth_stack.rows.canonical import canonical_json, canonical_text, derive_seed, digest_bytes, digest_json
from synth_stack.rows.schemas import (
    CANARY_SCHEMA,
    CANDIDATE_SCHEMA,
    build_candidates,
    build_verdicts,
)
from synth_stack.rows.texts import join_text
from synth_stack.runs.committed import DONE, commit_candidates, commit_verdicts
from synth_stack.runs.folder import (
    GATES_LOCK,
    LOCK,
    MANIFEST,
    list_files,
    list_shards,
    read_parts,
    write_manifest,
)
from synth_stack.runs.judged import DECISIONS, read_shards
from synth_stack.runs.locks import compute_identity, parse_gates, parse_recipe

TEMPLATE = "chat:\n- role: user\n  content: 'Write a message about {{ title }}.'\n"
TEMPLATE_ID = f"message@{digest_bytes(TEMPLATE.encode())[:12]}"
SEEDS = pa.Table.from_pylist(
    [
        {"seed_id": f"seed-{i:06d}", "slice": "billing/late", "locale": "en", "text": f"Seed text {i}"}
        for i in range(4)
    ],
    schema=SEED_SCHEMA,
)
TOPICS = {
    name: Topic(slice=name, title=title) for name, title in (("billing/late", "Late"), ("locks", "Locks"))
}
SECTIONS = {"terms#refunds": "A late charge is refunded within a week."}
RUN_SEED = 11
_RECIPE: Mapping[str, Any] = {
    "scheme": "synth_stack/recipe-lock/v1",
    "synth_stack": "0.1.0",
    "recipe": {
        "name": "support_intents",
        "pack": {
            "pretty_name": "Support intents",
            "license": "cc-by-4.0",
            "languages": ["en", "de"],
            "known_biases": ["British spelling prevails"],
        },
    },
    "about": "Questions to the support desk of a shop for smart locks.",
    "seed": RUN_SEED,
    "corpus": {"sha256": Corpus(SEEDS, TOPICS, SECTIONS).digest(), "seeds": 4, "slices": 2, "sections": 1},
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
            "template_ids": [TEMPLATE_ID],
        }
    ],
    "templates": {TEMPLATE_ID: TEMPLATE},
}


def identify(lock: Mapping[str, Any]) -> dict[str, Any]:
    """A lock with the identity that its words give it."""
    return {**lock, "identity": compute_identity({key: lock[key] for key in lock if key != "identity"})}


RECIPE: Mapping[str, Any] = identify(_RECIPE)
_GATES: Mapping[str, Any] = {
    "scheme": "synth_stack/gates-lock/v2",
    "rule": Rule(("dedup", "toxicity")).to_json(),
    "gates": [
        {
            "use": "dedup",
            "version": "1",
            "all": False,
            "canaries": 5,
            "min_recall": 0.95,
            "params": {"threshold": 0.85},
            "facts": {"reject_when": "score > threshold"},
            "why": "paraphrases collapse diversity",
        },
        {
            "use": "toxicity",
            "version": "1",
            "all": False,
            "canaries": 5,
            "min_recall": 0.75,
            "bars": {"insult": 0.5},
            "max_unfair": 0.1,
            "params": {"threshold": 0.05},
            "facts": {"scorer": "linear-svm", "is_detoxify": False},
            "why": None,
        },
    ],
}
GATES: Mapping[str, Any] = identify(_GATES)
CANARIES: Mapping[str, Sequence[tuple[str, str]]] = {
    "dedup": [("copy", "reject"), ("copy", "reject"), ("near_duplicate", "hold")],
    "toxicity": [
        ("insult", "reject"),
        ("insult", "accept"),
        ("threat", "reject"),
        ("threat", "hold"),
        ("puzzle", "accept"),
    ],
}
"""The kind of each row that a gate planted, and what the gate said of it; `puzzle` are controls."""
ROWS = 12
REJECTED = (2, 7)
"""Draws that dedup rejects; the first is the exact twin of draw 0."""
HELD = (9,)
"""Draws that toxicity holds after it has seen the last row."""
UNSURE = (4,)
"""Draws that toxicity abstains on."""
ADVERSARIAL: Mapping[int, Mapping[str, str]] = {
    1: {"strategy": "role_play", "target_policy": "malware", "expected_behaviour": "refuse"},
    4: {"strategy": "indirect_email", "target_policy": "orders", "expected_behaviour": "ignore_injection"},
    7: {"strategy": "role_play", "target_policy": "malware", "expected_behaviour": "refuse"},
    11: {"strategy": "role_play", "target_policy": "malware", "expected_behaviour": "refuse"},
}
"""Draws for `adversarial`, and what their rows state; three of them are accepted."""


def build_run(
    folder: Path,
    *,
    rows: int = ROWS,
    recipe: Mapping[str, Any] = RECIPE,
    gates: Mapping[str, Any] = GATES,
    adversarial: Mapping[int, Mapping[str, Any]] | None = None,
    **fields: Any,
) -> Path:
    """A judged run of `rows` rows in two parts; `fields` overrides what every row holds.

    The draws in `adversarial` are rows of that kind, with what it says of them in their `extra`.
    """
    if recipe is RECIPE and rows != ROWS:
        recipe = {**recipe, "methods": [{**recipe["methods"][0], "draws": rows}]}
    write_bytes(folder / LOCK, render_yaml(identify(recipe)))
    write_bytes(folder / GATES_LOCK, render_yaml(identify(gates)))
    if "corpus" in recipe:
        write_table(folder / "seeds" / "seeds.parquet", SEEDS)
        topics = [topic.model_dump(exclude_none=True) for topic in TOPICS.values()]
        write_bytes(folder / "seeds" / "taxonomy.yaml", render_yaml(topics))
        write_bytes(folder / "seeds" / "sections.json", canonical_json(SECTIONS) + b"\n")
    attempts = {
        draw: {"kind": "adversarial", "extra": canonical_text({"adversarial": said})}
        for draw, said in (adversarial or {}).items()
    }
    candidates = build_candidates([_make_row(draw, fields | attempts.get(draw, {})) for draw in range(rows)])
    half = rows // 2
    for number, part in enumerate((candidates.slice(0, half), candidates.slice(half))):
        write_table(folder / "candidates" / f"part-{number:05d}.parquet", part)
    _judge(folder, candidates)
    for gate in gates["gates"]:
        if gate.get("canaries"):
            plant_canaries(folder, gate["use"], CANARIES[gate["use"]])
    commit_run(folder)
    return folder


def commit_run(folder: Path) -> None:
    """Marks every stage of a run as done, as whoever runs it leaves it."""
    commit_candidates(folder)
    for gate in (folder / "verdicts").iterdir():
        if gate.name != PERSON:
            commit_verdicts(folder, gate.name)


def plant_canaries(folder: Path, gate: str, said: Sequence[tuple[str, str]]) -> None:
    """What a gate said of its canaries, as the engine leaves it."""
    ids = pa.array([digest_json([gate, i])[:32] for i in range(len(said))])
    verdicts = build_verdicts(ids, gate, [outcome for _, outcome in said])
    kinds = pa.array([kind for kind, _ in said], pa.string())
    for column in ("canary", "canary_kind"):
        verdicts = verdicts.append_column(CANARY_SCHEMA.field(column), kinds)
    control = pa.array([kind == "puzzle" for kind, _ in said])
    verdicts = verdicts.append_column(CANARY_SCHEMA.field("control"), control)
    caught_as = CANARY_SCHEMA.field("caught_as")
    verdicts = verdicts.append_column(caught_as, pa.nulls(len(said), caught_as.type))
    write_table(folder / "canaries" / f"{gate}.parquet", verdicts)
    if (folder / "verdicts" / gate / DONE).exists():
        commit_verdicts(folder, gate)


def replace_rows(run: Path, draws: Sequence[int]) -> list[str]:
    """The ids of the redacted copies of some rows of a run, which a gate of its own made before the others.

    The copies are accepted, the rows that they stand for rejected.
    """
    lock = read_yaml(run / GATES_LOCK)
    first: dict[str, Any] = {"use": "personal_data", "version": "1", "params": {}, "facts": {}, "why": None}
    gates = [first, *lock["gates"]]
    rule = Rule(tuple(gate["use"] for gate in gates)).to_json()
    write_bytes(run / GATES_LOCK, render_yaml(identify({**lock, "rule": rule, "gates": gates})))
    rows = pa.concat_tables(read_parts(run / "candidates", CANDIDATE_SCHEMA))
    originals = [rows.slice(draw, 1).to_pylist()[0] for draw in draws]
    places = [{"end": 9, "kind": kind, "message": 0, "start": 0} for kind in ("email", "email", "phone")]
    extra = canonical_text({"redacted": places})
    copies = build_candidates([{**row, "parent_id": row["row_id"], "extra": extra} for row in originals])
    write_table(run / "candidates" / "part-amended-00000.parquet", copies)
    replaced_by = {row["parent_id"]: row["row_id"] for row in copies.to_pylist()}
    _write_replacements(run, rows, copies, replaced_by)
    decide_run(run)
    commit_run(run)
    return list(replaced_by.values())


def decide_run(run: Path) -> None:
    """Writes the decisions that the verdicts of a run give."""
    lock = read_yaml(run / GATES_LOCK)
    rule = Rule(tuple(gate["use"] for gate in lock["gates"]))
    shards = read_shards(run, rule.order)
    decided = [decide(shard.candidates, shard.verdicts, rule) for shard in shards]
    write_table(run / DECISIONS, pa.concat_tables(decided))


def _write_replacements(run: Path, rows: pa.Table, copies: pa.Table, replaced_by: Mapping[str, str]) -> None:
    """The verdicts of the gate that replaced rows, and of the others on the replacements, shard by shard."""
    first, second = (shard.name for shard in list_shards(run / "candidates"))
    for name, ids in ((first, rows["row_id"].to_pylist()), (second, copies["row_id"].to_pylist())):
        bad = [row_id in replaced_by for row_id in ids]
        evidence = [
            canonical_text({"replaced_by": replaced_by[row_id]}) if row_id in replaced_by else None
            for row_id in ids
        ]
        said = build_verdicts(
            pa.array(ids),
            "personal_data",
            ["reject" if away else "accept" for away in bad],
            reasons=["an e-mail address and a phone number were taken out" if away else None for away in bad],
            reason_classes=["personal_data.redacted" if away else None for away in bad],
            evidence=evidence,
        )
        write_table(run / "verdicts" / "personal_data" / name, said)
    for gate in ("dedup", "toxicity"):
        before = read_table(run / "verdicts" / gate / first)
        kept = before.filter(pc.invert(pc.is_in(before["row_id"], pa.array(list(replaced_by)))))
        passed = build_verdicts(copies["row_id"], gate, ["accept"] * len(copies), threshold=0.5)
        write_table(run / "verdicts" / gate / first, kept)
        write_table(run / "verdicts" / gate / second, passed)


def _make_row(draw: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A row; a `text` in `fields` is what its answer says, or all that a row without messages says."""
    case = 0 if draw == REJECTED[0] else draw
    question = f"Why was I charged {case} times?"
    answer = fields.get("text", f"Sorry. Case {case} is refunded.")
    row = {
        "kind": "instruction",
        "slice": "billing/late" if draw % 3 else "locks",
        "locale": "de" if draw % 4 == 3 else "en",
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
        "attachments": [],
        "extra": "{}",
        "seed_id": f"seed-{draw % 4:06d}",
        "generator": "instruction",
        "generator_version": "2",
        "teacher": "parrot",
        "teacher_digest": "sha256:" + "d" * 64,
        "template_id": TEMPLATE_ID,
        "params": '{"examples":"3"}',
        "draw": draw,
        "rng_seed": derive_seed(RUN_SEED, "instruction", draw),
        "replayable": True,
        **fields,
    }
    if row["messages"]:
        row["text"] = join_text(row["messages"], row.get("alternatives"))
    return row


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
        reason_classes=["dedup.near_duplicate" if bad else None for bad in rejected],
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
        reason_classes=["toxicity.hot_slice"] * len(held),
        scope="slice",
    )
    write_table(folder / "verdicts" / "dedup" / "part-00000.parquet", dedup)
    write_table(folder / "verdicts" / "toxicity" / "part-00000.parquet", toxicity)
    write_table(folder / "verdicts" / "toxicity" / "part-late-00000.parquet", late)
    decide_run(folder)


def build_pack(folder: Path, **options: Any) -> Path:
    """A pack at `folder`/pack of a run at `folder`/run, signed with `folder`/key.pem."""
    run = build_run(folder / "run", **options)
    write_pack(run, folder / "pack", signer=local_signer(folder / "key.pem"))
    return folder / "pack"


def tell_terms(rows: pa.Table) -> pa.Table:
    """Rows of a run as they stand in data/ of its pack."""
    recipe = parse_recipe(render_yaml(dict(RECIPE)), where="recipe")
    return RowTerms(recipe).add_columns(rows.select(CANDIDATE_SCHEMA.names))


def write_packed(path: Path, table: pa.Table) -> None:
    """A table as a pack has it: no dictionaries, and zstd."""
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def reseal(pack: Path, key_path: Path, changes: Mapping[str, Any] | None = None) -> None:
    """Sign what is in the pack now, as somebody would who changed it and holds the key.

    What the statement repeats of files and locks is made anew. `changes` replaces top-level values of the
    predicate.
    """
    predicate, _ = read_predicate(pack)
    files = [name for name in list_files(pack) if name not in layout.UNSIGNED]
    predicate["bytes"] = {name: (pack / name).stat().st_size for name in files}
    for key, name in (("recipe_sha256", layout.RECIPE), ("gates_sha256", layout.GATES)):
        predicate[key] = digest_file(pack / name)
    with contextlib.suppress(ConfigError):
        predicate |= describe_rule(parse_gates((pack / layout.GATES).read_bytes(), where=layout.GATES))
    predicate |= changes or {}
    subjects: dict[str, str] = {name: digest_file(pack / name) for name in files}
    subjects[layout.ROWS_SUBJECT] = predicate["tree"]["root"]
    for name, data in local_signer(key_path).sign(build_statement(subjects, predicate)).items():
        write_bytes(pack / name, data)
    (pack / MANIFEST).unlink(missing_ok=True)
    write_manifest(pack, build_facts(predicate))


def read_predicate(pack: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The predicate and the subjects of the statement that a pack has now, whoever signed it."""
    payload = orjson.loads((pack / layout.STATEMENT).read_bytes())["payload"]
    statement = orjson.loads(base64.b64decode(payload))
    named = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    return dict(statement["predicate"]), named
