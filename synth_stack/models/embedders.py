"""Sentence embedders from files on this machine: unit vectors, the same for the same text."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synth_stack.models import torch_minilm
from synth_stack.models.devices import find_gpu
from synth_stack.models.files import (
    MINILM,
    MINILM_TOKENIZER,
    PINS,
    WORDLLAMA,
    WORDLLAMA_TOKENIZER,
    need_module,
    read_model,
)
from synth_stack.models.token_table import TokenTable
from synth_stack.text.ragged import Counts

Vectors = NDArray[np.float32]
_Tokenise = Callable[[Sequence[str]], list[list[int]]]

_EMBEDDED_CHARS = 4000
"""How much of a text is embedded: both models average over what they read, and MiniLM stops at 256
tokens, about 1,200 characters of English."""

_BATCH_TOKENS = 256
"""Read at once by MiniLM: one long text, or 16 of 16 tokens. Of 32 texts at once, as is usual, what lies
between the layers does not stay in the cache, and each takes twice the time."""

_TOKENISED = 4_096  # texts at once


@dataclass(frozen=True, slots=True)
class Embedder:
    """`embed(texts)` gives unit vectors, (n, d) float32; a text without any token gets the zero vector.

    The vector of a text does not depend on the texts beside it. `facts` names the files by digest, and with
    them a GPU that reads them.
    """

    name: str
    embed: Callable[[Sequence[str]], Vectors]
    facts: Mapping[str, str]


def load_embedder(name: Literal["wordllama", "minilm"], *, threads: int | None = None) -> Embedder:
    """The named sentence embedder: wordllama (256-d, fast) or MiniLM int8 (384-d, better, slow).

    MiniLM runs in PyTorch where there is a GPU and what the extra `gpu` installs (CUDA_VISIBLE_DEVICES= hides
    it), else in onnxruntime with `threads`: by default OMP_NUM_THREADS, or two. Raises MissingExtra with the
    pip line, ModelError for a file that was changed.
    """
    if name == "wordllama":
        return _load_wordllama()
    if find_gpu(*torch_minilm.NEEDED):
        return load_torch_minilm("cuda")
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return _load_minilm(threads or (int(asked) if asked.isdecimal() and int(asked) else 2))


def _load_wordllama() -> Embedder:
    """The static vectors of WordLlama, averaged over tokens as its own class does.

    Its class is not used: importing it configures the root logger, its default loader looks for the files
    in a wrong folder and then on the network, and it pads a whole batch to its longest text.
    """
    from scipy import sparse

    table, tokenizer = _open_wordllama(os.getpid())
    known = TokenTable(
        lambda words: [e.ids for e in tokenizer.encode_batch_fast(words, add_special_tokens=False)]
    )

    def embed(texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
        for first in range(0, len(texts), _TOKENISED):
            tokens = known.read([t[:_EMBEDDED_CHARS] for t in texts[first : first + _TOKENISED]]).tokens
            ids = np.minimum(tokens.values.view(np.int64), len(table) - 1)
            shape = (len(tokens.lengths), len(table))
            ones = np.ones(len(ids), dtype=np.float32)
            counted = sparse.csr_array((ones, ids, tokens.offsets), shape=shape)
            # each row is summed by itself, token after token: it does not depend on the others
            vectors[first : first + _TOKENISED] = (counted @ table) / np.maximum(tokens.lengths, 1)[:, None]
        return _to_unit(vectors)

    return Embedder("wordllama", embed, _name_files(WORDLLAMA, WORDLLAMA_TOKENIZER))


@functools.cache
def _open_wordllama(process: int) -> tuple[Vectors, Any]:
    """Its vectors and its tokenizer: opened once in a `process`, since a fork does not take threads along."""
    table = need_module("safetensors.numpy").load(read_model(WORDLLAMA))["embedding.weight"]
    tokenizer = need_module("tokenizers").Tokenizer.from_buffer(read_model(WORDLLAMA_TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return table.astype(np.float32), tokenizer


def _load_minilm(threads: int) -> Embedder:
    """all-MiniLM-L6-v2 in int8: the mean of the token vectors that the attention mask keeps, unit length."""
    session, tokenise = _open_minilm(os.getpid())

    def embed(texts: Sequence[str]) -> Vectors:
        tokens = tokenise(texts)
        vectors = np.zeros((len(tokens), 384), dtype=np.float32)
        batches = _cut_batches(np.array([len(t) for t in tokens], dtype=np.int64))
        with ThreadPoolExecutor(max_workers=threads) as pool:
            pooled = pool.map(lambda rows: _pool(session, [tokens[k] for k in rows]), batches)
            for rows, found in zip(batches, pooled, strict=True):
                vectors[rows] = found
        return _to_unit(vectors)

    return Embedder("minilm", embed, _name_files(MINILM, MINILM_TOKENIZER))


@functools.cache
def _open_minilm(process: int) -> tuple[Any, _Tokenise]:
    """Its session and its tokenizer: opened once in a `process`, since a fork does not take threads along."""
    onnxruntime = need_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several batches side by side waste less than several threads in one
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it keeps the largest batch that it has ever seen, for each thread
    session = onnxruntime.InferenceSession(read_model(MINILM), options, providers=["CPUExecutionProvider"])
    return session, _load_tokenizer(read_model(MINILM_TOKENIZER))


def load_torch_minilm(place: torch_minilm.Place) -> Embedder:
    """The same network in PyTorch: vectors within 1e-5 of those of onnxruntime in every place.

    Raises MissingExtra, ModelError as `load_embedder` does.
    """
    files = {source: read_model(source) for source in (MINILM, MINILM_TOKENIZER)}
    tokenise = _load_tokenizer(files[MINILM_TOKENIZER])
    pool = torch_minilm.load_network(files[MINILM], place)
    facts = {MINILM_TOKENIZER: PINS[MINILM_TOKENIZER], f"{MINILM} by torch on {place}": PINS[MINILM]}
    return Embedder("minilm", lambda texts: _to_unit(pool(tokenise(texts))), facts)


def _name_files(*sources: str) -> dict[str, str]:
    return {source: PINS[source] for source in sources}


def _load_tokenizer(data: bytes) -> _Tokenise:
    tokenizer = need_module("tokenizers").Tokenizer.from_buffer(data)
    tokenizer.enable_truncation(max_length=torch_minilm.MOST_TOKENS)
    tokenizer.no_padding()
    return lambda texts: [e.ids for e in tokenizer.encode_batch([t[:_EMBEDDED_CHARS] for t in texts])]


def _cut_batches(lengths: Counts) -> list[Counts]:
    """The numbers of n texts, those of like lengths in tokens together: in batches of _BATCH_TOKENS at most,
    padding too, or of one text.
    """
    batches: list[list[int]] = []
    for number in np.argsort(lengths, kind="stable").tolist():
        if not batches or (len(batches[-1]) + 1) * lengths[number] > _BATCH_TOKENS:
            batches.append([])
        batches[-1].append(number)
    return [np.array(batch, dtype=np.int64) for batch in batches]


def _pool(session: Any, tokens: list[list[int]]) -> Vectors:
    ids = np.zeros((len(tokens), max(len(t) for t in tokens)), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, known in enumerate(tokens):
        ids[row, : len(known)], mask[row, : len(known)] = known, 1
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    (hidden,) = session.run(["last_hidden_state"], feeds)
    weights = mask[..., None].astype(np.float32)
    pooled: Vectors = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    return pooled


def _to_unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    unit: Vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit
