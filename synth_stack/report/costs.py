"""What the rows of a batch took: tokens by the part of the work, and rows made for each accepted one.

Time and money are not on the page: the same run takes another time, and the page has the same bytes.
`run` prints them.
"""

from pathlib import Path
from typing import Any

from synth_stack.decisions.figures import Figures
from synth_stack.decisions.prices import price_gates
from synth_stack.runs.spending import count_by_part


def tell_costs(folder: Path, figures: Figures) -> dict[str, Any]:
    """`tokens` by part (in, out, cached of those in); of each gate the rows that it took, and rows made for
    each accepted one with and without it.
    """
    spent = {part: list(tokens) for part, tokens in sorted(count_by_part(folder).items()) if any(tokens)}
    gates = [
        {
            "gate": price.gate,
            "away": price.rejected + price.held,
            "with": price.rows_per_accepted,
            "without": price.rows_per_accepted_without,
        }
        for price in price_gates(figures, {})
    ]
    return {"accepted": figures.accepted, "tokens": spent, "gates": gates}
