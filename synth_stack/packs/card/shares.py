"""Licence, terms and synthetic share of the rows in data/, as tables of the dataset card."""

from collections.abc import Iterable, Sequence

from synth_stack.packs.card.markdown import code, share, table
from synth_stack.packs.data_figures import ShareCount
from synth_stack.packs.disclosure.facts import DisclosedModel, Disclosure

MAX_LINES = 30


def render_shares(told: Disclosure) -> list[str]:
    """The tables, over the rows that are in data/."""
    data = told.data
    licence = " ".join(map(code, told.licenses)) or "not stated"
    whole = ShareCount(None, data.rows, data.synthetic)
    heads = ("Licence", "Rows #", "Synthetic #", "Synthetic share #", "Not known #", "Rest on documents #")
    total = (licence, *_count(whole), f"{data.rows - data.synthetic:,}", f"{data.grounded:,}")
    return [
        table(heads, [total]),
        *_render_terms(data.output_terms, data.rows),
        *_render_models(told.models, data.rows),
        *_render_slices(data.slices),
    ]


def _count(group: ShareCount) -> tuple[str, str, str]:
    return f"{group.rows:,}", f"{group.synthetic:,}", share(group.synthetic, group.rows)


def _render_terms(terms: Sequence[ShareCount], rows: int) -> list[str]:
    """Of how many rows the strictest terms are which."""
    lines = [
        (code(group.name) if group.name else "no model known", f"{group.rows:,}", share(group.rows, rows))
        for group in terms
    ]
    return [table(("Output allowed for", "Rows #", "Share of rows #"), lines)] if lines else []


def _render_models(models: Sequence[DisclosedModel], rows: int) -> list[str]:
    if not models:
        return []
    heads = ("Model", "As", "Rows #", "Share of rows #", "Licence", "Output allowed for", "Terms at")
    lines = [
        (
            code(model.name or model.digest or ""),
            code(model.part),
            f"{model.rows:,}",
            share(model.rows, rows),
            code(model.terms.license) if model.terms else "not declared",
            code(model.terms.output) if model.terms else "not declared",
            code(model.terms.url) if model.terms and model.terms.url else "",
        )
        for model in models[:MAX_LINES]
    ]
    rest = models[MAX_LINES:]
    if rest:
        count = f"{sum(model.rows for model in rest):,}"
        lines.append((f"{len(rest):,} rarer", "", count, "", "", "", ""))
    return [table(heads, lines)]


def _render_slices(slices: Sequence[ShareCount]) -> list[str]:
    lines = [
        (code(group.name) if group.name else "none given", *_count(group)) for group in slices[:MAX_LINES]
    ]
    rest = slices[MAX_LINES:]
    if rest:
        lines.append((f"{len(rest):,} smaller slices", *_count(_sum_up(rest))))
    return [table(("Slice", "Rows #", "Synthetic #", "Synthetic share #"), lines)] if lines else []


def _sum_up(groups: Iterable[ShareCount]) -> ShareCount:
    groups = [*groups]
    rows, synthetic = sum(g.rows for g in groups), sum(g.synthetic for g in groups)
    return ShareCount(None, rows, synthetic)
