"""NeMo Curator's heuristic filters as a gate: NeMo's scores and decisions in our verdicts."""

import json
import sys
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, MissingExtra
from synth_stack.gates.gate import NO_STATE, Judge
from synth_stack.gates.nemo_filter import filters as named
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from tests.nemo_installed import mark_nemo
from tests.some_rows import make_row, make_texts

ENGLISH = "The tea was good, and we have to thank you for the time that you have spent with us today."
NEMO = mark_nemo()


def make_judge(*filters: Any, **params: Any) -> Judge:
    uses = [{"use": one} if isinstance(one, str) else one for one in filters]
    judge = bind("gate", "nemo_filter", {"filters": uses, **params}, where="gates[0]").make()
    assert isinstance(judge, Judge)
    return judge


def say(judge: Judge, *texts: str | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = judge.judge(make_texts(texts), NO_STATE).to_pylist()
    return rows


def test_without_nemo_curator_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "nemo_curator"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "nemo_curator", None)
    named._list_classes.cache_clear()
    with pytest.raises(MissingExtra) as caught:
        make_judge("WordCountFilter")
    named._list_classes.cache_clear()
    assert str(caught.value).endswith("Run: pip install 'synth-stack[nemo]'")


class TestWithNemo:
    """What needs NeMo Curator."""

    pytestmark = NEMO

    def test_a_row_is_rejected_by_the_first_filter_that_does_not_keep_it(self) -> None:
        judge = make_judge({"use": "WordCountFilter", "min_words": 3}, "UrlsFilter", "NumbersFilter")
        good, short, links = say(judge, ENGLISH, "Hi.", "See https://shop.example/item/1 and 1234 1234 1234")
        assert (good["outcome"], short["outcome"], links["outcome"]) == ("accept", "reject", "reject")
        assert short["score"] == 1.0
        assert short["reason_class"] == "nemo_filter.word_count"
        assert "WordCountFilter(min_words=3, max_words=100000, lang='en')" in short["reason"]
        assert links["reason_class"] == "nemo_filter.urls_ratio"
        told = json.loads(links["evidence"])
        assert list(told["scores"]) == ["urls_ratio", "word_count"]
        assert told["params"] == {"max_url_to_text_ratio": 0.2, "url_regex": None}
        assert len(json.loads(good["evidence"])["scores"]) == 3

    def test_every_filter_decides_as_nemo_does(self) -> None:
        from nemo_curator.stages.text.filters.heuristic import repetition, string

        texts = [ENGLISH, "###", "1 2 3", "a b c", f"{ENGLISH}\n{ENGLISH}\n{ENGLISH}", "• a\n• b", "x " * 90]
        names = [*string.__dict__, *repetition.__dict__]
        kinds = [n for n in names if n.endswith("Filter") and n not in {"DocumentFilter", "SubstringFilter"}]
        assert len(kinds) >= 20
        for kind in kinds:
            theirs = getattr(string, kind, None) or getattr(repetition, kind)
            made = theirs()
            kept = [made.keep_document(made.score_document(text)) for text in texts]
            ours = [said["outcome"] == "accept" for said in say(make_judge(kind), *texts)]
            assert ours == kept, kind

    def test_what_a_filter_cannot_score_is_abstained_on(self) -> None:
        assert [one["outcome"] for one in say(make_judge("SymbolsToWordsFilter"), "", " \n", None)] == [
            "abstain"
        ] * 3
        nothing, empty = say(make_judge("WordCountFilter", "SymbolsToWordsFilter"), None, "")
        assert nothing["reason_class"] == "nemo_filter.no_text"
        assert empty["reason_class"] == "nemo_filter.word_count"

    def test_the_field_that_is_read_can_be_chosen(self) -> None:
        table = build_candidates([make_row(("user", "Hi"), ("assistant", ENGLISH))])
        for field, outcome in (("prompt", "reject"), ("answer", "accept"), ("text", "accept")):
            judge = make_judge({"use": "WordCountFilter", "min_words": 5}, field=field)
            assert judge.judge(table, NO_STATE)["outcome"].to_pylist() == [outcome]

    @pytest.mark.parametrize("field", ["text", "prompt", "answer"])
    def test_canaries_are_caught_and_controls_pass(self, field: str) -> None:
        every = [name for home in named._HOMES for name in named._list_classes(home)]
        own = {"SubstringFilter": {"substring": "the", "position": "any"}}
        own |= {"GeneralCommentToCodeFilter": {"language": "text/x-c"}}
        sample = make_texts([ENGLISH, "1 2 3"])
        for name in every:
            judge = make_judge({"use": name, **own.get(name, {})}, field=field)
            assert judge.off == (), name
            assert judge.plant is not None
            planted = judge.plant(sample, 3, 1)
            assert set(judge.judge(planted, NO_STATE)["outcome"].to_pylist()) == {"reject"}, name
            if judge.control is not None:
                controls = judge.control(sample, 3, 1)
                assert set(judge.judge(controls, NO_STATE)["outcome"].to_pylist()) == {"accept"}, name

    def test_a_filter_whose_cut_off_lets_everything_pass_says_that_it_is_off(self) -> None:
        judge = make_judge({"use": "WordCountFilter", "min_words": 1}, {"use": "UrlsFilter"})
        assert judge.off == ("word_count",)

    @pytest.mark.parametrize(
        ("use", "said"),
        [
            ("WordCount", "no heuristic filter of that name; seen: WordCount"),
            ({"use": "WordCountFilter", "min_word": 2}, "Did you mean 'min_words'?"),
            ({"use": "WordCountFilter", "min_words": "2"}, "min_words is not usable; seen: '2'"),
            ({"use": "UrlsFilter", "url_regex": "("}, "UrlsFilter refuses its parameters"),
            ({"use": "SubstringFilter"}, "SubstringFilter needs substring"),
            ("TokenizerFertilityFilter", "no heuristic filter of that name"),
        ],
        ids=str,
    )
    def test_a_filter_that_cannot_be_made_is_refused(self, use: Any, said: str) -> None:
        with pytest.raises(ConfigError) as caught:
            make_judge(use)
        assert said in str(caught.value)

    def test_two_filters_that_check_the_same_are_refused(self) -> None:
        twice = [{"use": "RepeatingTopNGramsFilter", "n": n} for n in (2, 2)]
        with pytest.raises(ConfigError, match="check the same"):
            make_judge(*twice)
        make_judge(*[{"use": "RepeatingTopNGramsFilter", "n": n} for n in (2, 3)])

    def test_an_empty_table_gets_an_empty_one(self) -> None:
        verdicts = make_judge("UrlsFilter").judge(build_candidates([]), NO_STATE)
        assert isinstance(verdicts, pa.Table)
        assert len(verdicts) == 0
