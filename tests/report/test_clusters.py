"""Clusters as the evidence of verdicts tells them; what is no such evidence is no cluster."""

import pyarrow as pa
import pytest

from synth_stack.report.clusters import SHOWN, list_clusters
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA

IDS = [f"{number:032x}" for number in range(40)]


def judge(*told: tuple[str, object]) -> dict[str, list[pa.Table]]:
    """The verdicts of one gate: the outcome of each row, and its evidence."""
    rows = [
        {"row_id": IDS[number], "gate": "spread", "outcome": outcome, "reason_class": "spread.same"}
        | {"scope": "row", "evidence": evidence if isinstance(evidence, str) else canonical_text(evidence)}
        for number, (outcome, evidence) in enumerate(told)
    ]
    tables = [pa.Table.from_pylist([row], schema=VERDICT_SCHEMA) for row in rows]
    return {"spread": tables}


def say(*texts: str | None) -> list[pa.Table]:
    return [
        pa.table({"row_id": pa.array([IDS[n]]), "text": pa.array([text], pa.string())})
        for n, text in enumerate(texts)
    ]


def test_a_cluster_is_its_centre_its_share_and_the_rows_turned_away() -> None:
    small = {"cluster": {"centre": IDS[0], "share": 0.1, "share_low": 0.05, "share_high": 0.2}}
    large = {"cluster": {"centre": IDS[1], "share": 0.4}}
    verdicts = judge(("reject", small), ("accept", small), ("hold", large), ("reject", large))
    found = list_clusters(verdicts, say("where is my parcel?", "x" * 1000, "other"))
    assert [(c["centre"], c["rows"], c["share"], c["low"], c["high"]) for c in found] == [
        (IDS[1], 2, 0.4, None, None),
        (IDS[0], 1, 0.1, 0.05, 0.2),
    ]
    assert (found[0]["gate"], found[0]["reason_class"], len(found[0]["text"])) == (
        "spread",
        "spread.same",
        300,
    )


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"cluster": 3, "centre": "x"},
        {"cluster": {"centre": None, "share": 0.5}},
        {"cluster": {"centre": IDS[0], "share": "much"}},
        {"cluster": {"centre": IDS[0], "share": 7}},
        {"cluster": {"centre": "of no row", "share": 0.5}},
    ],
)
def test_what_names_no_row_and_no_share_is_no_cluster(evidence: object) -> None:
    assert list_clusters(judge(("reject", evidence)), say("text")) == []


def test_only_the_largest_are_shown() -> None:
    told = [("reject", {"cluster": {"centre": IDS[n], "share": n / 100}}) for n in range(len(IDS))]
    found = list_clusters(judge(*told), say(*["text"] * len(IDS)))
    assert len(found) == SHOWN
    assert found[0]["share"] == max(n / 100 for n in range(len(IDS)))
    assert list_clusters({}, []) == []
