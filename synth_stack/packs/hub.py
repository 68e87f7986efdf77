"""A verified pack as a dataset repository on the Hugging Face Hub, or on a server that speaks like it."""

import os
from pathlib import Path

from synth_stack.errors import InputError, WorkError
from synth_stack.packs.verify.verify import verify_pack

TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105  (the name of a variable)


def push_pack(pack: Path, repo_id: str, *, private: bool = True, token_env: str = TOKEN_VARIABLE) -> str:
    """The address of the commit that holds the pack, after the pack was verified.

    The repository is made where there is none; what it held before is replaced, so that a copy of it
    verifies. The commit is tagged `root-` and the root of the pack's tree in hex, so that a batch can be
    downloaded by its root after later ones; a tag that stands already stays at the commit it names. The
    server is the one that HF_ENDPOINT names; the token stands in the environment variable `token_env`,
    else it is the one that `hf auth login` saved.

    Raises VerificationError for a pack that is not what was signed (nothing is sent), InputError for a
    name that no repository can have, WorkError when the server refuses or cannot be reached.
    """
    root = verify_pack(pack).root
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ.get(token_env))
    try:
        api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            repo_type="dataset",
            folder_path=pack,
            delete_patterns="*",
            commit_message="Add a signed pack",
        )
        api.create_tag(repo_id, tag=f"root-{root}", revision=commit.oid, repo_type="dataset", exist_ok=True)
    except HFValidationError as exc:
        raise InputError("that is no name of a repository", seen=repo_id, allowed="OWNER/NAME") from exc
    # The client raises its own HTTP errors, those of httpx2 where it cannot connect, and ValueError for a
    # card that the server refuses.
    except (httpx2.HTTPError, OSError, ValueError) as exc:
        said = " ".join(str(exc).split())[:300].rstrip(".")
        raise WorkError(
            f"the Hub did not take the pack: {said}",
            mend=f"Check HF_ENDPOINT, the repository's name, and the token in {token_env}.",
        ) from exc
    return str(commit.commit_url)
