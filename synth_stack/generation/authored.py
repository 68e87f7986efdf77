"""A pipeline author's own distilabel Pipeline, driven as durably as ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, RunMismatch, TeacherError
from synth_stack.files import count_rows, write_table
from synth_stack.generation.driver import digest_pipeline, drive, find_llms
from synth_stack.generation.parts import batch_file, to_json
from synth_stack.inputs.columns import ANSWER_COLUMNS, CONVERSATION_COLUMNS
from synth_stack.inputs.foreign_rows import read_messages
from synth_stack.progress import Progress
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.committed import commit_candidates
from synth_stack.runs.folder import list_made
from synth_stack.teachers.teacher import Teacher

Row = dict[str, Any]

MAX_SILENT_ROWS = 8
"""Rows without a text, in batches that have nothing else, after which the teacher counts as dead: as many as
the failures in a row of teachers/health.py."""


def generate_authored(pipeline: Any, folder: Path, progress: Progress) -> None:
    """Every row of the pipeline as committed parts in `folder`/candidates; goes on where it stopped.

    Its columns are understood as a foreign dataset's are, but what a TextGeneration wrote (`generation`) goes
    before an answer that the data came with. Raises ConfigError for a pipeline that cannot be driven batch by
    batch or whose last step gives no answer, RunMismatch when it starts from other rows than those in the
    folder, and TeacherError for batches in which no row has a text: their teacher is dead, which distilabel
    would take for a finished run. Those batches are not committed.
    """
    _check_teachers(pipeline)
    target = folder / "candidates"
    describe = _describer(pipeline)
    advance = progress.begin("generate", 0)
    position = 0
    made: set[str] = set()
    silent: list[tuple[Path, list[Row]]] = []

    def is_done(number: int, items: list[Row]) -> bool:
        nonlocal position
        part = batch_file(target, 0, number, items)
        made.add(part.name)
        if not part.exists():
            _refuse_others(pipeline, list(target.glob(f"{part.name[:_PLACE_CHARS]}*")))
            return False
        position += count_rows(part)
        return True

    def commit(number: int, items: list[Row], rows: list[Row]) -> None:
        nonlocal position
        candidates = [{**describe(row), "draw": position + i} for i, row in enumerate(rows)]
        position += len(rows)
        silent.append((batch_file(target, 0, number, items), candidates))
        if not candidates or not all(row["failure"] for row in candidates):
            write_held()
        elif sum(len(held) for _, held in silent) >= MAX_SILENT_ROWS:
            raise _dead_teacher(pipeline, silent)

    def write_held() -> None:
        while silent:
            part, candidates = silent.pop(0)
            write_table(part, build_candidates(candidates))
            advance(len(candidates))

    drive(pipeline, is_done=is_done, commit=commit)
    if silent and not list_made(target):
        raise _dead_teacher(pipeline, silent)
    write_held()
    _refuse_others(pipeline, [part for part in list_made(target) if part.name not in made])
    commit_candidates(folder)


def _check_teachers(pipeline: Any) -> None:
    for llm in find_llms(pipeline):
        if isinstance(llm, Teacher):
            llm.check()


_PLACE_CHARS = len("part-00-0000000-")


def _refuse_others(pipeline: Any, others: list[Path]) -> None:
    """Raises RunMismatch for parts that were made from other items: the data are not in a pipeline's dump."""
    if others:
        raise RunMismatch(
            f"{others[0].parent.parent} was made from other rows than {pipeline.name} now starts from",
            seen=others[0].name,
            mend="Choose another folder with out=, or remove this one.",
        )


def _dead_teacher(pipeline: Any, silent: list[tuple[Path, list[Row]]]) -> TeacherError:
    rows = [row for _, held in silent for row in held]
    return TeacherError(
        f"pipeline {pipeline.name}: {len(rows)} rows in a row have no text; is its teacher dead?",
        seen=rows[0]["failure"],
        mend="Every finished batch is kept; mend the teacher and run the same script again.",
    )


def _describer(pipeline: Any) -> Callable[[Row], Row]:
    """A function from an output row of the pipeline to a candidate, without its draw."""
    version = digest_pipeline(pipeline)[:12]
    teachers = " ".join(llm.model_name for llm in find_llms(pipeline)) or None

    def describe(row: Row) -> Row:
        _require_answer(pipeline, row)
        messages, failure = _read_row(row)
        held = {message["content"] for message in messages}
        text = "\n\n".join(message["content"] for message in messages) or _as_text(row.get("text"))
        rest = {k: to_json(v) for k, v in row.items() if k not in _HELD and not _is_in(v, {*held, text})}
        return {
            "kind": "dialogue" if _count_spoken(messages) > 2 else "instruction",
            "slice": _as_text(row.get("slice")),
            "locale": _as_text(row.get("locale")),
            "messages": messages,
            "text": text,
            "attachments": [],
            "failure": failure,
            "extra": canonical_text(rest) if rest else None,
            "generator": pipeline.name,
            "generator_version": version,
            "teacher": _as_text(row.get("model_name")) or teachers,
            "replayable": False,
        }

    return describe


_HELD = frozenset({*CONVERSATION_COLUMNS, "slice", "locale", "model_name", "distilabel_metadata"})


def _require_answer(pipeline: Any, row: Row) -> None:
    known = (*CONVERSATION_COLUMNS, *ANSWER_COLUMNS, "text")
    if not any(column in row for column in known):
        raise ConfigError(
            f"pipeline {pipeline.name}: no column of its last step says what the answer is",
            seen=", ".join(row),
            allowed=", ".join(known),
            mend="Rename one with that step's output_mappings.",
        )


def _read_row(row: Row) -> tuple[list[dict[str, Any]], str | None]:
    """The conversation of a row, and why it is not a whole one."""
    known = {k: v for k, v in row.items() if v is not None}
    if "generation" in row:
        known = {k: v for k, v in known.items() if k == "generation" or k not in ANSWER_COLUMNS}
    try:
        messages = read_messages(known)
        if messages and messages[-1]["role"] == "user" and "generation" in known:
            # ChatGeneration: the conversation so far stands in one column, its next turn in another
            messages += read_messages({"prompt": "", "generation": known["generation"]})[1:]
    except ValueError as exc:
        return [], f"broken row: {exc}"
    if "generation" in row and not known.get("generation"):
        return messages, "empty answer: the teacher gave no text"
    if _count_spoken(messages) == 1 or not (messages or known.get("text")):
        return messages, "empty answer: the teacher gave no text"
    return messages, None


def _count_spoken(messages: list[dict[str, Any]]) -> int:
    return sum(message["role"] != "system" for message in messages)


def _as_text(value: Any) -> str | None:
    """A column that should be text: grouped columns are lists."""
    if isinstance(value, list | tuple):
        return " ".join(str(to_json(str(item))) for item in value)
    return None if value is None else str(to_json(str(value)))


def _is_in(value: Any, texts: set[str | None]) -> bool:
    return isinstance(value, str) and value in texts
