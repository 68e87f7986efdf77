"""The whole benchmark on little corpora: who is turned away, what labels make of it, and what is said."""

import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import labels as labels_module
import ordinary
import pytest
from labels import Claim, Label, write_labels
from ordinary_corpora import DEVELOP_FILES, JUDGE_FILES, read_corpora
from ordinary_findings import digest_content

GATES = """
version: 1
gates:
  - use: personal_data
  - use: structure
    languages: [en]
  - use: dedup
"""
SHORT = {"instruction": "Name a colour.", "output": "Blue is a colour that many people like."}
MAIL = {"instruction": "Whom do I write to?", "output": "Write to maria.hollister@northmail.net about it."}
EMPTY = {"instruction": "Name a tree that grows here.", "output": ""}
LONG = (
    "The lamp on the table gives a warm light and can be dimmed with the small wheel beside its switch. When "
    "it is left on for eight hours it turns itself off, which saves power and makes the bulb last longer; to "
    "have it on for a whole night, press the switch twice and wait until the ring around it turns green."
)
TWINS = [
    {"instruction": "Tell me more of the lamp.", "output": LONG.replace("saves", verb)}
    for verb in ("saves", "spares")
]


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    write_rows(tmp_path / "data" / "ordinary" / "strange.jsonl", [SHORT, MAIL, EMPTY, *TWINS])
    return tmp_path / "data"


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> str:
    """What the benchmark prints, with the labels of a folder beside the corpora."""
    gates = corpora.parent / "gates.yaml"
    gates.write_text(GATES, encoding="utf-8")
    monkeypatch.setattr(ordinary, "read_labels", lambda: labels_module.read_labels(corpora.parent / "labels"))
    monkeypatch.setattr(
        sys, "argv", ["ordinary.py", str(corpora), "--gates", str(gates), "--mix-rows", "0", *options]
    )
    ordinary.main()
    return re.sub(r" +", " ", capsys.readouterr().out)


def test_every_row_that_is_turned_away_counts_as_wrong_without_a_label(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(corpora, monkeypatch, capsys)
    assert "strange all gates 3.0 of 5" in told
    assert "structure.empty_answer 1.0 of 5" in told
    assert "personal_data.email 1.0 of 5" in told
    assert "3 claims wait for a label" in told
    assert "absent, skipped: gsm8k" in told
    assert "wrongly 3.0 of 5 60.00% (23.07% to 88.24%) target 1.5% MISSED" in told


def test_a_label_takes_a_row_off_the_wrong_ones(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    away = tmp_path / "away.jsonl"
    run(corpora, monkeypatch, capsys, "--away", str(away))
    said = [json.loads(line) for line in away.read_text(encoding="utf-8").splitlines()]
    assert {told["outcome"] for told in said} == {"redact", "reject"}
    labels = [
        Label(
            Claim(*(told[key] for key in ("digest", "gate", "reason_class", "against"))),
            "strange", told["outcome"], "right", "true", "first", told["gates"],
        )
        for told in said
    ]  # fmt: skip
    gone = Label(
        Claim("0" * 24, "dedup", "dedup.near_duplicate"),
        "strange",
        "reject",
        "wrong",
        "x",
        "first",
        "x",
    )
    write_labels(
        [*labels, gone],
        tmp_path / "labels",
    )
    told = run(corpora, monkeypatch, capsys, "--unlabelled", str(away))
    assert "wrongly 0.0 of 5" in told
    assert "1 labels are about rows that are not among those read" in told
    assert away.read_text(encoding="utf-8") == ""


def test_a_near_copy_is_a_claim_about_its_twin(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    away = tmp_path / "away.jsonl"
    run(corpora, monkeypatch, capsys, "--away", str(away))
    (copy,) = [
        t for t in map(json.loads, away.read_text(encoding="utf-8").splitlines()) if t["gate"] == "dedup"
    ]
    assert copy["against"] is not None
    assert copy["against"] != copy["digest"]
    assert LONG in copy["other"]


def test_run_folders_may_be_kept_and_read_again(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first = run(corpora, monkeypatch, capsys, "--runs", str(tmp_path / "runs"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("judged again")

    monkeypatch.setattr(ordinary, "curate", refuse)
    again = run(corpora, monkeypatch, capsys, "--runs", str(tmp_path / "runs"), "--reread")
    assert [line for line in again.splitlines() if "rows in" not in line] == [
        line for line in first.splitlines() if "rows in" not in line
    ]


def test_accepted_rows_are_written_without_those_that_a_gate_touched(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "accepted.jsonl"
    run(corpora, monkeypatch, capsys, "--accepted", str(target))
    said = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert len(said) == 2
    assert not [told for told in said if "maria" in told["text"]]


def test_a_file_that_nobody_named_is_a_judge_corpus_and_may_bring_its_gates(corpora: Path) -> None:
    (corpora / "ordinary" / "strange.gates.yaml").write_text(
        "structure: {languages: [fr]}\n", encoding="utf-8"
    )
    found, absent = read_corpora(corpora, 100, 7)
    assert [(corpus.name, corpus.side, corpus.gates) for corpus in found] == [
        ("strange", "judge", {"structure": {"languages": ["fr"]}})
    ]
    assert {"gsm8k", "clinc150", *DEVELOP_FILES, *JUDGE_FILES} <= set(absent)


def test_the_language_of_an_unknown_corpus_is_that_of_its_name(corpora: Path) -> None:
    write_rows(corpora / "ordinary" / "news_de.jsonl", [{"text": "Guten Tag"}])
    (corpora / "ordinary" / "notes_xy.csv").write_text("text\nHello\n", encoding="utf-8")
    found = {corpus.name: corpus for corpus in read_corpora(corpora, 100, 7)[0]}
    assert found["news_de"].gates == {"structure": {"languages": ["de"]}}
    assert found["notes_xy"].gates == {}
    assert found["notes_xy"].records == [{"text": "Hello"}]


def test_a_corpus_with_a_broken_line_is_named_with_it(corpora: Path) -> None:
    (corpora / "ordinary" / "torn.jsonl").write_text('{"text": "a"}\n{"text', encoding="utf-8")
    with pytest.raises(ValueError, match=r"torn.jsonl, line 2: not JSON"):
        read_corpora(corpora, 100, 7)


def test_the_mix_says_what_is_right_of_the_rejected_and_what_is_caught(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"instruction": f"Tell me of lamp {n}.", "output": f"Lamp {n}. {shuffle(n)}"} for n in range(400)]
    write_rows(corpora / "ordinary" / "strange.jsonl", rows)
    told = run(corpora, monkeypatch, capsys, "--mix-rows", "400")
    assert "with a planted defect" in told
    assert re.search(r"caught of card 1\.0 of 1 100\.00%", told)
    assert "caught of near_duplicate" in told
    assert "caught of leaked_item" not in told
    right, of = map(float, re.search(r"personal_data reject right (\S+) of (\S+) ", told).groups())  # type: ignore[union-attr]
    assert 0 < right <= of


def shuffle(number: int) -> str:
    words = LONG.split()
    random.Random(number).shuffle(words)
    return " ".join(words).capitalize() + "."


def test_no_corpus_is_on_both_sides_and_logs_are_split_by_system(corpora: Path) -> None:
    logs = [{"id": f"{system}-{n}", "text": "x"} for system in ("Linux", "Spark", "New") for n in range(2)]
    write_rows(corpora / "ordinary" / "logs.jsonl", logs)
    found, _ = read_corpora(corpora, 100, 7)
    rows = {
        corpus.name: [record["id"] for record in corpus.records] for corpus in found if "logs" in corpus.name
    }
    assert rows == {
        "logs_develop": ["Linux-0", "Linux-1"],
        "logs_judge": ["Spark-0", "Spark-1", "New-0", "New-1"],
    }
    assert not set(DEVELOP_FILES) & set(JUDGE_FILES)


def test_a_corpus_is_cut_to_the_same_sample_in_order(corpora: Path) -> None:
    write_rows(corpora / "ordinary" / "dolly.jsonl", [{"text": str(n)} for n in range(50)])
    first, again = (
        next(corpus for corpus in read_corpora(corpora, 10, 7)[0] if corpus.name == "dolly") for _ in range(2)
    )
    numbers = [int(record["text"]) for record in first.records]
    assert first == again
    assert numbers == sorted(numbers)
    assert len(numbers) == 10


def test_a_digest_is_of_what_a_row_says_alone() -> None:
    message = {"role": "user", "content": "Hello", "name": None}
    row = {"messages": [message], "text": "Hello", "alternatives": None, "tools": None, "source_id": "1"}
    assert digest_content(row) == digest_content({**row, "source_id": "2", "text": None})
    assert digest_content(row) != digest_content({**row, "messages": [{**message, "content": "Hullo"}]})
