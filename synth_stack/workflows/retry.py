"""The failed rows of a run, asked again: with the same recipe, or with one that asks its teacher otherwise.

carry_retries   the lock of a recipe as the run in a folder has it, with what was asked again there
begin_retry     notes which draws failed, and records in the lock with what they were asked before
finish_retry    asks them, and puts their rows in the place of the failed ones; the good rows stay as they are

A draw is asked again when not one of its rows is good. What is made waits in a hidden folder until all of it
is there, so a run that is killed goes on; and the tokens of the first try stay among those of the row.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import ConfigError, RunMismatch, StoreError
from synth_stack.files import read_table, render_yaml, store_errors, write_bytes, write_table
from synth_stack.generation.lines import Line
from synth_stack.generation.parts import batch_file
from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.progress import Progress
from synth_stack.rows.canonical import canonical_json, canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.committed import DONE
from synth_stack.runs.folder import LOCK, hold_alone, list_made, list_replaced, remove_folder
from synth_stack.runs.locks import compute_identity
from synth_stack.runs.spending import Meter, sum_by_part
from synth_stack.workflows.judge import forget_verdicts
from synth_stack.workflows.prepare import Job, Method, build_pipeline

Row = dict[str, Any]
Lock = Mapping[str, Any]

FOLDER = ".retry"
PLAN = "plan.json"
_METHOD = re.compile(r"part-(\d{2})-\d{7}-[0-9a-f]{8}\.parquet")

_ASKED_WITH = frozenset({"sampling", "limits", "prefers_raw", "terms"})
"""What of a model may be mended: how it is asked, not which it is."""


def carry_retries(lock: Lock, folder: Path) -> Lock:
    """The lock with what the run in `folder` records of earlier tries, and the templates of those.

    Raises RunMismatch for a run of this recipe that was asked otherwise, and says how it goes on.
    """
    found = _read_lock(folder)
    if found is None:
        return lock
    carried = _with_retries(lock, found, list(found.get("retries", ())))
    if found["identity"] != carried["identity"] and _is_mended(found, lock) and _find_failed(folder):
        raise RunMismatch(
            f"{folder} holds a run of this recipe whose teacher or prompts were other ones",
            mend="With --retry-failed its failed rows are asked again and its good ones stay; else choose "
            "another folder with --out.",
        )
    return carried


def begin_retry(lock: Lock, folder: Path) -> Lock:
    """The lock of a run whose failed rows are to be asked again, as it is written into `folder`.

    Raises RunMismatch for a folder that holds no run of this recipe, ConfigError for a run that makes up for
    failed rows otherwise.
    """
    drop_unasked(folder)
    found = _read_lock(folder)
    if found is None:
        raise RunMismatch(
            f"{folder} holds no run whose failed rows could be asked again",
            mend="Name the folder of the run with --out, or leave --retry-failed out.",
        )
    with hold_alone(folder / ".lock", str(folder)):
        _require_retriable(found, lock, folder)
        retries = list(found.get("retries", ()))
        carried = _with_retries(lock, found, retries)
        is_new = not (folder / "candidates" / FOLDER / PLAN).exists()
        failed = _find_failed(folder) if is_new else _read_plan(folder)
        if not failed:
            if found["identity"] != carried["identity"]:
                raise RunMismatch(
                    f"{folder} holds a run whose teacher or prompts were other ones, and no row of it failed",
                    mend="Choose another folder with --out.",
                )
            return carried
        if is_new or found["identity"] != carried["identity"]:
            rows = sum(map(len, failed.values()))
            carried = _with_retries(lock, found, [*retries, _describe(found, lock, rows)])
        if is_new:
            _write_plan(folder, failed)
        write_bytes(folder / LOCK, render_yaml(carried))
    return carried


def finish_retry(job: Job, folder: Path, progress: Progress, meter: Meter | None = None) -> None:
    """Ask the failed draws of a retry that was begun, and put their rows in place; nothing without one.

    Raises what `drive_lines` raises; of a retry of which no row was made the next call knows nothing.
    """
    waiting = folder / "candidates" / FOLDER
    if not (waiting / PLAN).exists():
        return
    failed = _read_plan(folder)
    _ask_again(job, folder, failed, progress)
    _merge(folder, failed)
    remove_folder(waiting)
    if meter is not None:
        meter.recount()


def drop_unasked(folder: Path) -> None:
    """Forgets a retry of which not one row was made: its teacher took none of its prompts, say. The run is
    then what it was before.
    """
    waiting = folder / "candidates" / FOLDER
    if not waiting.is_dir():
        return
    with hold_alone(folder / ".lock", str(folder)):
        if any(waiting.glob("part-*.parquet")):
            return
        if (waiting / LOCK).exists() and (waiting / PLAN).exists():
            write_bytes(folder / LOCK, (waiting / LOCK).read_bytes())
        remove_folder(waiting)


def _ask_again(job: Job, folder: Path, failed: Mapping[str, Sequence[int]], progress: Progress) -> None:
    from synth_stack.generation.driver import drive_lines

    for teacher in job.teachers:
        teacher.check()
    advance = progress.begin("retry", sum(map(len, failed.values())))
    waiting = folder / "candidates" / FOLDER
    spent = _read_spent(folder, failed)

    def draw_line(number: int, method: Method) -> Line:
        def is_done(batch: int, items: list[Row]) -> bool:
            there = batch_file(waiting, number, batch, items).exists()
            advance(len(items) if there else 0)
            return there

        def commit(batch: int, items: list[Row], rows: list[Row]) -> None:
            told = _keep_spent(rows, spent)
            write_table(batch_file(waiting, number, batch, items), build_candidates(told))
            advance(len(items))

        return Line(build_pipeline(job, method), is_done, commit, method.share)

    lines = []
    for number, method in enumerate(job.methods):
        draws = tuple(
            sorted(draw for part, found in failed.items() for draw in found if _is_of(part, number))
        )
        if draws:
            lines.append(draw_line(number, replace(method, draws=draws, count=len(draws))))
    drive_lines(lines, proven=True)


def _is_of(part: str, number: int) -> bool:
    found = _METHOD.fullmatch(part)
    return found is not None and int(found[1]) == number


def _merge(folder: Path, failed: Mapping[str, Sequence[int]]) -> None:
    """Puts what was made in the place of the failed rows. Done twice it changes nothing more."""
    candidates = folder / "candidates"
    forget_verdicts(folder)
    remove_folder(folder / "pack")
    (candidates / DONE).unlink(missing_ok=True)
    made = pa.concat_tables(
        [
            CANDIDATE_SCHEMA.empty_table(),
            *(
                read_table(path, CANDIDATE_SCHEMA)
                for path in sorted((candidates / FOLDER).glob("part-*.parquet"))
            ),
        ]
    )
    for part, draws in failed.items():
        before = read_table(candidates / part, CANDIDATE_SCHEMA)
        again = pa.array(draws, before.schema.field("draw").type)
        kept = before.filter(pc.invert(pc.is_in(before["draw"], again)))
        added = made.filter(pc.is_in(made["draw"], again))
        both = pa.concat_tables([kept, added])
        order = np.argsort(both["draw"].to_numpy(), kind="stable")
        write_table(candidates / part, both.take(order).combine_chunks())


def _find_failed(folder: Path) -> dict[str, list[int]]:
    """By part of candidates/, the draws of which not one row is good."""
    failed: dict[str, list[int]] = {}
    for path in list_made(folder / "candidates"):
        table = read_table(path, columns=["draw", "failure"])
        good = set(table.filter(pc.is_null(table["failure"]))["draw"].to_pylist())
        draws = sorted(set(table["draw"].to_pylist()) - good)
        if draws:
            failed[path.name] = draws
    return failed


def _read_spent(folder: Path, failed: Mapping[str, Sequence[int]]) -> dict[int, dict[str, list[int]]]:
    """By failed draw, the tokens in, out and cached that its rows have cost so far, by part of the work."""
    spent: dict[int, dict[str, list[int]]] = {}
    for part, draws in failed.items():
        table = read_table(folder / "candidates" / part, columns=["draw", "extra"])
        for draw in draws:
            extra = table.filter(pc.equal(table["draw"], draw))["extra"]
            spent[draw] = {name: list(tokens) for name, tokens in sum_by_part(extra).items()}
    return spent


def _keep_spent(rows: Sequence[Row], spent: Mapping[int, Mapping[str, list[int]]]) -> list[Row]:
    """The rows, of each draw the first with the tokens of its earlier tries added."""
    told: list[Row] = []
    seen: set[int] = set()
    for row in rows:
        before = spent.get(row["draw"], {})
        if row["draw"] in seen or not before:
            told.append(row)
            continue
        seen.add(row["draw"])
        extra = orjson.loads(row.get("extra") or "{}")
        total = [sum(column) for column in zip(*before.values(), strict=True)]
        extra["tokens"] = {**extra.get("tokens", {}), "earlier tries": total}
        if extra.get("spent") is not None:
            parts = {**before, **extra["spent"]}
            extra["spent"] = {
                part: [
                    a + b
                    for a, b in zip(before.get(part, _NONE), extra["spent"].get(part, _NONE), strict=True)
                ]
                for part in parts
            }
        told.append({**row, "extra": canonical_text(extra)})
    return told


_NONE = (0, 0, 0)


def _require_retriable(found: Lock, lock: Lock, folder: Path) -> None:
    if not _is_mended(found, lock):
        raise RunMismatch(
            f"{folder} holds a different run: its {LOCK} was made from another input, model, method or "
            "parameter",
            allowed="other sampling, limits and templates; the rows that are good would be of the other run",
            mend="Choose another folder with --out.",
        )
    if "target" in found:
        raise ConfigError(
            "a run with a target makes up for failed rows by drawing more",
            mend="Leave --retry-failed out.",
        )
    if list_replaced(folder / "candidates") or (folder / "review").exists():
        raise ConfigError(
            f"people have read rows of {folder}, and what they read is what was judged",
            mend="Run the recipe with another --out.",
        )


def _is_mended(found: Lock, lock: Lock) -> bool:
    """Whether two locks are of one recipe that is asked in the same or another way."""
    return _fixed(found) == _fixed(lock)


def _fixed(lock: Lock) -> dict[str, Any]:
    """What of a lock may not be another one beside rows that were made by it."""
    told = {
        key: value
        for key, value in lock.items()
        if key not in {"identity", "synth_stack", "recipe", "templates", "retries"}
    }
    told["teacher"] = _drop(lock["teacher"], _ASKED_WITH)
    told["models"] = {part: _drop(model, _ASKED_WITH) for part, model in lock["models"].items()}
    told["methods"] = [_drop(method, {"template_ids", "asked_with"}) for method in lock["methods"]]
    return told


def _drop(value: Mapping[str, Any], names: frozenset[str] | set[str]) -> dict[str, Any]:
    return {key: part for key, part in value.items() if key not in names}


def _describe(found: Lock, lock: Lock, rows: int) -> dict[str, Any]:
    """What a lock records of a retry: how many draws, and how they were asked where that was otherwise."""
    terms = frozenset({"terms"})
    before = {
        "teacher": _drop(found["teacher"], terms),
        "models": {part: _drop(model, terms) for part, model in found["models"].items()},
        "methods": found["methods"],
    }
    now = {
        "teacher": _drop(lock["teacher"], terms),
        "models": {part: _drop(model, terms) for part, model in lock["models"].items()},
        "methods": lock["methods"],
    }
    other = {key: value for key, value in before.items() if value != now[key]}
    return {"draws": rows, "identity": found["identity"], "asked_before": other}


def _with_retries(lock: Lock, found: Lock, retries: list[Any]) -> Lock:
    if not retries:
        return lock
    templates = dict(sorted({**found["templates"], **lock["templates"]}.items()))
    full = {**lock, "templates": templates, "retries": retries}
    return {**full, "identity": compute_identity(full)}


def _read_lock(folder: Path) -> Lock | None:
    """The lock of a recipe's run in `folder`; None where there is none, or something else lies there."""
    path = folder / LOCK
    if not path.is_file() or not any((folder / "candidates").glob("part-*.parquet")):
        return None
    with store_errors(path):
        found = parse_yaml(path.read_text(encoding="utf-8"), where=str(path))
    whole = isinstance(found, dict) and found.keys() >= {
        "identity",
        "teacher",
        "models",
        "methods",
        "templates",
    }
    return found if whole else None


def _read_plan(folder: Path) -> dict[str, list[int]]:
    path = folder / "candidates" / FOLDER / PLAN
    with store_errors(path):
        data = path.read_bytes()
    try:
        plan = orjson.loads(data)
        return {
            str(part): [int(draw) for draw in draws]
            for part, draws in plan.items()
            if _METHOD.fullmatch(part)
        }
    except (ValueError, TypeError, AttributeError) as exc:
        raise StoreError(f"{path} is no plan of a retry", mend=f"Remove {path.parent}.") from exc


def _write_plan(folder: Path, failed: Mapping[str, Sequence[int]]) -> None:
    waiting = folder / "candidates" / FOLDER
    write_bytes(waiting / LOCK, (folder / LOCK).read_bytes())
    write_bytes(waiting / PLAN, canonical_json(dict(failed)) + b"\n")
