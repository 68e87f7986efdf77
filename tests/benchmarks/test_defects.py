"""Planted defects: rare, of every kind, the same for the same seed, and the rest of the rows untouched."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from defects import DEFECTS, Mix, plant, read_sources
from ordinary_corpora import OrdinaryCorpus

WORDS = "the lamp on the table gives a warm light and can be dimmed with the small wheel beside its switch".split()


def write_corpora(folder: Path) -> Path:
    """Public data in little, in the places and forms of the real one."""
    files = {
        "gsm8k/test.jsonl": [
            {"question": f"How many are {n} and 2?", "answer": f"#### {n + 2}"} for n in range(9)
        ],
        "ordinary/xquad_es.jsonl": [{"input": "La lámpara está sobre la mesa y da una luz cálida."}],
        "rephrased/abstract_algebra_test_rephrase_english_filtered_question.jsonl": [
            {"text": "Find p."},
            {"text": ""},
        ],
    }
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    (folder / "rephrased" / "abstract_algebra_test.csv").write_text(
        "q,a,b,c,d,C\nq,a,b,c,d,A\n", encoding="utf-8"
    )
    (folder / "hatecheck").mkdir()
    cases = "case_id,functionality,test_case,label_gold,target_ident\n1,x,Go away.,hateful,y\n2,x,Stay.,non-hateful,y\n"
    (folder / "hatecheck" / "cases.csv").write_text(cases, encoding="utf-8")
    return folder


def write_base(rows: int) -> list[OrdinaryCorpus]:
    rng = random.Random(1)
    records = []
    for n in range(rows):
        answer = " ".join(rng.choices(WORDS, k=90)) + f" Its number is {n}."
        if n % 3 == 0:
            answer = "\n".join(["import lamp", *(f"lamp.dim({k})" for k in range(8)), answer])
        records.append({"instruction": f"Tell me of lamp {n}.", "output": answer})
    return [OrdinaryCorpus("lamps", "judge", records)]


def make_mix(folder: Path, rows: int = 1800) -> Mix:
    return plant(write_base(rows), folder, rows, 7)


def test_two_in_a_hundred_rows_are_spoilt_and_every_kind_is_there(tmp_path: Path) -> None:
    mix = make_mix(write_corpora(tmp_path))
    pairs = {told.pair: told.kind for told in mix.planted.values()}
    assert Counter(pairs.values()) == dict.fromkeys(DEFECTS, 2)
    assert len(pairs) / len(mix.records) == pytest.approx(0.02, abs=0.001)


def test_the_same_seed_plants_the_same(tmp_path: Path) -> None:
    assert make_mix(write_corpora(tmp_path)) == make_mix(tmp_path)


def test_the_other_rows_are_as_they_were(tmp_path: Path) -> None:
    said = {record["output"] for corpus in write_base(1800) for record in corpus.records}
    mix = make_mix(write_corpora(tmp_path))
    rest = [r["messages"][-1]["content"] for n, r in enumerate(mix.records) if n not in mix.planted]
    assert rest
    assert set(rest) <= said


def test_both_rows_of_a_near_copy_are_in_the_mix(tmp_path: Path) -> None:
    mix = make_mix(write_corpora(tmp_path))
    pairs = Counter(told.pair for told in mix.planted.values() if told.kind == "near_duplicate")
    assert list(pairs.values()) == [2, 2]


def test_what_is_absent_is_not_planted(tmp_path: Path) -> None:
    kinds = {told.kind for told in make_mix(tmp_path).planted.values()}
    assert DEFECTS.keys() - kinds == {"wrong_language", "leaked_item", "rephrased_item", "hateful"}


def test_only_hateful_cases_and_right_choices_are_planted(tmp_path: Path) -> None:
    sources = read_sources(write_corpora(tmp_path))
    assert sources.hateful == ["Go away."]
    assert sources.rephrased == [("Find p.", "c")]


def test_a_planted_card_has_its_check_digit(tmp_path: Path) -> None:
    mix = make_mix(write_corpora(tmp_path))
    rows = [row for row, told in mix.planted.items() if told.kind == "card"]
    for row in rows:
        said = " ".join(m["content"] for m in mix.records[row]["messages"])
        digits = [int(d) for d in said.split("lamp")[0] + said if d.isdigit()]
        found = [digits[n : n + 16] for n in range(len(digits) - 15)]
        assert any(
            sum(sum(divmod(d * (2 - n % 2), 10)) for n, d in enumerate(card)) % 10 == 0 for card in found
        )


@pytest.mark.parametrize("kind", sorted(DEFECTS.keys() - {"leaked_item", "rephrased_item"}))
def test_a_row_without_an_answer_is_left_alone(kind: str, tmp_path: Path) -> None:
    question = [{"role": "user", "content": " ".join(WORDS * 3)}]
    assert DEFECTS[kind].spoil(question, random.Random(1), read_sources(write_corpora(tmp_path))) is None
