"""Which steps of a pipeline give the columns of its rows, and so which model wrote an answer.

A row of distilabel names one model, that of the task that came last. Where that is a judge, the writer is
found by the column that it gives.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from synth_stack.generation.flow import Flow

METADATA = "distilabel_metadata"

DATA = ""
"""In the place of a step: the rows that the pipeline starts from."""


@dataclass(frozen=True, slots=True)
class LeafColumns:
    """The columns of the rows of a leaf in the order of their making, and the steps that may give each.

    `models` are the models of the steps that have one.
    """

    steps: Mapping[str, frozenset[str]]
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def written(self) -> frozenset[str]:
        """The columns that a model writes."""
        return frozenset(name for name, steps in self.steps.items() if steps & self.models.keys())

    def find_model(self, column: str | None, row: Mapping[str, Any]) -> str | None:
        """The model that wrote a column, empty where the row came with it, None where that is open."""
        steps = self.steps.get(column or "", frozenset())
        if len(steps) > 1:
            metadata = row.get(METADATA)
            asked = metadata if isinstance(metadata, dict) else {}
            steps = frozenset(name for name in steps if f"raw_output_{name}" in asked)
        if len(steps) != 1:
            return None
        (name,) = steps
        return "" if name == DATA else self.models.get(name)


def trace_columns(flow: Flow, leaf: Any) -> LeafColumns:
    """The columns of the rows of a leaf, as far as the steps before it say."""
    known: dict[str, dict[str, frozenset[str]]] = {}
    for step in flow.order:
        before: dict[str, frozenset[str]] = {}
        for giver in flow.predecessors[step.name]:
            for name, steps in known[giver].items():
                before[name] = before.get(name, frozenset()) | steps
        known[step.name] = _pass(step, before)
        if step is leaf:
            break
    models = {
        step.name: str(step.llm.model_name) for step in flow.order if getattr(step, "llm", None) is not None
    }
    return LeafColumns(known[leaf.name], models)


def _pass(step: Any, before: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The columns after a step: as it takes them, with what it gives, and renamed as its mappings say."""
    from distilabel.steps import ExpandColumns, GroupColumns, KeepColumns, MergeColumns

    taken_as = {theirs: ours for ours, theirs in step.input_mappings.items()}
    inside = {taken_as.get(name, name): steps for name, steps in before.items()}
    replaced = {name: steps for name, steps in before.items() if name in step.input_mappings}
    if isinstance(step, KeepColumns):
        inside = {name: inside.get(name, frozenset()) for name in step.columns}
    elif isinstance(step, ExpandColumns):
        inside |= {new: inside.get(old, frozenset()) for old, new in _pair(step.columns)}
    else:
        if isinstance(step, GroupColumns | MergeColumns):
            inside = {name: steps for name, steps in inside.items() if name not in step.columns}
        giver = DATA if step.is_generator and getattr(step, "llm", None) is None else step.name
        made = dict.fromkeys(step.get_outputs(), frozenset({giver}))
        inside = {name: steps for name, steps in inside.items() if name not in made} | made
    named = {**step.input_mappings, **step.output_mappings}
    after = {named.get(name, name): steps for name, steps in inside.items()}
    return after | {name: steps for name, steps in replaced.items() if name not in after}


def _pair(columns: Mapping[str, str] | Iterable[str]) -> Iterable[tuple[str, str]]:
    return columns.items() if isinstance(columns, Mapping) else ((name, name) for name in columns)
