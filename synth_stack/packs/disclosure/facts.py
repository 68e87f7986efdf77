"""What the documents of a pack tell: one value, from its recipe, gates, counts and files and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from synth_stack.inputs.recipe import IssuerConfig
from synth_stack.packs.counts import Counts, GateCount
from synth_stack.packs.data_figures import DataFigures
from synth_stack.packs.data_rows import find_license, list_terms
from synth_stack.packs.disclosure.unchecked import list_unchecked
from synth_stack.runs.locks import GateLock, RecipeLock, TermsLock


@dataclass(frozen=True, slots=True)
class DisclosedModel:
    """A model, the part that it had, the rows in data/ on which it worked, and its declared terms."""

    part: str
    name: str | None
    digest: str | None
    rows: int
    terms: TermsLock | None

    @property
    def writes(self) -> bool:
        """Whether its words are in the rows."""
        return self.part not in {"judge", "reward"}


@dataclass(frozen=True, slots=True)
class Origin:
    """What rows were drawn from or read from: what it is, its SHA-256 in hexadecimal, how much it holds.

    With `holds_rows` it is a dataset whose rows these are.
    """

    label: str
    sha256: str
    size: str = ""
    holds_rows: bool = False


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of accepted rows: its name in the pack, SHA-256 and bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What the documents of a pack tell.

    `identity` is that of the run, `root` that of the signed tree, `key_id` of the local key. `licenses` are
    identifiers of the Hub, none where none is stated; `issuer`, `issued`, `url` and `uses` are the recipe's
    words. `unchecked` are sentences with the names that they end with.
    """

    name: str
    title: str
    about: str
    identity: str
    root: str
    key_id: str
    version: str
    rows_judged: int
    data: DataFigures
    files: tuple[DataFile, ...]
    gates: tuple[GateCount, ...]
    models: tuple[DisclosedModel, ...] = ()
    origins: tuple[Origin, ...] = ()
    licenses: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    biases: tuple[str, ...] = ()
    unchecked: tuple[tuple[str, tuple[str, ...]], ...] = ()
    issuer: IssuerConfig | None = None
    issued: str | None = None
    url: str | None = None
    uses: tuple[str, ...] = ()
    replaced: int = 0
    withdrawn: int = 0
    reviewed: bool = False
    splits: tuple[str, ...] = field(default=())

    @property
    def not_stated(self) -> tuple[str, ...]:
        """What these documents ask for and neither lineage nor recipe tells."""
        asked = {
            "issuer": self.issuer,
            "country of the issuer": self.issuer and self.issuer.country,
            "day of issue": self.issued,
            "address of the pack": self.url,
            "intended use": self.uses,
            "licence": self.licenses,
            "languages": self.languages,
        }
        return tuple(name for name, stated in asked.items() if not stated)

    @property
    def unchecked_lines(self) -> list[str]:
        """What no gate looked for, as plain sentences."""
        return [f"{said}: {', '.join(names)}" if names else said for said, names in self.unchecked]

    @property
    def bytes(self) -> int:
        """The size of all files of rows."""
        return sum(file.size for file in self.files)


def build_disclosure(
    recipe: RecipeLock,
    gates: Sequence[GateLock],
    counts: Counts,
    *,
    root: str,
    key_id: str,
    files: Mapping[str, tuple[str, int]],
    withdrawn: int = 0,
) -> Disclosure:
    """What the documents of a pack tell; `files` maps those in data/ to their SHA-256 and bytes."""
    card = recipe.card
    license_name = find_license(recipe)
    terms = list_terms(recipe)
    return Disclosure(
        name=recipe.name,
        title=recipe.name if card is None else card.pretty_name,
        about=recipe.about or "",
        identity=recipe.identity,
        root=root,
        key_id=key_id,
        version=recipe.synth_stack,
        rows_judged=counts.rows,
        data=counts.data,
        files=tuple(DataFile(name, *told) for name, told in sorted(files.items())),
        gates=counts.gates,
        models=tuple(
            DisclosedModel(
                model.part,
                model.name,
                model.digest,
                model.rows,
                terms.get(model.digest or "") or terms.get(model.name or ""),
            )
            for model in counts.data.models
        ),
        origins=tuple(_list_origins(recipe)),
        licenses=() if license_name is None else (license_name,),
        languages=() if card is None else tuple(card.languages),
        biases=() if card is None else tuple(card.known_biases),
        unchecked=tuple(list_unchecked(gates, counts)),
        issuer=None if card is None else card.issuer,
        issued=None if card is None else card.issued,
        url=None if card is None else card.url,
        uses=() if card is None else tuple(card.uses),
        replaced=counts.replacements,
        withdrawn=withdrawn,
        reviewed=counts.review is not None,
        splits=tuple(split.name for split in counts.splits),
    )


def _list_origins(recipe: RecipeLock) -> list[Origin]:
    origins = []
    if recipe.source is not None:
        source = recipe.source
        origins.append(Origin(f"rows of {source.name}", source.sha256, holds_rows=True))
    if recipe.corpus is not None:
        corpus = recipe.corpus
        size = f"{corpus.seeds} seeds, {corpus.slices} slices, {corpus.sections} document sections"
        origins.append(Origin("seed corpus", corpus.sha256, size))
    if recipe.pipeline is not None:
        origins.append(Origin(f"pipeline {recipe.pipeline.name}", recipe.pipeline.sha256))
    return origins
