import random
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import ConfigError, InputError, VerificationError
from synth_stack.files import read_table, render_yaml
from synth_stack.inputs.strict_yaml import read_yaml
from synth_stack.lineage.merkle import leaf_hash, write_tiles
from synth_stack.lineage.record import leaves_of
from synth_stack.packs import layout
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.verify import inspect_pack, verify_pack, verify_row
from synth_stack.packs.write import write_pack
from synth_stack.rows.canonical import canonical_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, recompute_row_ids
from synth_stack.runs.folder import MANIFEST, list_files
from tests.packs.judged_run import (
    ADVERSARIAL,
    HELD,
    REJECTED,
    ROWS,
    build_pack,
    build_run,
    reseal,
    tell_terms,
    write_packed,
)

FILES = (
    "MANIFEST.json",
    "README.md",
    "croissant.json",
    "data/train-00000-of-00001.parquet",
    "disclosure/data_provenance.json",
    "disclosure/dataset.spdx.json",
    "disclosure/training_summary.md",
    "gates.yaml",
    "lineage/index.bin",
    "lineage/public_key.pem",
    "lineage/records-00000.jsonl.gz",
    "lineage/records-00000.parquet",
    "lineage/statement.dsse.json",
    "lineage/tiles/0.bin",
    "log/gates.json",
    "log/decisions-00000.parquet",
    "log/held-00000-of-00001.parquet",
    "log/rejected-00000-of-00001.parquet",
    "recipe.yaml",
    "seeds/sections.json",
    "seeds/seeds.parquet",
    "seeds/taxonomy.yaml",
    "verify_pack.py",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound pack that no test writes to."""
    return build_pack(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound pack with adversarial rows that no test writes to."""
    return build_pack(tmp_path_factory.mktemp("mixed"), adversarial=ADVERSARIAL)


@pytest.fixture
def pack(whole: Path, tmp_path: Path) -> Path:
    """A copy of the sound pack, with the key that signed it beside it."""
    shutil.copy(whole.parent / "key.pem", tmp_path / "key.pem")
    return Path(shutil.copytree(whole, tmp_path / "pack"))


def problems_of(pack: Path) -> list[str]:
    return [str(problem) for problem in inspect_pack(pack).problems]


def ids_of(pack: Path) -> list[str]:
    rows: list[str] = pq.read_table(pack / "log/decisions-00000.parquet")["row_id"].to_pylist()
    return rows


def rewrite(path: Path, change: Callable[[list[dict[str, object]]], object]) -> None:
    table = read_table(path)
    rows = table.to_pylist()
    change(rows)
    write_packed(path, pa.Table.from_pylist(rows, schema=table.schema))


def test_a_sound_pack_passes_and_says_what_was_checked(whole: Path) -> None:
    result = verify_pack(whole)
    assert list_files(whole) == sorted(FILES)
    assert {check.name: check.count for check in result.checks} == {
        "files": len(FILES),
        "lineage records": ROWS,
        "decisions": ROWS,
        "accepted rows": ROWS - len(REJECTED) - len(HELD),
    }
    assert result.counts is not None
    assert (result.counts.rejected, result.counts.held) == (len(REJECTED), len(HELD))
    assert result.to_json()["verified"] is True
    assert "ok       12 lineage records" in result.lines()


def test_a_local_key_is_warned_of_unless_it_is_the_expected_one(whole: Path) -> None:
    result = verify_pack(whole)
    assert result.key_id is not None
    assert "not who signed" in result.warnings[0]
    assert verify_pack(whole, expected_key=result.key_id).warnings == ()


def test_another_key_than_the_expected_one_is_named(whole: Path) -> None:
    with pytest.raises(VerificationError, match=r"^lineage/public_key.pem is not the expected key"):
        verify_pack(whole, expected_key="0" * 64)


@pytest.mark.parametrize("bad", ["", "abc", "A" * 64])
def test_an_expected_key_that_is_no_key_id_is_a_configuration_error(whole: Path, bad: str) -> None:
    with pytest.raises(ConfigError, match="not a key id"):
        verify_pack(whole, expected_key=bad)


def test_an_identity_is_refused_for_a_pack_that_none_signed(whole: Path) -> None:
    with pytest.raises(VerificationError, match="no identity vouches for it"):
        verify_pack(whole, identity="me@example.org", issuer="https://issuer.example")


@pytest.mark.parametrize(
    "arguments", [{"identity": "a@b.c"}, {"issuer": "https://i"}, {"trust_config": Path("t.json")}]
)
def test_half_an_identity_is_a_configuration_error(whole: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        verify_pack(whole, **arguments)  # type: ignore[arg-type]  # each is one of the keywords


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_anywhere_in_a_file_is_found_and_the_file_named(pack: Path, name: str) -> None:
    path = pack / name
    sound = path.read_bytes()
    rng = random.Random(name)
    for offset in {0, len(sound) - 1, *(rng.randrange(len(sound)) for _ in range(12))}:
        for bit in (1, 1 << rng.randrange(1, 8)):
            data = bytearray(sound)
            data[offset] ^= bit
            path.write_bytes(data)
            found = problems_of(pack)
            assert found, f"{name}: byte {offset} was changed and nothing was found"
            assert found[0].startswith(name), f"{name}: byte {offset}: {found}"
    path.write_bytes(sound)
    assert not problems_of(pack)


@pytest.mark.parametrize("name", FILES)
def test_a_shortened_a_longer_and_an_empty_file_are_named(pack: Path, name: str) -> None:
    path = pack / name
    sound = path.read_bytes()
    for data in (sound[:-1], sound[: len(sound) // 2], b"", sound + b"\n", sound + b"\0", b" " + sound):
        path.write_bytes(data)
        found = problems_of(pack)
        assert found
        assert found[0].startswith(name)


@pytest.mark.parametrize("name", FILES)
def test_a_removed_file_is_named(pack: Path, name: str) -> None:
    (pack / name).unlink()
    assert problems_of(pack)[0] == f"{name} is missing"


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_place_of_a_file_is_refused_even_to_the_same_bytes(pack: Path, name: str) -> None:
    aside = pack.parent / "aside"
    (pack / name).rename(aside)
    (pack / name).symlink_to(aside)
    assert any(found.startswith(f"{name} is a link") for found in problems_of(pack))


@pytest.mark.parametrize("folder", ["lineage", "data", "seeds"])
def test_a_linked_folder_is_refused(pack: Path, folder: str) -> None:
    (pack / folder).rename(pack.parent / "aside")
    (pack / folder).symlink_to(pack.parent / "aside")
    assert any(found.startswith(f"{folder} is a link") for found in problems_of(pack))


@pytest.mark.parametrize(
    "name",
    [
        "data/train-00001-of-00002.parquet",
        "data/extra.txt",
        "setup.py",
        ".hidden",
        "seeds/.hidden",
        "seeds/more.md",
        "lineage/tiles/1.bin",
        "lineage/bundle.sigstore.json",
        "log/back\\slash",
        "seeds/line\nbreak.md",
        "seeds/trailing ",
        "seeds/re\u0301sume\u0301.md",
    ],
)
def test_an_added_file_is_named(pack: Path, name: str) -> None:
    (pack / name).write_bytes(b"x")
    shown = name.replace("\n", " ")
    assert any(shown in found for found in problems_of(pack))


def test_two_swapped_files_are_both_named(pack: Path) -> None:
    recipe, gates = (pack / layout.RECIPE).read_bytes(), (pack / layout.GATES).read_bytes()
    (pack / layout.RECIPE).write_bytes(gates)
    (pack / layout.GATES).write_bytes(recipe)
    found = problems_of(pack)
    assert any(problem.startswith("recipe.yaml was changed") for problem in found)
    assert any(problem.startswith("gates.yaml was changed") for problem in found)


def test_a_fifo_is_refused_without_being_opened(pack: Path) -> None:
    import os

    os.mkfifo(pack / "seeds" / "pipe")
    assert problems_of(pack)[0].startswith("seeds/pipe is a link or a device")


def test_what_the_hub_leaves_in_a_download_is_noted_and_no_fault(pack: Path) -> None:
    (pack / ".gitattributes").write_text("*.parquet filter=lfs\n")
    (pack / ".cache" / "huggingface").mkdir(parents=True)
    (pack / ".cache" / "huggingface" / "x.lock").touch()
    assert tuple(sorted(verify_pack(pack).warnings[:2])) == (
        ".cache was left by the Hub and is no part of the pack",
        ".gitattributes was left by the Hub and is no part of the pack",
    )


def test_every_problem_is_collected_and_the_first_is_raised(pack: Path) -> None:
    (pack / "README.md").write_bytes(b"# Mine\n")
    (pack / "seeds" / "taxonomy.yaml").unlink()
    found = problems_of(pack)
    assert len(found) == 2
    with pytest.raises(VerificationError) as caught:
        verify_pack(pack)
    assert str(caught.value) == found[0]


def test_a_folder_that_is_no_pack_gives_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="is missing"):
        verify_pack(tmp_path)
    with pytest.raises(VerificationError, match="is not a folder"):
        verify_pack(tmp_path / "nowhere")


def test_a_manifest_with_a_false_fact_is_named(pack: Path) -> None:
    manifest = orjson.loads((pack / MANIFEST).read_bytes())
    manifest["facts"]["accepted"] = 12
    (pack / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS) + b"\n")
    assert problems_of(pack) == ["MANIFEST.json: its facts are not those that were signed"]


@pytest.mark.parametrize("listed", ["../outside", "/etc/passwd", "data/../../x", "seeds//x", "seeds/gone.md"])
def test_a_manifest_that_lists_what_is_not_there_is_refused_and_nothing_is_opened(
    pack: Path, listed: str
) -> None:
    manifest = orjson.loads((pack / MANIFEST).read_bytes())
    manifest["files"][listed] = {"sha256": "0" * 64, "bytes": 1}
    (pack / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS) + b"\n")
    found = problems_of(pack)
    assert found == [f"MANIFEST.json lists a file that was never part of the pack; seen: {listed}"]


@pytest.mark.parametrize("written", [b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"scheme": 1}'])
def test_a_manifest_that_is_none_gives_a_sentence(pack: Path, written: bytes) -> None:
    (pack / MANIFEST).write_bytes(written)
    assert problems_of(pack)[0].startswith("MANIFEST.json is not")


class TestSignedLies:
    """Packs that somebody changed and then signed again: every file fits the signature."""

    def test_resealing_a_sound_pack_changes_nothing(self, pack: Path) -> None:
        before = {name: (pack / name).read_bytes() for name in list_files(pack)}
        reseal(pack, pack.parent / "key.pem")
        assert {name: (pack / name).read_bytes() for name in list_files(pack)} == before

    def test_an_accepted_row_with_another_answer_is_named(self, pack: Path) -> None:
        path = pack / layout.data_name(0, 1)

        def change(rows: list[dict[str, object]]) -> None:
            rows[3]["messages"] = [{"role": "user", "content": "Buy now"}]

        rewrite(path, change)
        reseal(pack, pack.parent / "key.pem")
        row_id = read_table(path)["row_id"][3].as_py()
        assert problems_of(pack)[0].startswith(
            f"data/train-00000-of-00001.parquet: row {row_id} is not the row"
        )

    def test_a_changed_row_under_its_new_id_is_named(self, pack: Path) -> None:
        path = pack / layout.data_name(0, 1)
        rewrite(path, lambda rows: rows[0].update(text="Buy now"))
        table = read_table(path, DATA_SCHEMA)
        ids = recompute_row_ids(table)
        write_packed(path, table.set_column(0, DATA_SCHEMA.field("row_id"), pa.array(ids)))
        reseal(pack, pack.parent / "key.pem")
        assert f"row {ids[0]} stands where another row was recorded" in problems_of(pack)[0]

    def test_a_rejected_row_cannot_be_put_among_the_accepted(self, pack: Path) -> None:
        candidates = pack.parent / "other"
        build_run(candidates)
        rejected = read_table(candidates / "candidates" / "part-00000.parquet", CANDIDATE_SCHEMA).slice(2, 1)
        path = pack / layout.data_name(0, 1)
        write_packed(path, pa.concat_tables([read_table(path), tell_terms(rejected)]))
        reseal(pack, pack.parent / "key.pem")
        assert f"row {ids_of(pack)[2]} has no record" in problems_of(pack)[0]

    def test_a_dropped_accepted_row_is_named(self, pack: Path) -> None:
        path = pack / layout.data_name(0, 1)
        rewrite(path, lambda rows: rows.pop())
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack) == [f"the train split ends before row {ids_of(pack)[-1]}"]

    @pytest.mark.parametrize(
        "column", ["decision", "gate", "reason", "reason_class", "replaced_by", "source_id"]
    )
    def test_a_changed_decision_in_the_log_is_named(self, pack: Path, column: str) -> None:
        path = pack / "log/decisions-00000.parquet"
        rewrite(path, lambda rows: rows[2].update({column: "accepted"}))
        reseal(pack, pack.parent / "key.pem")
        expected = f"log/decisions-00000.parquet: the {column} of row {ids_of(pack)[2]} is not the signed one"
        assert problems_of(pack)[0].startswith(expected)

    def test_a_log_that_ends_early_or_late_is_found(self, pack: Path) -> None:
        path = pack / "log/decisions-00000.parquet"
        rewrite(path, lambda rows: rows.append(dict(rows[0])))
        reseal(pack, pack.parent / "key.pem")
        assert "has no record" in problems_of(pack)[0]
        rewrite(path, lambda rows: rows.__delitem__(slice(-2, None)))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("the log ends before row")

    def test_a_record_that_says_another_decision_is_named(self, pack: Path) -> None:
        path = pack / layout.records_name(0)

        def change(rows: list[dict[str, object]]) -> None:
            rows[2]["decision"] = "accepted"

        rewrite(path, change)
        reseal(pack, pack.parent / "key.pem")
        assert f"row {ids_of(pack)[2]}: the column says another decision" in problems_of(pack)[0]

    def test_a_record_whose_verdicts_give_another_decision_is_named(self, pack: Path) -> None:
        """Whoever signs may record, log and hand over a reject as accepted; its verdict still says reject."""
        path, log = pack / layout.records_name(0), pack / "log/decisions-00000.parquet"
        nothing = dict.fromkeys(("gate", "reason", "reason_class", "replaced_by"))

        def lie(rows: list[dict[str, object]]) -> None:
            record = orjson.loads(rows[2]["record"])  # type: ignore[arg-type]  # bytes
            record["decision"] = {"decision": "accepted", **nothing}
            data = canonical_json(record)
            rows[2] |= {"decision": "accepted", "record": data, "leaf": leaf_hash(data)}

        rewrite(path, lie)
        rewrite(log, lambda rows: rows[2].update({"decision": "accepted", **nothing}))
        shutil.rmtree(pack / layout.TILES)
        head = write_tiles(pack / layout.TILES, [leaves_of(read_table(path))])
        reseal(pack, pack.parent / "key.pem", {"tree": {"size": head.size, "root": head.root.hex()}})
        assert problems_of(pack)[0] == (
            f"lineage/records-00000.parquet: the decision of row {ids_of(pack)[2]} is not what its verdicts "
            "give; seen: 'accepted'; allowed: 'rejected'"
        )

    def test_a_rule_in_another_order_than_its_gates_is_found(self, pack: Path) -> None:
        path = pack / layout.GATES
        lock = read_yaml(path)
        lock["rule"]["order"].reverse()
        path.write_bytes(render_yaml(lock))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("gates.yaml: its rule is not that of its gates")

    def test_counts_that_the_rows_do_not_give_are_found_in_the_statement(self, pack: Path) -> None:
        counts = {"generated": 12, "accepted": 10, "rejected": 1, "held": 1, "gates": []}
        reseal(pack, pack.parent / "key.pem", {"counts": counts})
        assert problems_of(pack)[0].startswith("lineage/statement.dsse.json: its counts is not what")

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (b'2,"turned_away":1', b'2,"turned_away":2', "its counts is not what"),
            (b'2,"turned_away":1', b'2,"turned_away":3', "turned away more rows than were planted"),
            (b'"turned_away":1', b'"turned_away":-1', "greater than or equal to 0"),
            (
                b'"kind":"puzzle","planted":1,"turned_away":0',
                b'"kind":"puzzle","planted":1,"turned_away":1',
                "unfair gate: toxicity turned away 1 of 1",
            ),
            (b'"turned_away":1', b'"turned_away":1.0', "valid integer"),
            (b'2,"turned_away":1', b'2,"turned_away":0', "blind gate: toxicity caught 0 of 2"),
            (b'"planted":2', b'"planted":9', "more rows of a kind than it was asked for"),
            (b'"gate":"dedup"', b'"gate":"drift"', "does not say how dedup did in its self-test"),
            (b'"kind":"threat"', b'"kind":"threats"', "README.md: line"),
            (b'"counts":{}', b'"counts":{"tried":3}', "README.md: line"),
            (b'"scheme"', b' "scheme"', "not what this package writes"),
            (b'"scheme"', b'"note":1,"scheme"', "Extra inputs"),
            (b"measures/v3", b"measures/v1", "synth_stack/measures/v3"),
            (b"{", b"[", "Invalid JSON"),
        ],
    )
    def test_canaries_that_do_not_fit_the_card_the_gates_or_the_statement_are_found(
        self, pack: Path, old: bytes, new: bytes, said: str
    ) -> None:
        path = pack / layout.MEASURES
        path.write_bytes(path.read_bytes().replace(old, new, 1))
        reseal(pack, pack.parent / "key.pem")
        assert any(said in problem for problem in problems_of(pack)), problems_of(pack)

    def test_a_gate_whose_bar_was_lowered_is_found(self, pack: Path) -> None:
        path = pack / layout.GATES
        path.write_bytes(path.read_bytes().replace(b"min_recall: 0.95", b"min_recall: 0.05"))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)

    def test_another_run_in_the_statement_is_found(self, pack: Path) -> None:
        reseal(pack, pack.parent / "key.pem", {"run": "0" * 64})
        assert problems_of(pack)[0].startswith("lineage/statement.dsse.json: its run is not what")

    def test_another_scheme_is_refused_by_name(self, pack: Path) -> None:
        reseal(pack, pack.parent / "key.pem", {"scheme": "synth_stack/pack/v0"})
        assert problems_of(pack)[0].startswith("lineage/statement.dsse.json is of another scheme")

    def test_a_predicate_without_a_tree_is_refused(self, pack: Path) -> None:
        reseal(pack, pack.parent / "key.pem", {"tree": {"root": "0" * 64}})
        assert "does not say what a pack's statement says" in problems_of(pack)[0]

    @pytest.mark.parametrize(
        ("old", "new"), [("| **9** |", "| **12** |"), ("| 66.7% |", "| 99.9% |"), ("median 54", "median 99")]
    )
    def test_a_figure_on_the_card_that_the_rows_do_not_give_is_found(
        self, pack: Path, old: str, new: str
    ) -> None:
        card = (pack / "README.md").read_text()
        assert old in card
        (pack / "README.md").write_text(card.replace(old, new))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("README.md: line")

    def test_a_second_block_of_figures_before_the_true_one_is_found(self, pack: Path) -> None:
        card = (pack / "README.md").read_text()
        false = "<!-- synth_stack:figures -->\nall good\n<!-- /synth_stack:figures -->\n\n## Figures"
        (pack / "README.md").write_text(card.replace("## Figures", false))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("README.md: line")

    def test_a_number_of_examples_that_the_data_does_not_have_is_found(self, pack: Path) -> None:
        card = (pack / "README.md").read_text()
        (pack / "README.md").write_text(card.replace("num_examples: 9", "num_examples: 12"))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("README.md: line")

    def test_another_split_on_the_card_is_found(self, pack: Path) -> None:
        card = (pack / "README.md").read_text()
        (pack / "README.md").write_text(card.replace("path: data/train-*.parquet", "path: log/*.parquet"))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("README.md: line")

    def test_a_changed_threshold_in_the_gate_file_is_found(self, pack: Path) -> None:
        gates = (pack / "gates.yaml").read_text()
        (pack / "gates.yaml").write_text(gates.replace("0.85", "0.99"))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("gates.yaml: its identity is not that of what it says")

    def test_records_of_another_recipe_are_found(self, pack: Path) -> None:
        recipe = (pack / "recipe.yaml").read_bytes()
        (pack / "recipe.yaml").write_bytes(recipe.replace(b"British", b"German"))
        reseal(pack, pack.parent / "key.pem")
        assert "was recorded for another recipe or gate file" in problems_of(pack)[0]

    def test_a_croissant_file_of_something_else_is_found(self, pack: Path) -> None:
        (pack / "croissant.json").write_text("{}\n")
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("croissant.json: line 1 is not what")

    def test_a_recipe_that_is_none_is_found(self, pack: Path) -> None:
        from synth_stack.files import digest_file

        (pack / "recipe.yaml").write_text("a: &a [x]\nb: [*a, *a]\n")
        reseal(pack, pack.parent / "key.pem", {"recipe_sha256": digest_file(pack / "recipe.yaml")})
        assert problems_of(pack)

    def test_a_tree_of_other_records_is_found(self, pack: Path) -> None:
        reseal(pack, pack.parent / "key.pem", {"tree": {"size": ROWS, "root": "0" * 64}})
        assert "are not the signed tree" in problems_of(pack)[0]

    def test_a_tree_of_another_size_is_found(self, pack: Path) -> None:
        statement = inspect_pack(pack)
        reseal(pack, pack.parent / "key.pem", {"tree": {"size": ROWS + 1, "root": statement.root}})
        assert problems_of(pack)

    def test_a_changed_tile_is_named(self, pack: Path) -> None:
        path = pack / "lineage/tiles/0.bin"
        data = bytearray(path.read_bytes())
        data[40] ^= 1
        path.write_bytes(data)
        reseal(pack, pack.parent / "key.pem")
        assert "tiles" in problems_of(pack)[0]

    def test_tables_with_other_columns_are_refused(self, pack: Path) -> None:
        path = pack / layout.data_name(0, 1)
        write_packed(path, read_table(path).append_column("extra_column", pa.array([1] * 9)))
        reseal(pack, pack.parent / "key.pem")
        assert "does not have the columns that it should" in problems_of(pack)[0]

    @pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\xff" * 8, b"PAR1" + b"\0" * 40 + b"PAR1"])
    def test_a_data_file_that_is_no_parquet_gives_a_sentence(self, pack: Path, data: bytes) -> None:
        (pack / layout.data_name(0, 1)).write_bytes(data)
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("data/train-00000-of-00001.parquet")

    def test_shards_that_are_numbered_with_a_gap_are_refused(self, pack: Path) -> None:
        (pack / layout.data_name(0, 1)).rename(pack / layout.data_name(3, 9))
        reseal(pack, pack.parent / "key.pem")
        assert "data/train-00000-of-00001.parquet is missing" in problems_of(pack)

    def test_a_file_that_the_signature_does_not_cover_is_named(self, pack: Path) -> None:
        (pack / "log" / "decisions-00001.parquet").write_text("x")
        from synth_stack.runs.folder import write_manifest

        facts = orjson.loads((pack / MANIFEST).read_bytes())["facts"]
        (pack / MANIFEST).unlink()
        write_manifest(pack, facts)
        assert problems_of(pack) == [
            f"log/decisions-00001.parquet was added: {layout.STATEMENT} does not list it"
        ]

    def test_text_before_the_key_in_its_file_is_refused(self, pack: Path) -> None:
        path = pack / "lineage/public_key.pem"
        path.write_bytes(b"trust me\n" + path.read_bytes())
        assert problems_of(pack)[0].startswith("lineage/public_key.pem")


class TestSplits:
    """Packs with a split of adversarial rows; the lies are signed, so that every file fits the signature."""

    TRAIN, APART = layout.data_name(0, 1), layout.data_name(0, 1, "adversarial")

    @pytest.fixture
    def pack(self, mixed: Path, tmp_path: Path) -> Path:
        shutil.copy(mixed.parent / "key.pem", tmp_path / "key.pem")
        return Path(shutil.copytree(mixed, tmp_path / "pack"))

    def move(self, pack: Path, source: str, target: str, *, at: int, copy: bool = False) -> str:
        """Put the first row of one file into another one at a place; its id."""
        rows, others = (read_table(pack / name, DATA_SCHEMA) for name in (source, target))
        parts = [others.slice(0, at), rows.slice(0, 1), others.slice(at)]
        write_packed(pack / target, pa.concat_tables(parts))
        if not copy:
            write_packed(pack / source, rows.slice(1))
        reseal(pack, pack.parent / "key.pem")
        moved: str = rows["row_id"][0].as_py()
        return moved

    def test_a_sound_one_passes_and_says_how_many_rows_stand_apart(self, mixed: Path) -> None:
        result = verify_pack(mixed)
        checks = {check.name: check.count for check in result.checks}
        assert (checks["accepted rows"], checks["adversarial rows"]) == (9, 3)
        assert result.to_json()["counts"]["splits"] == {"train": 6, "adversarial": 3}
        assert "ok       3 adversarial rows" in result.lines()

    def test_resealing_it_changes_nothing(self, pack: Path) -> None:
        before = {name: (pack / name).read_bytes() for name in list_files(pack)}
        reseal(pack, pack.parent / "key.pem")
        assert {name: (pack / name).read_bytes() for name in list_files(pack)} == before
        verify_pack(pack)

    @pytest.mark.parametrize("at", [0, 1, 6])
    @pytest.mark.parametrize("copy", [False, True])
    def test_an_adversarial_row_in_train_is_named_wherever_it_stands(
        self, pack: Path, at: int, copy: bool
    ) -> None:
        row_id = self.move(pack, self.APART, self.TRAIN, at=at, copy=copy)
        assert problems_of(pack)[0] == (
            f"{self.TRAIN}: row {row_id} does not belong into the train split; seen: kind adversarial; "
            "allowed: in adversarial alone"
        )

    @pytest.mark.parametrize("at", [0, 3])
    def test_another_row_in_the_adversarial_split_is_named(self, pack: Path, at: int) -> None:
        row_id = self.move(pack, self.TRAIN, self.APART, at=at)
        said = (
            f"{self.APART}: row {row_id} does not belong into the adversarial split; seen: kind instruction"
        )
        assert any(problem.startswith(said) for problem in problems_of(pack))

    def test_the_rows_of_both_splits_in_one_file_are_found(self, pack: Path) -> None:
        tables = [read_table(pack / name, DATA_SCHEMA) for name in (self.TRAIN, self.APART)]
        rows = pa.concat_tables(tables)
        order = {row_id: i for i, row_id in enumerate(ids_of(pack))}
        places = [order[row_id] for row_id in rows["row_id"].to_pylist()]
        write_packed(pack / self.TRAIN, rows.take(sorted(range(len(rows)), key=places.__getitem__)))
        (pack / self.APART).unlink()
        reseal(pack, pack.parent / "key.pem")
        assert "does not belong into the train split" in problems_of(pack)[0]

    def test_an_adversarial_row_that_passes_for_another_kind_is_named(self, pack: Path) -> None:
        row_id = self.move(pack, self.APART, self.TRAIN, at=1)
        rewrite(pack / self.TRAIN, lambda rows: rows[1].update(kind="instruction"))
        reseal(pack, pack.parent / "key.pem")
        assert f"{self.TRAIN}: row {row_id} stands where another row was recorded" in problems_of(pack)[0]

    def test_a_record_that_calls_an_adversarial_row_another_kind_is_found(self, pack: Path) -> None:
        """Whoever signs may grow the tree anew over records that lie; the row's own digest does not."""
        path = pack / layout.records_name(0)

        def lie(rows: list[dict[str, object]]) -> None:
            record = orjson.loads(str(rows[1]["record"], "utf-8"))  # type: ignore[call-overload]
            rows[1]["record"] = canonical_json({**record, "kind": "instruction"})
            rows[1]["leaf"] = leaf_hash(canonical_json({**record, "kind": "instruction"}))

        rewrite(path, lie)
        shutil.rmtree(pack / layout.TILES)
        head = write_tiles(pack / layout.TILES, [leaves_of(read_table(path))])
        tree = {"tree": {"size": head.size, "root": head.root.hex()}}
        reseal(pack, pack.parent / "key.pem", tree)
        assert any("stands where another row was recorded" in said for said in problems_of(pack))
        row_id = self.move(pack, self.APART, self.TRAIN, at=1)
        assert f"row {row_id} does not belong into the train split" in problems_of(pack)[0]

    @pytest.mark.parametrize("name", [TRAIN, APART])
    @pytest.mark.parametrize("drop", [slice(0, 1), slice(1, 2), slice(-1, None)])
    def test_a_row_that_is_gone_from_its_split_is_found(self, pack: Path, name: str, drop: slice) -> None:
        last = read_table(pack / name)["row_id"][-1].as_py()
        rewrite(pack / name, lambda rows: rows.__delitem__(drop))
        reseal(pack, pack.parent / "key.pem")
        found = problems_of(pack)
        assert "stands where another row" in found[0] or f"ends before row {last}" in found[0]

    @pytest.mark.parametrize(("name", "split"), [(TRAIN, "train"), (APART, "adversarial")])
    def test_a_split_that_is_gone_is_found(self, pack: Path, name: str, split: str) -> None:
        first = read_table(pack / name)["row_id"][0].as_py()
        (pack / name).unlink()
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack) == [f"the {split} split ends before row {first}"]

    @pytest.mark.parametrize("name", [TRAIN, APART])
    def test_a_split_that_is_numbered_wrongly_is_found(self, pack: Path, name: str) -> None:
        (pack / name).rename(pack / name.replace("00000-of-00001", "00001-of-00002"))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0] == f"{name} is missing"

    @pytest.mark.parametrize(("split", "kind"), [("adversarial", "code"), ("train", "adversarial")])
    def test_an_empty_file_of_a_split_without_rows_is_found(
        self, tmp_path: Path, split: str, kind: str
    ) -> None:
        pack = build_pack(tmp_path, kind=kind)
        name = layout.data_name(0, 1, split)
        write_packed(pack / name, DATA_SCHEMA.empty_table())
        reseal(pack, tmp_path / "key.pem")
        problem = f"{name} is numbered wrongly, or of a split or decision of which the pack has no row"
        assert problems_of(pack) == [problem]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("path: data/train-*.parquet", "path: data/*.parquet"),
            ("  - split: adversarial\n    path: data/adversarial-*.parquet\n", ""),
            ("num_examples: 3", "num_examples: 0"),
        ],
    )
    def test_a_header_that_loads_the_splits_otherwise_is_found(self, pack: Path, old: str, new: str) -> None:
        card = (pack / "README.md").read_text()
        assert old in card
        (pack / "README.md").write_text(card.replace(old, new))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("README.md: line")

    def test_a_strategy_on_the_card_that_the_rows_do_not_state_is_found(self, pack: Path) -> None:
        card = (pack / "README.md").read_text()
        (pack / "README.md").write_text(card.replace("| `role_play` | `refuse` | 2 |", "| `none` |  | 2 |"))
        reseal(pack, pack.parent / "key.pem")
        assert problems_of(pack)[0].startswith("README.md: line")

    def test_false_numbers_of_rows_in_the_statement_are_found(self, pack: Path) -> None:
        counts = verify_pack(pack).to_json()["counts"]
        reseal(pack, pack.parent / "key.pem", {"counts": {**counts, "splits": {"train": 9}}})
        assert problems_of(pack)[0].startswith("lineage/statement.dsse.json: its counts is not what")

    def test_one_changed_byte_of_the_adversarial_rows_is_found(self, pack: Path) -> None:
        data = bytearray((pack / self.APART).read_bytes())
        data[len(data) // 2] ^= 1
        (pack / self.APART).write_bytes(data)
        assert problems_of(pack)[0].startswith(f"{self.APART} was changed")

    @pytest.mark.parametrize("draw", [0, 1, 4, 7, 11])
    def test_one_row_is_proved_in_either_split(self, mixed: Path, draw: int) -> None:
        proof = verify_row(mixed, ids_of(mixed)[draw])
        assert (proof.index, proof.in_data) == (draw, draw != 7)

    @pytest.mark.parametrize("copy", [False, True])
    def test_an_adversarial_row_in_train_does_not_prove(self, pack: Path, copy: bool) -> None:
        row_id = self.move(pack, self.APART, self.TRAIN, at=1, copy=copy)
        with pytest.raises(VerificationError, match=f"row {row_id} does not belong into the train split"):
            verify_row(pack, row_id)


@pytest.mark.parametrize("draw", [0, 1, REJECTED[0], HELD[0], ROWS - 1])
def test_one_row_is_proved_with_its_decision_and_verdicts(whole: Path, draw: int) -> None:
    row_id = ids_of(whole)[draw]
    proof = verify_row(whole, row_id)
    decision = read_table(whole / "log/decisions-00000.parquet", DECISION_SCHEMA).to_pylist()[draw]
    assert (proof.row_id, proof.index, proof.size) == (row_id, draw, ROWS)
    assert (proof.decision, proof.gate, proof.reason) == (
        decision["decision"],
        decision["gate"],
        decision["reason"],
    )
    assert proof.in_data == (decision["decision"] == "accepted")
    assert proof.verdicts[0]["gate"] == "dedup"
    assert proof.to_json()["row_id"] == row_id
    assert any(line.startswith("proved") for line in proof.lines())


def test_a_row_is_proved_although_other_files_are_gone(pack: Path) -> None:
    row_id = ids_of(pack)[0]
    (pack / "seeds" / "seeds.parquet").unlink()
    (pack / "log" / "decisions-00000.parquet").unlink()
    assert verify_row(pack, row_id[:8]).row_id == row_id


def test_an_unknown_row_is_an_input_error_that_names_close_ids(whole: Path) -> None:
    row_id = ids_of(whole)[0]
    with pytest.raises(InputError, match=f"Close to it: {row_id}"):
        verify_row(whole, row_id[:8] + "0" * 24)
    with pytest.raises(InputError, match="has no row of that id"):
        verify_row(whole, "f" * 32)
    with pytest.raises(InputError, match="not a row id"):
        verify_row(whole, "../../etc")


def test_a_changed_accepted_row_does_not_prove(pack: Path) -> None:
    rewrite(pack / layout.data_name(0, 1), lambda rows: rows[0].update(text="Buy now"))
    with pytest.raises(VerificationError, match="is not the row that was recorded"):
        verify_row(pack, ids_of(pack)[0])


def test_an_accepted_row_that_is_gone_from_the_data_does_not_prove(pack: Path) -> None:
    rewrite(pack / layout.data_name(0, 1), lambda rows: rows.pop(0))
    with pytest.raises(VerificationError, match="is not in data/"):
        verify_row(pack, ids_of(pack)[0])


def test_a_changed_record_does_not_prove(pack: Path) -> None:
    def change(rows: list[dict[str, object]]) -> None:
        record = rows[2]["record"]
        assert isinstance(record, bytes)
        rows[2]["record"] = record.replace(b'"1.0"', b'"0.2"')

    rewrite(pack / layout.records_name(0), change)
    with pytest.raises(VerificationError, match="is not leaf 2 of the signed tree"):
        verify_row(pack, ids_of(pack)[2])


def test_a_row_does_not_prove_with_changed_tiles(pack: Path) -> None:
    path = pack / "lineage/tiles/0.bin"
    path.write_bytes(path.read_bytes()[:32] + bytes(32) + path.read_bytes()[64:])
    with pytest.raises(VerificationError):
        verify_row(pack, ids_of(pack)[0])


def test_a_card_that_is_too_large_is_one_problem_more(pack: Path) -> None:
    with (pack / "README.md").open("ab") as file:
        file.truncate(17 * 1024**2)
    reseal(pack, pack.parent / "key.pem")
    assert problems_of(pack) == ["README.md is too large; allowed: at most 16777216 bytes"]


def test_a_row_does_not_prove_under_another_key(whole: Path) -> None:
    with pytest.raises(VerificationError, match="not the expected key"):
        verify_row(whole, ids_of(whole)[0], expected_key="0" * 64)


def test_a_pack_signed_anew_by_another_key_verifies_and_shows_that_key(pack: Path, tmp_path: Path) -> None:
    before = verify_pack(pack).key_id
    key_id = local_signer(tmp_path / "other.pem").key_id
    for name in ("README.md", *layout.DOCUMENTS):
        path = pack / name
        path.write_text(path.read_text(encoding="utf-8").replace(str(before), key_id), encoding="utf-8")
    reseal(pack, tmp_path / "other.pem")
    result = verify_pack(pack)
    assert result.key_id != before
    with pytest.raises(VerificationError, match="not the expected key"):
        verify_pack(pack, expected_key=before)


def test_a_run_without_accepted_rows_makes_a_pack_that_verifies(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", rows=3, failure="nothing came")
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    result = verify_pack(tmp_path / "pack")
    assert result.counts is not None
    assert (result.counts.accepted, result.counts.rejected) == (0, 3)
