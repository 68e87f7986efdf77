"""Pipelines of papers and tutorials that distilabel documents, with scripted LLMs in the place of its own.

They are in the table of docs/distilabel.md beside those of documented_pipelines.py.
"""

import json
from pathlib import Path
from typing import Any

from distilabel.steps import (
    CombineOutputs,
    DataSampler,
    EmbeddingDedup,
    EmbeddingGeneration,
    ExpandColumns,
    GlobalStep,
    KeepColumns,
    LoadDataFromFileSystem,
    MergeColumns,
    MinHashDedup,
    StepInput,
    TruncateTextColumn,
    step,
)
from distilabel.steps import tasks as t
from distilabel.steps.tasks.apigen.utils import PrepareExamples
from pydantic import PrivateAttr

from tests.generation.documented_steps import QUESTIONS, DocEmbeddings, Row, llm, load, two_writers

STEPS = "Step 1: 2 + 2 = 4\nStep 2: 4 + 1 = 5\nThe answer is: 5"
WRONG = STEPS.replace("= 5", "= 6").replace("is: 5", "is: 6")
DATA = Path(__file__).parent / "documented_data"


def math_shepherd() -> None:
    data = [{"instruction": "What is 2 + 2 + 1?"}, {"instruction": "What is 1 + 2 + 2?"}]
    golden = t.MathShepherdGenerator(name="golden", llm=llm("gold", ("(?s).*", STEPS)))
    writer = t.MathShepherdGenerator(name="writer", llm=llm("a", ("(?s).*", f"{STEPS}---{WRONG}")), M=2)
    completer = t.MathShepherdCompleter(name="completer", llm=llm("b", ("(?s).*", STEPS)), N=1)
    (
        load(data)
        >> [golden, writer]
        >> CombineOutputs()
        >> completer
        >> ExpandColumns(columns=["solutions"], split_statistics=True)
        >> t.FormatPRM()
    )


def marked_steps() -> None:
    steps = STEPS.split("\n")
    row = {"instruction": "What?", "golden_solution": steps, "solutions": [[f"{said} +" for said in steps]]}
    load([row]) >> ExpandColumns(columns=["solutions"]) >> t.FormatPRM(format="trl")


def apigen_checked() -> None:
    tool = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {}}}
    calls = json.dumps([{"name": "add", "arguments": {"a": 1}}])
    shot = {"query": "Add 4 to one.", "answers": calls, "func_name": "add", "func_desc": "Adds."}
    prepare = PrepareExamples()
    DataSampler(data=[shot] * 3, size=2, samples=1, batch_size=1) >> prepare
    said = json.dumps([{"query": "Add 1 to one.", "answers": json.loads(calls)}])
    generator = t.APIGenGenerator(llm=llm("a", ("(?s).*", said)), use_default_structured_output=False)
    executed = t.APIGenExecutionChecker(libpath=str(DATA / "adding.py"))
    judge = t.APIGenSemanticChecker(
        llm=llm("judge", ("(?s).*", '{"thought": "It adds.", "passes": "yes"}')),
        use_default_structured_output=False,
    )
    row = {"func_name": "add", "func_desc": "Adds one.", "tools": [tool]}
    [prepare, load([row], 1)] >> CombineOutputs() >> generator >> executed >> judge


def embedding_dedup() -> None:
    @step(inputs=["embedding"], outputs=["nn_indices", "nn_scores"], step_type="global")  # type: ignore[untyped-decorator]
    def nearest(inputs: StepInput) -> Any:
        yield [
            {**row, "nn_indices": [(i + 1) % len(inputs)], "nn_scores": [0.1]} for i, row in enumerate(inputs)
        ]

    embed = EmbeddingGeneration(embeddings=DocEmbeddings(), input_mappings={"text": "instruction"})
    load() >> embed >> nearest(name="nearest") >> EmbeddingDedup(threshold=0.5) >> t.TextGeneration(llm=llm())


class SeenDedup(MinHashDedup):  # type: ignore[misc]  # distilabel has no types
    """MinHashDedup without datasketch: it knows equal texts only, and remembers those of earlier batches."""

    _seen: set[str] = PrivateAttr(default_factory=set)

    def load(self) -> None:
        self._seen = set()

    def unload(self) -> None:
        self._seen = set()

    def process(self, inputs: StepInput) -> Any:
        for row in inputs:
            row["keep_row_after_minhash_filtering"] = row["text"] not in self._seen
            self._seen.add(row["text"])
        yield inputs


def minhash_dedup() -> None:
    data = [{"text": q["instruction"]} for q in QUESTIONS * 2]
    write = t.TextGeneration(llm=llm(), input_mappings={"instruction": "text"})
    load(data, 1) >> SeenDedup() >> write


def exam_questions() -> None:
    said = json.dumps({"exam": [{"question": "How long?", "answer": "3 days"}]})
    task = t.TextGeneration(
        llm=llm("a", ("(?s).*", said)),
        template="Page: {{ page }}",
        columns=["page"],
        output_mappings={"generation": "exam"},
    )
    load([{"page": "Refunds take three days."}]) >> task


def mixture_of_agents() -> None:
    writers, group = two_writers()
    template = "{{ instruction }}{% for said in generations %}\n{{ said }}{% endfor %}"
    last = t.TextGeneration(
        name="last", llm=llm("last"), template=template, columns=["instruction", "generations"]
    )
    load() >> writers >> group >> last


def cleaned_preferences() -> None:
    def chat(question: str, said: str) -> list[Row]:
        return [{"role": "user", "content": question}, {"role": "assistant", "content": said}]

    data = [
        {
            "prompt": q["instruction"],
            "chosen": chat(q["instruction"], "No."),
            "rejected": chat(q["instruction"], "In five days."),
        }
        for q in QUESTIONS
    ]

    @step(inputs=["prompt", "chosen", "rejected"], outputs=["instruction", "generations"])  # type: ignore[untyped-decorator]
    def shuffle(inputs: StepInput) -> Any:
        yield [
            {
                **row,
                "instruction": row["prompt"],
                "generations": [row["rejected"][1]["content"], row["chosen"][1]["content"]],
            }
            for row in inputs
        ]

    both = "#### Output for Text 1\nRating: 4\nRationale: Good.\n\n#### Output for Text 2\nRating: 2\nRationale: Poor."
    judge = t.UltraFeedback(llm=llm("judge", ("(?s).*", both)), aspect="overall-rating")
    keep = KeepColumns(columns=["prompt", "generations", "ratings", "rationales", "model_name"])
    load(data) >> shuffle(name="shuffle") >> judge >> keep


def retrieval_triplets() -> None:
    said = json.dumps(
        {"user_query": "late parcels", "positive_document": "It is late.", "hard_negative_document": "Lamps."}
    )
    tasks = t.EmbeddingTaskGenerator(
        category="text-retrieval",
        llm=llm("a", ("(?s).*", '["Find a paper.", "Find a law."]')),
        flatten_tasks=True,
    )
    pages = t.GenerateTextRetrievalData(
        llm=llm("b", ("(?s).*", said)),
        language="English",
        query_type="common",
        query_length="5 to 15 words",
        difficulty="high school",
        clarity="clear",
        num_words=100,
    )
    tasks >> pages


def bitext_retrieval() -> None:
    said = json.dumps({"S1": "It is late.", "S2": "Es ist spät.", "S3": "Es ist früh."})
    t.BitextRetrievalGenerator(
        source_language="English",
        target_language="German",
        unit="sentence",
        difficulty="elementary school",
        high_score="4",
        low_score="2.5",
        llm=llm("a", ("(?s).*", said)),
    )


def answered_self_instruct() -> None:
    seeds = [{"input": "parcels"}, {"input": "refunds"}]
    asked = t.SelfInstruct(llm=llm("a", ("(?s).*", "Where is it?\nWhen is it?")), num_instructions=2)
    each = ExpandColumns(columns=["instructions"], output_mappings={"instructions": "instruction"})
    load(seeds) >> asked >> each >> t.TextGeneration(name="answer", llm=llm("b"))


def backtranslated_texts() -> None:
    asked = t.TextGeneration(
        name="ask",
        llm=llm("a", ("(?s).*", "How long is a refund?")),
        template="Which instruction has this answer: {{ text }}",
        columns=["text"],
        output_mappings={"generation": "instruction"},
    )
    judge = t.InstructionBacktranslation(llm=llm("judge"), input_mappings={"generation": "text"})
    load([{"text": f"A refund takes {n} days."} for n in range(3)]) >> asked >> judge


def self_taught_evaluator() -> None:
    def write(label: str, asked: str, said: str) -> Any:
        mappings = {"input_mappings": {"instruction": asked}} if asked != "instruction" else {}
        return t.TextGeneration(name=label, llm=llm(label), output_mappings={"generation": said}, **mappings)

    changed = t.TextGeneration(
        name="change",
        llm=llm("change"),
        template="Write another one: {{ instruction }}",
        columns=["instruction"],
        output_mappings={"generation": "changed"},
    )
    judge = t.TextGeneration(
        name="judge",
        llm=llm("judge"),
        template="{{ chosen }} or {{ rejected }}",
        columns=["chosen", "rejected"],
        output_mappings={"generation": "verdict"},
    )
    (
        load()
        >> write("good", "instruction", "chosen")
        >> changed
        >> write("bad", "changed", "rejected")
        >> judge
    )


def arena_hard() -> None:
    class Arena(t.Task):  # type: ignore[misc]  # distilabel has no types
        """Compares two answers."""

        @property
        def inputs(self) -> list[str]:
            return ["instruction", "generations"]

        @property
        def outputs(self) -> list[str]:
            return ["verdict"]

        def format_input(self, input: Row) -> Any:  # noqa: A002  (its name in distilabel)
            return [{"role": "user", "content": json.dumps(input["generations"])}]

        def format_output(self, output: str | None, input: Row) -> Row:  # noqa: A002  (likewise)
            return {"verdict": output}

    class Results(GlobalStep):  # type: ignore[misc]  # distilabel has no types
        """How often the first one won."""

        @property
        def inputs(self) -> list[str]:
            return ["verdict"]

        @property
        def outputs(self) -> list[str]:
            return ["rate"]

        def process(self, inputs: StepInput) -> Any:
            won = sum(row["verdict"] == "A" for row in inputs)
            yield [{**row, "rate": won / len(inputs)} for row in inputs]

    writers, group = two_writers()
    load() >> writers >> group >> Arena(llm=llm("judge", ("(?s).*", "A"))) >> Results()


def files_of_rows() -> None:
    loaded = LoadDataFromFileSystem(
        data_files=str(DATA / "questions.jsonl"), filetype="json", batch_size=2, split="train"
    )
    short = TruncateTextColumn(column="instruction", max_length=12)
    loaded >> short >> t.TextGeneration(llm=llm())


def merged_columns() -> None:
    data = [{**q, "topic": "parcels"} for q in QUESTIONS]
    merge = MergeColumns(columns=["instruction", "topic"], output_column="about")
    load(data) >> merge >> t.TextGeneration(llm=llm(), template="{{ about }}", columns=["about"])


def criticised_answers() -> None:
    critic = t.TextGeneration(
        name="critic",
        llm=llm("critic"),
        input_mappings={"instruction": "generation"},
        output_mappings={"generation": "critique"},
    )
    load() >> t.TextGeneration(llm=llm()) >> critic


def overwritten_answer() -> None:
    """The second task writes over the first `generation` before it renames its own."""
    critic = t.TextGeneration(
        name="critic",
        llm=llm("critic"),
        template="{{ generation }}",
        columns=["generation"],
        output_mappings={"generation": "critique"},
    )
    load() >> t.TextGeneration(llm=llm()) >> critic
