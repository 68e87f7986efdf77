import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from synth_stack.cli.main import app
from synth_stack.errors import InputError, RunMismatch, SynthStackError, VerificationError, WorkError
from synth_stack.packs import layout
from synth_stack.packs.hub.pull import PulledPack, pull_pack
from synth_stack.packs.hub.push import push_pack
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.runs.folder import list_files
from tests.packs.hub.hub_loopback import Handler, Hub, Repository, list_entry
from tests.packs.judged_run import read_predicate, reseal

REPOSITORY = "curator/support-intents"


def pull(tmp_path: Path, name: str = "copy", **options: Any) -> PulledPack:
    return pull_pack(REPOSITORY, tmp_path / "there" / name, **options)


def publish(hub: Hub, pack: Path) -> Repository:
    """The files of a folder in a public repository, whatever they are."""
    made = hub.repositories[REPOSITORY] = Repository(private=False)
    made.add({name: (pack / name).read_bytes() for name in list_files(pack)} | {".gitattributes": b"*"})
    return made


def change(held: Repository, changes: dict[str, bytes | None]) -> None:
    """A further commit with other files."""
    files = held.commits[held.head] | changes
    held.add({name: data for name, data in files.items() if data is not None})


def list_left(tmp_path: Path) -> list[str]:
    """What a pull left behind."""
    return sorted(path.name for path in (tmp_path / "there").iterdir())


def test_a_pack_comes_back_to_the_byte_and_verified(hub: Hub, pack: Path, tmp_path: Path) -> None:
    push_pack(pack, REPOSITORY)
    pulled = pull(tmp_path)
    assert pulled.commit == hub.repositories[REPOSITORY].head
    assert pulled.verification.path == tmp_path / "there" / "copy"
    assert pulled.verification.root == verify_pack(pack).root
    assert {name: (tmp_path / "there" / "copy" / name).read_bytes() for name in list_files(pack)} == {
        name: (pack / name).read_bytes() for name in list_files(pack)
    }
    assert list_left(tmp_path) == ["copy"]
    assert pulled.pin is None
    assert any("no place in a ledger" in warning for warning in pulled.verification.warnings)


def test_a_pull_that_is_repeated_downloads_no_rows(hub: Hub, pack: Path, tmp_path: Path) -> None:
    publish(hub, pack)
    pull(tmp_path)
    hub.requests.clear()
    pull(tmp_path)
    assert not [request for request in hub.requests if ".parquet" in request]


def test_the_command_line_says_what_was_pulled_and_ends_with_1_where_it_was_refused(
    hub: Hub, batches: list[Path], tmp_path: Path
) -> None:
    publish(hub, batches[0])
    arguments = ["pull", REPOSITORY, "--out", str(tmp_path / "there" / "copy"), "--quiet"]
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0
    assert said.stdout.startswith(f"pulled   {REPOSITORY} at {hub.repositories[REPOSITORY].head} to ")
    assert "ledger   batch 0, head " in said.stdout
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (told["verified"], told["ledger"]["sequence"]) == (True, 0)
    refused = CliRunner().invoke(app, [*arguments, "--key-id", "0" * 64])
    assert isinstance(refused.exception, VerificationError)


def test_a_pack_that_was_damaged_on_the_disk_is_made_whole(hub: Hub, pack: Path, tmp_path: Path) -> None:
    publish(hub, pack)
    pull(tmp_path)
    (tmp_path / "there" / "copy" / layout.CARD).write_text("# mine\n")
    pull(tmp_path)
    verify_pack(tmp_path / "there" / "copy")


def test_a_folder_that_holds_something_else_is_not_touched(hub: Hub, pack: Path, tmp_path: Path) -> None:
    publish(hub, pack)
    mine = tmp_path / "there" / "copy" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(RunMismatch, match="is not empty and holds no pack"):
        pull(tmp_path)
    assert mine.read_text() == "mine"
    assert not hub.requests


def test_a_pack_of_somebody_else_is_not_replaced(
    hub: Hub, pack: Path, batches: list[Path], tmp_path: Path
) -> None:
    publish(hub, pack)
    pull(tmp_path)
    publish(hub, batches[0])
    with pytest.raises(RunMismatch, match="holds another pack, which is no earlier batch"):
        pull(tmp_path)
    assert verify_pack(tmp_path / "there" / "copy").root == verify_pack(pack).root
    assert list_left(tmp_path) == ["copy"]


def test_batches_follow_each_other_in_one_folder_and_are_remembered(
    hub: Hub, batches: list[Path], tmp_path: Path
) -> None:
    for number, batch in enumerate(batches):
        publish(hub, batch)
        pulled = pull(tmp_path)
        assert pulled.verification.place is not None
        assert len(pulled.verification.place.previous) == number
        assert pulled.pin is not None
        assert json.loads(pulled.pin.read_bytes())["size"] == number + 1
    assert list_left(tmp_path) == ["copy"]


def test_a_batch_that_was_rolled_back_is_refused_before_its_rows_are_fetched(
    hub: Hub, batches: list[Path], tmp_path: Path
) -> None:
    for batch in batches[:2]:
        publish(hub, batch)
        pull(tmp_path)
    publish(hub, batches[0])
    hub.requests.clear()
    with pytest.raises(VerificationError, match="the ledger was rolled back"):
        pull(tmp_path, "elsewhere")
    assert not [request for request in hub.requests if ".parquet" in request]
    assert list_left(tmp_path) == ["copy"]


def test_a_missing_batch_is_refused_and_can_be_pulled_by_its_tag(
    hub: Hub, batches: list[Path], tmp_path: Path
) -> None:
    publish(hub, batches[0])
    pull(tmp_path)
    held = publish(hub, batches[1])
    held.tags["batch-1"] = held.head
    change(held, {name: (batches[2] / name).read_bytes() for name in list_files(batches[2])})
    with pytest.raises(VerificationError, match="a batch is missing: 1 stands between") as caught:
        pull(tmp_path)
    told = re.search(r"--revision (\S+) --pin (\S+)\.$", str(caught.value))
    assert told is not None
    pull(tmp_path, revision=told[1], pin=Path(told[2]))
    assert pull(tmp_path).verification.root == verify_pack(batches[2]).root


def test_a_fork_is_refused(hub: Hub, batches: list[Path], made: Path, tmp_path: Path) -> None:
    publish(hub, batches[0])
    pull(tmp_path)
    publish(hub, made / "fork2")
    with pytest.raises(VerificationError, match="the ledger was forked"):
        pull(tmp_path)


def test_a_pack_without_a_ledger_does_not_follow_one_with(
    hub: Hub, batches: list[Path], pack: Path, tmp_path: Path
) -> None:
    publish(hub, batches[0])
    pull(tmp_path)
    publish(hub, pack)
    with pytest.raises(
        VerificationError, match="has no place in a ledger, and an earlier one from there had"
    ):
        pull(tmp_path, "elsewhere")


def test_a_batch_that_is_asked_for_by_tag_is_not_compared_and_says_so(
    hub: Hub, batches: list[Path], tmp_path: Path
) -> None:
    for batch in batches:
        push_pack(batch, REPOSITORY)
    pull(tmp_path)
    root = verify_pack(batches[0]).root
    for tag in ("batch-0", f"root-{root}"):
        pulled = pull(tmp_path, f"old-{tag[:5]}", revision=tag)
        assert pulled.verification.root == root
        assert any("not compared" in warning for warning in pulled.verification.warnings)


@pytest.mark.parametrize("tag", ["batch-1", "root-" + "0" * 64])
def test_a_tag_that_names_another_pack_is_refused(hub: Hub, pack: Path, tmp_path: Path, tag: str) -> None:
    held = publish(hub, pack)
    held.tags[tag] = held.head
    with pytest.raises(VerificationError, match="the tag names another pack"):
        pull(tmp_path, revision=tag)


def test_another_key_than_the_expected_one_is_refused_before_rows_are_fetched(
    hub: Hub, pack: Path, tmp_path: Path
) -> None:
    publish(hub, pack)
    with pytest.raises(VerificationError, match="is not the expected key"):
        pull(tmp_path, expected_key="0" * 64)
    assert not [request for request in hub.requests if ".parquet" in request]


def test_a_repository_revision_or_name_that_is_not_there_is_one_sentence(
    hub: Hub, pack: Path, tmp_path: Path
) -> None:
    with pytest.raises(WorkError, match="the Hub has no dataset curator/support-intents"):
        pull(tmp_path)
    publish(hub, pack)
    with pytest.raises(WorkError, match="has no such revision"):
        pull(tmp_path, revision="batch-9")
    with pytest.raises(InputError, match="no name of a repository"):
        pull_pack("../../etc", tmp_path / "there" / "copy")
    assert list_left(tmp_path) == []


def test_a_private_repository_needs_the_token(
    hub: Hub, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_pack(pack, REPOSITORY)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(WorkError, match=r"or does not show it to this token \(401\).*HF_TOKEN") as caught:
        pull(tmp_path)
    assert "hf_other" not in str(caught.value)


def test_the_token_does_not_follow_a_redirect_elsewhere(hub: Hub, pack: Path, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def watch(handler: Handler) -> bool:
        if handler.path.startswith("/large/"):
            seen.append(handler.headers.get("Authorization"))
        elif "/resolve/" in handler.path and handler.path.endswith("0.bin"):
            handler.send_response(302)
            handler.send_header("Location", hub.endpoint.replace("127.0.0.1", "localhost") + "/large/x")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return True
        return False

    push_pack(pack, REPOSITORY)
    hub.meddle = watch
    with pytest.raises(WorkError, match="sends its reader to an address without https"):
        pull(tmp_path)


def meddle_with(pattern: str, answer: Callable[[Handler], None]) -> Callable[[Handler], bool]:
    """A server that answers requests of that path in its own way."""

    def meddle(handler: Handler) -> bool:
        if not re.search(pattern, handler.path):
            return False
        answer(handler)
        return True

    return meddle


def send_html(handler: Handler) -> None:
    data = b"<html><body>Welcome to the hotel</body></html>"
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def send_for_ever(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(10_000):
        handler.wfile.write(b" " * 100_000)


def send_pages(handler: Handler) -> None:
    link = {"Link": f'<{handler.hub.endpoint}{handler.path.split("?")[0]}?more>; rel="next"'}
    handler.answer([], extra=link)


def send_deep(handler: Handler) -> None:
    data = b"[" * 1_000_000
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def send_packed(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"\x1f\x8b")


def send_in_circles(handler: Handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def send_to_metadata(handler: Handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.169.254/latest/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    "attack",
    [
        ("/revision/", send_html, "does not answer as the Hub does"),
        ("/revision/", send_for_ever, "answers without an end"),
        ("/revision/", send_deep, "does not answer as the Hub does"),
        ("/revision/", send_packed, "packs what it was asked to send as it is"),
        ("/revision/", send_in_circles, "sends its reader from address to address"),
        ("/revision/", send_to_metadata, "an address without https"),
        ("/revision/", lambda h: h.answer({"sha": "../../etc", "private": False}), "which commit"),
        ("/revision/", lambda h: h.answer({}, status=418), "answers 418"),
        ("/tree/", lambda h: h.answer({"error": 1}), "lists no files"),
        ("/tree/", lambda h: h.answer([{"type": "file", "path": 3}]), "lists a file that is none"),
        ("/tree/", lambda h: h.answer([list_entry("README.md", b"")] * 2), "lists a file twice"),
        ("/tree/", send_pages, "goes on listing files without an end"),
        ("/tree/", send_html, "does not answer as the Hub does"),
        ("/resolve/.*/statement", send_html, "is longer than|ended after"),
        ("/resolve/.*/statement", send_for_ever, "longer than it should be"),
        ("/large/", send_html, "longer than|is not the file that was signed|ended after"),
        ("/large/", send_for_ever, "longer than it should be"),
        ("/resolve/.*README", lambda h: h.answer({}, 404, "EntryNotFound"), "does not give a file"),
    ],
)
def test_a_server_that_is_no_hub_is_one_sentence_and_leaves_nothing(
    hub: Hub,
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attack: tuple[str, Callable[[Handler], None], str],
) -> None:
    pattern, answer, told = attack
    monkeypatch.setattr("synth_stack.packs.hub.repository.MAX_PAGES", 10)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    publish(hub, pack)
    hub.meddle = meddle_with(pattern, answer)
    with pytest.raises(SynthStackError, match=told) as caught:
        pull(tmp_path)
    assert "\n" not in str(caught.value)
    assert [name for name in list_left(tmp_path) if "pulling" not in name] == []
    if isinstance(caught.value, VerificationError):
        assert list_left(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../../evil.txt", "leads out of the pack"),
        ("/etc/cron.d/evil", "leads out of the pack"),
        ("data/../../evil", "leads out of the pack"),
        ("data\\..\\evil.parquet", "character that not every disk takes"),
        ("C:evil", "character that not every disk takes"),
        ("data/train-\u202e00000-of-00001.parquet", "character that not every disk takes"),
        ("a" * 300, "longer than 200 characters"),
        (".git/hooks/post-checkout", "hidden"),
        (".cache/huggingface/x", "hidden"),
        ("setup.py", "no part of a pack has that name"),
        ("data/train-00001-of-00002.parquet", "was added"),
        ("lineage/ledger.json", "was added"),
    ],
)
def test_a_file_that_does_not_belong_there_is_named_and_nothing_is_written(
    hub: Hub, pack: Path, tmp_path: Path, name: str, told: str
) -> None:
    held = publish(hub, pack)
    change(held, {name: b"evil"})
    with pytest.raises(VerificationError, match=told) as caught:
        pull(tmp_path)
    assert "\u202e" not in str(caught.value)
    assert list_left(tmp_path) == []
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    "name", [layout.CARD, layout.STATEMENT, layout.PUBLIC_KEY, "data/train-00000-of-00001.parquet"]
)
def test_a_file_that_is_missing_is_named(hub: Hub, pack: Path, tmp_path: Path, name: str) -> None:
    held = publish(hub, pack)
    change(held, {name: None})
    with pytest.raises(VerificationError, match=f"{re.escape(name)} is missing"):
        pull(tmp_path)
    assert list_left(tmp_path) == []


def test_thousands_of_files_are_refused_by_their_list(
    hub: Hub, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth_stack.packs.hub.repository.MAX_FILES", 2_000)
    entries = [list_entry(f"data/{number}.txt", b"") for number in range(2_001)]
    publish(hub, pack)
    hub.meddle = meddle_with("/tree/", lambda handler: handler.answer(entries))
    with pytest.raises(VerificationError, match="more than 2000 files"):
        pull(tmp_path)


@pytest.mark.parametrize("size", [-1, 2**70, 10**12])
def test_sizes_that_cannot_be_are_refused_before_anything_is_written(
    hub: Hub, pack: Path, tmp_path: Path, size: int
) -> None:
    held = publish(hub, pack)
    entries = [list_entry(*file) for file in held.files.items()]
    for entry in entries:
        if entry["path"].startswith("data/"):
            entry["size"] = size
    hub.meddle = meddle_with("/tree/", lambda handler: handler.answer(entries))
    with pytest.raises(VerificationError, match=r"cannot be of that size|was changed"):
        pull(tmp_path)
    assert list_left(tmp_path) == []


def test_a_signed_size_that_no_disk_has_is_refused(hub: Hub, pack: Path, tmp_path: Path) -> None:
    predicate, _ = read_predicate(pack)
    name = "data/train-00000-of-00001.parquet"
    size = 200 * 1024**3
    reseal(pack, tmp_path / "key.pem", {"bytes": predicate["bytes"] | {name: size}})
    manifest = json.loads((pack / "MANIFEST.json").read_bytes())
    manifest["files"][name]["bytes"] = size
    files = {each: (pack / each).read_bytes() for each in list_files(pack)}
    files["MANIFEST.json"] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    made = hub.repositories[REPOSITORY] = Repository(private=False)
    made.add(files)
    entries = [list_entry(*file) for file in made.files.items()]
    for entry in entries:
        if entry["path"] == name:
            entry["size"] = size
    hub.meddle = meddle_with("/tree/", lambda handler: handler.answer(entries))
    with pytest.raises(VerificationError, match=r"larger than there is room for"):
        pull(tmp_path)


def test_what_was_changed_after_it_was_signed_is_named(hub: Hub, pack: Path, tmp_path: Path) -> None:
    held = publish(hub, pack)
    card = held.files[layout.CARD]
    change(held, {layout.CARD: card.replace(b"synthetic", b"authentic", 1)})
    assert len(held.files[layout.CARD]) == len(card)
    with pytest.raises(VerificationError, match=r"README.md is not the file that was signed"):
        pull(tmp_path)
    assert list_left(tmp_path) == []


def test_a_server_that_stops_keeps_what_has_arrived_and_the_next_pull_goes_on(
    hub: Hub, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    publish(hub, pack)
    hub.meddle = meddle_with("/large/", lambda handler: handler.answer({}, status=503))
    with pytest.raises(WorkError, match="What has arrived is kept: run the same command to go on"):
        pull(tmp_path)
    (left,) = list_left(tmp_path)
    assert left.endswith(".pulling")
    hub.meddle = lambda handler: False
    hub.requests.clear()
    pull(tmp_path)
    assert not [request for request in hub.requests if "README" in request and "resolve" in request]
    assert list_left(tmp_path) == ["copy"]


def test_half_a_file_is_gone_on_with_and_a_torn_one_is_fetched_again(
    hub: Hub, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    publish(hub, pack)
    hub.meddle = meddle_with("/large/", lambda handler: handler.answer({}, status=503))
    with pytest.raises(WorkError):
        pull(tmp_path)
    (left,) = (tmp_path / "there").iterdir()
    data = (pack / "data/train-00000-of-00001.parquet").read_bytes()
    (left / "data").mkdir(exist_ok=True)
    (left / "data/train-00000-of-00001.parquet").write_bytes(data[:1000])
    (left / "lineage").mkdir(exist_ok=True)
    (left / "lineage/records-00000.parquet").write_bytes(b"torn")
    seen: list[str] = []

    def watch(handler: Handler) -> bool:
        seen.extend(
            [handler.headers["Range"]]
            if handler.path.startswith("/large/") and "Range" in handler.headers
            else []
        )
        return False

    hub.meddle = watch
    pull(tmp_path)
    assert sorted(seen) == ["bytes=1000-", "bytes=4-"]
    verify_pack(tmp_path / "there" / "copy")


def test_a_server_that_cuts_every_answer_is_asked_again_for_the_rest(
    hub: Hub, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    publish(hub, pack)

    def cut(handler: Handler) -> bool:
        if not handler.path.startswith("/large/"):
            return False
        data = hub.large[handler.path.split("?")[0].removeprefix("/large/")]
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start : start + len(data) // 3 + 1])
        handler.close_connection = True
        return True

    hub.meddle = cut
    assert pull(tmp_path).verification.root == verify_pack(pack).root
