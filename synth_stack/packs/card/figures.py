"""The figures of the dataset card: one block of Markdown, the same for the same counts.

`verify` renders the block again from the rows and records and looks for it in the card. A change to what
is written here needs a new PACK_SCHEME.
"""

from collections.abc import Iterator, Mapping, Sequence

from synth_stack.packs import layout
from synth_stack.packs.card.markdown import code, prose, table
from synth_stack.packs.card.review import render_review
from synth_stack.packs.counts import Counts, GateCount, GroupCount, ReasonCount
from synth_stack.runs.locks import GateLock
from synth_stack.runs.self_tests import SelfTest
from synth_stack.stats.intervals import wilson

OPEN = "<!-- synth_stack:figures -->"
CLOSE = "<!-- /synth_stack:figures -->"

MAX_LINES = 30
"""Lines of one table; what is rarer stands together on a last line."""


def render_figures(counts: Counts, gates: Sequence[GateLock]) -> str:
    """The block, markers included. `gates` say why they stand in the gate file, and against what."""
    parts = [
        "### Funnel",
        _render_funnel(counts, {gate.use: gate.why for gate in gates}),
        "Rows, not verdicts. An abstention means that the gate could not judge the row; it decides nothing.",
        "### Self-tests",
        *_render_self_tests(counts.measures.self_tests),
        "### Reasons",
        _render_reasons(counts.reasons),
        *_render_eval_sets(counts, gates),
        *_render_gate_counts(counts, gates),
        *_render_splits(counts),
        *render_review(counts.review),
        "### Composition",
        _render_groups(counts),
        _describe_lengths(counts),
        _describe_expansion(counts),
    ]
    return "\n\n".join([OPEN, *(part for part in parts if part), CLOSE])


def format_share(part: int, whole: int) -> str:
    """`part` of `whole` in percent with one decimal, or a dash where there is no whole."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def format_count(n: int, one: str, many: str | None = None) -> str:
    """`n` with its noun: "1 row", "1,204 rows"; `many` is a plural that is more than an "s"."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {many or f'{one}s'}"


def _render_funnel(counts: Counts, whys: Mapping[str, str | None]) -> str:
    header = ("Stage", "Threshold #", "Looked at #", "Abstained #", "Rejected #", "Held #", "Left #", "Why")
    lines: list[tuple[str, ...]] = [("generated", "", "", "", "", "", f"{counts.generated:,}", "")]
    if counts.replacements:
        name = format_count(counts.replacements, "replacement")
        why = "beside the rows that they stand for, which are rejected"
        lines.append((name, "", "", "", "", "", f"{counts.rows:,}", why))
    lines += [_render_stage(gate, whys.get(gate.gate)) for gate in counts.gates]
    lines += [("**accepted**", "", "", "", "", "", f"**{counts.accepted:,}**", "")]
    return table(header, lines)


def _render_stage(gate: GateCount, why: str | None) -> tuple[str, ...]:
    shown = [*gate.thresholds[:3], *(["…"] if len(gate.thresholds) > 3 else [])]
    numbers = (gate.looked_at, gate.abstained, gate.rejected, gate.held, gate.left)
    return (
        code(gate.gate) if gate.gate else "no gate named",
        ", ".join(shown),
        *(f"{number:,}" for number in numbers),
        prose(why) if why else "",
    )


def _render_reasons(reasons: Sequence[ReasonCount]) -> str:
    if not reasons:
        return "No row was turned away."
    lines = [
        (code(r.gate) if r.gate else "no gate named", r.decision, _name(r.reason_class), f"{r.rows:,}")
        for r in reasons[:MAX_LINES]
    ]
    rest = reasons[MAX_LINES:]
    if rest:
        kinds = format_count(len(rest), "rarer reason")
        lines.append((kinds, "", "", f"{sum(reason.rows for reason in rest):,}"))
    return table(("Gate", "Decision", "Reason", "Rows #"), lines)


def _render_self_tests(tests: Sequence[SelfTest]) -> list[str]:
    """What each gate caught of its canaries and turned away of its controls, as a whole and by kind."""
    if not tests:
        return ["No rows were planted, so what each gate misses is not known."]
    lines = [
        (
            code(test.gate),
            *_format_share(test.caught, test.planted),
            *_format_share(test.turned_away, test.innocent),
            ", ".join(code(kind) for kind in test.off),
        )
        for test in tests
    ]
    heads = ("Gate", "Canaries caught #", "95% interval #", "Controls turned away #", "95% interval #", "Off")
    kinds = [
        (code(test.gate), sort, code(kind), *_format_share(away, planted), bar)
        for test in tests
        for sort, kind, away, planted, bar in _list_kinds(test)
    ]
    rest = len(kinds) - MAX_LINES
    kind_heads = ("Gate", "Sort", "Kind", "Turned away #", "95% interval #", "Bar #")
    return [
        table(heads, lines),
        "Canaries are known bad rows that each gate planted for itself, controls innocent ones that it has "
        "to let be; none is in this dataset. They show that each check works on this batch and are no recall "
        "in the wild. A gate on the wrong side of a kind's bar fails the batch: no pack is made of it.",
        *([table(kind_heads, kinds[:MAX_LINES])] if kinds else []),
        *([f"And {format_count(rest, 'further kind')}, in `{layout.MEASURES}`."] if rest > 0 else []),
    ]


def _list_kinds(test: SelfTest) -> Iterator[tuple[str, str, int, int, str]]:
    for kind in test.canaries:
        yield "canary", kind.kind, kind.caught, kind.planted, f"at least {kind.bar:g}"
    for control in test.controls:
        yield "control", control.kind, control.turned_away, control.planted, f"at most {control.bar:g}"


def _format_share(count: int, whole: int) -> tuple[str, str]:
    if not whole:
        return "–", "–"
    low, high = wilson(count, whole)
    return f"{count:,} of {whole:,}", f"{low:.3f} to {high:.3f}"


def _render_eval_sets(counts: Counts, gates: Sequence[GateLock]) -> list[str]:
    """What each eval set cost: the rows that were turned away because they come too near to its items."""
    lines = [
        (
            code(gate.use),
            code(eval_set.name),
            code(eval_set.version) if eval_set.version else "",
            code(eval_set.sha256),
            f"{eval_set.items:,}",
            *_render_cost(counts, gate.use, eval_set.name),
        )
        for gate in gates
        for eval_set in gate.eval_sets
    ]
    header = ("Gate", "Eval set", "Version", "SHA-256", "Items #", "Rows that it cost #", "How")
    return ["### Eval sets", table(header, lines)] if lines else []


def _render_gate_counts(counts: Counts, gates: Sequence[GateLock]) -> list[str]:
    """What the evidence of the gates adds up to, under the names that they give it."""
    lines = [
        (code(gate.use), code(name), f"{n:,}")
        for gate in gates
        for name, n in sorted(counts.measures.counts.get(gate.use, {}).items())
    ]
    return ["### What each gate counted", table(("Gate", "What", "Number #"), lines)] if lines else []


def _render_cost(counts: Counts, gate: str, eval_set: str) -> tuple[str, str]:
    """The rows that were turned away for an item of the set, and by which reasons, the commonest first."""
    ways = {how: n for (use, name, how), n in counts.eval_sets.items() if (use, name) == (gate, eval_set)}
    ranked = sorted(ways.items(), key=lambda way: (-way[1], way[0]))
    return f"{sum(ways.values()):,}", ", ".join(f"{_name(how)} {n:,}" for how, n in ranked)


def _render_splits(counts: Counts) -> list[str]:
    """Where the accepted rows stand and what the adversarial ones are, where there are any."""
    if not counts.adversarial:
        return []
    splits = [
        (code(split.name), f"{split.rows:,}", format_share(split.rows, counts.accepted))
        for split in counts.splits
    ]
    lines = [
        (_name(label.strategy), _name(label.expected_behaviour), f"{label.rows:,}")
        for label in counts.labels[:MAX_LINES]
    ]
    if rest := counts.labels[MAX_LINES:]:
        kinds = format_count(len(rest), "rarer combination")
        lines.append((kinds, "", f"{sum(label.rows for label in rest):,}"))
    return [
        "### Splits",
        table(("Split", "Rows #", "Share of accepted #"), splits),
        table(("Strategy", "Expected behaviour", "Adversarial rows #"), lines),
    ]


def _name(value: str | None) -> str:
    return code(value) if value else "none given"


def _render_groups(counts: Counts) -> str:
    lines: list[tuple[str, ...]] = []
    columns = (("topic", counts.slices), ("locale", counts.locales), ("method", counts.methods))
    for column, groups in columns:
        lines += [_render_group(column, group, counts.accepted) for group in _fold(groups, column)]
    return table(("Column", "Value", "Generated #", "Accepted #", "Share of accepted #"), lines)


def _fold(groups: Sequence[GroupCount], column: str) -> list[tuple[str, GroupCount]]:
    shown = [(_name(g.name), g) for g in groups[:MAX_LINES]]
    rest = groups[MAX_LINES:]
    if rest:
        generated, accepted = sum(g.generated for g in rest), sum(g.accepted for g in rest)
        shown.append((format_count(len(rest), f"smaller {column}"), GroupCount(None, generated, accepted)))
    return shown


def _render_group(column: str, named: tuple[str, GroupCount], accepted: int) -> tuple[str, ...]:
    name, group = named
    share = format_share(group.accepted, accepted)
    return column, name, f"{group.generated:,}", f"{group.accepted:,}", share


def _describe_lengths(counts: Counts) -> str:
    lengths = counts.lengths
    if lengths is None:
        return ""
    return (
        f"Characters in the text of an accepted row: shortest {lengths.shortest:,}, "
        f"median {lengths.median:,}, 95th percentile {lengths.p95:,}, longest {lengths.longest:,}."
    )


def _describe_expansion(counts: Counts) -> str:
    if not counts.seeds:
        return ""
    return (
        f"Expansion: {format_count(counts.seeds, 'seed')} drawn on, "
        f"{counts.generated / counts.seeds:.2f} generated and {counts.accepted / counts.seeds:.2f} accepted "
        f"rows a seed; {format_count(counts.max_accepted_per_seed, 'accepted row')} from the seed "
        "with the most."
    )
