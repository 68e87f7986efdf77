"""What an author of gates, generators and teachers needs, in one place (docs/extending.md).

    from synth_stack.extend import Judge, build_verdicts, gate, read_texts

Everything is imported on first use; importing this module costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth_stack.errors import (
        ConfigError,
        GateError,
        InputError,
        MissingExtra,
        ModelError,
        SynthStackError,
        TeacherError,
    )
    from synth_stack.gates.canaries import build_canary, build_control, plant_defects
    from synth_stack.gates.gate import NO_STATE, Dial, Judge, Late, Round, State
    from synth_stack.gates.resources import Resources
    from synth_stack.generation.draws import Plan
    from synth_stack.generation.provenance import record_origin
    from synth_stack.generators.steps import (
        Ask,
        DrawItems,
        ToCandidates,
        answer,
        draw_items,
        note_prompt,
        settle,
    )
    from synth_stack.generators.template import Template, load_template, read_template
    from synth_stack.inputs.gate_file import NamedEvalSet
    from synth_stack.registry import EVAL_SETS, FilePath, gate, generator, teacher
    from synth_stack.rows.canonical import canonical_text, derive_seed, digest_bytes, digest_json
    from synth_stack.rows.schemas import build_candidates, build_verdicts
    from synth_stack.rows.texts import join_text
    from synth_stack.teachers.health import Health
    from synth_stack.teachers.openai_llm import SharedLLM, collect_answers
    from synth_stack.teachers.prompt import Answer, Prompt
    from synth_stack.teachers.teacher import Price, Teacher
    from synth_stack.text.fields import find_canaries, read_field, read_messages, read_pieces, read_texts

__all__ = [
    "EVAL_SETS",
    "NO_STATE",
    "Answer",
    "Ask",
    "ConfigError",
    "Dial",
    "DrawItems",
    "FilePath",
    "GateError",
    "Health",
    "InputError",
    "Judge",
    "Late",
    "MissingExtra",
    "ModelError",
    "NamedEvalSet",
    "Plan",
    "Price",
    "Prompt",
    "Resources",
    "Round",
    "SharedLLM",
    "State",
    "SynthStackError",
    "Teacher",
    "TeacherError",
    "Template",
    "ToCandidates",
    "answer",
    "build_canary",
    "build_candidates",
    "build_control",
    "build_verdicts",
    "canonical_text",
    "collect_answers",
    "derive_seed",
    "digest_bytes",
    "digest_json",
    "draw_items",
    "find_canaries",
    "gate",
    "generator",
    "join_text",
    "load_template",
    "note_prompt",
    "plant_defects",
    "read_field",
    "read_messages",
    "read_pieces",
    "read_template",
    "read_texts",
    "record_origin",
    "settle",
    "teacher",
]

_HOMES = {
    "errors": "ConfigError GateError InputError MissingExtra ModelError SynthStackError TeacherError",
    "gates.canaries": "build_canary build_control plant_defects",
    "gates.gate": "Dial Judge Late NO_STATE Round State",
    "gates.resources": "Resources",
    "generation.draws": "Plan",
    "generation.provenance": "record_origin",
    "generators.steps": "Ask DrawItems ToCandidates answer draw_items note_prompt settle",
    "generators.template": "Template load_template read_template",
    "inputs.gate_file": "NamedEvalSet",
    "registry": "EVAL_SETS FilePath gate generator teacher",
    "rows.canonical": "canonical_text derive_seed digest_bytes digest_json",
    "rows.schemas": "build_candidates build_verdicts",
    "rows.texts": "join_text",
    "teachers.health": "Health",
    "teachers.openai_llm": "SharedLLM collect_answers",
    "teachers.prompt": "Answer Prompt",
    "teachers.teacher": "Price Teacher",
    "text.fields": "find_canaries read_field read_messages read_pieces read_texts",
}
_MODULES = {name: f"synth_stack.{module}" for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
