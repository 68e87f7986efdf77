import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import synth_stack
from synth_stack.errors import ConfigError, InputError, RunMismatch, SynthStackError, VerificationError
from synth_stack.files import digest_file, read_table
from synth_stack.inputs import terms
from synth_stack.packs import layout
from synth_stack.packs import verify_pack as verify_pack_file
from synth_stack.packs.export import export_pack
from synth_stack.packs.load import compare_revoked, load_pack
from synth_stack.packs.mixture.write import mix_packs
from synth_stack.packs.prove import prove_rows, verify_proof
from synth_stack.packs.signers import add_cosigners, local_signer
from synth_stack.packs.tombstones import revoke
from synth_stack.packs.trace import trace
from synth_stack.packs.verify.verify import inspect_pack, verify_pack, verify_row
from synth_stack.runs.folder import MANIFEST, list_files
from tests.packs.disclosure.stated_pack import build_stated_pack
from tests.packs.judged_run import build_pack, read_predicate
from tests.packs.mixture.mixed_pack import Parts, mix
from tests.packs.tampering.forge import Forger
from tests.packs.tampering.mixed_lies import swap
from tests.packs.withdrawn_pack import WHEN, issue_again, withdraw


def problems_of(folder: Path) -> list[str]:
    return [str(problem) for problem in inspect_pack(folder).problems]


def test_every_pack_lies_in_it_as_it_was_signed(parts: Parts) -> None:
    for number, pack in enumerate((parts.first, parts.second)):
        held = parts.mixture / f"sources/{number:02d}"
        assert list_files(held) == list_files(pack)
        assert all((held / name).read_bytes() == (pack / name).read_bytes() for name in list_files(pack))
        assert verify_pack(held).root == verify_pack(pack).root


def test_it_verifies_whole_and_says_what_was_checked(parts: Parts) -> None:
    found = verify_pack(parts.mixture, expected_key=local_signer(parts.folder / "mixture.pem").key_id)
    assert {check.name: check.count for check in found.checks} == {
        "files": len(list_files(parts.mixture)),
        "packs": 2,
        "accepted rows": 18,
    }
    assert found.to_json()["verified"] is True
    with pytest.raises(VerificationError, match="not the expected key"):
        verify_pack(parts.mixture, expected_key="0" * 64)


def test_shares_licences_and_terms_add_up_on_card_and_statement(parts: Parts) -> None:
    card = (parts.mixture / layout.CARD).read_text(encoding="utf-8")
    assert "| `cc-by-4.0` | 18 | 18 | 100.0% | 0 | 0 |" in card
    assert "| `no-competing-models` | 9 | 50.0% |\n| `undeclared` | 9 | 50.0% |" in card
    assert "| `undeclared` | none named |" in card
    predicate, _ = read_predicate(parts.mixture)
    assert predicate["counts"] == {
        "rows": 18,
        "synthetic": 18,
        "slices": [
            {"slice": "billing/late", "rows": 12, "synthetic": 12},
            {"slice": "locks", "rows": 6, "synthetic": 6},
        ],
    }
    assert [pack["rows"] for pack in predicate["packs"]] == [9, 9]
    croissant = orjson.loads((parts.mixture / layout.CROISSANT).read_bytes())
    assert [entity["prov:label"] for entity in croissant["prov:wasDerivedFrom"]] == [
        "pack support_intents",
        "pack support_intents",
        "seed corpus",
    ]


def test_the_same_packs_name_and_key_give_the_same_bytes(parts: Parts, tmp_path: Path) -> None:
    shutil.copy(parts.folder / "mixture.pem", tmp_path / "mixture.pem")
    again = mix(tmp_path, [parts.first, parts.second])
    assert list_files(again) == list_files(parts.mixture)
    assert all(digest_file(again / n) == digest_file(parts.mixture / n) for n in list_files(again))
    mix(tmp_path, [parts.first, parts.second])  # over itself
    assert problems_of(again) == []


def test_a_row_is_proved_by_its_own_pack(parts: Parts) -> None:
    for number, pack in enumerate((parts.first, parts.second)):
        row_id = read_table(pack / layout.records_name(0))["row_id"][2].as_py()
        proof = verify_row(parts.mixture, row_id)
        assert proof.root == verify_pack(pack).root
        assert proof.mixture is not None
        assert proof.mixture.folder == f"sources/{number:02d}"
    with pytest.raises(InputError, match="has no row of that id"):
        verify_row(parts.mixture, "f" * 32)


def test_the_single_file_proves_a_row_as_the_full_verifier_does(parts: Parts) -> None:
    row_id = read_table(parts.second / layout.records_name(0))["row_id"][2].as_py()
    proof = verify_row(parts.mixture, row_id[:9])
    told = verify_pack_file.prove_row(parts.mixture, row_id[:9])
    said = {line.split()[0] for line in proof.lines()} - {"verdict", "note"}
    assert {line.split()[0] for line in told} - {"note"} == said
    assert [line for line in told if line[:4] in {"pack", "root", "key "}] == [
        line for line in proof.lines() if line[:4] in {"pack", "root", "key "}
    ]
    with pytest.raises(verify_pack_file.MissingRow):
        verify_pack_file.prove_row(parts.mixture, "f" * 32)


def test_a_proof_of_a_row_names_the_mixture_that_its_pack_lies_in(parts: Parts, tmp_path: Path) -> None:
    row_id = read_table(parts.second / layout.data_name(0, 1))["row_id"][0].as_py()
    prove_rows(parts.mixture, [row_id], tmp_path / "proof.json")
    key = local_signer(parts.folder / "mixture.pem").key_id
    shown = verify_proof(tmp_path / "proof.json", expected_key=key)
    assert f"key id   {key}, which was expected" in shown.lines()
    assert any(line.startswith("pack     sources/01 of 2, with the root ") for line in shown.lines())
    with pytest.raises(VerificationError, match="not the expected key"):
        verify_proof(tmp_path / "proof.json", expected_key=str(verify_pack(parts.second).key_id))
    assert (
        subprocess.run(
            [sys.executable, parts.mixture / "verify_pack.py", tmp_path / "proof.json", "--key-id", key],
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .splitlines()
        == shown.lines()
    )


@pytest.mark.parametrize("place", range(4))
def test_a_proof_of_another_pack_or_mixture_is_refused(parts: Parts, tmp_path: Path, place: int) -> None:
    row_id = read_table(parts.second / layout.data_name(0, 1))["row_id"][0].as_py()
    prove_rows(parts.mixture, [row_id], tmp_path / "proof.json")
    value = orjson.loads((tmp_path / "proof.json").read_bytes())
    other = mix(tmp_path, [parts.first, parts.third], key=parts.folder / "mixture.pem")
    changes: list[tuple[Callable[[], object], str]] = [
        (
            lambda: value["mixture"].update(statement=read_envelope(other)),
            "its pack is none of those in the mixture",
        ),
        (lambda: value.update(statement=read_envelope(parts.first)), "was signed with another key"),
        (
            lambda: value["mixture"].update(statement=read_envelope(parts.second)),
            "was signed with another key",
        ),
        (lambda: value["mixture"].update(note=1), "the mixture that it names is none"),
    ]
    change, says = changes[place]
    change()
    (tmp_path / "proof.json").write_bytes(verify_pack_file.canonical(value) + b"\n")
    with pytest.raises(VerificationError, match=says):
        verify_proof(tmp_path / "proof.json")


def read_envelope(pack: Path) -> Any:
    return orjson.loads((pack / layout.STATEMENT).read_bytes())


def test_a_proof_is_of_rows_of_one_pack(parts: Parts, tmp_path: Path) -> None:
    ids = [read_table(p / layout.data_name(0, 1))["row_id"][0].as_py() for p in (parts.first, parts.second)]
    with pytest.raises(InputError, match="a proof is of one"):
        prove_rows(parts.mixture, ids, tmp_path / "proof.json")


def test_the_single_file_says_what_the_package_says_of_terms() -> None:
    assert (verify_pack_file.TERMS, verify_pack_file.PURPOSES) == (terms.TERMS, terms.PURPOSES)


def test_rows_of_all_packs_are_loaded(parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = local_signer(parts.folder / "mixture.pem").key_id
    assert len(load_pack(parts.mixture, form="arrow", expected_key=key)) == 15
    assert len(load_pack(parts.mixture, split="adversarial", form="arrow", expected_key=key)) == 3
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    def load(*config: str) -> Any:
        return datasets.load_dataset(str(parts.mixture), *config, cache_dir=str(tmp_path / "cache"))

    assert {name: len(rows) for name, rows in load().items()} == {"train": 15}
    assert {name: len(rows) for name, rows in load("adversarial").items()} == {"adversarial": 3}
    assert {name: len(rows) for name, rows in load("rejected").items()} == {"rejected": 4}


def test_terms_that_forbid_the_purpose_are_named(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="the terms of parrot do not allow this purpose: commercial"):
        mix(tmp_path, [parts.first, parts.second], purpose="commercial")
    other = build_stated_pack(tmp_path / "c", text="words of its own")
    allowed = mix(tmp_path, [parts.first, other], purpose="commercial")
    assert "| `commercial` | `commercial` |" in (allowed / layout.CARD).read_text(encoding="utf-8")
    assert problems_of(allowed) == []
    with pytest.raises(VerificationError, match="do not allow this purpose: competing-models"):
        mix(tmp_path, [parts.first, other], "more", purpose="competing-models")


def test_a_row_in_two_packs_is_named(parts: Parts, tmp_path: Path) -> None:
    twin = build_pack(tmp_path / "c")
    row_id = read_table(twin / layout.data_name(0, 1))["row_id"][0].as_py()
    with pytest.raises(VerificationError, match=f"row {row_id} stands in two packs"):
        mix(tmp_path, [parts.first, twin])
    with pytest.raises(VerificationError, match="is the same pack as"):
        mix(tmp_path, [parts.first, parts.first])


def test_a_tampered_pack_and_one_of_another_scheme_are_named(parts: Parts, tmp_path: Path) -> None:
    forger = Forger(parts.second, tmp_path)
    forger.sign({"scheme": "synth_stack/pack/v5"})
    with pytest.raises(VerificationError, match=r"of another scheme.*seen: synth_stack/pack/v5"):
        mix(tmp_path, [parts.first, forger.pack], "out")
    forger.sign({"scheme": layout.PACK_SCHEME})
    forger.path(layout.CARD).write_text("# Better\n", encoding="utf-8")
    with pytest.raises(VerificationError, match=r"README\.md was changed"):
        mix(tmp_path, [parts.first, forger.pack], "out")
    assert not (tmp_path / "out").exists()


def test_a_withdrawn_row_is_named_before_and_after(parts: Parts, tmp_path: Path) -> None:
    build_pack(tmp_path / "c", text="words of its own")
    row_id = read_table(tmp_path / "c/pack" / layout.data_name(0, 1))["row_id"][0].as_py()
    mixed = mix(tmp_path, [parts.first, tmp_path / "c/pack"])
    revoked = withdraw(tmp_path / "c", row=[row_id])
    with pytest.raises(VerificationError, match=f"row {row_id} is withdrawn by .*revoked.jsonl"):
        mix(tmp_path, [parts.first, tmp_path / "c/pack"], "out", revoked=[revoked])
    found = compare_revoked(inspect_pack(mixed), revoked)
    assert (len(found.problems), [*found.withdrawn]) == (1, [row_id])
    key = local_signer(tmp_path / "mixture.pem").key_id
    assert len(load_pack(mixed, revoked=revoked, form="arrow", expected_key=key)) == 17
    again = issue_again(tmp_path / "c")
    sound = mix(tmp_path, [parts.first, again], "out", revoked=[revoked])
    assert compare_revoked(inspect_pack(sound), revoked).problems == ()
    assert len(load_pack(sound, form="arrow", expected_key=key)) == 17


def test_a_row_that_came_from_one_withdrawn_in_another_pack_is_named(tmp_path: Path) -> None:
    build_pack(tmp_path / "c")
    parent = read_table(tmp_path / "c/pack" / layout.data_name(0, 1))["row_id"][0].as_py()
    child = build_pack(tmp_path / "d", text="a child", parent_id=parent)
    withdraw(tmp_path / "c", row=[parent])
    again = issue_again(tmp_path / "c")
    with pytest.raises(VerificationError, match=r"row \w+ is withdrawn by .*lineage/revoked.jsonl"):
        mix(tmp_path, [again, child])


def test_a_list_of_a_stranger_is_refused(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "revoked.jsonl"
    revoke(path, {"row": ["f" * 32]}, who="x", why="y", when=WHEN, key_path=tmp_path / "stranger.pem")
    with pytest.raises(VerificationError, match="a key that signed none of these packs"):
        mix(tmp_path, [parts.first, parts.second], revoked=[path])
    assert compare_revoked(inspect_pack(parts.mixture), path).problems


def test_what_cannot_be_mixed_is_said(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    packs = [parts.first, parts.second]
    calls: list[tuple[type[SynthStackError], str, Callable[[], object]]] = [
        (InputError, "of several packs", lambda: mix(tmp_path, [parts.first])),
        (InputError, "holds no pack", lambda: mix(tmp_path, [parts.first, tmp_path])),
        (InputError, "is a mixture itself", lambda: mix(tmp_path, [parts.first, parts.mixture])),
        (
            InputError,
            "which it would alter",
            lambda: mix_packs(packs, parts.first / "in", signer=local_signer(tmp_path / "k.pem")),
        ),
        (ConfigError, "no purpose of that name", lambda: mix(tmp_path, packs, purpose="fun")),
        (ConfigError, "a name of one line", lambda: mix(tmp_path, packs, name="a\nb")),
        (RunMismatch, "holds no mixture", lambda: mix(tmp_path, packs, "full")),
        (ConfigError, "asked of a mixture", lambda: synth_stack.pack(parts.first, tmp_path / "o", name="n")),
        (InputError, "is a mixture of packs", lambda: trace(parts.mixture, "f" * 32)),
        (
            InputError,
            "is a mixture of packs",
            lambda: export_pack(parts.mixture, tmp_path / "o", format="jsonl"),
        ),
        (ConfigError, "no identity", lambda: verify_pack(parts.mixture, identity="x", issuer="y")),
    ]
    for error, says, call in calls:
        with pytest.raises(error, match=says):
            call()


def test_several_keys_sign_a_mixture(parts: Parts, tmp_path: Path) -> None:
    signer = add_cosigners(local_signer(tmp_path / "one.pem"), [tmp_path / "two.pem"])
    mix_packs([parts.first, parts.second], tmp_path / "out", signer=signer)
    found = verify_pack(tmp_path / "out", signers=(2, [signer.key_id, *signer.cosigners]))
    assert found.cosigners == signer.cosigners
    (tmp_path / "out" / layout.COSIGNATURES).unlink()
    assert problems_of(tmp_path / "out")


def list_links(folder: Path) -> Iterator[tuple[Path, Path]]:
    yield folder / "sources/01", folder / "sources/00"
    yield folder / "disclosure", folder / "lineage"
    yield folder / "README.md", folder / "sources/00/README.md"


@pytest.mark.parametrize("place", range(3))
def test_a_link_is_never_followed(mixture: Path, place: int) -> None:
    link, target = list(list_links(mixture))[place]
    shutil.rmtree(link) if link.is_dir() else link.unlink()
    link.symlink_to(target)
    assert any(f"{link.relative_to(mixture)} does not belong" in text for text in problems_of(mixture))


def test_a_changed_manifest_is_named(parts: Parts, mixture: Path) -> None:
    swap(MANIFEST, b'"accepted":18', b'"accepted":19')(mixture, parts)
    assert problems_of(mixture) == [f"{MANIFEST}: its facts are not those that were signed"]
