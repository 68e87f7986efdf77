"""The section of the report on what people made of a batch: lots, what ships, and how far reviewers agree."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from synth_stack.errors import replace_unprintable

MAX_SLICES = 50
"""Lines of the table; smaller slices stand in review/outcome.json."""

_HEADS = ("slice", "ships", "read", "drawn to measure", "defects", "estimate", "95% upper bound")


def render_review(outcome: Mapping[str, Any] | None, accepted: int) -> str:
    """The section as HTML, "" without an outcome (review/outcome.py); `accepted` rows are in the batch now.

    It is drawn here and not by the page's script, so that it stands without it. Every text is escaped.
    """
    if outcome is None:
        return ""
    outgoing = outcome["outgoing"]
    stale = bool(outgoing) and outgoing[0]["rows"] != accepted
    parts = [_describe(outcome)]
    if stale:
        parts.append(_note("The batch was judged again since; put the answers into effect once more."))
    elif outgoing and outgoing[0]["high"] is not None:
        parts.append(_draw_table(outgoing))
    else:
        parts.append(_note("The share of defects in what ships was not measured."))
    return f'<section id="review"><h2>Human review</h2>{"".join(parts)}</section>'


def _describe(outcome: Mapping[str, Any]) -> str:
    lots: dict[str, int] = {}
    for lot in outcome["lots"]:
        lots[lot["status"]] = lots.get(lot["status"], 0) + 1
    counted = ", ".join(f"{n:,} {status}" for status, n in sorted(lots.items()))
    reliability = outcome["reliability"]
    alpha = reliability["alpha"]
    agreement = "not known" if alpha is None else f"{alpha:.3f} (bar {reliability['bar']:g})"
    kappas = [pair["kappa"] for pair in reliability["pairs"] if pair["kappa"] is not None]
    facts = {
        "rows settled": f"{outcome['settled']:,} of {outcome['planned']:,}",
        "disputed": f"{outcome['disputed']:,}",
        "reviewers": f"{len(reliability['reviewers']):,}",
        "Krippendorff's alpha": agreement,
        "Cohen's kappa of two": f"{min(kappas):.3f} to {max(kappas):.3f}" if kappas else "not known",
        "lots": counted or "none",
    }
    drawn = "".join(f"<div><dt>{_escape(k)}</dt><dd>{_escape(v)}</dd></div>" for k, v in facts.items())
    below = "".join(_note(f"{one}, so no lot is decided.") for one in reliability["below"])
    return f'<dl class="facts">{drawn}</dl>{below}'


def _draw_table(outgoing: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    shown = outgoing[: MAX_SLICES + 1]
    body = "".join(_draw_row("all" if n == 0 else one["slice"] or "none", one) for n, one in enumerate(shown))
    rest = len(outgoing) - len(shown)
    more = _note(f"And {rest:,} smaller slices.") if rest else ""
    note = _note(
        "Defects in what ships, from rows that were drawn for that and decided nothing. Rows that a person "
        "read and released count as good, unless gold rows show what reviewers miss."
    )
    table = f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'{note}<div class="scroll" tabindex="0" role="region" aria-label="lots">{table}</div>{more}'


def _draw_row(name: str, one: Mapping[str, Any]) -> str:
    counts = [f"{one[key]:,}" for key in ("rows", "read", "sampled", "defects")]
    shares = ["–" if one[key] is None else f"{one[key]:.2%}" for key in ("share", "high")]
    cells = "".join(f"<td>{cell}</td>" for cell in (*counts, *shares))
    return f'<tr><th scope="row">{_escape(name)}</th>{cells}</tr>'


def _note(text: str) -> str:
    return f'<p class="note">{_escape(text)}</p>'


def _escape(text: str) -> str:
    return html.escape(replace_unprintable(text))
