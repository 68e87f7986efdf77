"""The first half of the line: from a job to committed candidate rows.

generate_candidates   candidates/ of a run folder, batch by batch; goes on where it stopped
make_rows             the same for one round of a run with a target
preview               a few rows of any recipe, kept nowhere
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.files import count_rows, read_table, write_table
from synth_stack.generation.allocation import share_out
from synth_stack.generation.lines import Line
from synth_stack.generation.parts import batch_file, list_earlier
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.recipe import Recipe
from synth_stack.progress import Progress
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.committed import DONE, commit_candidates, heal
from synth_stack.runs.row_files import sweep_row_files, take_row_files, write_files, write_row_files
from synth_stack.runs.spending import Meter
from synth_stack.stats.apportion import split_draws
from synth_stack.workflows.prepare import Job, Method, build_pipeline, prepare

Row = dict[str, Any]


def generate_candidates(job: Job, folder: Path, progress: Progress, meter: Meter | None = None) -> None:
    """Every candidate of the job as committed parts in `folder`/candidates.

    A batch that is there is not made again, one that was lost or changed since is. Raises TeacherError when
    the teacher is down; what was committed is kept.
    """
    heal(folder / "candidates" / DONE)
    if not (folder / "candidates" / DONE).exists():
        make_rows(job, folder, progress, meter)
        commit_candidates(folder)


def make_rows(
    job: Job, folder: Path, progress: Progress, meter: Meter | None = None, round_: int | None = None
) -> None:
    """The rows of the job that are not there yet, as parts that name their `round_`.

    With a `meter` each part is counted, and no batch is begun any more once a limit is reached, or would be
    by those under way. Raises what `generate_candidates` does.
    """
    from synth_stack.generation.driver import drive_lines

    for teacher in job.teachers:
        teacher.check()
    sweep_row_files(folder)
    stage = "generate" if round_ is None else f"generate {round_ + 1}"
    advance = progress.begin(stage, sum(method.count for method in job.methods))

    def draw_line(number: int, method: Method) -> Line:
        parts: dict[int, Path] = {}

        def is_done(batch: int, items: list[Row]) -> bool:
            part = batch_file(folder / "candidates", number, batch, items, round_=round_)
            parts[batch] = part
            if not part.exists():
                return False
            advance(count_rows(part))  # not its items: a draw may give several rows
            return True

        def read(batch: int, _items: list[Row]) -> pa.Table:
            return read_table(parts[batch], CANDIDATE_SCHEMA)

        def read_earlier() -> Iterator[pa.Table]:
            for path in list_earlier(folder / "candidates", number, round_):
                yield read_table(path, CANDIDATE_SCHEMA)

        def commit(batch: int, _items: list[Row], rows: list[Row]) -> None:
            write_row_files(folder, rows)
            table = build_candidates(rows)
            write_table(parts.pop(batch), table)
            if meter is not None:
                meter.note(table)
            advance(len(rows))

        return Line(build_pipeline(job, method), is_done, commit, method.share, read, read_earlier)

    lines = [draw_line(number, method) for number, method in enumerate(job.methods) if method.count]
    drive_lines(lines, stop=None if meter is None else meter.would_pass)


def preview(
    recipe: Recipe, n: int, see: Callable[[Row], None] | None = None, *, load: Sequence[str] = ()
) -> list[Row]:
    """`n` candidate rows spread over the recipe's methods, with their prompts; nothing is kept.

    They come in the order of the methods; `see` gets each one as soon as it is made. A recipe with a target
    or a report shows rows as its first round would draw them. `load` names modules or files of other authors.
    Raises what `prepare` raises, and TeacherError when the teacher is down.
    """
    return show_rows(prepare(recipe, load_extensions(load)), n, see)


def show_rows(
    job: Job, n: int, see: Callable[[Row], None] | None = None, *, files: Path | None = None
) -> list[Row]:
    """The rows of `preview` for a job that is ready; their files are kept in `files`, or nowhere.

    Raises TeacherError when the teacher is down.
    """
    from synth_stack.generation.driver import drive_lines

    if job.aim is not None:
        job = job.aimed(share_out(n, job.wanted.weights, {}))
    else:
        counts = split_draws(n, [method.share for method in job.methods])
        planned = zip(job.methods, counts, strict=True)
        job = replace(job, methods=tuple(replace(method, count=count) for method, count in planned))
    for teacher in job.teachers:
        teacher.check()
    made: list[dict[int, list[Row]]] = []

    def show_line(method: Method) -> Line:
        rows: dict[int, list[Row]] = {}
        made.append(rows)

        def keep(number: int, _items: list[Row], more: list[Row]) -> None:
            taken = take_row_files(more)
            if files is not None:
                write_files(files, taken)
            rows[number] = more
            if see is not None:
                for row in more:
                    see(row)

        return Line(build_pipeline(job, method, batch_rows=1), lambda *_: False, keep)

    drive_lines([show_line(method) for method in job.methods if method.count])
    return [row for rows in made for number in sorted(rows) for row in rows[number]]
