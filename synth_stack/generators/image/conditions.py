"""Conditions of images: where they are taken from, which one a row draws, and how it is drawn.

Every condition of a method has a source: a folder of pictures or maps, or a file of boxes. Sources are
matched by name: `dogs/7.jpg` of one and `dogs/7.png` of another belong together. A row draws one name of its
slice.
"""

import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth_stack.diffusion.families import ControlKind
from synth_stack.errors import ConfigError, InputError
from synth_stack.files import digest_file
from synth_stack.generators.image.boxes import read_boxes, strip_ending
from synth_stack.generators.image.condition_estimators import (
    ESTIMATED,
    DrawMap,
    EstimatorUse,
    draw_layout,
    load_map_drawer,
)
from synth_stack.images.attached import AttachedFile, read_attached
from synth_stack.images.condition_maps import Colour, LabelledBox, blur, draw_edges, fit
from synth_stack.images.conditions import describe_legend
from synth_stack.images.decoding import Pixels
from synth_stack.images.folders import list_image_files
from synth_stack.images.paths import MIMES
from synth_stack.registry import FilePath
from synth_stack.rows.canonical import Digest, derive_seed, digest_json

MAX_KEPT = 16
"""Maps that are kept, the latest: 3 MB each at 1024 x 1024."""
LABELLED: frozenset[ControlKind] = frozenset({"segment", "layout"})
"""Kinds whose colours are names."""
DRAWN: frozenset[ControlKind] = frozenset({"canny", "blur"})
"""Kinds that OpenCV draws from pictures; of the others the maps are given, or a model draws them."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Rgb = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]


class ConditionUse(BaseModel):
    """A condition of every image of a method: its kind, its source with its licence, and how it steers.

    `path` is a folder of pictures (canny, blur), of maps (depth, pose, segment, layout), or for `layout` a
    file of boxes (JSON Lines: `file_name`, `width`, `height` and `boxes` of `label` and `box` [x, y, width,
    height] in pixels). `given`: the pictures are maps already. With an `estimator` the folder is of pictures,
    and the model draws their maps. It steers at `scale` from the share `start` of the steps to `end`.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    kind: ControlKind
    path: FilePath
    license: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")]
    given: bool = False
    estimator: EstimatorUse | None = None
    scale: Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)] = 1.0
    start: Share = 0.0
    end: Share = 1.0
    low: Annotated[int, Field(ge=0, le=2000)] = 100
    high: Annotated[int, Field(ge=1, le=2000)] = 200
    sigma: Annotated[float, Field(gt=0, le=200)] = 10.0
    colours: dict[str, Rgb] = {}

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"it starts at {self.start:g} of the steps and ends at {self.end:g}")
        if self.low >= self.high:
            raise ValueError(
                f"the low threshold of edges, {self.low}, is not below the high one, {self.high}"
            )
        if self.estimator is not None and (self.given or self.kind not in ESTIMATED):
            why = "the maps are given" if self.given else f"{self.kind} is drawn without a model"
            raise ValueError(f"an estimator is of no use where {why}")
        return self

    @property
    def drawn(self) -> bool:
        """Whether the map is drawn from a picture."""
        return self.kind in DRAWN and not self.given

    @property
    def fixed_colours(self) -> dict[str, Colour]:
        """The colours of labels that the recipe fixes."""
        return {label: (c[0], c[1], c[2]) for label, c in self.colours.items()}

    def describe_models(self) -> dict[str, Any]:
        """The models that draw the map, by what they are for; nothing where none does."""
        return {} if self.estimator is None else self.estimator.describe_all(self.kind)

    def say_how(self) -> dict[str, Any]:
        """How the map is drawn, for the row."""
        if self.estimator is not None:
            return {"drawn": "estimated", **self.describe_models()}
        if not self.drawn:
            return {"drawn": "boxes" if Path(self.path).is_file() else "given"}
        if self.kind == "canny":
            return {"drawn": "canny", "low": self.low, "high": self.high}
        return {"drawn": "blur", "sigma": repr(self.sigma)}


@dataclass(frozen=True, slots=True)
class DrawnCondition:
    """The map of a condition, the file that it was drawn from with the digest of that, and how it was drawn:
    by what, and what its colours and boxes stand for.
    """

    use: ConditionUse
    pixels: Pixels
    source: str
    source_sha256: str
    how: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ConditionSource:
    """The files or boxes of one condition by name, and the digest of all of them. Listed when it is made."""

    use: ConditionUse
    files: Mapping[str, AttachedFile]
    boxes: Mapping[str, tuple[LabelledBox, ...]]
    sha256: Digest

    @property
    def names(self) -> set[str]:
        return set(self.files) | set(self.boxes)

    @cached_property
    def _how(self) -> dict[str, Any]:
        return self.use.say_how()

    @cached_property
    def _draw_map(self) -> DrawMap | None:
        use = self.use
        return None if use.estimator is None else load_map_drawer(use.kind, use.estimator, use.fixed_colours)

    @cached_property
    def _kept(self) -> "OrderedDict[tuple[str, int, int], DrawnCondition]":
        return OrderedDict()

    def load(self) -> None:
        """Load the model that draws maps, where there is one. Raises what `load_map_drawer` raises."""
        _ = self._draw_map, self._how

    def draw(self, name: str, width: int, height: int) -> DrawnCondition:
        """The map of that name in that size. Raises InputError for a file that cannot be decoded, and where a
        model finds nothing in it.
        """
        key = name, width, height
        if key not in self._kept:
            self._kept[key] = self._draw(name, width, height)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _draw(self, name: str, width: int, height: int) -> DrawnCondition:
        use = self.use
        if name in self.boxes:
            drawn = draw_layout(self.boxes[name], width, height, use.fixed_colours)
            source = f"{Path(use.path).name}: {name}"
            return DrawnCondition(use, drawn.pixels, source, self.sha256, {**self._how, **drawn.told})
        file = self.files[name]
        read = read_attached(Path(use.path), file)
        if read.image is None:
            said = "" if read.fault is None else f"{read.fault.name}: {read.fault.said}"
            raise InputError(f"the condition {file.path} gives no image", seen=said)
        labels = use.estimator is None and use.kind in LABELLED
        pixels = fit(read.image.pixels, width, height, labels=labels)
        told = describe_legend(use.fixed_colours) if labels and use.colours else {}
        if self._draw_map is not None:
            try:
                drawn = self._draw_map(pixels)
            except InputError as exc:
                raise InputError(f"the condition {file.path} gives no {use.kind}: {exc}") from exc
            pixels, told = drawn.pixels, dict(drawn.told)
        elif use.drawn and use.kind == "canny":
            pixels = draw_edges(pixels, use.low, use.high)
        elif use.drawn:
            pixels = blur(pixels, use.sigma)
        return DrawnCondition(use, pixels, file.path, str(file.sha256), {**self._how, **told})


@dataclass(frozen=True)
class ConditionSet:
    """The sources of a method's conditions, and the names that all of them have."""

    sources: tuple[ConditionSource, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        shared = set.intersection(*(each.names for each in self.sources)) if self.sources else set()
        return tuple(sorted(shared))

    @cached_property
    def _by_slice(self) -> dict[str, list[str]]:
        return {}

    def list_names(self, slice_: str) -> list[str]:
        """The names of a slice: those below its folder, or where there are none those in no folder at all."""
        if slice_ not in self._by_slice:
            own = [name for name in self.names if name.startswith(f"{slice_}/")]
            self._by_slice[slice_] = own or [name for name in self.names if "/" not in name]
        return self._by_slice[slice_]

    def require(self, slices: Sequence[str]) -> None:
        """Raises InputError where a slice has no condition to draw."""
        if not self.sources:
            return
        for slice_ in slices:
            if not self.list_names(slice_):
                kinds = ", ".join(each.use.kind for each in self.sources)
                raise InputError(
                    f"no condition ({kinds}) is there for a slice",
                    seen=slice_,
                    allowed=f"files in a folder {slice_}/, or in none, of the same name in every source",
                )

    def draw(self, slice_: str, rng_seed: int, width: int, height: int) -> list[DrawnCondition]:
        """The maps of one row. Raises InputError for a file that cannot be decoded."""
        if not self.sources:
            return []
        rng = random.Random(derive_seed(rng_seed, "condition"))  # noqa: S311  (a draw, not a secret)
        name = rng.choice(self.list_names(slice_))
        return [source.draw(name, width, height) for source in self.sources]


def open_conditions(uses: Sequence[ConditionUse]) -> ConditionSet:
    """The sources of these conditions, every file digested and every model loaded.

    Raises ModelError for a model that cannot be loaded, InputError for a source that is not there, has no
    image or an unreadable line, and ConfigError for sources that have no name in common.
    """
    found = ConditionSet(tuple(_open_source(use) for use in uses))
    if uses and not found.names:
        raise ConfigError(
            "the sources of the conditions have no name in common",
            seen=", ".join(f"{Path(use.path).name} ({use.kind})" for use in uses),
            allowed="files of the same path, whatever their ending",
        )
    for source in found.sources:
        source.load()
    return found


def record_conditions(uses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a lock says of conditions: the digest of each source in the place of its path."""
    sources = (_open_source(ConditionUse.model_validate(use)) for use in uses)
    return [
        {
            **{name: repr(value) if isinstance(value, float) else value for name, value in use.items()},
            "path": Path(use["path"]).name,
            "sha256": source.sha256,
            "files": len(source.names),
            **source.use.describe_models(),
        }
        for use, source in zip(uses, sources, strict=True)
    ]


def _open_source(use: ConditionUse) -> ConditionSource:
    path = Path(use.path)
    if path.is_dir():
        files = list_image_files(path)
        if not files:
            raise InputError(
                f"the condition {use.kind} has no image in {path.name}", allowed=", ".join(MIMES)
            )
        named: dict[str, AttachedFile] = {}
        for file in files:
            name = strip_ending(file.path)
            if name in named:
                raise InputError(
                    f"{path.name} has two images of one name", seen=f"{named[name].path}, {file.path}"
                )
            named[name] = file
        digest = digest_json([[file.path, file.sha256] for file in files])
        return ConditionSource(use, named, {}, digest)
    if use.kind != "layout" or not path.is_file() or use.estimator is not None:
        raise InputError(
            f"the condition {use.kind} has no source",
            seen=path.name,
            allowed="a folder of images"
            + (", or a file of boxes" if use.kind == "layout" and use.estimator is None else ""),
            mend="Check the path.",
        )
    return ConditionSource(use, {}, read_boxes(path), digest_file(path))
