"""A pack's part of the public summary of training content that the EU's AI Act asks of a model's provider.

Article 53(1)(d) of Regulation (EU) 2024/1689, and the template of the European Commission (explanatory notice
C(2025) 8311). Only the sections that a dataset can fill are here, under the template's numbers.
"""

from collections.abc import Sequence

from synth_stack.packs.card.markdown import bullets, code, prose, share, table
from synth_stack.packs.disclosure.facts import DisclosedModel, Disclosure, Origin
from synth_stack.packs.disclosure.sentences import describe_replacing

MAX_LINES = 30
_TITLE = "# Training content summary: this pack's part"
_INTRO = (
    "For whoever trains a general-purpose model on this pack: what it adds to the public summary of training "
    "content (Article 53(1)(d) of Regulation (EU) 2024/1689). The numbers of the sections are those of the "
    "Commission's template. Every figure follows from the signed lineage, and `synth-stack verify` writes "
    "this file again and compares it. It is no legal advice."
)


def render_training_summary(told: Disclosure) -> bytes:
    """The sections of the template that a pack can fill, as Markdown."""
    read = [origin for origin in told.origins if origin.holds_rows]
    drawn = [origin for origin in told.origins if not origin.holds_rows]
    sections = [
        _TITLE,
        _INTRO,
        f"Pack: {prose(told.title)}, root {code(told.root)}",
        *(["Packs in this mixture:", _render_origins(told.packs, "")] if told.packs else []),
        "## 1.3 Modality and size",
        _render_size(told),
        "## 2.1 and 2.2 Datasets of others",
        _render_datasets(read, told),
        "## 2.5 Synthetic data",
        _render_synthetic(told),
        *_render_models(told.models, told.data.rows),
        *_render_methods(told),
        "What prompts drew on:",
        _render_origins(drawn, "None that is recorded."),
        "## 3 Processing",
        _render_processing(told),
        "## What this pack cannot tell",
        _render_gaps(told),
    ]
    return ("\n\n".join(sections) + "\n").encode("utf-8")


def _render_size(told: Disclosure) -> str:
    data = told.data
    lines = [("text", f"{data.rows:,}", f"{data.characters:,}", f"{told.bytes:,}")]
    if data.illustrated:
        lines.append(("images", f"{data.illustrated:,}", "", ""))
    languages = f"Languages: {', '.join(map(code, told.languages))}." if told.languages else ""
    sizes = table(("Modality", "Rows #", "Characters #", "Bytes of files #"), lines)
    return f"{sizes}\n\n{languages}" if languages else sizes


def _render_datasets(read: Sequence[Origin], told: Disclosure) -> str:
    if not read:
        return "None: no row was read from a dataset of others."
    licenses = ", ".join(map(code, told.licenses)) or "not stated"
    lines = [(prose(origin.label), code(origin.sha256), licenses) for origin in read]
    return table(("Dataset", "SHA-256", "Licence"), lines)


def _render_synthetic(told: Disclosure) -> str:
    data = told.data
    unknown = data.rows - data.synthetic
    return table(
        ("Rows #", "Synthetic #", "Share #", "Not known #"),
        [(f"{data.rows:,}", f"{data.synthetic:,}", share(data.synthetic, data.rows), f"{unknown:,}")],
    )


def _render_models(models: Sequence[DisclosedModel], rows: int) -> list[str]:
    if not models:
        return ["Models that worked on these rows: none is recorded."]
    heads = ("Model", "As", "Digest", "Rows #", "Share #", "Licence", "Output allowed for", "Terms at")
    lines = [
        (
            code(model.name) if model.name else "not named",
            code(model.part),
            code(model.digest) if model.digest else "none",
            f"{model.rows:,}",
            share(model.rows, rows),
            code(model.terms.license) if model.terms else "not declared",
            code(model.terms.output) if model.terms else "not declared",
            code(model.terms.url) if model.terms and model.terms.url else "",
        )
        for model in models[:MAX_LINES]
    ]
    return [table(heads, lines), *_count_rest(len(models) - MAX_LINES, "model")]


def _render_methods(told: Disclosure) -> list[str]:
    methods = [method for method in told.data.methods if method.synthetic]
    if not methods:
        return []
    lines = [
        (code(method.name or ""), f"{method.rows:,}", share(method.rows, told.data.rows))
        for method in methods[:MAX_LINES]
    ]
    return [table(("Method", "Rows #", "Share #"), lines), *_count_rest(len(methods) - MAX_LINES, "method")]


def _count_rest(rest: int, what: str) -> list[str]:
    return [f"And {rest:,} further {what}{'' if rest == 1 else 's'}."] if rest > 0 else []


def _render_origins(origins: Sequence[Origin], none: str) -> str:
    if not origins:
        return none
    lines = [(prose(origin.label), origin.size, code(origin.sha256)) for origin in origins]
    return table(("What", "Holds", "SHA-256"), lines)


def _render_processing(told: Disclosure) -> str:
    lines = [
        (
            code(gate.gate) if gate.gate else "no gate named",
            f"{gate.looked_at:,}",
            f"{gate.rejected:,}",
            f"{gate.held:,}",
        )
        for gate in told.gates
    ]
    gates = table(("Gate", "Looked at #", "Rejected #", "Held #"), lines) if lines else "No gate judged them."
    altered = describe_replacing(told)
    return "\n\n".join([gates, *([bullets([prose(line) for line in altered])] if altered else [])])


def _render_gaps(told: Disclosure) -> str:
    lines = [
        "Whether a model above is on the market of the Union, and where its own summary is",
        "Whether what a model was trained on, or what prompts drew on, is protected by copyright, and "
        "whether rights were reserved",
        "When rows were made",
    ]
    lines += [f"Not stated by the publisher: {', '.join(told.not_stated)}"] if told.not_stated else []
    return bullets([*lines, *(prose(line) for line in told.unchecked_lines)])
