"""all-MiniLM-L6-v2 in PyTorch, for a GPU: the weights of the ONNX file that onnxruntime runs on a CPU.

That file keeps its matrices as whole numbers and a scale each, and computes in float32: with the same numbers
torch computes the same but for the order of sums. Every batch has one of a few shapes, chosen by the length
of a text alone, so that its vector depends neither on the texts beside it nor on how many there are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ModelError
from synth_stack.models.files import need_module

Place = Literal["cpu", "cuda"]
Vectors = NDArray[np.float32]

WIDTH = 384
MOST_TOKENS = 256
NEEDED = ("torch", "transformers", "onnx")
"""What has to be installed, all in the extra `gpu`."""

_LENGTHS = (16, 32, 64, 128, MOST_TOKENS)
"""Tokens to which texts are padded: at most twice what they have, from 16 on."""
_BATCH_TOKENS: Mapping[Place, int] = {"cpu": 256, "cuda": 16_384}
"""Of a batch, padding too. A GPU has little to do with fewer; attention takes 200 MB at 256 tokens a text."""
_PREFIX = "inner."
"""Before the names that PyTorch gave the weights, in the names of the file."""


def load_network(data: bytes, place: Place) -> Callable[[Sequence[list[int]]], Vectors]:
    """A function from texts, at most MOST_TOKENS token ids each, to the means of token vectors, (n, 384).

    `data` is the ONNX file. A text without tokens gets zeros. Raises MissingExtra, ModelError for another
    network than MiniLM.
    """
    torch, transformers = need_module("torch"), need_module("transformers")
    weights = {name: torch.from_numpy(array.copy()) for name, array in read_weights(data).items()}
    config = transformers.BertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=4 * WIDTH,
        attn_implementation="eager",  # others choose a kernel by whether a batch has padding
    )
    network = transformers.BertModel(config, add_pooling_layer=False)
    try:
        network.load_state_dict(weights)
    except RuntimeError as exc:
        raise ModelError("the ONNX file is not that of all-MiniLM-L6-v2", seen=str(exc)[:300]) from exc
    network = network.to(place).eval()

    def pool(texts: Sequence[list[int]]) -> Vectors:
        vectors = np.zeros((len(texts), WIDTH), dtype=np.float32)
        for rows, ids, mask in _cut(texts, _BATCH_TOKENS[place]):
            with torch.inference_mode():
                kept = torch.from_numpy(mask).to(place)
                hidden = network(
                    input_ids=torch.from_numpy(ids).to(place), attention_mask=kept
                ).last_hidden_state
                weight = kept[..., None].float()
                means = (hidden * weight).sum(1) / weight.sum(1)
                vectors[rows] = means[: len(rows)].cpu().numpy()
        return vectors

    return pool


def _cut(
    texts: Sequence[list[int]], tokens: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Batches: which texts, ids and masks, (tokens // length, length), padded with texts of one token."""
    fits = np.searchsorted(_LENGTHS, [len(text) for text in texts])
    for fit, length in enumerate(_LENGTHS):
        members = np.array([k for k, text in enumerate(texts) if text and fits[k] == fit], dtype=np.int64)
        size = tokens // length
        for first in range(0, len(members), size):
            rows = members[first : first + size]
            ids, mask = np.zeros((2, size, length), dtype=np.int64)
            mask[:, 0] = 1
            for row, number in enumerate(rows):
                known = texts[number]
                ids[row, : len(known)], mask[row, : len(known)] = known, 1
            yield rows, ids, mask


def read_weights(data: bytes) -> dict[str, NDArray[Any]]:
    """The weights of a network that PyTorch exported as ONNX, by the names that they have in PyTorch.

    A matrix of a linear layer has lost its name there: it is found by the product that a named bias is added
    to. Raises MissingExtra.
    """
    onnx = need_module("onnx")
    graph = onnx.load_model_from_string(data).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}

    def compute(name: str) -> Any:
        """A constant of the graph: as it is stored, or a scale times whole numbers."""
        if name in stored:
            return stored[name]
        node = made_by[name]
        if node.op_type == "Cast":
            return compute(node.input[0]).astype(np.float32)
        if node.op_type == "Mul":
            return compute(node.input[0]) * compute(node.input[1])
        raise ModelError("the ONNX file keeps a weight in a form that is not known", seen=node.op_type)

    found = {name: compute(name) for name in {*stored, *made_by} if _is_named(name)}
    for node in graph.node:
        biases = [name for name in node.input if name.endswith(".bias")]
        if node.op_type == "Add" and biases:
            [product] = [made_by[name] for name in node.input if name not in biases]
            found[biases[0].removesuffix("bias") + "weight"] = compute(product.input[1]).T
    return {name.removeprefix(_PREFIX): array for name, array in found.items()}


def _is_named(name: str) -> bool:
    return name.startswith(_PREFIX) and name.endswith((".weight", ".bias"))
