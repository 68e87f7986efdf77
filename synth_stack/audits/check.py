"""Whether an audit is what was signed, and whether its figures are those that its evidence gives.

The signature and the files come first, so only who signed chooses what is parsed. Then everything that can be
computed is computed again: decisions from verdicts, row ids from rows, figures and plan from both, the page
from the figures. What the gates said of a row stands as signed: only the gates themselves could say it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from synth_stack.audits.document import AUDIT, build_audit
from synth_stack.audits.seal import AUDIT_KEY, AUDIT_TYPE, ENVELOPE, PAGE, build_predicate, list_signed
from synth_stack.errors import ConfigError, GateError, InputError, StoreError, VerificationError
from synth_stack.files import digest_file, read_regular, read_table
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES
from synth_stack.lineage.sign import parse_statement, verify_envelope
from synth_stack.report.audit import render_audit
from synth_stack.review.planning import decide_again
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, recompute_row_ids
from synth_stack.runs.folder import list_files, list_made
from synth_stack.runs.judged import Judged, open_judged
from synth_stack.runs.locks import find_identity_fault
from synth_stack.text.printable import show

Json = dict[str, Any]

MAX_STATEMENT_BYTES = 16 * 1024 * 1024
"""A statement has a line a file; a run of 10 million rows has some 10,000 files."""
TOLERANCE = 2e-6
"""Twice the last decimal of a share: another version of a statistics library may round the other way."""
EVIDENCE = ("candidates/", "verdicts/", "canaries/", "state/", "remedy/", "references/")


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """What the checks of an audit gave. It is verified when there are no `problems`; `notes` are what the
    checks cannot prove.
    """

    path: Path
    problems: tuple[VerificationError, ...]
    checks: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    dataset: str | None
    key_id: str | None

    def to_json(self) -> Json:
        """The same as plain JSON."""
        return {
            "path": str(self.path),
            "kind": "audit",
            "verified": not self.problems,
            "checks": dict(self.checks),
            "notes": list(self.notes),
            "problems": [str(problem) for problem in self.problems],
            "dataset": self.dataset,
            "key_id": self.key_id,
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        return show(
            *(f"wrong    {problem}" for problem in self.problems),
            *(f"ok       {count:,} {name}" for name, count in self.checks),
            *(f"note     {note}" for note in self.notes),
            *([f"dataset  {self.dataset}"] if self.dataset else []),
            *([f"key id   {self.key_id}"] if self.key_id else []),
        )


def is_audit(folder: Path) -> bool:
    """Whether a folder holds a signed audit."""
    return (folder / ENVELOPE).is_file()


def check_audit(folder: Path, *, expected_key: str | None = None, dataset: str | None = None) -> AuditCheck:
    """The checks of the audit in `folder`; `dataset` is the digest that its data set has to have, where it is
    known from elsewhere.
    """
    problems: list[VerificationError] = []
    checks: list[tuple[str, int]] = []
    notes = ["what the gates said of a row stands as signed: judging the rows again would show it"]
    if expected_key is None:
        notes.append("signed with a local key: proves integrity, not who signed; check the key with --key-id")
    named, signer = None, None
    try:
        statement, signer = _open(folder, expected_key)
        named = str(statement["predicate"]["dataset"]["sha256"])
        checks.append(("files as signed", _compare_files(folder, statement, notes)))
        audit = _read_audit(folder)
        _compare(build_predicate(audit), statement["predicate"], "the statement")
        if dataset is not None and dataset != named:
            raise VerificationError("the audit is of another data set", seen=named, allowed=dataset)
        run = open_judged(folder)
        checks.append(("rows with the ids that they give themselves", _check_rows(run, named)))
        checks.append(("decisions that the verdicts give", _check_decisions(run)))
        again = build_audit(folder)
        _compare(again, audit, AUDIT)
        if read_regular(folder / PAGE, max_bytes=MAX_FILE_BYTES * 64) != render_audit(audit).encode("utf-8"):
            raise VerificationError(f"{PAGE} does not show what {AUDIT} says")
        checks.append(("figures computed again", _count_numbers(audit)))
    except VerificationError as exc:
        problems.append(exc)
    except (StoreError, InputError, ConfigError, GateError, KeyError, TypeError, ValueError, OSError) as exc:
        problems.append(VerificationError(f"{folder} does not hold the evidence of an audit: {exc}"))
    return AuditCheck(
        folder, tuple(problems), tuple(checks if not problems else ()), tuple(notes), named, signer
    )


def _open(folder: Path, expected_key: str | None) -> tuple[Json, str]:
    """The statement of an audit and the id of the key that signed it."""
    envelope = read_regular(folder / ENVELOPE, max_bytes=MAX_STATEMENT_BYTES)
    pem = read_regular(folder / AUDIT_KEY, max_bytes=MAX_FILE_BYTES)
    data = verify_envelope(envelope, pem, where=ENVELOPE, predicate_type=AUDIT_TYPE)
    signer = str(orjson.loads(envelope)["signatures"][0]["keyid"])
    if expected_key is not None and signer != expected_key:
        raise VerificationError("the audit was signed with another key", seen=signer, allowed=expected_key)
    return parse_statement(data, predicate_type=AUDIT_TYPE), signer


def _compare_files(folder: Path, statement: Json, notes: list[str]) -> int:
    signed = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    present = set(list_files(folder))
    for name, digest in signed.items():
        if name not in present:
            raise VerificationError(f"{name} was signed and is not there")
        if digest_file(folder / name) != digest:
            raise VerificationError(f"{name} was changed")
    for name in list_signed(folder):
        if name not in signed and name.startswith(EVIDENCE):
            raise VerificationError(f"{name} stands among the evidence and was not signed")
        if name not in signed:
            notes.append(f"{name} stands beside the audit and is no part of it")
    return len(signed)


def _read_audit(folder: Path) -> Json:
    data = (folder / AUDIT).read_bytes()
    value = orjson.loads(data)
    if not isinstance(value, dict):
        raise VerificationError(f"{AUDIT} is no audit")
    return value


def _check_rows(run: Judged, named: str) -> int:
    """The rows give their ids, and come from the data set that the statement names."""
    for lock, where in ((run.recipe, "recipe.lock.yaml"), (run.lock, "gates.lock.yaml")):
        if find_identity_fault(lock) is not None:
            raise VerificationError(f"{where} states another identity than what it says gives")
    source = run.recipe.source
    if (run.recipe.identity if source is None else source.sha256) != named:
        raise VerificationError("the run was made from another data set than the statement names", seen=named)
    count = 0
    foreign = source is not None and not source.is_run
    for path in list_made(run.folder / "candidates"):
        table = read_table(path, CANDIDATE_SCHEMA)
        ids = table["row_id"].to_pylist()
        if ids != recompute_row_ids(table):
            raise VerificationError(f"candidates/{path.name} holds a row that is not what its id says")
        if foreign and table["seed_id"].unique().to_pylist() != [f"sha256:{named}"]:
            raise VerificationError(f"candidates/{path.name} holds a row of another data set", allowed=named)
        count += len(ids)
    return count


def _check_decisions(run: Judged) -> int:
    if not decide_again(run).equals(run.decisions):
        raise VerificationError("decisions.parquet is not what the verdicts decide")
    return len(run.decisions)


def _compare(found: Any, said: Any, where: str) -> None:
    """Raises VerificationError naming the first place at which `said` is not what was `found`."""
    if isinstance(found, Mapping) and isinstance(said, Mapping):
        for key in [*found, *(key for key in said if key not in found)]:
            if key not in found or key not in said:
                raise VerificationError(f"{where}: {key} stands on one side alone")
            _compare(found[key], said[key], f"{where}: {key}")
    elif isinstance(found, list) and isinstance(said, list) and len(found) == len(said):
        for position, (mine, theirs) in enumerate(zip(found, said, strict=True)):
            _compare(mine, theirs, f"{where}[{position}]")
    elif _is_number(found) and _is_number(said):
        if abs(found - said) > TOLERANCE:
            raise VerificationError(f"{where} is not what the evidence gives", seen=said, allowed=f"{found}")
    elif found != said:
        raise VerificationError(f"{where} is not what the evidence gives", seen=said, allowed=str(found)[:80])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count_numbers(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_count_numbers, value.values()))
    if isinstance(value, list):
        return sum(map(_count_numbers, value))
    return int(_is_number(value))
