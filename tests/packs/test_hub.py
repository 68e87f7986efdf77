from collections.abc import Iterator
from pathlib import Path

import pytest

from synth_stack.errors import InputError, VerificationError, WorkError
from synth_stack.packs.hub import push_pack
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.runs.folder import list_files
from tests.packs.hub_loopback import COMMIT, TOKEN, Hub, run_hub
from tests.packs.judged_run import ADVERSARIAL, build_pack

REPOSITORY = "curator/support-intents"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that the client is allowed to reach, although the tests are offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with run_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return build_pack(tmp_path)


def test_a_pack_arrives_file_by_file_in_a_private_repository(hub: Hub, pack: Path) -> None:
    url = push_pack(pack, REPOSITORY)
    assert url.startswith(f"{hub.endpoint}/datasets/{REPOSITORY}/commit/")
    assert hub.repositories[REPOSITORY] == {name: (pack / name).read_bytes() for name in list_files(pack)}
    assert hub.private[REPOSITORY] is True


def test_a_repository_is_public_when_that_is_asked_for(hub: Hub, pack: Path) -> None:
    push_pack(pack, REPOSITORY, private=False)
    assert hub.private[REPOSITORY] is False


def test_what_was_pushed_verifies_when_it_is_downloaded(hub: Hub, pack: Path, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    push_pack(pack, REPOSITORY)
    api = HfApi(endpoint=hub.endpoint, token=TOKEN)
    folder = api.snapshot_download(REPOSITORY, repo_type="dataset", local_dir=str(tmp_path / "copy"))
    assert verify_pack(Path(folder)).root == verify_pack(pack).root


def test_the_commit_is_tagged_with_the_root_and_a_repeated_push_keeps_the_tag(hub: Hub, pack: Path) -> None:
    hub.refuses_tags = True
    with pytest.raises(WorkError, match="the Hub did not take the pack"):
        push_pack(pack, REPOSITORY)
    hub.refuses_tags = False
    for _ in range(2):
        push_pack(pack, REPOSITORY)
    assert hub.tags[REPOSITORY] == {f"root-{verify_pack(pack).root}": COMMIT}


def test_adversarial_rows_arrive_in_a_configuration_of_their_own(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    pack = build_pack(tmp_path, adversarial=ADVERSARIAL)
    push_pack(pack, REPOSITORY)
    held = hub.repositories[REPOSITORY]
    assert held == {name: (pack / name).read_bytes() for name in list_files(pack)}
    header = vars(DatasetCard(held["README.md"].decode("utf-8")).data)
    files = {config["config_name"]: config["data_files"] for config in header["configs"]}
    assert files["default"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert files["adversarial"] == [{"split": "adversarial", "path": "data/adversarial-*.parquet"}]


def test_files_of_an_older_pack_do_not_stay_behind(hub: Hub, pack: Path) -> None:
    hub.repositories[REPOSITORY] = {"data/train-00001-of-00002.parquet": b"old", ".gitattributes": b"*"}
    push_pack(pack, REPOSITORY)
    assert "data/train-00001-of-00002.parquet" not in hub.repositories[REPOSITORY]
    assert ".gitattributes" in hub.repositories[REPOSITORY]


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


def test_a_server_that_is_not_there_is_one_sentence(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with run_hub() as gone:
        endpoint = gone.endpoint
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(WorkError, match="Check HF_ENDPOINT"):
        push_pack(pack, REPOSITORY)


@pytest.mark.parametrize("name", ["a/b/c", "-bad", "two..dots", "with space"])
def test_a_name_that_no_repository_has_is_an_input_error(hub: Hub, pack: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name of a repository"):
        push_pack(pack, name)
    assert hub.repositories == {}
