"""Seeds, taxonomy and documents: what is read, and what is refused with the line it stands on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth_stack.errors import ConfigError, InputError
from synth_stack.inputs.recipe import SeedColumns
from synth_stack.inputs.seeds import (
    MAX_SEED_BYTES,
    SEED_SCHEMA,
    anchor,
    load_corpus,
    load_sections,
    load_seeds,
    load_taxonomy,
)

SEEDS = [
    {"id": "s1", "area": "billing/refund", "lang": "en", "text": " I want my money back \n"},
    {"id": "s2", "area": "billing/late", "lang": "de", "text": "Wo bleibt die Rechnung?"},
]
TOPICS = [
    {"slice": "billing/refund", "title": "Refunds", "policy": "billing#refunds-14-days"},
    {"slice": "billing/late", "title": "Late bills"},
]
DOCUMENT = "# Billing\n\nNot a section.\n\n## Refunds: 14 days\n\nWithin 14\ndays.\n\n## Late\nSoon.\n"


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def write_seeds(folder: Path, rows: list[dict[str, Any]]) -> SeedColumns:
    path = write(folder, "seeds.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return SeedColumns(path=str(path), slice_column="area", locale_column="lang", id_column="id")


def write_corpus(folder: Path, topics: Any = TOPICS) -> tuple[SeedColumns, str, str]:
    taxonomy = write(folder, "taxonomy.yaml", yaml.safe_dump(topics))
    (folder / "documents").mkdir(exist_ok=True)
    write(folder / "documents", "billing.md", DOCUMENT)
    return write_seeds(folder, SEEDS), str(taxonomy), str(folder / "documents")


def refuse_seeds(path: Path, **columns: str) -> str:
    """The message with which a seed file is refused, without its path."""
    with pytest.raises(InputError) as caught:
        load_seeds(SeedColumns(path=str(path), **columns))
    assert caught.value.exit_code == 2
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(str(path))


def test_seeds_are_read_in_order_and_without_the_white_space_around_them(tmp_path: Path) -> None:
    table = load_seeds(write_seeds(tmp_path, SEEDS))

    assert table.schema.equals(SEED_SCHEMA)
    assert table.to_pylist() == [
        {"seed_id": "s1", "slice": "billing/refund", "locale": "en", "text": "I want my money back"},
        {"seed_id": "s2", "slice": "billing/late", "locale": "de", "text": "Wo bleibt die Rechnung?"},
    ]


def test_without_columns_a_seed_is_named_by_its_position_in_one_slice(tmp_path: Path) -> None:
    table = load_seeds(SeedColumns(path=str(write(tmp_path, "s.csv", "text\na\na\n"))))

    assert table["seed_id"].to_pylist() == ["seed-000000", "seed-000001"]
    assert table["slice"].to_pylist() == ["all", "all"]
    assert table["locale"].to_pylist() == [None, None]


@pytest.mark.parametrize("data", ["", "\n\n"])
def test_an_empty_file_holds_no_seeds(data: str, tmp_path: Path) -> None:
    assert refuse_seeds(write(tmp_path, "s.jsonl", data)) == (
        " holds no seeds. Give at least one seed; see docs/seeds.md."
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"text": "\xff"}', "not UTF-8: byte 10 is 0xff"),
        (b'{"text": "a\0b"}', "holds a NUL byte"),
        (b'{"text": "a\\u0000b"}', "column 'text' holds a NUL character; seen: a�b"),
        (b'{"body": "x"}', "there is no column 'text'; allowed: body"),
        (b'{"text": null}', "column 'text' is not text"),
        (b'{"text": ["x"]}', "column 'text' is not text; seen: ['x']"),
        (b'{"text": "   "}', "column 'text' is empty"),
        (b'["x"]', "not an object but list"),
        (b"oops", "not JSON: unexpected character, expected a JSON value at character 1"),
    ],
)
def test_a_bad_seed_is_refused_with_its_line(line: bytes, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path, "s.jsonl", b'{"text": "good"}\n' + line + b"\n")

    assert refuse_seeds(path) == f": line 2: {problem}"


def test_a_line_of_10_mb_is_no_seed(tmp_path: Path) -> None:
    line = json.dumps({"text": "x" * 10_000_000})

    assert refuse_seeds(write(tmp_path, "s.jsonl", line)) == (
        f": line 1: too long: {len(line)} bytes; allowed: at most {MAX_SEED_BYTES}"
    )


def test_an_id_stands_once(tmp_path: Path) -> None:
    path = write(tmp_path, "s.jsonl", '{"id": "a", "text": "x"}\n\n{"id": "a ", "text": "y"}\n')

    assert refuse_seeds(path, id_column="id") == ": line 3: the id stands already on line 1; seen: a"


@pytest.mark.parametrize("column", ["slice_column", "locale_column", "id_column"])
def test_a_column_that_is_named_must_be_there(column: str, tmp_path: Path) -> None:
    path = write(tmp_path, "s.jsonl", '{"text": "x"}\n')

    assert refuse_seeds(path, **{column: "extra"}) == ": line 1: there is no column 'extra'; allowed: text"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refuse_seeds(tmp_path / "s.jsonl") == (
        " cannot be read: No such file or directory. Check the path."
    )


def test_a_corpus_holds_seeds_topics_and_the_section_that_answers_a_slice(tmp_path: Path) -> None:
    corpus = load_corpus(*write_corpus(tmp_path))

    assert list(corpus.topics) == ["billing/refund", "billing/late"]
    assert corpus.grounding("billing/refund") == "Within 14 days."
    assert corpus.grounding("billing/late") is None
    assert corpus.sections == {"billing#refunds-14-days": "Within 14 days.", "billing#late": "Soon."}


def test_without_a_taxonomy_every_slice_is_a_topic_titled_after_itself(tmp_path: Path) -> None:
    corpus = load_corpus(write_seeds(tmp_path, SEEDS), None, None)

    assert {s: t.title for s, t in corpus.topics.items()} == {
        "billing/late": "Late",
        "billing/refund": "Refund",
    }
    assert corpus.grounding("billing/late") is None


@pytest.mark.parametrize("slice_", ["two words", "a//b", "/a", "a/", "x" * 201])
def test_without_a_taxonomy_a_slice_that_is_no_path_is_refused(slice_: str, tmp_path: Path) -> None:
    columns = write_seeds(tmp_path, [{**SEEDS[0], "area": slice_}])
    with pytest.raises(InputError) as caught:
        load_corpus(columns, None, None)

    assert str(caught.value).startswith(f"{columns.path}: a slice cannot be used; seen: {slice_[:119]}")


def test_a_slice_that_the_taxonomy_does_not_have_is_refused(tmp_path: Path) -> None:
    columns, taxonomy, documents = write_corpus(tmp_path, TOPICS[:1])
    with pytest.raises(InputError) as caught:
        load_corpus(columns, taxonomy, documents)

    assert str(caught.value) == f"{columns.path}: the taxonomy has no such slice; seen: billing/late"


@pytest.mark.parametrize("policy", ["billing#nothing", "nothing#late", "billing", ""])
def test_a_policy_that_no_document_has_is_refused(policy: str, tmp_path: Path) -> None:
    columns, taxonomy, documents = write_corpus(tmp_path, [TOPICS[0], {**TOPICS[1], "policy": policy}])
    with pytest.raises(InputError) as caught:
        load_corpus(columns, taxonomy, documents)

    assert str(caught.value) == (
        f"{taxonomy}: billing/late points to a document section that does not exist; seen: {policy}"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", " is not a list of topics; seen: null"),
        ("a: 1\n", " is not a list of topics; seen: dict"),
        ("[]\n", " is not a list of topics; seen: list"),
        ("- {slice: a, title: A}\n- {slice: a, title: B}\n", ": [1]: the slice stands twice; seen: a"),
        ("- {slice: a}\n", ": [0]: title is missing"),
        ("- a\n", ": [0] is not usable; seen: 'a'; allowed: a mapping of keys"),
        (
            "- {slice: a b, title: A}\n",
            ": [0]: slice is not usable; seen: 'a b'; "
            "allowed: String should match pattern '^[^\\s/]+(/[^\\s/]+)*$'",
        ),
        (
            "- {slice: a, title: A, polcy: x}\n",
            ": [0]: polcy is not a known key; seen: polcy; allowed: description, policy, slice, title."
            " Did you mean 'policy'?",
        ),
        ("- {slice: a, slice: b}\n", ": line 1, column 14 is not YAML: the key 'slice' stands twice"),
    ],
)
def test_a_taxonomy_that_cannot_be_used_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path, "taxonomy.yaml", text)
    with pytest.raises((InputError, ConfigError)) as caught:
        load_taxonomy(path)

    assert str(caught.value) == f"{path}{problem}"
    assert caught.value.exit_code == 2


def test_a_taxonomy_that_is_not_there_or_not_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read: No such file or directory. Check the path."):
        load_taxonomy(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="is not UTF-8: byte 2 is 0xff"):
        load_taxonomy(write(tmp_path, "t.yaml", b"- \xff"))


def test_documents_without_a_section_or_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a folder of documents\. Check the path."):
        load_sections(tmp_path / "nowhere")
    write(tmp_path, "a.md", "# Only a title\n### and a deeper one\n")
    write(tmp_path, "b.txt", "## Not Markdown\n")
    with pytest.raises(InputError, match="holds no document with a section"):
        load_sections(tmp_path)


def test_an_anchor_is_lower_case_with_single_hyphens() -> None:
    assert anchor("  Refunds: 14 days — and more! ") == "refunds-14-days-and-more"


def test_the_digest_of_a_corpus_changes_with_everything_that_a_prompt_may_take_from_it(
    tmp_path: Path,
) -> None:
    columns, taxonomy, documents = write_corpus(tmp_path)
    digests = {load_corpus(columns, taxonomy, documents).digest()}
    assert load_corpus(columns, taxonomy, documents).digest() in digests

    digests.add(load_corpus(columns, None, None).digest())
    digests.add(load_corpus(columns, taxonomy, documents).digest())
    write(tmp_path / "documents", "billing.md", DOCUMENT.replace("Soon", "Sooner"))
    digests.add(load_corpus(columns, taxonomy, documents).digest())
    write_corpus(tmp_path, [TOPICS[0], {**TOPICS[1], "title": "Later"}])
    digests.add(load_corpus(columns, taxonomy, documents).digest())
    write_corpus(tmp_path)
    write_seeds(tmp_path, SEEDS[::-1])
    digests.add(load_corpus(columns, taxonomy, documents).digest())
    assert len(digests) == 5
