"""Sampling plans with many looks: Wald's sequential probability ratio test, cut off, with exact risks.

A clean lot passes, and a bad one fails, before all of a single sample is read. The boundaries are those of
Wald (1947, "Sequential Analysis", section 5.3; ISO 2859-5 and ISO 8422 use the same), looked at every
LOOK_ROWS rows and cut off at a last look. Wald's own risks are approximations, so the plan is computed for a
large lot by following the number of defects from look to look, and the boundaries are moved apart until both
risks are kept.
"""

from collections.abc import Sequence
from math import ceil, floor, log

import numpy as np

from synth_stack.stats.acceptance import Look, Reals, Risks, SamplingPlan, find_single

LOOK_ROWS = 10
"""Rows between two looks at least: as many as somebody reads in seven minutes."""
MAX_LOOKS = 12
"""Looks at most, beside those at which a lot may first pass: each further one saves less than a row, and the
exact risks of a lot take longer to follow."""
CUT_OFF = (1.0, 1.25, 1.5)
"""Last looks that are tried, in rows of the single plan: ISO 8422 cuts off at 1.5."""
WIDTHS = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2)
"""Parts of the asked risks that Wald's boundaries are drawn for, from the narrowest on."""
LARGE = 10_000_000
"""A lot beside which no sample counts: its plan keeps the risks of smaller ones too."""


def find_sequential(risks: Risks) -> SamplingPlan:
    """The plan of many looks that keeps both risks in a large lot with the fewest reviews at the AQL.

    It reads at most 1.5 times as many rows as the single plan. Without an AQL above 0 no early pass is
    possible, and the single plan comes back, which fails at its last defect as early.
    """
    [single_plan] = find_single([LARGE], risks)
    best, least = single_plan, _expect(single_plan, risks)
    if risks.aql == 0:
        return single_plan
    for width in WIDTHS:
        for cut_off in CUT_OFF:
            for more in range(4):
                plan = _draw_plan(risks, width, ceil(single_plan.n * cut_off), single_plan.c + more)
                if plan is not None and keeps(plan, risks) and _expect(plan, risks) < least:
                    best, least = plan, _expect(plan, risks)
    return best


def keeps(plan: SamplingPlan, risks: Risks) -> bool:
    """Whether a plan keeps both risks in a large lot."""
    passes, _ = follow_draws(plan, [risks.aql, risks.ltpd])
    return bool(1 - passes[0] <= risks.alpha and passes[1] <= risks.beta)


def follow_draws(plan: SamplingPlan, shares: Sequence[float]) -> tuple[Reals, Reals]:
    """The probability of passing and the average rows read of a large lot at each share of defects, (k,)
    both.
    """
    from scipy.stats import binom

    most = max(look.reject for look in plan.looks)
    chance = np.zeros((len(shares), most))
    chance[:, 0] = 1.0
    passed, read, before = np.zeros(len(shares)), np.zeros(len(shares)), 0
    for look in plan.looks:
        more = look.n - before
        read += chance.sum(axis=1) * more
        step = binom.pmf(np.arange(most)[None, :], more, np.array(shares)[:, None])
        chance = np.stack([np.convolve(a, b)[:most] for a, b in zip(chance, step, strict=True)])
        passed += chance[:, : look.accept + 1].sum(axis=1)
        chance[:, : look.accept + 1] = 0.0
        chance[:, look.reject :] = 0.0
        before = look.n
    return passed, read


def _expect(plan: SamplingPlan, risks: Risks) -> float:
    return float(follow_draws(plan, [risks.aql])[1][0])


def _draw_plan(risks: Risks, width: float, n: int, c: int) -> SamplingPlan | None:
    """Wald's boundaries for a part of the risks, cut off at `n` rows with at most `c` defects."""
    alpha, beta = risks.alpha * width, risks.beta * width
    ratio = log(risks.ltpd * (1 - risks.aql) / (risks.aql * (1 - risks.ltpd))) if risks.ltpd < 1 else 0.0
    if ratio <= 0:
        return None
    slope = log((1 - risks.aql) / (1 - risks.ltpd)) / ratio
    low, high = log((1 - alpha) / beta) / ratio, log((1 - beta) / alpha) / ratio
    looks = []
    step = LOOK_ROWS * ceil(n / MAX_LOOKS / LOOK_ROWS)
    clear = {ceil((low + defects) / slope) for defects in range(c + 1)}  # the first row of each early pass
    for rows in sorted({*range(step, n, step), *(row for row in clear if row < n)}):
        accept = min(max(floor(slope * rows - low), -1), c)
        reject = min(ceil(slope * rows + high), c + 1)
        looks.append(Look(rows, accept, max(reject, accept + 1)))
        if accept + 1 == looks[-1].reject:
            return None  # the boundaries meet before the last look
    return SamplingPlan((*looks, Look(n, c, c + 1)))
