"""The card of a mixture: its packs as a table, what they add up to, and how each is verified alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from synth_stack.inputs.terms import PURPOSES, UNDECLARED, rank_terms
from synth_stack.packs.card.examples import render_examples
from synth_stack.packs.card.header import name_size
from synth_stack.packs.card.ledger_place import render_place
from synth_stack.packs.card.markdown import bullets, code, fence, prose, share, table
from synth_stack.packs.card.shares import render_shares
from synth_stack.packs.disclosure.facts import Disclosure
from synth_stack.packs.mixture.contents import MixedPack
from synth_stack.packs.splits import ADVERSARIAL, TRAIN
from synth_stack.packs.turned_away import TURNED_AWAY

_LOAD = """from datasets import load_dataset

rows = load_dataset("PATH_OR_REPOSITORY", split="train")"""
_VERIFY = """pip install synth-stack
synth-stack verify PATH                  # every pack in it, whole, and what stands here
synth-stack verify PATH/sources/00       # one pack alone
synth-stack verify PATH --row ROW_ID     # one row, by its proof in its own pack"""
_SINGLE_FILE = """pip install cryptography
python verify_pack.py PATH"""
_SINGLE_FILE_NOTE = (
    "Where the package cannot be installed, one file does without it: every pack in it without its Parquet "
    "files, and what the statement says of all. `synth-stack verify --emit > verify_pack.py` writes it."
)
_NOTE = (
    "Every pack lies in `sources/` as it was signed, to the byte, with its own card, records, tree and "
    "signature; nothing was taken out of it. Licences and terms are those that each pack states. What stands "
    "here is computed from the packs, and `synth-stack verify` writes it again and compares it."
)


def render_card(
    packs: Sequence[MixedPack], told: Disclosure, purpose: str | None, place: Mapping[str, Any] | None
) -> str:
    """README.md of a mixture, the same for the same arguments; `place` is its place in a ledger."""
    header = yaml.safe_dump(_build_metadata(packs, told), sort_keys=False, allow_unicode=True)
    sections = [
        f"# {prose(told.title)}",
        f"{told.data.rows:,} accepted rows of {len(packs)} packs. {_NOTE}",
        "## Load",
        fence(_LOAD, "python"),
        "## Verify",
        fence(_VERIFY, "sh"),
        _SINGLE_FILE_NOTE,
        fence(_SINGLE_FILE, "sh"),
        "## Packs",
        _render_packs(packs, told),
        *render_examples(told.data.examples),
        "## Licence, terms and synthetic share",
        *render_shares(told),
        _render_purpose(told, purpose),
        "## Not checked",
        bullets([f"{prose(said)}: {', '.join(map(code, names))}" for said, names in told.unchecked]),
        "## Known biases",
        bullets([prose(bias) for bias in told.biases]) or "The packs state none.",
        "## Signature",
        f"The Merkle root over the statements of the packs is {code(told.root)}, and the key is "
        f"{code(told.key_id)}. It signs the digest of every file. **It does not vouch for the packs**: each "
        "has its own key, in the table above.",
        *render_place(place),
    ]
    return f"---\n{header}---\n\n" + "\n\n".join(sections) + "\n"


def _build_metadata(packs: Sequence[MixedPack], told: Disclosure) -> dict[str, Any]:
    licenses = [*told.licenses]
    return {
        "pretty_name": " ".join(told.title.split()),
        "license": licenses[0] if len(licenses) == 1 else licenses,
        **({"language": [*told.languages]} if told.languages else {}),
        "size_categories": [name_size(told.data.rows)],
        "tags": ["synth-stack"],
        "configs": _list_configs(packs),
    }


def _list_configs(packs: Sequence[MixedPack]) -> list[dict[str, Any]]:
    """The configurations of the packs under their names; accepted rows come first."""
    files: dict[tuple[str, str], list[str]] = {}
    for pack in packs:
        for split in pack.told.splits:
            name = "default" if split == TRAIN else split
            files.setdefault((name, split), []).append(f"{pack.folder}/data/{split}-*.parquet")
        for turned in pack.counts.turned:
            path = f"{pack.folder}/log/{turned.name}-*.parquet"
            files.setdefault((turned.name, turned.name), []).append(path)
    order = ("default", ADVERSARIAL, *TURNED_AWAY)
    ranked = sorted(files.items(), key=lambda item: order.index(item[0][0]))
    return [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": paths}],
            **({"default": True} if place == 0 else {}),
        }
        for place, ((name, split), paths) in enumerate(ranked)
    ]


def _render_packs(packs: Sequence[MixedPack], told: Disclosure) -> str:
    heads = ("Folder", "Pack", "Rows #", "Share of rows #", "Synthetic #", "Licence", "Root", "Key")
    lines = [
        (
            code(pack.folder),
            prose(pack.told.title),
            f"{pack.told.data.rows:,}",
            share(pack.told.data.rows, told.data.rows),
            f"{pack.told.data.synthetic:,}",
            ", ".join(map(code, pack.told.licenses)) or "not stated",
            code(pack.told.root),
            code(pack.told.key_id),
        )
        for pack in packs
    ]
    return table(heads, lines)


def _render_purpose(told: Disclosure, purpose: str | None) -> str:
    """The last purpose that the terms of every model allow, and the one that the mixture was made for."""
    ranks = [rank_terms(group.name) for group in told.data.output_terms if group.name is not None]
    least = min(ranks, default=None)
    widest = "no model known" if least is None else UNDECLARED if least < 0 else PURPOSES[least]
    lines = [(code(widest), code(purpose) if purpose else "none named")]
    return table(("Widest purpose that all terms allow", "Mixed for"), lines)
