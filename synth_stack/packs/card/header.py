"""The card's YAML header: what the Hub lists, and what `datasets` reads when it loads a pack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synth_stack.packs.counts import Counts
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.splits import TRAIN, SplitCount
from synth_stack.packs.turned_away import TURNED_SCHEMA
from synth_stack.runs.locks import RecipeLock

_SIZES = (
    *("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B"),
    *("1B<n<10B", "10B<n<100B", "100B<n<1T"),
)


def build_metadata(
    recipe: RecipeLock, counts: Counts, withdrawn: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The card's YAML header: what the Hub lists, and what `datasets` reads when it loads the pack."""
    card, configs = recipe.card, _list_configs(counts)
    return {
        "pretty_name": " ".join(name_title(recipe).split()),
        "license": "other" if card is None else card.license,
        **({} if card is None else {"language": list(card.languages)}),
        "size_categories": [name_size(counts.accepted - (withdrawn["rows"] if withdrawn else 0))],
        "task_categories": ["text-generation" if counts.images is None else "text-to-image"],
        "tags": ["synthetic", "synth-stack"] if recipe.source is None else ["synth-stack"],
        "configs": [
            {
                "config_name": config.name,
                "data_files": [{"split": config.split.name, "path": f"{config.stem}-*.parquet"}],
                **({"default": True} if place == 0 else {}),
            }
            for place, config in enumerate(configs)
        ],
        "dataset_info": [
            {
                "config_name": config.name,
                "features": [_describe_feature(field) for field in config.schema],
                "splits": [
                    {
                        "name": config.split.name,
                        "num_bytes": config.split.num_bytes,
                        "num_examples": config.split.rows,
                    }
                ],
            }
            for config in configs
        ],
    }


@dataclass(frozen=True, slots=True)
class _Config:
    """A configuration of the Hub: one split, the start of its files' names, and their columns."""

    name: str
    split: SplitCount
    stem: str
    schema: pa.Schema


def _list_configs(counts: Counts) -> list[_Config]:
    """Accepted rows come first, so that whoever names no configuration gets these."""
    accepted = [
        _Config("default" if split.name == TRAIN else split.name, split, f"data/{split.name}", DATA_SCHEMA)
        for split in counts.splits
    ]
    return accepted + [
        _Config(split.name, split, f"log/{split.name}", TURNED_SCHEMA) for split in counts.turned
    ]


def name_size(rows: int) -> str:
    """The Hub's size category of a dataset of that many rows."""
    return next((name for i, name in enumerate(_SIZES) if rows < 10 ** (3 + i)), "n>1T")


def name_title(recipe: RecipeLock) -> str:
    """The title of the card: the recipe's, or its name."""
    return recipe.name if recipe.card is None else recipe.card.pretty_name


def _describe_feature(field: pa.Field) -> dict[str, Any]:
    """A column in the form that `datasets` reads from a card."""
    if pa.types.is_list(field.type):
        items = field.type.value_type
        return {"name": field.name, "list": [_describe_feature(items.field(i)) for i in range(len(items))]}
    return {"name": field.name, "dtype": str(field.type)}
