from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt

from synth_stack.decisions.decide import Rule
from synth_stack.files import render_yaml
from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.packs import layout
from synth_stack.packs.card.card import render_card
from synth_stack.packs.card.examples import MASK, mask, render_examples
from synth_stack.packs.card.figures import render_figures
from synth_stack.packs.card.header import build_metadata, name_size
from synth_stack.packs.counts import Counts, GateCount, GroupCount, ReasonCount
from synth_stack.packs.data_figures import DataFigures, ModelRows, ShareCount
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.disclosure.documents import render_documents
from synth_stack.packs.disclosure.facts import Disclosure, build_disclosure
from synth_stack.packs.gate_log import Measures
from synth_stack.packs.splits import LabelCount, SplitCount
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.canonical import digest_bytes
from synth_stack.rows.schemas import MESSAGE
from synth_stack.runs.locks import GateLock, RecipeLock, parse_gates, parse_recipe
from synth_stack.runs.self_tests import KindCount, SelfTestBars, measure
from tests.packs.judged_run import ADVERSARIAL, GATES, RECIPE, ROWS, build_pack, identify

EVIL = (
    "</details><script>alert(1)</script> `x` | [a](javascript:b) <!-- /synth_stack:figures -->\n# H\n---\nx"
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def card(pack: Path) -> str:
    return (pack / layout.CARD).read_text(encoding="utf-8")


def count(**changes: Any) -> Counts:
    values: dict[str, Any] = {
        "generated": 4,
        "replacements": 0,
        "accepted": 3,
        "rejected": 1,
        "held": 0,
        "gates": (GateCount("dedup", ("0.85",), 4, 0, 1, 0, 3), GateCount("toxicity", (), 3, 0, 0, 0, 3)),
        "reasons": (ReasonCount("dedup", "rejected", "dedup.near_duplicate", 1),),
        "eval_sets": {("dedup", "gsm8k", "dedup.shared_ngram"): 2, ("dedup", "gsm8k", "dedup.rephrased"): 1},
        "measures": Measures(),
        "slices": (GroupCount("billing", 4, 3),),
        "locales": (GroupCount(None, 4, 3),),
        "methods": (GroupCount("instruction 1", 4, 3),),
        "seeds": 2,
        "max_accepted_per_seed": 2,
        "lengths": None,
        "splits": (SplitCount("train", 3, 100),),
        "labels": (),
    }
    return Counts(**{**values, **changes})


def parse(gates: Mapping[str, Any]) -> list[GateLock]:
    """The gates of a lock, whose rule is that of its gates."""
    rule = Rule(tuple(gate["use"] for gate in gates["gates"])).to_json()
    return parse_gates(render_yaml({**gates, "rule": rule}), where="gates").gates


def render(recipe: dict[str, Any], gates: dict[str, Any], counts: Counts) -> str:
    lock, judged = parse_recipe(render_yaml(recipe), where="recipe"), parse(gates)
    return render_card(lock, judged, counts, told=disclose(lock, judged, counts), signature="local")


def disclose(recipe: RecipeLock, gates: Sequence[GateLock], counts: Counts) -> Disclosure:
    """What the documents of a pack with one file tell."""
    files = {layout.data_name(0, 1): ("0" * 64, 100)}
    return build_disclosure(recipe, gates, counts, root="0" * 64, key_id="1" * 64, files=files)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`load_dataset` as whoever has the pack alone would call it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)

    def load(folder: Path, *config: str, **options: Any) -> Any:
        return datasets.load_dataset(str(folder), *config, cache_dir=str(tmp_path / "cache"), **options)

    return load


def test_datasets_loads_the_accepted_rows_and_nothing_else(
    pack: Path, load: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    import datasets

    loaded = load(pack)
    assert list(loaded) == ["train"]
    expected = pq.read_table(pack / layout.data_name(0, 1)).to_pylist()
    assert loaded["train"].to_list() == expected
    assert loaded["train"].info.splits["train"].num_examples == len(expected)
    assert not [record for record in caplog.records if record.name.startswith("datasets")]
    assert loaded["train"].features == datasets.Features.from_arrow_schema(DATA_SCHEMA)


@pytest.mark.parametrize("has_card", [True, False])
def test_whoever_loads_train_gets_no_adversarial_row(
    tmp_path: Path, load: Callable[..., Any], has_card: bool
) -> None:
    pack = build_pack(tmp_path, adversarial=ADVERSARIAL)
    if not has_card:
        (pack / layout.CARD).unlink()
    assert [row["draw"] for row in load(pack, split="train")] == [0, 3, 5, 6, 8, 10]
    attempts = load(pack, *(["adversarial"] if has_card else []), split="adversarial")
    assert [row["draw"] for row in attempts] == [1, 4, 11]
    assert {row["kind"] for row in attempts} == {"adversarial"}
    assert sorted(load(pack)) == (["train"] if has_card else ["adversarial", "train"])


def test_rejected_and_held_rows_are_named_configurations_in_plain_columns(
    pack: Path, load: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    rejected, held = load(pack, "rejected"), load(pack, "held")
    assert (list(rejected), list(held)) == (["rejected"], ["held"])
    [first, second] = rejected["rejected"]
    assert first["gate"] == second["gate"] == "dedup"
    assert (first["kind"], first["slice"], first["teacher"]) == ("instruction", "billing/late", "parrot")
    assert {row["reason_class"] for row in held["held"]} == {"toxicity.hot_slice"}
    assert not [record for record in caplog.records if record.name.startswith("datasets")]
    plain = {str(feature.dtype) for feature in rejected["rejected"].features.values()}
    assert plain == {"string"}


def test_where_no_row_was_turned_away_there_is_no_such_configuration() -> None:
    header = build_metadata(parse_recipe(render_yaml(dict(RECIPE)), where="recipe"), count())
    assert [config["config_name"] for config in header["configs"]] == ["default"]
    turned = (SplitCount("rejected", 1, 9), SplitCount("held", 2, 9))
    named = build_metadata(parse_recipe(render_yaml(dict(RECIPE)), where="recipe"), count(turned=turned))
    assert [config["config_name"] for config in named["configs"]] == ["default", "rejected", "held"]
    assert [config.get("default") for config in named["configs"]] == [True, None, None]


def test_a_pack_of_adversarial_rows_alone_has_no_train_split(
    tmp_path: Path, load: Callable[..., Any]
) -> None:
    pack = build_pack(tmp_path, adversarial=dict.fromkeys(range(ROWS), ADVERSARIAL[1]))
    assert list(load(pack)) == ["adversarial"]
    with pytest.raises(ValueError, match="train"):
        load(pack, split="train")
    card = (pack / layout.CARD).read_text(encoding="utf-8")
    assert 'split="train"' not in card
    assert "Only accepted rows are in the `adversarial` split." in card


def test_the_hub_reads_the_header(card: str) -> None:
    from huggingface_hub import DatasetCard

    data = vars(DatasetCard(card).data)
    assert data["pretty_name"] == "Support intents"
    assert data["license"] == "cc-by-4.0"
    assert data["language"] == ["en", "de"]
    assert data["size_categories"] == ["n<1K"]
    assert data["task_categories"] == ["text-generation"]
    assert "synthetic" in data["tags"]
    assert data["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]


def test_the_features_are_those_that_datasets_writes_itself() -> None:
    import datasets

    recipe = parse_recipe(render_yaml(dict(RECIPE)), where="recipe")
    written = datasets.Features.from_arrow_schema(DATA_SCHEMA)._to_yaml_list()
    assert build_metadata(recipe, count())["dataset_info"][0]["features"] == written


@pytest.mark.parametrize(
    "part",
    [
        "synth-stack verify PATH ",
        'load_dataset("PATH_OR_REPOSITORY", split="train")',
        "| `dedup` | 3 of 3 | 0.439 to 1.000 | – | – |  |",
        "| `toxicity` | 3 of 4 | 0.301 to 0.954 | 0 of 1 |",
        "| `toxicity` | canary | `insult` | 1 of 2 |",
        "| `dedup` | 0.85 | 12 | 0 | 2 | 0 | 10 | paraphrases collapse diversity |",
        "| `toxicity` | 0.05 | 10 | 1 | 0 | 1 | 9 |  |",
        "| **accepted** |  |  |  |  |  | **9** |  |",
        "| `dedup` | rejected | `dedup.near_duplicate` | 2 |",
        "| topic | `billing` | 8 | 6 | 66.7% |",
        "Expansion: 4 seeds drawn on, 3.00 generated and 2.25 accepted rows a seed",
        "Run seed: 11",
        "Teacher: `parrot`, reached by `scripted` version `1`, digest `sha256:dddd",
        "Replayable:",
        "content: 'Write a message about {{ title }}.'",
        "It gave an answer on 9 of 10 rows that it looked at (90.0%)",
        "is_detoxify: false",
        "- British spelling prevails",
        "- Texts that no gate read, where a row has them: `content`, `reasoning`",
        "- Whatever these gates do not look for: `dedup`, `toxicity`",
        "- 1 row on which a gate could not say anything: `toxicity`",
        "**not who signed**",
        "| `cc-by-4.0` | 9 | 9 | 100.0% | 0 | 0 |",
        "| `undeclared` | 9 | 100.0% |",
        "| `parrot` | `teacher` | 9 | 100.0% | not declared | not declared |  |",
        "| `billing` | 6 | 6 | 100.0% |",
        "## Example rows",
        "Why was I charged",
    ],
)
def test_the_card_says(card: str, part: str) -> None:
    assert part in card


def test_a_teacher_that_cannot_be_replayed_is_said_to_be_one() -> None:
    teacher = {**RECIPE["teacher"], "replayable": False, "digest": None, "model": None, "sampling": {}}
    card = render({**RECIPE, "teacher": teacher}, dict(GATES), count())
    assert "Not replayable" in card
    assert "no digest: it cannot be told apart" in card
    assert "a model that the recipe does not name" in card


@pytest.mark.parametrize(
    ("perimeter", "says"),
    [
        ({"reach": "open"}, "Perimeter `open`: prompts went to the teacher, wherever it runs"),
        ({"reach": "local"}, "Perimeter `local`: prompts went to this machine, and nowhere else"),
        (
            {"reach": "local", "allowed_hosts": 2},
            "Perimeter `local`: prompts went to this machine or to 2 hosts that the recipe allows, and nowhere",
        ),
    ],
)
def test_the_card_says_how_far_prompts_went(perimeter: dict[str, Any], says: str) -> None:
    text = render({**RECIPE, "perimeter": perimeter}, dict(GATES), count())
    assert says in " ".join(text.split())
    assert "Perimeter" not in render(dict(RECIPE), dict(GATES), count())


def test_what_the_recipe_does_not_state_is_not_passed_over() -> None:
    named = {**RECIPE["recipe"]["pack"], "known_biases": []}
    card = render({**RECIPE, "recipe": {"name": "x", "pack": named}}, dict(GATES), count())
    assert card.count("The recipe states none. That is no finding that there are none.") == 1


def test_hostile_words_in_a_recipe_do_not_become_markup() -> None:
    recipe = {
        **RECIPE,
        "about": EVIL,
        "recipe": {
            "name": "x",
            "pack": {
                "pretty_name": EVIL,
                "license": EVIL,
                "languages": [EVIL],
                "known_biases": [EVIL],
            },
        },
        "teacher": {**RECIPE["teacher"], "model": EVIL, "digest": EVIL, "sampling": {EVIL: EVIL}},
        "methods": [{**RECIPE["methods"][0], "use": EVIL, "template_ids": [EVIL], "params": {EVIL: EVIL}}],
        "templates": {EVIL: f"````\n{EVIL}\n`````\n"},
    }
    gates = {"gates": [{**gate, "why": EVIL, "facts": {EVIL: [EVIL]}} for gate in GATES["gates"]]}
    evil = (GroupCount(EVIL, 4, 3),)
    tests = (measure(EVIL, [KindCount(EVIL, 2, 2)], SelfTestBars(0.5)),)
    reasons = (ReasonCount(EVIL, "held", EVIL, 1),)
    splits, labels = (SplitCount("adversarial", 3, 100),), (LabelCount(EVIL, EVIL, 3),)
    counts = count(slices=evil, locales=evil, methods=evil, reasons=reasons, measures=Measures(tests))
    counts = replace(counts, splits=splits, labels=labels)
    card = render(recipe, gates, counts)
    header, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert parse_yaml(header, where="card")["pretty_name"] == " ".join(EVIL.split())
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    assert "<script" not in html
    assert "javascript:b" not in [part[:12] for part in html.split('href="')[1:]]
    assert "<a " not in html
    assert html.count("<details>") == html.count("</details>") == 1
    assert html.count("<h1>") == 1
    assert html.count("<!-- /synth_stack:figures -->") == 1


def name_evil_template() -> dict[str, Any]:
    """The recipe with a method and a template whose words are markup."""
    text = f"```\n{EVIL}"
    template_id = f"message@{digest_bytes(text.encode())[:12]}"
    method = {**RECIPE["methods"][0], "use": "``", "template_ids": [template_id]}
    return {**RECIPE, "methods": [method], "templates": {template_id: text}}


def test_hostile_rows_and_templates_make_a_pack_that_verifies(tmp_path: Path) -> None:
    pack = build_pack(
        tmp_path,
        recipe=name_evil_template(),
        template_id=None,
        slice=f"{EVIL}/b",
        locale="a|b`",
        text=EVIL,
        generator="``",
        rng_seed=None,
        adversarial={3: {"strategy": EVIL, "expected_behaviour": f"`{EVIL}"}, 4: {"strategy": 4}},
    )
    counts = verify_pack(pack).counts
    assert counts is not None
    assert counts.slices[0].name == EVIL.split("/", 1)[0]


def test_an_eval_set_stands_with_its_digest_and_what_it_cost() -> None:
    against = [
        {"name": "gsm8k", "version": "main@3b1c", "sha256": "e" * 64, "items": 1319, "not_checkable": 4},
        {"name": "humaneval", "sha256": "f" * 64, "items": 164, "not_checkable": 0},
    ]
    gates = {"gates": [{"use": "dedup", "version": "1", "facts": {"against": against}}]}
    card = render(dict(RECIPE), gates, count())
    how = "`dedup.shared_ngram` 2, `dedup.rephrased` 1"
    assert f"| `dedup` | `gsm8k` | `main@3b1c` | `{'e' * 64}` | 1,319 | 3 | {how} |" in card
    assert f"| `dedup` | `humaneval` |  | `{'f' * 64}` | 164 | 0 |  |" in card
    assert "### What each gate counted" not in card


def test_what_each_gate_counted_stands_under_its_own_names_in_the_order_of_work() -> None:
    counted = {"toxicity": {"lines": 7}, "dedup": {"untried": 0, "tried": 1_204}, "gone": {"x": 1}}
    card = render(dict(RECIPE), dict(GATES), count(measures=Measures(counts=counted)))
    assert (
        "| `dedup` | `tried` | 1,204 |\n| `dedup` | `untried` | 0 |\n| `toxicity` | `lines` | 7 |\n" in card
    )
    assert "gone" not in card


def test_the_self_test_of_each_gate_stands_with_its_intervals_and_bars() -> None:
    tests = (
        measure(
            "dedup",
            [KindCount("copy", 40, 40), KindCount("a|b", 60, 58), KindCount("template", 20, 1, control=True)],
            SelfTestBars(0.95, max_unfair=0.1),
        ),
        measure("toxicity", [], SelfTestBars(0.9, off=("language",))),
    )
    card = render(dict(RECIPE), dict(GATES), count(measures=Measures(tests)))
    assert "| `dedup` | 98 of 100 | 0.930 to 0.994 | 1 of 20 | 0.009 to 0.236 |  |" in card
    assert "| `toxicity` | – | – | – | – | `language` |" in card
    assert "| `dedup` | canary | `copy` | 40 of 40 | 0.912 to 1.000 | at least 0.95 |" in card
    assert "| `dedup` | canary | `a\\|b` | 58 of 60 |" in card
    assert "| `dedup` | control | `template` | 1 of 20 | 0.009 to 0.236 | at most 0.1 |" in card


def test_a_batch_without_canaries_says_that_recall_is_not_known() -> None:
    assert "what each gate misses is not known" in render(dict(RECIPE), dict(GATES), count())


def test_many_kinds_of_canaries_are_cut_and_the_file_with_all_is_named() -> None:
    kinds = [KindCount(f"kind {i:03d}", 1, 1) for i in range(31)]
    tests = (measure("dedup", kinds, SelfTestBars(0.5)),)
    card = render(dict(RECIPE), dict(GATES), count(measures=Measures(tests)))
    assert "And 1 further kind, in `log/gates.json`." in card
    assert "kind 030" not in card


def test_replacements_have_a_line_of_their_own_and_a_word_in_the_summary() -> None:
    card = render(dict(RECIPE), dict(GATES), count(replacements=1, accepted=4))
    assert "4 rows were generated, and 1 replacement of some of them; 4 of them (80.0%)" in card
    assert "| 1 replacement |  |  |  |  |  | 5 | beside the rows that they stand for" in card
    assert "over the records of 5 rows" in card
    assert "replacement" not in render(dict(RECIPE), dict(GATES), count())


def test_the_card_tells_what_the_adversarial_split_is_and_how_many_rows_are_where(tmp_path: Path) -> None:
    card = (build_pack(tmp_path, adversarial=ADVERSARIAL) / layout.CARD).read_text(encoding="utf-8")
    assert "Only accepted rows are in the splits `train` and `adversarial`." in card
    assert 'attempts = load_dataset("PATH_OR_REPOSITORY", "adversarial", split="adversarial")' in card
    assert "The split `adversarial` holds 3 accepted rows. The prompts in it are meant to be bad" in card
    assert "**They are no pairs to imitate like others:**" in card
    assert all(f"- `{expected}`:" in card for expected in ("refuse", "comply", "ignore_injection"))
    assert "| `train` | 6 | 66.7% |\n| `adversarial` | 3 | 33.3% |" in card
    assert "| `role_play` | `refuse` | 2 |\n| `indirect_email` | `ignore_injection` | 1 |" in card


def test_rare_strategies_stand_together_on_one_line() -> None:
    splits = (SplitCount("adversarial", 64, 100),)
    labels = tuple(LabelCount(f"strategy {i:03d}", None, 2) for i in range(32))
    card = render(dict(RECIPE), dict(GATES), count(accepted=64, splits=splits, labels=labels))
    assert "| `strategy 029` | none given | 2 |\n| 2 rarer combinations |  | 4 |" in card


def test_without_adversarial_rows_what_verify_renders_again_is_what_it_always_was() -> None:
    """A pack of the same scheme was signed with these bytes: where they differ it no longer verifies."""
    recipe = parse_recipe(render_yaml(dict(RECIPE)), where="recipe")
    gates = parse(GATES)
    metadata = render_yaml(build_metadata(recipe, count()))
    documents = render_documents(disclose(recipe, gates, count())).values()
    figures = render_figures(count(), gates).encode("utf-8")
    assert [digest_bytes(data) for data in (metadata, figures, *documents)] == [
        "cf0346c43445ec17048dd4d14e4dc355967bc02206c636bda5fcb7a08b336e4b",
        "2b7549b3384ac781016c10f3cf57d9b3c310f62ebb93ba9f64b0a5655024f187",
        "b65545ee5ab1b9f3fdefc1156766ff7e345d28774f710a5ab794bdf58f3ff179",
        "77f78ddcbd8d07ce7f0e3c88591739ef35c4f67ce6893929cdbe13653b4fe1af",
        "6f59ae100d50a69168266e2f821c4005ce68317465d811a3769a67838039c868",
        "00879541b66da50f5d3f70814f17dca44aacb2eb35e66b37ea9bfeb29314d180",
    ]


@pytest.mark.parametrize("against", [None, "gsm8k", [1], [{"name": "gsm8k"}]])
def test_facts_in_another_form_name_no_eval_sets(against: object) -> None:
    gates = {"gates": [{"use": "dedup", "version": "1", "facts": {"against": against}}]}
    assert "### Eval sets" not in render(dict(RECIPE), gates, count())


def test_rare_groups_and_reasons_stand_together_on_one_line() -> None:
    groups = tuple(GroupCount(f"slice{i:03d}", 2, 1) for i in range(40))
    reasons = tuple(ReasonCount("dedup", "rejected", f"dedup.r{i:03d}", 1) for i in range(31))
    card = render(dict(RECIPE), dict(GATES), count(generated=80, accepted=40, slices=groups, reasons=reasons))
    assert "| topic | 10 smaller topics | 20 | 10 | 25.0% |" in card
    assert "| 1 rarer reason |  |  | 1 |" in card


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (500_000, "100K<n<1M"),
        (10**9, "1B<n<10B"),
        (10**12, "n>1T"),
    ],
)
def test_the_size_category_is_the_hubs(rows: int, name: str) -> None:
    assert name_size(rows) == name


def test_what_was_not_checked_stands_above_the_templates(card: str) -> None:
    places = [card.index(f"## {name}") for name in ("Example rows", "Not checked", "Figures", "How the rows")]
    assert places == sorted(places)


def test_declared_terms_stand_as_figures(tmp_path: Path) -> None:
    terms = {"output": "non-commercial", "license": "LicenseRef-Parrot", "url": "https://example.org/terms"}
    recipe = identify({**RECIPE, "teacher": {**RECIPE["teacher"], "terms": terms}})
    pack = build_pack(tmp_path, recipe=recipe)
    card = (pack / layout.CARD).read_text(encoding="utf-8")
    assert "| `non-commercial` | 9 | 100.0% |" in card
    line = (
        "| `parrot` | `teacher` | 9 | 100.0% | `LicenseRef-Parrot` | `non-commercial` | `https://example.org"
    )
    assert line in card
    rows = pq.read_table(pack / layout.data_name(0, 1))
    assert set(rows["output_terms"].to_pylist()) == {"non-commercial"}
    assert set(rows["license"].to_pylist()) == {"cc-by-4.0"}
    assert set(rows["synthetic"].to_pylist()) == {True}


def test_rare_models_and_topics_stand_together_on_one_line() -> None:
    models = tuple(ModelRows("writer", f"model {i:03d}", None, 2) for i in range(32))
    topics = tuple(ShareCount(f"topic {i:03d}", 4, 1) for i in range(33))
    data = DataFigures(rows=132, synthetic=33, models=models, topics=topics)
    card = render(dict(RECIPE), dict(GATES), count(data=data))
    assert "| `topic 029` | 4 | 1 | 25.0% |\n| 3 smaller topics | 12 | 3 | 25.0% |" in card
    assert (
        "| `model 029` | `writer` | 2 | 1.5% | not declared | not declared |  |\n| 2 rarer |  | 4 |" in card
    )


SECRETS = (
    "mail ann.lee@example.org now",
    "call +49 170 1234567",
    "key sk-proj-9f8A7b6C5d4E3f2A1b0C9d8E",
    "password: hunter2!",
    "see ftp://joe:pass@host/x",
    "at 192.168.10.22 it is",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAAAA",
    "card 4111 1111 1111 1111",
)


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_masked_on_the_card(text: str) -> None:
    shown = mask(text)
    assert MASK in shown
    for part in ("ann.lee", "1234567", "9f8A7b6C5d", "hunter2", "joe:pass", "192.168", "MIIE", "4111"):
        assert part not in shown


def test_ordinary_words_and_numbers_are_not_masked() -> None:
    text = "In 2024 the E-Bike X-200 cost 1,299.00 EUR; 3 of 10 came late. See https://example.org/terms."
    assert mask(text) == text


def test_a_secret_at_the_end_of_what_is_looked_at_is_not_shown_in_part() -> None:
    long = "ann@example.org " * 149 + "sk-" + "a1" * 4000
    assert "a1a1" not in mask(long)


def test_a_long_message_is_cut_and_a_row_with_many_is_too() -> None:
    turns = [{**dict.fromkeys(MESSAGE.names), "role": "user", "content": "x y " * 5000}] * 40
    row = {"row_id": "0" * 32, "kind": "dialogue", "slice": None, "locale": None, "messages": turns}
    text = "\n\n".join(render_examples([{**row, "alternatives": None, "text": None}]))
    assert len(text) < 5000
    assert "And 34 more." in text


def test_a_hostile_row_on_the_card_stays_text(tmp_path: Path) -> None:
    evil = f"{EVIL}\n```\n````\n# Big\n<img src=x onerror=alert(1)>\n| a | b |\n\u202e"
    pack = build_pack(tmp_path, messages=[{"role": EVIL, "content": evil}], text=evil, slice=EVIL)
    card = (pack / layout.CARD).read_text(encoding="utf-8")
    _, _, text = card.split("---\n", 2)
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<img" not in html
    assert "<script" not in html
    assert html.count("<h1>") == 1
    assert "\u202e" not in card
    assert verify_pack(pack).problems == ()
