"""How far reviewers can be relied on: whether they agree, and what they do with rows whose truth is known."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synth_stack.stats.agreement import PairAgreement, compare_raters, krippendorff_alpha
from synth_stack.stats.prevalence import Detection

KNOWN = ("gold", "canary")
"""Purposes of rows whose truth is known."""


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    """One reviewer: how many answers count, on how many rows others judged too and with how many of those
    they `agreed` (with all of them), and what was done with gold rows and with canaries. `seconds` is the
    median time of an answer, where it was measured.
    """

    reviewer: str
    answers: int
    shared: int
    agreed: int
    gold: Detection
    canaries: Detection
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """All reviewers together: Krippendorff's `alpha` over the `shared` rows that two or more judged, on how
    many of them all said the same (`unanimous`), Cohen's kappa for each two, and what was done with rows of
    known truth. `passes` says whether lot decisions count: nothing was shared, or all agreed, or alpha
    reaches the `bar` while nobody is surely below it. `below` says who is, a sentence each: two people where
    the upper limit of their kappa is under the `bar`, a reviewer where that of the share of agreement is
    under the `reviewer_bar` with everybody (whoever read with one careless person agrees with others);
    ids are shortened to 12 characters. A few rows prove neither, so limits are compared and not the figures.
    """

    alpha: float | None
    bar: float
    reviewer_bar: float
    shared: int
    unanimous: int
    passes: bool
    below: tuple[str, ...]
    pairs: tuple[PairAgreement, ...]
    reviewers: tuple[ReviewerFigures, ...]
    gold: Detection
    canaries: Detection

    def describe(self) -> str:
        """Whether reviewers agree well enough, in one sentence."""
        if self.shared == 0:
            return "no row was judged by two people, so how far they agree is not known"
        if self.alpha is None:
            return f"all judgements on the {self.shared} rows that two people read are the same"
        side = "reaches" if self.alpha >= self.bar else "is below"
        alpha = (
            f"Krippendorff's alpha {self.alpha:.3f} on {self.shared} rows that two people read {side} "
            f"the bar of {self.bar:g}"
        )
        return "; ".join([alpha, *self.below])


def measure_reliability(
    sample: pa.Table, answers: pa.Table, *, bar: float, reviewer_bar: float
) -> Reliability:
    """The figures of reviewers over the answers that count; adjudicators' are left out.

    `bar` is what alpha has to reach, and kappa of no two people may surely miss; `reviewer_bar` the share of
    rows on which a reviewer has to say what another one says, whoever agrees with them most.

    `sample` (SAMPLE_SCHEMA) says which rows are of known truth. An `unsure` is a value like others for the
    agreement, and neither caught nor missed where the truth is known.
    """
    known = {
        row["row_id"]: (row["purpose"], row["truth"])
        for row in sample.select(["row_id", "purpose", "truth"]).to_pylist()
        if row["purpose"] in KNOWN
    }
    columns = ["row_id", "reviewer", "role", "judgement", "seconds"]
    given = [one for one in answers.select(columns).to_pylist() if one["role"] == "reviewer"]
    by_row: dict[str, dict[str, str]] = defaultdict(dict)
    by_reviewer: dict[str, dict[str, str]] = defaultdict(dict)
    for one in given:
        by_row[one["row_id"]][one["reviewer"]] = one["judgement"]
        by_reviewer[one["reviewer"]][one["row_id"]] = one["judgement"]
    shared = {row_id: said for row_id, said in by_row.items() if len(said) > 1}
    unanimous = sum(len(set(said.values())) == 1 for said in shared.values())
    alpha = krippendorff_alpha([list(said.values()) for said in shared.values()])
    pairs = compare_raters(by_reviewer)
    reviewers = tuple(
        _measure_one(reviewer, said, shared, known, [o for o in given if o["reviewer"] == reviewer])
        for reviewer, said in sorted(by_reviewer.items())
    )
    below = (*_list_pairs_below(pairs, bar), *_list_reviewers_below(pairs, reviewer_bar))
    return Reliability(
        alpha=alpha,
        bar=bar,
        reviewer_bar=reviewer_bar,
        shared=len(shared),
        unanimous=unanimous,
        passes=unanimous == len(shared) or (alpha is not None and alpha >= bar and not below),
        below=below,
        pairs=pairs,
        reviewers=reviewers,
        gold=_detect(given, known, "gold"),
        canaries=_detect(given, known, "canary"),
    )


def _list_pairs_below(pairs: Iterable[PairAgreement], bar: float) -> Iterator[str]:
    for pair in pairs:
        if pair.kappa is not None and pair.kappa_high is not None and pair.kappa_high < bar:
            yield (
                f"Cohen's kappa of {pair.first[:12]} and {pair.second[:12]} is {pair.kappa:.3f} on "
                f"{pair.units} rows, at most {pair.kappa_high:.3f}, below {bar:g}"
            )


def _list_reviewers_below(pairs: Iterable[PairAgreement], bar: float) -> Iterator[str]:
    highest: dict[str, float] = {}
    for pair in pairs:
        for reviewer in (pair.first, pair.second):
            highest[reviewer] = max(pair.agree_high, highest.get(reviewer, 0.0))
    for reviewer, high in sorted(highest.items()):
        if high < bar:
            yield f"{reviewer[:12]} agrees with nobody on more than {high:.0%} of rows, below {bar:.0%}"


def _measure_one(
    reviewer: str,
    said: Mapping[str, str],
    shared: Mapping[str, Mapping[str, str]],
    known: Mapping[str, tuple[str, str]],
    given: list[Mapping[str, Any]],
) -> ReviewerFigures:
    mine = [row_id for row_id in said if row_id in shared]
    times = sorted(one["seconds"] for one in given if one["seconds"] is not None)
    return ReviewerFigures(
        reviewer,
        answers=len(said),
        shared=len(mine),
        agreed=sum(len(set(shared[row_id].values())) == 1 for row_id in mine),
        gold=_detect(given, known, "gold"),
        canaries=_detect(given, known, "canary"),
        seconds=times[len(times) // 2] if times else None,
    )


def _detect(
    given: Iterable[Mapping[str, Any]], known: Mapping[str, tuple[str, str]], purpose: str
) -> Detection:
    """Every answer on a row of that purpose beside its truth."""
    counts = Counter(
        (known[one["row_id"]][1], one["judgement"])
        for one in given
        if known.get(one["row_id"], ("", ""))[0] == purpose and one["judgement"] != "unsure"
    )
    caught, missed = counts["reject", "reject"], counts["reject", "release"]
    spared, blamed = counts["release", "release"], counts["release", "reject"]
    return Detection(caught + missed, caught, spared + blamed, spared)
