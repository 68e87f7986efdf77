"""The form that reviewers fill in: the fields, questions, filters and guidelines of a campaign's dataset."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from synth_stack.review.answers import DEFECTS, JUDGEMENTS, SEVERITIES
from synth_stack.runs.locks import GateLock

Settings: TypeAlias = dict[str, Any]

MAX_GUIDELINES_CHARS = 10_000
"""Of a dataset (Argilla 2.8, DATASET_GUIDELINES_MAX_LENGTH)."""
_MAX_DESCRIPTION_CHARS = 300

_TEMPLATE = (
    '<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(14rem,1fr));gap:1rem;'
    'font-family:sans-serif;font-size:14px;line-height:1.45;overflow-wrap:anywhere">'
    "{{#each record.fields.beside.columns}}"
    '<section style="border:1px solid #ddd;border-radius:6px;padding:.75rem;min-width:0">'
    '<b>{{title}}</b><div style="white-space:pre-wrap;margin-top:.5rem">{{text}}</div>'
    "</section>{{/each}}</div>"
)
"""Handlebars: two braces escape what is filled in."""

_TEXT = {"type": "text", "use_markdown": False}
_IMAGES: Mapping[str, str] = {"image": "Image", "condition": "What steered the image"}
"""Fields of a campaign whose rows have images, before all others: people look first."""
_FIELDS: Mapping[str, tuple[str, Settings]] = {
    "conversation": ("Conversation", {"type": "chat", "use_markdown": False}),
    "beside": ("Side by side", {"type": "custom", "template": _TEMPLATE, "advanced_mode": False}),
    "answer": ("Answer", _TEXT),
    "tools": ("Tools that could be called", _TEXT),
    "gates": ("What the gates said", _TEXT),
    "answers": ("What the reviewers said", _TEXT),
}
"""By name, in the order in which they are read; the conversation alone is in every record."""


def list_fields(*, adjudicates: bool, images: bool = False) -> list[Settings]:
    """The fields of a campaign, as the server takes them; the page leaves out those that a record has not.

    `images`: whether its rows have some.
    """
    shown = _IMAGES if images else {}
    return [
        {"name": name, "title": title, "required": False, "settings": {"type": "image"}}
        for name, title in shown.items()
    ] + [
        {"name": name, "title": title, "required": name == "conversation", "settings": settings}
        for name, (title, settings) in _FIELDS.items()
        if name != "answers" or adjudicates
    ]


def list_questions(defects: Mapping[str, str]) -> list[Settings]:
    """The questions: the decision has to be answered, all others may be."""
    kinds = {
        "release": "Release: it may ship",
        "reject": "Reject: it has a defect",
        "unsure": "I cannot tell",
    }
    return [
        _ask_label(
            "decision", "May this row ship?", {name: kinds[name] for name in JUDGEMENTS}, required=True
        ),
        _ask_label("defect", "If not: what is wrong with it?", defects),
        _ask_label("severity", "How bad is it?", {name: name.capitalize() for name in SEVERITIES}),
        _ask("span", "Where is it? Mark it in the answer.", _span_settings()),
        _ask("corrected", "What should the answer say? (all of it)", {"type": "text"}),
        _ask("note", "Anything to add?", {"type": "text"}),
    ]


def list_metadata(scores: Iterable[str]) -> list[Settings]:
    """What records can be filtered by: lot and slice; and, for owners alone, the score of each gate."""
    terms = [
        {
            "name": name,
            "title": name.capitalize(),
            "settings": {"type": "terms"},
            "visible_for_annotators": True,
        }
        for name in ("lot", "slice", "locale")
    ]
    return terms + [
        {
            "name": name_score(gate),
            "title": f"Score of {gate}",
            "settings": {"type": "float"},
            "visible_for_annotators": False,
        }
        for gate in scores
    ]


def name_score(gate: str) -> str:
    """The metadata property that holds a gate's score."""
    return f"score_{re.sub(r'[^A-Za-z0-9_-]', '_', gate)}"


def list_defects(gates: Sequence[GateLock]) -> dict[str, str]:
    """Kinds of defects by short code: those of every campaign, and one for each gate of the run."""
    named = {
        re.sub(r"[^a-z0-9_.-]", "-", gate.use.lower())[:64]: f"What {gate.use} looks for" for gate in gates
    }
    return {**{k: v for k, v in named.items() if k not in DEFECTS and k[:1].isalpha()}, **DEFECTS}


def write_guidelines(
    about: str | None,
    gates: Sequence[GateLock],
    topics: Sequence[Mapping[str, Any]],
    *,
    adjudicates: bool = False,
) -> str:
    """What reviewers are told, Markdown: how to decide, what the gates look for, what the slices are.

    `topics` are those of the run's taxonomy. What a file brings in is escaped; the whole has at most 10,000
    characters, and says so where slices are left out.
    """
    lines = ["# Review of synthetic rows", ""]
    lines += [f"The rows are meant as: {_escape(about)}.", ""] if about else []
    if adjudicates:
        lines += ["Reviewers disagree on these rows. Read what they said, and decide: your word counts.", ""]
    lines += [
        "Read the whole row. **Release** it where you would be content to train on it as it stands, "
        "**reject** it where it has a defect, and say what kind. **I cannot tell** is an answer too. Where "
        "only the answer is at fault, write what it should say: that becomes a new row, which goes through "
        "all checks again.",
        "",
        "Some rows are there to check the review itself: decide each as if it were the only one.",
        "",
        "## What is checked",
        "",
        *(f"- **{_escape(gate.use)}**{_explain(gate.why)}" for gate in gates),
        "",
    ]
    if topics:
        lines += ["## The slices", ""]
        for number, topic in enumerate(topics):
            told = _explain(topic.get("description") or None)
            line = f"- **{_escape(str(topic.get('slice')))}** ({_escape(str(topic.get('title')))}){told}"
            left_out = f"- and {len(topics) - number} more"
            if sum(map(len, lines)) + len(lines) + len(line) + len(left_out) + 2 > MAX_GUIDELINES_CHARS:
                lines.append(left_out)
                break
            lines.append(line)
    return "\n".join(lines)[:MAX_GUIDELINES_CHARS]


def _ask(name: str, title: str, settings: Settings, *, required: bool = False) -> Settings:
    return {"name": name, "title": title, "required": required, "settings": settings}


def _ask_label(name: str, title: str, options: Mapping[str, str], *, required: bool = False) -> Settings:
    settings = {
        "type": "label_selection",
        "options": [{"value": value, "text": text} for value, text in options.items()],
    }
    return _ask(name, title, settings, required=required)


def _span_settings() -> Settings:
    return {
        "type": "span",
        "field": "answer",
        "options": [{"value": "defect", "text": "Defect"}],
        "allow_overlapping": True,
    }


def _explain(why: str | None) -> str:
    return f": {_escape(why)}" if why else ""


def _escape(text: str) -> str:
    line = " ".join(text.split())[:_MAX_DESCRIPTION_CHARS]
    return re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", html.escape(line, quote=False))
