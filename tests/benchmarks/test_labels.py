"""Labels: read strictly, drawn the same way, and weighed against the one who did not label."""

import json
from pathlib import Path
from typing import Any

import pytest
from labels import (
    MISSED,
    Claim,
    Label,
    LabelError,
    Labels,
    agree,
    describe_agreement,
    draw,
    read_labels,
    weigh,
    write_labels,
)

LINE = {
    "digest": "a" * 24,
    "corpus": "dolly",
    "gate": "dedup",
    "reason_class": "dedup.near_duplicate",
    "outcome": "reject",
    "verdict": "wrong",
    "why": "another question",
    "labeller": "first",
    "gates": "0" * 12,
}


def write_lines(folder: Path, *lines: dict[str, Any]) -> Path:
    (folder / "dedup.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return folder


def make_label(number: int, verdict: str, labeller: str = "first") -> Label:
    claim = Claim(f"{number:024x}", "dedup", "dedup.near_duplicate")
    return Label(claim, "dolly", "reject", verdict, "why", labeller, "0" * 12)


def collect(*labels: Label) -> Labels:
    first, second = (
        {label.claim: label for label in labels if label.labeller == labeller}
        for labeller in ("first", "second")
    )
    return Labels(first, second)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "maybe"}, "maybe"),
        ({"labeller": "third"}, "third"),
        ({"verdict": 1}, "texts"),
        ({"text": "the row"}, "text"),
    ],
)
def test_a_line_that_is_no_label_is_named_with_its_place(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(LabelError, match=rf"dedup.jsonl, line 2: .*{said}"):
        read_labels(write_lines(tmp_path, LINE, {**LINE, **change}))


def test_a_line_that_lacks_a_key_or_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="missing or unknown: why"):
        read_labels(write_lines(tmp_path, {key: value for key, value in LINE.items() if key != "why"}))
    (tmp_path / "dedup.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(LabelError, match="line 1: not JSON"):
        read_labels(tmp_path)


def test_one_reader_cannot_say_two_things_of_a_claim(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="line 2: the claim has another label"):
        read_labels(write_lines(tmp_path, LINE, {**LINE, "verdict": "right"}))


def test_a_claim_about_another_text_is_another_claim(tmp_path: Path) -> None:
    labels = read_labels(write_lines(tmp_path, LINE, {**LINE, "against": "b" * 24, "verdict": "right"}))
    assert labels.find(Claim("a" * 24, "dedup", "dedup.near_duplicate")) == "wrong"
    assert labels.find(Claim("a" * 24, "dedup", "dedup.near_duplicate", "b" * 24)) == "right"
    assert labels.find(Claim("a" * 24, "dedup", "dedup.near_duplicate", "c" * 24)) is None


def test_labels_are_written_by_gate_and_a_later_one_replaces_an_earlier(tmp_path: Path) -> None:
    write_labels([make_label(1, "wrong"), make_label(2, "right")], tmp_path)
    write_labels([make_label(1, "arguable"), make_label(1, "right", "second")], tmp_path)
    labels = read_labels(tmp_path)
    assert [label.verdict for label in labels.first.values()] == ["arguable", "right"]
    assert [label.verdict for label in labels.second.values()] == ["right"]


def test_a_claim_without_a_label_counts_as_wrong_and_an_arguable_one_does_not() -> None:
    claims = [make_label(n, "wrong").claim for n in range(4)]
    labels = collect(make_label(0, "right"), make_label(1, "wrong"), make_label(2, "arguable"))
    assert list(weigh(claims, labels).items()) == [
        (claim, {0: 0.0, 1: 1.0, 2: 0.0, 3: 1.0}[int(claim.digest, 16)]) for claim in draw(claims)
    ]


def test_of_many_claims_a_sample_speaks_for_the_rest() -> None:
    claims = [make_label(n, "wrong").claim for n in range(400)]
    sample = draw(claims)
    labels = collect(
        *(
            make_label(int(claim.digest, 16), "wrong" if n % 4 == 0 else "right")
            for n, claim in enumerate(sample)
        )
    )
    weights = weigh(claims, labels)
    assert len(sample) < len(claims)
    assert sum(weights.values()) == pytest.approx(len(claims) / 4)


def test_the_sample_stays_when_other_claims_come() -> None:
    claims = [make_label(n, "wrong").claim for n in range(50)]
    assert set(draw(claims, 5)) == set(draw(claims[::-1], 5))
    more = [make_label(n, "wrong").claim for n in range(60)]
    assert set(draw(more, 5)) & set(claims) <= set(draw(claims, 5))


def test_agreement_is_that_of_cohen() -> None:
    """Cohen's kappa for 20 both yes, 15 both no, 5 and 10 apart: observed .7, by chance .5, so .4."""
    pairs = [("right", "right")] * 20 + [("wrong", "wrong")] * 15
    pairs += [("right", "wrong")] * 5 + [("wrong", "right")] * 10
    labels = collect(
        *(make_label(n, a) for n, (a, _) in enumerate(pairs)),
        *(make_label(n, b, "second") for n, (_, b) in enumerate(pairs)),
    )
    n, same, kappa = agree(labels)
    assert (n, same) == (50, 0.7)
    assert kappa == pytest.approx(0.4)
    assert agree(collect()) == (0, 0.0, 0.0)


def test_agreement_is_said_with_and_without_what_is_arguable() -> None:
    firsts, seconds = ["right", "wrong", "right", "arguable"], ["right", "wrong", "arguable", "wrong"]
    labels = collect(
        *(make_label(n, verdict) for n, verdict in enumerate(firsts)),
        *(make_label(n, verdict, "second") for n, verdict in enumerate(seconds)),
    )
    told = describe_agreement(labels)
    assert told.startswith("4 labels; 4 read twice: 0.50 alike")
    assert told.endswith("2 called right or wrong by both: 1.00 alike")


def test_labels_on_rows_that_are_not_there_are_counted_only_where_their_corpus_was_read() -> None:
    labels = collect(make_label(1, "right"), make_label(2, "right"))
    assert [x.claim.digest for x in labels.list_absent({"dolly": {f"{1:024x}"}})] == [f"{2:024x}"]
    assert labels.list_absent({"gsm8k": set()}) == []


def test_the_shipped_labels_are_many_and_hold_no_text_of_a_corpus() -> None:
    labels = read_labels()
    assert len(labels.first) >= 400
    assert sum(claim.gate == MISSED for claim in labels.first) >= 50
    assert max(len(label.why) for label in labels.first.values()) <= 120
