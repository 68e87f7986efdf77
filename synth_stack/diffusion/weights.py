"""Folders of diffusion weights: whole, of a family that is known, without pickles, and every file digested.

Nothing is imported or loaded here. A folder may be a stranger's: `model_index.json` names the classes that
are loaded, so only those of the family are taken; a pickle runs code when it is read, so one is taken only
where its digest is pinned.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from synth_stack.diffusion.families import FAMILIES, UNION_CLASS, FamilyName, find_family
from synth_stack.errors import ModelError
from synth_stack.files import digest_file, read_regular
from synth_stack.rows.canonical import Digest, digest_json

MODEL_INDEX = "model_index.json"
MAX_CONFIG_BYTES = 16 * 1024 * 1024
"""A list of the shards of a large model is some hundred kilobytes."""
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_TEXTS = (".json", ".txt", ".model", ".jinja")
"""Files of a component beside its weights: settings, vocabularies."""
_STEMS: Mapping[str, str] = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
_SETTINGS = {"Tokenizer": "tokenizer_config.json", "Scheduler": "scheduler_config.json"}
"""The file that a component without weights cannot do without."""
_FETCH = "Fetch the folder again, whole."
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")


@dataclass(frozen=True, slots=True)
class CheckedWeights:
    """A folder of weights that may be loaded: its family, the class that it names, and its files by path.

    `digest` is over the paths and digests of all files. `variant` stands in the names of its weights;
    `pickled`: whether one of them is a pinned pickle.
    """

    name: str
    path: Path
    family: FamilyName
    class_name: str
    files: Mapping[str, Digest]
    variant: str | None = None
    pickled: bool = False

    @property
    def digest(self) -> Digest:
        return digest_json([[path, digest] for path, digest in sorted(self.files.items())])


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """A folder of weights as it is found: what it is called, the part of file names before the ending
    (`fp16`) and the digests of pickles that may be loaded, by their paths in it.
    """

    path: Path
    name: str
    variant: str | None = None
    pickles: Mapping[str, str] = field(default_factory=dict)

    def check_pipeline(self) -> CheckedWeights:
        """The folder of a pipeline, every file that will be loaded found and digested.

        Raises ModelError, which names the file, and ConfigError for a pipeline of no family.
        """
        index = _read_config(self.path, MODEL_INDEX, self.name)
        class_name = str(index.get("_class_name"))
        family = find_family(class_name, where=f"{self.name}/{MODEL_INDEX}")
        known = FAMILIES[family]
        chosen: list[str] = [MODEL_INDEX]
        for part, value in index.items():
            if part.startswith("_") or not isinstance(value, list) or value == [None, None]:
                continue
            library, maker = _read_component(value, part, self.name)
            allowed = known.schedulers if part == "scheduler" else known.components
            if maker not in allowed:
                raise ModelError(
                    f"{self.name}: {part} is of a class that {known.title} has no use for",
                    seen=f"{library}.{maker}",
                    allowed=", ".join(sorted(allowed)),
                )
            chosen += self._list_component(part, library, maker)
        return self._digest(family, class_name, chosen)

    def check_controlnet(self, family: FamilyName, *, union: bool) -> CheckedWeights:
        """The folder of a ControlNet of a family, checked as that of a pipeline is. Raises ModelError."""
        config = _read_config(self.path, "config.json", self.name)
        wanted = UNION_CLASS if union and family == "sdxl" else FAMILIES[family].controlnet
        seen = str(config.get("_class_name"))
        if seen != wanted:
            raise ModelError(
                f"{self.name} is not a {'union ' if union else ''}ControlNet of {FAMILIES[family].title}",
                seen=seen,
                allowed=wanted,
            )
        if union and family != "sdxl" and not config.get("num_mode"):
            raise ModelError(f"{self.name} is a ControlNet for one kind of condition", allowed="a union")
        return self._digest(family, seen, self._list_component("", "diffusers", seen))

    def _list_component(self, part: str, library: str, maker: str) -> list[str]:
        """The files of one component by their paths here: its settings, and its weights if it has some."""
        prefix = f"{part}/" if part else ""
        if not (self.path / part).is_dir():
            raise ModelError(f"{self.name} has no folder {part}", allowed=f"the {maker} of {MODEL_INDEX}")
        present = {path.name for path in (self.path / part).iterdir() if path.is_file()}
        settings = next((file for word, file in _SETTINGS.items() if word in maker), "config.json")
        if settings not in present:
            raise ModelError(f"{self.name} lacks {prefix}{settings}", mend=_FETCH)
        texts = sorted(each for each in present if each.endswith(_TEXTS) and ".index." not in each)
        weights = self._find_weights(prefix, present, _STEMS[library]) if settings == "config.json" else []
        return [f"{prefix}{each}" for each in (*texts, *weights)]

    def _find_weights(self, prefix: str, present: set[str], stem: str) -> list[str]:
        middle = f".{self.variant}" if self.variant else ""
        whole, index = f"{stem}{middle}.safetensors", f"{stem}.safetensors.index{middle}.json"
        if whole in present:
            return [whole]
        if index in present:
            return [index, *self._list_shards(prefix, index, present)]
        found = sorted(each for each in present if each.endswith(_PICKLES))
        pinned = [each for each in found if f"{prefix}{each}" in self.pickles]
        if found and not pinned:
            raise ModelError(
                f"{self.name} has its weights as a pickle, which runs code when it is loaded",
                seen=f"{prefix}{found[0]}",
                allowed=f"{prefix}{whole}",
                mend=f"Convert it to safetensors, or pin its SHA-256: pickles: {{{prefix}{found[0]}: ...}}.",
            )
        if not pinned:
            other = "or name another variant" if self.variant else "or set `variant` (fp16)"
            raise ModelError(f"{self.name} lacks {prefix}{whole}", mend=f"Fetch it again, whole, {other}.")
        return pinned

    def _list_shards(self, prefix: str, index: str, present: set[str]) -> list[str]:
        shards = _read_config(self.path, f"{prefix}{index}", self.name).get("weight_map")
        if not isinstance(shards, dict) or not all(_is_file_name(each) for each in shards.values()):
            raise ModelError(f"{self.name}/{prefix}{index} names no shards")
        named = sorted(set(shards.values()))
        missing = [each for each in named if each not in present]
        if missing or not named:
            raise ModelError(
                f"{self.name} lacks {prefix}{missing[0] if missing else 'every shard'}",
                seen=f"{len(missing)} of {len(named)} shards are missing",
                mend=_FETCH,
            )
        return named

    def _digest(self, family: FamilyName, class_name: str, chosen: Sequence[str]) -> CheckedWeights:
        files = {path: digest_file(self.path / path) for path in chosen}
        for path, seen in files.items():
            if path.endswith(_PICKLES) and seen != self.pickles.get(path):
                raise ModelError(
                    f"{self.name}/{path} is a pickle, and not the one that was pinned",
                    seen=seen,
                    allowed=self.pickles.get(path),
                )
        unused = sorted(set(self.pickles) - set(files))
        if unused:
            raise ModelError(f"{self.name} loads no pickle of that name", seen=unused[0])
        return CheckedWeights(
            self.name, self.path, family, class_name, files, self.variant, bool(self.pickles)
        )


def _is_file_name(value: object) -> bool:
    return isinstance(value, str) and bool(_SHARD.fullmatch(value))


def check_lora(file: Path) -> Digest:
    """The digest of a file of LoRA weights. Raises ModelError for what is no safetensors file."""
    if not file.is_file():
        raise ModelError(f"there are no LoRA weights at {file.name}", mend="Check the path.")
    if file.suffix != ".safetensors":
        raise ModelError(
            f"LoRA weights are loaded from safetensors alone, and {file.name} is no such file",
            mend="A pickle runs code when it is loaded: convert it.",
        )
    return digest_file(file)


def _read_component(value: list[Any], part: str, name: str) -> tuple[str, str]:
    if len(value) != 2 or not all(isinstance(each, str) for each in value) or value[0] not in _STEMS:
        raise ModelError(
            f"{name}: {part} is to be loaded by something else than diffusers and transformers",
            seen=str(value)[:120],
            allowed="[diffusers, a class] or [transformers, a class]",
        )
    if not _SHARD.fullmatch(part):
        raise ModelError(f"{name} has a part of a name that is none", seen=part[:80])
    return value[0], value[1]


def _read_config(folder: Path, file: str, name: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {name}", seen=folder.name, mend="Check the path.")
    try:
        data = read_regular(folder / file, max_bytes=MAX_CONFIG_BYTES)
    except OSError as exc:
        raise ModelError(f"{name} lacks {file}", mend=_FETCH) from exc
    try:
        found = orjson.loads(data) if len(data) <= MAX_CONFIG_BYTES else None
    except orjson.JSONDecodeError as exc:
        raise ModelError(f"{name}/{file} is not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise ModelError(f"{name}/{file} is no JSON object of at most {MAX_CONFIG_BYTES:,} bytes")
    return found
