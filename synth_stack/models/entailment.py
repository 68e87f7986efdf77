"""Whether one text follows from another: classifiers of natural language inference from files on this
machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ModelError
from synth_stack.models.devices import Device, choose_device
from synth_stack.models.files import find_model, need_module, read_model

Shares = NDArray[np.float64]

_BATCH = {"cpu": 8, "cuda": 64}
_MAX_TOKENS = 512
_ENTAILED = ("entail", "support", "consistent", "label_1")
"""How labels begin that say that the second text follows; "label_1" is MiniCheck's (Tang et al. 2024)."""
_DENIED = ("contradict", "refut")
_UNLOADABLE = (OSError, ValueError, LookupError, RuntimeError, AttributeError, TypeError, ImportError)


@dataclass(frozen=True, slots=True)
class Entailer:
    """`rate(pairs)` gives for each (premise, claim) how likely the claim follows and is denied, (n, 2).

    A model of two labels cannot tell what is denied from what is not said: its second column is 0.
    """

    rate: Callable[[Sequence[tuple[str, str]]], Shares]
    facts: Mapping[str, Any]


def load_entailer(weights: str, sha256: str, device: Device = "auto") -> Entailer:
    """The classifier in a `.safetensors` file (a path, or `hub:<repo>:<file>`), with its digest checked.

    Configuration and tokenizer lie beside it; no code of theirs is run. Raises ModelError for a file that is
    none, for another digest, and for labels of which none says that a text follows; MissingExtra.
    """
    if not weights.endswith(".safetensors"):
        raise ModelError("an entailment model has to be a .safetensors file", seen=weights)
    data = read_model(weights, sha256)
    torch, transformers = need_module("torch"), need_module("transformers")
    place = choose_device(torch, device)
    folder = find_model(weights).parent
    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        network = transformers.AutoModelForSequenceClassification.from_config(config)
        unused = network.load_state_dict(need_module("safetensors.torch").load(data), strict=False)
        if unused.missing_keys:
            raise ValueError(f"the file lacks {', '.join(unused.missing_keys[:3])}")
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (*_UNLOADABLE, need_module("safetensors").SafetensorError) as exc:
        raise ModelError(f"{weights} is no entailment model", seen=str(exc)) from exc
    labels = [str(config.id2label[k]) for k in range(config.num_labels)]
    follows, denied = _find_labels(labels)
    network = network.to(place).eval()

    def rate(pairs: Sequence[tuple[str, str]]) -> Shares:
        found = np.zeros((len(pairs), 2))
        order = sorted(range(len(pairs)), key=lambda k: len(pairs[k][0]) + len(pairs[k][1]))
        for first in range(0, len(order), _BATCH[place]):
            chosen = order[first : first + _BATCH[place]]
            inputs = tokenizer(
                [pairs[k][0] for k in chosen],
                [pairs[k][1] for k in chosen],
                truncation="only_first",
                max_length=_MAX_TOKENS,
                padding=True,
                return_tensors="pt",
            )
            with torch.inference_mode():
                logits = network(**inputs.to(network.device)).logits
            shares = torch.softmax(logits.float(), dim=-1).cpu().numpy()
            found[chosen, 0] = shares[:, follows]
            if denied is not None:
                found[chosen, 1] = shares[:, denied]
        return found

    return Entailer(rate, {"files": {weights: sha256}, "labels": labels, "device": place})


def _find_labels(labels: Sequence[str]) -> tuple[int, int | None]:
    """Which label says that a text follows, and which that it is denied."""
    lows = [label.lower() for label in labels]
    follows = [k for k, label in enumerate(lows) if label.startswith(_ENTAILED)]
    denied = [k for k, label in enumerate(lows) if label.startswith(_DENIED)]
    if len(follows) != 1 or len(denied) > 1 or (len(labels) > 2 and not denied):
        raise ModelError(
            "the labels of the entailment model cannot be told apart",
            seen=", ".join(labels),
            allowed="one that begins with entail, support or consistent, and one with contradict",
            mend="Set id2label in its config.json.",
        )
    return follows[0], denied[0] if denied else None
