"""Pipelines of distilabel's documentation and examples, with scripted LLMs in the place of its own.

Each is what its page shows, on a few rows: the same steps, connected the same way. `needs` are the columns
that have to be named (docs/distilabel.md); without them the pipeline is refused.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from distilabel.pipeline import Pipeline, sample_n_steps
from distilabel.steps import (
    CombineOutputs,
    ConversationTemplate,
    DataSampler,
    DeitaFiltering,
    EmbeddingGeneration,
    ExpandColumns,
    FormatChatGenerationDPO,
    FormatTextGenerationDPO,
    FormatTextGenerationSFT,
    GroupColumns,
    KeepColumns,
    LoadDataFromDicts,
    PreferenceToArgilla,
    PushToHub,
    StepInput,
    TextGenerationToArgilla,
    step,
)
from distilabel.steps import tasks as t

from tests.generation import documented_papers as papers
from tests.generation.documented_steps import QUESTIONS, DocEmbeddings, llm, load, rated, two_writers


def quickstart() -> None:
    load() >> t.TextGeneration(llm=llm())


def several_generations() -> None:
    load() >> t.TextGeneration(llm=llm(), num_generations=3)


def grouped_generations() -> None:
    load() >> t.TextGeneration(llm=llm(), num_generations=2, group_generations=True)


def template_and_columns() -> None:
    data = [{"document": f"Refunds take {n} days."} for n in range(3)]
    load(data) >> t.TextGeneration(llm=llm(), template="Summarise: {{ document }}", columns=["document"])


def chat_generation() -> None:
    data = [{"messages": [{"role": "user", "content": q["instruction"]}]} for q in QUESTIONS]
    load(data) >> t.ChatGeneration(llm=llm())


def ultrafeedback() -> None:
    writers, group = two_writers()
    load() >> writers >> group >> rated()


def preference_to_argilla() -> None:
    writers, group = two_writers()
    sink = PreferenceToArgilla(
        dataset_name="d", api_url="http://127.0.0.1:9", api_key="k", dataset_workspace="w", num_generations=2
    )
    load() >> writers >> group >> rated() >> sink


def generation_to_argilla() -> None:
    sink = TextGenerationToArgilla(
        dataset_name="d", api_url="http://127.0.0.1:9", api_key="k", dataset_workspace="w"
    )
    load() >> t.TextGeneration(llm=llm()) >> sink


def push_to_hub() -> None:
    load() >> t.TextGeneration(llm=llm()) >> PushToHub(repo_id="nobody/nothing", token="t")


def dpo_pairs() -> None:
    writers, group = two_writers()
    load() >> writers >> group >> rated() >> FormatTextGenerationDPO()


def chat_dpo_pairs() -> None:
    data = [{"messages": [{"role": "user", "content": q["instruction"]}], **q} for q in QUESTIONS]
    writers, group = two_writers()
    load(data) >> writers >> group >> rated() >> FormatChatGenerationDPO()


def sft_format() -> None:
    load() >> t.TextGeneration(llm=llm()) >> FormatTextGenerationSFT()


def self_instruct() -> None:
    data = [{"input": "parcels"}, {"input": "refunds"}]
    load(data) >> t.SelfInstruct(llm=llm("a", ("(?s).*", "Where is it?\nWhen is it?")), num_instructions=2)


def evol_instruct() -> None:
    load() >> t.EvolInstruct(llm=llm(), num_evolutions=1, generate_answers=True)


def evol_complexity() -> None:
    load() >> t.EvolComplexity(llm=llm(), num_evolutions=1, generate_answers=True)


def evol_quality() -> None:
    data = [{**q, "response": "In five days."} for q in QUESTIONS]
    load(data) >> t.EvolQuality(llm=llm(), num_evolutions=1)


def evol_instruct_generator() -> None:
    t.EvolInstructGenerator(llm=llm(), num_instructions=2, min_length=1, max_length=900)


def magpie() -> None:
    data = [{"system_prompt": "You sell lamps."}, {"system_prompt": "You mend lamps."}]
    load(data) >> t.Magpie(llm=llm(), n_turns=1)


def magpie_generator() -> None:
    t.MagpieGenerator(llm=llm(), n_turns=1, num_rows=3, batch_size=3)


def deita() -> None:
    evolve = t.EvolInstruct(
        llm=llm(),
        num_evolutions=2,
        store_evolutions=True,
        generate_answers=True,
        include_original_instruction=True,
    )
    scored = [
        t.ComplexityScorer(
            llm=llm("scorer", ("(?s).*", "[1] Score: 3\n[2] Score: 4\n[3] Score: 2")),
            input_mappings={"instructions": "evolved_instructions"},
        ),
        ExpandColumns(
            columns=["evolved_instructions", "answers", "scores"],
            output_mappings={
                "evolved_instructions": "evolved_instruction",
                "answers": "answer",
                "scores": "evol_instruction_score",
            },
        ),
    ]
    quality = t.EvolQuality(
        llm=llm(),
        num_evolutions=2,
        store_evolutions=True,
        include_original_response=True,
        input_mappings={"instruction": "evolved_instruction", "response": "answer"},
    )
    scorer = t.QualityScorer(
        llm=llm("scorer", ("(?s).*", "[1] Score: 3\n[2] Score: 4\n[3] Score: 2")),
        input_mappings={"instruction": "evolved_instruction", "responses": "evolved_responses"},
    )
    expand = ExpandColumns(
        columns=["evolved_responses", "scores"],
        output_mappings={"evolved_responses": "evolved_response", "scores": "evol_response_score"},
    )

    @step(inputs=["evolved_instruction", "evolved_response"], outputs=["text"])  # type: ignore[untyped-decorator]
    def join(inputs: StepInput) -> Any:
        yield [{**row, "text": f"{row['evolved_instruction']} {row['evolved_response']}"} for row in inputs]

    embed = EmbeddingGeneration(embeddings=DocEmbeddings())
    filtering = DeitaFiltering(data_budget=4, diversity_threshold=0.0)
    (
        load()
        >> evolve
        >> scored[0]
        >> scored[1]
        >> quality
        >> scorer
        >> expand
        >> join(name="join")
        >> embed
        >> filtering
    )


def instruction_backtranslation() -> None:
    data = [{**q, "generation": "In five days."} for q in QUESTIONS]
    load(data) >> t.InstructionBacktranslation(llm=llm())


def prometheus() -> None:
    data = [{**q, "generation": "In five days."} for q in QUESTIONS]
    judge = t.PrometheusEval(
        llm=llm("judge", ("(?s).*", "It answers. [RESULT] 4")), mode="absolute", rubric="helpfulness"
    )
    load(data) >> judge


def clair() -> None:
    data = [{"task": q["instruction"], "student_solution": "In five days, perhaps."} for q in QUESTIONS]
    said = "**Teacher Reasoning:** It hedges.\n\n**Corrected Student Solution:** In five days."
    load(data) >> t.CLAIR(llm=llm("a", ("(?s).*", said)))


def genstruct() -> None:
    data = [{"title": "Refunds", "content": f"A refund takes {n} days."} for n in (3, 5)]
    said = "[[[User]]] How long is a refund?\n[[[Assistant]]] Five days."
    load(data) >> t.Genstruct(llm=llm("a", ("(?s).*", said)))


def urial() -> None:
    load() >> t.URIAL(llm=llm())


def text_classification() -> None:
    data = [{"text": f"The parcel is {n} days late."} for n in (2, 9)]
    said = '{"labels": "parcels"}'
    load(data) >> t.TextClassification(
        llm=llm("a", ("(?s).*", said)),
        context="Topics.",
        available_labels=["parcels"],
        use_default_structured_output=False,
    )


def sentence_pair() -> None:
    data = [{"anchor": f"The parcel is {n} days late."} for n in (2, 9)]
    said = "## Positive\n\nIt is late.\n\n## Negative\n\nIt is early."
    load(data) >> t.GenerateSentencePair(triplet=True, action="paraphrase", llm=llm("a", ("(?s).*", said)))


def apigen() -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds.",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        },
    }
    data = [
        {
            "func_name": "add",
            "func_desc": "Adds two numbers.",
            "tools": [tool],
            "examples": "none",
            "number": 1,
            "parallel_label": "single",
            "query_types": ["simple"],
        }
    ]
    said = json.dumps([{"query": "Add 1.", "answers": [{"name": "add", "arguments": {"a": 1}}]}])
    load(data) >> t.APIGenGenerator(llm=llm("a", ("(?s).*", said)), use_default_structured_output=False)


def structured_generation() -> None:
    data = [{**q, "structured_output": {"format": "json", "schema": {"type": "object"}}} for q in QUESTIONS]
    load(data) >> t.StructuredGeneration(llm=llm("a", ("(?s).*", '{"days": 5}')))


def routed_batches() -> None:
    group = GroupColumns(
        columns=["generation", "model_name"], output_columns=["generations", "models"], input_batch_size=1
    )
    writers = [t.TextGeneration(name=f"writer_{x}", llm=llm(x), input_batch_size=1) for x in "abc"]
    load(batch_size=1) >> sample_n_steps(2) >> writers >> group


def sampled_few_shots() -> None:
    shots = DataSampler(
        name="shots", data=[{"example": f"Question {n}?"} for n in range(5)], size=1, samples=3, batch_size=2
    )
    write = t.TextGeneration(
        name="write",
        llm=llm(),
        template="Like {{ example }}: {{ instruction }}",
        columns=["example", "instruction"],
    )
    [shots, load()] >> CombineOutputs() >> write


def two_pipelines_in_one() -> None:
    load() >> t.TextGeneration(name="first", llm=llm("a"))
    LoadDataFromDicts(name="other", data=QUESTIONS[:1]) >> t.TextGeneration(name="second", llm=llm("b"))


def two_leaves() -> None:
    load() >> [t.TextGeneration(name="short", llm=llm("a")), t.TextGeneration(name="long", llm=llm("b"))]


def conversation_template() -> None:
    data = [{**q, "response": "In five days."} for q in QUESTIONS]
    load(data) >> ConversationTemplate() >> KeepColumns(columns=["conversation"])


def step_that_raises() -> None:
    @step(inputs=["instruction"], outputs=["extra"])  # type: ignore[untyped-decorator]
    def stumble(inputs: StepInput) -> Any:
        if "late" in inputs[0]["instruction"]:
            raise ValueError("no such row")
        yield [{**row, "extra": "fine"} for row in inputs]

    load() >> stumble(name="stumble") >> t.TextGeneration(llm=llm())


@dataclass(frozen=True)
class Documented:
    """A pipeline, where it is documented, the columns that it needs named, and the rows that it gives.

    `first` is what its first row says: the prompt, the answer (the chosen one of a comparison, the name of a
    called tool) and the model that the row names.
    """

    build: Callable[[], None]
    page: str
    rows: int
    needs: Mapping[str, str] = field(default_factory=dict)
    failed: int = 0
    first: tuple[str, str, str | None] | None = None

    @property
    def name(self) -> str:
        return self.build.__name__

    def make(self) -> Any:
        with Pipeline(name=self.name) as pipeline:
            self.build()
        return pipeline


DOCUMENTED = (
    Documented(quickstart, "Quickstart", 3),
    Documented(several_generations, "Task: num_generations", 9),
    Documented(grouped_generations, "Task: group_generations", 6),
    Documented(template_and_columns, "TextGeneration: template and columns", 3),
    Documented(chat_generation, "ChatGeneration", 3),
    Documented(ultrafeedback, "Paper: UltraFeedback", 3),
    Documented(preference_to_argilla, "Tutorial: generate a preference dataset", 3),
    Documented(generation_to_argilla, "TextGenerationToArgilla", 3),
    Documented(push_to_hub, "PushToHub", 3),
    Documented(dpo_pairs, "FormatTextGenerationDPO", 3),
    Documented(chat_dpo_pairs, "FormatChatGenerationDPO", 3),
    Documented(sft_format, "FormatTextGenerationSFT", 3),
    Documented(self_instruct, "SelfInstruct", 2, {"text": "input"}),
    Documented(evol_instruct, "EvolInstruct", 3, {"prompt": "evolved_instruction", "answer": "answer"}),
    Documented(evol_complexity, "EvolComplexity", 3, {"prompt": "evolved_instruction", "answer": "answer"}),
    Documented(evol_quality, "EvolQuality", 3, {"prompt": "instruction", "answer": "evolved_response"}),
    Documented(evol_instruct_generator, "EvolInstructGenerator", 2, {"text": "instruction"}),
    Documented(magpie, "Magpie", 2),
    Documented(magpie_generator, "MagpieGenerator", 3),
    Documented(deita, "Paper: DEITA", 4, {"prompt": "evolved_instruction", "answer": "evolved_response"}),
    Documented(instruction_backtranslation, "Paper: instruction backtranslation", 3),
    Documented(prometheus, "Paper: Prometheus", 3),
    Documented(
        clair, "Paper: CLAIR", 3, {"prompt": "task", "chosen": "revision", "rejected": "student_solution"}
    ),
    Documented(genstruct, "Genstruct", 2, {"prompt": "user", "answer": "assistant"}),
    Documented(urial, "URIAL", 3),
    Documented(text_classification, "Tutorial: text classification", 2),
    Documented(
        sentence_pair,
        "Tutorial: sentence pairs",
        2,
        {"prompt": "anchor", "chosen": "positive", "rejected": "negative"},
    ),
    Documented(apigen, "Paper: APIGen", 1, first=("Add 1.", "add", "doc-a")),
    Documented(structured_generation, "StructuredGeneration", 3),
    Documented(routed_batches, "Routing: sample_n_steps", 6),
    Documented(sampled_few_shots, "DataSampler with CombineOutputs", 3),
    Documented(two_pipelines_in_one, "Several roots", 4),
    Documented(two_leaves, "Several leaves", 6),
    Documented(conversation_template, "ConversationTemplate", 3),
    Documented(step_that_raises, "Steps that raise", 3, failed=1),
    Documented(
        papers.math_shepherd,
        "Paper: Math-Shepherd",
        4,
        {"prompt": "instruction", "answer": "label"},
        first=("What is 2 + 2 + 1?", "*Step 1: 2 + 2 = 4 +", "doc-b"),
    ),
    Documented(papers.marked_steps, "FormatPRM for TRL", 1, first=("What?", papers.STEPS, None)),
    Documented(
        papers.apigen_checked,
        "Paper: APIGen, with its checkers",
        1,
        first=("Add 1 to one.", "add", "doc-a"),
    ),
    Documented(
        papers.embedding_dedup,
        "EmbeddingDedup",
        3,
        first=("How long is a refund?", "*21 characters.", "doc-a"),
    ),
    Documented(papers.minhash_dedup, "MinHashDedup", 6, first=("How long is a refund?", "*", "doc-a")),
    Documented(
        papers.exam_questions,
        "Example: exam questions",
        1,
        {"prompt": "page", "answer": "exam"},
        first=("Refunds take three days.", "*", "doc-a"),
    ),
    Documented(
        papers.mixture_of_agents,
        "Example: mixture of agents",
        3,
        first=("How long is a refund?", "*of last", "doc-last"),
    ),
    Documented(
        papers.cleaned_preferences,
        "Tutorial: clean a preference dataset",
        3,
        first=("How long is a refund?", "In five days.", "doc-judge"),
    ),
    Documented(
        papers.retrieval_triplets,
        "Paper: improving text embeddings, retrieval",
        2,
        {"prompt": "user_query", "chosen": "positive_document", "rejected": "hard_negative_document"},
        first=("late parcels", "It is late.", "doc-b"),
    ),
    Documented(
        papers.bitext_retrieval,
        "Paper: improving text embeddings, bitext",
        1,
        {"prompt": "S1", "answer": "S2"},
        first=("It is late.", "Es ist spät.", "doc-a"),
    ),
    Documented(
        papers.answered_self_instruct,
        "SelfInstruct with answers",
        4,
        first=("Where is it?", "*of b", "doc-b"),
    ),
    Documented(
        papers.backtranslated_texts,
        "Paper: instruction backtranslation, whole",
        3,
        {"prompt": "instruction", "answer": "text"},
        first=("How long is a refund?", "A refund takes 0 days.", None),
    ),
    Documented(
        papers.self_taught_evaluator,
        "Self-taught evaluators (Wang et al. 2024)",
        3,
        first=("How long is a refund?", "*of good", "doc-judge"),
    ),
    Documented(
        papers.arena_hard, "Example: Arena Hard", 6, first=("How long is a refund?", "*of a", "doc-a")
    ),
    Documented(
        papers.files_of_rows, "LoadDataFromFileSystem", 3, first=("How long is ", "*12 char", "doc-a")
    ),
    Documented(
        papers.merged_columns,
        "MergeColumns",
        3,
        first=("['How long is a refund?', 'parcels']", "*of a", "doc-a"),
    ),
    Documented(
        papers.criticised_answers, "A task after a task", 3, first=("How long is a refund?", "*of a", "doc-a")
    ),
    Documented(
        papers.overwritten_answer,
        "A task that writes over the one before",
        3,
        {"prompt": "instruction", "answer": "critique"},
        first=("How long is a refund?", "*of critic", "doc-critic"),
    ),
)
