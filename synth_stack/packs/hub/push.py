"""A verified pack as a dataset repository on the Hugging Face Hub, or on a server that speaks like it."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from synth_stack.errors import ConfigError, InputError, VerificationError, WorkError
from synth_stack.files import digest_file, store_errors
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.hub.download import WantedFile, download_file
from synth_stack.packs.hub.repository import LEFT_BY_HUB, MAIN, TOKEN_VARIABLE, HubFile, HubRepository
from synth_stack.packs.verify.verify import Verification
from synth_stack.packs.verify.verify import verify_pack as require_sound
from synth_stack.runs.folder import list_files


def push_pack(pack: Path, repo_id: str, *, private: bool = True, token_env: str = TOKEN_VARIABLE) -> str:
    """The address of the commit that holds the pack, after the pack was verified.

    The repository is made where there is none; what it held before is replaced in the same commit, so that a
    copy of it verifies at every moment. The commit is tagged `root-` and the root of the pack's tree in hex,
    and `batch-` and its number where it has a place in a ledger, so that it can be downloaded after later
    ones; a tag that stands already stays at the commit it names. A push that was cut off goes on where it
    stopped, and one that is repeated changes nothing. The server is the one that HF_ENDPOINT names; the token
    stands in the environment variable `token_env`, else it is the one that `hf auth login` saved.

    Raises VerificationError for a pack that is not what was signed (nothing is sent), InputError for a
    name that no repository can have and for a batch before the one that is there, ConfigError for a
    repository that is public without `private=False`, WorkError when the server refuses, cannot be reached,
    or then holds anything else than the pack.
    """
    found = require_sound(pack)
    repository = HubRepository.open(repo_id, token_env)
    api = HfApi(endpoint=repository.endpoint, token=repository.token)
    tags = [f"root-{found.root}"] + ([] if found.place is None else [f"batch-{len(found.place.previous)}"])
    # The client raises its own HTTP errors, those of httpx2 where it cannot connect, ValueError for a card
    # that the server refuses, and RuntimeError around what stopped an upload.
    try:
        api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        before = repository.find_commit(MAIN)
        if private and not before.private:
            raise ConfigError(f"{repo_id} is public", mend="Say --public, or send to another repository.")
        earlier = repository.list_files(before.sha)
        _require_newest(found, repository, before.sha, earlier)
        commit = api.create_commit(
            repo_id,
            _list_operations(pack, earlier),
            repo_type="dataset",
            commit_message="Add a signed pack",
            parent_commit=before.sha,
        )
        _require_same(pack, repository.list_files(commit.oid))
        for tag in tags:
            api.create_tag(repo_id, tag=tag, revision=commit.oid, repo_type="dataset", exist_ok=True)
    except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as exc:
        said = " ".join(f"{exc} {exc.__cause__ or ''}".split())[:300].rstrip(".")
        raise WorkError(
            f"the Hub did not take the pack: {said}",
            mend=f"Check HF_ENDPOINT, the repository's name, and the token in {token_env}.",
        ) from exc
    return str(commit.commit_url)


def _require_newest(
    found: Verification, repository: HubRepository, commit: str, earlier: Mapping[str, HubFile]
) -> None:
    """Refuse a batch that stands before the one that the repository holds: its readers would see a rollback.

    What the repository holds of another key, or that is no pack, says nothing. Raises InputError.
    """
    bounds = {layout.STATEMENT: verify_pack.MAX_SEAL_BYTES, layout.PUBLIC_KEY: 4096}
    if found.place is None or any(
        name not in earlier or earlier[name].size > bounds[name] for name in bounds
    ):
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in bounds:
            wanted = WantedFile(commit, name, earlier[name].size)
            download_file(repository, wanted, Path(folder) / name)
        try:
            held = verify_pack.open_statement(folder, found.key_id)
            verify_pack.check_any(held)
        except verify_pack.Refusal:
            return
    place = held.predicate["ledger"]
    if place is not None and place["sequence"] > len(found.place.previous):
        raise InputError(
            f"{repository.repo_id} holds a later batch already",
            seen=f"batch {len(found.place.previous)}",
            allowed=f"batch {place['sequence']} or later",
            mend="Whoever pulled that one would see a rollback: send this one to another repository.",
        )


def _list_operations(
    pack: Path, earlier: Mapping[str, HubFile]
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """Every file of the pack, and away with whatever else the repository holds."""
    names = list_files(pack)
    gone = sorted(earlier.keys() - {*names} - LEFT_BY_HUB)
    return [
        *(CommitOperationDelete(path_in_repo=name, is_folder=False) for name in gone),
        *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=pack / name) for name in names),
    ]


def _require_same(pack: Path, listed: Mapping[str, HubFile]) -> None:
    """Refuse a commit that holds other files, or other bytes, than the pack: a rule in the repository may
    have left some out. Raises VerificationError.
    """
    names = list_files(pack)
    other = {*names} ^ (listed.keys() - LEFT_BY_HUB)
    changed = [name for name in names if name in listed and not _is_stored(pack / name, listed[name])]
    for name in sorted(other) + changed:
        raise VerificationError(f"the Hub holds another {name} than the pack")


def _is_stored(path: Path, stored: HubFile) -> bool:
    """Whether the Hub's digest of a file is that of the file: SHA-256, or git's id of a blob."""
    with store_errors(path):
        size = path.stat().st_size
        if len(stored.digest) == 64:
            return (size, digest_file(path)) == (stored.size, stored.digest)
        blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(1024**2):
                blob.update(block)
    return (size, blob.hexdigest()) == (stored.size, stored.digest)
