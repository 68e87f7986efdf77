"""The accepted rows of a pack for a trainer: JSON Lines in the form that it reads."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.errors import ConfigError, InputError
from synth_stack.files import open_whole
from synth_stack.packs import layout
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.shards import read_shard
from synth_stack.packs.splits import TRAIN
from synth_stack.packs.trainer_formats import FORMS, Record, Sides, Unsayable, say_thoughts
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.registry import suggest
from synth_stack.runs.locks import parse_recipe
from synth_stack.text.fields import read_sides


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: `rows` of one split to `path`, and by reason how many rows were `skipped` since the
    format cannot say what they hold.
    """

    path: Path
    format: str
    split: str
    rows: int
    skipped: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        plain = {name: getattr(self, name) for name in ("format", "split", "rows")}
        return {"file": str(self.path), **plain, "skipped": dict(self.skipped)}


def export_pack(
    pack: str | Path,
    out: str | Path,
    *,
    format: str,  # noqa: A002  (what the command calls it)
    split: str = TRAIN,
    expected_key: str | None = None,
) -> Export:
    """The accepted rows of one split of a pack, as one record a line in the file `out`, whole or not at all.

    `format` is one of FORMS (trainer_formats.py). Every record has the `row_id`; rows stand in the order of
    the pack. The pack is verified first, with `expected_key` as the key that must have signed. Raises
    ConfigError for a format that there is not, InputError for a split that the pack does not have and for an
    `out` within the pack, VerificationError for a pack that is not what was signed, StoreError.
    """
    form = FORMS.get(format)
    if form is None:
        raise ConfigError(
            "there is no format of that name",
            seen=format,
            allowed=", ".join(FORMS),
            mend=suggest(format, FORMS),
        )
    folder, target = Path(pack), Path(out)
    if target.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{target} lies in the pack, which it would alter", mend="Choose another --out.")
    if target.is_dir():
        raise InputError(f"{target} is a folder", mend="Name a file with --out.")
    verify_pack(folder, expected_key=expected_key)
    names = _list_files(folder, split)
    reasoning = _read_reasoning(folder)
    skipped: Counter[str] = Counter()
    rows = 0
    with open_whole(target) as file:
        for name in names:
            for table in read_shard(folder, name, DATA_SCHEMA):
                for record in _convert(table, format, reasoning, skipped):
                    file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
                    rows += 1
    return Export(target, format, split, rows, dict(skipped.most_common()))


def _list_files(pack: Path, split: str) -> list[str]:
    names, _, _ = layout.list_pack_files(pack)
    data = layout.list_data(names)
    if not data.get(split):
        raise InputError(
            f"{pack} has no rows in that split",
            seen=split,
            allowed=", ".join(name for name, files in data.items() if files),
        )
    return data[split]


def _read_reasoning(pack: Path) -> str | None:
    """What the recipe of a pack wants done with reasoning; None for rows without a recipe."""
    path = pack / layout.RECIPE
    return parse_recipe(path.read_bytes(), where=str(path)).reasoning if path.is_file() else None


def _convert(table: pa.Table, name: str, reasoning: str | None, skipped: Counter[str]) -> Iterator[Record]:
    form, sides = FORMS[name], _pick_sides(table)
    for place, row in enumerate(table.to_pylist()):
        try:
            yield form(say_thoughts(row, reasoning, name), sides.get(place))
        except Unsayable as exc:
            skipped[str(exc)] += 1


def _pick_sides(table: pa.Table) -> dict[int, Sides]:
    """The chosen and the rejected alternative of every row that has both."""
    told = read_sides(table)
    chosen, rejected = (
        dict(told.filter(name).select("row", "side").iter_rows()) for name in ("chosen", "rejected")
    )
    return {row: (side, rejected[row]) for row, side in chosen.items() if row in rejected}
