"""The page that verifies packs, as a reader meets it: in a browser, with packs that are sound and that are not."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from synth_stack.cli.main import app
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.page.render import render_page
from synth_stack.packs.signers import add_cosigners, local_signer
from synth_stack.packs.write import write_pack
from synth_stack.text.page_policy import digest_source
from tests.browser import read_console
from tests.packs.judged_run import REJECTED, build_pack, build_run
from tests.packs.page.page_browser import VerifyPage
from tests.packs.withdrawn_pack import issue_again, withdraw

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("verify_page")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pack, the same issued again without two rows as a batch of a ledger, and a cosigned one."""
    folder = tmp_path_factory.mktemp("made")
    signer, ledger = local_signer(folder / "key.pem"), folder / "ledger.jsonl"
    run = build_run(folder / "run")
    write_pack(run, folder / "pack", signer=signer, ledger=ledger)
    withdraw(folder, seed=["seed-000003"])
    issue_again(folder, ledger=ledger)
    write_pack(run, folder / "cosigned", signer=add_cosigners(signer, [folder / "second.pem"]))
    return folder


def agree(said: Mapping[str, Any], pack: Path) -> None:
    """The page and the single file say the same of a sound pack."""
    found = verify_pack.inspect(pack)
    assert (said["state"], said["problems"], found.problems) == ("ok", [], [])
    assert said["passed"][:3] == [f"{count} {what}" for count, what in found.passed]
    assert (said["facts"]["root"], said["facts"]["key id"]) == (found.root, found.key_id)
    for name in ("generated", "accepted", "rejected", "held"):
        assert said["facts"][name] == str(found.counts[name])
    fields = ("gate", "looked_at", "abstained", "rejected", "held")
    assert said["gates"] == [[str(gate[name]) for name in fields] for gate in found.counts["gates"]]


@pytest.mark.parametrize("name", ["pack", "again", "cosigned"])
def test_a_sound_pack_is_sound_with_the_counts_of_the_single_file(
    made: Path, verify_page: VerifyPage, name: str
) -> None:
    said = verify_page.ask(made / name)
    agree(said, made / name)
    assert said["facts"].get("ledger") == {"pack": "batch 0", "again": "batch 1"}.get(name)
    assert any("proves integrity, not who signed" in note for note in said["notes"])
    assert any("Parquet" in note for note in said["notes"])
    assert said["passed"][3:] == {"again": ["2 withdrawn rows"], "cosigned": ["1 further signatures"]}.get(
        name, []
    )


def test_signatures_of_ml_dsa_are_checked_or_said_to_be_not_checked(
    made: Path, verify_page: VerifyPage, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    signer = add_cosigners(local_signer(made / "key.pem"), [], [tmp_path / "lattice.pem"])
    write_pack(made / "run", tmp_path / "pack", signer=signer)
    said = verify_page.ask(tmp_path / "pack")
    agree(said, tmp_path / "pack")
    script = (
        "const done = arguments[0]; crypto.subtle.generateKey({name: 'ML-DSA-65'}, true, ['sign', 'verify'])"
        ".then(() => done(true), () => done(false))"
    )
    has_it = verify_page.session.execute_async_script(script)
    assert any("has no ML-DSA" in note for note in said["notes"]) != has_it


def test_the_key_of_the_publisher_is_asked_for(made: Path, verify_page: VerifyPage) -> None:
    key = str(verify_pack.inspect(made / "pack").key_id)
    assert not any("who signed" in note for note in verify_page.ask(made / "pack", key=key)["notes"])
    said = verify_page.ask(made / "pack", key="0" * 64)
    assert said["state"] == "wrong"
    assert said["problems"] == [
        f"lineage/public_key.pem is not the expected key; seen: {key}; allowed: {'0' * 64}"
    ]


@pytest.mark.parametrize("draw", [0, REJECTED[0]])
def test_one_row_is_proved_alone_as_by_the_single_file(
    made: Path, verify_page: VerifyPage, draw: int
) -> None:
    (line, *_) = list(verify_pack.read_lines(made / "pack", layout.lines_name(0)))[draw:]
    row = str(verify_pack.parse_record(line, "it")["row_id"])
    said = verify_page.ask(made / "pack", row=row[:9])
    told = dict(re.split(r"\s+", line, maxsplit=1) for line in verify_pack.prove_row(made / "pack", row)[:3])
    assert said["state"] == "ok"
    assert {name: said["lines"][name] for name in told} == told
    assert said["lines"]["record"].encode() == line


@pytest.mark.parametrize(
    ("row", "told"), [("f" * 32, "the pack has no row of that id"), ("xyz", "that is not a row id")]
)
def test_a_row_that_is_not_there_is_said_to_be_so(
    made: Path, verify_page: VerifyPage, row: str, told: str
) -> None:
    said = verify_page.ask(made / "pack", row=row)
    assert (said["state"], said["headline"]) == ("wrong", "The row is not proved")
    assert said["lines"]["wrong"].startswith(told)


def test_names_in_a_pack_become_text_and_never_markup(verify_page: VerifyPage, tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    (pack / "<img src=x onerror=alert(1)>.md").touch()
    (pack / "log" / "a\u202eb").touch()
    said = verify_page.ask(pack)
    assert said["state"] == "wrong"
    assert any("<img src=x onerror=alert(1)>.md" in problem for problem in said["problems"])
    assert not any("\u202e" in problem for problem in said["problems"])
    assert verify_page.session.find_elements("tag name", "img") == []


def test_the_page_may_open_no_connection(made: Path, verify_page: VerifyPage) -> None:
    verify_page.ask(made / "pack")
    script = (
        "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('sent'), () => done('no'))"
    )
    assert verify_page.session.execute_async_script(script) == "no"
    assert any("Content Security Policy" in message for message in read_console(verify_page.session))


def test_the_command_prints_the_page_and_its_policy_names_its_two_parts() -> None:
    printed = CliRunner().invoke(app, ["verify", "--emit-page"])
    page = printed.stdout_bytes.decode()
    assert (printed.exit_code, page) == (0, render_page())
    for tag in ("script", "style"):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert f"{tag}-src '{digest_source(source)}'" in page
    assert "default-src 'none'" in page
    assert not re.search(
        r"(?:https?:)?//[a-z]+\.",
        page.replace(verify_pack.STATEMENT_TYPE, "").replace(verify_pack.PREDICATE_TYPE, ""),
    )
    assert len(page) < 120_000
