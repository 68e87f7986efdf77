"""The distilabel steps of Self-Instruct's whole pipeline: tasks, several a call, and their instances.

A batch holds whole calls, and is made in an iteration: what it is shown of the pool was made in those before.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from distilabel.steps import Step, StepInput
from pydantic import PrivateAttr

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.instruction.task_pool import Near, TaskPool
from synth_stack.generators.instruction.task_rules import (
    Filter,
    drop_invalid,
    find_filter,
    read_instances,
    read_kind,
    read_labelled,
    read_tasks,
)
from synth_stack.generators.steps import Ask, DrawItems, ToCandidates, note_prompt, replace_text, settle
from synth_stack.generators.template import Template
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

INPUT_FIRST, OUTPUT_FIRST = "self_instruct_input_first", "self_instruct_output_first"


class DrawTasks(DrawItems):
    """Yields the items of a plan in batches of whole calls, iteration after iteration.

    A call writes up to `tasks` tasks of one slice. An iteration is `pool_every` draws.
    """

    tasks: int
    pool_every: int

    _pool: TaskPool = PrivateAttr()

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "call", "place", "pool_before"]

    def process(self, offset: int = 0) -> Any:
        done = 0
        for start in range(0, self._plan.count, self.pool_every):
            numbers = range(start, min(start + self.pool_every, self._plan.count))
            calls = self._form_calls([self._plan.item(i) for i in numbers], start)
            for batch in _fill_batches(calls, self.batch_size):
                done += len(batch)
                if done > offset:
                    yield batch, done == self._plan.count

    def find_iteration(self, items: Sequence[Row]) -> int:
        """The iteration of a batch: the rows that it starts from are those of the ones before."""
        return int((items[0]["pool_before"] - self._plan.first_draw) // self.pool_every)

    def learn(self, rows: pa.Table) -> bool:
        """Take in rows that were made; False where they start from rows that are not there."""
        return self._pool.learn(rows)

    def _form_calls(self, items: list[Row], start: int) -> list[list[Row]]:
        """The items of an iteration by call, those of a slice together, in the order of their first draws."""
        by_slice: dict[str, list[Row]] = {}
        for item in items:
            by_slice.setdefault(item["slice"], []).append(item)
        calls = [
            rows[first : first + self.tasks]
            for rows in by_slice.values()
            for first in range(0, len(rows), self.tasks)
        ]
        # draws that are asked again are shown seeds alone: the rows after them may be there already
        before = self._plan.first_draw + (0 if self._plan.draws else start)
        return [
            [
                {**item, "call": call[0]["draw"], "place": k, "pool_before": before}
                for k, item in enumerate(call)
            ]
            for call in sorted(calls, key=lambda call: call[0]["draw"])
        ]


class ShowTasks(Step):  # type: ignore[misc]  # distilabel has no types
    """Draws what a call is shown: `examples` tasks, up to `generated` of them from the pool's own."""

    examples: int
    generated: int

    _pool: TaskPool = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["call", "examples", "pool_before"]

    @property
    def outputs(self) -> list[str]:
        return ["shown", "parents"]

    def process(self, inputs: StepInput) -> Any:
        yield [row for call in split_calls(inputs) for row in self._show(call)]

    def _show(self, call: list[Row]) -> list[Row]:
        first = call[0]
        lots = random.Random(derive_seed(first["rng_seed"], "shown"))  # noqa: S311
        own = self._pool.list_own(first["slice"], first["pool_before"])
        own = lots.sample(own, min(self.generated, len(own)))
        seeds = list(zip(first["examples"], first["example_ids"], strict=True))[: self.examples - len(own)]
        shown = [*(text for text, _ in seeds), *(task.instruction for task in own)]
        lots.shuffle(shown)
        seen = {
            "shown": [re.sub(r"\s+", " ", text).strip().rstrip(":") for text in shown],
            "example_ids": [id_ for _, id_ in seeds],
            "parents": [task.row_id for task in own],
        }
        return [{**row, **seen} for row in call]


class WriteTasks(Ask):
    """Asks for the tasks of a call at once, and gives each row one; a reply that was cut off has none."""

    def process(self, inputs: StepInput) -> Any:
        calls = split_calls(inputs)
        prompts = [self.format_input({**call[0], "wanted": len(call)}) for call in calls]
        outputs = self.llm.generate_outputs(inputs=prompts, num_generations=1) if calls else []
        made = zip(calls, prompts, outputs, strict=True)
        yield [row for call, prompt, output in made for row in self._share_out(call, prompt, output)]

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        first = len(input["shown"]) + 1
        numbers = {"first": first, "last": first + input["wanted"] - 1}
        prompt = super().format_input({**input, **numbers, "fence": draw_fence(input["shown"])})
        if prompt.raw:  # a model that continues a list does not know where it ends
            prompt.stop = (*prompt.stop, f"\n{first + input['wanted']}.")
        return prompt

    def _share_out(self, call: list[Row], prompt: Prompt, output: Mapping[str, Any]) -> Iterator[Row]:
        reply, told = output["generations"][0], json.loads(output["call"][0])
        nothing = dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens"), 0)
        template_id = self.template_of(call[0]).template_id
        for place, row in enumerate(call):
            said = {
                **note_prompt(row, self.column, prompt),
                self.column: reply,
                # the tokens of a call are those of its first row
                f"llm_{self.name}_call": json.dumps(told if place == 0 else {**told, **nothing}),
                "model_name": self.llm.model_name,
            }
            said["parts"] = sorted({*row.get("parts", []), self.part})
            settled = settle(said, self.name, self.column, template_id, single_line=False, whole=True)
            yield settled if settled["failure"] else self._take(settled, place, raw=prompt.raw)

    def _take(self, row: Row, place: int, *, raw: bool) -> Row:
        tasks = read_tasks(row[self.column], len(row["shown"]) + 1, continued=raw)
        if place < len(tasks):
            return replace_text(row, self.column, tasks[place])
        failure = f"{self.column}: the reply ends before task {place + 1}: it holds {len(tasks)}"
        return {**row, self.column: None, "failure": failure}


class FilterTasks(Step):  # type: ignore[misc]  # distilabel has no types
    """Fails a row whose task the filters drop, or is like one of the pool, before more is spent on it."""

    filters: list[Filter]
    max_rouge_l: float

    _pool: TaskPool = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["instruction", "pool_before"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction"]

    def process(self, inputs: StepInput) -> Any:
        live = [row for row in inputs if not row.get("failure")]
        before = max((row["pool_before"] for row in live), default=0)
        near = iter(self._pool.find_nearest([row["instruction"] for row in live], before))
        yield [row if row.get("failure") else self._judge(row, next(near)) for row in inputs]

    def _judge(self, row: Row, near: Near) -> Row:
        rule = find_filter(row["instruction"], self.filters)
        if rule is None and near.rouge_l >= self.max_rouge_l:
            rule = f"not_new (ROUGE-L {near.rouge_l:.2f} with {near.name})"
        return {**row, "failure": f"instruction: filtered: {rule}"} if rule else row


class AskOfTask(Ask):
    """Asks about a task, which stands between two lines of signs: it is data."""

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        return super().format_input({**input, "fence": draw_fence([input["instruction"]])})


class AskKind(AskOfTask):
    """Asks whether a task is a classification with a finite number of labels."""

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        is_classification = None if said["failure"] else read_kind(said[self.column])
        return {**said, "is_classification": is_classification}


class AskInstances(AskOfTask):
    """Asks for instances: output first of a classification, so that all labels come; else input first."""

    instances: int

    def template_of(self, row: Mapping[str, Any]) -> Template:
        return self._templates.find(OUTPUT_FIRST if row["is_classification"] else INPUT_FIRST)

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        read = read_labelled if row["is_classification"] else read_instances
        found = read(said[self.column])
        if said.get("cut", {}).get(self.column):
            found = found[:-1]  # what was cut off is no instance (published code)
        kept = drop_invalid(found)
        if not kept:
            return {**said, "failure": f"{self.column}: none of its {len(found)} instances is of use"}
        lots = random.Random(derive_seed(row["rng_seed"], "instances"))  # noqa: S311
        chosen = sorted(lots.sample(range(len(kept)), min(self.instances, len(kept))))
        return {**said, "found": [kept[k] for k in chosen]}


class ToTaskRows(ToCandidates):
    """A candidate row for each instance of a task; what was parsed stands in `extra.task`."""

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "instruction"]

    def _expand(self, row: Row) -> Iterator[Row]:
        yield from expand_instances(row)

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        params = {**json.loads(made["params"]), "call": row["call"], "place": row["place"]}
        params["parents"] = row["parents"]
        extra = {**json.loads(made["extra"]), **({"task": row["task"]} if row.get("task") else {})}
        return {**made, "params": canonical_text(params), "extra": canonical_text(extra)}


def split_calls(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of a batch by call, in order."""
    calls: dict[int, list[Row]] = {}
    for row in rows:
        calls.setdefault(row["call"], []).append(row)
    return list(calls.values())


def expand_instances(row: Row) -> Iterator[Row]:
    """A row for each instance that was found, or the row itself where there is none.

    The tokens of a task stand on its first row.
    """
    found = row.get("found") or ()
    if not found:
        yield row
        return
    finish = row.get("finishes", {}).get(row["instances"], "stop")
    for number, (input_, output) in enumerate(found):
        task = {
            "instruction": row["instruction"],
            "input": input_,
            "is_classification": row["is_classification"],
            "form": "output_first" if row["is_classification"] else "input_first",
            "instance": number,
            "instances": len(found),
        }
        asked = f"{row['instruction']}\n\n{input_}" if input_ else row["instruction"]
        told = {"task": task, "instruction": asked, "answer": output, "finishes": {output: finish}}
        yield {**row, **told, **({} if number == 0 else {"tokens": {}, "spent": {}})}


def _fill_batches(calls: Sequence[list[Row]], batch_rows: int) -> Iterator[list[Row]]:
    """Whole calls within `batch_rows` rows, one at least."""
    batch: list[Row] = []
    for call in calls:
        if batch and len(batch) + len(call) > batch_rows:
            yield batch
            batch = []
        batch = [*batch, *call]
    if batch:
        yield batch
