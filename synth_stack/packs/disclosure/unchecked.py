"""What no gate looked for, as far as the gates tell it: nobody writes these sentences."""

from collections.abc import Iterator, Sequence

from synth_stack.packs.counts import Counts
from synth_stack.registry import PARTS
from synth_stack.runs.locks import GateLock


def list_unchecked(gates: Sequence[GateLock], counts: Counts) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Sentences, each with the names that it ends with."""
    yield "Whatever these gates do not look for", tuple(gate.use for gate in gates) or ("none",)
    unread = tuple(part for part in PARTS if not any(part in gate.reads for gate in gates))
    if unread:
        yield "Texts that no gate read, where a row has them", unread
    for gate in counts.gates:
        if gate.abstained:
            rows = f"{gate.abstained:,} row{'' if gate.abstained == 1 else 's'}"
            yield f"{rows} on which a gate could not say anything", (gate.gate,)
    tested = {test.gate for test in counts.measures.self_tests}
    untested = tuple(gate.use for gate in gates if gate.use not in tested)
    if untested:
        yield "What these gates miss, since nothing was planted for them", untested
    for test in counts.measures.self_tests:
        if test.off:
            yield f"Checks of {test.gate} that are switched off", tuple(test.off)
