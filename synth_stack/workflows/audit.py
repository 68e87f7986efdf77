"""A second pair of eyes on rows that exist: judged as `curate` judges them, then told, signed and mended.

audit          an audit of a data set: figures with intervals, a page, a plan, a signed statement
apply_audit    the plan carried out: a curated pack
compare        two audits side by side
verify_audit   whether an audit is what was signed and what its evidence gives
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.audits.check import AuditCheck, check_audit, is_audit
from synth_stack.audits.comparison import Comparison, compare_audits
from synth_stack.audits.document import AUDIT, build_audit
from synth_stack.audits.evidence import (
    CLUSTER_SCHEMA,
    CLUSTERS,
    SETTINGS,
    AuditSettings,
    check_source_column,
    describe_gates,
    read_json,
    read_settings,
)
from synth_stack.audits.labels import read_labels
from synth_stack.audits.seal import AUDIT_KEY, ENVELOPE, PAGE, REMEDY, sign_audit, write_audit
from synth_stack.engines.catalog import LOCAL, EngineUse, choose_engine
from synth_stack.errors import ConfigError, InputError, RunMismatch, VerificationError
from synth_stack.files import render_yaml, write_bytes, write_table
from synth_stack.inputs.columns import check_map
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.foreign import open_collection
from synth_stack.inputs.gate_file import (
    GateFile,
    GateUse,
    NamedEvalSet,
    add_baseline,
    add_eval_sets,
    add_references,
    load_gates,
)
from synth_stack.inputs.object_stores import is_address
from synth_stack.packs.signers import Signer, local_signer
from synth_stack.packs.write import PackSummary, write_pack
from synth_stack.progress import Progress
from synth_stack.registry import list_paths, map_paths, registered
from synth_stack.report.audit import render_audit
from synth_stack.review.clusters import find_clusters
from synth_stack.review.planning import list_rows
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.folder import GATES_LOCK, LOCK, hold_alone, identity_line, open_run, update_manifest
from synth_stack.runs.judged import open_judged
from synth_stack.workflows.curate import judge_source
from synth_stack.workflows.judge import Gates, bind_gates
from synth_stack.workflows.references import REFERENCES, Reference, index_references, keep_references
from synth_stack.workflows.run import pack
from synth_stack.workflows.stores import bring_source

COMMANDS = """\
# Type these in the folder that holds audit.json.
synth-stack audit --apply . --out ../curated_pack
synth-stack verify ../curated_pack
"""
COMMANDS_ANEW = """\
# remedy/regenerate.jsonl names the slices that lose more than a fifth of their rows, and how many to make.
# A recipe of yours makes them, whose seeds have these slices (synth-stack init writes one): give it a copy of
# that file, and under `generate:` the lines `report: {path: regenerate.jsonl, goal: 1.0}` and as many
# `candidates` as there are rows to make; preview shows how many each slice gets. In the folder of the recipe:
#   synth-stack preview recipe.yaml
#   synth-stack run recipe.yaml
"""
CLUSTER_ROWS = 500
"""Rows of a cluster, about: with fewer, the interval of a rate of 1% is wider than the rate."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit left: its folder, all that it says (audits/document.py), and the id of the key."""

    folder: Path
    audit: Mapping[str, Any]
    key_id: str


def audit(
    source: Any,
    gates: str | Path,
    out: str | Path,
    *,
    eval_sets: Sequence[NamedEvalSet] = (),
    references: Sequence[Reference] = (),
    baseline: str | Path | None = None,
    labels: str | Path | None = None,
    sample: int | None = None,
    by: str = "slice",
    source_column: str | None = None,
    skip_broken: bool = False,
    load: Sequence[str] = (),
    map: Mapping[str, str] | None = None,  # noqa: A002  (the name of the option and of the key)
    key: Path | None = None,
    engine: EngineUse = LOCAL,
    progress: Progress | None = None,
) -> AuditResult:
    """An audit of rows that exist, in `out`: what `curate` leaves, and beside it audit.html, audit.json,
    remedy/ and a signed statement (docs/audit.md).

    `source` is what `curate` reads, or a collection of several data sets by split or configuration (a
    DatasetDict, a Distiset). `references` are rows of others that these may not copy, `baseline` rows of the
    kind that is wanted, `labels` a file of what people found of verdicts, `sample` how many rows to judge in
    the place of all. Groups are told apart `by` "slice" or "cluster", sources by `source_column`. A gate that
    fails its self-test does not stop an audit: it is said first. Raises UsageError before any row is read,
    WorkError when the work fails.
    """
    if is_address(out):
        raise ConfigError("an audit is written to a folder", seen=str(out), mend="Name a folder with --out.")
    if by not in {"slice", "cluster"}:
        raise ConfigError("groups are told apart by slice or by cluster", seen=by, allowed="slice, cluster")
    if sample is not None and sample < 1:
        raise ConfigError("a sample has at least one row", seen=sample)
    counts = {} if labels is None else read_labels(labels)
    chosen = choose_engine(engine)
    folder = Path(out)
    settings = AuditSettings(source_column, by, counts, describe_gates())
    loaded = load_extensions(load)
    file = load_gates(gates)
    named = {**dict(file.map or {}), **check_map(map)}
    with index_references(references, gates, source, folder) as made:
        bound = bind_gates(gates, eval_sets, source=source, loaded=loaded, baseline=baseline, references=made)
        _refuse_other(folder, bound, settings)
        if isinstance(source, dict) and len(source) > 1:
            source = open_collection(source, "data sets in memory", named=named)
        judge_source(
            bring_source(source, folder),
            bound,
            folder,
            chosen=chosen,
            named=named,
            refuse_map=bool(map),
            sample=sample,
            skip_broken=skip_broken,
            progress=progress,
        )
        kept = keep_references(made, folder)
    check_source_column(folder, source_column)
    with open_run(folder, (folder / LOCK).read_bytes()):
        write_bytes(folder / SETTINGS, canonical_json(settings.to_file()) + b"\n")
        if by == "cluster":
            _write_clusters(folder)
        told = build_audit(folder)
        write_audit(folder, told)
        write_bytes(folder / PAGE, render_audit(told).encode("utf-8"))
        uses = add_baseline(add_references(add_eval_sets(file, eval_sets), kept), baseline)
        _write_remedy(folder, file, uses, told)
        key_id = sign_audit(folder, told, key)
        written = [AUDIT, PAGE, SETTINGS, CLUSTERS, ENVELOPE, AUDIT_KEY]
        indexes = [f"{REFERENCES}/{gate}/{path.name}" for gate, paths in kept.items() for path in paths]
        update_manifest(
            folder, [*written, *indexes, *(f"{REMEDY}/{path.name}" for path in (folder / REMEDY).iterdir())]
        )
    return AuditResult(folder, told, key_id)


def apply_audit(
    folder: str | Path,
    out: str | Path,
    *,
    gates: str | Path | None = None,
    load: Sequence[str] = (),
    signer: Signer | None = None,
    engine: EngineUse = LOCAL,
    progress: Progress | None = None,
) -> PackSummary:
    """The plan of an audit carried out: the rows that its gate file lets pass as a signed pack at `out`.

    The audit is verified first. With other `gates` (a copy of its gate file with a step left out) the rows
    are judged again, in a folder beside `out`. Raises VerificationError for an audit that is not what was
    signed, ConfigError for one of a sample, UntrustedGate where a gate failed its self-test.
    """
    where = Path(folder)
    found = verify_audit(where)
    if found.problems:
        raise found.problems[0]
    told = read_json(where / AUDIT)
    if told["dataset"]["sampled"]:
        raise ConfigError(
            f"{where} is the audit of a sample, and a pack of it would leave out the rest of the rows",
            mend="Audit all rows first: the same command without --sample.",
        )
    if gates is None:
        return pack(where, out, signer=signer)
    bound = bind_gates(gates, source=where, loaded=load_extensions(load))
    if identity_line(bound.lock) == identity_line((where / GATES_LOCK).read_bytes()):
        return pack(where, out, signer=signer)
    work = Path(out).with_name(f"{Path(out).name}_run")
    batch = judge_source(where, bound, work, chosen=choose_engine(engine), named={}, progress=progress)
    batch.require_trust()
    with hold_alone(work / ".lock", str(work)):
        return write_pack(work, Path(out), signer=signer or local_signer(None))


def compare(first: str | Path, second: str | Path) -> Comparison:
    """The differences of two audits, each with an interval. Both are verified. Raises InputError for a folder
    that holds no audit, VerificationError for an audit that is not what was signed.
    """
    for folder in (Path(first), Path(second)):
        found = verify_audit(folder)
        if found.problems:
            raise VerificationError(f"{folder}: {found.problems[0]}")
    return compare_audits(read_json(Path(first) / AUDIT), read_json(Path(second) / AUDIT))


def verify_audit(folder: str | Path, *, expected_key: str | None = None) -> AuditCheck:
    """The checks of an audit (audits/check.py). Raises InputError for a folder that holds none."""
    where = Path(folder)
    if not is_audit(where):
        raise InputError(f"{where} holds no signed audit", mend="Make one with `synth-stack audit`.")
    return check_audit(where, expected_key=expected_key)


def _refuse_other(folder: Path, gates: Gates, settings: AuditSettings) -> None:
    """Raises RunMismatch where `folder` holds a finished audit by other gates or of other options.

    The same audit goes on where it stopped; one of another data set is refused as any other run is.
    """
    if not is_audit(folder):
        return
    judged_by = identity_line((folder / GATES_LOCK).read_bytes())
    if judged_by == identity_line(gates.lock) and read_settings(folder).to_json() == settings.to_json():
        return
    raise RunMismatch(
        f"{folder} holds another audit: it was made by other gates, exams or options",
        mend="Choose another folder with --out, or remove this one.",
    )


def _write_clusters(folder: Path) -> None:
    import pyarrow as pa

    rows = list_rows(folder)
    found = find_clusters(open_judged(folder), rows, lot_rows=CLUSTER_ROWS, seed=0)
    columns = {"row_id": rows["row_id"].to_arrow(), "cluster": found.clusters.to_arrow()}
    write_table(folder / CLUSTERS, pa.table(columns).cast(CLUSTER_SCHEMA))


def _write_remedy(
    folder: Path,
    file: GateFile,
    uses: Sequence[GateUse],
    told: Mapping[str, Any],
) -> None:
    """remedy/: the gate file that carries the plan out, the commands, and the slices to make anew."""
    base = (folder / REMEDY).resolve()
    entries = registered("gate")
    gates = []
    for use in uses:
        value = {
            key: item
            for key, item in use.model_dump().items()
            if key in use.model_fields_set or key in use.params
        }

        def point(named: str) -> str:
            return os.path.relpath((file.folder / Path(named).expanduser()).resolve(), base)

        gates.append(map_paths(value, list_paths(entries[use.use].params), point))
    written = {
        "version": 1,
        "load": [_point_load(name, file.folder, base) for name in file.load],
        "gates": gates,
    }
    write_bytes(folder / REMEDY / "gates.yaml", render_yaml(written))
    anew = told["plan"]["regenerate"]
    write_bytes(folder / REMEDY / "commands.sh", (COMMANDS + (COMMANDS_ANEW if anew else "")).encode())
    lines = [f"{canonical_json(_budget(short)).decode()}\n" for short in anew]
    write_bytes(folder / REMEDY / "regenerate.jsonl", "".join(lines).encode("utf-8"))


def _point_load(name: str, folder: Path, base: Path) -> str:
    """A module to load, or the path of a file of one as `base` sees it."""
    return os.path.relpath((folder / name).resolve(), base) if name.endswith(".py") else name


def _budget(short: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a report that `generate.report` of a recipe reads: what a slice scored, of how many rows."""
    return {"slice": short["group"], "n": short["rows"], "score": short["score"], "make": short["make"]}
