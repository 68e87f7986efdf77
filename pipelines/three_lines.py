"""An ordinary distilabel script that gains gates, lineage and a signed pack in its last three lines."""

from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration

import synth_stack
from synth_stack.teachers.embedded import embedded

questions = ["How long do refunds take?", "Can I change my delivery address?", "Is the hub needed for bulbs?"]
with Pipeline(name="faq") as pipeline:
    load = LoadDataFromDicts(data=[{"instruction": question} for question in questions])
    load >> TextGeneration(llm=embedded())  # or any other distilabel LLM

run = synth_stack.generate(pipeline, out="runs/faq")
synth_stack.curate(run, gates="curator_configs/standard.yaml", out=run)
print(synth_stack.pack(run, out="packs/faq"))
