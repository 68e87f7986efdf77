"""What several documents say in the same words, as plain text."""

from synth_stack.packs.disclosure.facts import DisclosedModel, Disclosure


def count_rows(n: int) -> str:
    """So many rows: "1 row", "1,204 rows"."""
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def name_model(model: DisclosedModel) -> str:
    """The name of a model, or its digest where it has none."""
    return model.name or model.digest or "a model without a name"


def describe_making(told: Disclosure) -> str:
    """How the rows came about: how many are synthetic, and by which models and methods."""
    data = told.data
    rest = data.rows - data.synthetic
    said = [f"{data.synthetic:,} of {count_rows(data.rows)} are synthetic."] if data.rows else ["No rows."]
    writers = [f"{name_model(m)} ({m.part}, {count_rows(m.rows)})" for m in told.models if m.writes]
    if writers:
        said.append(f"Models that wrote: {', '.join(writers)}.")
    methods = [f"{method.name} ({count_rows(method.rows)})" for method in data.methods if method.synthetic]
    if methods:
        said.append(f"Methods: {', '.join(methods)}.")
    if rest:
        said.append(f"How the other {count_rows(rest)} came about, lineage does not tell.")
    return " ".join(said)


def describe_raw_data(told: Disclosure) -> str:
    """What the rows were drawn or read from, with digests."""
    origins = [
        f"{origin.label}{f' of {origin.size}' if origin.size else ''} (SHA-256 {origin.sha256})"
        for origin in told.origins
    ]
    said = f"{'; '.join(origins)}." if origins else "No source is recorded."
    grounded = told.data.grounded
    return f"{said} {count_rows(grounded)} hold documents that they rest on." if grounded else said


def describe_gates(told: Disclosure) -> list[str]:
    """What each gate did with the rows, in the order of work."""
    lines = [f"{count_rows(told.rows_judged)} were judged by the gates in gates.yaml, in this order."]
    return lines + [
        f"{gate.gate or 'no gate named'}: looked at {gate.looked_at:,}, rejected {gate.rejected:,}, "
        f"held {gate.held:,}"
        for gate in told.gates
    ]


def describe_replacing(told: Disclosure) -> list[str]:
    """How rows were altered or taken out after they were made; nothing where none was."""
    said = []
    if told.replaced:
        said.append(
            f"{count_rows(told.replaced)} stand for others that were rejected: redacted, corrected or "
            "rewritten copies."
        )
    if told.withdrawn:
        said.append(f"{count_rows(told.withdrawn)} that were accepted once are withdrawn.")
    return said
