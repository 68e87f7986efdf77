"""What each gate of a batch costs, and what it takes away: rows, money, time, and calls of a model."""

from collections.abc import Mapping
from dataclasses import dataclass

from synth_stack.decisions.figures import Figures
from synth_stack.runs.gate_work import GateWork
from synth_stack.runs.self_tests import SelfTest


@dataclass(frozen=True, slots=True)
class GatePrice:
    """The price of one gate.

    `rejected` and `held` are the rows that it decided, `cost` what making them has cost at the batch's mean
    per row. `seconds` and `model_calls` are its own work, None where they were not kept. Of its self-test
    `caught` of `planted` canaries and `turned_away` of `innocent` controls.

    `rows_per_accepted` and `cost_per_accepted` are of the batch as it is, those `without` it if all rows that
    it decided were accepted. The gates after it have not seen those that it rejected, so without it they lie
    between the two; `replay --without` tells which rows would ship for certain. None where nothing is
    accepted, or a cost is not known.
    """

    gate: str
    rejected: int
    held: int
    cost: float | None
    seconds: float | None
    model_calls: int | None
    planted: int
    caught: int
    innocent: int
    turned_away: int
    rows_per_accepted: float | None
    rows_per_accepted_without: float | None
    cost_per_accepted: float | None
    cost_per_accepted_without: float | None


def price_gates(
    figures: Figures, work: Mapping[str, GateWork], cost: float | None = None
) -> tuple[GatePrice, ...]:
    """The price of each gate of a batch in the order of work; `cost` is what making all its rows has cost."""
    tests = {test.gate: test for test in figures.self_tests}
    prices = []
    for stage in figures.funnel:
        done, test = work.get(stage.gate), tests.get(stage.gate, SelfTest(stage.gate))
        away = stage.rejected + stage.held
        with_it, without = figures.accepted, figures.accepted + away
        prices.append(
            GatePrice(
                gate=stage.gate,
                rejected=stage.rejected,
                held=stage.held,
                cost=None if cost is None else _divide(cost * away, figures.rows),
                seconds=None if done is None else done.seconds,
                model_calls=None if done is None else done.model_calls,
                planted=test.planted,
                caught=test.caught,
                innocent=test.innocent,
                turned_away=test.turned_away,
                rows_per_accepted=_divide(figures.rows, with_it),
                rows_per_accepted_without=_divide(figures.rows, without),
                cost_per_accepted=_divide(cost, with_it),
                cost_per_accepted_without=_divide(cost, without),
            )
        )
    return tuple(prices)


def _divide(whole: float | None, parts: int) -> float | None:
    return None if whole is None or not parts else whole / parts
