from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, InputError, VerificationError, WorkError
from synth_stack.packs.hub.push import push_pack
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.runs.folder import list_files
from tests.packs.hub.hub_loopback import TOKEN, Handler, Hub, Repository, run_hub
from tests.packs.judged_run import ADVERSARIAL, build_pack

REPOSITORY = "curator/support-intents"


def test_a_pack_arrives_file_by_file_in_a_private_repository(hub: Hub, pack: Path) -> None:
    url = push_pack(pack, REPOSITORY)
    assert url.startswith(f"{hub.endpoint}/datasets/{REPOSITORY}/commit/")
    assert hub.repositories[REPOSITORY].files == {
        name: (pack / name).read_bytes() for name in list_files(pack)
    }
    assert hub.repositories[REPOSITORY].private is True


def test_a_repository_is_public_when_that_is_asked_for(hub: Hub, pack: Path) -> None:
    push_pack(pack, REPOSITORY, private=False)
    assert hub.repositories[REPOSITORY].private is False


def test_what_was_pushed_verifies_when_it_is_downloaded(hub: Hub, pack: Path, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    push_pack(pack, REPOSITORY)
    api = HfApi(endpoint=hub.endpoint, token=TOKEN)
    folder = api.snapshot_download(REPOSITORY, repo_type="dataset", local_dir=str(tmp_path / "copy"))
    assert verify_pack(Path(folder)).root == verify_pack(pack).root


def test_a_push_that_is_repeated_changes_nothing_and_makes_up_for_a_tag_that_failed(
    hub: Hub, pack: Path
) -> None:
    hub.refuses_tags = True
    with pytest.raises(WorkError, match="the Hub did not take the pack"):
        push_pack(pack, REPOSITORY)
    held = hub.repositories[REPOSITORY]
    assert not held.tags
    hub.refuses_tags = False
    urls = {push_pack(pack, REPOSITORY) for _ in range(2)}
    assert urls == {f"{hub.endpoint}/datasets/{REPOSITORY}/commit/{held.head}"}
    assert len(held.commits) == 2
    assert held.tags == {f"root-{verify_pack(pack).root}": held.head}


def test_a_batch_of_a_ledger_is_tagged_with_its_number_too(hub: Hub, batches: list[Path]) -> None:
    for batch in batches[:2]:
        push_pack(batch, REPOSITORY)
    held = hub.repositories[REPOSITORY]
    assert [held.tags["batch-0"], held.tags["batch-1"]] == list(held.commits)[1:]


def test_an_older_batch_is_not_pushed_over_a_newer_one(hub: Hub, batches: list[Path]) -> None:
    push_pack(batches[1], REPOSITORY)
    before = dict(hub.repositories[REPOSITORY].commits)
    with pytest.raises(
        InputError, match="holds a later batch already; seen: batch 0; allowed: batch 1 or later"
    ):
        push_pack(batches[0], REPOSITORY)
    assert hub.repositories[REPOSITORY].commits == before


def test_what_a_public_repository_holds_is_not_made_public_by_accident(hub: Hub, pack: Path) -> None:
    made = hub.repositories[REPOSITORY] = Repository(private=False)
    made.add({".gitattributes": b"*"})
    with pytest.raises(ConfigError, match=r"curator/support-intents is public\. Say --public"):
        push_pack(pack, REPOSITORY)
    assert made.files == {}
    push_pack(pack, REPOSITORY, private=False)
    assert made.files.keys() == {*list_files(pack)}


def test_a_commit_that_came_between_is_not_overwritten(hub: Hub, pack: Path) -> None:
    def commit_first(handler: Handler) -> bool:
        if "/preupload/" in handler.path and len(hub.repositories[REPOSITORY].commits) == 1:
            hub.repositories[REPOSITORY].add({"other.txt": b"hello"})
        return False

    hub.meddle = commit_first
    with pytest.raises(WorkError, match="412"):
        push_pack(pack, REPOSITORY)
    assert hub.repositories[REPOSITORY].files == {"other.txt": b"hello"}


def test_a_rule_in_the_repository_that_leaves_files_out_is_noticed(hub: Hub, pack: Path) -> None:
    made = hub.repositories[REPOSITORY] = Repository(private=True)
    made.add({".gitattributes": b"*", ".gitignore": b"log/ lineage/tiles"})
    with pytest.raises(VerificationError, match=r"the Hub holds another lineage/tiles/0\.bin than the pack"):
        push_pack(pack, REPOSITORY)
    assert not made.tags
    push_pack(pack, REPOSITORY)
    assert made.files.keys() == {*list_files(pack)}


def test_adversarial_rows_arrive_in_a_configuration_of_their_own(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    pack = build_pack(tmp_path, adversarial=ADVERSARIAL)
    push_pack(pack, REPOSITORY)
    held = hub.repositories[REPOSITORY].files
    assert held == {name: (pack / name).read_bytes() for name in list_files(pack)}
    header = vars(DatasetCard(held["README.md"].decode("utf-8")).data)
    files = {config["config_name"]: config["data_files"] for config in header["configs"]}
    assert files["default"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert files["adversarial"] == [{"split": "adversarial", "path": "data/adversarial-*.parquet"}]


def test_files_of_an_older_pack_do_not_stay_behind(hub: Hub, pack: Path) -> None:
    made = hub.repositories[REPOSITORY] = Repository(private=True)
    made.add({"data/train-00001-of-00002.parquet": b"old", "junk/a": b"", ".gitattributes": b"*"})
    push_pack(pack, REPOSITORY)
    assert made.files == {name: (pack / name).read_bytes() for name in list_files(pack)}
    assert ".gitattributes" in made.commits[made.head]


def test_a_pack_that_does_not_verify_is_not_sent(hub: Hub, pack: Path) -> None:
    (pack / "README.md").write_text("# Mine\n")
    with pytest.raises(VerificationError, match=r"README.md was changed"):
        push_pack(pack, REPOSITORY)
    assert hub.repositories == {}


def test_the_token_comes_from_the_variable_that_is_named(
    hub: Hub, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "wrong")
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    push_pack(pack, REPOSITORY, token_env="MY_TOKEN")
    assert REPOSITORY in hub.repositories


def test_a_wrong_token_is_one_sentence_that_names_its_variable(
    hub: Hub, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(WorkError, match=r"the Hub did not take the pack: .*401.*token in HF_TOKEN") as caught:
        push_pack(pack, REPOSITORY)
    assert "wrong" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_token_that_is_none_is_never_quoted(hub: Hub, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret\nX-Injected: 1")
    with pytest.raises(ConfigError, match="what HF_TOKEN holds is no token") as caught:
        push_pack(pack, REPOSITORY)
    assert "secret" not in str(caught.value)
    assert not hub.requests


def test_a_server_that_is_not_there_is_one_sentence(
    pack: Path, online: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_hub() as gone:
        endpoint = gone.endpoint
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(WorkError, match="Check HF_ENDPOINT"):
        push_pack(pack, REPOSITORY)


@pytest.mark.parametrize("name", ["a/b/c", "-bad", "two..dots", "with space"])
def test_a_name_that_no_repository_has_is_an_input_error(hub: Hub, pack: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name of a repository"):
        push_pack(pack, name)
    assert hub.repositories == {}
