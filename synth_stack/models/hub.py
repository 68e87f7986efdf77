"""Weights that a recipe names by their model: downloaded from the Hub once, held to a digest pinned here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from synth_stack.errors import ModelError
from synth_stack.models.files import ModelFile, check_model
from synth_stack.rows.canonical import Digest

ModelName = Literal["qwen2.5-1.5b-instruct"]


@dataclass(frozen=True, slots=True)
class HubModel:
    """A file of a repository at one commit; the digest is that of the file as its authors published it."""

    repository: str
    revision: str
    file: str
    sha256: Digest
    megabytes: int
    licence: str

    @property
    def source(self) -> str:
        """The file as models/files.py names it."""
        return f"hub:{self.repository}:{self.file}"


HUB_MODELS: Mapping[ModelName, HubModel] = {
    "qwen2.5-1.5b-instruct": HubModel(
        repository="Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        revision="91cad51170dc346986eccefdc2dd33a9da36ead9",
        file="qwen2.5-1.5b-instruct-q4_k_m.gguf",
        sha256=Digest("6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e"),
        megabytes=1_117,
        licence="apache-2.0",
    )
}


def fetch_model(model: HubModel) -> ModelFile:
    """The file of the model, from the Hub's cache or else downloaded into it, with the digest that is pinned.

    The server is the one that HF_ENDPOINT names; a download that was cut off goes on where it stopped. Raises
    ModelError when the Hub does not answer or has no such file, or for other bytes than those pinned.
    """
    import httpx2
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(
            model.repository, model.file, revision=model.revision, endpoint=os.environ.get("HF_ENDPOINT")
        )
    # the client raises its own errors, which are OSErrors, those of httpx2 where it cannot connect, and
    # ValueError and RuntimeError for an answer that it cannot use
    except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as exc:
        raise ModelError(
            f"the Hub gave no {model.file} of {model.repository}",
            seen=" ".join(f"{type(exc).__name__}: {exc}".split())[:200],
            allowed=f"a connection for {model.megabytes} MB, once, or the file in the cache",
            mend=f"Connect and run again, or fetch it elsewhere with hf download {model.repository} "
            f"{model.file} --revision {model.revision} and name the file as weights.",
        ) from exc
    return check_model(path, model.sha256)
