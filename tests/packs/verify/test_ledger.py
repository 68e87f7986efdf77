import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synth_stack.cli.main import app
from synth_stack.errors import ConfigError
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.ledger import follow_ledger
from synth_stack.packs.verify.recount import read_verifier
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.packs.write import write_pack
from synth_stack.runs.folder import list_files
from tests.packs.judged_run import RECIPE, build_pack, build_run


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three batches of one ledger: pack0, pack1, pack2."""
    folder = tmp_path_factory.mktemp("batches")
    for number in range(3):
        run = build_run(folder / f"run{number}", recipe={**RECIPE, "about": f"Shop {number}"})
        signer = local_signer(folder / "key.pem")
        write_pack(run, folder / f"pack{number}", signer=signer, ledger=folder / "ledger.jsonl")
    return folder


def follow(pack: Path, pin: Path | None = None, root: str | None = None) -> str:
    found = follow_ledger(inspect_pack(pack), pin=pin, root=root)
    return str(found.problems[0]) if found.problems else ""


def test_batches_verify_in_their_order_and_in_no_other(batches: Path, tmp_path: Path) -> None:
    pin = tmp_path / "pin.json"
    assert not follow(batches / "pack0", pin)
    before = pin.read_bytes()
    assert "a batch is missing: 1" in follow(batches / "pack2", pin)
    assert pin.read_bytes() == before
    for name in ("pack1", "pack1", "pack2"):
        assert not follow(batches / name, pin)
    assert "rolled back" in follow(batches / "pack1", pin)


def test_a_batch_of_another_ledger_is_a_fork(batches: Path, tmp_path: Path) -> None:
    pin = tmp_path / "pin.json"
    follow(batches / "pack0", pin)
    shutil.copy(batches / "key.pem", tmp_path / "key.pem")
    signer = local_signer(tmp_path / "key.pem")
    for number in (1, 2):
        run = batches / f"run{number}"
        write_pack(run, tmp_path / f"pack{number}", signer=signer, ledger=tmp_path / "other.jsonl")
    assert "forked" in follow(tmp_path / "pack2", pin)


def test_the_head_that_another_source_saw_is_asked_for(batches: Path) -> None:
    place = inspect_pack(batches / "pack1").place
    assert place is not None
    assert not follow(batches / "pack1", root=place.head)
    assert "another head than the expected one" in follow(batches / "pack2", root=place.head)
    with pytest.raises(ConfigError, match="root of a ledger is none"):
        follow(batches / "pack1", root="abc")


def test_a_pack_without_a_place_is_refused_where_one_is_asked_for(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    assert "no place in a ledger" in follow(pack, tmp_path / "pin.json")
    assert not (tmp_path / "pin.json").exists()


def test_the_same_batch_packed_again_gives_the_same_bytes(batches: Path, tmp_path: Path) -> None:
    signer = local_signer(batches / "key.pem")
    write_pack(batches / "run2", tmp_path / "again", signer=signer, ledger=batches / "ledger.jsonl")
    for name in list_files(tmp_path / "again"):
        assert (tmp_path / "again" / name).read_bytes() == (batches / "pack2" / name).read_bytes()


@pytest.mark.parametrize("change", [b"[]", b'["%b"]' % (b"0" * 64)])
def test_a_list_of_batches_that_does_not_give_the_signed_head_is_refused(
    batches: Path, tmp_path: Path, change: bytes
) -> None:
    pack = Path(shutil.copytree(batches / "pack1", tmp_path / "pack"))
    (pack / layout.LEDGER).write_bytes(b'{"entries":%b,"scheme":"synth_stack/ledger/v1"}\n' % change)
    assert inspect_pack(pack).problems
    sizes = {layout.LEDGER: 1}
    place = {"sequence": 1, "previous": {"size": 1, "root": "1" * 64}}
    with pytest.raises(verify_pack.Refusal, match="does not give the head"):
        verify_pack.check_ledger(pack, sizes, place)


def test_the_command_line_prints_the_single_file_and_keeps_a_pin(batches: Path, tmp_path: Path) -> None:
    emitted = CliRunner().invoke(app, ["verify", "--emit"])
    assert (emitted.exit_code, emitted.stdout_bytes) == (0, read_verifier())
    pin = str(tmp_path / "pin.json")
    told = CliRunner().invoke(app, ["verify", str(batches / "pack0"), "--pin", pin])
    assert told.exit_code == 0
    assert "ledger   batch 0, head " in told.stdout
    assert CliRunner().invoke(app, ["verify", str(batches / "pack2"), "--pin", pin]).exit_code == 1
    assert CliRunner().invoke(app, ["verify"]).exit_code == 2
